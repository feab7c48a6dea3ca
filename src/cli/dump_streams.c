/* SPDX-License-Identifier: MIT */
/* Two streams side by side: as bytes, since how a stream is cut into packets is free, and as packets. */
#include <stdlib.h>
#include <string.h>

#include "dump_compare.h"

enum { PIECE_BYTES = 65536 };

/* A place in one of the streams. */
struct walk {
	struct vfiomig_recording *recording;
	struct vfiomig_recording_packet packet;
	bool in_packet, ended;
	size_t have, done; /* bytes of piece: read, and compared */
	uint8_t piece[PIECE_BYTES];
};

/* More bytes to compare, or the stream's end. 0, or a negative errno. */
static int fill(struct walk *walk, struct vfiomig_error *err)
{
	while (!walk->ended && walk->done == walk->have) {
		ssize_t got = 0;
		int rc = 1;

		if (walk->in_packet)
			got = vfiomig_recording_read(walk->recording, walk->piece, PIECE_BYTES, err);
		if (got < 0)
			return (int)got;
		walk->have = (size_t)got;
		walk->done = 0;
		walk->in_packet = got > 0;
		if (!got)
			rc = vfiomig_recording_next(walk->recording, &walk->packet, err);
		if (rc < 0)
			return rc;
		walk->ended = !rc || walk->packet.config;
		walk->in_packet = !walk->ended;
	}
	return 0;
}

static void note(struct dump_stream *stream, uint64_t at, const struct walk *a, const struct walk *b)
{
	if (stream->differ)
		return;
	stream->differ = true;
	stream->first_at = at;
	stream->packet[0] = a->packet.index;
	stream->packet[1] = b->packet.index;
}

static void compare_pieces(struct dump_stream *stream, uint64_t at, const struct walk *a, const struct walk *b,
			   size_t bytes)
{
	const uint8_t *left = a->piece + a->done, *right = b->piece + b->done;

	if (!memcmp(left, right, bytes))
		return;
	for (size_t i = 0; i < bytes; i++)
		if (left[i] != right[i]) {
			note(stream, at + i, a, b);
			stream->differing++;
		}
}

static enum vfiomig_code compare_bytes(struct dump_stream *stream, struct walk *a, struct walk *b,
				       struct vfiomig_error *err)
{
	uint64_t at = 0;

	while (!fill(a, err) && !fill(b, err) && !a->ended && !b->ended) {
		size_t left = a->have - a->done, right = b->have - b->done, bytes = left < right ? left : right;

		compare_pieces(stream, at, a, b, bytes);
		a->done += bytes;
		b->done += bytes;
		at += bytes;
	}
	if (!err->code && a->ended != b->ended)
		note(stream, at, a, b);
	return err->code;
}

static bool same_packet(const struct vfiomig_recording_packet *a, const struct vfiomig_recording_packet *b)
{
	return a->bytes == b->bytes && a->crc == b->crc && a->precopy == b->precopy && a->config == b->config;
}

static enum vfiomig_code compare_packets(struct dump_packets *packets, struct dump_file files[2],
					 struct vfiomig_error *err)
{
	struct vfiomig_recording_packet a = { 0 }, b = { 0 };
	int more_a = 1, more_b = 1;

	packets->cut_alike = true;
	for (uint64_t index = 0;; index++) {
		if (more_a > 0)
			more_a = vfiomig_recording_next(files[0].recording, &a, err);
		if (more_b > 0)
			more_b = vfiomig_recording_next(files[1].recording, &b, err);
		if (err->code || (!more_a && !more_b))
			return err->code;
		packets->count[0] += (uint64_t)more_a;
		packets->count[1] += (uint64_t)more_b;
		if (more_a != more_b || a.bytes != b.bytes)
			packets->cut_alike = false;
		if (more_a && more_b && same_packet(&a, &b))
			continue;
		packets->differing++;
		if (packets->names < DUMP_PACKETS_NAMED)
			packets->named[packets->names++] = index;
	}
}

enum vfiomig_code dump_compare_streams(struct dump_comparison *comparison, struct dump_file files[2],
				       struct vfiomig_error *err)
{
	struct walk *walks = calloc(2, sizeof(*walks));
	enum vfiomig_code code;

	comparison->lost = comparison->lost || !walks;
	if (!walks)
		return VFIOMIG_OK;
	for (unsigned i = 0; i < 2; i++) {
		vfiomig_recording_rewind(files[i].recording);
		walks[i].recording = files[i].recording;
		comparison->stream.bytes[i] = vfiomig_recording_totals(files[i].recording).bytes;
	}
	code = compare_bytes(&comparison->stream, &walks[0], &walks[1], err);
	free(walks);
	for (unsigned i = 0; i < 2; i++)
		vfiomig_recording_rewind(files[i].recording);
	return code ? code : compare_packets(&comparison->packets, files, err);
}
