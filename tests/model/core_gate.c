/* SPDX-License-Identifier: MIT */
/*
 * The gate against an oracle: loads, manifests, token, platform and a cancel come in any order, right or wrong, and the
 * oracle says from the bare facts which config loads may have begun and what the session has failed of.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "base/clock.h"
#include "support/core_rig.h"
#include "support/random.h"

enum { SEEDS = 4000, DEVICES_MAX = 3, CARDS_MAX = 4 * DEVICES_MAX + 4 };

enum card_kind { CARD_LOAD, CARD_END, CARD_CONFIG_DONE, CARD_TOKEN, CARD_PLATFORM, CARD_CANCEL };

struct card {
	enum card_kind kind;
	unsigned device;
};

struct oracle {
	unsigned devices, gated; /* a bit per device */
	bool token, platform, over;
	bool loaded[DEVICES_MAX], ended[DEVICES_MAX], manifest_wrong[DEVICES_MAX], digest_wrong[DEVICES_MAX];
	uint64_t token_packets[DEVICES_MAX], arrived[DEVICES_MAX];
	const char *error; /* what it must fail of */
};

static uint64_t data_packets(unsigned d)
{
	return 5 + d;
}

static struct stream_counts counts_of(unsigned d)
{
	return (struct stream_counts){
		.packets = data_packets(d) + 1, .bytes = 1000 * data_packets(d) + 7, .config_bytes = 7, .digest = d + 1
	};
}

static void oracle_fails(struct oracle *oracle, const char *error)
{
	if (!oracle->over)
		oracle->error = error;
	oracle->over = true;
}

/* What two of the three accounts of a device must agree on, once both are there. */
static void oracle_compare(struct oracle *oracle, unsigned d)
{
	if (oracle->over)
		return;
	if (oracle->ended[d] && oracle->loaded[d] && oracle->manifest_wrong[d])
		oracle_fails(oracle, "manifest-mismatch");
	if (oracle->ended[d] && oracle->loaded[d] && oracle->digest_wrong[d])
		oracle_fails(oracle, "manifest-digest");
	if (oracle->ended[d] && oracle->token &&
	    oracle->token_packets[d] != data_packets(d) + oracle->manifest_wrong[d])
		oracle_fails(oracle, "token-manifest-mismatch");
	if (oracle->loaded[d] && oracle->token && oracle->token_packets[d] != data_packets(d))
		oracle_fails(oracle, "token-manifest-mismatch");
}

static void oracle_token(struct oracle *oracle)
{
	if (oracle->over)
		return;
	if (!oracle->gated)
		oracle_fails(oracle, "token-unexpected");
	if (oracle->token)
		oracle_fails(oracle, "token-twice");
	for (unsigned d = 0; d < oracle->devices; d++)
		if (oracle->token_packets[d] < oracle->arrived[d])
			oracle_fails(oracle, "token-count-low");
	oracle->token = !oracle->over;
	for (unsigned d = 0; d < oracle->devices && oracle->token; d++)
		oracle_compare(oracle, d);
}

static void oracle_hears(struct oracle *oracle, const struct card *card)
{
	switch (card->kind) {
	case CARD_LOAD:
		oracle->loaded[card->device] = true;
		break;
	case CARD_END:
		oracle->ended[card->device] = true;
		break;
	case CARD_TOKEN:
		oracle_token(oracle);
		return;
	case CARD_PLATFORM:
		oracle->platform = true;
		return;
	case CARD_CANCEL:
		oracle_fails(oracle, "cancelled");
		return;
	case CARD_CONFIG_DONE:
		return;
	}
	/* A manifest is only compared once its stream is loaded. */
	if (card->kind == CARD_END && !oracle->loaded[card->device])
		return;
	oracle_compare(oracle, card->device);
}

static bool oracle_lets(const struct oracle *oracle, unsigned d)
{
	return oracle->loaded[d] && (!(oracle->gated >> d & 1) || (oracle->token && oracle->platform));
}

struct life {
	struct rig rig;
	struct oracle oracle;
	struct random random;
	struct card card[CARDS_MAX];
	unsigned cards;
	unsigned configs; /* a bit per device whose config load was asked for */
};

static void shuffle(struct life *life)
{
	for (unsigned i = life->cards; i > 1; i--) {
		unsigned other = (unsigned)random_below(&life->random, i);
		struct card card = life->card[i - 1];

		life->card[i - 1] = life->card[other];
		life->card[other] = card;
	}
}

static void deal(struct life *life)
{
	struct oracle *oracle = &life->oracle;
	bool flawed = random_below(&life->random, 2);

	for (unsigned d = 0; d < oracle->devices; d++) {
		life->card[life->cards++] = (struct card){ CARD_LOAD, d };
		life->card[life->cards++] = (struct card){ CARD_END, d };
		oracle->arrived[d] = random_below(&life->random, data_packets(d) + 1);
		oracle->token_packets[d] = data_packets(d);
		oracle->manifest_wrong[d] = flawed && random_below(&life->random, 8) == 0;
		oracle->digest_wrong[d] = flawed && random_below(&life->random, 8) == 0;
		if (flawed && random_below(&life->random, 6) == 0)
			oracle->token_packets[d] = random_below(&life->random, data_packets(d) + 3);
	}
	if (oracle->gated || (flawed && random_below(&life->random, 3) == 0))
		life->card[life->cards++].kind = CARD_TOKEN;
	if (flawed && random_below(&life->random, 5) == 0)
		life->card[life->cards++].kind = CARD_TOKEN;
	if (oracle->gated)
		life->card[life->cards++].kind = CARD_PLATFORM;
	if (random_below(&life->random, 8) == 0)
		life->card[life->cards++].kind = CARD_CANCEL;
	shuffle(life);
}

static void play(struct life *life, const struct card *card)
{
	unsigned d = card->device;
	struct stream_counts counts = counts_of(d);
	struct token token = { .devices = life->oracle.devices };

	switch (card->kind) {
	case CARD_LOAD:
		rig_done_with(&life->rig, d, REQUEST_LOAD, counts);
		break;
	case CARD_END:
		counts.packets += life->oracle.manifest_wrong[d];
		counts.digest += life->oracle.digest_wrong[d];
		rig_stream_end(&life->rig, d, counts);
		break;
	case CARD_TOKEN:
		for (unsigned i = 0; i < token.devices; i++)
			token.count[i] = (struct token_count){ life->oracle.token_packets[i], 1000 * data_packets(i) };
		rig_token(&life->rig, &token, life->oracle.arrived);
		break;
	case CARD_PLATFORM:
		rig_fact(&life->rig, FACT_PLATFORM_READY);
		break;
	case CARD_CANCEL:
		rig_event(&life->rig, CORE_CANCEL, NULL);
		break;
	case CARD_CONFIG_DONE:
		break;
	}
}

static void check_configs(struct life *life, uint64_t seed, unsigned step)
{
	const struct core_actions *actions = &life->rig.actions;

	for (unsigned i = 0; i < actions->count; i++)
		if (actions->action[i].kind == ACTION_DEVICE && actions->action[i].request == REQUEST_CONFIG) {
			cr_assert_not(life->configs >> actions->action[i].device & 1, "seed %llu",
				      (unsigned long long)seed);
			life->configs |= 1u << actions->action[i].device;
		}
	for (unsigned d = 0; d < life->oracle.devices && !life->oracle.over; d++)
		cr_assert_eq(life->configs >> d & 1, oracle_lets(&life->oracle, d),
			     "seed %llu, step %u: config of device %u %s", (unsigned long long)seed, step, d,
			     life->configs >> d & 1 ? "early" : "late");
}

/* Returns the word of the error that ended it, NULL if none did. */
static const char *live(struct life *life, uint64_t seed)
{
	memset(life, 0, sizeof(*life));
	life->random.state = seed;
	life->oracle.devices = 1 + (unsigned)random_below(&life->random, DEVICES_MAX);
	life->oracle.gated = (unsigned)random_below(&life->random, 1u << life->oracle.devices);
	deal(life);
	rig_start(&life->rig, VFIOMIG_DESTINATION, life->oracle.devices, RIG_ALL, life->oracle.gated);
	rig_to_stream(&life->rig);
	for (unsigned i = 0; i < life->cards && !life->oracle.over; i++) {
		oracle_hears(&life->oracle, &life->card[i]);
		play(life, &life->card[i]);
		check_configs(life, seed, i);
		cr_assert_str_eq(life->rig.core.outcome.name, life->oracle.over ? life->oracle.error : "",
				 "seed %llu, step %u", (unsigned long long)seed, i);
	}
	return life->oracle.error;
}

Test(core_gate_model, opens_when_the_oracle_says_and_fails_by_the_oracles_word)
{
	static const char *const words[] = {
		"token-unexpected",	   "token-twice",     "token-count-low", "manifest-mismatch",
		"token-manifest-mismatch", "manifest-digest", "cancelled"
	};
	unsigned seen[sizeof(words) / sizeof(words[0])] = { 0 }, good = 0;
	static struct life life;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const char *error = live(&life, seed);

		good += !error && life.configs == (1u << life.oracle.devices) - 1;
		for (unsigned w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			seen[w] += error && !strcmp(error, words[w]);
	}
	cr_assert_gt(good, SEEDS / 5, "only %u runs went well", good);
	for (unsigned w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		cr_assert_gt(seen[w], SEEDS / 400, "\"%s\" was tried %u times only", words[w], seen[w]);
}
