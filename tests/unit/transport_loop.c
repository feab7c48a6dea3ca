/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "transport/loop.h"
#include "wire/immediate.h"

enum { LANES = 3, SLOTS = 8, SLOT_BYTES = 65536 };

struct loop_rig {
	struct arena source_arena, destination_arena;
	struct fabric_config source_config, destination_config;
	struct fabric *source, *destination;
	int refuse;
};

static int place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *where)
{
	struct loop_rig *rig = context;
	unsigned slot = immediate_index(immediate) % SLOTS;

	(void)lane;
	(void)bytes;
	if (immediate_kind(immediate) == IMMEDIATE_TOKEN) {
		where->payload = arena_token(&rig->destination_arena);
		return rig->refuse;
	}
	where->header = arena_header(&rig->destination_arena, 0, slot);
	where->payload = arena_payload(&rig->destination_arena, 0, slot);
	return rig->refuse;
}

static void open_pair(struct loop_rig *rig, const struct loop_policy *policy)
{
	const struct arena_shape shape = { 1, SLOTS, SLOT_BYTES };

	memset(rig, 0, sizeof(*rig));
	cr_assert_eq(arena_open(&rig->source_arena, &shape, -1, NULL), 0);
	cr_assert_eq(arena_open(&rig->destination_arena, &shape, -1, NULL), 0);
	rig->source_config = (struct fabric_config){
		.route = { .role = VFIOMIG_SOURCE }, .lanes = LANES, .arena = &rig->source_arena, .sink = { place, rig }
	};
	rig->destination_config = rig->source_config;
	rig->destination_config.route.role = VFIOMIG_DESTINATION;
	rig->destination_config.arena = &rig->destination_arena;
	cr_assert_eq(
		loop_pair_open(&rig->source, &rig->destination, &rig->source_config, &rig->destination_config, policy),
		0);
	cr_assert_eq(rig->source->ops->establish(rig->source, NULL, NULL), 0);
}

static void close_pair(struct loop_rig *rig)
{
	loop_fabric_ops.close(rig->source);
	loop_fabric_ops.close(rig->destination);
	arena_close(&rig->source_arena);
	arena_close(&rig->destination_arena);
}

static void post(struct loop_rig *rig, unsigned lane, unsigned index, uint32_t bytes)
{
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_DATA, 0, index),
					.slot = index % SLOTS,
					.bytes = bytes,
					.cookie = index };

	memset(arena_header(&rig->source_arena, 0, packet.slot), (int)index + 1, ARENA_HEADER_BYTES);
	memset(arena_payload(&rig->source_arena, 0, packet.slot), (int)index + 101, bytes);
	cr_assert_eq(rig->source->ops->post(rig->source, lane, &packet), 0);
}

static unsigned poll_one(struct fabric *fabric, struct fabric_event *event)
{
	return fabric->ops->poll(fabric, 0, event, 1);
}

static unsigned differing_bits(const struct loop_rig *rig, unsigned slot, uint32_t bytes)
{
	const uint8_t *a = arena_payload(&rig->source_arena, 0, slot),
		      *b = arena_payload(&rig->destination_arena, 0, slot);
	const uint8_t *c = arena_header(&rig->source_arena, 0, slot),
		      *d = arena_header(&rig->destination_arena, 0, slot);
	unsigned bits = 0;

	for (unsigned i = 0; i < bytes; i++)
		bits += (unsigned)__builtin_popcount(a[i] ^ b[i]);
	for (unsigned i = 0; i < ARENA_HEADER_BYTES; i++)
		bits += (unsigned)__builtin_popcount(c[i] ^ d[i]);
	return bits;
}

Test(loop, a_packet_arrives_whole_and_is_then_announced)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 1, 5, 1000);
	cr_assert_eq(poll_one(rig.source, &event), 0, "SENT before delivery");
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	cr_assert_eq(event.lane, 1);
	cr_assert_eq(event.immediate, immediate_make(IMMEDIATE_DATA, 0, 5));
	cr_assert_eq(differing_bits(&rig, 5, 1000), 0);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_SENT);
	cr_assert_eq(event.cookie, 5);
	close_pair(&rig);
}

Test(loop, a_token_and_a_credit_cross)
{
	struct fabric_packet token = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0), .bytes = 100, .cookie = 9 };
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	memset(arena_token(&rig.source_arena), 0x77, 100);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &token), 0);
	cr_assert_eq(rig.destination->ops->send(rig.destination, 2, immediate_make(IMMEDIATE_CREDIT, 0, 3)), 0);
	cr_assert_eq(rig.destination->ops->send(rig.destination, 2, immediate_make(IMMEDIATE_CREDIT, 0, 4)), 0);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_arr_eq(arena_token(&rig.destination_arena), arena_token(&rig.source_arena), 100);
	cr_assert_eq(rig.source->ops->pollfds(rig.source, NULL, 0), -EAGAIN);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_SENT);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.immediate, immediate_make(IMMEDIATE_CREDIT, 0, 4));
	cr_assert_eq(poll_one(rig.source, &event), 0, "the credit that was overtaken came too");
	cr_assert_eq(rig.source->ops->pollfds(rig.source, NULL, 0), 0);
	close_pair(&rig);
}

static enum loop_verdict delay_half(void *context, const struct loop_message *message, uint64_t random)
{
	(void)context;
	(void)message;
	return random & 1 ? LOOP_DELAY : LOOP_DELIVER;
}

/* The order in which two packets on each lane arrive, as digits. */
static void arrival_order(uint64_t seed, char order[2 * LANES + 1])
{
	struct loop_policy policy = { .judge = delay_half, .seed = seed };
	struct fabric_event event;
	struct loop_rig rig;
	unsigned count = 0;

	open_pair(&rig, &policy);
	for (unsigned i = 0; i < 2 * LANES; i++)
		post(&rig, i % LANES, i, 10);
	while (count < 2 * LANES)
		if (poll_one(rig.destination, &event))
			order[count++] = (char)('0' + immediate_index(event.immediate));
	order[count] = '\0';
	close_pair(&rig);
}

Test(loop, a_seed_tells_the_whole_order)
{
	char once[2 * LANES + 1], again[2 * LANES + 1];
	unsigned differ = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		arrival_order(seed, once);
		arrival_order(seed, again);
		cr_assert_str_eq(once, again);
		differ += strcmp(once, "012345") != 0;
	}
	cr_assert_gt(differ, 10, "delays do not reorder");
}

Test(loop, a_lane_never_reorders)
{
	char order[2 * LANES + 1];

	for (uint64_t seed = 1; seed <= 50; seed++) {
		arrival_order(seed, order);
		for (unsigned lane = 0; lane < LANES; lane++)
			cr_assert_lt(strchr(order, '0' + (int)lane), strchr(order, '0' + (int)(lane + LANES)), "%s",
				     order);
	}
}

/* The verdict is the context's for packet 1, all else is delivered. */
static enum loop_verdict judge_second(void *context, const struct loop_message *message, uint64_t random)
{
	(void)random;
	return message->number == 1 ? *(enum loop_verdict *)context : LOOP_DELIVER;
}

Test(loop, corruption_turns_exactly_one_bit)
{
	enum loop_verdict verdict = LOOP_CORRUPT;

	for (uint64_t seed = 0; seed < 30; seed++) {
		struct loop_policy policy = { judge_second, &verdict, seed };
		struct fabric_event event;
		struct loop_rig rig;

		open_pair(&rig, &policy);
		post(&rig, 0, 0, 50);
		post(&rig, 0, 1, 50);
		cr_assert_eq(poll_one(rig.destination, &event), 1);
		cr_assert_eq(poll_one(rig.destination, &event), 1);
		cr_assert_eq(differing_bits(&rig, 0, 50), 0);
		cr_assert_eq(differing_bits(&rig, 1, 50), 1);
		close_pair(&rig);
	}
}

static void cut_at_second(enum loop_verdict verdict, unsigned arrived_wanted)
{
	struct loop_policy policy = { judge_second, &verdict, 1 };
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_DATA, 0, 2) };
	struct fabric_event event;
	struct loop_rig rig;
	unsigned arrived = 0, sent = 0;

	open_pair(&rig, &policy);
	post(&rig, 0, 0, 50);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	post(&rig, 0, 1, 50);
	for (event.kind = 0; event.kind != FABRIC_DEAD;) {
		if (poll_one(rig.destination, &event))
			arrived += event.kind == FABRIC_ARRIVED;
	}
	for (event.kind = 0; event.kind != FABRIC_DEAD;) {
		if (poll_one(rig.source, &event))
			sent += event.kind == FABRIC_SENT;
	}
	cr_assert_eq(arrived, arrived_wanted);
	cr_assert_eq(sent, 0);
	cr_assert_eq(rig.source->ops->error(rig.source, 0)->errnum, EPIPE);
	cr_assert_eq(rig.source->ops->post(rig.source, 0, &packet), -EPIPE);
	post(&rig, 1, 3, 10);
	cr_assert_eq(poll_one(rig.destination, &event), 1, "the other lanes live");
	close_pair(&rig);
}

Test(loop, a_lane_can_die_before_a_packet_arrives)
{
	cut_at_second(LOOP_CUT_BEFORE, 0);
}

Test(loop, a_lane_can_die_after_a_packet_arrived_and_the_sender_does_not_know)
{
	cut_at_second(LOOP_CUT_AFTER, 1);
}

Test(loop, what_the_sink_refuses_kills_the_lane)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	rig.refuse = -EEXIST;
	post(&rig, 0, 0, 10);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(rig.destination->ops->error(rig.destination, 0)->errnum, EPROTO);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	close_pair(&rig);
}

Test(loop, a_fenced_lane_says_nothing_more)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 0, 0, 10);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	post(&rig, 0, 1, 10);
	rig.source->ops->fence(rig.source, 0);
	cr_assert_eq(poll_one(rig.source, &event), 0);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD, "what was not delivered is gone");
	close_pair(&rig);
}

Test(loop, after_release_nothing_is_placed_and_credits_still_leave)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 0, 0, 10);
	rig.destination->ops->release(rig.destination);
	cr_assert_eq(poll_one(rig.destination, &event), 0);
	cr_assert_eq(rig.destination->ops->send(rig.destination, 0, immediate_make(IMMEDIATE_CREDIT, 0, 1)), 0);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	close_pair(&rig);
}

Test(loop, one_end_may_go_first)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	loop_fabric_ops.close(rig.destination);
	rig.destination = NULL;
	for (unsigned i = 0; i < LANES; i++) {
		cr_assert_eq(poll_one(rig.source, &event), 1);
		cr_assert_eq(event.kind, FABRIC_DEAD);
	}
	cr_assert_eq(poll_one(rig.source, &event), 0);
	close_pair(&rig);
}

Test(loop, ends_that_do_not_fit_are_refused)
{
	struct fabric *source, *destination;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	rig.destination_config.lanes++;
	cr_assert_eq(loop_pair_open(&source, &destination, &rig.source_config, &rig.destination_config, NULL), -EINVAL);
	cr_assert_null(source);
	close_pair(&rig);
}

Test(loop, a_lane_that_breaks_on_one_side_brings_what_was_on_its_way_as_it_was)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 0, 0, 10);
	loop_break(rig.source, 0);
	memset(arena_payload(&rig.source_arena, 0, 0), 0, 10);
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	cr_assert_eq(*(uint8_t *)arena_payload(&rig.destination_arena, 0, 0), 101);
	cr_assert_eq(poll_one(rig.source, &event), 0, "a lane that is dead tells of no SENT");
	cr_assert_eq(poll_one(rig.destination, &event), 0, "nobody tells the other side");
	close_pair(&rig);
}

Test(loop, what_a_broken_lane_had_sent_is_lost_once_the_other_side_has_let_go_of_it)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 0, 0, 10);
	loop_break(rig.source, 0);
	rig.destination->ops->lose(rig.destination, 0);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(poll_one(rig.destination, &event), 0);
	close_pair(&rig);
}

Test(loop, a_lane_that_is_given_up_dies_on_both_sides_and_the_others_live)
{
	struct fabric_event event;
	struct loop_rig rig;

	open_pair(&rig, NULL);
	post(&rig, 0, 0, 10);
	rig.destination->ops->lose(rig.destination, 0);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD, "what was not polled had not arrived");
	cr_assert_eq(poll_one(rig.source, &event), 1);
	cr_assert_eq(event.kind, FABRIC_DEAD);
	post(&rig, 1, 1, 10);
	cr_assert_eq(poll_one(rig.destination, &event), 1);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	close_pair(&rig);
}
