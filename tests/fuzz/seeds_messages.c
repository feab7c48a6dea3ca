/* SPDX-License-Identifier: MIT */
/* The seeds of control_frame: a byte for the length of the pieces, a preface left out, then frames. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control/frame.h"
#include "seeds.h"
#include "wire/message.h"
#include "wire/telemetry.h"

enum { FRAMES_BYTES_MAX = 16384 };

static uint8_t all[FRAMES_BYTES_MAX] = { 5 };
static size_t all_bytes = 1;

static void seed_frame(const char *name, enum message_type type, const uint8_t *body, size_t bytes)
{
	static uint8_t seed[1 + FRAME_HEAD_BYTES + MESSAGE_BYTES_MAX];
	struct frame_head head = { .bytes = (uint32_t)bytes, .version = WIRE_VERSION, .type = (uint16_t)type };

	seed[0] = 255;
	frame_head_encode(seed + 1, &head);
	memcpy(seed + 1 + FRAME_HEAD_BYTES, body, bytes);
	seed_write("control_frame", name, seed, 1 + FRAME_HEAD_BYTES + bytes);
	memcpy(all + all_bytes, seed + 1, FRAME_HEAD_BYTES + bytes);
	all_bytes += FRAME_HEAD_BYTES + bytes;
}

static void seed_agreement(uint8_t *body)
{
	struct message_offer offer = { .devices = 2, .lanes = 4, .slots = 16, .slot_bytes = 1 << 20, .transports = 6 };
	struct message_device device = { .number = 1, .name = "nic-0", .info = { .driver = "mlx5_vfio_pci" } };
	struct message_agreed agreed = { .lanes = 4, .slots = 16, .slot_bytes = 1 << 20, .reason = "asked for" };
	struct message_ready ready = { .base = UINT64_C(0x7f0012345000), .rkey = { 0x1234 } };

	offer.gate_default = true;
	offer.rails = 1;
	offer.rail[0][0] = 0xfd;
	device.info.vendor = 0x15b3;
	device.info.migration_flags = 7;
	device.info.config_bytes = 256;
	agreed.transport = VFIOMIG_TRANSPORT_TCP;
	seed_frame("offer", MESSAGE_OFFER, body, message_encode_offer(body, &offer));
	seed_frame("device", MESSAGE_DEVICE, body, message_encode_device(body, &device));
	seed_frame("agreed", MESSAGE_AGREED, body, message_encode_agreed(body, &agreed));
	seed_frame("ready", MESSAGE_READY, body, message_encode_ready(body, &ready));
	seed_frame("lanes-ready", MESSAGE_LANES_READY, body, 0);
}

static void seed_end(uint8_t *body)
{
	struct message_stream_end end = { .number = 1, .packets = 65, .bytes = 64 << 20, .digest = 0x1234567 };
	struct message_failure failure = {
		.error = { .code = VFIOMIG_DEVICE, .errnum = 5, .name = "eio", .text = "device 'nic-0': it broke" }
	};

	seed_frame("stream-end", MESSAGE_STREAM_END, body, message_encode_stream_end(body, &end));
	seed_frame("prepared", MESSAGE_PREPARED, body, 0);
	seed_frame("commit", MESSAGE_COMMIT, body, 0);
	seed_frame("heartbeat", MESSAGE_HEARTBEAT, body, 0);
	seed_frame("done", MESSAGE_DONE, body, message_encode_failure(body, &failure));
	seed_frame("abort", MESSAGE_ABORT, body, message_encode_failure(body, &failure));
}

static void seed_telemetry(uint8_t *body)
{
	struct telemetry_measure measure = { .sent_ns = 123456789, .offset_ns = -5000 };
	struct telemetry_measured measured = { .sent_ns = 123456789, .clock_ns = 987654321, .devices = 2 };
	struct telemetry_clock clock = { .offset_ns = -5000, .error_ns = 300, .stop_ns = 123456999 };
	struct telemetry_spans spans = { .number = 1, .span = { { 1, 2, 3 } }, .load_ns = 9 };

	measured.rate[1].bytes = 1 << 30;
	seed_frame("measure", MESSAGE_MEASURE, body, telemetry_encode_measure(body, &measure));
	seed_frame("measured", MESSAGE_MEASURED, body, telemetry_encode_measured(body, &measured));
	seed_frame("switchover", MESSAGE_SWITCHOVER, body, telemetry_encode_clock(body, &clock));
	seed_frame("spans", MESSAGE_SPANS, body, telemetry_encode_spans(body, &spans));
}

static void seed_failover(uint8_t *body)
{
	static struct message_fenced fenced = { .lane = 3, .number = 1, .token = true, .loaded = 40, .slots = 13 };
	struct message_lane lane = { .lane = 3 };

	fenced.here[0] = 0x52;
	fenced.here[1] = 0x11;
	seed_frame("lane-lost", MESSAGE_LANE_LOST, body, message_encode_lane(body, &lane));
	seed_frame("fence", MESSAGE_FENCE, body, message_encode_lane(body, &lane));
	seed_frame("fenced", MESSAGE_FENCED, body, message_encode_fenced(body, &fenced));
}

void seed_messages(void)
{
	static uint8_t body[MESSAGE_BYTES_MAX];

	seed_agreement(body);
	seed_telemetry(body);
	seed_failover(body);
	seed_end(body);
	seed_write("control_frame", "all", all, all_bytes);
}
