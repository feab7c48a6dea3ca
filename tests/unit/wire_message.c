/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/random.h"
#include "wire/message.h"

/* All messages with a body, so that what holds for decoders is claimed for each. */
union any {
	struct message_offer offer;
	struct message_device device;
	struct message_agreed agreed;
	struct message_ready ready;
	struct message_stream_end stream_end;
	struct message_failure failure;
};

static void random_text(struct random *random, char *text, size_t room)
{
	size_t length = random_below(random, room);

	memset(text, 0, room);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)(' ' + random_below(random, 95));
}

static uint32_t between(struct random *random, uint32_t least, uint32_t most)
{
	return least + (uint32_t)random_below(random, (size_t)most - least + 1);
}

static void make_offer(struct random *random, union any *any)
{
	any->offer = (struct message_offer){
		.devices = (uint16_t)between(random, 1, VFIOMIG_DEVICES_MAX),
		.lanes = (uint16_t)between(random, 1, VFIOMIG_LANES_MAX),
		.slots = between(random, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX),
		.slot_bytes = between(random, VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX),
		.gate = (uint8_t)random_below(random, 3),
		.integrity = (uint8_t)random_below(random, 2),
		.transports = (uint8_t)random_next(random),
		.arch = (uint8_t)random_next(random),
		.gate_default = random_below(random, 2),
		.payload = (uint8_t)random_below(random, 3),
	};
}

static void make_device(struct random *random, union any *any)
{
	static const uint32_t config_bytes[] = { 0, 256, 4096, 17 };
	struct message_device *message = &any->device;
	struct vfiomig_device_info *info = &message->info;

	memset(message, 0, sizeof(*message));
	message->number = (uint16_t)random_below(random, VFIOMIG_DEVICES_MAX);
	message->gate = (uint8_t)random_below(random, 3);
	random_text(random, message->name, sizeof(message->name));
	random_text(random, info->driver, sizeof(info->driver));
	random_text(random, info->firmware, sizeof(info->firmware));
	random_text(random, info->psid, sizeof(info->psid));
	info->vendor = (uint16_t)random_next(random);
	info->device = (uint16_t)random_next(random);
	info->subsystem_vendor = (uint16_t)random_next(random);
	info->subsystem_device = (uint16_t)random_next(random);
	info->class_revision = (uint32_t)random_next(random);
	info->migration_flags = (uint32_t)random_next(random);
	info->numa_node = -1; /* the one field that stays at home */
	info->expected_bytes = random_next(random);
	info->config_bytes = config_bytes[random_below(random, 4)];
	random_fill(random, info->config, info->config_bytes);
}

static void make_agreed(struct random *random, union any *any)
{
	any->agreed = (struct message_agreed){
		.lanes = (uint16_t)between(random, 1, VFIOMIG_LANES_MAX),
		.slots = between(random, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX),
		.slot_bytes = between(random, VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX),
		.transport = (uint8_t)between(random, VFIOMIG_TRANSPORT_RDMA, VFIOMIG_TRANSPORT_TCP),
		.gated = random_next(random),
	};
	random_text(random, any->agreed.reason, sizeof(any->agreed.reason));
}

static void make_ready(struct random *random, union any *any)
{
	any->ready = (struct message_ready){ .base = random_next(random), .rkey = { (uint32_t)random_next(random) } };
}

static void make_stream_end(struct random *random, union any *any)
{
	any->stream_end = (struct message_stream_end){
		.number = (uint16_t)random_below(random, VFIOMIG_DEVICES_MAX),
		.packets = random_next(random) | 1,
		.bytes = random_next(random),
		.digest = (uint32_t)random_next(random),
	};
}

static void make_failure(struct random *random, union any *any)
{
	struct vfiomig_error *error = &any->failure.error;

	error->code = (enum vfiomig_code)random_below(random, VFIOMIG_DEGRADED + 1);
	error->errnum = (int)random_below(random, 4096);
	random_text(random, error->name, sizeof(error->name));
	random_text(random, error->text, sizeof(error->text));
}

#define ADAPT(noun)                                                               \
	static size_t encode_##noun(uint8_t *out, const union any *any)           \
	{                                                                         \
		return message_encode_##noun(out, &any->noun);                    \
	}                                                                         \
	static int decode_##noun(union any *any, const uint8_t *in, size_t bytes) \
	{                                                                         \
		return message_decode_##noun(&any->noun, in, bytes);              \
	}
ADAPT(offer)
ADAPT(device)
ADAPT(agreed)
ADAPT(ready)
ADAPT(stream_end)
ADAPT(failure)

#define ROW(type, noun)                                         \
	{                                                       \
		type, make_##noun, encode_##noun, decode_##noun \
	}
static const struct shape {
	uint16_t type;
	void (*make)(struct random *random, union any *any);
	size_t (*encode)(uint8_t *out, const union any *any);
	int (*decode)(union any *any, const uint8_t *in, size_t bytes);
} shapes[] = {
	ROW(MESSAGE_OFFER, offer),	     ROW(MESSAGE_DEVICE, device), ROW(MESSAGE_AGREED, agreed),
	ROW(MESSAGE_READY, ready),	     ROW(MESSAGE_DONE, failure),  ROW(MESSAGE_ABORT, failure),
	ROW(MESSAGE_STREAM_END, stream_end),
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Decode from exactly @bytes of heap, so that a step beyond them is an error of the address sanitizer. */
static int decode_exactly(const struct shape *shape, union any *any, const uint8_t *in, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);
	int rc;

	memcpy(copy, in, bytes);
	rc = shape->decode(any, bytes ? copy : copy + 1, bytes);
	free(copy);
	return rc;
}

Test(message, every_body_comes_back_as_it_went)
{
	for (unsigned s = 0; s < SHAPES; s++)
		for (uint64_t seed = 1; seed <= 300; seed++) {
			struct random random = { .state = seed };
			uint8_t first[MESSAGE_BYTES_MAX], again[MESSAGE_BYTES_MAX];
			union any sent, back;
			size_t bytes;

			memset(&back, 0xa5, sizeof(back));
			shapes[s].make(&random, &sent);
			bytes = shapes[s].encode(first, &sent);
			cr_assert_eq(decode_exactly(&shapes[s], &back, first, bytes), 0, "%s, seed %llu",
				     message_name(shapes[s].type), (unsigned long long)seed);
			cr_assert_eq(shapes[s].encode(again, &back), bytes);
			cr_assert_arr_eq(again, first, bytes, "%s, seed %llu", message_name(shapes[s].type),
					 (unsigned long long)seed);
		}
}

Test(message, the_longest_body_is_as_long_as_it_says)
{
	for (unsigned s = 0; s < SHAPES; s++) {
		struct random random = { .state = 9 };
		uint8_t bytes[MESSAGE_BYTES_MAX];
		size_t longest = 0;
		union any any;

		for (unsigned round = 0; round < 100; round++) {
			size_t used;

			shapes[s].make(&random, &any);
			used = shapes[s].encode(bytes, &any);
			longest = used > longest ? used : longest;
		}
		cr_assert_eq(longest, message_bytes_max(shapes[s].type), "%s: %zu", message_name(shapes[s].type),
			     longest);
		cr_assert_leq(longest, MESSAGE_BYTES_MAX);
	}
}

Test(message, every_truncation_is_refused)
{
	for (unsigned s = 0; s < SHAPES; s++) {
		struct random random = { .state = 21 };
		uint8_t bytes[MESSAGE_BYTES_MAX];
		union any any, back;
		size_t full;

		shapes[s].make(&random, &any);
		full = shapes[s].encode(bytes, &any);
		for (size_t cut = 0; cut < full; cut++)
			cr_assert_eq(decode_exactly(&shapes[s], &back, bytes, cut), -EPROTO, "%s cut to %zu",
				     message_name(shapes[s].type), cut);
	}
}

Test(message, a_byte_too_many_is_refused)
{
	for (unsigned s = 0; s < SHAPES; s++) {
		struct random random = { .state = 22 };
		uint8_t bytes[MESSAGE_BYTES_MAX + 1] = { 0 };
		union any any, back;
		size_t full;

		shapes[s].make(&random, &any);
		full = shapes[s].encode(bytes, &any);
		cr_assert_eq(decode_exactly(&shapes[s], &back, bytes, full + 1), -EPROTO, "%s",
			     message_name(shapes[s].type));
	}
}

Test(message, random_bytes_never_lead_out_of_bounds)
{
	struct random random = { .state = 23 };
	uint8_t bytes[MESSAGE_BYTES_MAX];

	for (unsigned round = 0; round < 3000; round++) {
		const struct shape *shape = &shapes[round % SHAPES];
		size_t count = random_below(&random, message_bytes_max(shape->type) + 2);
		union any any;
		int rc;

		random_fill(&random, bytes, count);
		rc = decode_exactly(shape, &any, bytes, count);
		cr_assert(rc == 0 || rc == -EPROTO, "%s: %d", message_name(shape->type), rc);
	}
}

Test(message, a_valid_body_with_a_wrong_bit_is_decoded_or_refused_and_never_more)
{
	struct random random = { .state = 24 };
	uint8_t bytes[MESSAGE_BYTES_MAX];

	for (unsigned round = 0; round < 3000; round++) {
		const struct shape *shape = &shapes[round % SHAPES];
		union any any;
		size_t full;
		int rc;

		shape->make(&random, &any);
		full = shape->encode(bytes, &any);
		bytes[random_below(&random, full)] ^= (uint8_t)(1 << random_below(&random, 8));
		rc = decode_exactly(shape, &any, bytes, full);
		cr_assert(rc == 0 || rc == -EPROTO, "%s: %d", message_name(shape->type), rc);
	}
}

Test(message, those_without_a_body_have_none)
{
	cr_assert_eq(message_bytes_max(MESSAGE_LANES_READY), 0);
	cr_assert_eq(message_bytes_max(MESSAGE_PREPARED), 0);
	cr_assert_eq(message_bytes_max(MESSAGE_COMMIT), 0);
	cr_assert_eq(message_bytes_max(MESSAGE_HEARTBEAT), 0);
}

Test(message, every_type_has_a_name_and_no_other_number_has)
{
	for (unsigned type = MESSAGE_OFFER; type < MESSAGE_TYPES; type++)
		cr_assert_str_neq(message_name(type), "?");
	cr_assert_str_eq(message_name(MESSAGE_STREAM_END), "STREAM_END");
	cr_assert_str_eq(message_name(0), "?");
	cr_assert_str_eq(message_name(MESSAGE_TYPES), "?");
	cr_assert_eq(message_bytes_max(0), UINT32_MAX);
	cr_assert_eq(message_bytes_max(MESSAGE_TYPES), UINT32_MAX);
}

/* A valid body of @shape with the @width bytes at @at set to @value is refused. */
static void assert_out_of_range(unsigned s, unsigned at, unsigned width, uint64_t value)
{
	struct random random = { .state = 31 };
	uint8_t bytes[MESSAGE_BYTES_MAX];
	union any any;
	size_t full;

	shapes[s].make(&random, &any);
	full = shapes[s].encode(bytes, &any);
	for (unsigned i = 0; i < width; i++)
		bytes[at + i] = (uint8_t)(value >> 8 * (width - 1 - i));
	cr_assert_eq(shapes[s].decode(&any, bytes, full), -EPROTO, "%s: %llu at %u", message_name(shapes[s].type),
		     (unsigned long long)value, at);
}

enum { OFFER = 0, DEVICE = 1, AGREED = 2, DONE = 4, STREAM_END = 6 };

Test(message, an_offer_out_of_range_is_refused)
{
	assert_out_of_range(OFFER, 0, 2, 0);
	assert_out_of_range(OFFER, 0, 2, VFIOMIG_DEVICES_MAX + 1);
	assert_out_of_range(OFFER, 2, 2, 0);
	assert_out_of_range(OFFER, 2, 2, VFIOMIG_LANES_MAX + 1);
	assert_out_of_range(OFFER, 4, 4, VFIOMIG_SLOTS_MIN - 1);
	assert_out_of_range(OFFER, 4, 4, VFIOMIG_SLOTS_MAX + 1);
	assert_out_of_range(OFFER, 8, 8, VFIOMIG_SLOT_BYTES_MIN - 1);
	assert_out_of_range(OFFER, 8, 8, VFIOMIG_SLOT_BYTES_MAX + 1);
	assert_out_of_range(OFFER, 16, 1, 3);
	assert_out_of_range(OFFER, 17, 1, 2);
	assert_out_of_range(OFFER, 20, 1, 2);
}

Test(message, a_device_out_of_range_is_refused)
{
	assert_out_of_range(DEVICE, 0, 2, VFIOMIG_DEVICES_MAX);
	assert_out_of_range(DEVICE, 2, 1, 3);
}

Test(message, a_config_space_longer_than_its_room_is_refused)
{
	uint8_t bytes[MESSAGE_BYTES_MAX] = { 0 };
	struct message_device message = { .number = 1 };
	size_t full = message_encode_device(bytes, &message);

	put_be32(bytes + full - 4, VFIOMIG_CONFIG_BYTES_MAX + 1);
	cr_assert_eq(message_decode_device(&message, bytes, full + VFIOMIG_CONFIG_BYTES_MAX + 1), -EPROTO);
}

Test(message, an_agreement_out_of_range_is_refused)
{
	assert_out_of_range(AGREED, 0, 2, 0);
	assert_out_of_range(AGREED, 0, 2, VFIOMIG_LANES_MAX + 1);
	assert_out_of_range(AGREED, 2, 4, VFIOMIG_SLOTS_MIN - 1);
	assert_out_of_range(AGREED, 2, 4, VFIOMIG_SLOTS_MAX + 1);
	assert_out_of_range(AGREED, 6, 8, VFIOMIG_SLOT_BYTES_MIN - 1);
	assert_out_of_range(AGREED, 6, 8, VFIOMIG_SLOT_BYTES_MAX + 1);
	assert_out_of_range(AGREED, 14, 1, VFIOMIG_TRANSPORT_AUTO);
	assert_out_of_range(AGREED, 14, 1, 3);
}

Test(message, a_stream_without_its_config_packet_is_refused)
{
	assert_out_of_range(STREAM_END, 2, 8, 0);
}

Test(message, the_end_of_no_possible_devices_stream_is_refused)
{
	assert_out_of_range(STREAM_END, 0, 2, VFIOMIG_DEVICES_MAX);
}

Test(message, a_failure_with_a_code_or_errno_that_cannot_be_is_refused)
{
	assert_out_of_range(DONE, 0, 4, VFIOMIG_DEGRADED + 1);
	assert_out_of_range(DONE, 0, 4, UINT32_MAX);
	assert_out_of_range(DONE, 4, 4, 4096);
	assert_out_of_range(DONE, 4, 4, UINT32_MAX);
}

Test(message, strings_that_the_peer_did_not_terminate_come_out_terminated)
{
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct message_device device = { 0 };
	struct message_agreed agreed = { 0 };
	struct message_failure failure = { 0 };
	size_t full = message_encode_device(bytes, &device);

	memset(bytes + 3, 'n', 32 + 32); /* the name, and the driver after it */
	cr_assert_eq(message_decode_device(&device, bytes, full), 0);
	cr_assert_eq(strlen(device.name), 31);
	cr_assert_eq(strlen(device.info.driver), 31);

	agreed = (struct message_agreed){ 8, 16, 1 << 20, VFIOMIG_TRANSPORT_TCP, 0, "", false };
	full = message_encode_agreed(bytes, &agreed);
	memset(bytes + full - 160, 'r', 160);
	cr_assert_eq(message_decode_agreed(&agreed, bytes, full), 0);
	cr_assert_eq(strlen(agreed.reason), 159);

	full = message_encode_failure(bytes, &failure);
	memset(bytes + 8, 't', full - 8);
	cr_assert_eq(message_decode_failure(&failure, bytes, full), 0);
	cr_assert_eq(strlen(failure.error.name), 31);
	cr_assert_eq(strlen(failure.error.text), 511);
}

Test(message, the_numa_node_of_another_host_is_not_taken_over)
{
	struct message_device message = { .info = { .numa_node = 3 } };
	uint8_t bytes[MESSAGE_BYTES_MAX];
	size_t full = message_encode_device(bytes, &message);

	cr_assert_eq(message_decode_device(&message, bytes, full), 0);
	cr_assert_eq(message.info.numa_node, -1);
}
