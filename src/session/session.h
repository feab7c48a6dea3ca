/* SPDX-License-Identifier: MIT */
/*
 * The shell around core and flow: the only place where rooms meet. Private to this room.
 *
 * Threads, all created by _start, all signals blocked:
 *   control  steps core, talks to the peer, keeps the heartbeat       session_control.c
 *   fabric   sets lanes up, polls them, posts what completions free    session_fabric.c, session_arrival.c
 *   device   one per device: its reader or loader, and all its calls   session_device.c, session_source.c, session_load.c
 *
 * Locks: events.lock, flow_lock and snapshot_lock are leaves; no two of them are ever held together, and nothing that
 * may wait is called with one held. poll_lock is above them: whoever polls the lanes holds it.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "control/accept.h"
#include "control/conn.h"
#include "control/credentials.h"
#include "core/clocks.h"
#include "core/core.h"
#include "core/flow.h"
#include "core/plan.h"
#include "session/journal_file.h"
#include "session/journal_spare.h"
#include "session/session_callers.h"
#include "session/session_device.h"
#include "slot/arena.h"
#include "transport/fabric.h"
#include "wire/hello.h"

enum {
	LANES_DEFAULT = 8,
	SLOTS_DEFAULT = VFIOMIG_SLOTS_DEFAULT,
	SLOT_BYTES_DEFAULT = VFIOMIG_SLOT_BYTES_DEFAULT,
	PEER_TIMEOUT_MS_DEFAULT = 1000,
	DEVICE_TIMEOUT_MS_DEFAULT = 30000,
	MISSING_TIMEOUTS = 10, /* of --peer-timeout: RDMA tries again for seconds before it gives a lane up */
	CONFIG_BLOB_BYTES_MAX = 65536,
	TRIAL_BYTES_MAX = 256 << 10, /* of the first message over each lane */
	/* One answer per device, a few of the fabric, and per lane its loss and its fence. */
	EVENTS_MAX = 4 * VFIOMIG_DEVICES_MAX + 2 * VFIOMIG_LANES_MAX,
	LOG_LINES_MAX = 64,
	LOG_LINE_BYTES = 640,
	TOLD_MAX = 256,
};

/* What the fabric thread can be asked for; bits. */
enum fabric_request {
	FABRIC_PROBE = 1,
	FABRIC_OPEN = 2,
	FABRIC_CONNECT = 4,
	FABRIC_FENCE = 8,
	FABRIC_RELEASE = 16,
	FABRIC_QUIT = 32,
	FABRIC_FENCE_LANES = 64,
	FABRIC_YANK = 128,
};

/* What the caller of an external commit has been answered 0 for. */
enum session_decision { DECISION_NONE = 0, DECISION_COMMIT, DECISION_CANCEL };

struct session_event {
	struct core_event event;
	struct vfiomig_error error;
};

/* Completions on their way to the control thread. */
struct session_events {
	pthread_mutex_t lock;
	int fd; /* eventfd: something is there */
	unsigned head, count;
	struct session_event *ring; /* EVENTS_MAX */
};

struct session_log {
	enum vfiomig_log_level level;
	char text[LOG_LINE_BYTES];
};

/* One path to the peer: addresses as of struct fabric_rail. */
struct session_rail {
	struct sockaddr_storage local, peer;
	int numa_node; /* of the card with the local address; -1 unknown */
};

struct vfiomig_session {
	enum vfiomig_role role;
	/* With its defaults filled in; the strings are resolved and gone. downtime_limit_ms may change, under snapshot_lock, as core's does. */
	struct vfiomig_options options;
	bool started;
	struct vfiomig_session *kept_next; /* after _close, if a device is stuck; nobody follows it */

	int cancel_fd;			       /* the user's wish */
	atomic_bool yanked;		       /* the user's last resort */
	atomic_int yank_fd;		       /* the control connection's, while it stands; -1: there is none */
	atomic_uint yankers;		       /* who may use that number right now */
	atomic_ullong precopy_bytes_per_s_max; /* the option's at first */
	int stop_fd;			       /* core's: every wait of the data path ends */
	int notify_fd;			       /* for the caller's event loop */

	unsigned devices;
	struct session_device device[VFIOMIG_DEVICES_MAX];
	struct vfiomig_device *handles[VFIOMIG_DEVICES_MAX]; /* the same, for the plan */

	/* control thread */
	pthread_t control_thread;
	bool control_started;
	struct core core;      /* stepped with snapshot_lock held, read by _stats */
	atomic_bool committed; /* as core sees it: too late for a cancel */
	atomic_int decision;   /* external commit, the caller's: enum session_decision; the first one stands */
	/* External commit, all under snapshot_lock. */
	bool commit_owed;   /* the caller has committed: core hears of that before anything else */
	bool taken_back;    /* or being so */
	bool prepared_told; /* the caller was, or is about to be, told that it may commit */
	/* The phases for the caller, in order; under snapshot_lock. */
	const char *phases[PHASE_COUNT]; /* static */
	unsigned phases_entered, phases_told;
	struct control_conn *conn;
	struct control_accept *accept;
	struct credentials *credentials;			  /* NULL: nobody proves anything */
	uint8_t lane_proof[VFIOMIG_LANES_MAX][HELLO_PROOF_BYTES]; /* set when the connection is up; then read-only */
	uint8_t payload_key[32];				  /* from then on, until the seals have it */
	struct seal *token_seal; /* NULL: packets are clear; whoever sends or takes the token */
	struct plan_side side;
	struct plan plan; /* set before OPEN_FABRIC; from then on read-only */
	struct message_offer offer;
	struct message_device *offer_devices; /* destination: DEVICES_MAX of them until AGREE */
	unsigned offer_devices_here;
	bool offer_here, probed, offer_judged;
	bool conn_up;  /* core knows that the control connection stands */
	bool id_known; /* the destination learns it from the source's first message */
	bool said_all; /* the last message is the kernel's */
	struct message_ready ready;
	struct sockaddr_storage local, remote;
	/* Source: the caller's, ordered by the fabric thread's probe; destination: the offer's, before it. Then read-only. */
	struct session_rail rail[VFIOMIG_RAILS_MAX];
	unsigned rails;
	/* Telemetry: control thread; the source's view unless it says otherwise. */
	struct clocks clocks_before, clocks_after;
	struct telemetry_measured measured; /* the last one */
	unsigned measures_left;		    /* of the series that is on */
	uint64_t measure_ns;		    /* when the last MEASURE went out */
	unsigned spans_here;
	uint64_t due_since_ns;		/* PRE_COPY could end, but for the estimate; 0: it could not */
	uint64_t least_bytes, least_ns; /* the least that was left since initial bytes are through, and since when */
	uint64_t complete_ns;		/* when PRE_COPY had given all that it can */
	bool due_told, ready_told;
	bool switchover_ready;		   /* the initial bytes are loaded; under snapshot_lock */
	struct vfiomig_estimate estimate;  /* under snapshot_lock; terms 0: none was made */
	struct telemetry_clock switchover; /* destination: under snapshot_lock */
	atomic_llong peer_offset_ns;	   /* destination: its clock less the source's */
	struct session_record *record;	   /* source: records instead of a peer; NULL: there is a peer */
	int journal_fd;			   /* the journal's folder; -1: this session needs none */
	struct vfiomig_journal *journal;   /* the record, as last written; NULL: none needed */
	struct journal_spares spares;	   /* for the records that come while the devices stand still, and after */
	struct session_visitor visitor[VISITORS_MAX];
	struct session_caller caller[CALLERS_MAX]; /* destination, until one of them is the source */
	atomic_uint refused;			   /* of them and of lanes: who could not prove what it must */
	unsigned refused_lanes, refused_users;	   /* told so far */
	struct session_ask ask;
	uint8_t id[16];
	char *journal_dir;    /* until _start; NULL: the default */
	uint8_t *frame;	      /* MESSAGE_BYTES_MAX, for encoding */
	uint64_t finished_ns; /* when core had finished; 0: it has not */
	uint64_t watched_ns;  /* when the devices' calls were last looked at */
	uint64_t missing_ns;  /* destination: a packet that was announced may be that late when no other comes */
	uint64_t arrived_packets, arrived_ns; /* destination: when more had last come, while some are missing */
	uint64_t watch_ns;		      /* no call is held to have been under way before that */

	/* fabric thread */
	pthread_t fabric_thread;
	bool fabric_started;
	int fabric_wake_fd;
	atomic_uint fabric_requests; /* enum fabric_request */
	struct fabric *fabric;	     /* set between FABRIC_OPEN's answer and the end; then read by all */
	struct arena arena, private; /* private: destination, where sealed packets are opened */
	struct fabric_limits limits;
	uint64_t warm;		     /* destination: bit per lane whose warm-up has come */
	pthread_mutex_t poll_lock;   /* of the fabric and of the fields below: held by whoever polls the lanes */
	atomic_ullong lent_until_ns; /* until then a loader polls, and the fabric thread leaves the lanes to it */
	bool lanes_up;		     /* established: before, its events are establish's alone */
	bool lanes_told, lanes_failed;
	unsigned trials_sent;		       /* source: of the lanes' trial, by lane */
	uint64_t trial_begin_ns, trial_end_ns; /* destination: of the lanes' trial */
	atomic_bool token_here;		       /* the control thread reads it */
	uint64_t lanes_dead;		       /* bit per lane: fenced on this side */
	uint64_t lanes_awaited;		       /* bit per lane: core wants to know when it is */
	struct token token;
	uint64_t token_arrived[VFIOMIG_DEVICES_MAX];

	atomic_ullong lanes_to_fence;		     /* bit per lane, with FABRIC_FENCE_LANES */
	atomic_ullong lose_after[VFIOMIG_LANES_MAX]; /* a rehearsal: bytes, after which it is lost, plus one; 0: none */
	struct message_fenced fenced;		     /* control thread: the last one, sent or received */
	pthread_mutex_t flow_lock;
	struct flow flow;
	atomic_ullong first_packet_ns, last_packet_ns;
	_Atomic(const char *) loader_used; /* destination: what the loaders are; static */

	struct session_events events;

	pthread_mutex_t snapshot_lock;
	bool ended;
	atomic_bool iterables_told, platform_told; /* each is said once */
	atomic_bool switchover_asked;		   /* with EXTERNAL_SWITCHOVER: by the caller */
	struct session_log *log;		   /* LOG_LINES_MAX ring */
	unsigned log_head, log_count;
	unsigned log_lost;	    /* lines for which there was no room; told once there is */
	uint64_t progress_ns;	    /* control thread */
	atomic_bool progress_due;   /* for the next dispatch */
	bool wake_caller;	    /* control thread: the caller is to be woken at the end of its round */
	struct vfiomig_event *told; /* TOLD_MAX ring of what the caller has not heard yet; NULL: it wants none */
	unsigned told_head, told_count;
	uint64_t estimate_told_ns; /* control thread */

	/* For session_describe.c alone: nothing is decided by these. */
	atomic_ullong control_turn_ns; /* when the control thread last began a round of its loop */
	atomic_uint fabric_doing;      /* enum fabric_request that it is carrying out; 0: it polls */
	atomic_ullong fabric_doing_ns;
	atomic_ullong lane_moved_ns[VFIOMIG_LANES_MAX]; /* when a packet, a credit or a completion last came over it */
};

/* session_events.c: any thread. */
void session_post(struct vfiomig_session *session, const struct core_event *event, const struct vfiomig_error *error);
void session_post_fact(struct vfiomig_session *session, enum core_fact fact);
void session_post_failure(struct vfiomig_session *session, const struct vfiomig_error *error);
bool session_take_event(struct vfiomig_session *session, struct session_event *event);
void session_log_line(struct vfiomig_session *session, enum vfiomig_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void session_notify(struct vfiomig_session *session);
void session_signal(int event_fd);
void session_drain(int event_fd);

/* The device that carries the number @d on the wire. */
struct session_device *session_device_of(struct vfiomig_session *session, unsigned d);
/* "source" or "destination": this side. */
const char *session_side(const struct vfiomig_session *session);
/* The caller commits; also of a recording or a probe, which do not get so far. */
bool session_commits_externally(const struct vfiomig_session *session);
/* False: it was decided otherwise before. Takes no lock. */
bool session_decide(struct vfiomig_session *session, enum session_decision decision);

/*
 * session_auth.c: who the peer is. Credentials are read from what the options name; secure gives a connection its stream, and closes
 * the descriptor if it cannot; prove_lanes fills lane_proof once the connection is up. VFIOMIG_PREFLIGHT, VFIOMIG_INTERNAL.
 */
int session_take_credentials(struct vfiomig_session *session, struct vfiomig_error *err);
int session_secure(struct vfiomig_session *session, struct control_config *config, struct vfiomig_error *err);
int session_prove_lanes(struct vfiomig_session *session, struct vfiomig_error *err);
/* Busy, said in a preface to one to whom nothing else can be said; takes the descriptor. */
void session_turn_away_unheard(int fd);

/*
 * session_commit.c: external commit. note_phase: control thread, with snapshot_lock held. tell_phases, take_prepared: the caller's thread,
 * from dispatch; take_prepared is true once, when the caller may commit. holds_alone: prepared, so that the loss of the peer ends nothing.
 */
void session_note_phase(struct vfiomig_session *session);
void session_tell_phases(struct vfiomig_session *session);
bool session_take_prepared(struct vfiomig_session *session);
bool session_holds_alone(const struct vfiomig_session *session);

/* session_control.c */
void *session_control_main(void *session);
/* Tells core that the connection stands, once it does and the session's id is known. */
void session_note_up(struct vfiomig_session *session);
/* Control thread: one event in, its actions carried out. */
void session_step(struct vfiomig_session *session, const struct core_event *event);
int session_open_conn(struct vfiomig_session *session, int fd, uint16_t peer_kind, struct control_conn **conn,
		      struct vfiomig_error *err);

/* session_messages.c: control thread. */
void session_send(struct vfiomig_session *session, enum message_type message, unsigned device);
void session_receive(struct vfiomig_session *session, const struct control_frame *frame);
/* A message of this @type "cannot be read" or the like: the end of the session. */
void session_refuse(struct vfiomig_session *session, uint16_t type, const char *what);
/* The offer is whole and the probe is back: agree, or fail. */
void session_judge_offer(struct vfiomig_session *session);

/* As session_send, of a body that lies in session->frame. */
void session_send_body(struct vfiomig_session *session, enum message_type message, size_t bytes);

/* session_missing.c: control thread. Destination: what a manifest announced and what the lanes brought cannot both be true. */
void session_watch_missing(struct vfiomig_session *session);

#include "session/session_journal.h"
#include "session/session_lanes.h"
#include "session/session_rails.h"
#include "session/session_tell.h"

/* session_device.c */
void *session_device_main(void *device);
void session_ask_device(struct session_device *device, enum device_request request);
void session_quit_device(struct session_device *device);
/* Wait until woken. -ECANCELED: the data path was stopped. */
int session_device_wait(struct session_device *device);
int session_set_state(struct session_device *device, enum device_request request, enum vfiomig_state target,
		      struct vfiomig_error *err);
/* What it is called: its name, or its spec. */
const char *session_device_label(const struct session_device *device);
/* A device's own call failed: "device 'a' (source): read of its state failed at byte 7: ..." */
int session_device_error(struct session_device *device, enum device_request request, const struct vfiomig_error *cause,
			 int errnum, struct vfiomig_error *err);

/*
 * session_call.c: the deadlines of calls into drivers. A device's thread begins and ends them; end does not return if the
 * call came back too late: then nothing of the session is touched any more.
 */
void session_call_begin(struct session_device *device);
void session_call_end(struct session_device *device);
struct call_watch session_call_watch(struct session_device *device);
/* Control thread: gives up the devices whose call has outlived its deadline. */
void session_watch_calls(struct vfiomig_session *session);
/* Has @request outlived its deadline? Then the device is stuck, and @err says so. No call counts as begun before @since_ns. */
bool session_call_expired(struct session_device *device, enum device_request request, uint64_t since_ns,
			  struct vfiomig_error *err);
bool session_device_abandoned(struct session_device *device);

/* session_source.c, session_precopy.c, session_load.c: the long requests. Each goes on with device->counts. */
int session_read_stream(struct session_device *device, struct vfiomig_error *err);
int session_precopy_stream(struct session_device *device, struct vfiomig_error *err);
int session_load_stream(struct session_device *device, struct vfiomig_error *err);
/* The data_fd of the present state is where the stream begins. */
void session_begin_reading(struct session_device *device);
/* Read what there is into one slot and send it; *@stop says why it ended. */
int session_read_packet(struct session_device *device, uint32_t flags, enum reader_stop *stop,
			struct vfiomig_error *err);
void session_open_loader(struct session_device *device, struct vfiomig_error *err);

/*
 * session_account.c: the @count packets that came as @arrivals were loaded between @load_begin_ns and @load_end_ns. Destination's device
 * thread.
 */
void session_account(struct session_device *device, const struct session_arrival *arrivals, const bool *stop_copy,
		     unsigned count, uint64_t load_begin_ns, uint64_t load_end_ns);

/* session_telemetry.c: control thread. Messages that decide nothing. True: it was one. */
bool session_receive_telemetry(struct vfiomig_session *session, const struct control_frame *frame);
/* Source: a series of round trips begins; another one, if the last was a while ago. */
void session_measure(struct vfiomig_session *session);
void session_measure_again(struct vfiomig_session *session);
/* Destination: one SPANS per device; after DONE. */
void session_send_spans(struct vfiomig_session *session);
/* Source: all that the destination has to say about the budget is here. */
bool session_telemetry_over(const struct vfiomig_session *session);

/* session_switchover.c: control thread. Source: is it time to stop the devices? Tells core, once. */
void session_judge_switchover(struct vfiomig_session *session);
/* The devices' PRE_COPY streams end where they are. */
void session_end_precopy(struct vfiomig_session *session);

/*
 * session_record.c: a source that records instead of sending. session->record says that it is one. Errors as of recording.h.
 * init: before _start, -EINVAL, -ENAMETOOLONG; open: nothing is stopped yet; put: the device's thread.
 */
int session_record_init(struct vfiomig_session *session, const char *path, struct vfiomig_error *err);
int session_record_open(struct vfiomig_session *session, struct vfiomig_error *err);
int session_record_put(struct session_device *device, const struct packet_header *header, const void *payload,
		       struct vfiomig_error *err);
/* What core says to its peer, and what it asks of the lanes: answered at once, by events. */
void session_record_hear(struct vfiomig_session *session, enum message_type message, unsigned device);
void session_record_lanes(struct vfiomig_session *session);
void session_record_close(struct vfiomig_session *session);

/* session_budget.c: what this side noted of its device @d, by its number on the wire. */
void session_spans_of(struct session_device *device, struct telemetry_spans *spans);

/*
 * session_yank.c. Control thread: from now on the connection can be yanked, and from now on it cannot, so that it may be closed. Fabric
 * thread, with poll_lock held: the lanes' part.
 */
void session_let_yank(struct vfiomig_session *session);
void session_end_yank(struct vfiomig_session *session);
void session_yank_lanes(struct vfiomig_session *session);

/* session_options.c. VFIOMIG_USAGE: an option that cannot be. */
int session_check_options(const struct vfiomig_options *options, enum vfiomig_role role, struct vfiomig_error *err);
void session_set_defaults(struct vfiomig_options *options);

#endif
