/* SPDX-License-Identifier: MIT */
/* Clear or sealed: one wish is enough, a refusal is never passed over, and nothing is sealed without a key. */
#include "unit/core_plan_rig.h"

static enum vfiomig_payload agree_on(enum vfiomig_payload theirs, enum vfiomig_payload ours)
{
	struct message_agreed answer;
	struct plan taken;

	start(1);
	here.side.keyed = there.side.keyed = true;
	there.side.payload = theirs;
	here.side.payload = ours;
	agreed();
	plan_answer(&plan, &answer);
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), 0, "%s", err.text);
	cr_assert_eq(taken.payload, plan.payload);
	return plan.payload;
}

Test(plan_payload, is_clear_unless_one_side_wants_it_sealed)
{
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_AUTO, VFIOMIG_PAYLOAD_AUTO), VFIOMIG_PAYLOAD_CLEAR);
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_CLEAR, VFIOMIG_PAYLOAD_AUTO), VFIOMIG_PAYLOAD_CLEAR);
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_AUTO, VFIOMIG_PAYLOAD_CLEAR), VFIOMIG_PAYLOAD_CLEAR);
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_AEAD, VFIOMIG_PAYLOAD_AUTO), VFIOMIG_PAYLOAD_AEAD);
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_AUTO, VFIOMIG_PAYLOAD_AEAD), VFIOMIG_PAYLOAD_AEAD);
	cr_assert_eq(agree_on(VFIOMIG_PAYLOAD_AEAD, VFIOMIG_PAYLOAD_AEAD), VFIOMIG_PAYLOAD_AEAD);
}

Test(plan_payload, refuses_sealed_against_clear)
{
	start(1);
	here.side.keyed = there.side.keyed = true;
	there.side.payload = VFIOMIG_PAYLOAD_AEAD;
	here.side.payload = VFIOMIG_PAYLOAD_CLEAR;
	refused(-EINVAL, "payload-conflict", "the source wants the packets sealed");
	there.side.payload = VFIOMIG_PAYLOAD_CLEAR;
	here.side.payload = VFIOMIG_PAYLOAD_AEAD;
	refused(-EINVAL, "payload-conflict", "the destination wants the packets sealed");
}

Test(plan_payload, refuses_a_source_that_wants_it_sealed_without_a_key)
{
	start(1);
	there.side.payload = VFIOMIG_PAYLOAD_AEAD;
	refused(-EPROTO, "payload-conflict", "without TLS");
}

/* What a destination says must not take away what this side insists on, nor give what cannot be. */
static void assert_not_accepted(enum vfiomig_payload wanted, bool keyed, bool sealed)
{
	struct message_agreed answer;
	struct plan taken;

	start(1);
	agreed();
	plan_answer(&plan, &answer);
	answer.sealed = sealed;
	there.side.payload = wanted;
	there.side.keyed = keyed;
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), -EPROTO);
	cr_assert_str_eq(err.name, "agreed-beyond-offer");
}

Test(plan_payload, is_not_taken_down_by_the_answer)
{
	assert_not_accepted(VFIOMIG_PAYLOAD_AEAD, true, false);
	assert_not_accepted(VFIOMIG_PAYLOAD_CLEAR, true, true);
	assert_not_accepted(VFIOMIG_PAYLOAD_AUTO, false, true);
}

Test(plan_commit, is_left_to_the_same_on_both_sides)
{
	start(1);
	there.side.external_commit = here.side.external_commit = true;
	agreed();
	here.side.external_commit = false;
	refused(-EINVAL, "commit-conflict", "at the source the program around the session commits");
	there.side.external_commit = false;
	here.side.external_commit = true;
	refused(-EINVAL, "commit-conflict", "at the destination the program around the session commits");
}
