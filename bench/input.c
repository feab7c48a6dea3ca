/* SPDX-License-Identifier: MIT */
/* See input.h. */
#include "input.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device_options.h"

static int fail(struct vfiomig_error *err, int rc, const char *what)
{
	*err = (struct vfiomig_error){ .code = VFIOMIG_INTERNAL, .errnum = -rc };
	snprintf(err->text, sizeof(err->text), "%s: %s", what, strerror(-rc));
	return rc;
}

bool input_read(struct input *input, const char *text)
{
	input->text = text;
	input->kind = INPUT_MEMORY;
	if (!strcmp(text, "sim"))
		input->kind = INPUT_SIM;
	else if (!strncmp(text, "file:", strlen("file:")) && text[strlen("file:")])
		input->kind = INPUT_FILE;
	return input->kind != INPUT_MEMORY || !strcmp(text, "memory");
}

int input_read_options(struct input *input, char *sentence, size_t bytes)
{
	int rc = 0;

	if (input->kind == INPUT_MEMORY)
		rc = device_options_read(&input->sets.from, input->source_options, sentence, bytes);
	if (!rc && input->kind != INPUT_SIM)
		rc = device_options_read(&input->sets.to, input->destination_options, sentence, bytes);
	return rc;
}

struct memory_set *input_memory(struct input *input, unsigned devices, uint64_t bytes, struct vfiomig_error *err)
{
	struct memory_set *set = memory_sets_get(&input->sets, bytes, devices);
	char what[64];
	int rc;

	if (!set) {
		snprintf(what, sizeof(what), "no memory for %u times two streams of %" PRIu64 " bytes", devices, bytes);
		fail(err, -errno, what);
		return NULL;
	}
	rc = memory_set_prepare(set, devices);
	if (!rc)
		return set;
	fail(err, rc, "the memory devices cannot be made ready");
	return NULL;
}

static int wrap(struct memory_device *memory, struct vfiomig_device **out, struct vfiomig_error *err)
{
	return vfiomig_device_wrap(out, &memory_device_ops, memory, NULL, VFIOMIG_GATE_AUTO, err);
}

static int open_memory(struct input *input, uint64_t bytes, struct input_pairs *pairs, struct vfiomig_error *err)
{
	int rc = 0;

	pairs->set = input_memory(input, pairs->count, bytes, err);
	if (!pairs->set)
		return -EIO;
	for (unsigned d = 0; !rc && d < pairs->count; d++) {
		rc = wrap(&pairs->set->from[d], &pairs->from[d], err);
		if (!rc)
			rc = wrap(&pairs->set->to[d], &pairs->to[d], err);
	}
	return rc;
}

static int open_sim(uint64_t bytes, unsigned number, const char *options, struct vfiomig_device **out,
		    struct vfiomig_error *err)
{
	char spec[640];

	snprintf(spec, sizeof(spec), "sim:bytes=%" PRIu64 ",seed=%u%s%s", bytes, number + 1, options[0] ? "," : "",
		 options);
	return vfiomig_device_open(out, spec, err);
}

static int open_sims(const struct input *input, uint64_t bytes, struct input_pairs *pairs, struct vfiomig_error *err)
{
	int rc = 0;

	for (unsigned d = 0; !rc && d < pairs->count; d++) {
		rc = open_sim(bytes, d, input->source_options, &pairs->from[d], err);
		if (!rc)
			rc = open_sim(bytes, d, input->destination_options, &pairs->to[d], err);
	}
	return rc;
}

/* The recording goes into a memory device that says to be what was recorded. */
static int open_file(struct input *input, struct input_pairs *pairs, struct vfiomig_error *err)
{
	int rc = vfiomig_device_open(&pairs->from[0], input->text, err);

	if (rc)
		return rc;
	pairs->set = input_memory(input, 1, vfiomig_device_info(pairs->from[0])->expected_bytes, err);
	if (!pairs->set)
		return -EIO;
	pairs->set->to[0].like = vfiomig_device_info(pairs->from[0]);
	pairs->set->to[0].config_loaded = 0;
	return wrap(&pairs->set->to[0], &pairs->to[0], err);
}

int input_open(struct input *input, unsigned devices, uint64_t bytes, struct input_pairs *pairs,
	       struct vfiomig_error *err)
{
	*pairs = (struct input_pairs){ .count = devices };
	if (input->kind == INPUT_FILE)
		return open_file(input, pairs, err);
	return input->kind == INPUT_SIM ? open_sims(input, bytes, pairs, err) : open_memory(input, bytes, pairs, err);
}

void input_close(struct input_pairs *pairs)
{
	for (unsigned d = 0; d < pairs->count; d++) {
		vfiomig_device_close(pairs->from[d]);
		vfiomig_device_close(pairs->to[d]);
	}
	*pairs = (struct input_pairs){ 0 };
}

int input_compare(const struct memory_set *set, unsigned devices, struct vfiomig_error *err)
{
	unsigned which = 0;
	char what[64];
	int rc = memory_set_compare(set, devices, &which);

	snprintf(what, sizeof(what), "device %u: what arrived is not what was sent", which);
	return rc ? fail(err, rc, what) : 0;
}

int input_verify(const struct input *input, const struct input_pairs *pairs, const struct library_outcome *outcome,
		 struct vfiomig_error *err)
{
	const struct memory_device *sink;

	if (input->kind == INPUT_SIM) /* it has checked every byte itself, or refused to leave RESUMING */
		return 0;
	if (input->kind == INPUT_MEMORY)
		return input_compare(pairs->set, pairs->count, err);
	sink = &pairs->set->to[0];
	if (sink->streamed + sink->config_loaded == outcome->bytes)
		return 0;
	return fail(err, -EBADMSG, "fewer bytes of the recording were loaded than were sent");
}
