/* SPDX-License-Identifier: MIT */
/*
 * The control thread: one loop that hears the caller's cancel, the other threads, the listener, the peer and the clock, in
 * this order, and steps core with what it hears. What core wants done is carried out here, by asking the other threads.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "session/session_seal.h"
#include "wire/hello.h"

enum {
	TICK_MS = 20,
	PREFACE_MS = 5000,
	QUEUE_BYTES = 1 << 20,
	PROGRESS_MS = 100,
	FRAMES_PER_ROUND = 64, /* a peer that floods must not lock out cancel, clock and threads */
	GUESTS_PER_ROUND = 16,
	/* Silence is judged by the heartbeat; the kernel's own patience must outlast the longest that core has. */
	USER_TIMEOUT_MS = 60000,
};

static void carry_out(struct vfiomig_session *session, const struct core_action *action)
{
	switch (action->kind) {
	case ACTION_PROBE: /* a destination must know the rails, which the offer names */
		if (session->role == VFIOMIG_SOURCE)
			session_ask_fabric(session, FABRIC_PROBE);
		break;
	case ACTION_OPEN_FABRIC:
		session_ask_fabric(session, FABRIC_OPEN);
		break;
	case ACTION_CONNECT_LANES:
		session_ask_fabric(session, FABRIC_CONNECT);
		break;
	case ACTION_RELEASE:
		session_release(session);
		break;
	case ACTION_FENCE:
		session_ask_fabric(session, FABRIC_FENCE);
		break;
	case ACTION_FENCE_LANE:
		session_fence_lane(session, action->lane);
		break;
	case ACTION_RESEND:
		session_resend(session);
		break;
	case ACTION_SEND:
		if (!session_send_of_lane(session, action))
			session_send(session, action->message, action->device);
		break;
	case ACTION_DEVICE:
		session_ask_device(session_device_of(session, action->device), action->request);
		break;
	case ACTION_END_PRECOPY:
		session_end_precopy(session);
		break;
	case ACTION_TOKEN:
		session_post_token(session);
		break;
	case ACTION_JOURNAL:
		session_journal_put(session, action->fact);
		break;
	case ACTION_STOP_WAITS:
		session_signal(session->stop_fd);
		break;
	case ACTION_FINISH:
		session->finished_ns = clock_now_ns();
		session_journal_finish(session);
		if (session->role == VFIOMIG_DESTINATION && session->core.phase == PHASE_DONE)
			session_send_spans(session);
		break;
	}
}

void session_step(struct vfiomig_session *session, const struct core_event *event)
{
	static const struct core_event commit = { .kind = CORE_COMMIT };
	struct session_witness before = session_witness(session);
	struct core_actions actions;
	bool owed;

	pthread_mutex_lock(&session->snapshot_lock);
	owed = session->commit_owed;
	session->commit_owed = false;
	core_step(&session->core, owed ? &commit : event, clock_now_ns(), &actions);
	atomic_store(&session->committed, core_too_late(&session->core));
	if (session->core.phase != before.phase)
		session_note_phase(session);
	session_tell_step(session, &before, owed ? &commit : event, &actions);
	pthread_mutex_unlock(&session->snapshot_lock);
	if (actions.entered)
		session_log_later(session, VFIOMIG_LOG_DEBUG, "phase %s", core_phase_name(&session->core));
	for (unsigned i = 0; i < actions.count; i++)
		carry_out(session, &actions.action[i]);
	if (owed)
		session_step(session, event);
}

static void step_fact(struct vfiomig_session *session, enum core_fact fact)
{
	session_step(session, &(struct core_event){ .kind = CORE_FACT, .fact = fact });
}

static void step_error(struct vfiomig_session *session, enum core_event_kind kind, const struct vfiomig_error *err)
{
	session_step(session, &(struct core_event){ .kind = kind, .error = err });
}

/* @peer_kind: of a connection that was accepted, what its preface said; else 0. The descriptor is taken in any case. */
int session_open_conn(struct vfiomig_session *session, int fd, uint16_t peer_kind, struct control_conn **conn,
		      struct vfiomig_error *err)
{
	bool accepted = peer_kind != 0;
	struct control_config config = { .fd = fd,
					 .accepted = accepted,
					 .peer_kind = peer_kind,
					 .limit = message_bytes_max,
					 .body_bytes_max = MESSAGE_BYTES_MAX,
					 .queue_bytes = QUEUE_BYTES,
					 .timeout_ms = USER_TIMEOUT_MS };

	if (!accepted)
		config.peer = session->remote;
	if (session_secure(session, &config, err))
		return -1;
	return control_open(conn, &config, err);
}

static void begin_source(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };
	int fd;

	if (session->record) {
		step_fact(session, FACT_CONTROL_UP); /* nobody is silent who is not there: core knows */
		return;
	}
	fd = control_connect_start(&session->remote, &session->local, &err);
	if (fd < 0 || session_open_conn(session, fd, 0, &session->conn, &err))
		step_error(session, CORE_LOST, &err);
	else
		control_set_session(session->conn, session->id);
	if (session->conn)
		session_let_yank(session);
	session->id_known = true;
}

static void begin_destination(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };

	if (control_accept_open(&session->accept, session->options.listener, PREFACE_MS, &err))
		step_error(session, CORE_FAILED, &err);
}

static void take_guests(struct vfiomig_session *session)
{
	bool lanes = session->accept && !session->ended && session->core.facts & FACT_FABRIC_OPEN &&
		     session->fabric->ops->adopt;
	struct control_guest guest;

	for (unsigned i = 0; i < GUESTS_PER_ROUND && session->accept; i++) {
		if (!control_accept_poll(session->accept, clock_now_ns(), &guest))
			break;
		if (guest.kind != PREFACE_LANE)
			session_take_caller(session, guest.fd, guest.kind);
		else if (lanes)
			session->fabric->ops->adopt(session->fabric, guest.fd);
		else
			close(guest.fd);
	}
}

/*
 * Told to core before the frames that came with it. A source counts its destination from both prefaces on; a destination its
 * source from the first message that names a session: before that it may be any stranger, who must not end a session.
 */
void session_note_up(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };

	if (session->conn_up || !control_ready(session->conn) || !session->id_known)
		return;
	if (session_prove_lanes(session, &err) || session_take_payload_key(session, &err))
		step_error(session, CORE_FAILED, &err);
	session->conn_up = true;
	step_fact(session, FACT_CONTROL_UP);
}

static void drop_conn(struct vfiomig_session *session)
{
	session_end_yank(session);
	control_close(session->conn);
	session->conn = NULL;
}

static void hear_peer(struct vfiomig_session *session)
{
	struct vfiomig_error err = { 0 };
	struct control_frame frame;
	int rc = 1;

	for (unsigned i = 0; i < FRAMES_PER_ROUND && rc == 1 && session->conn; i++) {
		rc = control_poll(session->conn, &frame, &err);
		session_note_up(session);
		if (rc == 1 && session->conn_up)
			session_receive(session, &frame);
	}
	if (!session->conn || rc >= 0)
		return;
	if (session_holds_alone(session))
		session_log_line(session, VFIOMIG_LOG_WARNING,
				 "%s; all is prepared, and commit or cancel is the caller's to decide", err.text);
	if (!session_ask(session))
		step_error(session, CORE_LOST, &err);
	drop_conn(session);
}

static void hear_threads(struct vfiomig_session *session)
{
	struct session_event event;

	while (session_take_event(session, &event)) {
		if (event.event.kind == CORE_FACT && event.event.fact == FACT_PROBED)
			session->probed = true;
		session_step(session, &event.event);
		session_judge_offer(session);
	}
}

static bool readable(const struct pollfd *fd)
{
	return fd->revents != 0;
}

/* At the end of a round: who wakes up may take this thread's place, and the devices may stand still. */
static void tell_caller(struct vfiomig_session *session)
{
	if (!session->wake_caller)
		return;
	session->wake_caller = false;
	session_notify(session);
}

static void wait_for_news(struct vfiomig_session *session, bool *cancelled)
{
	struct pollfd fds[4 + CALLERS_MAX] = {
		{ session->cancel_fd, POLLIN, 0 },
		{ session->events.fd, POLLIN, 0 },
		{ session->accept ? control_accept_fd(session->accept) : -1, POLLIN, 0 },
		{ session->conn ? control_fd(session->conn) : -1, 0, 0 },
	};

	if (session->conn)
		fds[3].events = control_events(session->conn);
	tell_caller(session);
	poll(fds, 4 + session_callers_pollfds(session, fds + 4), TICK_MS);
	*cancelled = readable(&fds[0]);
	if (readable(&fds[0]))
		session_drain(session->cancel_fd);
	if (readable(&fds[1]))
		session_drain(session->events.fd);
}

static void tell_progress(struct vfiomig_session *session)
{
	uint64_t now = clock_now_ns();

	if (!session->options.progress || now - session->progress_ns < PROGRESS_MS * NS_PER_MS)
		return;
	session->progress_ns = now;
	atomic_store(&session->progress_due, true);
	session_notify(session);
}

/*
 * The last message must get through: say all, then wait until the peer has closed too, because closing with something
 * unread would reset the connection and take that message along. Who had been silent for as long before is not waited for.
 */
static bool farewell_over(struct vfiomig_session *session)
{
	uint64_t now = clock_now_ns(), patience_ns = session->options.peer_timeout_ms * NS_PER_MS;

	if (!session->conn)
		return true;
	/* It retired without the destination's word, which was given up: there is nobody to take leave of. */
	if (session->role == VFIOMIG_SOURCE && session->core.phase == PHASE_DONE && session->core.peer_gone)
		return true;
	/* After DONE the source still asks for the clock: it leaves first, and the destination stays to answer. */
	if (control_drained(session->conn) && !session->said_all && session_telemetry_over(session) &&
	    (session->role == VFIOMIG_SOURCE || session->core.phase != PHASE_DONE)) {
		session->said_all = true;
		shutdown(control_fd(session->conn), SHUT_WR);
	}
	return now - session->finished_ns > patience_ns ||
	       (session->said_all && session->conn_up && now - session->core.heard_ns > patience_ns);
}

static void close_all(struct vfiomig_session *session)
{
	drop_conn(session);
	for (unsigned i = 0; i < VISITORS_MAX; i++)
		control_close(session->visitor[i].conn);
	session_close_callers(session);
	control_close(session->ask.conn);
	control_accept_close(session->accept);
	session->accept = NULL;
}

/*
 * A destination that runs, while its source may not know: as long as the caller keeps the session, who asks is answered, though
 * the session has ended for everybody else.
 */
static void stay_to_answer(struct vfiomig_session *session)
{
	bool cancelled = false;

	if (session->role == VFIOMIG_SOURCE || session->core.phase != PHASE_DONE)
		return;
	drop_conn(session);
	while (!cancelled && session->journal && session->journal->state == VFIOMIG_JOURNAL_RUNNING) {
		wait_for_news(session, &cancelled);
		take_guests(session);
		session_hear_visitors(session);
	}
}

static void end(struct vfiomig_session *session)
{
	atomic_store(&session->progress_due, true); /* the last numbers, however soon after those before */
	pthread_mutex_lock(&session->snapshot_lock);
	session->ended = true;
	pthread_mutex_unlock(&session->snapshot_lock);
	session_notify(session);
	stay_to_answer(session);
	close_all(session);
}

void *session_control_main(void *argument)
{
	struct vfiomig_session *session = argument;

	session_step(session, &(struct core_event){ .kind = CORE_START });
	if (session->role == VFIOMIG_SOURCE)
		begin_source(session);
	else
		begin_destination(session);
	while (!session->finished_ns || !farewell_over(session)) {
		bool cancelled;

		wait_for_news(session, &cancelled);
		atomic_store_explicit(&session->control_turn_ns, clock_now_ns(), memory_order_relaxed);
		if (cancelled)
			session_hear_cancel(session);
		hear_threads(session);
		take_guests(session);
		session_hear_callers(session);
		hear_peer(session);
		session_hear_visitors(session);
		session_hear_answer(session);
		hear_threads(session);
		session_step(session, &(struct core_event){ .kind = CORE_TICK });
		session_watch_calls(session);
		session_watch_missing(session);
		session_judge_switchover(session);
		tell_progress(session);
	}
	end(session);
	return NULL;
}
