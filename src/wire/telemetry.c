/* SPDX-License-Identifier: MIT */
#include "wire/telemetry.h"

#include <errno.h>

#include "wire/cursor.h"

size_t telemetry_encode_measure(uint8_t *out, const struct telemetry_measure *message)
{
	struct cursor_writer to = { out };

	cursor_put64(&to, message->sent_ns);
	cursor_put64(&to, (uint64_t)message->offset_ns);
	return (size_t)(to.at - out);
}

int telemetry_decode_measure(struct telemetry_measure *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->sent_ns = cursor_get64(&from);
	message->offset_ns = (int64_t)cursor_get64(&from);
	return cursor_end(&from);
}

size_t telemetry_encode_measured(uint8_t *out, const struct telemetry_measured *message)
{
	struct cursor_writer to = { out };

	cursor_put64(&to, message->sent_ns);
	cursor_put64(&to, message->clock_ns);
	cursor_put64(&to, message->trial_bytes);
	cursor_put64(&to, message->trial_ns);
	cursor_put16(&to, message->devices);
	for (unsigned d = 0; d < message->devices; d++) {
		cursor_put64(&to, message->rate[d].bytes);
		cursor_put64(&to, message->rate[d].load_ns);
		cursor_put64(&to, message->rate[d].wire_ns);
		cursor_put64(&to, message->rate[d].resuming_ns);
	}
	return (size_t)(to.at - out);
}

int telemetry_decode_measured(struct telemetry_measured *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->sent_ns = cursor_get64(&from);
	message->clock_ns = cursor_get64(&from);
	message->trial_bytes = cursor_get64(&from);
	message->trial_ns = cursor_get64(&from);
	message->devices = cursor_get16(&from);
	if (message->devices < 1 || message->devices > VFIOMIG_DEVICES_MAX)
		return -EPROTO;
	for (unsigned d = 0; d < message->devices; d++) {
		message->rate[d].bytes = cursor_get64(&from);
		message->rate[d].load_ns = cursor_get64(&from);
		message->rate[d].wire_ns = cursor_get64(&from);
		message->rate[d].resuming_ns = cursor_get64(&from);
	}
	return cursor_end(&from);
}

size_t telemetry_encode_clock(uint8_t *out, const struct telemetry_clock *message)
{
	struct cursor_writer to = { out };

	cursor_put64(&to, (uint64_t)message->offset_ns);
	cursor_put64(&to, message->error_ns);
	cursor_put64(&to, message->stop_ns);
	return (size_t)(to.at - out);
}

int telemetry_decode_clock(struct telemetry_clock *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->offset_ns = (int64_t)cursor_get64(&from);
	message->error_ns = cursor_get64(&from);
	message->stop_ns = cursor_get64(&from);
	return cursor_end(&from);
}

/* The numbers behind the spans, in the order in which they travel. */
static uint64_t *number_at(struct telemetry_spans *spans, unsigned i)
{
	uint64_t *const numbers[] = {
		&spans->load_ns,      &spans->wire_ns,	     &spans->read_ns,	   &spans->wait_ns,
		&spans->hand_over_ns, &spans->wire_busy_ns,  &spans->read_busy_ns, &spans->wait_busy_ns,
		&spans->reorder_ns,   &spans->wire_begin_ns, &spans->wire_end_ns,
	};

	return i < sizeof(numbers) / sizeof(numbers[0]) ? numbers[i] : NULL;
}

size_t telemetry_encode_spans(uint8_t *out, const struct telemetry_spans *message)
{
	struct telemetry_spans copy = *message;
	struct cursor_writer to = { out };

	cursor_put16(&to, message->number);
	for (unsigned i = 0; i < TELEMETRY_SPANS; i++) {
		cursor_put64(&to, message->span[i].begin_ns);
		cursor_put64(&to, message->span[i].end_ns);
		cursor_put64(&to, message->span[i].busy_ns);
	}
	for (unsigned i = 0; number_at(&copy, i); i++)
		cursor_put64(&to, *number_at(&copy, i));
	return (size_t)(to.at - out);
}

int telemetry_decode_spans(struct telemetry_spans *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->number = cursor_get16(&from);
	for (unsigned i = 0; i < TELEMETRY_SPANS; i++) {
		message->span[i].begin_ns = cursor_get64(&from);
		message->span[i].end_ns = cursor_get64(&from);
		message->span[i].busy_ns = cursor_get64(&from);
		if (message->span[i].end_ns < message->span[i].begin_ns)
			return -EPROTO;
	}
	for (unsigned i = 0; number_at(message, i); i++)
		*number_at(message, i) = cursor_get64(&from);
	return message->number < VFIOMIG_DEVICES_MAX ? cursor_end(&from) : -EPROTO;
}
