/* SPDX-License-Identifier: MIT */
/*
 * A core in few bytes: all that decides what it does next, with every time and every number replaced by what was made of
 * it, so that equal bytes are equal states.
 */
#ifndef SUPPORT_CORE_FROZEN_H
#define SUPPORT_CORE_FROZEN_H

#include <stdint.h>
#include <string.h>

#include "support/core_witness.h"

struct frozen {
	uint32_t facts;
	uint8_t phase, devices, outcome;
	uint8_t peer_gone, peer_knows, ran, overtaken, gate_timed, token_wrong;
	uint8_t step[WITNESS_DEVICES], busy[WITNESS_DEVICES], touched[WITNESS_DEVICES], failed[WITNESS_DEVICES];
	uint8_t ended[WITNESS_DEVICES], counted[WITNESS_DEVICES], manifest_wrong[WITNESS_DEVICES];
	uint8_t lane_lost, stopped;
	uint8_t stuck[WITNESS_DEVICES];
};

/* The one stream of these walks, and what may be said of it: truly, too low for what has come (2 packets), too high. */
enum { TOKEN_RIGHT = 3, TOKEN_TOO_FEW = 1, TOKEN_TOO_MANY = 5 };

static const struct stream_counts stream_right = { .packets = 4, .bytes = 104, .config_bytes = 4, .digest = 7 };
static const struct stream_counts stream_wrong = { .packets = 4, .bytes = 104, .config_bytes = 4, .digest = 8 };

static inline struct token token_of(uint64_t packets)
{
	return (struct token){ .devices = 2, .count = { { packets, 100 }, { packets, 100 } } };
}

static inline void freeze(struct frozen *frozen, const struct core *core)
{
	memset(frozen, 0, sizeof(*frozen));
	frozen->facts = core->facts;
	frozen->phase = (uint8_t)core->phase;
	frozen->devices = (uint8_t)core->devices;
	frozen->outcome = (uint8_t)core->outcome.code;
	if (core->outcome.code >= VFIOMIG_INTERNAL && core->outcome.code <= VFIOMIG_CANCELLED)
		frozen->outcome = VFIOMIG_FABRIC; /* which failure it was decides nothing */
	frozen->peer_gone = core->peer_gone;
	frozen->peer_knows = core->peer_knows;
	frozen->ran = core->ran;
	frozen->overtaken = core->overtaken;
	frozen->gate_timed = core->gate_ns != 0;
	frozen->lane_lost = core->lane_lost_ns != 0;
	frozen->stopped = core->stop_ns != 0;
	frozen->token_wrong = core->facts & FACT_TOKEN && core->token.count[0].packets != TOKEN_RIGHT;
	for (unsigned d = 0; d < WITNESS_DEVICES; d++) {
		const struct core_device *device = &core->device[d];

		frozen->step[d] = device->step;
		frozen->busy[d] = (uint8_t)device->busy;
		frozen->touched[d] = device->touched;
		frozen->failed[d] = device->failed;
		frozen->stuck[d] = device->stuck;
		frozen->ended[d] = device->ended;
		frozen->counted[d] = device->counted;
		frozen->manifest_wrong[d] = device->ended && device->manifest.digest != stream_right.digest;
	}
}

static inline void thaw(struct core *core, const struct core *blank, const struct frozen *frozen,
			const struct witness *witness, uint64_t since)
{
	*core = *blank;
	core->facts = frozen->facts;
	core->phase = (enum core_phase)frozen->phase;
	core->devices = frozen->devices;
	core->outcome.code = (enum vfiomig_code)frozen->outcome;
	core->peer_gone = frozen->peer_gone;
	core->peer_knows = frozen->peer_knows;
	core->ran = frozen->ran;
	core->overtaken = frozen->overtaken;
	core->gate_ns = frozen->gate_timed ? since : 0;
	core->lane_lost_ns = frozen->lane_lost ? since : 0;
	core->stop_ns = frozen->stopped ? since : 0;
	core->lane_lost.code = VFIOMIG_FABRIC;
	core->token = token_of(frozen->token_wrong ? TOKEN_TOO_MANY : TOKEN_RIGHT);
	for (unsigned d = 0; d < WITNESS_DEVICES; d++) {
		struct core_device *device = &core->device[d];

		device->p2p = witness->p2p >> d & 1;
		device->gated = witness->gated >> d & 1;
		device->precopy = witness->precopy >> d & 1;
		device->step = frozen->step[d];
		device->busy = (enum device_request)frozen->busy[d];
		device->touched = frozen->touched[d];
		device->failed = frozen->failed[d];
		device->stuck = frozen->stuck[d];
		device->ended = frozen->ended[d];
		device->counted = frozen->counted[d];
		device->counts = stream_right;
		device->manifest = frozen->manifest_wrong[d] ? stream_wrong : stream_right;
	}
}

#endif
