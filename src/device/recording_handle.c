/* SPDX-License-Identifier: MIT */
/* The public face of a recording: verified once, then read from front to back. */
#include <vfiomig/recording.h>

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "device/recording_reader.h"

/* Used by one thread at a time. */
struct vfiomig_recording {
	struct recording recording; /* verified */
	struct recording_cursor cursor;
	uint64_t stream_at; /* where in the stream the next packet begins */
};

int vfiomig_recording_open(struct vfiomig_recording **out, const char *path, struct vfiomig_error *err)
{
	struct vfiomig_recording *recording = calloc(1, sizeof(*recording));
	int rc;

	*out = NULL;
	if (!recording)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a recording");
	recording->recording.fd = -1;
	rc = recording_open(&recording->recording, path, err);
	if (!rc)
		rc = recording_verify(&recording->recording, err);
	if (rc) {
		vfiomig_recording_close(recording);
		return rc;
	}
	vfiomig_recording_rewind(recording);
	*out = recording;
	return 0;
}

const struct vfiomig_device_info *vfiomig_recording_info(const struct vfiomig_recording *recording)
{
	return &recording->recording.header.info;
}

const char *vfiomig_recording_name(const struct vfiomig_recording *recording)
{
	return recording->recording.header.name;
}

struct vfiomig_recording_totals vfiomig_recording_totals(const struct vfiomig_recording *recording)
{
	const struct recording_summary *summary = &recording->recording.tally.summary;

	return (struct vfiomig_recording_totals){
		.packets = summary->packets,
		.bytes = summary->bytes,
		.precopy_bytes = summary->precopy_bytes,
		.config_bytes = summary->config_bytes,
		.digest = summary->digest,
		.file_bytes = summary->file_bytes,
	};
}

void vfiomig_recording_rewind(struct vfiomig_recording *recording)
{
	recording_rewind(&recording->cursor, &recording->recording);
	recording->stream_at = 0;
}

int vfiomig_recording_next(struct vfiomig_recording *recording, struct vfiomig_recording_packet *packet,
			   struct vfiomig_error *err)
{
	const struct recording_cursor *cursor = &recording->cursor;
	int rc = recording_next(&recording->cursor, err);

	if (rc <= 0)
		return rc;
	*packet = (struct vfiomig_recording_packet){
		.index = cursor->packet.index,
		.stream_at = recording->stream_at,
		.file_at = cursor->packet_at,
		.bytes = cursor->packet.bytes,
		.crc = cursor->payload_crc,
		.precopy = !(cursor->packet.flags & (RECORDING_STOP_COPY | RECORDING_CONFIG_STATE)),
		.config = cursor->packet.flags & RECORDING_CONFIG_STATE,
	};
	recording->stream_at += packet->bytes;
	return 1;
}

ssize_t vfiomig_recording_read(struct vfiomig_recording *recording, void *to, size_t bytes, struct vfiomig_error *err)
{
	return recording_read(&recording->cursor, to, bytes, err);
}

void vfiomig_recording_close(struct vfiomig_recording *recording)
{
	if (!recording)
		return;
	recording_close(&recording->recording);
	free(recording);
}
