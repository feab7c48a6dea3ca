/* SPDX-License-Identifier: MIT */
/*
 * The journal: a small file per session and side, written before a step that binds the other side. It outlives the
 * process that wrote it, kill -9 included, but not a loss of power. It lies in the options' journal_dir, else in
 * $RUNTIME_DIRECTORY, else in /run/rdma-vfiomig if that can be written, else in $XDG_RUNTIME_DIR/rdma-vfiomig, else in
 * /tmp/rdma-vfiomig-UID. A migration that ended on both sides leaves no file; a tombstone stays for twice the hold
 * time, and goes when the next session begins.
 */
#ifndef VFIOMIG_JOURNAL_H
#define VFIOMIG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/session.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vfiomig_journal_state {
	VFIOMIG_JOURNAL_NONE = 0,
	VFIOMIG_JOURNAL_PREPARED,  /* destination: all is loaded; COMMIT has not come */
	VFIOMIG_JOURNAL_COMMITTED, /* source: COMMIT may have been sent; destination: it came, and the devices may run */
	VFIOMIG_JOURNAL_RUNNING,   /* destination: it runs, but the source may not know */
	VFIOMIG_JOURNAL_ABORTED, /* destination: a tombstone, it never ran and never will; source: resolved, it resumes */
	VFIOMIG_JOURNAL_DONE,	 /* destination: resolved, it has the devices */
	VFIOMIG_JOURNAL_RETIRED, /* source: resolved, the destination has them */
};

struct vfiomig_journal_device {
	char name[32];
	char spec[128];
};

struct vfiomig_journal {
	size_t size; /* sizeof(struct vfiomig_journal) of the library */
	uint8_t session[16];
	enum vfiomig_role role;
	enum vfiomig_journal_state state;
	bool degraded; /* destination, RUNNING: without all of its devices */
	bool held;     /* the process that wrote it still lives, and has the devices */
	uint32_t pid;  /* of that process */
	uint64_t
		pid_start; /* its start, in clock ticks since boot: tells it from a later one of that number; 0: not known */
	uint64_t time_ns; /* of the last change, since the epoch */
	uint32_t hold_ms;
	char peer[80];
	unsigned devices;
	struct vfiomig_journal_device device[VFIOMIG_DEVICES_MAX];
};

/* "PREPARED", ...; static. */
const char *vfiomig_journal_state_name(enum vfiomig_journal_state state);

/*
 * Hand every record of @dir (NULL: the default) to @each. Returns how many there were; a record that cannot be read is
 * told by @broken (its file's name) and not counted. Errors: -errno of the directory (VFIOMIG_PREFLIGHT).
 */
int vfiomig_journal_list(const char *dir, void (*each)(void *context, const struct vfiomig_journal *journal),
			 void (*broken)(void *context, const char *file), void *context, struct vfiomig_error *err);

enum vfiomig_decision { VFIOMIG_RESUME_SOURCE = 1, VFIOMIG_PROMOTE_DESTINATION = 2 };

/*
 * A person's decision over a session in doubt, written into this side's record: a source that holds its devices obeys
 * it, and a destination answers by it. @journal is the record after that. The caller vouches that the other side is
 * fenced.
 *   -ENOENT (VFIOMIG_PREFLIGHT)  no record of that session
 *   -EBUSY  (VFIOMIG_PREFLIGHT)  a destination that goes on by itself
 *   -EALREADY (VFIOMIG_PREFLIGHT) it is not in doubt: the other side was told otherwise
 *   errnos of the folder, or of a record that cannot be read (VFIOMIG_PREFLIGHT) or written (VFIOMIG_INTERNAL)
 */
int vfiomig_journal_resolve(const char *dir, const uint8_t session[16], enum vfiomig_decision decision,
			    struct vfiomig_journal *journal, struct vfiomig_error *err);

#ifdef __cplusplus
}
#endif
#endif
