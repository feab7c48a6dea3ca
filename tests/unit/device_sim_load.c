/* SPDX-License-Identifier: MIT */
#include "support/sim_rig.h"

TestSuite(sim_load, .init = no_sigpipe, .timeout = 60);

/* Load what @change makes of the right stream; returns what RESUMING -> STOP says. */
static int load_changed(void (*change)(uint8_t *stream, size_t *bytes), struct vfiomig_error *err)
{
	struct vfiomig_device *source = drive_open(NO_CONF), *target = drive_open(NO_CONF);
	uint64_t at;
	size_t bytes;
	uint8_t *stream = drive_save(source, BYTES + 100, &bytes);
	int rc;

	cr_assert_eq(bytes, BYTES);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	change(stream, &bytes);
	cr_assert_eq(drive_write(target, stream, bytes, 100000, &at), 0);
	rc = drive_try(target, VFIOMIG_STATE_STOP, err);
	cr_assert_eq(vfiomig_device_state(target), rc ? VFIOMIG_STATE_ERROR : VFIOMIG_STATE_STOP);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
	return rc;
}

static void caught(void (*change)(uint8_t *stream, size_t *bytes), const char *name, const char *where)
{
	struct vfiomig_error err;

	cr_assert_eq(load_changed(change, &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	cr_assert_str_eq(err.name, name);
	cr_assert(strstr(err.text, where) != NULL, "%s", err.text);
}

static void leave(uint8_t *stream, size_t *bytes)
{
	(void)stream, (void)bytes;
}

static void flip(uint8_t *stream, size_t *bytes)
{
	(void)bytes;
	stream[654321] ^= 4;
}

static void swap(uint8_t *stream, size_t *bytes)
{
	uint8_t held[4096];

	(void)bytes;
	memcpy(held, stream + 8192, 4096);
	memcpy(stream + 8192, stream + 16384, 4096);
	memcpy(stream + 16384, held, 4096);
}

static void shorten(uint8_t *stream, size_t *bytes)
{
	(void)stream;
	*bytes -= 1;
}

static void lengthen(uint8_t *stream, size_t *bytes)
{
	stream[*bytes] = 0;
	*bytes += 1;
}

static void double_block(uint8_t *stream, size_t *bytes)
{
	(void)bytes;
	memcpy(stream + 4096, stream, 4096);
}

Test(sim_load, loads_what_another_saved)
{
	struct vfiomig_error err;

	cr_assert_eq(load_changed(leave, &err), 0, "%s", err.text);
}

Test(sim_load, catches_a_flipped_bit)
{
	caught(flip, "load-wrong", "byte 654321 ");
}

Test(sim_load, catches_swapped_blocks)
{
	caught(swap, "load-wrong", "byte 8192 ");
}

Test(sim_load, catches_a_missing_last_byte)
{
	caught(shorten, "load-short", "byte 1000002");
}

Test(sim_load, catches_an_extra_byte)
{
	caught(lengthen, "load-long", "byte 1000003");
}

Test(sim_load, catches_a_doubled_block)
{
	caught(double_block, "load-wrong", "byte 4096 ");
}

Test(sim_load, migrates_states_of_any_size)
{
	static const char *const specs[] = { "sim:bytes=0",    "sim:bytes=1",
					     "sim:bytes=4095", "sim:bytes=4096",
					     "sim:bytes=4097", "sim:bytes=262143",
					     "sim:bytes=1M",   "sim:bytes=1M,config-bytes=4096" };
	struct vfiomig_error err = { 0 };

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		cr_assert_eq(migrate(specs[i], specs[i], &err), 0, "%s: %s", specs[i], err.text);
}

Test(sim_load, of_another_seed_is_another_state)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(migrate("sim:bytes=1K,seed=1", "sim:bytes=1K,seed=2", &err), -EINVAL);
	cr_assert_str_eq(err.name, "load-wrong");
}

Test(sim_load, with_another_config_seed_notices_the_config)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(migrate("sim:bytes=1K,config-seed=1", "sim:bytes=1K,config-seed=2", &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-wrong");
	cr_assert_eq(migrate("sim:bytes=1K,config-seed=1", "sim:bytes=1K,config-seed=2,check-config=off", &err), 0);
}

/* @loads: when the config is loaded, 'e'arly or after the data ('d'). */
static int load_config(const char *loads, struct vfiomig_error *err)
{
	struct vfiomig_device *source = drive_open("sim:bytes=100K"), *target = drive_open("sim:bytes=100K");
	uint64_t at;
	size_t bytes, half;
	uint8_t *stream = drive_save(source, 1 << 20, &bytes);
	int rc;

	*err = (struct vfiomig_error){ 0 };
	drive_to(target, VFIOMIG_STATE_RESUMING);
	half = bytes - 1;
	cr_assert_eq(drive_write(target, stream, half, 1 << 20, &at), 0);
	if (strchr(loads, 'e'))
		cr_assert_eq(drive_config(source, target, err), 0);
	cr_assert_eq(drive_write(target, stream + half, bytes - half, 1 << 20, &at), 0);
	for (const char *load = loads; *load; load++)
		if (*load == 'd')
			cr_assert_eq(drive_config(source, target, err), 0);
	rc = drive_try(target, VFIOMIG_STATE_STOP, err);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
	return rc;
}

Test(sim_load, wants_its_config_once_and_after_the_last_byte)
{
	struct vfiomig_error err;

	cr_assert_eq(load_config("d", &err), 0, "%s", err.text);
	cr_assert_eq(load_config("", &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-count");
	cr_assert_eq(load_config("dd", &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-count");
	cr_assert_eq(load_config("e", &err), -EINVAL);
	cr_assert_str_eq(err.name, "config-early");
}

Test(sim_load, starts_every_load_with_nothing_set_up)
{
	struct vfiomig_device *source = drive_open("sim:bytes=0"), *target = drive_open("sim:bytes=0");
	struct vfiomig_error err = { 0 };
	uint8_t blob[65536];

	for (int round = 0; round < 2; round++) {
		drive_to(target, VFIOMIG_STATE_RESUMING);
		cr_assert_eq(target->ops->config_get(target->impl, blob, sizeof(blob), &err), 264);
		for (int at = 0x40; at < 256; at++)
			cr_assert_eq(blob[8 + at], 0);
		cr_assert_eq(drive_config(source, target, &err), 0, "%s", err.text);
		drive_to(target, VFIOMIG_STATE_STOP);
	}
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

Test(sim_load, refuses_a_config_outside_resuming)
{
	struct vfiomig_device *device = drive_open(SIM);
	struct vfiomig_error err = { 0 };

	cr_assert_eq(drive_config(device, device, &err), -EINVAL);
	vfiomig_device_close(device);
}

Test(sim_load, compares_config_sizes_before_anything_is_stopped)
{
	struct vfiomig_device *small = drive_open(SIM), *large = drive_open(SIM ",config-bytes=4096");
	struct vfiomig_error err = { 0 };

	cr_assert_eq(small->ops->config_check(small->impl, &small->info, &err), 0);
	cr_assert_eq(small->ops->config_check(small->impl, &large->info, &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	vfiomig_device_close(small);
	vfiomig_device_close(large);
}
