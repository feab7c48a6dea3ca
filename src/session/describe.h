/* SPDX-License-Identifier: MIT */
/*
 * A session at one moment, copied out under its locks, and the lines that say what it does and waits for. The text is made from the copy
 * alone: no thread of the session waits for whoever prints it, and a test makes any moment by hand.
 */
#ifndef SESSION_DESCRIBE_H
#define SESSION_DESCRIBE_H

#include <stdbool.h>
#include <stdint.h>

#include <vfiomig/session.h>

#include "core/core.h"
#include "core/flow.h"
#include "session/session_device.h"

enum { DESCRIBE_LABEL_BYTES = 128 };

/* A packet that a lane was given and has not sent. */
struct describe_packet {
	unsigned device;
	uint64_t index;
};

struct describe_lane {
	enum flow_lane_state state;
	unsigned outstanding;
	unsigned shown; /* of .packet */
	struct describe_packet packet[FLOW_OUTSTANDING_MAX];
	uint64_t packets, bytes;
	uint64_t moved_ns; /* 0: never */
};

struct describe_device {
	char label[DESCRIBE_LABEL_BYTES];
	enum vfiomig_state state; /* as last reported */
	uint64_t asked_ns;	  /* when it was last asked for something */
	uint64_t call_ns;	  /* when its call into the driver began; 0: it is in none */
	bool abandoned;		  /* that call was given up */
	enum session_await awaits;
	uint64_t awaits_ns;
	uint64_t packets, bytes; /* source: filled; destination: arrived */
	uint64_t loaded;	 /* packets, at the destination; a source knows it by the credit */
	bool gap;		 /* destination: later packets have come, and packet .loaded has not */
};

struct describe {
	bool started, ended;
	bool open; /* arena and flow stand: lanes, and the devices' packets, say something */
	enum vfiomig_role role;
	uint8_t id[16];
	const char *transport; /* "rdma", "tcp", "file"; "": not decided */
	unsigned lanes, devices;
	unsigned rails; /* 0: none were named */
	char rail[VFIOMIG_RAILS_MAX][VFIOMIG_RAIL_TEXT_BYTES];
	uint32_t slots;
	size_t slot_bytes;
	unsigned events;	  /* that wait for the control thread */
	uint64_t control_turn_ns; /* 0: not yet */
	unsigned fabric_doing;	  /* enum fabric_request, or 0 */
	uint64_t fabric_doing_ns;
	bool lent;			      /* a loader polls the lanes */
	struct core core;		      /* a copy; only with .started */
	unsigned number[VFIOMIG_DEVICES_MAX]; /* on the wire, by .device; only with .numbered */
	bool numbered;
	struct describe_device device[VFIOMIG_DEVICES_MAX];
	struct describe_lane lane[VFIOMIG_LANES_MAX];
};

/* @line is called with each line. */
void describe_print(const struct describe *now, uint64_t now_ns, void (*line)(void *context, const char *text),
		    void *context);

#endif
