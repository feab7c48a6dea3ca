/* SPDX-License-Identifier: MIT */
/* Whose state is migrated: memory devices, simulated ones, or a recording that is played into a memory device. */
#ifndef BENCH_INPUT_H
#define BENCH_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

#include "library.h"
#include "memory_sets.h"

enum input_kind { INPUT_MEMORY, INPUT_SIM, INPUT_FILE };

struct input {
	enum input_kind kind;
	const char *text; /* "memory", "sim" or "file:PATH" */
	char source_options[512], destination_options[512];
	struct memory_sets sets;
};

/* The devices of one migration. */
struct input_pairs {
	unsigned count;
	struct memory_set *set; /* NULL: the devices are not ours to look at */
	struct vfiomig_device *from[VFIOMIG_DEVICES_MAX], *to[VFIOMIG_DEVICES_MAX];
};

/* The kind that @text asks for; false if it is none. */
bool input_read(struct input *input, const char *text);

/* Understand the options' texts. 0, or -EINVAL and a sentence. */
int input_read_options(struct input *input, char *sentence, size_t bytes);

/* Devices as before a migration. 0 or negative errno with @err; close either way. */
int input_open(struct input *input, unsigned devices, uint64_t bytes, struct input_pairs *pairs,
	       struct vfiomig_error *err);
void input_close(struct input_pairs *pairs);

/* After a migration: is what arrived what was sent? 0 or negative errno with @err. */
int input_verify(const struct input *input, const struct input_pairs *pairs, const struct library_outcome *outcome,
		 struct vfiomig_error *err);

/* The set of memory devices as before a migration; NULL with @err. */
struct memory_set *input_memory(struct input *input, unsigned devices, uint64_t bytes, struct vfiomig_error *err);

/* 0, or that the first @devices of @set differ, with @err. */
int input_compare(const struct memory_set *set, unsigned devices, struct vfiomig_error *err);

#endif
