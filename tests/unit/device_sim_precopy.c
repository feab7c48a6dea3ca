/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "support/sim_rig.h"

TestSuite(sim_precopy, .init = no_sigpipe, .timeout = 60);

/* PRE_COPY until the device has nothing, then STOP_COPY on the same descriptor; @leave bytes of PRE_COPY stay unread. */
static void migrate_with_precopy(const char *spec, int end, size_t leave_bytes)
{
	struct vfiomig_device *source = drive_open(spec), *target = drive_open(spec);
	struct vfiomig_error err;
	struct drive_read state = { .end = 1 };
	static uint8_t stream[2 << 20];
	size_t got, room = leave_bytes ? 600000 - leave_bytes : sizeof(stream);
	uint64_t at;
	int fd;

	drive_to(source, VFIOMIG_STATE_PRE_COPY);
	fd = source->ops->data_fd(source->impl);
	got = drive_read(source, stream, room, 65536, &state);
	cr_assert_eq(got, 600000 - leave_bytes);
	if (!leave_bytes)
		cr_assert_eq(state.end, end);
	drive_to(source, VFIOMIG_STATE_PRE_COPY_P2P);
	drive_to(source, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(source->ops->data_fd(source->impl), fd);
	state.end = 1;
	got += drive_read(source, stream + got, sizeof(stream) - got, 65536, &state);
	cr_assert_eq(got, BYTES);
	cr_assert_eq(state.end, 0);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, got, 65536, &at), 0);
	cr_assert_eq(drive_try(target, VFIOMIG_STATE_STOP, &err), 0, "%s", err.text);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

Test(sim_precopy, ends_pre_copy_by_what_counts_as_enomsg)
{
	migrate_with_precopy(NO_CONF ",precopy=enomsg,precopy-bytes=600000", -ENOMSG, 0);
	migrate_with_precopy(NO_CONF ",precopy=zero,precopy-bytes=600000", -ENOMSG, 0);
}

Test(sim_precopy, goes_on_where_its_reader_stood_when_pre_copy_was_left)
{
	migrate_with_precopy(NO_CONF ",precopy=enomsg,precopy-bytes=600000", 0, 1);
	migrate_with_precopy(NO_CONF ",precopy=enomsg,precopy-bytes=600000", 0, 599999);
	migrate_with_precopy(NO_CONF ",precopy=enomsg,precopy-bytes=600000,read-chunk=8K", 0, 123457);
}

/* Read @bytes, and no byte more. */
static void take(struct vfiomig_device *device, size_t bytes)
{
	static uint8_t stream[2 << 20];
	struct drive_read state = { .end = 1 };

	cr_assert_eq(drive_read(device, stream, bytes, 65536, &state), bytes, "ended with %d", state.end);
}

static void nothing_now(struct vfiomig_device *device)
{
	uint64_t at;
	uint8_t byte;

	cr_assert_eq(read(device->ops->data_fd(device->impl), &byte, 1), 0);
	cr_assert_eq(device->ops->explain(device->impl, 0, &at), -ENOMSG);
}

static void left(struct vfiomig_device *device, uint64_t initial, uint64_t dirty, uint64_t stop_copy)
{
	struct vfiomig_pending now = drive_pending(device);

	cr_assert(now.precopy_known && now.stop_copy_known);
	cr_assert_not(now.initial_again);
	cr_assert_eq(now.initial_bytes, initial, "initial %lu", (unsigned long)now.initial_bytes);
	cr_assert_eq(now.dirty_bytes, dirty, "dirty %lu", (unsigned long)now.dirty_bytes);
	cr_assert_eq(now.stop_copy_bytes, stop_copy, "stop copy %lu", (unsigned long)now.stop_copy_bytes);
}

Test(sim_precopy, is_on_where_its_bytes_are_given)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=1000");

	cr_assert(vfiomig_device_info(device)->migration_flags & VFIOMIG_MIGRATION_PRE_COPY);
	vfiomig_device_close(device);
	device = drive_open(SIM ",precopy-bytes=1000,precopy=off");
	cr_assert_not(vfiomig_device_info(device)->migration_flags & VFIOMIG_MIGRATION_PRE_COPY);
	vfiomig_device_close(device);
}

Test(sim_precopy, tells_what_is_left_of_first_and_of_dirty_state)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=600000,initial-bytes=400000");

	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	left(device, 400000, 200000, BYTES);
	take(device, 100001);
	left(device, 299999, 200000, BYTES - 100001);
	take(device, 400000);
	left(device, 0, 99999, BYTES - 500001);
	take(device, 99999);
	left(device, 0, 0, BYTES - 600000);
	nothing_now(device);
	drive_to(device, VFIOMIG_STATE_PRE_COPY_P2P);
	left(device, 0, 0, BYTES - 600000);
	vfiomig_device_close(device);
}

Test(sim_precopy, knows_the_whole_stream_before_and_what_is_left_of_it_after)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=600000");
	struct vfiomig_pending now = drive_pending(device);

	cr_assert_not(now.precopy_known);
	cr_assert_eq(now.stop_copy_bytes, BYTES);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	take(device, 3);
	now = drive_pending(device);
	cr_assert_not(now.precopy_known);
	cr_assert_eq(now.stop_copy_bytes, BYTES - 3);
	drive_to(device, VFIOMIG_STATE_STOP);
	cr_assert_eq(drive_pending(device).stop_copy_bytes, BYTES);
	drive_to(device, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_pending(device).stop_copy_bytes, BYTES);
	vfiomig_device_close(device);
}

/* A byte a second: nothing of it comes while the test runs, or some bytes; all is there at the end in either case. */
Test(sim_precopy, leaves_to_stop_copy_what_was_not_there_yet)
{
	struct vfiomig_device *source = drive_open(NO_CONF ",precopy-bytes=600000,initial-bytes=400000,dirty-rate=1");
	struct vfiomig_device *target = drive_open(NO_CONF);
	struct drive_read state = { .end = 1 };
	static uint8_t stream[2 << 20];
	size_t got;
	uint64_t at;
	int fd;

	drive_to(source, VFIOMIG_STATE_PRE_COPY);
	fd = source->ops->data_fd(source->impl);
	got = drive_read(source, stream, sizeof(stream), 65536, &state);
	cr_assert_eq(state.end, -ENOMSG);
	cr_assert(got >= 400000 && got < 401000, "%zu", got);
	drive_to(source, VFIOMIG_STATE_PRE_COPY_P2P);
	drive_to(source, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(source->ops->data_fd(source->impl), fd);
	got += drive_read(source, stream + got, sizeof(stream) - got, 65536, &state);
	cr_assert_eq(state.end, 0);
	cr_assert_eq(got, BYTES);
	drive_to(target, VFIOMIG_STATE_RESUMING);
	cr_assert_eq(drive_write(target, stream, got, 65536, &at), 0);
	drive_to(target, VFIOMIG_STATE_STOP);
	vfiomig_device_close(source);
	vfiomig_device_close(target);
}

/* What pending tells can be read at once, and in the end all of PRE_COPY has come. */
Test(sim_precopy, gives_what_becomes_dirty_on_the_same_descriptor)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=600000,initial-bytes=0,dirty-rate=10M");
	unsigned pauses = 0;
	uint64_t got = 0;
	int fd;

	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	fd = device->ops->data_fd(device->impl);
	while (got < 600000) {
		struct vfiomig_pending now = drive_pending(device);

		cr_assert_eq(now.initial_bytes, 0);
		cr_assert_eq(now.stop_copy_bytes, BYTES - got);
		take(device, now.dirty_bytes);
		got += now.dirty_bytes;
		pauses += !now.dirty_bytes;
		if (!now.dirty_bytes)
			poll(NULL, 0, 1);
	}
	cr_assert_gt(pauses, 0); /* at least once: PRE_COPY begins with nothing */
	cr_assert_eq(got, 600000);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	nothing_now(device);
	vfiomig_device_close(device);
}

Test(sim_precopy, can_be_given_up_and_begun_anew)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=600000,initial-bytes=5,dirty-rate=1");

	for (int round = 0; round < 2; round++) {
		drive_to(device, VFIOMIG_STATE_PRE_COPY);
		take(device, 5);
		drive_to(device, round ? VFIOMIG_STATE_PRE_COPY_P2P : VFIOMIG_STATE_PRE_COPY);
		drive_to(device, VFIOMIG_STATE_RUNNING);
		cr_assert_eq(device->ops->data_fd(device->impl), -1);
		cr_assert_eq(drive_pending(device).stop_copy_bytes, BYTES);
	}
	vfiomig_device_close(device);
}

Test(sim_precopy, fails_at_the_byte_it_was_told)
{
	struct vfiomig_device *device = drive_open(SIM ",precopy-bytes=600000,read-error-at=300001");
	struct drive_read state = { 0 };
	static uint8_t stream[600000];

	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	cr_assert_eq(drive_read(device, stream, sizeof(stream), 65536, &state), 300001);
	cr_assert_eq(state.end, -EIO);
	cr_assert_eq(state.end_at, 300001);
	vfiomig_device_close(device);
}

Test(sim_precopy, leaves_no_descriptor_open)
{
	int before = dup(0), after;

	close(before);
	migrate_with_precopy(NO_CONF ",precopy-bytes=600000", -ENOMSG, 0);
	migrate_with_precopy(NO_CONF ",precopy-bytes=600000", -ENOMSG, 77);
	after = dup(0);
	cr_assert_eq(after, before);
	close(after);
}
