/* SPDX-License-Identifier: MIT */
/* See migration.h. */
#include "migration.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "events.h"
#include "privileges.h"
#include "signals.h"
#include "terminal.h"
#include "units.h"

void migration_init(struct migration *migration, enum vfiomig_role role, const struct transfer_options *transfer)
{
	*migration = (struct migration){ .role = role, .label = "", .transfer = transfer };
	migration->stats.size = sizeof(migration->stats);
}

static void log_line(void *context, enum vfiomig_log_level level, const char *text)
{
	static const enum terminal_level levels[] = {
		[VFIOMIG_LOG_ERROR] = TERMINAL_ERROR,
		[VFIOMIG_LOG_WARNING] = TERMINAL_WARNING,
		[VFIOMIG_LOG_INFO] = TERMINAL_INFO,
		[VFIOMIG_LOG_DEBUG] = TERMINAL_DEBUG,
	};
	const struct migration *migration = context;

	terminal_log(level <= VFIOMIG_LOG_DEBUG ? levels[level] : TERMINAL_DEBUG, "%s%s", migration->label, text);
}

static void on_progress(void *context)
{
	struct migration *migration = context;

	progress_tell(migration, &migration->progress, migration->first);
}

static void on_event(void *context, const struct vfiomig_event *event)
{
	events_session(context, event);
}

enum vfiomig_code migration_refuse(struct migration *migration, const struct vfiomig_error *err)
{
	struct vfiomig_result *result = &migration->result;
	bool source = migration->role == VFIOMIG_SOURCE;

	result->error = *err;
	if (result->error.code == VFIOMIG_OK)
		result->error.code = VFIOMIG_INTERNAL;
	snprintf(result->source_state, sizeof(result->source_state), source ? "running" : "unknown");
	snprintf(result->destination_state, sizeof(result->destination_state), "untouched");
	events_result(migration);
	return result->error.code;
}

enum vfiomig_code migration_open(struct migration *migration)
{
	const struct transfer_options *transfer = migration->transfer;
	struct vfiomig_error err = { 0 };

	if (transfer_check_devices(transfer, migration->role, &err))
		return migration_refuse(migration, &err);
	for (unsigned i = 0; i < transfer->devices; i++) {
		if (vfiomig_device_open(&migration->devices[i], transfer->specs[i], &err))
			return migration_refuse(migration, &err);
		migration->devices_open++;
	}
	return VFIOMIG_OK;
}

static int create_and_start(struct migration *migration, const struct vfiomig_options *options,
			    struct vfiomig_error *err)
{
	int rc = vfiomig_session_create(&migration->session, migration->role, options, err);

	for (unsigned i = 0; !rc && i < migration->devices_open; i++)
		rc = vfiomig_session_add_device(migration->session, migration->devices[i], err);
	for (unsigned lane = 0; !rc && lane < VFIOMIG_LANES_MAX; lane++)
		if (migration->transfer->lose_after[lane])
			vfiomig_session_lose_lane(migration->session, lane, migration->transfer->lose_after[lane] - 1);
	/* Devices, listener and keys are open; from here on there are threads. */
	if (!rc && migration->transfer->user)
		rc = privileges_drop(migration->transfer->user, err);
	return rc ? rc : vfiomig_session_start(migration->session, err);
}

enum vfiomig_code migration_start(struct migration *migration, struct vfiomig_options options)
{
	struct vfiomig_error err = { 0 };

	options.context = migration;
	options.log = log_line;
	options.progress = on_progress;
	options.event = events_wanted() ? on_event : NULL;
	if (!create_and_start(migration, &options, &err)) {
		events_start(migration);
		describe_watch(migration);
		return VFIOMIG_OK;
	}
	vfiomig_session_close(migration->session);
	migration->session = NULL;
	return migration_refuse(migration, &err);
}

static void take_result(struct migration *migration)
{
	vfiomig_session_stats(migration->session, &migration->stats);
	vfiomig_session_result(migration->session, &migration->result);
	migration->estimate.size = sizeof(migration->estimate);
	migration->has_estimate = !migration_is_recording(migration) &&
				  !vfiomig_session_estimate(migration->session, &migration->estimate);
	migration->budget.size = sizeof(migration->budget);
	migration->has_budget = !vfiomig_session_budget(migration->session, &migration->budget);
	events_result(migration);
}

/* What is waited for: whoever has ended, or has said all that it can say, is no longer polled. */
enum { MIGRATIONS_MAX = 2 };

struct watch {
	struct migration *const *migrations;
	unsigned count;
	bool ended[MIGRATIONS_MAX], vmm_heard[MIGRATIONS_MAX];
};

static bool all_ended(const struct watch *watch)
{
	for (unsigned i = 0; i < watch->count; i++)
		if (!watch->ended[i])
			return false;
	return true;
}

static void cancel_all(const struct watch *watch)
{
	for (unsigned i = 0; i < watch->count; i++) {
		watch->migrations[i]->cancelled = true;
		if (!watch->ended[i])
			vfiomig_session_cancel(watch->migrations[i]->session);
	}
}

static void wait_once(struct watch *watch, int signals)
{
	struct pollfd own = { .fd = signals, .events = POLLIN }, fds[1 + 2 * MIGRATIONS_MAX] = { own };

	for (unsigned i = 0; i < watch->count; i++) {
		const struct migration *migration = watch->migrations[i];
		const struct vmm *vmm = &migration->transfer->vmm;
		bool runs = !watch->ended[i], listens = runs && vmm->there && !watch->vmm_heard[i];

		fds[1 + 2 * i].fd = runs ? vfiomig_session_fd(migration->session) : -1;
		fds[2 + 2 * i].fd = listens ? vmm->fd : -1;
		fds[1 + 2 * i].events = fds[2 + 2 * i].events = POLLIN;
	}
	if (poll(fds, 1 + 2 * watch->count, -1) < 0)
		return;
	if (fds[0].revents && signals_take(signals))
		cancel_all(watch);
	for (unsigned i = 0; i < watch->count; i++) {
		struct migration *migration = watch->migrations[i];

		if (!vmm_hear(migration->role, fds[2 + 2 * i].revents, migration->session, migration->label))
			watch->vmm_heard[i] = true;
		if (fds[1 + 2 * i].revents && vfiomig_session_dispatch(migration->session)) {
			take_result(migration);
			watch->ended[i] = true;
		}
	}
}

void migration_wait(struct migration *const *migrations, unsigned count, int signals)
{
	struct watch watch = { .migrations = migrations, .count = count };

	for (unsigned i = 0; i < count; i++) {
		migrations[i]->first = !i;
		watch.ended[i] = !migrations[i]->session;
	}
	while (!all_ended(&watch))
		wait_once(&watch, signals);
	terminal_clear();
}

enum vfiomig_code migration_run(struct migration *migration, struct vfiomig_options options, int signals)
{
	enum vfiomig_code code = migration_open(migration);

	if (code == VFIOMIG_OK)
		code = migration_start(migration, options);
	if (code != VFIOMIG_OK)
		return code;
	migration_wait(&migration, 1, signals);
	return migration->result.error.code;
}

bool migration_was_probe(const struct migration *migration)
{
	return migration->role == VFIOMIG_DESTINATION && !strcmp(migration->result.error.name, "probe") &&
	       strcmp(migration->result.destination_state, "stuck");
}

bool migration_is_recording(const struct migration *migration)
{
	return migration->stats.transport && !strcmp(migration->stats.transport, "file");
}

const char *migration_device_name(const struct migration *migration, unsigned i)
{
	return migration->devices[i] ? vfiomig_device_name(migration->devices[i]) : "";
}

struct units migration_device_label(const struct migration *migration, unsigned i)
{
	const char *name = migration_device_name(migration, i);
	struct units label = units_count(i);

	if (*name)
		snprintf(label.text, sizeof(label.text), "%s", name);
	return label;
}

/* What is known of where both sides are now: " (source running, destination reset)". */
static void states_text(const struct vfiomig_result *result, char *out, size_t bytes)
{
	bool source = strcmp(result->source_state, "unknown"),
	     destination = strcmp(result->destination_state, "unknown");

	*out = 0;
	if (source || destination)
		snprintf(out, bytes, " (%s%s%s%s%s)", source ? "source " : "", source ? result->source_state : "",
			 source && destination ? ", " : "", destination ? "destination " : "",
			 destination ? result->destination_state : "");
}

void migration_explain(const struct migration *migration)
{
	const struct vfiomig_result *result = &migration->result;
	const char *text = result->error.text;
	size_t length = strlen(text);
	char states[80];

	if (result->error.code == VFIOMIG_OK)
		return;
	if (length && text[length - 1] == '.')
		length--;
	states_text(result, states, sizeof(states));
	terminal_log(TERMINAL_ERROR, "%s%.*s%s", migration->label, (int)length, text, states);
}

void migration_close(struct migration *migration)
{
	describe_forget(migration);
	vfiomig_session_close(migration->session);
	migration->session = NULL;
	for (unsigned i = 0; i < VFIOMIG_DEVICES_MAX; i++) {
		vfiomig_device_close(migration->devices[i]);
		migration->devices[i] = NULL;
	}
	migration->devices_open = 0;
}
