/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#include "support/sim_rig.h"

TestSuite(sim, .init = no_sigpipe, .timeout = 60);

static void reads_at_most(const char *chunk, size_t most)
{
	char spec[128];
	struct vfiomig_device *device;
	struct drive_read state = { .end = 1 };
	static uint8_t stream[200000];

	snprintf(spec, sizeof(spec), "sim:bytes=150001,read-chunk=%s", chunk);
	device = drive_open(spec);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(drive_read(device, stream, sizeof(stream), sizeof(stream), &state), 150001);
	cr_assert_eq(state.end, 0);
	cr_assert_leq(state.call_most, most, "%zu", state.call_most);
	vfiomig_device_close(device);
}

Test(sim, gives_at_most_a_chunk_a_read)
{
	reads_at_most("7", 7);
	reads_at_most("4096", 4096);
	reads_at_most("100000", 100000);
}

Test(sim, takes_at_most_a_chunk_a_write)
{
	struct vfiomig_device *device = drive_open("sim:bytes=1M,write-chunk=10000,write-rate=1K");
	static uint8_t stream[1 << 20];
	ssize_t put;

	drive_to(device, VFIOMIG_STATE_RESUMING);
	fcntl(device->ops->data_fd(device->impl), F_SETFL, O_NONBLOCK);
	put = write(device->ops->data_fd(device->impl), stream, sizeof(stream));
	cr_assert(put > 0 && put <= 10000, "%zd", put);
	vfiomig_device_close(device);
}

Test(sim, fails_a_read_at_the_byte_it_was_told)
{
	struct vfiomig_device *device = drive_open("sim:bytes=1M,read-error-at=700001");
	struct drive_read state = { 0 };
	static uint8_t stream[1 << 20];

	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(drive_read(device, stream, sizeof(stream), 65536, &state), 700001);
	cr_assert_eq(state.end, -EIO);
	cr_assert_eq(state.end_at, 700001);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(device);
}

Test(sim, fails_a_write_at_the_byte_it_was_told)
{
	struct vfiomig_device *device = drive_open("sim:bytes=4M,write-error-at=1000001");
	struct vfiomig_error err;
	static uint8_t stream[4 << 20];
	uint64_t at;

	drive_to(device, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(device, stream, sizeof(stream), 65536, &at), -EIO);
	cr_assert_eq(at, 1000001);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_STOP, &err), -EIO);
	cr_assert(strstr(err.text, "byte 1000001") != NULL, "%s", err.text);
	cr_assert_eq(device->ops->reset(device->impl, &err), 0);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(device);
}

Test(sim, fails_the_state_change_where_the_pipe_had_hidden_the_byte)
{
	struct vfiomig_device *source = drive_open("sim:bytes=10"),
			      *device = drive_open("sim:bytes=10,write-error-at=3");
	struct vfiomig_error err;
	uint64_t at;
	size_t bytes;
	uint8_t *stream = drive_save(source, 10, &bytes);

	drive_to(device, VFIOMIG_STATE_RESUMING);
	drive_write(device, stream, bytes, 10, &at);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_STOP, &err), -EIO);
	cr_assert(strstr(err.text, "byte 3 ") != NULL, "%s", err.text);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(device);
}

Test(sim, without_pre_copy_or_p2p_has_no_such_states)
{
	struct vfiomig_device *device = drive_open(SIM ",p2p=off");
	struct vfiomig_error err;

	cr_assert_eq(vfiomig_device_info(device)->migration_flags, VFIOMIG_MIGRATION_STOP_COPY);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_RUNNING_P2P, &err), -EINVAL);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_PRE_COPY, &err), -EINVAL);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(device);
}

Test(sim, has_a_descriptor_only_in_states_with_a_stream)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy=zero");
	static const enum vfiomig_state without[] = { VFIOMIG_STATE_STOP, VFIOMIG_STATE_RUNNING,
						      VFIOMIG_STATE_RUNNING_P2P };

	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	for (int i = 0; i < 3; i++) {
		drive_to(device, VFIOMIG_STATE_STOP_COPY);
		cr_assert_geq(device->ops->data_fd(device->impl), 0);
		drive_to(device, without[i]);
		cr_assert_eq(device->ops->data_fd(device->impl), -1);
	}
	vfiomig_device_close(device);
}

Test(sim, fails_on_the_way_to_a_state_and_needs_a_reset_then)
{
	struct vfiomig_device *device = drive_open(SIM ",fail-state=STOP");
	struct vfiomig_error err;

	cr_assert_eq(drive_try(device, VFIOMIG_STATE_STOP_COPY, &err), -EIO);
	cr_assert(strstr(err.text, "RUNNING_P2P -> STOP") != NULL, "%s", err.text);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_ERROR);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_RUNNING, &err), -EINVAL);
	cr_assert_eq(device->ops->reset(device->impl, &err), 0);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(device);
}

Test(sim, of_tiny_state_fails_when_a_write_is_split)
{
	struct vfiomig_device *source = drive_open("sim:personality=tiny,config-bytes=0");
	struct vfiomig_device *target = drive_open("sim:personality=tiny,config-bytes=0");
	struct vfiomig_error err;
	uint64_t at;
	size_t bytes;
	uint8_t *stream = drive_save(source, 4096, &bytes);

	cr_assert_eq(bytes, 320);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, bytes, bytes, &at), 0);
	drive_to(target, VFIOMIG_STATE_STOP);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	drive_write(target, stream, bytes, 319, &at); /* may fail, or not yet */
	cr_assert_eq(drive_try(target, VFIOMIG_STATE_STOP, &err), -EINVAL);
	cr_assert_str_eq(err.name, "load-split");
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

Test(sim, with_a_short_end_takes_no_byte_more)
{
	struct vfiomig_device *source = drive_open("sim:bytes=200000,config-bytes=0");
	struct vfiomig_device *target = drive_open("sim:bytes=200000,config-bytes=0,personality=short-end");
	uint64_t at;
	size_t bytes;
	uint8_t *stream = drive_save(source, 1 << 20, &bytes);

	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, bytes, 1 << 20, &at), 0);
	drive_to(target, VFIOMIG_STATE_STOP);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, 1 << 20, 1 << 20, &at), -EINVAL);
	cr_assert_eq(at, 200000);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

Test(sim, that_loads_slowly_loads_right)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(migrate("sim:bytes=1M", "sim:bytes=1M,personality=slow-load", &err), 0, "%s", err.text);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Only the lower bound is judged: a busy machine is slower, never faster. */
Test(sim, keeps_to_its_rates)
{
	struct vfiomig_device *source = drive_open("sim:bytes=1M,read-rate=10M");
	uint64_t start = now_ns();
	size_t bytes;
	uint8_t *stream = drive_save(source, 1 << 20, &bytes);

	cr_assert_geq(now_ns() - start, 50000000);
	free(stream);
	vfiomig_device_close(source);
}

Test(sim, takes_its_time_for_transitions)
{
	struct vfiomig_device *device = drive_open(SIM ",transition-ms=10,stop-ms=0,p2p=off");
	uint64_t start = now_ns();

	drive_to(device, VFIOMIG_STATE_STOP);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	cr_assert_geq(now_ns() - start, 10000000);
	vfiomig_device_close(device);
}

/* Each of these devices would keep its thread busy for hours: a reset or close that waits for it runs into the timeout. */
static void ends_at_once(const char *spec, enum vfiomig_state state)
{
	static uint8_t stream[1 << 16];

	for (int round = 0; round < 2; round++) {
		struct vfiomig_device *device = drive_open(spec);
		struct vfiomig_error err = { 0 };

		drive_to(device, state);
		if (state == VFIOMIG_STATE_RESUMING) {
			fcntl(device->ops->data_fd(device->impl), F_SETFL, O_NONBLOCK);
			cr_assert_gt(write(device->ops->data_fd(device->impl), stream, sizeof(stream)), 0);
		}
		if (round)
			cr_assert_eq(device->ops->reset(device->impl, &err), 0);
		vfiomig_device_close(device);
	}
}

Test(sim, ends_at_once_whatever_it_waits_for)
{
	ends_at_once("sim:bytes=1G", VFIOMIG_STATE_STOP_COPY);		    /* for room in the pipe */
	ends_at_once("sim:bytes=1G,read-rate=1K", VFIOMIG_STATE_STOP_COPY); /* for its rate */
	ends_at_once("sim:bytes=1G,precopy=zero", VFIOMIG_STATE_PRE_COPY);  /* for nothing */
	ends_at_once("sim:bytes=1G", VFIOMIG_STATE_RESUMING);		    /* for data */
	ends_at_once("sim:bytes=1G,write-rate=1K", VFIOMIG_STATE_RESUMING);
}

Test(sim, does_not_wait_for_descriptors_that_others_hold)
{
	struct vfiomig_device *source = drive_open(NO_CONF), *target = drive_open(NO_CONF);
	uint64_t at;
	size_t bytes;
	uint8_t *stream = drive_save(source, BYTES, &bytes);
	int held;

	drive_to(target, VFIOMIG_STATE_RESUMING);
	held = dup(target->ops->data_fd(target->impl)); /* as a ring holds a registered file */
	cr_assert_eq(drive_write(target, stream, bytes, 1 << 20, &at), 0);
	drive_to(target, VFIOMIG_STATE_STOP);
	close(held);
	free(stream);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

Test(sim, can_save_again_what_it_loaded_and_what_it_was_reset_to)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device = drive_open(SIM);
	size_t bytes;

	for (int round = 0; round < 3; round++) {
		free(drive_save(device, BYTES, &bytes));
		cr_assert_eq(bytes, BYTES);
		cr_assert_eq(device->ops->reset(device->impl, &err), 0);
	}
	vfiomig_device_close(device);
}

Test(sim, leaves_no_descriptor_open)
{
	int before = dup(0), after;
	struct vfiomig_error err = { 0 };

	close(before);
	cr_assert_eq(migrate(SIM, SIM, &err), 0, "%s", err.text);
	after = dup(0);
	cr_assert_eq(after, before);
	close(after);
}

static void refused(const char *spec, const char *offending)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_open(&device, spec, &err), -EINVAL, "%s", spec);
	cr_assert_null(device);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	cr_assert(strstr(err.text, offending) != NULL, "%s", err.text);
}

Test(sim, describes_itself)
{
	struct vfiomig_device *device = drive_open(SIM ",name=a,gate=on,precopy=enomsg");
	const struct vfiomig_device_info *info = vfiomig_device_info(device);

	cr_assert_str_eq(info->driver, "sim");
	cr_assert_eq(info->expected_bytes, BYTES);
	cr_assert_eq(info->migration_flags, 7);
	cr_assert_eq(info->config_bytes, 256);
	cr_assert_eq(info->vendor, 0x1ee7);
	cr_assert_eq(info->numa_node, -1);
	cr_assert_str_eq(vfiomig_device_name(device), "a");
	cr_assert_eq(device->gate, VFIOMIG_GATE_ON);
	cr_assert_not(device->owned_by_vmm);
	vfiomig_device_close(device);
}

Test(sim, refuses_options_that_make_no_sense)
{
	refused("sim:bytes=many", "'many'");
	refused("sim:byte=1", "'byte'");
	refused("sim:bytes=10,read-error-at=10", "read-error-at=10");
	refused("sim:bytes=10,write-error-at=11", "write-error-at=11");
	refused("sim:personality=tiny,bytes=4097", "4096");
	refused("sim:fail-state=ERROR", "'ERROR'");
	refused("sim:config-bytes=512", "'512'");
	refused("sim:write-chunk=100", "from 4096");
	refused("sim:1234", "'1234'");
	refused("sim:initial-bytes=1", "initial-bytes=1 is more");
	refused("sim:precopy-bytes=10,initial-bytes=11", "initial-bytes=11 is more");
	refused("sim:dirty-rate=fast", "'fast'");
}
