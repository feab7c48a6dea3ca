/* SPDX-License-Identifier: MIT */
/*
 * A device's own thread in the shell: one request at a time, each answered by one event. A call into the driver takes its time, has
 * its effect on the device somewhere in between, and may fail, or not return while anybody waits.
 */
#include "simulate.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"

enum { PAUSE_MS = 1000 };

static bool is_long(enum device_request request)
{
	return request == REQUEST_PRECOPY || request == REQUEST_READ || request == REQUEST_LOAD;
}

void thread_again(struct world *world, struct side *side, unsigned d, uint64_t in_ns)
{
	event_push(world, in_ns,
		   &(struct event){ .kind = EVENT_THREAD,
				    .side = side->number,
				    .life = side->life,
				    .a = d,
				    .b = ++side->thread[d].turn });
}

void thread_wake(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	if (!thread->waiting) {
		thread->signalled = true;
		return;
	}
	thread->waiting = false;
	thread_again(world, side, d, short_while(world));
}

bool thread_wait(struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];

	thread->waiting = !thread->signalled;
	thread->signalled = false;
	return !thread->waiting;
}

void thread_ask(struct world *world, struct side *side, unsigned d, enum device_request request)
{
	struct thread *thread = &side->thread[d];

	if (thread->request != REQUEST_NONE || thread->abandoned)
		broken(world, "device %u of the %s is asked while it is busy", d, side_name(side));
	thread->request = request;
	thread->stage = 0;
	thread->failure = (struct vfiomig_error){ 0 };
	thread_again(world, side, d, short_while(world));
}

void thread_done(struct world *world, struct side *side, unsigned d)
{
	struct thread *thread = &side->thread[d];
	struct core_event done = {
		.kind = CORE_DEVICE_DONE, .device = d, .request = thread->request, .counts = thread->counts
	};

	thread->request = REQUEST_NONE;
	side_post(world, side, &done, &thread->failure);
}

void thread_fail(struct world *world, struct side *side, unsigned d, enum vfiomig_code code, int errnum)
{
	struct thread *thread = &side->thread[d];

	error_set(&thread->failure, code, errnum, NULL, "device %u (%s): the %s failed: %s", d, side_name(side),
		  device_request_name(thread->request), strerror(errnum));
	thread_done(world, side, d);
}

static struct fault *due(struct world *world, enum fault_kind kind, const struct side *side, unsigned d)
{
	return fate_find_call(world, kind, side->number, d, side->thread[d].request);
}

/* The driver is called: it returns after @takes_ns, unless it is stuck. 0: it never does; else after how long. */
uint64_t thread_call(struct world *world, struct side *side, unsigned d, uint64_t takes_ns)
{
	struct thread *thread = &side->thread[d];
	struct fault *stuck = due(world, FAULT_DEVICE_STUCK, side, d);

	thread->call_ns = world->now;
	thread->call++;
	if (stuck) {
		fate_applied(world, stuck);
		if (one_in(world, 2))
			return 0;
		takes_ns = world->shape.device_timeout_ns + stuck->ns;
	}
	event_push(world, takes_ns,
		   &(struct event){
			   .kind = EVENT_CALL, .side = side->number, .life = side->life, .a = d, .b = thread->call });
	return takes_ns;
}

/* A call that changes the device; of one that hangs the effect may still come. */
static void change(struct world *world, struct side *side, unsigned d)
{
	struct device *device = &world->device[side->number][d];
	uint64_t takes_ns = thread_call(world, side, d, draw(world, NS_PER_US, 4 * NS_PER_MS));

	device->result = 0;
	if (!takes_ns && one_in(world, 2))
		return;
	device->effect = side->thread[d].request;
	event_push(world, draw(world, 0, takes_ns ? takes_ns - 1 : 3 * world->shape.device_timeout_ns),
		   &(struct event){ .kind = EVENT_EFFECT, .side = side->number, .a = d });
}

static enum vfiomig_state target_of(const struct world *world, unsigned side, unsigned d, enum device_request request)
{
	static const enum vfiomig_state targets[REQUEST_COUNT] = {
		[REQUEST_PRECOPY] = VFIOMIG_STATE_PRE_COPY,    [REQUEST_QUIESCE] = VFIOMIG_STATE_RUNNING_P2P,
		[REQUEST_STOP_COPY] = VFIOMIG_STATE_STOP_COPY, [REQUEST_STOP] = VFIOMIG_STATE_STOP,
		[REQUEST_RESUME] = VFIOMIG_STATE_RUNNING,      [REQUEST_RESUMING] = VFIOMIG_STATE_RESUMING,
		[REQUEST_FINISH] = VFIOMIG_STATE_STOP,	       [REQUEST_RUN_P2P] = VFIOMIG_STATE_RUNNING_P2P,
		[REQUEST_RUN] = VFIOMIG_STATE_RUNNING,
	};

	if (request == REQUEST_QUIESCE && world->side[side].thread[d].precopy_done)
		return VFIOMIG_STATE_PRE_COPY_P2P;
	return targets[request];
}

static void load_config(struct world *world, struct side *side, unsigned d)
{
	const struct thread *thread = &side->thread[d];

	check_config(world, d);
	device_config(world, d, thread->blob, thread->blob_bytes);
}

static void take_effect(struct world *world, struct side *side, unsigned d, enum device_request request)
{
	struct device *device = &world->device[side->number][d];
	struct fault *error = due(world, FAULT_DEVICE_ERROR, side, d);
	unsigned fail_arc = error ? error->number : UINT_MAX;

	tell(world, side, "effect", d, request);
	if (request == REQUEST_CHECK || request == REQUEST_RESET || request == REQUEST_CONFIG) {
		device->result = error ? EIO : 0;
		device->broken |= error != NULL && request != REQUEST_CHECK;
		if (!error && request == REQUEST_RESET)
			device_reset(device);
		if (!error && request == REQUEST_CONFIG)
			load_config(world, side, d);
	} else {
		device->result =
			device_walk(world, side->number, d, target_of(world, side->number, d, request), fail_arc);
	}
	if (device->result == EIO)
		fate_applied(world, error);
}

void thread_effect(struct world *world, unsigned side, unsigned d)
{
	struct device *device = &world->device[side][d];
	enum device_request request = device->effect;

	device->effect = REQUEST_NONE;
	if (!device->gone && request != REQUEST_NONE)
		take_effect(world, &world->side[side], d, request);
}

static void change_go(struct world *world, struct side *side, unsigned d, bool returned)
{
	const struct device *device = &world->device[side->number][d];

	if (!returned)
		change(world, side, d);
	else if (device->result)
		thread_fail(world, side, d,
			    side->thread[d].request == REQUEST_CHECK ? VFIOMIG_PREFLIGHT : VFIOMIG_DEVICE,
			    device->result);
	else
		thread_done(world, side, d);
}

/* PRE_COPY begins with a transition, and goes on with the stream. */
static bool precopy_begins(struct world *world, struct side *side, unsigned d, bool returned)
{
	struct thread *thread = &side->thread[d];

	if (thread->request != REQUEST_PRECOPY || thread->stage > 0)
		return false;
	if (!returned) {
		change(world, side, d);
	} else if (world->device[side->number][d].result) {
		thread_fail(world, side, d, VFIOMIG_DEVICE, world->device[side->number][d].result);
	} else {
		thread->precopy_done = true;
		thread->stage = 1;
		thread_again(world, side, d, 0);
	}
	return true;
}

/* An I/O call comes back with an error. */
static bool io_fails(struct world *world, struct side *side, unsigned d)
{
	struct fault *error = due(world, FAULT_DEVICE_ERROR, side, d);

	if (!error)
		return false;
	if (error->number > 0) {
		error->number--;
		return false;
	}
	fate_applied(world, error);
	world->device[side->number][d].broken = true;
	thread_fail(world, side, d, VFIOMIG_DEVICE, EIO);
	return true;
}

void thread_go(struct world *world, struct side *side, unsigned d, bool returned)
{
	struct thread *thread = &side->thread[d];

	if (returned)
		thread->call_ns = 0;
	if (!is_long(thread->request))
		change_go(world, side, d, returned);
	else if (precopy_begins(world, side, d, returned) || (returned && io_fails(world, side, d)))
		return;
	else if (thread->request == REQUEST_LOAD)
		load_go(world, side, d, returned);
	else
		read_go(world, side, d, returned);
}

/* As session_call.c: a control thread that did not run for a second was stopped with its process. */
void thread_watch(struct world *world, struct side *side)
{
	struct vfiomig_error err = { 0 };

	if (world->now - side->watched_ns > PAUSE_MS * NS_PER_MS)
		side->watch_ns = world->now;
	side->watched_ns = world->now;
	error_set(&err, VFIOMIG_DEVICE, ETIMEDOUT, CORE_STUCK_NAME, "a device of the %s is stuck", side_name(side));
	for (unsigned d = 0; d < world->shape.devices && side->alive; d++) {
		struct thread *thread = &side->thread[d];
		uint64_t from_ns = thread->call_ns > side->watch_ns ? thread->call_ns : side->watch_ns;

		if (!thread->call_ns || thread->abandoned || world->now < from_ns + world->shape.device_timeout_ns)
			continue;
		thread->abandoned = true;
		side_step(world, side, &(struct core_event){ .kind = CORE_DEVICE_STUCK, .device = d, .error = &err });
	}
}
