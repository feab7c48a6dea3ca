/* SPDX-License-Identifier: MIT */
/* Which paths the lanes take, and on which NUMA nodes slots and threads are. A part of session.h, which includes it. */
#ifndef SESSION_SESSION_RAILS_H
#define SESSION_SESSION_RAILS_H

#include "session/session.h"

/*
 * session_rails.c. parse: what the caller of a source named (VFIOMIG_USAGE). find, fabric thread: can this source go there, from where, and which is
 * nearest? That one comes first (VFIOMIG_PREFLIGHT: "rail-unreachable"). offer, take: to the destination, which must know each of them
 * (VFIOMIG_PREFLIGHT: "rail-unknown"). put: what the fabric is to know. tell: their names, for the statistics and the description. card_node: the NUMA node of the network card,
 * with rails the first's; -1: unknown.
 */
int session_parse_rails(struct vfiomig_session *session, struct vfiomig_error *err);
int session_find_rails(struct vfiomig_session *session, struct vfiomig_error *err);
void session_offer_rails(const struct vfiomig_session *session, struct message_offer *offer);
int session_take_rails(struct vfiomig_session *session, struct vfiomig_error *err);
void session_put_rails(const struct vfiomig_session *session, struct fabric_config *config);
unsigned session_tell_rails(const struct vfiomig_session *session, char (*text)[VFIOMIG_RAIL_TEXT_BYTES]);
int session_card_node(const struct vfiomig_session *session);

/*
 * session_numa.c. check: before the start (VFIOMIG_PREFLIGHT). run_near: the device's own thread. The other two once the card is known; nodes are
 * -1 for anywhere.
 */
int session_check_numa(const struct vfiomig_session *session, struct vfiomig_error *err);
int session_slots_node(const struct vfiomig_session *session);
int session_thread_node(const struct session_device *device);
void session_run_near(struct session_device *device);
void session_warn_of_nodes(struct vfiomig_session *session);

/* session_probe.c: fabric thread, FABRIC_PROBE. */
void session_probe(struct vfiomig_session *session);

#endif
