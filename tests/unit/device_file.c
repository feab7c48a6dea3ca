/* SPDX-License-Identifier: MIT */
#include "support/drive.h"
#include "support/recording_rig.h"

enum { PACKET = 300000, CONFIG = 264 };

TestSuite(file, .init = recording_rig_init, .fini = recording_rig_fini, .timeout = 60);

static const char *spec(const char *options)
{
	static char text[256];

	snprintf(text, sizeof(text), "file:%s%s", recording_path, options);
	return text;
}

/* What recording_make recorded as packets @from to @to - 1. */
static uint8_t *stream_of(uint64_t from, uint64_t to)
{
	uint8_t *stream = malloc((to - from) * PACKET + 1);

	for (uint64_t index = from; index < to; index++)
		recording_payload(index, stream + (index - from) * PACKET, PACKET);
	return stream;
}

/* Read to the end that @end says; it must be exactly packets @from to @to - 1. */
static void expect(struct vfiomig_device *device, uint64_t from, uint64_t to, int end)
{
	size_t bytes = (to - from) * PACKET;
	uint8_t *expected = stream_of(from, to), *stream = malloc(bytes + 1);
	struct drive_read state = { .end = 1 };

	cr_assert_eq(drive_read(device, stream, bytes + 1, 65536, &state), bytes);
	cr_assert_eq(state.end, end, "%d", state.end);
	cr_assert_eq(memcmp(stream, expected, bytes), 0);
	free(stream);
	free(expected);
}

Test(file, is_what_was_recorded)
{
	struct vfiomig_device_info recorded = recording_info_sample(), *now;
	struct vfiomig_device *device;

	recording_make(2, 2, PACKET);
	device = drive_open(spec(",name=x,gate=on"));
	now = &device->info;
	cr_assert_str_eq(now->driver, recorded.driver);
	cr_assert_str_eq(now->firmware, recorded.firmware);
	cr_assert_str_eq(now->psid, recorded.psid);
	cr_assert_eq(now->device, recorded.device);
	cr_assert_eq(now->migration_flags, recorded.migration_flags);
	cr_assert_eq(now->config_bytes, recorded.config_bytes);
	cr_assert_eq(memcmp(now->config, recorded.config, 256), 0);
	cr_assert_eq(now->expected_bytes, 4 * PACKET);
	cr_assert_str_eq(vfiomig_device_name(device), "x");
	cr_assert_eq(device->gate, VFIOMIG_GATE_ON);
	cr_assert_str_eq(device->warning, "");
	vfiomig_device_close(device);
}

Test(file, gives_all_in_stop_copy_where_pre_copy_was_not_entered)
{
	struct vfiomig_device *device;

	recording_make(2, 2, PACKET);
	device = drive_open(spec(""));
	cr_assert_eq(drive_pending(device).stop_copy_bytes, 4 * PACKET);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	expect(device, 0, 4, 0);
	cr_assert_eq(drive_pending(device).stop_copy_bytes, 0);
	vfiomig_device_close(device);
}

Test(file, gives_in_pre_copy_what_was_recorded_then)
{
	struct vfiomig_device *device;
	int fd;

	recording_make(2, 3, PACKET);
	device = drive_open(spec(""));
	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	fd = device->ops->data_fd(device->impl);
	cr_assert_eq(drive_pending(device).initial_bytes, 2 * PACKET);
	expect(device, 0, 2, -ENOMSG);
	cr_assert(drive_pending(device).precopy_known);
	cr_assert_eq(drive_pending(device).initial_bytes, 0);
	cr_assert_eq(drive_pending(device).dirty_bytes, 0);
	cr_assert_eq(drive_pending(device).stop_copy_bytes, 3 * PACKET);
	drive_to(device, VFIOMIG_STATE_PRE_COPY_P2P);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	cr_assert_eq(device->ops->data_fd(device->impl), fd);
	expect(device, 2, 5, 0);
	vfiomig_device_close(device);
}

/* PRE_COPY is left when @bytes of it have been read: the rest comes in STOP_COPY, and nothing twice. */
static void leave_after(size_t bytes)
{
	struct vfiomig_device *device = drive_open(spec(""));
	uint8_t *expected = stream_of(0, 5), *stream = malloc(5 * PACKET + 1);
	struct drive_read state = { .end = 1 };
	size_t got;

	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	cr_assert_eq(drive_read(device, stream, bytes, 65536, &state), bytes);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	got = bytes + drive_read(device, stream + bytes, 5 * PACKET + 1 - bytes, 65536, &state);
	cr_assert_eq(got, 5 * PACKET);
	cr_assert_eq(state.end, 0);
	cr_assert_eq(memcmp(stream, expected, got), 0);
	free(stream);
	free(expected);
	vfiomig_device_close(device);
}

Test(file, goes_on_where_its_reader_stood_when_pre_copy_was_left)
{
	recording_make(4, 1, PACKET);
	leave_after(0);
	leave_after(1);
	leave_after(PACKET);
	leave_after(PACKET + 77777);
	leave_after(4 * PACKET);
}

Test(file, plays_again_from_the_beginning)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	recording_make(1, 2, PACKET);
	device = drive_open(spec(""));
	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	expect(device, 0, 1, -ENOMSG);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	cr_assert_eq(device->ops->data_fd(device->impl), -1);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	expect(device, 0, 3, 0);
	cr_assert_eq(device->ops->reset(device->impl, &err), 0);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	cr_assert_eq(drive_pending(device).stop_copy_bytes, 3 * PACKET);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	expect(device, 0, 3, 0);
	vfiomig_device_close(device);
}

Test(file, of_a_device_without_state_ends_at_once)
{
	struct vfiomig_device *device;

	recording_make(0, 0, 0);
	device = drive_open(spec(""));
	drive_to(device, VFIOMIG_STATE_PRE_COPY);
	expect(device, 0, 0, -ENOMSG);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	expect(device, 0, 0, 0);
	vfiomig_device_close(device);
}

Test(file, gives_the_recorded_config_state)
{
	uint8_t blob[65536], expected[CONFIG];
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	recording_make(1, 1, PACKET);
	device = drive_open(spec(""));
	recording_payload(2, expected, CONFIG);
	cr_assert_eq(device->ops->config_get(device->impl, blob, sizeof(blob), &err), CONFIG);
	cr_assert_eq(memcmp(blob, expected, CONFIG), 0);
	cr_assert_eq(device->ops->config_get(device->impl, blob, CONFIG - 1, &err), -ENOBUFS);
	vfiomig_device_close(device);
}

Test(file, is_a_source_only)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	recording_make(1, 1, PACKET);
	device = drive_open(spec(""));
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_RESUMING, &err), -ENOTSUP);
	cr_assert(strstr(err.text, "a recording can be a source only") != NULL, "%s", err.text);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_RUNNING);
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(device->ops->config_check(device->impl, &device->info, &err), -ENOTSUP);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(device->ops->config_put(device->impl, "", 0, &err), -ENOTSUP);
	vfiomig_device_close(device);
}

Test(file, has_the_states_that_the_recorded_device_had)
{
	struct vfiomig_device_info info = recording_info_sample();
	struct recorder *recorder;
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	info.migration_flags = VFIOMIG_MIGRATION_STOP_COPY;
	cr_assert_eq(recorder_open(&recorder, recording_path, &info, "", &err), 0);
	recording_add(recorder, 0, RECORDING_CONFIG_STATE, 0);
	recording_end(recorder);
	device = drive_open(spec(""));
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_PRE_COPY, &err), -EINVAL);
	cr_assert_eq(drive_try(device, VFIOMIG_STATE_RUNNING_P2P, &err), -EINVAL);
	drive_to(device, VFIOMIG_STATE_STOP);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	vfiomig_device_close(device);
}

static void refused(const char *text, int rc, enum vfiomig_code code, const char *name)
{
	struct vfiomig_error err = { 0 };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_open(&device, text, &err), rc, "%s: %s", text, err.text);
	cr_assert_null(device);
	cr_assert_eq(err.code, code);
	cr_assert_str_eq(err.name, name);
}

Test(file, is_refused_if_it_is_damaged_or_no_recording)
{
	recording_make(1, 1, PACKET);
	refused("file:", -EINVAL, VFIOMIG_USAGE, "device-spec");
	refused(spec(",bytes=1"), -EINVAL, VFIOMIG_USAGE, "device-spec");
	refused("file:/nowhere", -ENODEV, VFIOMIG_PREFLIGHT, "recording-read");
	refused("file:/dev/zero", -ENOTSUP, VFIOMIG_PREFLIGHT, "recording-read");
	refused("file:/proc/self/exe", -EBADMSG, VFIOMIG_PREFLIGHT, "recording-damaged");
	recording_poke(RECORDING_HEADER_BYTES + RECORDING_HEAD_BYTES + PACKET + 1000, 0);
	refused(spec(""), -EBADMSG, VFIOMIG_PREFLIGHT, "recording-damaged");
	cr_assert_eq(truncate(recording_path, 0), 0);
	refused(spec(""), -EBADMSG, VFIOMIG_PREFLIGHT, "recording-damaged");
}

/* Read all that there is in @state; it must fail, before @most bytes. */
static void fails(struct vfiomig_device *device, enum vfiomig_state state, size_t most)
{
	uint8_t *stream = malloc(8 * PACKET);
	struct drive_read result = { .end = 1 };

	drive_to(device, state);
	cr_assert_leq(drive_read(device, stream, 8 * PACKET, 65536, &result), most);
	cr_assert_eq(result.end, -EBADMSG, "%d", result.end);
	cr_assert_leq(result.end_at, 2 * PACKET);
	free(stream);
}

Test(file, fails_where_it_was_changed_after_it_was_opened)
{
	uint64_t second = RECORDING_HEADER_BYTES + RECORDING_HEAD_BYTES + PACKET;
	struct vfiomig_device *device;
	size_t bytes;
	uint8_t *data;

	recording_make(2, 2, PACKET);
	data = recording_load(&bytes);
	device = drive_open(spec(""));
	recording_poke(second + 1000, data[second + 1000] ^ 1);
	fails(device, VFIOMIG_STATE_STOP_COPY, 2 * PACKET - 1);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	fails(device, VFIOMIG_STATE_PRE_COPY, 2 * PACKET - 1);
	fails(device, VFIOMIG_STATE_STOP_COPY, 0); /* and does not go on behind the hole */
	drive_to(device, VFIOMIG_STATE_RUNNING);
	recording_poke(second + 1000, data[second + 1000]);
	drive_to(device, VFIOMIG_STATE_STOP_COPY);
	expect(device, 0, 4, 0);
	drive_to(device, VFIOMIG_STATE_RUNNING);
	cr_assert_eq(truncate(recording_path, (off_t)second), 0);
	fails(device, VFIOMIG_STATE_STOP_COPY, PACKET);
	vfiomig_device_close(device);
	free(data);
}

/* Sound, but another: the sums of the one that was verified tell. */
Test(file, fails_if_another_recording_takes_its_place_under_it)
{
	struct vfiomig_device *device;
	size_t bytes;
	uint8_t *data;
	FILE *file;

	recording_make(0, 2, PACKET);
	data = recording_load(&bytes);
	recording_make(1, 1, PACKET);
	device = drive_open(spec(""));
	file = fopen(recording_path, "r+b"); /* the same file, not a new one of the same name */
	cr_assert_eq(fwrite(data, 1, bytes, file), bytes);
	fclose(file);
	fails(device, VFIOMIG_STATE_STOP_COPY, 2 * PACKET);
	vfiomig_device_close(device);
	free(data);
}

Test(file, ends_at_once_and_leaves_no_descriptor_open)
{
	int before = dup(0), after;
	struct vfiomig_device *device;

	close(before);
	recording_make(10, 10, PACKET);
	for (int round = 0; round < 2; round++) {
		device = drive_open(spec(""));
		drive_to(device, round ? VFIOMIG_STATE_STOP_COPY : VFIOMIG_STATE_PRE_COPY);
		vfiomig_device_close(device); /* its thread waits for room in the pipe */
	}
	after = dup(0);
	cr_assert_eq(after, before);
	close(after);
}
