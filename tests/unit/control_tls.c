/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "unit/control_tls_rig.h"

#define KEY_A	"alice:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_B	"alice:ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_BOB "bob:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static const uint8_t session_a[16] = "session a......", session_b[16] = "session b......";

/* A rig whose sides have the keys of these texts; NULL: none. */
struct keyed {
	struct credentials *source, *destination;
	struct tls_rig *rig;
};

static struct keyed keyed_open(const char *source, const char *destination)
{
	struct keyed keyed = { 0 };

	if (source)
		keyed.source = tls_rig_psk(VFIOMIG_SOURCE, source);
	if (destination)
		keyed.destination = tls_rig_psk(VFIOMIG_DESTINATION, destination);
	keyed.rig = tls_rig_open(keyed.source, keyed.destination);
	return keyed;
}

static void keyed_close(struct keyed *keyed)
{
	tls_rig_close(keyed->rig);
	credentials_close(keyed->source);
	credentials_close(keyed->destination);
}

static bool both_ready(const struct tls_rig *rig)
{
	return control_ready(rig->end[TLS_SOURCE].conn) && control_ready(rig->end[TLS_DESTINATION].conn);
}

/* The next frame that comes to @end. */
static struct control_frame frame_at(struct tls_rig *rig, unsigned end)
{
	struct control_frame frame = { 0 };
	int result = 0;

	for (unsigned i = 0; i < 100000 && result == 0; i++) {
		tls_rig_relay(rig);
		result = control_poll(rig->end[end].conn, &frame, &rig->end[end].err);
	}
	cr_assert_eq(result, 1, "%s", rig->end[end].err.text);
	return frame;
}

static void assert_refused(const struct tls_end *end, const char *name)
{
	cr_assert_eq(end->result, -EACCES, "%s", end->err.text);
	cr_assert_eq(end->err.code, VFIOMIG_AUTH);
	cr_assert_str_eq(end->err.name, name);
	cr_assert_not(control_ready(end->conn));
}

Test(tls, with_the_same_key_frames_cross_and_nobody_between_can_read_them)
{
	static const char secret[] = "this must not be seen on the line";
	struct keyed keyed = keyed_open(KEY_A, KEY_BOB KEY_A);
	struct tls_rig *rig = keyed.rig;
	struct control_frame frame;

	tls_rig_shake(rig);
	cr_assert(both_ready(rig), "%s / %s", rig->end[0].err.text, rig->end[1].err.text);
	cr_assert_eq(control_send(rig->end[TLS_SOURCE].conn, TYPE_SMALL, secret, sizeof(secret)), 0);
	frame = frame_at(rig, TLS_DESTINATION);
	cr_assert_eq(frame.bytes, sizeof(secret));
	cr_assert_str_eq((const char *)frame.body, secret);
	cr_assert_eq(control_send(rig->end[TLS_DESTINATION].conn, TYPE_SMALL, secret, sizeof(secret)), 0);
	frame = frame_at(rig, TLS_SOURCE);
	cr_assert_str_eq((const char *)frame.body, secret);
	cr_assert_eq(memmem(rig->seen, rig->seen_bytes, secret, strlen(secret)), NULL);
	keyed_close(&keyed);
}

Test(tls, the_handshake_may_come_byte_by_byte)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A);

	keyed.rig->chunk = 1;
	tls_rig_shake(keyed.rig);
	cr_assert(both_ready(keyed.rig));
	cr_assert_eq(control_send(keyed.rig->end[TLS_DESTINATION].conn, TYPE_SMALL, "abc", 3), 0);
	cr_assert_arr_eq(frame_at(keyed.rig, TLS_SOURCE).body, "abc", 3);
	keyed_close(&keyed);
}

Test(tls, another_key_is_refused_at_both_ends)
{
	struct keyed keyed = keyed_open(KEY_B, KEY_A);

	tls_rig_shake(keyed.rig);
	assert_refused(&keyed.rig->end[TLS_SOURCE], "authentication");
	assert_refused(&keyed.rig->end[TLS_DESTINATION], "authentication");
	keyed_close(&keyed);
}

/* Else a stranger could try out which identities there are. */
Test(tls, an_unknown_identity_is_refused_as_a_wrong_key_is)
{
	struct keyed unknown = keyed_open(KEY_BOB, KEY_A), wrong = keyed_open(KEY_B, KEY_A);

	tls_rig_shake(unknown.rig);
	tls_rig_shake(wrong.rig);
	assert_refused(&unknown.rig->end[TLS_SOURCE], "authentication");
	assert_refused(&unknown.rig->end[TLS_DESTINATION], "authentication");
	cr_assert_str_eq(unknown.rig->end[TLS_SOURCE].err.text, wrong.rig->end[TLS_SOURCE].err.text);
	keyed_close(&unknown);
	keyed_close(&wrong);
}

Test(tls, one_side_without_a_key_is_refused_at_both_ends)
{
	struct keyed source = keyed_open(NULL, KEY_A), destination = keyed_open(KEY_A, NULL);

	tls_rig_shake(source.rig);
	assert_refused(&source.rig->end[TLS_SOURCE], "peer-wants-proof");
	assert_refused(&source.rig->end[TLS_DESTINATION], "peer-plain");
	keyed_close(&source);
	tls_rig_shake(destination.rig);
	assert_refused(&destination.rig->end[TLS_SOURCE], "peer-plain");
	assert_refused(&destination.rig->end[TLS_DESTINATION], "peer-wants-proof");
	keyed_close(&destination);
}

static size_t handshake_bytes(void)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A);
	size_t bytes;

	tls_rig_shake(keyed.rig);
	cr_assert(both_ready(keyed.rig));
	bytes = keyed.rig->seen_bytes;
	keyed_close(&keyed);
	return bytes;
}

/* A cut proves nothing against the peer: it is a lost connection, not a wrong key. */
Test(tls, a_handshake_that_is_cut_anywhere_lets_nobody_in)
{
	size_t bytes = handshake_bytes();

	cr_assert_gt(bytes, 200);
	for (size_t left = 1; left < bytes; left++) {
		struct keyed keyed = keyed_open(KEY_A, KEY_A);
		struct tls_end *destination = &keyed.rig->end[TLS_DESTINATION];

		keyed.rig->left = left;
		keyed.rig->chunk = 64;
		tls_rig_shake(keyed.rig);
		cr_assert_not(control_ready(destination->conn), "after %zu bytes", left);
		cr_assert_eq(destination->err.code, VFIOMIG_FABRIC, "after %zu bytes: %s", left, destination->err.text);
		cr_assert_eq(keyed.rig->end[TLS_SOURCE].err.code, VFIOMIG_FABRIC);
		keyed_close(&keyed);
	}
}

/* Who changes his mind has not shown a wrong key. */
Test(tls, a_source_that_leaves_amid_the_handshake_is_a_lost_connection)
{
	for (unsigned rounds = 1; rounds < 5; rounds++) {
		struct keyed keyed = keyed_open(KEY_A, KEY_A);
		struct tls_end *source = &keyed.rig->end[TLS_SOURCE], *destination = &keyed.rig->end[TLS_DESTINATION];
		struct control_frame frame;

		keyed.rig->chunk = 100;
		for (unsigned i = 0; i < rounds; i++) {
			cr_assert_eq(control_poll(source->conn, &frame, &source->err), 0);
			cr_assert_eq(control_poll(destination->conn, &frame, &destination->err), 0);
			tls_rig_relay(keyed.rig);
		}
		cr_assert_not(control_ready(source->conn));
		control_close(source->conn);
		source->conn = NULL;
		while (tls_rig_relay(keyed.rig))
			;
		close(destination->raw);
		destination->raw = -1;
		while (destination->result == 0)
			destination->result = control_poll(destination->conn, &frame, &destination->err);
		cr_assert_eq(destination->err.code, VFIOMIG_FABRIC, "%u: %s", rounds, destination->err.text);
		keyed_close(&keyed);
	}
}

/* A frame without a handshake, sent to one who waits for the handshake. */
Test(tls, a_frame_before_the_handshake_is_not_read)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A);
	struct tls_end *destination = &keyed.rig->end[TLS_DESTINATION];
	uint8_t wire[FRAME_HEAD_BYTES + 3];
	size_t bytes = conn_rig_make_frame(wire, TYPE_SMALL, session_a, "abc", 3);
	struct control_frame frame;

	cr_assert_eq(control_poll(destination->conn, &frame, &destination->err), 0);
	conn_rig_write_all(destination->raw, wire, bytes);
	destination->result = control_poll(destination->conn, &frame, &destination->err);
	assert_refused(destination, "authentication");
	keyed_close(&keyed);
}

/* The queue and what TLS holds back must not be sent twice, or in another order. */
Test(tls, a_peer_that_takes_nothing_for_a_while_gets_all_of_it_in_order)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A);
	struct tls_rig *rig = keyed.rig;
	struct control_conn *source = rig->end[TLS_SOURCE].conn;
	const int small = 4096;
	unsigned sent = 0, got = 0;
	uint8_t body[LARGE_BYTES];

	setsockopt(control_fd(source), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	tls_rig_shake(rig);
	cr_assert(both_ready(rig));
	while (sent < 40) {
		memset(body, (int)sent, sizeof(body));
		if (control_send(source, TYPE_LARGE, body, 1000 + sent) == 0) {
			sent++;
			continue;
		}
		cr_assert_not(control_drained(source));
		cr_assert(control_events(source) & POLLOUT);
		for (; got < sent && !control_drained(source); got++) {
			struct control_frame frame = frame_at(rig, TLS_DESTINATION), none;

			cr_assert_eq(frame.bytes, 1000 + got);
			cr_assert_eq(frame.body[0], got);
			cr_assert_eq(frame.body[frame.bytes - 1], got);
			cr_assert_eq(control_poll(source, &none, NULL), 0);
		}
	}
	for (struct control_frame none; got < sent; got++) {
		cr_assert_eq(control_poll(source, &none, NULL), 0);
		cr_assert_eq(frame_at(rig, TLS_DESTINATION).bytes, 1000 + got);
	}
	keyed_close(&keyed);
}

Test(tls, an_end_is_told_after_all_that_came_before)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A);
	struct tls_rig *rig = keyed.rig;
	struct control_frame frame;

	tls_rig_shake(rig);
	cr_assert_eq(control_send(rig->end[TLS_SOURCE].conn, TYPE_SMALL, "last", 4), 0);
	control_close(rig->end[TLS_SOURCE].conn);
	while (tls_rig_relay(rig))
		;
	close(rig->end[TLS_DESTINATION].raw);
	rig->end[TLS_DESTINATION].raw = -1;
	cr_assert_eq(control_poll(rig->end[TLS_DESTINATION].conn, &frame, NULL), 1);
	cr_assert_arr_eq(frame.body, "last", 4);
	conn_rig_assert_fails(rig->end[TLS_DESTINATION].conn, -EPIPE, "peer-closed");
	rig->end[TLS_SOURCE].conn = NULL;
	keyed_close(&keyed);
}

static void prove(struct tls_rig *rig, unsigned end, const uint8_t session[16], unsigned lane, uint8_t proof[32])
{
	cr_assert_eq(control_prove(rig->end[end].conn, session, lane, proof), 0);
}

Test(tls, a_proof_is_of_one_lane_of_one_session_over_one_connection)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A), other = keyed_open(KEY_A, KEY_A);
	uint8_t mine[32], peers[32];

	tls_rig_shake(keyed.rig);
	tls_rig_shake(other.rig);
	prove(keyed.rig, TLS_SOURCE, session_a, 3, mine);
	prove(keyed.rig, TLS_DESTINATION, session_a, 3, peers);
	cr_assert_arr_eq(mine, peers, sizeof(mine));
	prove(keyed.rig, TLS_DESTINATION, session_a, 4, peers);
	cr_assert_arr_neq(mine, peers, sizeof(mine));
	prove(keyed.rig, TLS_DESTINATION, session_b, 3, peers);
	cr_assert_arr_neq(mine, peers, sizeof(mine));
	prove(other.rig, TLS_DESTINATION, session_a, 3, peers);
	cr_assert_arr_neq(mine, peers, sizeof(mine));
	keyed_close(&keyed);
	keyed_close(&other);
}

Test(tls, without_keys_a_proof_is_zero)
{
	struct keyed keyed = keyed_open(NULL, NULL);
	uint8_t proof[32] = { 1 }, zero[32] = { 0 };

	tls_rig_shake(keyed.rig);
	cr_assert(both_ready(keyed.rig));
	prove(keyed.rig, TLS_SOURCE, session_a, 0, proof);
	cr_assert_arr_eq(proof, zero, sizeof(proof));
	keyed_close(&keyed);
}

static void payload_key(struct tls_rig *rig, unsigned end, const uint8_t session[16], uint8_t key[32])
{
	cr_assert_eq(control_payload_key(rig->end[end].conn, session, key), 0);
}

Test(tls, a_key_for_packets_is_of_one_session_over_one_connection)
{
	struct keyed keyed = keyed_open(KEY_A, KEY_A), other = keyed_open(KEY_A, KEY_A);
	uint8_t mine[32], peers[32];

	tls_rig_shake(keyed.rig);
	tls_rig_shake(other.rig);
	payload_key(keyed.rig, TLS_SOURCE, session_a, mine);
	payload_key(keyed.rig, TLS_DESTINATION, session_a, peers);
	cr_assert_arr_eq(mine, peers, sizeof(mine));
	payload_key(keyed.rig, TLS_DESTINATION, session_b, peers);
	cr_assert_arr_neq(mine, peers, sizeof(mine));
	payload_key(other.rig, TLS_DESTINATION, session_a, peers);
	cr_assert_arr_neq(mine, peers, sizeof(mine));
	keyed_close(&keyed);
	keyed_close(&other);
}
