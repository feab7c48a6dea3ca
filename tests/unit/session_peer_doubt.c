/* SPDX-License-Identifier: MIT */
/* A source whose destination vanishes after COMMIT: whom it believes, and what it does until then. */
#include <criterion/criterion.h>

#include <vfiomig/journal.h>

#include "unit/session_peer_hand.h"

TestSuite(session_peer_doubt, .timeout = 120);

/* The destination has COMMIT, and its connection is gone; the source calls again and asks. */
static void to_question(void)
{
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_STREAM_END);
	say(MESSAGE_PREPARED, NULL, 0);
	await(MESSAGE_COMMIT);
	close(control_fd);
	control_fd = take_connection(false);
	peer_await(control_fd, MESSAGE_QUERY);
}

static void say_record(enum vfiomig_journal_state state, bool held, bool degraded)
{
	const struct message_answer answer = { .state = (uint8_t)state, .held = held, .degraded = degraded };
	uint8_t body[MESSAGE_BYTES_MAX];

	say(MESSAGE_ANSWER, body, message_encode_answer(body, &answer));
	peer_await_end(control_fd);
}

/* That decides nothing: it stays stopped, and asks again. */
static void says_nothing_with(enum vfiomig_journal_state state, bool held)
{
	say_record(state, held, false);
	control_fd = take_connection(false);
	peer_await(control_fd, MESSAGE_QUERY);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_STOP);
}

static void ends(enum vfiomig_code code, const char *source_state, enum vfiomig_state state)
{
	struct vfiomig_result result = result_of();

	cr_assert_eq(result.error.code, code, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, source_state);
	cr_assert_eq(vfiomig_device_state(device), state);
	close_all();
}

Test(session_peer_doubt, a_destination_that_is_asked_is_believed_only_when_it_runs_or_never_will)
{
	to_question();
	says_nothing_with(VFIOMIG_JOURNAL_NONE, false);
	says_nothing_with(VFIOMIG_JOURNAL_PREPARED, true);
	says_nothing_with(VFIOMIG_JOURNAL_COMMITTED, true);
	says_nothing_with(VFIOMIG_JOURNAL_COMMITTED, false);
	say_record(VFIOMIG_JOURNAL_RUNNING, true, false);
	ends(VFIOMIG_OK, "retired", VFIOMIG_STATE_STOP);
}

Test(session_peer_doubt, a_destination_that_never_ran_gives_the_devices_back)
{
	to_question();
	say_record(VFIOMIG_JOURNAL_ABORTED, false, false);
	ends(VFIOMIG_FABRIC, "running", VFIOMIG_STATE_RUNNING);
}

Test(session_peer_doubt, a_destination_that_runs_without_all_devices_retires_the_source_too)
{
	to_question();
	say_record(VFIOMIG_JOURNAL_RUNNING, true, true);
	ends(VFIOMIG_DEGRADED, "retired", VFIOMIG_STATE_STOP);
}

Test(session_peer_doubt, a_destination_that_hangs_up_on_a_question_is_asked_again)
{
	to_question();
	close(control_fd);
	control_fd = take_connection(false);
	peer_await(control_fd, MESSAGE_QUERY);
	say_record(VFIOMIG_JOURNAL_DONE, false, false);
	ends(VFIOMIG_OK, "retired", VFIOMIG_STATE_STOP);
}

static void note_own(void *state, const struct vfiomig_journal *journal)
{
	if (memcmp(journal->session, id, sizeof(id)) == 0 && journal->role == VFIOMIG_SOURCE)
		*(enum vfiomig_journal_state *)state = journal->state;
}

static void skip_broken(void *state, const char *file)
{
	(void)state;
	(void)file;
}

static enum vfiomig_journal_state own_record(void)
{
	enum vfiomig_journal_state state = VFIOMIG_JOURNAL_NONE;

	cr_assert_geq(vfiomig_journal_list(NULL, note_own, skip_broken, &state, NULL), 0);
	return state;
}

/* Who held its devices and found no record would let them go on, though the destination runs. */
Test(session_peer_doubt, a_source_keeps_its_record_until_its_caller_has_heard_that_it_retired)
{
	to_question();
	cr_assert_eq(own_record(), VFIOMIG_JOURNAL_COMMITTED);
	say_record(VFIOMIG_JOURNAL_RUNNING, true, false);
	cr_assert_eq(result_of().error.code, VFIOMIG_OK);
	cr_assert_eq(own_record(), VFIOMIG_JOURNAL_RETIRED);
	close_all();
	cr_assert_eq(own_record(), VFIOMIG_JOURNAL_NONE);
}

Test(session_peer_doubt, a_source_that_goes_on_needs_no_record)
{
	to_question();
	say_record(VFIOMIG_JOURNAL_ABORTED, false, false);
	cr_assert_eq(result_of().error.code, VFIOMIG_FABRIC);
	cr_assert_eq(own_record(), VFIOMIG_JOURNAL_NONE);
	close_all();
}

/* In doubt, and then somebody decides. */
static void decided(enum vfiomig_decision decision, const char *source_state, enum vfiomig_state state)
{
	struct vfiomig_result settled, later;
	struct vfiomig_journal journal;

	to_question();
	vfiomig_session_cancel(session);
	cr_assert_eq(result_of().error.code, VFIOMIG_IN_DOUBT);
	cr_assert_eq(vfiomig_session_settle(session, &settled), -EAGAIN);
	cr_assert_eq(vfiomig_journal_resolve(NULL, id, decision, &journal, NULL), 0);
	cr_assert_eq(vfiomig_session_settle(session, &settled), 0);
	cr_assert_str_eq(settled.source_state, source_state);
	later = result_of();
	cr_assert_eq(later.error.code, settled.error.code);
	cr_assert_str_eq(later.source_state, settled.source_state);
	cr_assert_str_eq(later.destination_state, settled.destination_state);
	cr_assert_eq(vfiomig_device_state(device), state);
	cr_assert_eq(vfiomig_session_settle(session, &settled), -EINVAL);
	close_all();
	close(control_fd);
	cr_assert_eq(own_record(), VFIOMIG_JOURNAL_NONE);
}

Test(session_peer_doubt, a_decision_is_the_result_from_then_on)
{
	decided(VFIOMIG_PROMOTE_DESTINATION, "retired", VFIOMIG_STATE_STOP);
	decided(VFIOMIG_RESUME_SOURCE, "running", VFIOMIG_STATE_RUNNING);
}
