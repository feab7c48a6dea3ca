/* SPDX-License-Identifier: MIT */
/*
 * Sources that lie in tokens, manifests and control messages, each in one point; and some that are only early, slow or unlucky, which
 * is no lie. See session_peer_liar.c.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/frame.h"
#include "session/session.h"
#include "unit/session_peer_memory.h"
#include "unit/session_peer_stream.h"
#include "wire/immediate.h"

TestSuite(session_peer_liar_control, .timeout = 120);

static struct peer_rig rig;

static void start_gated(void)
{
	stream_start(&rig, VFIOMIG_GATE_ON);
}

static void start(void)
{
	stream_start(&rig, VFIOMIG_GATE_OFF);
}

static void caught(const char *name)
{
	stream_caught(VFIOMIG_PROTOCOL, name);
}

static void send_true_token(void)
{
	struct token token = stream_token();

	stream_send_token(&token);
}

static void send_true_end(void)
{
	struct message_stream_end end = stream_manifest();

	stream_send_end(&end);
}

Test(session_peer_liar_control, memory_that_is_asked_for_is_counted)
{
	void *volatile memory; /* so that the compiler does not leave the calls out */

	peer_memory_mark();
	memory = malloc(1 << 20);
	cr_assert_geq(peer_memory_since(), 1 << 20);
	free(memory);
	memory = calloc(3, 1 << 20);
	cr_assert_geq(peer_memory_since(), 4 << 20);
	free(memory);
}

Test(session_peer_liar_control, token_early_is_legal)
{
	start_gated();
	send_true_token();
	stream_send_true(0, STREAM_PACKETS - 1);
	send_true_end();
	stream_succeeds();
}

Test(session_peer_liar_control, token_twice_is_called_that)
{
	start_gated();
	send_true_token();
	send_true_token();
	caught("token-twice");
}

Test(session_peer_liar_control, token_though_the_gate_is_off_is_unexpected)
{
	start();
	send_true_token();
	caught("token-unexpected");
}

Test(session_peer_liar_control, token_of_another_session_is_foreign)
{
	struct token token = stream_token();

	start_gated();
	token.session[15] ^= 1;
	stream_send_token(&token);
	caught("token-foreign");
}

Test(session_peer_liar_control, token_that_counts_less_than_has_come_is_low)
{
	struct token token;

	start_gated();
	stream_send_true(0, 1);
	stream_await_arrived(2);
	token = stream_token();
	token.count[0].packets = 1;
	stream_send_token(&token);
	caught("token-count-low");
}

/* All is true but the token, which counts @packets and @bytes more. */
static void token_differs(int packets, int bytes)
{
	struct token token;

	start_gated();
	stream_send_true(0, STREAM_PACKETS - 1);
	stream_await_credit(STREAM_PACKETS);
	send_true_end();
	token = stream_token();
	token.count[0].packets += (uint64_t)packets;
	token.count[0].bytes += (uint64_t)bytes;
	stream_send_token(&token);
	caught("token-manifest-mismatch");
}

Test(session_peer_liar_control, token_with_other_counts_than_the_manifest_is_a_mismatch)
{
	token_differs(1, 0);
	token_differs(0, 1);
	token_differs(0, -1);
}

Test(session_peer_liar_control, token_with_huge_counts_is_a_mismatch_and_nothing_is_sized_by_it)
{
	struct token token;

	start_gated();
	token = stream_token();
	token.count[0].packets = token.count[0].bytes = UINT64_MAX;
	stream_send_token(&token);
	stream_send_true(0, STREAM_PACKETS - 1);
	caught("token-manifest-mismatch");
}

/* A token whose byte at @at is another one, or that has @more bytes. */
static void token_falsified(size_t at, unsigned more, const char *name)
{
	uint8_t body[TOKEN_BYTES_MAX + 8] = { 0 };
	const struct token token = stream_token();
	uint32_t bytes = (uint32_t)token_encode(body, &token);

	start_gated();
	body[at] ^= 1;
	stream_send_frame(1, immediate_make(IMMEDIATE_TOKEN, 0, 0), body, bytes + more);
	caught(name);
}

Test(session_peer_liar_control, token_that_is_none_or_is_damaged_is_called_that)
{
	token_falsified(0, 0, "token-magic");
	token_falsified(5, 0, "token-version");
	token_falsified(7, 0, "token-devices");
	token_falsified(30, 0, "token-damaged");
	token_falsified(0, 1, "token-bytes");
}

/* All is true but the manifest; it comes before the packets are loaded, or after. */
static void manifest_differs(bool early, int packets, int bytes, uint32_t digest, const char *name)
{
	struct message_stream_end end;

	start();
	end = stream_manifest();
	end.packets += (uint64_t)packets;
	end.bytes += (uint64_t)bytes;
	end.digest ^= digest;
	if (early)
		stream_send_end(&end);
	stream_send_true(0, early ? STREAM_PACKETS - 2 : STREAM_PACKETS - 1);
	if (early) {
		struct stream_packet last = stream_packet(STREAM_PACKETS - 1, true);

		stream_await_credit(1);
		stream_send(&last);
	} else {
		stream_await_credit(STREAM_PACKETS);
		stream_send_end(&end);
	}
	caught(name);
}

Test(session_peer_liar_control, manifest_off_by_one_is_a_mismatch_whether_early_or_late)
{
	for (int early = 0; early < 2; early++) {
		manifest_differs(early, 1, 0, 0, "manifest-mismatch");
		manifest_differs(early, 0, 1, 0, "manifest-mismatch");
		manifest_differs(early, 0, -1, 0, "manifest-mismatch");
		manifest_differs(early, 0, 0, 1, "manifest-digest");
	}
	manifest_differs(false, -1, 0, 0, "manifest-mismatch");
}

Test(session_peer_liar_control, manifest_of_fewer_packets_than_have_come_is_a_mismatch_at_once)
{
	struct message_stream_end end;

	start();
	stream_send_true(1, 3);
	stream_await_arrived(3);
	end = stream_manifest();
	end.packets = 2;
	stream_send_end(&end);
	caught("manifest-mismatch");
}

Test(session_peer_liar_control, manifest_twice_is_out_of_phase)
{
	start();
	send_true_end();
	send_true_end();
	caught("message-out-of-phase");
}

Test(session_peer_liar_control, commit_before_all_is_loaded_is_out_of_phase)
{
	start();
	stream_send_true(0, 1);
	peer_send(stream_control(), MESSAGE_COMMIT, NULL, 0);
	caught("message-out-of-phase");
}

Test(session_peer_liar_control, commit_twice_takes_nothing_back)
{
	start();
	stream_send_true(0, STREAM_PACKETS - 1);
	send_true_end();
	peer_await(stream_control(), MESSAGE_PREPARED);
	peer_send(stream_control(), MESSAGE_COMMIT, NULL, 0);
	peer_send(stream_control(), MESSAGE_COMMIT, NULL, 0);
	stream_runs();
}

/* A frame's head alone: what follows never comes, and nothing is laid by for it. */
static void head_of(uint16_t type, uint32_t bytes, const char *name)
{
	struct frame_head head = { .bytes = bytes, .version = WIRE_VERSION, .type = type };
	uint8_t frame[FRAME_HEAD_BYTES];
	size_t asked;

	start();
	memcpy(head.session, peer_session, sizeof(head.session));
	frame_head_encode(frame, &head);
	peer_write(stream_control(), frame, sizeof(frame));
	peer_await_end(stream_control());
	asked = peer_memory_since();
	cr_assert_leq(asked, STREAM_MEMORY_MAX, "it asked for %zu bytes", asked);
	peer_end(&rig, VFIOMIG_PROTOCOL, name, "reset");
}

Test(session_peer_liar_control, message_longer_than_its_type_may_be_is_refused_by_its_head)
{
	head_of(MESSAGE_COMMIT, 1, "frame-too-long");
	head_of(MESSAGE_STREAM_END, UINT32_MAX, "frame-too-long");
	head_of(MESSAGE_ABORT, MESSAGE_BYTES_MAX + 1, "frame-too-long");
	head_of(MESSAGE_TYPES, 0, "frame-type");
}

Test(session_peer_liar_control, message_shorter_than_it_must_be_cannot_be_read)
{
	uint8_t body[MESSAGE_BYTES_MAX];
	struct message_stream_end end;
	size_t bytes;

	start();
	end = stream_manifest();
	bytes = message_encode_stream_end(body, &end);
	peer_send(stream_control(), MESSAGE_STREAM_END, body, bytes - 1);
	caught("message-malformed");
}

Test(session_peer_liar_control, message_of_another_session_is_called_that)
{
	const uint8_t other[16] = { 1 };

	start();
	peer_send_as(stream_control(), other, MESSAGE_HEARTBEAT, NULL, 0);
	peer_await_end(stream_control());
	peer_end(&rig, VFIOMIG_PROTOCOL, "frame-session", "reset");
}

Test(session_peer_liar_control, message_byte_by_byte_is_legal)
{
	struct frame_head head = { .version = WIRE_VERSION, .type = MESSAGE_STREAM_END };
	uint8_t frame[FRAME_HEAD_BYTES + MESSAGE_BYTES_MAX];
	struct message_stream_end end;

	start();
	stream_send_true(0, STREAM_PACKETS - 1);
	end = stream_manifest();
	memcpy(head.session, peer_session, sizeof(head.session));
	head.bytes = (uint32_t)message_encode_stream_end(frame + FRAME_HEAD_BYTES, &end);
	frame_head_encode(frame, &head);
	for (size_t i = 0; i < FRAME_HEAD_BYTES + head.bytes; i++)
		peer_write(stream_control(), frame + i, 1);
	stream_succeeds();
}

Test(session_peer_liar_control, connection_half_open_in_the_middle_of_a_message_is_lost)
{
	const uint8_t half[FRAME_HEAD_BYTES / 2] = { 0 };

	start();
	peer_write(stream_control(), half, sizeof(half));
	shutdown(stream_control(), SHUT_WR);
	peer_await_end(stream_control());
	peer_end(&rig, VFIOMIG_FABRIC, "peer-closed", "reset");
}

Test(session_peer_liar_control, offer_of_huge_slots_is_answered_with_this_sides_own)
{
	struct message_offer offer = peer_offer(1);
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	int fd;

	offer.slots = VFIOMIG_SLOTS_MAX;
	offer.slot_bytes = VFIOMIG_SLOT_BYTES_MAX;
	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_memory_mark();
	peer_send_offer_of(fd, &offer);
	peer_send_device(&rig, fd, 0, "");
	peer_await(fd, MESSAGE_READY);
	cr_assert_eq(vfiomig_session_stats(rig.session, &stats), 0);
	cr_assert_eq(stats.slots, SLOTS_DEFAULT);
	cr_assert_eq(stats.slot_bytes, SLOT_BYTES_DEFAULT);
	/* Its arena, which is tried on huge pages first: not the 4 TiB that were offered. */
	cr_assert_leq(peer_memory_since(), 3 * SLOTS_DEFAULT * SLOT_BYTES_DEFAULT);
	vfiomig_session_cancel(rig.session);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}

Test(session_peer_liar_control, offer_that_no_number_of_slots_could_be_cannot_be_read)
{
	struct message_offer offer = peer_offer(1);
	int fd;

	offer.slots = UINT32_MAX;
	offer.slot_bytes = UINT64_MAX;
	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_memory_mark();
	peer_send_offer_of(fd, &offer);
	peer_await_abort(fd, "message-malformed");
	cr_assert_leq(peer_memory_since(), STREAM_MEMORY_MAX);
	peer_end(&rig, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}
