/* SPDX-License-Identifier: MIT */
#include "wire/journal.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "wire/crc32c.h"
#include "wire/cursor.h"

#define JOURNAL_MAGIC UINT32_C(0x76666d6a)

enum { CRC_BYTES = 4, VERSION_AT = 4 };

static const char *const names[] = {
	[VFIOMIG_JOURNAL_NONE] = "none",	   [VFIOMIG_JOURNAL_PREPARED] = "PREPARED",
	[VFIOMIG_JOURNAL_COMMITTED] = "COMMITTED", [VFIOMIG_JOURNAL_RUNNING] = "RUNNING",
	[VFIOMIG_JOURNAL_ABORTED] = "ABORTED",	   [VFIOMIG_JOURNAL_DONE] = "DONE",
	[VFIOMIG_JOURNAL_RETIRED] = "RETIRED",
};

const char *journal_state_name(unsigned state)
{
	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

size_t journal_encode(uint8_t *out, const struct vfiomig_journal *journal)
{
	struct cursor_writer to = { out };

	cursor_put32(&to, JOURNAL_MAGIC);
	cursor_put16(&to, JOURNAL_VERSION);
	cursor_put8(&to, journal->role);
	cursor_put8(&to, journal->state);
	cursor_put8(&to, journal->degraded);
	cursor_put8(&to, 0);
	cursor_put16(&to, journal->devices);
	cursor_put_bytes(&to, journal->session, sizeof(journal->session));
	cursor_put64(&to, journal->time_ns);
	cursor_put32(&to, journal->hold_ms);
	cursor_put32(&to, journal->pid);
	cursor_put64(&to, journal->pid_start);
	cursor_put_bytes(&to, journal->peer, sizeof(journal->peer));
	for (unsigned d = 0; d < journal->devices; d++) {
		cursor_put_bytes(&to, journal->device[d].name, sizeof(journal->device[d].name));
		cursor_put_bytes(&to, journal->device[d].spec, sizeof(journal->device[d].spec));
	}
	cursor_put32(&to, crc32c(0, out, (size_t)(to.at - out)));
	return (size_t)(to.at - out);
}

/* Before anything is believed: is it all there, and as it was written? */
static int check(const uint8_t *in, size_t bytes)
{
	if (bytes < JOURNAL_HEAD_BYTES + CRC_BYTES)
		return -EBADMSG;
	if (get_be32(in) != JOURNAL_MAGIC)
		return -EPROTO;
	if (get_be16(in + VERSION_AT) != JOURNAL_VERSION)
		return -EPROTONOSUPPORT;
	return crc32c(0, in, bytes - CRC_BYTES) == get_be32(in + bytes - CRC_BYTES) ? 0 : -EBADMSG;
}

int journal_decode(struct vfiomig_journal *journal, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in + VERSION_AT + 2, bytes - VERSION_AT - 2 - CRC_BYTES, false };
	uint8_t role, state, degraded, zero;
	int rc = check(in, bytes);

	if (rc)
		return rc;
	memset(journal, 0, sizeof(*journal));
	journal->size = sizeof(*journal);
	role = cursor_get8(&from);
	state = cursor_get8(&from);
	degraded = cursor_get8(&from);
	zero = cursor_get8(&from);
	journal->devices = cursor_get16(&from);
	if ((role != VFIOMIG_SOURCE && role != VFIOMIG_DESTINATION) || state < VFIOMIG_JOURNAL_PREPARED ||
	    state > VFIOMIG_JOURNAL_RETIRED || degraded > 1 || zero || journal->devices > VFIOMIG_DEVICES_MAX)
		return -EPROTO;
	journal->role = (enum vfiomig_role)role;
	journal->state = (enum vfiomig_journal_state)state;
	journal->degraded = degraded;
	cursor_get_bytes(&from, journal->session, sizeof(journal->session));
	journal->time_ns = cursor_get64(&from);
	journal->hold_ms = cursor_get32(&from);
	journal->pid = cursor_get32(&from);
	journal->pid_start = cursor_get64(&from);
	cursor_get_string(&from, journal->peer, sizeof(journal->peer));
	for (unsigned d = 0; d < journal->devices; d++) {
		cursor_get_string(&from, journal->device[d].name, sizeof(journal->device[d].name));
		cursor_get_string(&from, journal->device[d].spec, sizeof(journal->device[d].spec));
	}
	return cursor_end(&from);
}
