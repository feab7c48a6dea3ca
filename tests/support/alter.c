/* SPDX-License-Identifier: MIT */
/*
 * alter IN OUT stream|config AT XOR: a copy of the recording IN whose byte AT, of the stream or of the config state, has other bits.
 * It is a sound recording of another state, which turning a byte of the file would not make.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vfiomig/recording.h>

#include "device/recording.h"

static void check(int rc, const struct vfiomig_error *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "alter: %s\n", err->text);
	exit(1);
}

static void copy(struct vfiomig_recording *from, struct recorder *to, int config, uint64_t at, uint8_t bits,
		 struct vfiomig_error *err)
{
	struct vfiomig_recording_packet packet;
	int rc, altered = 0;

	while ((rc = vfiomig_recording_next(from, &packet, err)) > 0) {
		struct recording_packet out = { packet.index,
						(packet.precopy ? 0 : RECORDING_STOP_COPY) |
							(packet.config ? RECORDING_CONFIG_STATE : 0),
						packet.bytes };
		uint64_t begin = config ? 0 : packet.stream_at;
		uint8_t *payload = malloc(packet.bytes + 1);

		check((int)vfiomig_recording_read(from, payload, packet.bytes, err), err);
		if (packet.config == config && at >= begin && at - begin < packet.bytes) {
			payload[at - begin] ^= bits;
			altered++;
		}
		check(recorder_put(to, &out, payload, err), err);
		free(payload);
	}
	check(rc, err);
	if (altered == 1)
		return;
	fprintf(stderr, "alter: there is no such byte\n");
	exit(1);
}

int main(int argc, char **argv)
{
	struct vfiomig_recording *from;
	struct vfiomig_error err = { 0 };
	struct recorder *to;

	if (argc != 6 || (strcmp(argv[3], "stream") && strcmp(argv[3], "config"))) {
		fprintf(stderr, "usage: alter IN OUT stream|config AT XOR\n");
		return 2;
	}
	check(vfiomig_recording_open(&from, argv[1], &err), &err);
	check(recorder_open(&to, argv[2], vfiomig_recording_info(from), vfiomig_recording_name(from), &err), &err);
	copy(from, to, !strcmp(argv[3], "config"), strtoull(argv[4], NULL, 0), (uint8_t)strtoul(argv[5], NULL, 0),
	     &err);
	check(recorder_finish(to, &err), &err);
	recorder_close(to);
	vfiomig_recording_close(from);
	return 0;
}
