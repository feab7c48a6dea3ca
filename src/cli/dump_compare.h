/* SPDX-License-Identifier: MIT */
/* What differs between two recordings, found before any of it is shown. */
#ifndef CLI_DUMP_COMPARE_H
#define CLI_DUMP_COMPARE_H

#include "dump.h"

enum { DUMP_PACKETS_NAMED = 8, DUMP_SAID_BYTES = 192 };

/* A fact or a field that is another in B; "" where there is none. */
struct dump_difference {
	const char *part;    /* "device", "stream", "snapshot" or "config" */
	const char *section; /* of a config space's field, else "" */
	const char *name;    /* "" : bytes that no field shows */
	uint32_t at, bytes;  /* in the config space; at UINT32_MAX: not there */
	char said[2][DUMP_SAID_BYTES];
};

/* The bytes of the stream, however they were cut into packets. */
struct dump_stream {
	uint64_t bytes[2];
	uint64_t differing; /* of those that both have */
	bool differ;
	uint64_t first_at;  /* where in the stream, if they differ */
	uint64_t packet[2]; /* that has it */
};

/* Packets of the same index: flags, bytes, CRC. A stream that is only cut in other places is no other stream. */
struct dump_packets {
	uint64_t count[2];
	uint64_t differing; /* the ones that only one of them has among them */
	uint64_t named[DUMP_PACKETS_NAMED];
	unsigned names;
	bool cut_alike; /* all of them have the same lengths */
};

struct dump_comparison {
	struct dump_difference *difference; /* owned */
	unsigned differences, room;
	bool lost; /* there was no memory for one of them */
	struct dump_stream stream;
	struct dump_packets packets;
	bool differ; /* other state, or of another device */
};

/* VFIOMIG_OK, or the exit code with a sentence in @err; dump_compare_fini in both cases. */
enum vfiomig_code dump_compare(struct dump_comparison *comparison, struct dump_file files[2],
			       struct vfiomig_error *err);
void dump_compare_fini(struct dump_comparison *comparison);

/* By bytes and by packets; called by dump_compare. */
enum vfiomig_code dump_compare_streams(struct dump_comparison *comparison, struct dump_file files[2],
				       struct vfiomig_error *err);

#endif
