/* SPDX-License-Identifier: MIT */
/*
 * Devices with a content that can be told byte from byte, and the state machine of <linux/vfio.h>. Like the most forgiving driver, a
 * device takes a stream that was cut for whole; that nothing runs on it is the session's business, and the simulator remembers.
 */
#include "simulate.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "device/arcs.h"

#define S(state) (1U << VFIOMIG_STATE_##state)

/* The direct arcs of the protocol, from the row's state; written anew here, so that the production table has a judge. */
static const unsigned arcs_p2p[VFIOMIG_STATE_COUNT] = {
	[VFIOMIG_STATE_STOP] = S(RUNNING_P2P) | S(STOP_COPY) | S(RESUMING),
	[VFIOMIG_STATE_RUNNING] = S(RUNNING_P2P) | S(PRE_COPY),
	[VFIOMIG_STATE_STOP_COPY] = S(STOP),
	[VFIOMIG_STATE_RESUMING] = S(STOP),
	[VFIOMIG_STATE_RUNNING_P2P] = S(RUNNING) | S(STOP) | S(PRE_COPY_P2P),
	[VFIOMIG_STATE_PRE_COPY] = S(RUNNING) | S(PRE_COPY_P2P),
	[VFIOMIG_STATE_PRE_COPY_P2P] = S(RUNNING_P2P) | S(PRE_COPY) | S(STOP_COPY),
};

static const unsigned arcs_plain[VFIOMIG_STATE_COUNT] = {
	[VFIOMIG_STATE_STOP] = S(RUNNING) | S(STOP_COPY) | S(RESUMING),
	[VFIOMIG_STATE_RUNNING] = S(STOP) | S(PRE_COPY),
	[VFIOMIG_STATE_STOP_COPY] = S(STOP),
	[VFIOMIG_STATE_RESUMING] = S(STOP),
	[VFIOMIG_STATE_PRE_COPY] = S(RUNNING) | S(STOP_COPY),
};

static bool runs_in(enum vfiomig_state state)
{
	return (S(RUNNING) | S(RUNNING_P2P) | S(PRE_COPY) | S(PRE_COPY_P2P)) & 1U << state;
}

void device_init(struct device *device, bool p2p, bool precopy)
{
	*device = (struct device){ .state = VFIOMIG_STATE_RUNNING,
				   .flags = VFIOMIG_MIGRATION_STOP_COPY | (p2p ? VFIOMIG_MIGRATION_P2P : 0U) |
					    (precopy ? VFIOMIG_MIGRATION_PRE_COPY : 0U) };
}

bool device_runs(const struct device *device)
{
	return !device->gone && runs_in(device->state);
}

/* splitmix64 of the word's place. */
static uint64_t content_word(uint64_t seed, unsigned d, uint64_t word)
{
	uint64_t value = seed * UINT64_C(0xd6e8feb86659fd93) + ((uint64_t)d << 56) + word;

	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint8_t content_byte(uint64_t seed, unsigned d, uint64_t at)
{
	return (uint8_t)(content_word(seed, d, at / 8) >> at % 8 * 8);
}

void content_fill(uint64_t seed, unsigned d, uint64_t at, uint8_t *to, size_t bytes)
{
	size_t i = 0;

	for (; i < bytes && (at + i) % 8; i++)
		to[i] = content_byte(seed, d, at + i);
	for (; i + 8 <= bytes; i += 8) {
		uint64_t word = htole64(content_word(seed, d, (at + i) / 8));

		memcpy(to + i, &word, sizeof(word));
	}
	for (; i < bytes; i++)
		to[i] = content_byte(seed, d, at + i);
}

static bool content_is(uint64_t seed, unsigned d, uint64_t at, const uint8_t *from, size_t bytes)
{
	uint8_t expected[4096];

	for (size_t done = 0; done < bytes;) {
		size_t part = bytes - done < sizeof(expected) ? bytes - done : sizeof(expected);

		content_fill(seed, d, at + done, expected, part);
		if (memcmp(expected, from + done, part) != 0)
			return false;
		done += part;
	}
	return true;
}

static void enter(struct world *world, unsigned side, unsigned d, enum vfiomig_state next)
{
	struct device *device = &world->device[side][d];
	const unsigned *arcs = device->flags & VFIOMIG_MIGRATION_P2P ? arcs_p2p : arcs_plain;

	if (!(arcs[device->state] & 1U << next))
		broken(world, "device %u of the %s goes from %s to %s, which is no arc", d,
		       side_name(&world->side[side]), vfiomig_state_name(device->state), vfiomig_state_name(next));
	if (side == DESTINATION && next == VFIOMIG_STATE_RESUMING) {
		device->resumed = true;
		device->whole = device->config = false;
		device->at = 0;
	}
	if (side == DESTINATION && device->state == VFIOMIG_STATE_RESUMING)
		device->whole = device->config && device->at == world->shape.data_bytes[d];
	if (side == DESTINATION && device->resumed && runs_in(next)) {
		device->ran = true;
		if (!device->whole)
			broken(world, "device %u of the destination runs on a state that is not whole", d);
	}
	device->state = next;
}

/* Walk to @target; the arc number @fail_arc fails (UINT_MAX: none), and leaves the device where it was, or broken. */
int device_walk(struct world *world, unsigned side, unsigned d, enum vfiomig_state target, unsigned fail_arc)
{
	struct device *device = &world->device[side][d];

	for (unsigned arc = 0; device->state != target; arc++) {
		enum vfiomig_state next = arcs_next(device->state, target, device->flags);

		if (next == VFIOMIG_STATE_ERROR)
			return EINVAL;
		if (arc == fail_arc) {
			device->broken = true;
			if (one_in(world, 3))
				device->state = VFIOMIG_STATE_ERROR;
			return EIO;
		}
		enter(world, side, d, next);
	}
	return 0;
}

void device_reset(struct device *device)
{
	device->state = VFIOMIG_STATE_RUNNING;
	device->resumed = device->whole = device->config = false;
	device->at = 0;
}

/* Of the source: what it gives in its present state. */
size_t device_read(struct world *world, unsigned d, uint8_t *to, size_t bytes)
{
	struct device *device = &world->device[SOURCE][d];
	uint64_t end =
		device->state == VFIOMIG_STATE_PRE_COPY ? world->shape.initial_bytes[d] : world->shape.data_bytes[d];
	size_t give = end - device->at < bytes ? (size_t)(end - device->at) : bytes;

	if (device->state != VFIOMIG_STATE_PRE_COPY && device->state != VFIOMIG_STATE_STOP_COPY) {
		broken(world, "device %u of the source is read in %s", d, vfiomig_state_name(device->state));
		return 0;
	}
	content_fill(world->seed, d, device->at, to, give);
	device->at += give;
	return give;
}

void device_write(struct world *world, unsigned d, const uint8_t *from, size_t bytes)
{
	struct device *device = &world->device[DESTINATION][d];

	if (device->state != VFIOMIG_STATE_RESUMING)
		broken(world, "device %u of the destination is written in %s", d, vfiomig_state_name(device->state));
	else if (device->at + bytes > world->shape.data_bytes[d])
		broken(world, "device %u of the destination is given more than its source has", d);
	else if (!content_is(world->seed, d, device->at, from, bytes))
		broken(world,
		       "device %u of the destination is given another content than its source has, within %zu "
		       "bytes from byte %llu on",
		       d, bytes, (unsigned long long)device->at);
	device->at += bytes;
}

void device_config(struct world *world, unsigned d, const uint8_t *from, size_t bytes)
{
	struct device *device = &world->device[DESTINATION][d];

	if (device->state != VFIOMIG_STATE_RESUMING)
		broken(world, "the config state of device %u is loaded in %s", d, vfiomig_state_name(device->state));
	if (device->at != world->shape.data_bytes[d])
		broken(world, "the config state of device %u is loaded before all of its data is", d);
	if (bytes != world->shape.config_bytes[d] || !content_is(world->seed, d + 32, 0, from, bytes))
		broken(world, "device %u of the destination is given another config state than its source has", d);
	if (device->config)
		broken(world, "the config state of device %u is loaded twice", d);
	device->config = true;
}

bool side_runs(const struct world *world, unsigned side)
{
	for (unsigned d = 0; d < world->shape.devices; d++) {
		const struct device *device = &world->device[side][d];

		if (device_runs(device) && (side == SOURCE || device->ran) && (side == SOURCE || device->resumed))
			return true;
	}
	return false;
}

bool destination_ran(const struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (world->device[DESTINATION][d].ran)
			return true;
	return false;
}

bool destination_whole(const struct world *world)
{
	for (unsigned d = 0; d < world->shape.devices; d++)
		if (!world->device[DESTINATION][d].ran || world->device[DESTINATION][d].state != VFIOMIG_STATE_RUNNING)
			return false;
	return true;
}
