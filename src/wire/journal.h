/* SPDX-License-Identifier: MIT */
/*
 * The record of a session in its journal: encode and decode, no I/O. It is read by whoever comes after a process that died, perhaps of
 * another version, so it bears its own magic, version and checksum.
 *
 *   be32 magic · be16 version · be8 role · be8 state · be8 degraded · be8 0 · be16 devices · session[16] · be64 time ns ·
 *   be32 hold ms · be32 pid · be64 start of that process · peer[80] · devices × (name[32] spec[128]) · be32 CRC32C of all before
 */
#ifndef WIRE_JOURNAL_H
#define WIRE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/journal.h>

enum {
	JOURNAL_VERSION = 1,
	JOURNAL_HEAD_BYTES = 4 + 2 + 4 + 2 + 16 + 8 + 4 + 4 + 8 + 80,
	JOURNAL_DEVICE_BYTES = 32 + 128,
	JOURNAL_BYTES_MAX = JOURNAL_HEAD_BYTES + VFIOMIG_DEVICES_MAX * JOURNAL_DEVICE_BYTES + 4,
};

/* "PREPARED", ...; "?" for no state. */
const char *journal_state_name(unsigned state);

/* Writes at most JOURNAL_BYTES_MAX to @out and returns the bytes. journal->held and ->size are not part of it. */
size_t journal_encode(uint8_t *out, const struct vfiomig_journal *journal);

/*
 * Fills @journal, held is false. -EBADMSG: cut short, or its checksum is wrong; -EPROTO: no record of a journal, or a field is out of
 * range; -EPROTONOSUPPORT: of another version.
 */
int journal_decode(struct vfiomig_journal *journal, const uint8_t *in, size_t bytes);

#endif
