/* SPDX-License-Identifier: MIT */
/*
 * Somebody sits between source and destination. He forwards everything, cannot look into TLS, and changes one message on a lane, with a
 * CRC that fits again. All that he does is what anybody could who has read the wire format.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/address.h"
#include "slot/arena.h"
#include "unit/session_sealed_rig.h"
#include "wire/hello.h"
#include "wire/immediate.h"
#include "wire/packet.h"
#include "wire/token.h"

enum {
	CONNECTIONS_MAX = 1 + SEALED_LANES,
	FRAME_BYTES = 8,
	BODY_BYTES_MAX = ARENA_HEADER_BYTES + SEALED_SLOT_BYTES,
	TARGET = 5, /* the packet that is changed, and one that went over the same lane before it */
	EARLIER = TARGET - SEALED_LANES,
};

/* What is done to the target, or to the token: its header, its payload, and of the earlier packet the same. */
struct body {
	struct packet_header header;
	uint8_t payload[SEALED_SLOT_BYTES];
};
static void (*on_packet)(struct body *body, const struct body *earlier);
static void (*on_token)(struct token *token);
static atomic_bool cuts; /* instead, and once: the lane that the target is on, in the middle of it */

struct way {
	int from, to;
	bool attacked; /* source to destination */
	pthread_t thread;
};

static struct way ways[2 * CONNECTIONS_MAX];
static unsigned ways_count;
static int gate_fd;
static pthread_t doorman;
static struct sockaddr_storage destination;
static socklen_t destination_bytes;

static bool take(int fd, void *to, size_t bytes)
{
	return recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool pass(int fd, const void *from, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t sent = send(fd, (const uint8_t *)from + done, bytes - done, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		done += (size_t)sent;
	}
	return true;
}

static void forward_all(const struct way *way)
{
	uint8_t bytes[4096];
	ssize_t got;

	while ((got = recv(way->from, bytes, sizeof(bytes), 0)) > 0)
		if (!pass(way->to, bytes, (size_t)got))
			return;
}

static bool is_target(const uint8_t *bytes)
{
	struct packet_header header;
	const char *why;

	return packet_decode(&header, bytes, &why) == 0 && header.index == TARGET;
}

/* The frame's body, changed if it is the one. The CRC is made to fit, as of a clear packet or of a sealed one. */
static void attack_packet(uint8_t *bytes, struct body *earlier)
{
	struct body body;
	const char *why;
	uint32_t sum = 0;

	cr_assert_eq(packet_decode(&body.header, bytes, &why), 0);
	memcpy(body.payload, bytes + PACKET_HEADER_BYTES, body.header.bytes);
	if (body.header.index == EARLIER)
		*earlier = body;
	if (body.header.index != TARGET)
		return;
	on_packet(&body, earlier);
	if (!(body.header.flags & PACKET_SEALED))
		sum = packet_sum(body.payload, body.header.bytes);
	packet_encode(bytes, &body.header, sum);
	memcpy(bytes + PACKET_HEADER_BYTES, body.payload, body.header.bytes);
}

static void attack_token(uint8_t *bytes)
{
	struct token token;
	const char *why;

	cr_assert_eq(token_decode(&token, bytes, 1, &why), 0);
	on_token(&token);
	token_encode(bytes, &token);
}

static void forward_lane(const struct way *way)
{
	static _Thread_local struct body earlier;
	uint8_t *frame = malloc(FRAME_BYTES + BODY_BYTES_MAX), *body = frame + FRAME_BYTES;

	while (take(way->from, frame, FRAME_BYTES)) {
		uint32_t immediate = get_be32(frame), bytes = get_be32(frame + 4);

		if (bytes > BODY_BYTES_MAX || (bytes && !take(way->from, body, bytes)))
			break;
		if (immediate_kind(immediate) == IMMEDIATE_DATA && is_target(body) && atomic_exchange(&cuts, false)) {
			pass(way->to, frame, (FRAME_BYTES + bytes) / 2);
			shutdown(way->from, SHUT_RDWR);
			shutdown(way->to, SHUT_RDWR); /* what is forwarded from now on goes nowhere */
			break;
		}
		if (on_packet && immediate_kind(immediate) == IMMEDIATE_DATA)
			attack_packet(body, &earlier);
		if (on_token && immediate_kind(immediate) == IMMEDIATE_TOKEN)
			attack_token(body);
		if (!pass(way->to, frame, FRAME_BYTES + bytes))
			break;
	}
	free(frame);
}

static void *forward(void *argument)
{
	const struct way *way = argument;
	uint8_t begin[PREFACE_BYTES + HELLO_BYTES];
	struct preface preface = { 0 };

	if (way->attacked && take(way->from, begin, PREFACE_BYTES) && preface_decode(&preface, begin) == 0) {
		pass(way->to, begin, PREFACE_BYTES);
		if (preface.kind == PREFACE_LANE && take(way->from, begin, HELLO_BYTES) &&
		    pass(way->to, begin, HELLO_BYTES))
			forward_lane(way);
	}
	forward_all(way);
	shutdown(way->to, SHUT_WR);
	return NULL;
}

static void *stand_at_the_door(void *argument)
{
	int fd;

	(void)argument;
	while (ways_count < 2 * CONNECTIONS_MAX && (fd = accept(gate_fd, NULL, NULL)) >= 0) {
		int onward = socket(destination.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct way *way = &ways[ways_count];

		if (connect(onward, (struct sockaddr *)&destination, destination_bytes))
			break;
		way[0] = (struct way){ .from = fd, .to = onward, .attacked = true };
		way[1] = (struct way){ .from = onward, .to = fd };
		for (unsigned i = 0; i < 2; i++)
			cr_assert_eq(pthread_create(&way[i].thread, NULL, forward, &way[i]), 0);
		ways_count += 2;
	}
	return NULL;
}

static const char *through_the_attacker(const char *address)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t bytes = sizeof(here);
	static char where[64];

	cr_assert_eq(address_resolve(address, false, &destination, &destination_bytes, NULL), 0);
	gate_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(gate_fd, (struct sockaddr *)&here, sizeof(here)), 0);
	cr_assert_eq(listen(gate_fd, CONNECTIONS_MAX), 0);
	cr_assert_eq(getsockname(gate_fd, (struct sockaddr *)&here, &bytes), 0);
	cr_assert_eq(pthread_create(&doorman, NULL, stand_at_the_door, NULL), 0);
	snprintf(where, sizeof(where), "127.0.0.1:%u", ntohs(here.sin_port));
	return where;
}

/* Both ends are closed, so every way comes to its end by itself. */
static void send_the_attacker_home(void)
{
	sealed_end();
	shutdown(gate_fd, SHUT_RDWR);
	pthread_join(doorman, NULL);
	for (unsigned i = 0; i < ways_count; i++)
		pthread_join(ways[i].thread, NULL);
	for (unsigned i = 0; i < ways_count; i++)
		close(ways[i].from);
	close(gate_fd);
}

TestSuite(session_attacker, .fini = send_the_attacker_home, .timeout = 120);

static void migrate(enum vfiomig_payload payload, void (*packet)(struct body *body, const struct body *earlier),
		    void (*token)(struct token *token))
{
	on_packet = packet;
	on_token = token;
	sealed_begin(payload, through_the_attacker);
	sealed_go_on();
}

static void turn_a_bit(struct body *body, const struct body *earlier)
{
	(void)earlier;
	body->payload[100] ^= 1;
}

/* A CRC that fits to what he made of the packet is another one than the source's, whose digest is in TLS. */
Test(session_attacker, is_found_out_by_the_manifest_if_he_changes_a_crc)
{
	migrate(VFIOMIG_PAYLOAD_CLEAR, turn_a_bit, NULL);
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_PROTOCOL, "%s", sealed.outcome.error.text);
	cr_assert_str_eq(sealed.outcome.error.name, "manifest-digest");
}

/* The polynomial of CRC32C itself, which leaves no remainder. */
static void turn_bits_that_no_crc_sees(struct body *body, const struct body *earlier)
{
	static const uint8_t polynomial[] = { 0xf1, 0x76, 0xec, 0x05, 0x01 };

	(void)earlier;
	for (size_t i = 0; i < sizeof(polynomial); i++)
		body->payload[100 + i] ^= polynomial[i];
}

/* So the tests below can fail, and so it is said what CRC and TLS together are worth against him. */
Test(session_attacker, changes_a_clear_state_and_nobody_notices)
{
	migrate(VFIOMIG_PAYLOAD_CLEAR, turn_bits_that_no_crc_sees, NULL);
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_OK, "%s", sealed.outcome.error.text);
	cr_assert_eq(sealed.came_bytes, sizeof(sealed.sent));
	cr_assert_neq(memcmp(sealed.came, sealed.sent, sizeof(sealed.sent)), 0);
}

Test(session_attacker, does_not_change_sealed_bits_that_no_crc_sees)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, turn_bits_that_no_crc_sees, NULL);
	sealed_assert_refused("packet-seal", TARGET);
}

Test(session_attacker, who_only_listens_does_no_harm)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, NULL, NULL);
	sealed_assert_whole();
}

/* What was on that lane goes out again over the others, sealed as it is. */
Test(session_attacker, cuts_a_lane_and_the_state_arrives)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cuts = true;
	migrate(VFIOMIG_PAYLOAD_AEAD, NULL, NULL);
	sealed_assert_whole();
	cr_assert_eq(vfiomig_session_stats(sealed.destination, &stats), 0);
	cr_assert_lt(stats.lane[TARGET % SEALED_LANES].packets, stats.lane[0].packets);
}

Test(session_attacker, does_not_change_a_sealed_payload)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, turn_a_bit, NULL);
	sealed_assert_refused("packet-seal", TARGET);
}

static void change_a_time(struct body *body, const struct body *earlier)
{
	(void)earlier;
	body->header.read_us ^= 1;
}

Test(session_attacker, does_not_change_a_time)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, change_a_time, NULL);
	sealed_assert_refused("packet-seal", TARGET);
}

static void take_the_phase_away(struct body *body, const struct body *earlier)
{
	(void)earlier;
	body->header.flags &= ~(uint32_t)PACKET_STOP_COPY;
}

Test(session_attacker, does_not_change_a_flag)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, take_the_phase_away, NULL);
	sealed_assert_refused("packet-seal", TARGET);
}

static void shorten(struct body *body, const struct body *earlier)
{
	(void)earlier;
	body->header.bytes -= 16;
}

Test(session_attacker, does_not_shorten_a_packet)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, shorten, NULL);
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_PROTOCOL, "%s", sealed.outcome.error.text);
	cr_assert_leq(sealed.came_bytes, (size_t)TARGET * SEALED_SLOT_BYTES);
}

static void repeat(struct body *body, const struct body *earlier)
{
	*body = *earlier;
	body->header.index = TARGET;
}

Test(session_attacker, does_not_repeat_a_packet_in_anothers_place)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, repeat, NULL);
	sealed_assert_refused("packet-seal", TARGET);
}

static void put_his_own(struct body *body, const struct body *earlier)
{
	(void)earlier;
	body->header.flags &= ~(uint32_t)PACKET_SEALED;
	memset(body->payload, 0x66, sizeof(body->payload));
}

Test(session_attacker, does_not_get_a_clear_packet_in_among_sealed_ones)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, put_his_own, NULL);
	sealed_assert_refused("packet-flags", TARGET);
}

static void count_one_less(struct token *token)
{
	token->count[0].packets--;
}

Test(session_attacker, does_not_change_the_token)
{
	migrate(VFIOMIG_PAYLOAD_AEAD, NULL, count_one_less);
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_PROTOCOL, "%s", sealed.outcome.error.text);
	cr_assert_str_eq(sealed.outcome.error.name, "token-seal");
	cr_assert_str_eq(sealed.outcome.destination_state, "reset");
}
