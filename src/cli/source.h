/* SPDX-License-Identifier: MIT */
/* The options of a source, which send and probe have in common, those of transfer.h among them (an argp child). */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include <argp.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

#include "transfer.h"

/* Zero is the library's default. */
struct source_options {
	struct transfer_options transfer;
	const char *to;	    /* as it was given */
	const char *record; /* the PATH of a --to file:PATH, else NULL */
	const char *bind;
	unsigned lanes;
	enum vfiomig_integrity integrity;
	enum vfiomig_precopy precopy;
	uint64_t precopy_bytes_per_s_max;
};

/* Its input is a struct source_options. A parent's keys of long options stay below SOURCE_KEY_FIRST. */
enum { SOURCE_KEY_FIRST = 0x800 };
extern const struct argp source_argp;

/* Nothing will prove who the receiver is, and the state leaves this machine. */
bool source_is_insecure(const struct source_options *source);
/* Whether that is allowed: as transfer_check_address. */
int source_check(const struct source_options *source, struct vfiomig_error *err);

/* The options of a session, as far as they are common. */
struct vfiomig_options source_session_options(const struct source_options *source);

#endif
