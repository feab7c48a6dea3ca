/* SPDX-License-Identifier: MIT */
/* A destination whose record is no longer its own when COMMIT comes: whoever changed it may have told the source that it never ran. */
#include <criterion/criterion.h>

#include <unistd.h>

#include "session/journal_file.h"
#include "unit/session_peer_stream.h"

TestSuite(session_peer_buried, .timeout = 120);

static struct peer_rig rig;

/* To its record of PREPARED, which is in @journal then. Returns the folder. */
static int to_prepared(struct vfiomig_journal *journal)
{
	int dir_fd = journal_file_dir(NULL, NULL);
	struct message_stream_end end;

	cr_assert_geq(dir_fd, 0);
	stream_start(&rig, VFIOMIG_GATE_OFF);
	end = stream_manifest();
	stream_send_true(0, STREAM_PACKETS - 1);
	stream_send_end(&end);
	peer_await(stream_control(), MESSAGE_PREPARED);
	cr_assert_eq(journal_file_read(dir_fd, peer_session, VFIOMIG_DESTINATION, journal), 0);
	cr_assert_eq(journal->state, VFIOMIG_JOURNAL_PREPARED);
	return dir_fd;
}

/* It gives up, its devices are reset, and the record says so. */
static void commit_is_refused(int dir_fd)
{
	struct vfiomig_journal journal;

	peer_send(stream_control(), MESSAGE_COMMIT, NULL, 0);
	stream_caught(VFIOMIG_INTERNAL, "journal");
	cr_assert_eq(journal_file_read(dir_fd, peer_session, VFIOMIG_DESTINATION, &journal), 0);
	cr_assert_eq(journal.state, VFIOMIG_JOURNAL_ABORTED);
	journal_file_remove(dir_fd, peer_session, VFIOMIG_DESTINATION);
	close(dir_fd);
}

Test(session_peer_buried, commit_after_somebody_else_wrote_the_tombstone_runs_nothing)
{
	struct vfiomig_journal journal;
	int dir_fd = to_prepared(&journal);

	journal.state = VFIOMIG_JOURNAL_ABORTED;
	cr_assert_eq(journal_file_write(dir_fd, &journal, NULL), 0);
	commit_is_refused(dir_fd);
}

Test(session_peer_buried, commit_after_the_record_was_removed_runs_nothing)
{
	struct vfiomig_journal journal;
	int dir_fd = to_prepared(&journal);

	journal_file_remove(dir_fd, peer_session, VFIOMIG_DESTINATION);
	commit_is_refused(dir_fd);
}
