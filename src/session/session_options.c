/* SPDX-License-Identifier: MIT */
/* The caller's options: those that cannot be are refused, those that are not given have defaults. */
#include <errno.h>

#include "base/error.h"
#include "session/session.h"

#define FLAGS_KNOWN                                                                                    \
	((unsigned)(VFIOMIG_NO_PLATFORM | VFIOMIG_OWN_COMMIT | VFIOMIG_SERIAL_STATES | VFIOMIG_PROBE | \
		    VFIOMIG_EXTERNAL_SWITCHOVER))

static int refuse_option(struct vfiomig_error *err, const char *what, unsigned long long value, unsigned long long min,
			 unsigned long long max)
{
	return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "%s: %llu is out of range, %llu to %llu are possible", what,
			 value, min, max);
}

/* A number that stands for no word: a default would do something else than was asked for. */
static int check_words(const struct vfiomig_options *options, struct vfiomig_error *err)
{
	const struct {
		const char *what;
		unsigned value, max;
	} words[] = {
		{ "transport", options->transport, VFIOMIG_TRANSPORT_TCP },
		{ "loader", options->loader, VFIOMIG_LOADER_WRITE },
		{ "integrity", options->integrity, VFIOMIG_INTEGRITY_NONE },
		{ "gate", options->gate, VFIOMIG_GATE_OFF },
		{ "precopy", options->precopy, VFIOMIG_PRECOPY_OFF },
	};

	if (options->flags & ~FLAGS_KNOWN)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL,
				 "flags: 0x%x has a bit that this library does not know", options->flags);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].value > words[i].max)
			return refuse_option(err, words[i].what, words[i].value, 0, words[i].max);
	return 0;
}

int session_check_options(const struct vfiomig_options *options, enum vfiomig_role role, struct vfiomig_error *err)
{
	if (role != VFIOMIG_SOURCE && role != VFIOMIG_DESTINATION)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "a session is a source or a destination");
	if (role == VFIOMIG_SOURCE && !options->peer == !options->record)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL,
				 "a source needs the address of its destination, or a file to record into");
	if (role == VFIOMIG_DESTINATION && !options->listener)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "a destination needs a listener");
	if (options->psk_file && options->tls_dir)
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL,
				 "a session is authenticated by a pre-shared key or by certificates, not by both");
	if (options->rail[0] && (role == VFIOMIG_DESTINATION || options->record))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "rail",
				 "rails are a source's on its way to a destination, whose listener is told of them");
	if (options->numa > VFIOMIG_NUMA_NODE || (options->numa == VFIOMIG_NUMA_NODE && options->numa_node < 0))
		return error_set(err, VFIOMIG_USAGE, EINVAL, NULL, "a NUMA node is a number from 0 on");
	if (options->lanes > VFIOMIG_LANES_MAX)
		return refuse_option(err, "lanes", options->lanes, 1, VFIOMIG_LANES_MAX);
	if (options->slots && (options->slots < VFIOMIG_SLOTS_MIN || options->slots > VFIOMIG_SLOTS_MAX))
		return refuse_option(err, "slots", options->slots, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX);
	if (options->slot_bytes &&
	    (options->slot_bytes < VFIOMIG_SLOT_BYTES_MIN || options->slot_bytes > VFIOMIG_SLOT_BYTES_MAX))
		return refuse_option(err, "slot bytes", options->slot_bytes, VFIOMIG_SLOT_BYTES_MIN,
				     VFIOMIG_SLOT_BYTES_MAX);
	return check_words(options, err);
}

void session_set_defaults(struct vfiomig_options *options)
{
	if (!options->lanes)
		options->lanes = LANES_DEFAULT;
	if (!options->slots)
		options->slots = SLOTS_DEFAULT;
	if (!options->slot_bytes)
		options->slot_bytes = SLOT_BYTES_DEFAULT;
	if (!options->peer_timeout_ms)
		options->peer_timeout_ms = PEER_TIMEOUT_MS_DEFAULT;
	if (!options->device_timeout_ms)
		options->device_timeout_ms = DEVICE_TIMEOUT_MS_DEFAULT;
	if (!options->hold_ms)
		options->hold_ms = JOURNAL_HOLD_MS_DEFAULT;
}
