/* SPDX-License-Identifier: MIT */
/* See migration.h. */
#include "migration.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
	static const char *const words[] = { "", "warning: ", "", "" };
	const struct migration *migration = context;

	/* An error's sentence comes with the result. */
	if (level == VFIOMIG_LOG_WARNING || migration->transfer->verbose)
		terminal_say("%s%s%s", migration->label, level <= VFIOMIG_LOG_DEBUG ? words[level] : "", text);
}

static void show_progress(struct migration *migration, const char *text)
{
	time_t now = time(NULL);

	if (terminal_is_tty()) {
		terminal_progress("%s", text);
	} else if (migration->transfer->verbose && migration->stats.bytes && now != migration->told_at) {
		migration->told_at = now;
		terminal_say("%s", text);
	}
}

static void progress_line(void *context)
{
	struct migration *migration = context;
	struct vfiomig_stats *stats = &migration->stats;
	struct units done, all, rate;
	uint64_t expected_bytes = 0;
	char text[128];

	if (!migration->show_progress || vfiomig_session_stats(migration->session, stats))
		return;
	for (unsigned i = 0; i < stats->devices; i++)
		expected_bytes += stats->device[i].expected_bytes;
	done = units_bytes(stats->bytes);
	all = units_bytes(expected_bytes > stats->bytes ? expected_bytes : stats->bytes);
	rate = units_rate(stats->bytes, stats->elapsed_us);
	snprintf(text, sizeof(text), "%-10s  %s of about %s  %s", stats->phase, done.text, all.text, rate.text);
	show_progress(migration, text);
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
	return result->error.code;
}

enum vfiomig_code migration_open(struct migration *migration)
{
	const struct transfer_options *transfer = migration->transfer;
	struct vfiomig_error err = { 0 };

	if (transfer_check_gate(transfer, &err))
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
	return rc ? rc : vfiomig_session_start(migration->session, err);
}

enum vfiomig_code migration_start(struct migration *migration, struct vfiomig_options options)
{
	struct vfiomig_error err = { 0 };

	options.context = migration;
	options.log = log_line;
	options.progress = progress_line;
	if (!create_and_start(migration, &options, &err))
		return VFIOMIG_OK;
	vfiomig_session_close(migration->session);
	migration->session = NULL;
	return migration_refuse(migration, &err);
}

static void take_result(struct migration *migration)
{
	vfiomig_session_stats(migration->session, &migration->stats);
	vfiomig_session_result(migration->session, &migration->result);
}

/* Poll what still runs; *@ended has a bit for each that does not. */
static void wait_once(struct migration *const *migrations, unsigned count, int signals, unsigned *ended)
{
	struct pollfd fds[3] = { { .fd = signals, .events = POLLIN } };

	for (unsigned i = 0; i < count; i++) {
		bool runs = !(*ended >> i & 1);

		fds[1 + i] = (struct pollfd){ .fd = runs ? vfiomig_session_fd(migrations[i]->session) : -1,
					      .events = POLLIN };
	}
	if (poll(fds, 1 + count, -1) < 0)
		return;
	if (fds[0].revents && signals_take(signals))
		for (unsigned i = 0; i < count; i++)
			if (!(*ended >> i & 1))
				vfiomig_session_cancel(migrations[i]->session);
	for (unsigned i = 0; i < count; i++) {
		if (fds[1 + i].revents && vfiomig_session_dispatch(migrations[i]->session)) {
			take_result(migrations[i]);
			*ended |= 1u << i;
		}
	}
}

void migration_wait(struct migration *const *migrations, unsigned count, int signals)
{
	unsigned ended = 0;

	for (unsigned i = 0; i < count; i++) {
		migrations[i]->show_progress = !i;
		if (!migrations[i]->session)
			ended |= 1u << i;
	}
	while (ended != (1u << count) - 1)
		wait_once(migrations, count, signals, &ended);
	terminal_clear();
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
	terminal_say("%s%.*s%s", migration->label, (int)length, text, states);
}
void migration_close(struct migration *migration)
{
	vfiomig_session_close(migration->session);
	migration->session = NULL;
	for (unsigned i = 0; i < VFIOMIG_DEVICES_MAX; i++) {
		vfiomig_device_close(migration->devices[i]);
		migration->devices[i] = NULL;
	}
	migration->devices_open = 0;
}
