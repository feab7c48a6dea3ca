/* SPDX-License-Identifier: MIT */
/* What `dump` knows of a recording, and the ways to show it. */
#ifndef CLI_DUMP_H
#define CLI_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

enum { DUMP_STATE_BYTES_MAX = 65536, DUMP_PAIRS = 15 };

/* A config space, field by field. */
struct dump_config {
	struct vfiomig_config config;
	struct vfiomig_config_field *field; /* owned */
	unsigned fields, room;
	bool lost;				/* there was no memory for one of them */
	bool covered[VFIOMIG_CONFIG_BYTES_MAX]; /* bytes of the config space that a field shows */
};

/* What is told of a recording in one word or number. */
struct dump_pair {
	const char *part; /* "device" or "stream" */
	const char *name;
	char text[128];
};

struct dump_file {
	const char *path;		     /* the caller's */
	struct vfiomig_recording *recording; /* owned */
	struct dump_pair pair[DUMP_PAIRS];
	struct dump_config snapshot; /* before anything was stopped */
	struct dump_config state;    /* the config packet's, if it can be taken apart */
	uint8_t *state_blob;	     /* owned: the config packet's payload, at most DUMP_STATE_BYTES_MAX */
	uint32_t state_bytes;
	struct vfiomig_error state_wrong; /* why it cannot; code 0: it can */
};

/* Read all of it. VFIOMIG_OK, or the exit code, with a sentence in @err; dump_file_close in both cases. */
enum vfiomig_code dump_file_open(struct dump_file *file, const char *path, struct vfiomig_error *err);

/* A zeroed one is fine. */
void dump_file_close(struct dump_file *file);

/* "0x0406", as wide as the field. */
struct dump_value {
	char text[24];
};
struct dump_value dump_value(const struct vfiomig_config_field *field);

struct dump_options {
	bool json, packets, diff;
	uint64_t bytes; /* of each packet's payload, to be shown */
};

/* Everything of one recording, to stdout. VFIOMIG_OK, or the exit code with a sentence in @err. */
enum vfiomig_code dump_text(struct dump_file *file, const struct dump_options *options, struct vfiomig_error *err);
enum vfiomig_code dump_json(struct dump_file *file, const struct dump_options *options, struct vfiomig_error *err);

/* What differs, to stdout. *@differ is set if anything does. */
enum vfiomig_code dump_diff(struct dump_file files[2], const struct dump_options *options, bool *differ,
			    struct vfiomig_error *err);

#endif
