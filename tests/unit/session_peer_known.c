/* SPDX-License-Identifier: MIT */
/* A source made by hand that comes with the number of another session: what the journal says of that one must stay true. */
#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>

#include "session/journal_file.h"
#include "unit/session_peer_stream.h"

TestSuite(session_peer_known, .timeout = 120);

static struct peer_rig rig;
static int journal;

/* Another session of this number has got so far. */
static void leave_record(enum vfiomig_journal_state state)
{
	struct vfiomig_journal record = { .role = VFIOMIG_DESTINATION, .state = state, .hold_ms = 3600 * 1000 };

	journal = journal_file_dir(NULL, NULL);
	cr_assert_geq(journal, 0);
	memcpy(record.session, peer_session, sizeof(record.session));
	cr_assert_eq(journal_file_write(journal, &record, NULL), 0);
}

static void assert_record_stays(enum vfiomig_journal_state state)
{
	struct vfiomig_journal record;

	cr_assert_eq(journal_file_read(journal, peer_session, VFIOMIG_DESTINATION, &record), 0);
	cr_assert_eq(record.state, state, "it was %s and is %s", vfiomig_journal_state_name(state),
		     vfiomig_journal_state_name(record.state));
	journal_file_remove(journal, peer_session, VFIOMIG_DESTINATION);
	close(journal);
}

Test(session_peer_known, is_refused_before_anything_is_touched)
{
	int control;

	peer_start(&rig, 1);
	leave_record(VFIOMIG_JOURNAL_RUNNING);
	control = peer_control(&rig);
	peer_send_offer(control, 1);
	peer_send_device(&rig, control, 0, "");
	peer_await_abort(control, "session-known");
	peer_end(&rig, VFIOMIG_PROTOCOL, "session-known", "untouched");
	assert_record_stays(VFIOMIG_JOURNAL_RUNNING);
}

static void is_refused_when_prepared(enum vfiomig_journal_state state)
{
	struct message_stream_end end;

	stream_start(&rig, VFIOMIG_GATE_OFF);
	leave_record(state);
	stream_send_true(0, STREAM_PACKETS - 1);
	end = stream_manifest();
	stream_send_end(&end);
	stream_caught(VFIOMIG_PROTOCOL, "session-known");
	assert_record_stays(state);
}

Test(session_peer_known, is_refused_also_if_the_other_one_commits_meanwhile)
{
	is_refused_when_prepared(VFIOMIG_JOURNAL_COMMITTED);
	is_refused_when_prepared(VFIOMIG_JOURNAL_RUNNING);
	is_refused_when_prepared(VFIOMIG_JOURNAL_ABORTED);
}
