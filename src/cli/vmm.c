/* SPDX-License-Identifier: MIT */
/* See vmm.h. */
#include "vmm.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>

#include "options.h"
#include "terminal.h"

static const struct {
	const char *option;
	const char *word; /* what is never heard when the writer goes away */
	void (*tell)(struct vfiomig_session *session);
} words[] = {
	[VFIOMIG_SOURCE] = { "iterables-done-fd", "that the VMM's iterables are out", vfiomig_session_iterables_done },
	[VFIOMIG_DESTINATION] = { "platform-ready-fd", "that the VMM's platform is ready",
				  vfiomig_session_platform_ready },
};

const char *vmm_option(enum vfiomig_role role)
{
	return words[role].option;
}

/* Files and most devices are readable at any time, so they say nothing. An eventfd is of no type at all. */
static bool can_say(const struct stat *status, int flags)
{
	return (S_ISFIFO(status->st_mode) || !(status->st_mode & S_IFMT)) && (flags & O_ACCMODE) != O_WRONLY;
}

void vmm_parse(struct vmm *vmm, enum vfiomig_role role, struct argp_state *state, const char *text)
{
	struct stat status;
	uint64_t number = 0;

	if (option_read_number(text, &number) || number > INT_MAX)
		argp_error(state, "--%s %s: the number of an open descriptor is needed", vmm_option(role), text);
	if (fstat((int)number, &status))
		argp_error(state, "--%s %s: that descriptor is not open here", vmm_option(role), text);
	if (!can_say(&status, fcntl((int)number, F_GETFL)))
		argp_error(state, "--%s %s: it takes an eventfd or the reading end of a pipe", vmm_option(role), text);
	*vmm = (struct vmm){ .there = true, .fd = (int)number };
}

bool vmm_hear(enum vfiomig_role role, short revents, struct vfiomig_session *session, const char *label)
{
	if (!revents)
		return true;
	if (revents & POLLIN)
		words[role].tell(session);
	else
		terminal_log(TERMINAL_WARNING, "%s--%s: its writer went away in silence, so nobody can say any more %s",
			     label, words[role].option, words[role].word);
	return false;
}
