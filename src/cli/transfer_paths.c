/* SPDX-License-Identifier: MIT */
/* See transfer_paths.h. */
#include "transfer_paths.h"

#include <string.h>

#include "options.h"

const char *transfer_rail_remote(const char *rail)
{
	const char *equals = strchr(rail, '=');

	return equals ? equals + 1 : rail;
}

/* NULL, or what is wrong with one end of a rail, of that length: whether it can be reached is the session's to say. */
static const char *end_wrong(const char *end, size_t length)
{
	static const char *const ported = "a rail has no port of its own: it is that of --to or --listen";
	const char *colon = memchr(end, ':', length), *bracket = memchr(end, ']', length);

	if (!length)
		return "an address is missing";
	if (end[0] == '[')
		return !bracket ? "the bracket is not closed" : bracket + 1 != end + length ? ported : NULL;
	/* HOST:PORT has one colon, an IPv6 address two at least. */
	if (colon && !memchr(colon + 1, ':', length - (size_t)(colon + 1 - end)))
		return ported;
	return NULL;
}

static const char *rail_wrong(const char *rail)
{
	const char *remote = transfer_rail_remote(rail), *wrong = NULL;

	if (strchr(remote, '='))
		return "it has two ends, LOCAL=REMOTE";
	if (remote != rail)
		wrong = end_wrong(rail, (size_t)(remote - rail) - 1);
	return wrong ? wrong : end_wrong(remote, strlen(remote));
}

void transfer_add_rail(struct argp_state *state, struct transfer_options *transfer, const char *arg)
{
	const char *wrong = rail_wrong(arg);
	unsigned i = 0;

	if (wrong)
		argp_error(state, "--rail %s: %s", arg, wrong);
	while (i < VFIOMIG_RAILS_MAX && transfer->rail[i])
		i++;
	if (i == VFIOMIG_RAILS_MAX)
		argp_error(state, "--rail %s: there are at most %d rails", arg, VFIOMIG_RAILS_MAX);
	transfer->rail[i] = arg;
}

void transfer_take_numa_node(struct argp_state *state, struct transfer_options *transfer, const char *arg)
{
	uint64_t node = 0;

	if (!strcmp(arg, "auto"))
		transfer->numa = VFIOMIG_NUMA_AUTO;
	else if (!strcmp(arg, "off"))
		transfer->numa = VFIOMIG_NUMA_OFF;
	else if (option_read_number(arg, &node) || node > 1023)
		argp_error(state, "--numa-node %s: a node's number, auto or off is needed", arg);
	else
		transfer->numa = VFIOMIG_NUMA_NODE;
	transfer->numa_node = (int)node;
}

void transfer_lose_lane(struct argp_state *state, struct transfer_options *transfer, const char *arg)
{
	const char *at = strchr(arg, '@');
	uint64_t lane = 0, bytes = 0;
	char number[8] = "";

	if (at && at - arg < (ptrdiff_t)sizeof(number))
		memcpy(number, arg, (size_t)(at - arg));
	if (option_read_number(at ? number : arg, &lane) || lane >= VFIOMIG_LANES_MAX ||
	    (at && option_read_number(at + 1, &bytes)) || bytes == UINT64_MAX)
		argp_error(state, "--lose-lane %s: a lane from 0 to %d is needed, and bytes after an @", arg,
			   VFIOMIG_LANES_MAX - 1);
	else
		transfer->lose_after[lane] = bytes + 1;
}
