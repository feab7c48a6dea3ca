/* SPDX-License-Identifier: MIT */
/*
 * The VMM whose devices are migrated, as far as it speaks to this program: on one descriptor it says that its part is
 * done ("my iterables are out" at the source, "my platform is loaded" at the destination), which a gated config load
 * waits for.
 */
#ifndef CLI_VMM_H
#define CLI_VMM_H

#include <argp.h>
#include <stdbool.h>

#include <vfiomig/vfiomig.h>

struct vmm {
	bool there; /* false: there is none, and nothing waits for one */
	int fd;	    /* the caller's; readable once the word is given. -1: nobody needs to listen */
};

/* The option's name without dashes, by role, and what it says there. */
const char *vmm_option(enum vfiomig_role role);

/*
 * Take @text, the argument of that option: the number of an open eventfd or of the reading end of a pipe. Ends the program with a
 * sentence if it is no such thing; for that it must be looked at before this program opens descriptors of its own.
 */
void vmm_parse(struct vmm *vmm, enum vfiomig_role role, struct argp_state *state, const char *text);

/*
 * What poll(2) found at the descriptor: @revents. It is only looked at, never read: a word once given holds until the VMM
 * takes it back by reading it. Returns whether it still is to be polled; a pipe whose writer went away in silence is said
 * as a warning after @label.
 */
bool vmm_hear(enum vfiomig_role role, short revents, struct vfiomig_session *session, const char *label);

/* The help of the two options. */
#define VMM_HELP_FD " (an eventfd, or the reading end of a pipe; it is not read). Gated config loads wait for it"

#endif
