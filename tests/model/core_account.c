/* SPDX-License-Identifier: MIT */
/*
 * The account of random streams, sane and insane ones, against an oracle that looks at each nanosecond by itself: whose was it?
 */
#include <criterion/criterion.h>

#include <string.h>

#include "core/account.h"
#include "support/random.h"

enum { SEEDS = 4000, BATCHES_MAX = 12, BATCH_MAX = 4, END_NS = 1 << 14 };

enum whose { NOBODY, LOAD, WIRE, READ, WAIT, HAND_OVER, WHOSE_COUNT };

struct oracle {
	uint8_t whose[END_NS];	 /* of each ns from begin on */
	uint8_t wire[END_NS];	 /* some packet was under way */
	uint8_t waiting[END_NS]; /* a packet was here, and one before it was not */
	uint64_t begin_ns, known_ns;
};

struct stream {
	struct random random;
	struct account account;
	struct oracle oracle;
	uint64_t loaded_ns, read_ns;
	bool sane; /* the clocks agree and the reader does one thing at a time */
};

/* Whose is the time at @t of those who wait for @first? */
static enum whose waiting_for(const struct account_packet *first, uint64_t t)
{
	uint64_t read_begin_ns = first->ready_ns > first->read_ns ? first->ready_ns - first->read_ns : 0;
	uint64_t wait_begin_ns = read_begin_ns > first->wait_ns ? read_begin_ns - first->wait_ns : 0;

	if (t >= first->arrived_ns)
		return HAND_OVER;
	if (t >= first->ready_ns)
		return WIRE;
	return t >= wait_begin_ns && t < read_begin_ns ? WAIT : READ;
}

static void oracle_load(struct oracle *oracle, const struct account_packet *first, uint64_t begin_ns, uint64_t end_ns)
{
	for (; oracle->known_ns < end_ns; oracle->known_ns++)
		oracle->whose[oracle->known_ns] =
			oracle->known_ns >= begin_ns ? LOAD : (uint8_t)waiting_for(first, oracle->known_ns);
}

static void oracle_begin(struct oracle *oracle, uint64_t begin_ns, uint64_t busy_until_ns)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->begin_ns = oracle->known_ns = begin_ns;
	for (; oracle->known_ns < busy_until_ns; oracle->known_ns++)
		oracle->whose[oracle->known_ns] = LOAD;
}

static void oracle_take(struct oracle *oracle, const struct account_packet *packet)
{
	for (uint64_t t = packet->ready_ns > oracle->begin_ns ? packet->ready_ns : oracle->begin_ns;
	     t < packet->arrived_ns; t++)
		oracle->wire[t] = 1;
}

static struct account_packet next_packet(struct stream *stream)
{
	struct random *random = &stream->random;
	struct account_packet packet = { .read_ns = random_below(random, 60), .wait_ns = random_below(random, 2) * 40 };

	if (!stream->sane) {
		packet.wait_ns = random_below(random, 200);
		packet.ready_ns = stream->loaded_ns + random_below(random, 300);
		packet.arrived_ns = stream->loaded_ns + random_below(random, 300);
		return packet;
	}
	stream->read_ns += packet.wait_ns + packet.read_ns;
	packet.ready_ns = stream->read_ns;
	packet.arrived_ns = packet.ready_ns + random_below(random, 150);
	return packet;
}

/* A few packets that are loaded together, once they are all here. */
static void batch(struct stream *stream, uint64_t arrived[], unsigned *packets)
{
	unsigned count = 1 + (unsigned)random_below(&stream->random, BATCH_MAX);
	struct account_packet first = { 0 };
	uint64_t begin_ns = stream->loaded_ns, end_ns;

	for (unsigned i = 0; i < count; i++) {
		struct account_packet packet = next_packet(stream);

		if (i == 0)
			first = packet;
		if (stream->sane && packet.arrived_ns > begin_ns)
			begin_ns = packet.arrived_ns;
		account_take(&stream->account, &packet);
		oracle_take(&stream->oracle, &packet);
		arrived[(*packets)++] = packet.arrived_ns;
	}
	begin_ns += random_below(&stream->random, 20);
	end_ns = begin_ns + random_below(&stream->random, 100);
	account_load(&stream->account, &first, begin_ns, end_ns);
	oracle_load(&stream->oracle, &first, begin_ns, end_ns);
	stream->loaded_ns = end_ns;
}

static uint64_t count_ns(const uint8_t labels[END_NS], uint8_t label)
{
	uint64_t count = 0;

	for (unsigned t = 0; t < END_NS; t++)
		count += labels[t] == label;
	return count;
}

/* All in which some packet was here and an earlier one was not. */
static uint64_t reorder_ns(struct oracle *oracle, const uint64_t arrived[], unsigned packets)
{
	for (unsigned i = 0; i < packets; i++)
		for (unsigned j = 0; j < i; j++)
			for (uint64_t t = arrived[i]; t < arrived[j]; t++)
				oracle->waiting[t] = 1;
	return count_ns(oracle->waiting, 1);
}

static void compare(struct stream *stream, uint64_t seed)
{
	const struct account *account = &stream->account;
	const struct oracle *oracle = &stream->oracle;
	const uint64_t said[WHOSE_COUNT] = {
		0, account->load_ns, account->wire_ns, account->read_ns, account->wait_ns, account->hand_over_ns
	};
	uint64_t sum_ns = 0;

	for (unsigned w = LOAD; w < WHOSE_COUNT; w++) {
		cr_assert_eq(said[w], count_ns(oracle->whose, (uint8_t)w), "seed %llu, part %u: %llu ns, %llu were",
			     (unsigned long long)seed, w, (unsigned long long)said[w],
			     (unsigned long long)count_ns(oracle->whose, (uint8_t)w));
		sum_ns += said[w];
	}
	cr_assert_eq(account->last_ns, oracle->known_ns, "seed %llu", (unsigned long long)seed);
	cr_assert_eq(sum_ns, account->last_ns - account->begin_ns, "seed %llu", (unsigned long long)seed);
}

static void run(struct stream *stream, uint64_t seed, bool sane)
{
	uint64_t begin_ns, arrived[BATCHES_MAX * BATCH_MAX], reordered_ns;
	unsigned packets = 0, batches;

	memset(stream, 0, sizeof(*stream));
	stream->random.state = seed;
	stream->sane = sane;
	batches = 1 + (unsigned)random_below(&stream->random, BATCHES_MAX);
	begin_ns = stream->read_ns = 500 + random_below(&stream->random, 100);
	stream->loaded_ns = 450 + random_below(&stream->random, 200);
	account_begin(&stream->account, begin_ns, stream->loaded_ns);
	oracle_begin(&stream->oracle, begin_ns, stream->loaded_ns);
	while (batches--)
		batch(stream, arrived, &packets);
	compare(stream, seed);
	if (!sane)
		return;
	cr_assert_eq(stream->account.wire_busy_ns, count_ns(stream->oracle.wire, 1), "seed %llu",
		     (unsigned long long)seed);
	reordered_ns = reorder_ns(&stream->oracle, arrived, packets);
	cr_assert_leq(stream->account.reorder_ns, reordered_ns, "seed %llu", (unsigned long long)seed);
	cr_assert_eq(stream->account.reorder_ns > 0, reordered_ns > 0, "seed %llu", (unsigned long long)seed);
}

Test(account_model, gives_each_nanosecond_to_whom_it_belongs)
{
	static struct stream stream;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(&stream, seed, true);
}

Test(account_model, gives_each_nanosecond_away_once_whatever_the_clocks_say)
{
	static struct stream stream;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run(&stream, seed, false);
}
