/* SPDX-License-Identifier: MIT */
/* Device specs, "kind:arg,key=value,...": taken apart, and their options read by a table of rules. */
#ifndef DEVICE_SPEC_H
#define DEVICE_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/device.h>

enum { SPEC_BYTES_MAX = 256, SPEC_OPTIONS_MAX = 40 };

struct spec_option {
	const char *key, *value;
};

/* All strings point into buffer: do not copy the struct. */
struct spec {
	char text[SPEC_BYTES_MAX]; /* as it was given */
	char buffer[SPEC_BYTES_MAX];
	const char *kind;
	const char *arg;  /* "" if there is none */
	const char *name; /* of name=, "" if there is none */
	enum vfiomig_gate gate;
	unsigned count; /* of options, name and gate not among them */
	struct spec_option options[SPEC_OPTIONS_MAX];
};

enum spec_type {
	SPEC_NUMBER, /* decimal or 0x..., from least to most */
	SPEC_BYTES,  /* the same with K, M, G or T behind it: 1024 and so on */
	SPEC_WORD,   /* one of words; stored is its index */
};

/* How to read one key; numbers and words alike are stored as uint64_t at @offset of the struct that is filled. */
struct spec_rule {
	const char *key;
	size_t offset;
	enum spec_type type;
	uint64_t least, most;	  /* numbers */
	const char *const *words; /* ends with NULL */
};

/* Of config-layout=, which more than one kind of device has: "raw", "qemu". */
extern const char *const config_layout_words[];

/* -EINVAL (VFIOMIG_USAGE): no kind, an item that is not key=value, a repeated key, a bad name or gate, too long. */
int spec_parse(struct spec *spec, const char *text, struct vfiomig_error *err);

/* Read all options of @spec into @into. -EINVAL (VFIOMIG_USAGE): an unknown key, or a value that its rule forbids. */
int spec_apply(const struct spec *spec, const struct spec_rule *rules, size_t count, void *into,
	       struct vfiomig_error *err);

/* Is @name fit to be a device's name: 1 to 31 letters, digits, '_', '-' and '.'? */
int spec_name_valid(const char *name);

#endif
