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
#include "device/device.h"
#include "io/loader.h"
#include "io/reader.h"
#include "session/account.h"
#include "session/budget.h"
#include "session/clocks.h"
#include "session/core.h"
#include "session/flow.h"
#include "session/journal_file.h"
#include "session/plan.h"
#include "slot/arena.h"
#include "transport/fabric.h"
#include "wire/hello.h"

enum {
	LANES_DEFAULT = 8,
	SLOTS_DEFAULT = 16,
	SLOT_BYTES_DEFAULT = 1 << 20,
	PEER_TIMEOUT_MS_DEFAULT = 1000,
	DEVICE_TIMEOUT_MS_DEFAULT = 30000,
	CONFIG_BLOB_BYTES_MAX = 65536,
	TRIAL_BYTES_MAX = 256 << 10,	      /* of the first message over each lane */
	EVENTS_MAX = 4 * VFIOMIG_DEVICES_MAX, /* one answer per device, a few of the fabric */
	LOG_LINES_MAX = 64,
	LOG_LINE_BYTES = 640,
};

/* What the fabric thread can be asked for; bits. */
enum fabric_request {
	FABRIC_PROBE = 1,
	FABRIC_OPEN = 2,
	FABRIC_CONNECT = 4,
	FABRIC_FENCE = 8,
	FABRIC_RELEASE = 16,
	FABRIC_QUIT = 32,
};

/* When a packet came, and what its header said of its way: until it is loaded. */
struct session_arrival {
	uint64_t arrived_ns, ready_ns;
	uint32_t read_us, wait_us;
};

/* Source: what a device in PRE_COPY has given so far. */
struct session_precopy {
	struct vfiomig_pending pending; /* as it last said */
	uint64_t arc_ns;		/* RUNNING to PRE_COPY took */
	uint64_t bytes, read_ns;	/* read, and how long that took */
	bool dry;			/* at the last read it had nothing more */
	bool asked;			/* it has said what it still has, once at least */
	uint64_t initial_least;		/* of initial bytes: the least that it had left */
	uint64_t stuck_ns;		/* since when those do not become less; 0: they did at the last look */
	bool initial_read;		/* all of its initial bytes are in packets before initial_packets */
	uint64_t initial_packets;
};

struct session_device {
	struct vfiomig_session *session;
	struct vfiomig_device *device; /* the caller's */
	unsigned number;	       /* on the wire: the source's; set with AGREE */
	pthread_t thread;
	bool started;
	int wake_fd;				      /* a request is there, or the flow has something */
	atomic_int request;			      /* mailbox: enum device_request; taken by the thread; -1: quit */
	atomic_int state;			      /* enum vfiomig_state, as last seen by the thread */
	atomic_ullong call_ns;			      /* when its call began; 0: it is in none; or CALL_ABANDONED */
	atomic_ullong wait_ns;			      /* spent waiting for a slot, or for data */
	struct budget_call call[REQUEST_COUNT];	      /* the thread's, until its answer is posted */
	struct stream_counts counts;		      /* of the stream so far, PRE_COPY included; the thread's */
	struct reader reader;			      /* source; the thread's */
	size_t packet_bytes;			      /* source: how much is read into a slot; the thread's */
	uint64_t slot_wait_us;			      /* source: before the packet that is being made; the thread's */
	bool precopy_done;			      /* source: the reader reads since PRE_COPY; the thread's */
	uint64_t first_packet_ns;		      /* source: when the first of STOP_COPY was full */
	atomic_bool precopy_end;		      /* source: PRE_COPY has done what it can */
	struct session_precopy precopy;		      /* source; under snapshot_lock */
	struct session_arrival *arrival;	      /* destination: per slot; under flow_lock */
	struct account account;			      /* destination; the thread's */
	bool account_stopped;			      /* it is the account of STOP_COPY */
	uint64_t load_end_ns, stream_end_ns;	      /* destination; the thread's */
	atomic_ullong loaded_bytes, load_ns, wire_ns; /* destination, for MEASURED */
	atomic_ullong recorded_packets;		      /* source that records; its bytes are in loaded_bytes */
	struct telemetry_spans spans;		      /* source: what the destination said */
	struct loader *loader;			      /* destination: open between RESUMING and its end */
	size_t blob_bytes;			      /* of the config state that was kept aside */
	uint8_t *blob;				      /* CONFIG_BLOB_BYTES_MAX; destination */
	struct vfiomig_device_info *source_info;      /* destination: what CHECK compares with; in offer_devices */
};

enum { VISITORS_MAX = 4 };

/* Destination: someone who connected while a session is on, or who asks about another one. */
struct session_visitor {
	struct control_conn *conn; /* NULL: the place is free */
	uint64_t heard_ns;
};

/* Source, whose answer to COMMIT does not come: it asks. */
struct session_ask {
	bool on;
	struct control_conn *conn;
	bool sent;
	uint64_t next_ns; /* when it gives up this call, or makes the next one */
	char said[120];	  /* the last answer, for the sentence at the end */
};

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

struct vfiomig_session {
	enum vfiomig_role role;
	struct vfiomig_options options; /* with its defaults filled in; the strings are resolved and gone */
	bool started;
	struct vfiomig_session *kept_next; /* after _close, if a device is stuck; nobody follows it */

	int cancel_fd; /* the user's wish */
	int stop_fd;   /* core's: every wait of the data path ends */
	int notify_fd; /* for the caller's event loop */

	unsigned devices;
	struct session_device device[VFIOMIG_DEVICES_MAX];
	struct vfiomig_device *handles[VFIOMIG_DEVICES_MAX]; /* the same, for the plan */

	/* control thread */
	pthread_t control_thread;
	bool control_started;
	struct core core;      /* stepped with snapshot_lock held, read by _stats */
	atomic_bool committed; /* as core sees it: too late for a cancel */
	struct control_conn *conn;
	struct control_accept *accept;
	struct credentials *credentials;			  /* NULL: nobody proves anything */
	uint8_t lane_proof[VFIOMIG_LANES_MAX][HELLO_PROOF_BYTES]; /* set when the connection is up; then read-only */
	struct plan_side side;
	struct plan plan; /* set before OPEN_FABRIC; from then on read-only */
	struct message_offer offer;
	struct message_device *offer_devices; /* destination: DEVICES_MAX of them until AGREE */
	unsigned offer_devices_here;
	bool offer_here, probed, offer_judged;
	uint64_t conn_ns; /* since when it stands */
	bool conn_up;	  /* core knows that the control connection stands */
	bool id_known;	  /* the destination learns it from the source's first message */
	bool said_all;	  /* the last message is the kernel's */
	struct message_ready ready;
	struct sockaddr_storage local, remote;
	/* Telemetry: control thread; the source's view unless it says otherwise. */
	struct clocks clocks_before, clocks_after;
	struct telemetry_measured measured; /* the last one */
	unsigned measures_left;		    /* of the series that is on */
	uint64_t measure_ns;		    /* when the last MEASURE went out */
	unsigned spans_here;
	uint64_t due_since_ns;		/* PRE_COPY could end, but for the estimate; 0: it could not */
	uint64_t least_bytes, least_ns; /* the least that was left since initial bytes are through, and since when */
	uint64_t complete_ns;		/* when PRE_COPY had given all that it can */
	bool due_told;
	struct vfiomig_estimate estimate;  /* under snapshot_lock; terms 0: none was made */
	struct telemetry_clock switchover; /* destination: under snapshot_lock */
	atomic_llong peer_offset_ns;	   /* destination: its clock less the source's */
	struct session_record *record;	   /* source: records instead of a peer; NULL: there is a peer */
	int journal_fd;			   /* the journal's folder; -1: this session needs none */
	struct vfiomig_journal *journal;   /* the record, as last written; NULL: none needed */
	struct session_visitor visitor[VISITORS_MAX];
	struct session_ask ask;
	uint8_t id[16];
	uint8_t *frame;	      /* MESSAGE_BYTES_MAX, for encoding */
	uint64_t finished_ns; /* when core had finished; 0: it has not */
	uint64_t watched_ns;  /* when the devices' calls were last looked at */
	uint64_t watch_ns;    /* no call is held to have been under way before that */

	/* fabric thread */
	pthread_t fabric_thread;
	bool fabric_started;
	int fabric_wake_fd;
	atomic_uint fabric_requests; /* enum fabric_request */
	struct fabric *fabric;	     /* set between FABRIC_OPEN's answer and the end; then read by all */
	struct arena arena;
	struct fabric_limits limits;
	uint64_t warm;		     /* destination: bit per lane whose warm-up has come */
	pthread_mutex_t poll_lock;   /* of the fabric and of the fields below: held by whoever polls the lanes */
	atomic_ullong lent_until_ns; /* until then a loader polls, and the fabric thread leaves the lanes to it */
	bool lanes_up;		     /* established: before, its events are establish's alone */
	bool lanes_told, lanes_failed;
	unsigned trials_sent;		       /* source: of the lanes' trial, by lane */
	uint64_t trial_begin_ns, trial_end_ns; /* destination: of the lanes' trial */
	bool token_here;
	struct token token;
	uint64_t token_arrived[VFIOMIG_DEVICES_MAX];

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
	unsigned log_lost; /* lines for which there was no room; told once there is */
	uint64_t progress_ns;
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

/* session_flow.c: carry out what a flow step asked for; takes flow_lock itself. */
void session_perform(struct vfiomig_session *session, const struct flow_actions *actions);
void session_lane_sent(struct vfiomig_session *session, unsigned lane, uint64_t cookie);
void session_post_token(struct vfiomig_session *session);
/* The first message over @lane, and its payload's bytes; both sides know them. */
void session_post_trial(struct vfiomig_session *session, unsigned lane);
uint32_t session_trial_bytes(const struct vfiomig_session *session);

/*
 * session_auth.c: who the peer is. Credentials are read from what the options name; secure gives a connection its stream, and closes
 * the descriptor if it cannot; prove_lanes fills lane_proof once the connection is up. VFIOMIG_PREFLIGHT, VFIOMIG_INTERNAL.
 */
int session_take_credentials(struct vfiomig_session *session, struct vfiomig_error *err);
int session_secure(struct vfiomig_session *session, struct control_config *config, struct vfiomig_error *err);
int session_prove_lanes(struct vfiomig_session *session, struct vfiomig_error *err);
/* Busy, said in a preface to one to whom nothing else can be said; takes the descriptor. */
void session_turn_away_unheard(int fd);

/* session_control.c */
void *session_control_main(void *session);
/* Control thread: one event in, its actions carried out. */
void session_step(struct vfiomig_session *session, const struct core_event *event);
int session_open_conn(struct vfiomig_session *session, int fd, uint16_t peer_kind, struct control_conn **conn,
		      struct vfiomig_error *err);

/* session_journal.c: open before the threads are there, the others on the control thread. -errno as of journal_file.h. */
int session_journal_open(struct vfiomig_session *session, const char *dir, struct vfiomig_error *err);
/* PREPARED and COMMITTED are answered by an event. */
void session_journal_put(struct vfiomig_session *session, enum core_fact fact);
/* Destination: the source has DONE, so nobody will ask. Source: it is known how it ended. */
void session_journal_forget(struct vfiomig_session *session);
/* At the end: a doubt is named in the outcome; a source that retires says so until it is closed; everything else is forgotten. */
void session_journal_finish(struct vfiomig_session *session);
void session_journal_close(struct vfiomig_session *session);

/* session_query.c: control thread. Who is not the source but asks about one, and who comes while there is one. */
void session_take_visitor(struct vfiomig_session *session, struct control_conn *conn,
			  const struct control_frame *frame);
void session_hear_visitors(struct vfiomig_session *session);
/* session_ask.c: control thread. Source after COMMIT: true if core must not take a lost connection for the end. */
bool session_ask(struct vfiomig_session *session);
/* The caller's cancel: to core while it is in time; said to be too late otherwise, or it ends the asking in doubt. */
void session_hear_cancel(struct vfiomig_session *session);
void session_hear_answer(struct vfiomig_session *session);

/* session_messages.c: control thread. */
void session_send(struct vfiomig_session *session, enum message_type message, unsigned device);
void session_receive(struct vfiomig_session *session, const struct control_frame *frame);
/* A message of this @type "cannot be read" or the like: the end of the session. */
void session_refuse(struct vfiomig_session *session, uint16_t type, const char *what);
/* The offer is whole and the probe is back: agree, or fail. */
void session_judge_offer(struct vfiomig_session *session);

/* session_arrival.c: whoever polls the lanes, with poll_lock held. */
void session_on_lane_event(struct vfiomig_session *session, const struct fabric_event *event);
/* Where an announced body may go: struct fabric_sink. */
int session_place(void *session, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *place);

/* session_fabric.c */
void *session_fabric_main(void *session);
void session_ask_fabric(struct vfiomig_session *session, enum fabric_request request);

/*
 * A loader that has nothing to load polls the lanes itself, so that what comes for it is still in its core's cache when it
 * writes it, and no thread need be woken. 1: something came; 0: nothing for a while; -EAGAIN: somebody else polls;
 * -ECANCELED.
 */
int session_poll_for(struct session_device *device);

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

#endif
