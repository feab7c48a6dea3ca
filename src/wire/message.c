/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include <errno.h>
#include <string.h>

#include "wire/cursor.h"
#include "wire/telemetry.h"

enum {
	OFFER_BYTES = 2 + 2 + 4 + 8 + 7 + 1 + VFIOMIG_RAILS_MAX * MESSAGE_ADDRESS_BYTES,
	INFO_FIXED_BYTES = 32 + 4 * 2 + 4 + 4 + 64 + 32 + 8 + 4,
	DEVICE_BYTES_MAX = 2 + 1 + 32 + INFO_FIXED_BYTES + VFIOMIG_CONFIG_BYTES_MAX,
	AGREED_BYTES = 2 + 4 + 8 + 1 + 8 + 1 + 160,
	READY_BYTES = 8 + 4 * VFIOMIG_RAILS_MAX,
	STREAM_END_BYTES = 2 + 8 + 8 + 4,
	FAILURE_BYTES = 4 + 4 + 32 + 512,
	LANE_BYTES = 2,
	FENCED_BYTES_MAX = 2 + 2 + 1 + 8 + 4 + MESSAGE_HERE_BYTES_MAX,
};

_Static_assert((int)DEVICE_BYTES_MAX <= (int)MESSAGE_BYTES_MAX, "a device's manifest fits");
_Static_assert((int)FENCED_BYTES_MAX <= (int)MESSAGE_BYTES_MAX, "what came of a device fits");
_Static_assert((int)TELEMETRY_MEASURED_BYTES_MAX <= (int)MESSAGE_BYTES_MAX, "all devices' rates fit");

static const struct {
	const char *name;
	uint32_t bytes_max;
} messages[MESSAGE_TYPES] = {
	[MESSAGE_OFFER] = { "OFFER", OFFER_BYTES },
	[MESSAGE_DEVICE] = { "DEVICE", DEVICE_BYTES_MAX },
	[MESSAGE_AGREED] = { "AGREED", AGREED_BYTES },
	[MESSAGE_READY] = { "READY", READY_BYTES },
	[MESSAGE_LANES_READY] = { "LANES_READY", 0 },
	[MESSAGE_SWITCHOVER] = { "SWITCHOVER", TELEMETRY_CLOCK_BYTES },
	[MESSAGE_STREAM_END] = { "STREAM_END", STREAM_END_BYTES },
	[MESSAGE_PREPARED] = { "PREPARED", 0 },
	[MESSAGE_COMMIT] = { "COMMIT", 0 },
	[MESSAGE_DONE] = { "DONE", FAILURE_BYTES },
	[MESSAGE_ABORT] = { "ABORT", FAILURE_BYTES },
	[MESSAGE_HEARTBEAT] = { "HEARTBEAT", 0 },
	[MESSAGE_MEASURE] = { "MEASURE", TELEMETRY_MEASURE_BYTES },
	[MESSAGE_MEASURED] = { "MEASURED", TELEMETRY_MEASURED_BYTES_MAX },
	[MESSAGE_SPANS] = { "SPANS", TELEMETRY_SPANS_BYTES },
	[MESSAGE_QUERY] = { "QUERY", 0 },
	[MESSAGE_ANSWER] = { "ANSWER", MESSAGE_ANSWER_BYTES },
	[MESSAGE_FENCE] = { "FENCE", LANE_BYTES },
	[MESSAGE_FENCED] = { "FENCED", FENCED_BYTES_MAX },
	[MESSAGE_LANE_LOST] = { "LANE_LOST", LANE_BYTES },
};

const char *message_name(unsigned type)
{
	return type < MESSAGE_TYPES && messages[type].name ? messages[type].name : "?";
}

uint32_t message_bytes_max(uint16_t type)
{
	return type < MESSAGE_TYPES && messages[type].name ? messages[type].bytes_max : UINT32_MAX;
}

size_t message_encode_offer(uint8_t *out, const struct message_offer *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->devices);
	cursor_put16(&to, message->lanes);
	cursor_put32(&to, message->slots);
	cursor_put64(&to, message->slot_bytes);
	cursor_put8(&to, message->gate);
	cursor_put8(&to, message->integrity);
	cursor_put8(&to, message->transports);
	cursor_put8(&to, message->arch);
	cursor_put8(&to, message->gate_default);
	cursor_put8(&to, message->payload);
	cursor_put8(&to, message->external_commit);
	cursor_put8(&to, message->rails);
	cursor_put_bytes(&to, message->rail, sizeof(message->rail));
	return (size_t)(to.at - out);
}

/* As many addresses as are said to be there, and nothing behind them. */
static bool rails_fit(const struct message_offer *message)
{
	static const uint8_t none[MESSAGE_ADDRESS_BYTES];

	if (message->rails > VFIOMIG_RAILS_MAX)
		return false;
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX; i++)
		if ((memcmp(message->rail[i], none, sizeof(none)) != 0) != (i < message->rails))
			return false;
	return true;
}

int message_decode_offer(struct message_offer *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };
	uint8_t gate_default, external_commit;

	message->devices = cursor_get16(&from);
	message->lanes = cursor_get16(&from);
	message->slots = cursor_get32(&from);
	message->slot_bytes = cursor_get64(&from);
	message->gate = cursor_get8(&from);
	message->integrity = cursor_get8(&from);
	message->transports = cursor_get8(&from);
	message->arch = cursor_get8(&from);
	gate_default = cursor_get8(&from);
	message->gate_default = gate_default == 1;
	message->payload = cursor_get8(&from);
	external_commit = cursor_get8(&from);
	message->external_commit = external_commit == 1;
	message->rails = cursor_get8(&from);
	cursor_get_bytes(&from, message->rail, sizeof(message->rail));
	if (message->devices < 1 || message->devices > VFIOMIG_DEVICES_MAX || message->lanes < 1 ||
	    message->lanes > VFIOMIG_LANES_MAX || message->slots < VFIOMIG_SLOTS_MIN ||
	    message->slots > VFIOMIG_SLOTS_MAX || message->slot_bytes < VFIOMIG_SLOT_BYTES_MIN ||
	    message->slot_bytes > VFIOMIG_SLOT_BYTES_MAX || message->gate > VFIOMIG_GATE_OFF ||
	    message->integrity > VFIOMIG_INTEGRITY_NONE || message->payload > VFIOMIG_PAYLOAD_AEAD ||
	    gate_default > 1 || external_commit > 1 || !rails_fit(message))
		return -EPROTO;
	return cursor_end(&from);
}

static void put_info(struct cursor_writer *to, const struct vfiomig_device_info *info)
{
	cursor_put_bytes(to, info->driver, sizeof(info->driver));
	cursor_put16(to, info->vendor);
	cursor_put16(to, info->device);
	cursor_put16(to, info->subsystem_vendor);
	cursor_put16(to, info->subsystem_device);
	cursor_put32(to, info->class_revision);
	cursor_put32(to, info->migration_flags);
	cursor_put_bytes(to, info->firmware, sizeof(info->firmware));
	cursor_put_bytes(to, info->psid, sizeof(info->psid));
	cursor_put64(to, info->expected_bytes);
	cursor_put32(to, info->config_bytes);
	cursor_put_bytes(to, info->config, info->config_bytes);
}

static int get_info(struct cursor_reader *from, struct vfiomig_device_info *info)
{
	memset(info, 0, sizeof(*info));
	info->numa_node = -1; /* the source's nodes mean nothing here */
	cursor_get_string(from, info->driver, sizeof(info->driver));
	info->vendor = cursor_get16(from);
	info->device = cursor_get16(from);
	info->subsystem_vendor = cursor_get16(from);
	info->subsystem_device = cursor_get16(from);
	info->class_revision = cursor_get32(from);
	info->migration_flags = cursor_get32(from);
	cursor_get_string(from, info->firmware, sizeof(info->firmware));
	cursor_get_string(from, info->psid, sizeof(info->psid));
	info->expected_bytes = cursor_get64(from);
	info->config_bytes = cursor_get32(from);
	if (info->config_bytes > sizeof(info->config))
		return -EPROTO;
	cursor_get_bytes(from, info->config, info->config_bytes);
	return 0;
}

size_t message_encode_device(uint8_t *out, const struct message_device *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->number);
	cursor_put8(&to, message->gate);
	cursor_put_bytes(&to, message->name, sizeof(message->name));
	put_info(&to, &message->info);
	return (size_t)(to.at - out);
}

int message_decode_device(struct message_device *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->number = cursor_get16(&from);
	message->gate = cursor_get8(&from);
	cursor_get_string(&from, message->name, sizeof(message->name));
	if (get_info(&from, &message->info) || message->number >= VFIOMIG_DEVICES_MAX ||
	    message->gate > VFIOMIG_GATE_OFF)
		return -EPROTO;
	return cursor_end(&from);
}

size_t message_encode_agreed(uint8_t *out, const struct message_agreed *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->lanes);
	cursor_put32(&to, message->slots);
	cursor_put64(&to, message->slot_bytes);
	cursor_put8(&to, message->transport);
	cursor_put64(&to, message->gated);
	cursor_put8(&to, message->sealed);
	cursor_put_bytes(&to, message->reason, sizeof(message->reason));
	return (size_t)(to.at - out);
}

int message_decode_agreed(struct message_agreed *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };
	uint8_t sealed;

	message->lanes = cursor_get16(&from);
	message->slots = cursor_get32(&from);
	message->slot_bytes = cursor_get64(&from);
	message->transport = cursor_get8(&from);
	message->gated = cursor_get64(&from);
	sealed = cursor_get8(&from);
	message->sealed = sealed == 1;
	cursor_get_string(&from, message->reason, sizeof(message->reason));
	if (message->lanes < 1 || message->lanes > VFIOMIG_LANES_MAX || message->slots < VFIOMIG_SLOTS_MIN ||
	    message->slots > VFIOMIG_SLOTS_MAX || message->slot_bytes < VFIOMIG_SLOT_BYTES_MIN ||
	    message->slot_bytes > VFIOMIG_SLOT_BYTES_MAX ||
	    (message->transport != VFIOMIG_TRANSPORT_RDMA && message->transport != VFIOMIG_TRANSPORT_TCP) || sealed > 1)
		return -EPROTO;
	return cursor_end(&from);
}

size_t message_encode_ready(uint8_t *out, const struct message_ready *message)
{
	struct cursor_writer to = { out };

	cursor_put64(&to, message->base);
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX; i++)
		cursor_put32(&to, message->rkey[i]);
	return (size_t)(to.at - out);
}

int message_decode_ready(struct message_ready *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->base = cursor_get64(&from);
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX; i++)
		message->rkey[i] = cursor_get32(&from);
	return cursor_end(&from);
}

size_t message_encode_stream_end(uint8_t *out, const struct message_stream_end *message)
{
	struct cursor_writer to = { out };

	cursor_put16(&to, message->number);
	cursor_put64(&to, message->packets);
	cursor_put64(&to, message->bytes);
	cursor_put32(&to, message->digest);
	return (size_t)(to.at - out);
}

int message_decode_stream_end(struct message_stream_end *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };

	message->number = cursor_get16(&from);
	message->packets = cursor_get64(&from);
	message->bytes = cursor_get64(&from);
	message->digest = cursor_get32(&from);
	/* There is always a config packet. */
	if (message->number >= VFIOMIG_DEVICES_MAX || message->packets == 0)
		return -EPROTO;
	return cursor_end(&from);
}

size_t message_encode_failure(uint8_t *out, const struct message_failure *message)
{
	struct cursor_writer to = { out };

	cursor_put32(&to, (uint32_t)message->error.code);
	cursor_put32(&to, (uint32_t)message->error.errnum);
	cursor_put_bytes(&to, message->error.name, sizeof(message->error.name));
	cursor_put_bytes(&to, message->error.text, sizeof(message->error.text));
	return (size_t)(to.at - out);
}

int message_decode_failure(struct message_failure *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };
	uint32_t code = cursor_get32(&from);
	uint32_t errnum = cursor_get32(&from);

	cursor_get_string(&from, message->error.name, sizeof(message->error.name));
	cursor_get_string(&from, message->error.text, sizeof(message->error.text));
	if (code > VFIOMIG_DEGRADED || errnum > 4095)
		return -EPROTO;
	message->error.code = (enum vfiomig_code)code;
	message->error.errnum = (int)errnum;
	return cursor_end(&from);
}

size_t message_encode_answer(uint8_t *out, const struct message_answer *message)
{
	struct cursor_writer to = { out };

	cursor_put8(&to, message->state);
	cursor_put8(&to, message->held);
	cursor_put8(&to, message->degraded);
	return (size_t)(to.at - out);
}

int message_decode_answer(struct message_answer *message, const uint8_t *in, size_t bytes)
{
	struct cursor_reader from = { in, bytes, false };
	uint8_t held, degraded;

	message->state = cursor_get8(&from);
	held = cursor_get8(&from);
	degraded = cursor_get8(&from);
	if (message->state > VFIOMIG_JOURNAL_RETIRED || held > 1 || degraded > 1)
		return -EPROTO;
	message->held = held;
	message->degraded = degraded;
	return cursor_end(&from);
}
