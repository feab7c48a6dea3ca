/* SPDX-License-Identifier: MIT */
/* Simulated devices in pairs: what one saves, another loads. */
#ifndef SUPPORT_SIM_RIG_H
#define SUPPORT_SIM_RIG_H

#include "support/drive.h"

#define SIM	"sim:bytes=1000003,seed=5"
#define BYTES	1000003
#define NO_CONF SIM ",config-bytes=0"

static inline void no_sigpipe(void)
{
	signal(SIGPIPE, SIG_IGN);
}

/* Save and load with config, as a session would; 0 or what RESUMING -> STOP says. */
static inline int migrate(const char *from, const char *to, struct vfiomig_error *err)
{
	struct vfiomig_device *source = drive_open(from), *target = drive_open(to);
	uint64_t at = 0;
	size_t bytes;
	uint8_t *stream = drive_save(source, 2 << 20, &bytes);
	int rc;

	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, bytes, 1 << 20, &at), 0);
	cr_assert_eq(drive_config(source, target, err), 0, "%s", err->text);
	rc = drive_try(target, VFIOMIG_STATE_STOP, err);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
	return rc;
}

#endif
