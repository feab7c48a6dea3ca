/* SPDX-License-Identifier: MIT */
/* What the simulator's files are to each other. Included by simulate.h, and by nobody else. */
#ifndef SIMULATE_PARTS_H
#define SIMULATE_PARTS_H

/* events.c: the queue, the dice, the trace. */
void event_push(struct world *world, uint64_t in_ns, const struct event *event);
bool event_pop(struct world *world, struct event *event);
uint64_t draw(struct world *world, uint64_t least, uint64_t most);
bool one_in(struct world *world, unsigned many);
/* Mostly microseconds, now and then milliseconds: what a thread or a wire takes. */
uint64_t short_while(struct world *world);
void digest(struct world *world, uint64_t value);
/* Into the digest, and with --trace onto the page. */
void tell(struct world *world, const struct side *side, const char *what, uint64_t a, uint64_t b);
/* Onto the page only. */
void say(const struct world *world, const struct side *side, const char *text);
void broken(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* draw.c */
void shape_draw(struct world *world);
void shape_of_large_run(struct world *world);

/* world.c: a run, from a seed to its end. */
void world_open(struct world *world);
void world_close(struct world *world);
void world_run(struct world *world, uint64_t seed, bool large);
const char *side_name(const struct side *side);

/* device.c */
void device_init(struct device *device, bool p2p, bool precopy);
bool device_runs(const struct device *device);
uint8_t content_byte(uint64_t seed, unsigned d, uint64_t at);
void content_fill(uint64_t seed, unsigned d, uint64_t at, uint8_t *to, size_t bytes);
int device_walk(struct world *world, unsigned side, unsigned d, enum vfiomig_state target, unsigned fail_arc);
void device_reset(struct device *device);
size_t device_read(struct world *world, unsigned d, uint8_t *to, size_t bytes);
void device_write(struct world *world, unsigned d, const uint8_t *from, size_t bytes);
void device_config(struct world *world, unsigned d, const uint8_t *from, size_t bytes);
bool side_runs(const struct world *world, unsigned side);
bool destination_ran(const struct world *world);
bool destination_whole(const struct world *world);

/* shell.c: a side's control thread. */
void side_step(struct world *world, struct side *side, const struct core_event *event);
void side_fact(struct world *world, struct side *side, enum core_fact fact);
void side_post(struct world *world, struct side *side, const struct core_event *event, const struct vfiomig_error *err);
void side_post_fact(struct world *world, struct side *side, enum core_fact fact);
void side_inbox(struct world *world, struct side *side);
void side_tick(struct world *world, struct side *side);
void side_start(struct world *world, struct side *side);
void side_fail(struct world *world, struct side *side, const char *name, const char *what);

/* control.c: the control connection. */
void control_up(struct world *world, struct side *side);
void control_say(struct world *world, struct side *side, enum message_type message, const uint8_t *body, size_t bytes);
void control_end(struct world *world, struct side *side);
void control_frame_in(struct world *world, struct side *side);
void control_lost_in(struct world *world, struct side *side);
void control_break(struct world *world);
void control_orphan(struct world *world, struct side *side);

/* messages.c: bodies. */
void messages_send(struct world *world, struct side *side, enum message_type message, unsigned d);
void messages_send_of_lane(struct world *world, struct side *side, const struct core_action *action);
void messages_receive(struct world *world, struct side *side, enum message_type type, const uint8_t *body,
		      size_t bytes);
void messages_judge_offer(struct world *world, struct side *side);

/* lanes.c: the fabric thread. */
void lanes_task(struct world *world, struct side *side, enum core_action_kind task);
void lanes_poll(struct world *world, struct side *side);
void lanes_look_soon(struct world *world, struct side *side, uint64_t in_ns);
void lanes_perform(struct world *world, struct side *side, const struct flow_actions *actions);
void lanes_post_deferred(struct world *world, struct side *side, unsigned n);
void lanes_fence_one(struct world *world, struct side *side, unsigned lane);
void lanes_dead(struct world *world, struct side *side, unsigned lane);
void lanes_resend(struct world *world, struct side *side);
void lanes_token(struct world *world, struct side *side);
void lanes_close(struct world *world, struct side *side);
/* arrival.c */
int arrival_place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *where);
void arrival_event(struct world *world, struct side *side, const struct fabric_event *event);
/* weather.c: what the lanes do to messages. */
/* @fault kills @lane. */
void weather_hit(struct world *world, struct fault *fault, unsigned lane);
enum loop_verdict weather_judge(void *context, const struct loop_message *message, uint64_t random);

/* thread.c: a device's thread; source.c and load.c: the streams out and in. */
void thread_ask(struct world *world, struct side *side, unsigned d, enum device_request request);
void thread_wake(struct world *world, struct side *side, unsigned d);
/* True: go on at once; false: it sleeps until thread_wake. */
bool thread_wait(struct side *side, unsigned d);
void thread_go(struct world *world, struct side *side, unsigned d, bool returned);
uint64_t thread_call(struct world *world, struct side *side, unsigned d, uint64_t takes_ns);
void thread_again(struct world *world, struct side *side, unsigned d, uint64_t in_ns);
void thread_done(struct world *world, struct side *side, unsigned d);
void thread_fail(struct world *world, struct side *side, unsigned d, enum vfiomig_code code, int errnum);
void thread_effect(struct world *world, unsigned side, unsigned d);
void thread_watch(struct world *world, struct side *side);
void read_go(struct world *world, struct side *side, unsigned d, bool returned);
void precopy_judge(struct world *world, struct side *side);
void load_go(struct world *world, struct side *side, unsigned d, bool returned);

/* record.c: journals, and what is asked about them. */
void record_put(struct world *world, struct side *side, enum core_fact fact);
void record_forget(struct world *world, struct side *side);
enum vfiomig_journal_state record_state(const struct world *world, unsigned side, bool *degraded);
void record_decide(struct world *world, enum vfiomig_journal_state state);
void record_sweep(struct world *world, unsigned side);
bool asking_begins(struct world *world, struct side *side);
void asking_cancel(struct world *world, struct side *side);
void asking_tick(struct world *world, struct side *side);
void asked(struct world *world, unsigned call);
void answered(struct world *world, struct side *side, unsigned call, enum vfiomig_journal_state state, bool degraded);

/* fate.c: what is done to a run from outside. */
void fate_step(struct world *world);
struct fault *fate_find(struct world *world, enum fault_kind kind, unsigned side);
struct fault *fate_find_call(struct world *world, enum fault_kind kind, unsigned side, unsigned d,
			     enum device_request request);
void fate_applied(struct world *world, struct fault *fault);
/* The process of @side is no more. @held: its devices are kept open by somebody else. */
void fate_kill(struct world *world, struct side *side, bool held);
/* Before each action of a core: does its process die here? */
bool fate_dies_here(struct world *world, struct side *side);
/* people.c: who acts on what is left behind. */
void people_ended(struct world *world, struct side *side);
void people_told(struct world *world, struct side *side);
void people_died(struct world *world, struct side *side, bool held);
void people_again(struct world *world);
void people_vmm(struct world *world);
void people_decide(struct world *world);
/* The devices go on at the source. A call that is still under way must end first; whoever is broken stays so. */
void people_resume(struct world *world);
/* Powered off: neither it nor a later process will ever run the devices, or answer. */
void people_fence(struct world *world, unsigned s);

/* caller.c: production's API, called on a side's core, and every answer judged. The side's process lives. */
void caller_open(struct world *world);
void caller_close(struct world *world);
void caller_begin(struct world *world);
int caller_commit(struct world *world, struct side *side);
int caller_prepared(struct world *world, struct side *side);
int caller_cancel(struct world *world, struct side *side);
int caller_take_back(struct world *world, struct side *side);
/* As vfiomig_session_dispatch: is it told, now, that it is prepared? */
bool caller_told_prepared(struct world *world, struct side *side);
/* The shell's half: is a commit owed to core? Once. */
bool caller_owes(struct world *world, struct side *side);
void caller_stepped(struct world *world, struct side *side, const struct core_event *event, enum core_phase before);
/* The control thread hears a cancel. */
void caller_hear_cancel(struct world *world, struct side *side);
void caller_met(struct world *world, enum deed deed);
void caller_check(struct world *world);
void caller_verdict(struct world *world);
bool commits_externally(const struct world *world);

/* vmm.c: the two VMMs, where they commit. */
void vmm_begin(struct world *world);
bool vmm_event(struct world *world, struct side *side, const struct event *event);
void vmm_told_over(struct world *world, struct side *side);
void vmm_session_died(struct world *world, struct side *side, bool held);
void vmm_dies(struct world *world, unsigned s);
void vmm_mind(struct world *world, unsigned s);
bool vmm_cut(struct world *world);
void vmm_hear(struct world *world, unsigned s, enum word word);
/* person.c: who sees to it where a VMM cannot know. */
void person_called(struct world *world, uint64_t most_ns);
void person_visits(struct world *world);
bool person_settled(const struct world *world);
bool source_unable(const struct world *world);

/* check.c: the invariants, after every step; verdict.c: the truth of what was said, at the end. */
void check_step(struct world *world);
void check_post(struct world *world, unsigned lane, const struct flow_action *action);
void check_config(struct world *world, unsigned d);
void check_take(struct world *world, unsigned d, unsigned slot, uint64_t index);
void verdict(struct world *world);
const char *verdict_outcome(const struct world *world);

/* alloc.c: is anybody allocating? */
void alloc_watch(bool on);
unsigned alloc_count(void);

#endif
