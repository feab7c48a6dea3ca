/* SPDX-License-Identifier: MIT */
/*
 * A recording is believed only as far as its checksums reach: a length is used when the head that bears it is sound and it
 * lies within the file, and no offset comes from the file itself.
 */
#include "device/recording_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { VERIFY_BYTES = 256 << 10 };

static int damaged(const struct recording *recording, uint64_t at, const char *what, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_PREFLIGHT, EBADMSG, "recording-damaged",
			 "the recording %.200s is damaged at offset %" PRIu64 ": %s", recording->path, at, what);
}

/* All of @bytes at @at. -EBADMSG: the file ends before. */
static int read_at(const struct recording *recording, uint64_t at, void *to, size_t bytes, struct vfiomig_error *err)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got = pread(recording->fd, (char *)to + done, bytes - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_set(err, VFIOMIG_PREFLIGHT, errno, "recording-read",
					 "the recording %.200s cannot be read at offset %" PRIu64 ": %s",
					 recording->path, at + done, strerror(errno));
		if (!got)
			return damaged(recording, at + done, "it ends there, too early", err);
		done += (size_t)got;
	}
	return 0;
}

static int open_file(struct recording *recording, struct vfiomig_error *err)
{
	struct stat is;

	recording->fd = open(recording->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang */
	if (recording->fd < 0 || fstat(recording->fd, &is))
		return error_set(err, VFIOMIG_PREFLIGHT, errno == ENOENT ? ENODEV : errno, "recording-read",
				 "the recording %.200s cannot be opened: %s", recording->path, strerror(errno));
	if (!S_ISREG(is.st_mode))
		return error_set(err, VFIOMIG_PREFLIGHT, S_ISDIR(is.st_mode) ? EISDIR : ENOTSUP, "recording-read",
				 "the recording %.200s is no regular file", recording->path);
	recording->bytes = (uint64_t)is.st_size;
	return 0;
}

static int read_header(struct recording *recording, struct vfiomig_error *err)
{
	uint8_t bytes[RECORDING_HEADER_BYTES];
	const char *wrong;
	uint32_t version;
	int rc = read_at(recording, 0, bytes, RECORDING_PREAMBLE_BYTES, err);

	if (rc)
		return rc;
	wrong = recording_preamble_decode(bytes, &version);
	if (wrong)
		return damaged(recording, 0, wrong, err);
	if (version != RECORDING_VERSION)
		return error_set(err, VFIOMIG_PREFLIGHT, EPROTONOSUPPORT, "recording-version",
				 "the recording %.200s is of version %" PRIu32 ", and only %d can be read",
				 recording->path, version, RECORDING_VERSION);
	rc = read_at(recording, 0, bytes, sizeof(bytes), err);
	if (rc)
		return rc;
	wrong = recording_header_decode(bytes, &recording->header);
	return wrong ? damaged(recording, 0, wrong, err) : 0;
}

int recording_open(struct recording *recording, const char *path, struct vfiomig_error *err)
{
	int rc;

	*recording = (struct recording){ .fd = -1, .path = strdup(path) };
	if (!recording->path)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	recording_tally_init(&recording->tally);
	rc = open_file(recording, err);
	if (!rc)
		rc = read_header(recording, err);
	if (rc)
		recording_close(recording);
	return rc;
}

void recording_close(struct recording *recording)
{
	if (recording->fd >= 0)
		close(recording->fd);
	free(recording->path);
	*recording = (struct recording){ .fd = -1 };
}

void recording_rewind(struct recording_cursor *cursor, const struct recording *recording)
{
	*cursor = (struct recording_cursor){ .recording = recording, .next_at = RECORDING_HEADER_BYTES };
}

int recording_next(struct recording_cursor *cursor, struct vfiomig_error *err)
{
	const struct recording *recording = cursor->recording;
	uint64_t at = cursor->next_at, payload_at = at + RECORDING_HEAD_BYTES;
	const char *wrong;
	bool over;
	int rc = read_at(recording, at, cursor->head, sizeof(cursor->head), err);

	if (rc)
		return rc;
	wrong = recording_head_decode(cursor->head, &cursor->packet, &cursor->payload_crc, &over);
	if (wrong)
		return damaged(recording, at, wrong, err);
	if (over)
		return 0;
	if (cursor->packet.index != cursor->next_index)
		return damaged(recording, at, "the packet's index is not the next one", err);
	if (payload_at > recording->bytes || cursor->packet.bytes > recording->bytes - payload_at)
		return damaged(recording, recording->bytes, "it ends there, too early", err);
	cursor->packet_at = at;
	cursor->next_at = payload_at + cursor->packet.bytes;
	cursor->next_index++;
	cursor->left = cursor->packet.bytes;
	cursor->crc = 0;
	return 1;
}

ssize_t recording_read(struct recording_cursor *cursor, void *to, size_t bytes, struct vfiomig_error *err)
{
	size_t piece = bytes < cursor->left ? bytes : cursor->left;
	int rc = read_at(cursor->recording, cursor->next_at - cursor->left, to, piece, err);

	if (rc)
		return rc;
	cursor->crc = recording_crc(cursor->crc, to, piece);
	cursor->left -= (uint32_t)piece;
	if (piece && !cursor->left && cursor->crc != cursor->payload_crc)
		return damaged(cursor->recording, cursor->packet_at, "the packet's payload is not what it was", err);
	return (ssize_t)piece;
}

int recording_seek(struct recording_cursor *cursor, const struct recording *recording, uint64_t index,
		   struct vfiomig_error *err)
{
	const struct recording_index *known = &recording->tally.index;
	int rc = 1;

	if (index >= recording->tally.summary.packets)
		return error_set(err, VFIOMIG_USAGE, ERANGE, "recording-range",
				 "the recording %.200s has no packet %" PRIu64, recording->path, index);
	recording_rewind(cursor, recording);
	cursor->next_index = index - index % known->stride;
	cursor->next_at = known->at[index / known->stride];
	while (rc > 0 && cursor->next_index < index)
		rc = recording_next(cursor, err);
	return rc < 0 ? rc : 0;
}

/* Is what stands @at in the file @expected? */
static int compare(const struct recording *recording, uint64_t at, const uint8_t *expected, size_t bytes,
		   const char *what, struct vfiomig_error *err)
{
	uint8_t found[RECORDING_INDEX_BYTES_MAX];
	int rc = read_at(recording, at, found, bytes, err);

	for (size_t i = 0; i < bytes && !rc; i++)
		if (found[i] != expected[i])
			rc = damaged(recording, at + i, what, err);
	return rc;
}

/* Index and end follow from the packets. */
static int verify_end(struct recording *recording, uint64_t at, struct vfiomig_error *err)
{
	uint8_t index[RECORDING_INDEX_BYTES_MAX], end[RECORDING_END_BYTES];
	struct recording_tally *tally = &recording->tally;
	size_t index_bytes = recording_index_encode(index, &tally->index);
	int rc;

	if (!tally->complete)
		return damaged(recording, at, "the config packet is missing", err);
	tally->summary.file_bytes += index_bytes + RECORDING_END_BYTES;
	recording_end_encode(end, &tally->summary);
	rc = compare(recording, at, index, index_bytes, "the index is not that of the packets", err);
	if (!rc)
		rc = compare(recording, at + index_bytes, end, sizeof(end), "the sums are not those of the packets",
			     err);
	if (!rc && recording->bytes != tally->summary.file_bytes)
		rc = damaged(recording, tally->summary.file_bytes, "it goes on after its end", err);
	return rc;
}

static int verify_packet(struct recording *recording, struct recording_cursor *cursor, uint8_t *buffer,
			 struct vfiomig_error *err)
{
	const char *objection = recording_tally_objection(&recording->tally, &cursor->packet);
	ssize_t got = 1;

	if (objection)
		return damaged(recording, cursor->packet_at, objection, err);
	while (got > 0)
		got = recording_read(cursor, buffer, VERIFY_BYTES, err);
	if (!got)
		recording_tally_add(&recording->tally, &cursor->packet, cursor->packet_at, cursor->head);
	return (int)got;
}

int recording_verify(struct recording *recording, struct vfiomig_error *err)
{
	struct recording_cursor cursor;
	uint8_t *buffer = malloc(VERIFY_BYTES);
	int rc;

	if (!buffer)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	recording_rewind(&cursor, recording);
	recording_tally_init(&recording->tally);
	while ((rc = recording_next(&cursor, err)) > 0) {
		rc = verify_packet(recording, &cursor, buffer, err);
		if (rc)
			break;
	}
	free(buffer);
	return rc ? rc : verify_end(recording, cursor.next_at, err);
}
