/* SPDX-License-Identifier: MIT */
/*
 * Messages that decide nothing: clocks, rates and spans, for the estimate before a stop and the budget after it. Times are
 * each side's own CLOCK_MONOTONIC, in ns.
 */
#ifndef WIRE_TELEMETRY_H
#define WIRE_TELEMETRY_H

#include <stddef.h>
#include <stdint.h>

#include <vfiomig/device.h>

/* MEASURE: source: tell your clock, and what you have seen so far. */
struct telemetry_measure {
	uint64_t sent_ns;  /* comes back */
	int64_t offset_ns; /* the destination's clock less the source's, as far as it is known; 0 in the first one */
};

/* What the destination has seen of one device so far. */
struct telemetry_rate {
	uint64_t bytes;	      /* loaded */
	uint64_t load_ns;     /* it took to check and write them */
	uint64_t wire_ns;     /* in which some packet of it was under way */
	uint64_t resuming_ns; /* its transition to RESUMING took */
};

/* MEASURED: destination. */
struct telemetry_measured {
	uint64_t sent_ns;		/* of the MEASURE */
	uint64_t clock_ns;		/* when it was answered */
	uint64_t trial_bytes, trial_ns; /* of the lanes' trial: what came after its first message, and in which time */
	uint16_t devices;
	struct telemetry_rate rate[VFIOMIG_DEVICES_MAX];
};

/* SWITCHOVER: source: what it takes the destination's clock for. */
struct telemetry_clock {
	int64_t offset_ns; /* the destination's clock less the source's */
	uint64_t error_ns; /* the offset is right within this */
	uint64_t stop_ns;  /* when the first device was stopped, on the source's clock */
};

/* One span on the destination's clock. Zero begin: it did not happen. */
struct telemetry_span {
	uint64_t begin_ns, end_ns, busy_ns;
};

enum telemetry_at {
	TELEMETRY_STREAM, /* first STOP_COPY packet awaited .. config packet taken in; busy: load */
	TELEMETRY_CONFIG,
	TELEMETRY_FINISH,
	TELEMETRY_RUN_P2P,
	TELEMETRY_RUN,
	TELEMETRY_SPANS
};

/* SPANS: destination, one per device, after DONE. */
struct telemetry_spans {
	uint16_t number; /* the source's */
	struct telemetry_span span[TELEMETRY_SPANS];
	/* Within the stream: each instant is load, else wire, else read, else slot wait, else hand-over (core/account.h). */
	uint64_t load_ns, wire_ns, read_ns, wait_ns, hand_over_ns;
	/* How long each stage was busy in it, whatever the others did. */
	uint64_t wire_busy_ns, read_busy_ns, wait_busy_ns, reorder_ns;
	/* When the wire was first and last busy. */
	uint64_t wire_begin_ns, wire_end_ns;
};

/* As in wire/message.h: at most MESSAGE_BYTES_MAX are written, and -EPROTO is said of a body that is not as long as it must be. */
size_t telemetry_encode_measure(uint8_t *out, const struct telemetry_measure *message);
size_t telemetry_encode_measured(uint8_t *out, const struct telemetry_measured *message);
size_t telemetry_encode_clock(uint8_t *out, const struct telemetry_clock *message);
size_t telemetry_encode_spans(uint8_t *out, const struct telemetry_spans *message);
int telemetry_decode_measure(struct telemetry_measure *message, const uint8_t *in, size_t bytes);
int telemetry_decode_measured(struct telemetry_measured *message, const uint8_t *in, size_t bytes);
int telemetry_decode_clock(struct telemetry_clock *message, const uint8_t *in, size_t bytes);
int telemetry_decode_spans(struct telemetry_spans *message, const uint8_t *in, size_t bytes);

enum {
	TELEMETRY_MEASURE_BYTES = 2 * 8,
	TELEMETRY_MEASURED_BYTES_MAX = 4 * 8 + 2 + VFIOMIG_DEVICES_MAX * 4 * 8,
	TELEMETRY_CLOCK_BYTES = 3 * 8,
	TELEMETRY_SPANS_BYTES = 2 + TELEMETRY_SPANS * 3 * 8 + 11 * 8,
};

#endif
