/* SPDX-License-Identifier: MIT */
/* Lanes of an authenticated session: who listened in, or once belonged to another session, gets none of them. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "unit/transport_tcp_rig.h"
#include "wire/hello.h"

static void fill_proofs(struct fabric_config *config)
{
	for (unsigned lane = 0; lane < config->lanes; lane++)
		memset(config->proof[lane], 0x40 + (int)lane, sizeof(config->proof[lane]));
}

static void open_destination(struct rig *rig, unsigned lanes)
{
	rig_init(rig, lanes);
	fill_proofs(&rig->destination_config);
	cr_assert_eq(tcp_fabric_ops.open(&rig->destination, &rig->destination_config, &rig->err), 0);
}

/* One who says hello as @lane and shows @proof is let in by the fabric; returns its own end. */
static int knock(struct rig *rig, uint16_t lane, const uint8_t proof[HELLO_PROOF_BYTES])
{
	struct hello hello = { .version = WIRE_VERSION, .lane = lane };
	uint8_t bytes[HELLO_BYTES];
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memcpy(hello.session, rig->destination_config.session, sizeof(hello.session));
	memcpy(hello.proof, proof, sizeof(hello.proof));
	hello_encode(bytes, &hello);
	rig_write(fds[1], bytes, sizeof(bytes));
	cr_assert_eq(tcp_fabric_ops.adopt(rig->destination, fds[0]), 0);
	return fds[1];
}

Test(tcp_proof, no_lane_without_the_proof_of_that_very_lane)
{
	static const uint8_t none[HELLO_PROOF_BYTES];
	uint8_t nearly[HELLO_PROOF_BYTES];
	struct rig rig;
	int strangers[3], lanes[2];

	open_destination(&rig, 2);
	memcpy(nearly, rig.destination_config.proof[0], sizeof(nearly));
	nearly[HELLO_PROOF_BYTES - 1] ^= 1;
	strangers[0] = knock(&rig, 0, none);
	strangers[1] = knock(&rig, 0, nearly);
	strangers[2] = knock(&rig, 0, rig.destination_config.proof[1]); /* what another lane has shown */
	for (uint16_t i = 0; i < 2; i++)
		lanes[i] = knock(&rig, i, rig.destination_config.proof[i]);
	cr_assert_eq(tcp_fabric_ops.establish(rig.destination, NULL, &rig.err), 0, "%s", rig.err.text);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(rig_is_closed(strangers[i]), "stranger %u", i);
		close(strangers[i]);
	}
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_not(rig_is_closed(lanes[i]));
		close(lanes[i]);
	}
	rig_close(&rig);
}

Test(tcp_proof, a_hello_that_is_sent_again_is_refused)
{
	uint8_t answer[PREFACE_BYTES];
	struct rig rig;
	int first, again, other;
	unsigned answered;

	open_destination(&rig, 2);
	first = knock(&rig, 0, rig.destination_config.proof[0]);
	again = knock(&rig, 0, rig.destination_config.proof[0]);
	other = knock(&rig, 1, rig.destination_config.proof[1]);
	cr_assert_eq(tcp_fabric_ops.establish(rig.destination, NULL, &rig.err), 0);
	answered = (recv(first, answer, sizeof(answer), 0) == PREFACE_BYTES) +
		   (recv(again, answer, sizeof(answer), 0) == PREFACE_BYTES);
	cr_assert_eq(answered, 1);
	close(first);
	close(again);
	close(other);
	rig_close(&rig);
}

static void *establish(void *context)
{
	struct rig *rig = context;

	return tcp_fabric_ops.establish(rig->source, NULL, &rig->err) ? rig : NULL;
}

Test(tcp_proof, a_source_shows_its_proof)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	uint8_t bytes[HELLO_BYTES], answer[PREFACE_BYTES];
	struct hello hello;
	pthread_t thread;
	struct rig rig;
	void *failed;
	int fd;

	rig_init(&rig, 1);
	fill_proofs(&rig.source_config);
	cr_assert_eq(tcp_fabric_ops.open(&rig.source, &rig.source_config, &rig.err), 0);
	cr_assert_eq(pthread_create(&thread, NULL, establish, &rig), 0);
	fd = rig_accept(&rig);
	rig_read(fd, bytes, sizeof(bytes));
	cr_assert_eq(hello_decode(&hello, bytes), 0);
	cr_assert(hello_proves(&hello, rig.source_config.proof[0]));
	preface_encode(answer, &preface);
	rig_write(fd, answer, sizeof(answer));
	pthread_join(thread, &failed);
	cr_assert_null(failed, "%s", rig.err.text);
	close(fd);
	rig_close(&rig);
}
