/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/bytes.h"
#include "device/recording_reader.h"
#include "support/recording_rig.h"

TestSuite(recording, .init = recording_rig_init, .fini = recording_rig_fini, .timeout = 60);

static void open_sound(struct recording *recording)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(recording_open(recording, recording_path, &err), 0, "%s", err.text);
	cr_assert_eq(recording_verify(recording, &err), 0, "%s", err.text);
}

Test(recording, keeps_what_the_device_was)
{
	struct vfiomig_device_info info = recording_info_sample();
	struct recording recording;

	recording_make(1, 1, 10);
	open_sound(&recording);
	cr_assert_eq(memcmp(&recording.header.info, &info, sizeof(info)), 0);
	cr_assert_str_eq(recording.header.name, "nic0");
	recording_close(&recording);
}

/* Is the packet that is next number @index as recording_make made it? */
static void expect_packet(struct recording_cursor *cursor, uint64_t index, uint32_t flags, uint32_t bytes)
{
	static uint8_t payload[100000], expected[100000];
	struct vfiomig_error err = { 0 };
	size_t done = 0;
	ssize_t got;

	cr_assert_eq(recording_next(cursor, &err), 1, "%s", err.text);
	cr_assert_eq(cursor->packet.index, index);
	cr_assert_eq(cursor->packet.flags, flags);
	cr_assert_eq(cursor->packet.bytes, bytes);
	while ((got = recording_read(cursor, payload + done, 777, &err)) > 0)
		done += (size_t)got;
	cr_assert_eq(got, 0, "%s", err.text);
	cr_assert_eq(done, bytes);
	recording_payload(index, expected, bytes);
	cr_assert_eq(memcmp(payload, expected, bytes), 0);
}

Test(recording, gives_back_every_packet_in_order)
{
	struct recording recording;
	struct recording_cursor cursor;
	struct vfiomig_error err = { 0 };

	recording_make(2, 2, 5000);
	open_sound(&recording);
	recording_rewind(&cursor, &recording);
	for (uint64_t index = 0; index < 4; index++)
		expect_packet(&cursor, index, index < 2 ? 0 : RECORDING_STOP_COPY, 5000);
	expect_packet(&cursor, 4, RECORDING_STOP_COPY | RECORDING_CONFIG_STATE, 264);
	cr_assert_eq(recording_next(&cursor, &err), 0);
	recording_close(&recording);
}

Test(recording, sums_up_what_it_has)
{
	struct recording recording;

	recording_make(3, 2, 5000);
	open_sound(&recording);
	cr_assert_eq(recording.tally.summary.packets, 6);
	cr_assert_eq(recording.tally.summary.bytes, 25000);
	cr_assert_eq(recording.tally.summary.precopy_bytes, 15000);
	cr_assert_eq(recording.tally.summary.config_bytes, 264);
	cr_assert_eq(recording.tally.summary.file_bytes, recording.bytes);
	recording_close(&recording);
}

Test(recording, may_be_of_a_device_without_state_or_config)
{
	struct recording recording;
	struct recorder *recorder = recording_begin(recording_path);

	recording_add(recorder, 0, RECORDING_CONFIG_STATE, 0);
	recording_end(recorder);
	open_sound(&recording);
	cr_assert_eq(recording.tally.summary.packets, 1);
	cr_assert_eq(recording.tally.summary.bytes, 0);
	recording_close(&recording);
}

/* More packets than the index has room for, three times over. */
Test(recording, finds_any_of_many_packets_by_a_small_index)
{
	enum { PACKETS = RECORDING_INDEX_MAX * 5 };
	struct recorder *recorder = recording_begin(recording_path);
	struct recording recording;
	struct recording_cursor cursor;
	struct vfiomig_error err = { 0 };

	for (uint64_t index = 0; index < PACKETS; index++)
		recording_add(recorder, index, RECORDING_STOP_COPY, (uint32_t)(index % 50));
	recording_add(recorder, PACKETS, RECORDING_CONFIG_STATE, 8);
	recording_end(recorder);
	open_sound(&recording);
	cr_assert_eq(recording.tally.index.stride, 8);
	for (uint64_t index = 0; index < PACKETS; index += 37) {
		cr_assert_eq(recording_seek(&cursor, &recording, index, &err), 0, "%s", err.text);
		expect_packet(&cursor, index, RECORDING_STOP_COPY, (uint32_t)(index % 50));
	}
	cr_assert_eq(recording_seek(&cursor, &recording, PACKETS, &err), 0, "%s", err.text);
	expect_packet(&cursor, PACKETS, RECORDING_CONFIG_STATE, 8);
	cr_assert_eq(recording_seek(&cursor, &recording, PACKETS + 1, &err), -ERANGE);
	recording_close(&recording);
}

/* Open and verify; the error must name the offset, which is returned. */
static uint64_t damage_of(const char *what, size_t where)
{
	struct vfiomig_error err = { 0 };
	struct recording recording;
	const char *offset;
	int rc = recording_open(&recording, recording_path, &err);

	if (!rc) {
		rc = recording_verify(&recording, &err);
		recording_close(&recording);
	}
	cr_assert_eq(rc, -EBADMSG, "%s at %zu is not noticed", what, where);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "recording-damaged");
	offset = strstr(err.text, "at offset ");
	cr_assert_not_null(offset, "%s", err.text);
	return strtoull(offset + strlen("at offset "), NULL, 10);
}

/* The header goes wrong at its beginning, a packet at its own, the index's word for itself too, the rest at the very byte. */
static uint64_t begin_of(uint64_t at, uint64_t index_at)
{
	uint64_t packet = RECORDING_HEADER_BYTES;

	if (at < RECORDING_HEADER_BYTES)
		return 0;
	if (at >= index_at)
		return at < index_at + 4 ? index_at : at;
	while (packet + RECORDING_HEAD_BYTES + 300 <= at && packet + RECORDING_HEAD_BYTES + 300 < index_at)
		packet += RECORDING_HEAD_BYTES + 300;
	return packet;
}

Test(recording, is_refused_with_any_byte_changed)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0x19, 0xff }; /* 0x19 makes an index of a packet */
	struct recording recording;
	uint64_t index_at;
	size_t bytes;
	uint8_t *data;

	recording_make(2, 2, 300);
	open_sound(&recording);
	index_at = recording.tally.summary.index_at;
	recording_close(&recording);
	data = recording_load(&bytes);
	for (size_t at = 0; at < bytes; at++) {
		uint64_t found;

		recording_poke(at, data[at] ^ masks[at % 4]);
		found = damage_of("a change", at);
		cr_assert_eq(found, begin_of(at, index_at), "byte %zu: offset %lu", at, (unsigned long)found);
		recording_poke(at, data[at]);
	}
	open_sound(&recording);
	recording_close(&recording);
	free(data);
}

Test(recording, is_refused_where_it_was_cut)
{
	size_t bytes;

	recording_make(2, 2, 300);
	free(recording_load(&bytes));
	while (bytes-- > 0) {
		cr_assert_eq(truncate(recording_path, (off_t)bytes), 0);
		cr_assert_eq(damage_of("a cut", bytes), bytes);
	}
}

Test(recording, is_refused_if_it_goes_on_after_its_end)
{
	size_t bytes;

	recording_make(1, 1, 300);
	free(recording_load(&bytes));
	recording_poke(bytes, 0);
	cr_assert_eq(damage_of("a byte more", bytes), bytes);
}

/* Each part is sound, but they do not belong together: sums hold what checksums cannot. */
Test(recording, is_refused_with_a_packet_taken_out)
{
	size_t bytes, packet = RECORDING_HEAD_BYTES + 300;
	uint8_t *data;
	FILE *file;

	recording_make(2, 2, 300);
	data = recording_load(&bytes);
	file = fopen(recording_path, "wb");
	fwrite(data, 1, RECORDING_HEADER_BYTES + packet, file);
	fwrite(data + RECORDING_HEADER_BYTES + 2 * packet, 1, bytes - RECORDING_HEADER_BYTES - 2 * packet, file);
	fclose(file);
	cr_assert_eq(damage_of("a packet less", 0), RECORDING_HEADER_BYTES + packet);
	free(data);
}

Test(recording, of_a_version_to_come_is_not_called_damaged)
{
	uint8_t preamble[RECORDING_PREAMBLE_BYTES];
	struct vfiomig_error err = { 0 };
	struct recording recording;
	size_t bytes;
	uint8_t *data;

	recording_make(0, 1, 10);
	data = recording_load(&bytes);
	memcpy(preamble, data, sizeof(preamble));
	put_be32(preamble + 8, 2);
	put_be32(preamble + 16, recording_crc(0, preamble, 16));
	for (size_t i = 0; i < sizeof(preamble); i++)
		recording_poke(i, preamble[i]);
	cr_assert_eq(recording_open(&recording, recording_path, &err), -EPROTONOSUPPORT);
	cr_assert(strstr(err.text, "version 2") != NULL, "%s", err.text);
	free(data);
}

static void not_put(struct recorder *recorder, uint64_t index, uint32_t flags, const char *why)
{
	struct recording_packet packet = { .index = index, .flags = flags };
	struct vfiomig_error err = { 0 };

	cr_assert_eq(recorder_put(recorder, &packet, "", &err), -EINVAL);
	cr_assert(strstr(err.text, why) != NULL, "%s", err.text);
}

Test(recording, takes_packets_in_order_only)
{
	struct recorder *recorder = recording_begin(recording_path);
	struct vfiomig_error err = { 0 };

	not_put(recorder, 1, 0, "not the next");
	recording_add(recorder, 0, RECORDING_STOP_COPY, 10);
	not_put(recorder, 0, RECORDING_STOP_COPY, "not the next");
	not_put(recorder, 2, RECORDING_STOP_COPY, "not the next");
	not_put(recorder, 1, 0, "PRE_COPY follows");
	not_put(recorder, 1, 4, "flags");
	cr_assert_eq(recorder_finish(recorder, &err), -EINVAL);
	cr_assert(strstr(err.text, "config packet is missing") != NULL, "%s", err.text);
	recording_add(recorder, 1, RECORDING_CONFIG_STATE, 0);
	not_put(recorder, 2, RECORDING_CONFIG_STATE, "is the last");
	recording_end(recorder);
}

Test(recording, is_complete_or_not_there)
{
	struct recorder *recorder = recording_begin(recording_path);
	struct stat is;

	recording_add(recorder, 0, RECORDING_CONFIG_STATE, 1000);
	cr_assert_neq(access(recording_path, F_OK), 0, "it has its name too early");
	recorder_close(recorder);
	cr_assert_eq(recording_rig_clear(), 0, "something was left behind");
	recording_make(0, 1, 10);
	recorder = recording_begin(recording_path); /* to replace it, but it comes to nothing */
	recording_add(recorder, 0, RECORDING_STOP_COPY, 1000);
	recorder_close(recorder);
	cr_assert_eq(stat(recording_path, &is), 0);
	cr_assert_eq(is.st_mode & 0777, 0600);
	cr_assert_eq(recording_rig_clear(), 1);
	recorder_close(NULL);
}

Test(recording, replaces_one_of_the_same_name)
{
	struct recording recording;

	recording_make(0, 1, 10);
	recording_make(0, 3, 10);
	open_sound(&recording);
	cr_assert_eq(recording.tally.summary.packets, 4);
	recording_close(&recording);
	cr_assert_eq(recording_rig_clear(), 1);
}

Test(recording, cannot_begin_where_no_file_can_be)
{
	struct vfiomig_device_info info = recording_info_sample();
	struct vfiomig_error err = { 0 };
	struct recorder *recorder;

	cr_assert_eq(recorder_open(&recorder, "/nowhere/at/all", &info, "", &err), -ENOENT);
	cr_assert_null(recorder);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert(strstr(err.text, "/nowhere/at/all") != NULL, "%s", err.text);
	cr_assert_eq(recorder_open(&recorder, recording_folder, &info, "", NULL), -EISDIR);
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(recorder_open(&recorder, "/dev/full", &info, "", &err), -ENOSPC);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_eq(access("/dev/full", F_OK), 0);
}

/* A disk that is full after 100,000 bytes. */
Test(recording, stays_failed_once_the_disk_is_full)
{
	static uint8_t payload[50000];
	struct recorder *recorder = recording_begin(recording_path);
	struct recording_packet packet = { .flags = RECORDING_STOP_COPY, .bytes = sizeof(payload) };
	struct vfiomig_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, 100000 });
	cr_assert_eq(recorder_put(recorder, &packet, payload, &err), 0, "%s", err.text);
	packet.index = 1;
	cr_assert_eq(recorder_put(recorder, &packet, payload, &err), -EFBIG);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	packet = (struct recording_packet){ .index = 1, .flags = RECORDING_CONFIG_STATE };
	cr_assert_eq(recorder_put(recorder, &packet, payload, NULL), -EFBIG);
	cr_assert_eq(recorder_finish(recorder, NULL), -EFBIG);
	recorder_close(recorder);
	cr_assert_eq(recording_rig_clear(), 0);
}

Test(recording, goes_to_a_device_as_it_is)
{
	struct recorder *recorder = recording_begin("/dev/null");
	struct stat is;

	recording_add(recorder, 0, RECORDING_CONFIG_STATE, 1000);
	recording_end(recorder);
	cr_assert_eq(stat("/dev/null", &is), 0);
	cr_assert(S_ISCHR(is.st_mode));
}
