/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include <vfiomig/config.h>

#include "base/bytes.h"
#include "support/config_rig.h"

enum { HEAD = 8, TAG = 8, SPACE_AT = HEAD + TAG + 4, ROOM = 65536 };

static uint8_t space[4096], blob[ROOM];
static struct vfiomig_error err;

/* A blob of QEMU's, made byte by byte and not by the encoder: returns its bytes. */
static size_t qemu_blob(uint32_t space_bytes, uint32_t vectors)
{
	uint8_t *at = blob + HEAD;

	rig_config(space, space_bytes, vectors > 0);
	put_be64(at, UINT64_C(0xffffffffef100002));
	put_be32(at + 8, 2);
	memcpy(at + 12, space, space_bytes);
	at += 12 + space_bytes;
	for (unsigned i = 0; i < 4; i++, at += 4)
		put_be32(at, i == 1);
	for (uint32_t i = 0; i < vectors * 16; i++)
		*at++ = (uint8_t)(i * 5);
	if (vectors)
		*at++ = 0x05;
	put_be64(at, UINT64_C(0xffffffffef100001));
	at += 8;
	put_be32(blob, 2);
	put_be32(blob + 4, (uint32_t)(at - blob) - HEAD);
	return (size_t)(at - blob);
}

static struct vfiomig_config decoded(size_t bytes)
{
	struct vfiomig_config config = { .size = sizeof(config) };

	cr_assert_eq(vfiomig_config_decode(&config, blob, bytes, &err), 0, "%s", err.text);
	return config;
}

static void refuses(size_t bytes, const char *name)
{
	struct vfiomig_config config = { .size = sizeof(config) };

	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(vfiomig_config_decode(&config, blob, bytes, &err), -EINVAL);
	cr_assert_str_eq(err.name, name);
	cr_assert(err.text[0]);
}

static void expect_again(const struct vfiomig_config *config, size_t bytes)
{
	static uint8_t again[ROOM];

	cr_assert_eq(vfiomig_config_encode(again, sizeof(again), config, &err), (ssize_t)bytes, "%s", err.text);
	cr_assert_arr_eq(again, blob, bytes);
}

Test(config_qemu, is_taken_apart_and_put_together_again)
{
	static const uint32_t sizes[] = { 256, 4096 };

	for (unsigned i = 0; i < 4; i++) {
		uint32_t space_bytes = sizes[i / 2], vectors = i % 2 ? RIG_VECTORS : 0;
		size_t bytes = qemu_blob(space_bytes, vectors);
		struct vfiomig_config config = decoded(bytes);

		cr_assert_eq(config.layout, VFIOMIG_CONFIG_QEMU);
		cr_assert_eq(config.space_bytes, space_bytes);
		cr_assert_eq(config.space, blob + SPACE_AT);
		cr_assert_eq(config.vectors, vectors);
		cr_assert_eq(config.intx[0], 0);
		cr_assert_eq(config.intx[1], 1);
		cr_assert_eq(config.msix_table != NULL, vectors > 0);
		cr_assert_eq(config.extra_bytes, 0);
		if (vectors) {
			cr_assert_eq(config.msix_table, blob + SPACE_AT + space_bytes + 16);
			cr_assert_eq(config.msix_pending[0], 0x05);
		}
		expect_again(&config, bytes);
	}
}

Test(config_qemu, subsections_are_kept_as_they_are)
{
	size_t bytes = qemu_blob(256, RIG_VECTORS);
	struct vfiomig_config config;

	memcpy(blob + bytes - TAG, "\5\x0dVFIODisplay/1", 15);
	bytes += 15;
	put_be64(blob + bytes - TAG, UINT64_C(0xffffffffef100001));
	put_be32(blob + 4, (uint32_t)bytes - HEAD);
	config = decoded(bytes);
	cr_assert_eq(config.extra_bytes, 15);
	cr_assert_arr_eq(config.extra, "\5\x0dVFIODisplay/1", 15);
	expect_again(&config, bytes);
}

Test(config_qemu, without_a_table_every_vector_is_masked)
{
	struct vfiomig_config config = {
		.size = sizeof(config), .layout = VFIOMIG_CONFIG_QEMU, .space_bytes = 256, .space = space
	};
	ssize_t bytes;

	rig_config(space, 256, 1);
	bytes = vfiomig_config_encode(blob, sizeof(blob), &config, &err);
	cr_assert_eq(bytes, HEAD + 12 + 256 + 16 + RIG_VECTORS * 16 + 1 + TAG);
	config = decoded((size_t)bytes);
	for (unsigned v = 0; v < RIG_VECTORS; v++)
		cr_assert_eq(config.msix_table[v * 16 + 12], 1);
	cr_assert_eq(config.msix_pending[0], 0);
}

/* The most that a config space can ask for still fits a packet of config. */
Test(config_qemu, of_2048_vectors_fits_into_64_kib)
{
	struct vfiomig_config config = {
		.size = sizeof(config), .layout = VFIOMIG_CONFIG_QEMU, .space_bytes = 4096, .space = space
	};
	ssize_t bytes;

	rig_config(space, 4096, 1);
	rig_le(space, RIG_MSIX + PCI_MSIX_FLAGS, 2, 2047);
	bytes = vfiomig_config_encode(blob, sizeof(blob), &config, &err);
	cr_assert_eq(bytes, HEAD + 12 + 4096 + 16 + 2048 * 16 + 256 + TAG);
	cr_assert_eq(decoded((size_t)bytes).vectors, VFIOMIG_CONFIG_VECTORS_MAX);
	cr_assert_eq(vfiomig_config_encode(blob, (size_t)bytes - 1, &config, NULL), -ENOBUFS);
}

Test(config_qemu, of_a_wrong_tag_is_refused)
{
	size_t bytes = qemu_blob(256, 0);

	blob[HEAD + 7] ^= 1;
	refuses(bytes, "config-qemu-tag");
	qemu_blob(256, 0);
	blob[bytes - 1] ^= 1;
	refuses(bytes, "config-qemu-tag");
}

Test(config_qemu, of_another_version_is_refused)
{
	size_t bytes = qemu_blob(256, 0);

	blob[HEAD + TAG + 3] = 3;
	refuses(bytes, "config-qemu-version");
}

Test(config_qemu, with_an_interrupt_that_is_neither_0_nor_1_is_refused)
{
	size_t bytes = qemu_blob(256, 0);

	blob[SPACE_AT + 256 + 3] = 2;
	refuses(bytes, "config-qemu-intx");
	qemu_blob(256, 0);
	blob[SPACE_AT + 256 + 12] = 0x80;
	refuses(bytes, "config-qemu-intx");
}

Test(config_qemu, of_any_other_length_is_refused)
{
	size_t whole = qemu_blob(256, RIG_VECTORS);

	for (size_t bytes = HEAD; bytes < whole; bytes++) {
		qemu_blob(256, RIG_VECTORS);
		put_be32(blob + 4, (uint32_t)bytes - HEAD);
		if (bytes >= HEAD + 12 + 256 + 16 + TAG)
			put_be64(blob + bytes - TAG, UINT64_C(0xffffffffef100001));
		refuses(bytes, "config-qemu-bytes");
	}
}

Test(config_qemu, whose_capability_promises_other_vectors_is_refused)
{
	size_t bytes = qemu_blob(256, RIG_VECTORS);

	rig_le(blob + SPACE_AT, RIG_MSIX + PCI_MSIX_FLAGS, 2, RIG_VECTORS);
	refuses(bytes, "config-qemu-bytes");
}

Test(config_blob, of_no_layout_or_length_is_refused)
{
	size_t bytes = qemu_blob(256, 0);

	refuses(7, "config-blob");
	refuses(bytes - 1, "config-blob");
	put_be32(blob, 3);
	refuses(bytes, "config-blob");
	put_be32(blob, 0);
	refuses(bytes, "config-blob");
	put_be32(blob, 1);
	put_be32(blob + 4, 255);
	refuses(HEAD + 255, "config-bytes");
}

Test(config_blob, of_no_byte_is_a_device_without_config_space)
{
	struct vfiomig_config config = decoded(0);

	cr_assert_eq(config.layout, VFIOMIG_CONFIG_NONE);
	cr_assert_eq(config.space_bytes, 0);
}

Test(config_blob, raw_is_the_config_space_behind_eight_bytes)
{
	struct vfiomig_config config = {
		.size = sizeof(config), .layout = VFIOMIG_CONFIG_RAW, .space_bytes = 4096, .space = space
	};

	rig_config(space, 4096, 1);
	cr_assert_eq(vfiomig_config_encode(blob, sizeof(blob), &config, NULL), HEAD + 4096);
	cr_assert_arr_eq(blob + HEAD, space, 4096);
	config = decoded(HEAD + 4096);
	cr_assert_eq(config.layout, VFIOMIG_CONFIG_RAW);
	expect_again(&config, HEAD + 4096);
	cr_assert_eq(vfiomig_config_encode(blob, HEAD + 4095, &config, NULL), -ENOBUFS);
	cr_assert_eq(vfiomig_config_encode(blob, 7, &config, NULL), -ENOBUFS);
}

Test(config_blob, of_no_layout_is_not_encoded)
{
	struct vfiomig_config config = { .size = sizeof(config), .space_bytes = 256, .space = space };

	cr_assert_eq(vfiomig_config_encode(blob, sizeof(blob), &config, NULL), -EINVAL);
	config.layout = VFIOMIG_CONFIG_RAW;
	config.space_bytes = 0;
	cr_assert_eq(vfiomig_config_encode(blob, sizeof(blob), &config, NULL), -EINVAL);
	config.space_bytes = 256;
	config.size--;
	cr_assert_eq(vfiomig_config_encode(blob, sizeof(blob), &config, NULL), -EINVAL);
}

Test(config_blob, what_follows_must_begin_as_a_subsection)
{
	struct vfiomig_config config = { .size = sizeof(config),
					 .layout = VFIOMIG_CONFIG_QEMU,
					 .space_bytes = 256,
					 .space = space,
					 .extra_bytes = 3,
					 .extra = (const uint8_t *)"abc" };

	rig_config(space, 256, 0);
	cr_assert_eq(vfiomig_config_encode(blob, sizeof(blob), &config, NULL), -EINVAL);
}
