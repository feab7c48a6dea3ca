/* SPDX-License-Identifier: MIT */
/* What core.c and the two sides' tables share. Private to core*.c, and to those who only tell of it (describe.c, session_tell.c). */
#ifndef CORE_CORE_TABLE_H
#define CORE_CORE_TABLE_H

#include "core/core.h"

/* Limits of a phase that depend on the hold time: all of it, and twice as long, after which the source is in doubt. */
enum { PHASE_HOLD_LIMIT = 1, PHASE_ANSWER_LIMIT = 2 };

struct phase_row {
	const char *name;
	uint32_t accepts;  /* facts that the peer may state in this phase */
	uint32_t needs;	   /* facts without which it does not end */
	uint8_t through;   /* steps that every device must have done */
	uint32_t limit_ms; /* how long it may last, or PHASE_..._LIMIT; 0: as long as the peer lives */
	enum core_phase next;
	void (*enter)(struct core *core, struct core_actions *actions); /* NULL: nothing to do */
};

struct step_row {
	enum device_request request; /* REQUEST_NONE ends the row */
	/* May device @d begin it, given that it has done all before? */
	bool (*may)(const struct core *core, unsigned d);
	/* It is not for this device; NULL: it is for all. */
	bool (*skip)(const struct core *core, unsigned d);
};

extern const struct phase_row source_phases[PHASE_COUNT];
extern const struct phase_row destination_phases[PHASE_COUNT];
extern const struct step_row source_steps[];
extern const struct step_row destination_steps[];

/* Steps that are done once this one is; the same numbers as the rows' positions. */
enum {
	SOURCE_PRECOPIED = 1,
	SOURCE_QUIESCED,
	SOURCE_STOPPED_COPY,
	SOURCE_READ,
	SOURCE_STOPPED,

	DESTINATION_CHECKED = 1,
	DESTINATION_RESUMING,
	DESTINATION_LOADED,
	DESTINATION_CONFIGURED,
	DESTINATION_FINISHED,
	DESTINATION_P2P,
	DESTINATION_RAN,
};

struct core_action *core_emit(struct core_actions *actions, enum core_action_kind kind);
void core_emit_send(struct core_actions *actions, enum message_type message);

void core_enter(struct core *core, enum core_phase phase, uint64_t now, struct core_actions *actions);

/* "source" or "destination". */
const char *core_peer_name(const struct core *core);

/* The endings (core_outcome.c). */
bool core_committed(const struct core *core);
void core_record_outcome(struct core *core, const struct vfiomig_error *error);
/* @fact into the journal; with external commit the caller's protocol is the record, and the fact holds at once. */
void core_record_fact(struct core *core, enum core_fact fact, struct core_actions *actions);
/* External commit: the caller's word; where core_may_commit refuses it, nothing happens. */
void core_take_commit(struct core *core);
/* Source: DONE came. With external commit that shows that the caller's other half has committed. */
void core_take_done(struct core *core);
/* Source: DONE is here, so that nothing gives its devices back. */
bool core_peer_runs(const struct core *core);
/* Source, external commit: committed is committed, though nobody will say what became of it. */
void core_retire_alone(struct core *core);
/* Source, external commit: the destination says after all that it never ran. */
void core_stand_stopped(struct core *core, const struct vfiomig_error *cause, uint64_t now,
			struct core_actions *actions);
/* The journal takes no PREPARED, or no COMMITTED: the way back, for nothing that binds was done. */
void core_unwritten(struct core *core, const struct vfiomig_error *error, uint64_t now, struct core_actions *actions);
void core_run_failed(struct core *core, unsigned d, const struct vfiomig_error *error);
void core_settle_run(struct core *core, uint64_t now, struct core_actions *actions);
void core_restore_failed(struct core *core, const struct vfiomig_error *error);
/* Source, on its way back: a device that is stuck cannot be put back, which is what the outcome must say then. */
void core_judge_stuck(struct core *core);

/* Nothing failed, but there is no going on: the way back, for a probe or a recording. */
void core_return(struct core *core, uint64_t now, struct core_actions *actions);
/* Source: has the stop lasted longer than it may? Then it fails. */
void core_check_downtime(struct core *core, uint64_t now, struct core_actions *actions);

/* A tick: heartbeat and deadlines (core_watch.c). */
void core_watch(struct core *core, uint64_t now, struct core_actions *actions);

/* The way back: @request of every device whose state was changed. */
void core_ask_touched(struct core *core, enum device_request request, struct core_actions *actions);

/* Run to the fixed point. */
void core_advance(struct core *core, uint64_t now, struct core_actions *actions);

/* The peer said what it may not say now: the end. */
void core_out_of_phase(struct core *core, enum message_type message, uint64_t now, struct core_actions *actions);

/* Lanes that die (core_lanes.c). */
void core_lane_lost(struct core *core, unsigned lane, const struct vfiomig_error *error, uint64_t now,
		    struct core_actions *actions);
void core_lane_fenced(struct core *core, unsigned lane, uint64_t now, struct core_actions *actions);
/* FENCE, FENCED, LANE_LOST. */
void core_lane_message(struct core *core, const struct core_event *event, uint64_t now, struct core_actions *actions);
void core_lanes_watch(struct core *core, uint64_t now, struct core_actions *actions);

/* The first cause of failure wins; begins the way back, or what the phase allows instead. */
void core_fail(struct core *core, const struct vfiomig_error *error, uint64_t now, struct core_actions *actions);

/* All devices have done @steps. */
bool core_all_through(const struct core *core, uint8_t steps);
bool core_all_idle(const struct core *core);

/* No device's own step can hold with this: used by a device that has none to wait for. */
bool core_device_p2p_missing(const struct core *core, unsigned d);

/* Destination: the gate (core_gate.c). */
bool core_gate_open(const struct core *core, unsigned d);
bool core_gate_any(const struct core *core);
/* 0, or -EPROTO with the error by its name. */
int core_gate_token(struct core *core, const struct core_event *event, struct vfiomig_error *err);
/* Device @d is loaded: does that agree with the token, and with the manifest, as far as they are here? */
int core_gate_loaded(const struct core *core, unsigned d, struct vfiomig_error *err);
/* Device @d is loaded and its manifest is here: do they agree, with each other and with the token? */
int core_gate_manifest(const struct core *core, unsigned d, struct vfiomig_error *err);

#endif
