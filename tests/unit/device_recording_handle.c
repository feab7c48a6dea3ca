/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <vfiomig/recording.h>

#include "support/recording_rig.h"

TestSuite(recording_handle, .init = recording_rig_init, .fini = recording_rig_fini, .timeout = 60);

static struct vfiomig_recording *open_it(void)
{
	struct vfiomig_recording *recording;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_recording_open(&recording, recording_path, &err), 0, "%s", err.text);
	return recording;
}

Test(recording_handle, tells_what_was_recorded)
{
	struct vfiomig_device_info info = recording_info_sample();
	struct vfiomig_recording_totals totals;
	struct vfiomig_recording *recording;

	recording_make(2, 3, 1000);
	recording = open_it();
	totals = vfiomig_recording_totals(recording);
	cr_assert_eq(memcmp(vfiomig_recording_info(recording), &info, sizeof(info)), 0);
	cr_assert_str_eq(vfiomig_recording_name(recording), "nic0");
	cr_assert_eq(totals.packets, 6);
	cr_assert_eq(totals.bytes, 5000);
	cr_assert_eq(totals.precopy_bytes, 2000);
	cr_assert_eq(totals.config_bytes, 264);
	vfiomig_recording_close(recording);
}

static void expect_all(struct vfiomig_recording *recording)
{
	struct vfiomig_recording_packet packet;
	uint8_t payload[1000], expected[1000];

	for (uint64_t index = 0; index < 6; index++) {
		size_t bytes = index < 5 ? 1000 : 264;

		cr_assert_eq(vfiomig_recording_next(recording, &packet, NULL), 1);
		cr_assert_eq(packet.index, index);
		cr_assert_eq(packet.stream_at, index * 1000);
		cr_assert_eq(packet.file_at, RECORDING_HEADER_BYTES + index * 1032);
		cr_assert_eq(packet.bytes, bytes);
		cr_assert_eq(packet.precopy, index < 2);
		cr_assert_eq(packet.config, index == 5);
		recording_payload(index, expected, bytes);
		cr_assert_eq(packet.crc, recording_crc(0, expected, bytes));
		cr_assert_eq(vfiomig_recording_read(recording, payload, 1000, NULL), (ssize_t)bytes);
		cr_assert_arr_eq(payload, expected, bytes);
		cr_assert_eq(vfiomig_recording_read(recording, payload, 1000, NULL), 0);
	}
	cr_assert_eq(vfiomig_recording_next(recording, &packet, NULL), 0);
}

Test(recording_handle, gives_every_packet_as_often_as_it_is_rewound)
{
	struct vfiomig_recording *recording;

	recording_make(2, 3, 1000);
	recording = open_it();
	expect_all(recording);
	vfiomig_recording_rewind(recording);
	expect_all(recording);
	vfiomig_recording_close(recording);
}

Test(recording_handle, is_null_where_any_byte_is_not_what_it_was)
{
	struct vfiomig_recording *recording = (void *)1;
	struct vfiomig_error err = { 0 };

	recording_make(0, 2, 1000);
	recording_poke(RECORDING_HEADER_BYTES + 1032 + 500, 0x5a);
	cr_assert_eq(vfiomig_recording_open(&recording, recording_path, &err), -EBADMSG);
	cr_assert_null(recording);
	cr_assert_str_eq(err.name, "recording-damaged");
	unlink(recording_path);
	cr_assert_eq(vfiomig_recording_open(&recording, recording_path, NULL), -ENODEV);
	vfiomig_recording_close(NULL);
}
