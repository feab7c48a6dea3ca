/* SPDX-License-Identifier: MIT */
/* See source.h. */
#include "source.h"

#include <string.h>

#include "address.h"
#include "options.h"

enum {
	KEY_TO = 't',
	KEY_QPS = 'q',
	KEY_BIND = SOURCE_KEY_FIRST,
	KEY_INTEGRITY,
	KEY_PRECOPY,
	KEY_BANDWIDTH,
};

static const struct argp_option options[] = {
	{ "to", KEY_TO, "HOST:PORT", 0, "The receiver: HOST:PORT, [V6]:PORT or unix:PATH", 1 },
	{ "qps", KEY_QPS, "N", 0, "Lanes: RC queue pairs, or TCP connections; 1 to 64 (8)", 1 },
	{ "bind", KEY_BIND, "ADDR", 0, "Local address of the control connection and the lanes", 1 },
	{ "integrity", KEY_INTEGRITY, "crc32c|none", 0,
	  "Checksum over every packet (crc32c), or over its header only (none)", 1 },
	{ "precopy", KEY_PRECOPY, "auto|on|off", 0,
	  "Send state while the devices still run: auto, of those that offer it; on refuses devices that do not", 1 },
	{ "max-bandwidth", KEY_BANDWIDTH, "N", 0,
	  "Bytes per second, with K, M or G, that pre-copy may take for all devices together; what is sent while they "
	  "stand still is never held back (no limit)",
	  1 },
	{ 0 },
};

static void check_recording(struct argp_state *state, const struct source_options *source)
{
	if (!source->record)
		return;
	if (!*source->record)
		argp_error(state, "--to file: the path of the recording is missing");
	if (source->transfer.payload == VFIOMIG_PAYLOAD_AEAD)
		argp_error(state, "--to %s: a recording is not encrypted, so --payload aead cannot be had", source->to);
	if (!transfer_is_plain(&source->transfer) || source->transfer.insecure)
		argp_error(state,
			   "--to %s: a recording has no peer, so --psk-file, --tls-dir and --insecure say "
			   "nothing of it",
			   source->to);
	if (source->lanes || source->bind || source->transfer.transport || source->transfer.rail[0])
		argp_error(
			state,
			"--to %s: a recording has no lanes, so --qps, --bind, --rail and --transport say nothing of it",
			source->to);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct option_word integrities[] = {
		{ "crc32c", VFIOMIG_INTEGRITY_CRC32C },
		{ "none", VFIOMIG_INTEGRITY_NONE },
		{ NULL, 0 },
	};
	static const struct option_word precopies[] = {
		{ "auto", VFIOMIG_PRECOPY_AUTO },
		{ "on", VFIOMIG_PRECOPY_ON },
		{ "off", VFIOMIG_PRECOPY_OFF },
		{ NULL, 0 },
	};
	struct source_options *source = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &source->transfer;
		return 0;
	case KEY_TO:
		source->to = arg;
		return 0;
	case KEY_QPS:
		source->lanes = (unsigned)option_number(state, "qps", arg, 1, VFIOMIG_LANES_MAX);
		return 0;
	case KEY_BIND:
		source->bind = arg;
		return 0;
	case KEY_INTEGRITY:
		source->integrity = (enum vfiomig_integrity)option_choice(state, "integrity", arg, integrities);
		return 0;
	case KEY_PRECOPY:
		source->precopy = (enum vfiomig_precopy)option_choice(state, "precopy", arg, precopies);
		return 0;
	case KEY_BANDWIDTH:
		source->precopy_bytes_per_s_max = option_size(state, "max-bandwidth", arg, 1 << 10, (uint64_t)1 << 40);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	case ARGP_KEY_END:
		if (!source->to)
			argp_error(state, "nowhere to go: name the receiver with --to HOST:PORT");
		if (source->to && !strncmp(source->to, "file:", 5))
			source->record = source->to + 5;
		check_recording(state, source);
		transfer_check_payload(state, &source->transfer);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &transfer_argp, 0, NULL, 0 }, { 0 } };
const struct argp source_argp = { options, parse, NULL, NULL, children, NULL, NULL };

bool source_is_insecure(const struct source_options *source)
{
	return !source->record && transfer_is_plain(&source->transfer) &&
	       transfer_leaves(&source->transfer, source->to);
}

int source_check(const struct source_options *source, struct vfiomig_error *err)
{
	/* An address without a port is a mistake of another kind, and the session will say which. */
	if (source->record || !strrchr(source->to, ':'))
		return 0;
	return transfer_check_address(&source->transfer, VFIOMIG_SOURCE, source->to, err);
}

struct vfiomig_options source_session_options(const struct source_options *source)
{
	struct vfiomig_options session = transfer_session_options(&source->transfer);

	session.peer = source->record ? NULL : source->to;
	session.record = source->record;
	session.bind = source->bind;
	session.lanes = source->lanes;
	memcpy(session.rail, source->transfer.rail, sizeof(session.rail));
	session.integrity = source->integrity;
	session.precopy = source->precopy;
	session.precopy_bytes_per_s_max = source->precopy_bytes_per_s_max;
	return session;
}
