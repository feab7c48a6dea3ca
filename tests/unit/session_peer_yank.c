/* SPDX-License-Identifier: MIT */
/* The yank: no lock is in its way, nothing is said to the peer, and the source goes on. */
#include <criterion/criterion.h>

#include "session/session.h"
#define control_fd hand_fd /* the hand's connection, beside the function of that name */
#include "unit/session_peer_hand.h"

static void assert_source_runs(void)
{
	struct vfiomig_result result = result_of();

	cr_assert_eq(result.error.code, VFIOMIG_FABRIC, "%s", result.error.text);
	cr_assert_str_eq(result.source_state, "running");
}

/* Bare of messages: a cut cable does not say ABORT. */
static void assert_nothing_said(void)
{
	struct peer_message message;

	do
		peer_receive(control_fd, &message);
	while (message.type == MESSAGE_SWITCHOVER || message.type == MESSAGE_MEASURE);
	cr_assert_eq(message.type, 0, "it still said %u", message.type);
}

Test(session_peer_yank, cuts_a_session_whose_every_lock_is_held)
{
	to_lanes(0);
	say(MESSAGE_LANES_READY, NULL, 0);
	await(MESSAGE_SWITCHOVER);
	pthread_mutex_lock(&session->poll_lock);
	pthread_mutex_lock(&session->flow_lock);
	pthread_mutex_lock(&session->snapshot_lock);
	pthread_mutex_lock(&session->events.lock);
	vfiomig_session_yank(session);
	pthread_mutex_unlock(&session->events.lock);
	pthread_mutex_unlock(&session->snapshot_lock);
	pthread_mutex_unlock(&session->flow_lock);
	pthread_mutex_unlock(&session->poll_lock);
	assert_nothing_said();
	assert_source_runs();
	close_all();
}

Test(session_peer_yank, cuts_what_is_not_agreed_yet)
{
	start(0);
	vfiomig_session_yank(session);
	vfiomig_session_yank(session);
	assert_source_runs();
	close_all();
}

/* A signal handler that forgets to save errno would change it under whomever it interrupted. */
Test(session_peer_yank, leaves_errno_alone_as_a_cancel_does)
{
	struct vfiomig_options options = { .size = sizeof(options), .peer = "127.0.0.1:1" };
	int unconnected = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(vfiomig_session_create(&session, VFIOMIG_SOURCE, &options, NULL), 0);
	cr_assert_eq(write(session->cancel_fd, &(uint64_t){ UINT64_MAX - 1 }, 8), 8, "one more does not fit");
	session->yank_fd = unconnected;
	errno = EDOM;
	vfiomig_session_cancel(session);
	cr_assert_eq(errno, EDOM);
	vfiomig_session_yank(session);
	cr_assert_eq(errno, EDOM);
	session->yank_fd = -1;
	vfiomig_session_close(session);
	close(unconnected);
}
