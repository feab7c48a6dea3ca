/* SPDX-License-Identifier: MIT */
#include "fuzz_messages.h"

#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "wire/message.h"
#include "wire/telemetry.h"

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

static int (*const checks[MESSAGE_TYPES])(const uint8_t *body, size_t bytes) = {
	[MESSAGE_OFFER] = check_offer,	    [MESSAGE_DEVICE] = check_device,
	[MESSAGE_AGREED] = check_agreed,    [MESSAGE_READY] = check_ready,
	[MESSAGE_SWITCHOVER] = check_clock, [MESSAGE_STREAM_END] = check_stream_end,
	[MESSAGE_DONE] = check_failure,	    [MESSAGE_ABORT] = check_failure,
	[MESSAGE_MEASURE] = check_measure,  [MESSAGE_MEASURED] = check_measured,
	[MESSAGE_SPANS] = check_spans,
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
