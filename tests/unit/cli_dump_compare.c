/* SPDX-License-Identifier: MIT */
/* Two recordings that differ where no field of the config space shows it: in what QEMU keeps behind that. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/recording.h"
#include "dump_compare.h"

enum { VECTORS = 2, EXTRA_BYTES = 4 };

static char folder[] = "/tmp/dump-XXXXXX";
static struct dump_file files[2];
static struct dump_comparison comparison;

/* A device with an MSI-X capability, and a VMM's subsection behind its state. */
struct state {
	uint8_t space[256];
	uint8_t table[VECTORS * VFIOMIG_CONFIG_VECTOR_BYTES], pending[1], extra[EXTRA_BYTES];
};

static struct state state_of_a(void)
{
	struct state state = { .space = { [0x06] = 0x10, [0x34] = 0x40, [0x40] = 0x11, [0x42] = VECTORS - 1 },
			       .extra = { 5, 1, 2, 3 } };

	return state;
}

static void record(const char *path, const struct state *state)
{
	const struct vfiomig_config config = { .size = sizeof(config),
					       .layout = VFIOMIG_CONFIG_QEMU,
					       .space_bytes = sizeof(state->space),
					       .space = state->space,
					       .vectors = VECTORS,
					       .msix_table = state->table,
					       .msix_pending = state->pending,
					       .extra_bytes = EXTRA_BYTES,
					       .extra = state->extra };
	const struct vfiomig_device_info info = { .numa_node = -1 };
	struct recording_packet packet = { .flags = RECORDING_CONFIG_STATE | RECORDING_STOP_COPY };
	struct recorder *recorder;
	uint8_t blob[1024];
	ssize_t bytes = vfiomig_config_encode(blob, sizeof(blob), &config, NULL);

	cr_assert_gt(bytes, 0);
	packet.bytes = (uint32_t)bytes;
	cr_assert_eq(recorder_open(&recorder, path, &info, "", NULL), 0);
	cr_assert_eq(recorder_put(recorder, &packet, blob, NULL), 0);
	cr_assert_eq(recorder_finish(recorder, NULL), 0);
	recorder_close(recorder);
}

static void compare(const struct state *a, const struct state *b)
{
	const struct state *states[] = { a, b };
	struct vfiomig_error err = { 0 };
	char path[64];

	cr_assert(mkdtemp(folder));
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		record(path, states[i]);
		cr_assert_eq(dump_file_open(&files[i], path, &err), VFIOMIG_OK, "%s", err.text);
		unlink(path);
	}
	rmdir(folder);
	cr_assert_eq(dump_compare(&comparison, files, &err), VFIOMIG_OK, "%s", err.text);
}

static void end(void)
{
	dump_compare_fini(&comparison);
	dump_file_close(&files[0]);
	dump_file_close(&files[1]);
}

static unsigned named(const char *name)
{
	unsigned count = 0;

	for (unsigned i = 0; i < comparison.differences; i++)
		count += !strcmp(comparison.difference[i].name, name);
	return count;
}

TestSuite(dump_compare, .fini = end);

Test(dump_compare, finds_nothing_in_one_state)
{
	const struct state a = state_of_a();

	compare(&a, &a);
	cr_assert_not(comparison.differ);
	cr_assert_eq(comparison.differences, 0);
}

Test(dump_compare, finds_a_vector)
{
	const struct state a = state_of_a();
	struct state b = a;

	b.table[0] ^= 1;
	compare(&a, &b);
	cr_assert_eq(comparison.differences, 1);
	cr_assert_eq(named("Vector 0"), 1);
}

Test(dump_compare, finds_what_a_subsection_has_though_a_field_differs_too)
{
	const struct state a = state_of_a();
	struct state b = a;

	b.space[0x3c] ^= 1;
	b.table[0] ^= 1;
	b.extra[EXTRA_BYTES - 1] ^= 1;
	compare(&a, &b);
	cr_assert_eq(named("Vector 0"), 1);
	cr_assert_eq(named("Subsections"), 1);
}

Test(dump_compare, finds_a_bit_of_a_vector_that_no_field_shows_though_others_do)
{
	const struct state a = state_of_a();
	struct state b = a;

	b.space[0x3c] ^= 1;
	b.table[VFIOMIG_CONFIG_VECTOR_BYTES - 1] ^= 1; /* of Vector Control, where only the mask bit has a name */
	compare(&a, &b);
	cr_assert_eq(named("Vectors"), 1);
}
