/* SPDX-License-Identifier: MIT */
#include "fuzz_messages.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "wire/message.h"
#include "wire/telemetry.h"

/* What the rest of the house counts on once a message has decoded. */

static bool ends(const char *text, size_t bytes)
{
	return memchr(text, 0, bytes) != NULL;
}

static bool fair_offer(const struct message_offer *m)
{
	return m->devices >= 1 && m->devices <= VFIOMIG_DEVICES_MAX && m->lanes >= 1 && m->lanes <= VFIOMIG_LANES_MAX &&
	       m->slots >= VFIOMIG_SLOTS_MIN && m->slots <= VFIOMIG_SLOTS_MAX &&
	       m->slot_bytes >= VFIOMIG_SLOT_BYTES_MIN && m->slot_bytes <= VFIOMIG_SLOT_BYTES_MAX &&
	       m->payload <= VFIOMIG_PAYLOAD_AEAD && m->rails <= VFIOMIG_RAILS_MAX;
}

static bool fair_device(const struct message_device *m)
{
	return m->number < VFIOMIG_DEVICES_MAX && m->gate <= VFIOMIG_GATE_OFF && ends(m->name, sizeof(m->name)) &&
	       ends(m->info.driver, sizeof(m->info.driver)) && ends(m->info.firmware, sizeof(m->info.firmware)) &&
	       ends(m->info.psid, sizeof(m->info.psid)) && m->info.config_bytes <= sizeof(m->info.config);
}

static bool fair_agreed(const struct message_agreed *m)
{
	return m->lanes >= 1 && m->lanes <= VFIOMIG_LANES_MAX && m->slots >= VFIOMIG_SLOTS_MIN &&
	       m->slots <= VFIOMIG_SLOTS_MAX && m->slot_bytes >= VFIOMIG_SLOT_BYTES_MIN &&
	       m->slot_bytes <= VFIOMIG_SLOT_BYTES_MAX && ends(m->reason, sizeof(m->reason)) &&
	       (m->transport == VFIOMIG_TRANSPORT_RDMA || m->transport == VFIOMIG_TRANSPORT_TCP);
}

static bool fair_stream_end(const struct message_stream_end *m)
{
	return m->number < VFIOMIG_DEVICES_MAX && m->packets > 0;
}

static bool fair_failure(const struct message_failure *m)
{
	return m->error.code <= VFIOMIG_DEGRADED && m->error.errnum >= 0 && m->error.errnum <= 4095 &&
	       ends(m->error.name, sizeof(m->error.name)) && ends(m->error.text, sizeof(m->error.text));
}

static bool fair_measured(const struct telemetry_measured *m)
{
	return m->devices <= VFIOMIG_DEVICES_MAX;
}

static bool fair_spans(const struct telemetry_spans *m)
{
	return m->number < VFIOMIG_DEVICES_MAX;
}

static bool fair_answer(const struct message_answer *m)
{
	return m->state <= VFIOMIG_JOURNAL_RETIRED;
}

static bool fair_lane(const struct message_lane *m)
{
	return m->lane < VFIOMIG_LANES_MAX;
}

static bool fair_fenced(const struct message_fenced *m)
{
	for (uint32_t i = m->slots; i < VFIOMIG_SLOTS_MAX; i++)
		if (message_here(m, i))
			return false;
	return m->lane < VFIOMIG_LANES_MAX && m->number < VFIOMIG_DEVICES_MAX && m->slots >= VFIOMIG_SLOTS_MIN &&
	       m->slots <= VFIOMIG_SLOTS_MAX;
}

/* Those whose fields may be anything. */
#define fair_ready(m)	true
#define fair_measure(m) true
#define fair_clock(m)	true

/*
 * Strings lose what a peer hid behind their ends, so the bytes need not be the same as those that came; but the second
 * encoding must be the same as the first, and as long as the body was.
 */
#define CHECKER(name, prefix, type)                                                                   \
	static int check_##name(const uint8_t *body, size_t bytes)                                    \
	{                                                                                             \
		static uint8_t once[MESSAGE_BYTES_MAX], twice[MESSAGE_BYTES_MAX];                     \
		static struct type message;                                                           \
		int rc = prefix##_decode_##name(&message, body, bytes);                               \
                                                                                                      \
		if (rc) {                                                                             \
			FUZZ_CHECK(rc == -EPROTO);                                                    \
			return rc;                                                                    \
		}                                                                                     \
		FUZZ_CHECK(fair_##name(&message));                                                    \
		FUZZ_CHECK(prefix##_encode_##name(once, &message) == bytes && bytes <= sizeof(once)); \
		FUZZ_CHECK(prefix##_decode_##name(&message, once, bytes) == 0);                       \
		FUZZ_CHECK(prefix##_encode_##name(twice, &message) == bytes);                         \
		FUZZ_CHECK(!memcmp(once, twice, bytes));                                              \
		return 0;                                                                             \
	}

CHECKER(offer, message, message_offer)
CHECKER(device, message, message_device)
CHECKER(agreed, message, message_agreed)
CHECKER(ready, message, message_ready)
CHECKER(stream_end, message, message_stream_end)
CHECKER(failure, message, message_failure)
CHECKER(measure, telemetry, telemetry_measure)
CHECKER(measured, telemetry, telemetry_measured)
CHECKER(clock, telemetry, telemetry_clock)
CHECKER(spans, telemetry, telemetry_spans)
CHECKER(answer, message, message_answer)
CHECKER(lane, message, message_lane)
CHECKER(fenced, message, message_fenced)

static int (*const checks[MESSAGE_TYPES])(const uint8_t *body, size_t bytes) = {
	[MESSAGE_OFFER] = check_offer,	    [MESSAGE_DEVICE] = check_device,
	[MESSAGE_AGREED] = check_agreed,    [MESSAGE_READY] = check_ready,
	[MESSAGE_SWITCHOVER] = check_clock, [MESSAGE_STREAM_END] = check_stream_end,
	[MESSAGE_DONE] = check_failure,	    [MESSAGE_ABORT] = check_failure,
	[MESSAGE_MEASURE] = check_measure,  [MESSAGE_MEASURED] = check_measured,
	[MESSAGE_SPANS] = check_spans,	    [MESSAGE_ANSWER] = check_answer,
	[MESSAGE_FENCE] = check_lane,	    [MESSAGE_FENCED] = check_fenced,
	[MESSAGE_LANE_LOST] = check_lane,
};

int fuzz_message(unsigned type, const uint8_t *body, uint32_t bytes)
{
	uint8_t *copy;
	int rc;

	FUZZ_CHECK(type < MESSAGE_TYPES && message_name(type)[0] != '?');
	if (!checks[type]) {
		FUZZ_CHECK(bytes == 0);
		return 0;
	}
	copy = malloc(bytes ? bytes : 1);
	FUZZ_CHECK(copy);
	if (bytes > 0)
		memcpy(copy, body, bytes);
	rc = checks[type](copy, bytes);
	free(copy);
	return rc;
}
