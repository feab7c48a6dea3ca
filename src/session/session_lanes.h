/* SPDX-License-Identifier: MIT */
/* What the shell does with lanes: polls them, posts on them, and replaces those that die. A part of session.h, which includes it. */
#ifndef SESSION_SESSION_LANES_H
#define SESSION_SESSION_LANES_H

#include "session/session.h"

/* session_flow.c: carry out what a flow step asked for; takes flow_lock itself. */
void session_perform(struct vfiomig_session *session, const struct flow_actions *actions);
void session_lane_sent(struct vfiomig_session *session, unsigned lane, uint64_t cookie);
void session_post_token(struct vfiomig_session *session);
/* The same again, when the lane that it was on is fenced and it had not come. */
void session_repost_token(struct vfiomig_session *session, unsigned lane);
/* The first message over @lane, and its payload's bytes; both sides know them. */
void session_post_trial(struct vfiomig_session *session, unsigned lane);
uint32_t session_trial_bytes(const struct vfiomig_session *session);

/* session_failover.c. Control thread: what core wants of one lane, and what the peer says of it. */
void session_fence_lane(struct vfiomig_session *session, unsigned lane);
/* True: it was a message about a lane, and is sent. */
bool session_send_of_lane(struct vfiomig_session *session, const struct core_action *action);
void session_receive_of_lane(struct vfiomig_session *session, const struct control_frame *frame);
void session_resend(struct vfiomig_session *session);
/* Fabric thread, with poll_lock held: FABRIC_FENCE_LANES. */
void session_fence_lanes(struct vfiomig_session *session);
/* Whoever polls the lanes, with poll_lock held. */
void session_on_dead_lane(struct vfiomig_session *session, unsigned lane);
/* Any thread: @lane has carried one more packet; is this when it shall be lost? */
void session_rehearse(struct vfiomig_session *session, unsigned lane);

/* session_arrival.c: whoever polls the lanes, with poll_lock held. */
void session_fail_lanes(struct vfiomig_session *session, const struct vfiomig_error *err);
void session_on_lane_event(struct vfiomig_session *session, const struct fabric_event *event);
/* Where an announced body may go: struct fabric_sink. */
int session_place(void *session, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *place);

/* session_fabric.c */
struct fabric_route session_route(const struct vfiomig_session *session);
void *session_fabric_main(void *session);
void session_ask_fabric(struct vfiomig_session *session, enum fabric_request request);
/* Control thread; answered by FACT_RELEASED. */
void session_release(struct vfiomig_session *session);

/*
 * A loader that has nothing to load polls the lanes itself, so that what comes for it is still in its core's cache when it
 * writes it, and no thread need be woken. 1: something came; 0: nothing for a while; -EAGAIN: somebody else polls;
 * -ECANCELED.
 */
int session_poll_for(struct session_device *device);

#endif
