/* SPDX-License-Identifier: MIT */
/*
 * One session together with the devices that this program opened for it: what recv, send and both ends of demo have in
 * common. Whatever goes wrong, and however early, ends up in `result`, so that a report can always be made.
 */
#ifndef CLI_MIGRATION_H
#define CLI_MIGRATION_H

#include <stdbool.h>

#include <vfiomig/vfiomig.h>

#include "progress.h"
#include "transfer.h"
#include "units.h"

struct migration {
	enum vfiomig_role role;
	const char *label;			 /* before messages, for example "source: "; "" for none; a literal */
	const struct transfer_options *transfer; /* the command's, which outlives this */
	struct vfiomig_device *devices[VFIOMIG_DEVICES_MAX];
	unsigned devices_open;
	struct vfiomig_session *session; /* NULL until migration_start, and after a failure that came before it */
	struct vfiomig_stats stats;	 /* of the end; zero if no session was there */
	struct vfiomig_result result;
	bool has_estimate, has_budget; /* else the two below say nothing */
	struct vfiomig_estimate estimate;
	struct vfiomig_budget budget;
	bool insecure; /* nothing proves who the peer is, and what is sent leaves this machine */
	bool first;    /* of those that are waited for at once: its progress is shown */
	struct progress progress;
	bool cancelled; /* a signal came, perhaps too late to change the outcome */
	bool holds;	/* the devices stay open after the session */
};

/* Set it up; everything else is zero. */
void migration_init(struct migration *migration, enum vfiomig_role role, const struct transfer_options *transfer);

/* Keep @err as the outcome of a migration that has not begun. Returns its code. */
enum vfiomig_code migration_refuse(struct migration *migration, const struct vfiomig_error *err);

/* Open the devices. */
enum vfiomig_code migration_open(struct migration *migration);

/*
 * Create and start the session: @options as the session takes them, its callbacks set here. A session that was not
 * started has its outcome in `result`.
 */
enum vfiomig_code migration_start(struct migration *migration, struct vfiomig_options options);

/*
 * Wait until all @count sessions have ended, and take their results. A signal (from @signals, see signals.h) cancels
 * them all; one that fails cancels nothing, its peer does that. Those that were never started are passed over.
 */
void migration_wait(struct migration *const *migrations, unsigned count, int signals);

/* Open the devices, start the session and wait for its end: a whole migration. Returns its code. */
enum vfiomig_code migration_run(struct migration *migration, struct vfiomig_options options, int signals);

/* Say on stderr how it failed: one sentence. Nothing on success. */
void migration_explain(const struct migration *migration);

/* Destination: it was a probe, which came to its end: nothing was stopped, and it was no migration. */
bool migration_was_probe(const struct migration *migration);

/* It goes into a file, so there are no lanes, no destination and no downtime. */
bool migration_is_recording(const struct migration *migration);

/* Device @i's name, "" if it has none or is not open; and what it is called before people: its name, else its number. */
const char *migration_device_name(const struct migration *migration, unsigned i);
struct units migration_device_label(const struct migration *migration, unsigned i);

/* Close the session, then the devices. */
void migration_close(struct migration *migration);

#endif
