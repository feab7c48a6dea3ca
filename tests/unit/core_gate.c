/* SPDX-License-Identifier: MIT */
#include "support/core_rig.h"

static struct rig rig;
static const uint64_t none_arrived[VFIOMIG_DEVICES_MAX];

static void start(unsigned devices, unsigned gated)
{
	rig_start(&rig, VFIOMIG_DESTINATION, devices, RIG_ALL, gated);
	rig_to_stream(&rig);
}

static struct token token_of(uint64_t packets, uint64_t bytes)
{
	return (struct token){ .devices = 1, .count = { { packets, bytes } } };
}

static void assert_failed_by(const char *word)
{
	rig_assert_phase(&rig, PHASE_ROLLBACK);
	cr_assert_str_eq(rig.core.outcome.name, word);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_PROTOCOL);
}

Test(core_gate, config_waits_for_data_token_and_platform_in_any_order)
{
	static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned o = 0; o < 6; o++) {
		start(1, 1);
		for (unsigned i = 0; i < 3; i++) {
			if (orders[o][i] == 0)
				rig_done(&rig, 0, REQUEST_LOAD);
			else if (orders[o][i] == 1)
				rig_good_token(&rig);
			else
				rig_fact(&rig, FACT_PLATFORM_READY);
			cr_assert_eq(rig_asked(&rig, REQUEST_CONFIG), i == 2, "order %u, step %u", o, i);
		}
	}
}

Test(core_gate, holds_back_no_device_that_is_not_gated)
{
	start(2, 2);
	rig_done(&rig, 0, REQUEST_LOAD);
	cr_assert_eq(rig_asked(&rig, REQUEST_CONFIG), 1);
	rig_done(&rig, 1, REQUEST_LOAD);
	cr_assert_eq(rig_asked(&rig, REQUEST_CONFIG), 0);
}

Test(core_gate, a_cancel_wins_over_the_token_after_it)
{
	start(1, 1);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_fact(&rig, FACT_PLATFORM_READY);
	rig_event(&rig, CORE_CANCEL, NULL);
	rig_good_token(&rig);
	cr_assert_eq(rig_asked(&rig, REQUEST_CONFIG), 0);
	cr_assert_eq(rig.core.outcome.code, VFIOMIG_CANCELLED);
}

Test(core_gate, a_token_though_the_gate_is_off_is_token_unexpected)
{
	start(1, 0);
	rig_good_token(&rig);
	assert_failed_by("token-unexpected");
}

Test(core_gate, a_second_token_is_token_twice)
{
	start(1, 1);
	rig_good_token(&rig);
	rig_good_token(&rig);
	assert_failed_by("token-twice");
}

Test(core_gate, a_token_below_what_has_come_is_token_count_low)
{
	const struct token token = token_of(2, 200);
	uint64_t arrived[VFIOMIG_DEVICES_MAX] = { 2 };

	start(1, 1);
	rig_token(&rig, &token, arrived);
	rig_assert_phase(&rig, PHASE_STREAM);
	start(1, 1);
	arrived[0] = 3;
	rig_token(&rig, &token, arrived);
	assert_failed_by("token-count-low");
}

Test(core_gate, a_token_that_counts_other_packets_than_the_manifest_is_a_mismatch_whichever_comes_first)
{
	const struct token token = token_of(3, 200);

	start(1, 1);
	rig_stream_end(&rig, 0, rig_counts());
	rig_token(&rig, &token, none_arrived);
	assert_failed_by("token-manifest-mismatch");
	start(1, 1);
	rig_token(&rig, &token, none_arrived);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_stream_end(&rig, 0, rig_counts());
	assert_failed_by("token-manifest-mismatch");
}

Test(core_gate, a_token_that_counts_other_bytes_than_were_loaded_is_a_mismatch_whichever_comes_first)
{
	const struct token token = token_of(2, 199);

	start(1, 1);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_stream_end(&rig, 0, rig_counts());
	rig_token(&rig, &token, none_arrived);
	assert_failed_by("token-manifest-mismatch");
	start(1, 1);
	rig_token(&rig, &token, none_arrived);
	rig_stream_end(&rig, 0, rig_counts());
	rig_done(&rig, 0, REQUEST_LOAD);
	assert_failed_by("token-manifest-mismatch");
}

/* The manifest differs in one number: found whether it comes before or after the load. */
static void assert_manifest_refused(struct stream_counts manifest, const char *word)
{
	start(1, 0);
	rig_stream_end(&rig, 0, manifest);
	rig_done(&rig, 0, REQUEST_LOAD);
	assert_failed_by(word);
	start(1, 0);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_stream_end(&rig, 0, manifest);
	assert_failed_by(word);
}

Test(core_gate, a_manifest_of_other_packets_is_a_mismatch)
{
	struct stream_counts manifest = rig_counts();

	manifest.packets++;
	assert_manifest_refused(manifest, "manifest-mismatch");
}

Test(core_gate, a_manifest_of_other_bytes_is_a_mismatch)
{
	struct stream_counts manifest = rig_counts();

	manifest.bytes--;
	assert_manifest_refused(manifest, "manifest-mismatch");
}

Test(core_gate, a_manifest_of_another_digest_is_told_apart)
{
	struct stream_counts manifest = rig_counts();

	manifest.digest ^= 1;
	assert_manifest_refused(manifest, "manifest-digest");
}

/* A minute of heartbeats and ticks. */
static void a_minute_passes(void)
{
	for (unsigned i = 0; i < 601 && rig.core.phase == PHASE_STREAM; i++) {
		rig.now += 100 * NS_PER_MS;
		rig_message(&rig, MESSAGE_HEARTBEAT);
		rig_event(&rig, CORE_TICK, NULL);
	}
}

Test(core_gate, one_that_nobody_opens_ends_in_a_timeout_that_says_who_was_missed)
{
	start(1, 1);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_fact(&rig, FACT_PLATFORM_READY);
	a_minute_passes();
	cr_assert_str_eq(rig.core.outcome.name, "gate-timeout");
	cr_assert(strstr(rig.core.outcome.text, "the token"), "%s", rig.core.outcome.text);
	start(1, 1);
	rig_done(&rig, 0, REQUEST_LOAD);
	rig_good_token(&rig);
	a_minute_passes();
	cr_assert_str_eq(rig.core.outcome.name, "gate-timeout");
	cr_assert(strstr(rig.core.outcome.text, "the platform"), "%s", rig.core.outcome.text);
}

Test(core_gate, its_patience_does_not_run_while_data_still_comes)
{
	start(2, 3);
	rig_done(&rig, 0, REQUEST_LOAD);
	a_minute_passes();
	a_minute_passes();
	rig_assert_phase(&rig, PHASE_STREAM);
}
