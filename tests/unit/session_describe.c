/* SPDX-License-Identifier: MIT */
/* What the description says of moments made by hand: which fact, device, slot or packet is waited for, and since when. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

#include "base/clock.h"
#include "core/core_table.h"
#include "session/describe.h"
#include "session/session.h"

TestSuite(session_describe, .timeout = 60);

static struct describe view;
static char said[1 << 17];
static unsigned lines;

static void keep(void *context, const char *text)
{
	(void)context;
	cr_assert(!strchr(text, '\n'), "%s", text);
	strncat(said, text, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
	lines++;
}

static void print(void)
{
	*said = 0;
	lines = 0;
	describe_print(&view, 100 * NS_PER_S, keep, NULL);
}

static void says(const char *what)
{
	cr_assert(strstr(said, what), "'%s' is not in:\n%s", what, said);
}

static void says_not(const char *what)
{
	cr_assert(!strstr(said, what), "'%s' is in:\n%s", what, said);
}

/* A session in @phase since 98.5 s, with two lanes and one device of which packets have come or gone. */
static void begin(enum vfiomig_role role, enum core_phase phase)
{
	struct core_config config = { .role = role, .peer_timeout_ns = NS_PER_S };

	view = (struct describe){ .started = true,
				  .open = true,
				  .numbered = true,
				  .role = role,
				  .transport = "tcp",
				  .lanes = 2,
				  .devices = 1,
				  .slots = 4,
				  .slot_bytes = 65536 };
	core_init(&view.core, &config, 99 * NS_PER_S);
	core_set_devices(&view.core, 1);
	core_set_lanes(&view.core, 2);
	view.core.phase = phase;
	view.core.phase_ns = 98 * NS_PER_S + 500 * NS_PER_MS;
	snprintf(view.device[0].label, sizeof(view.device[0].label), "net0");
	view.device[0].state = VFIOMIG_STATE_RUNNING;
}

Test(session_describe, names_the_facts_and_the_devices_that_a_phase_waits_for)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	print();
	says("control: STREAM for 1.500 s; waits for the VMM's iterables, device 'net0'; peer heard 1.000 s ago");
	view.core.facts |= FACT_ITERABLES_DONE;
	view.core.device[0].step = view.core.phases[PHASE_STREAM].through;
	print();
	says("control: STREAM for 1.500 s; peer heard");
	says_not("waits for the VMM");
}

Test(session_describe, names_every_fact_that_any_phase_of_either_side_needs)
{
	for (unsigned phase = PHASE_CONNECT; phase < PHASE_COUNT; phase++) {
		begin(VFIOMIG_SOURCE, PHASE_CONNECT);
		view.core.phase = (enum core_phase)phase;
		if (view.core.phases[phase].name) {
			print();
			says_not("something unnamed");
		}
		begin(VFIOMIG_DESTINATION, PHASE_CONNECT);
		view.core.phase = (enum core_phase)phase;
		if (view.core.phases[phase].name) {
			print();
			says_not("something unnamed");
		}
	}
}

Test(session_describe, tells_a_wait_for_a_slot_from_one_for_the_driver)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	view.core.device[0].busy = REQUEST_READ;
	view.device[0].asked_ns = 99 * NS_PER_S;
	view.device[0].awaits = AWAIT_SLOT;
	view.device[0].awaits_ns = 99 * NS_PER_S + 750 * NS_PER_MS;
	view.device[0].packets = 7;
	view.device[0].loaded = 3;
	print();
	says("device 'net0' (0): RUNNING; read of its state for 1.000 s; waits for a free slot for 0.250 s; 7 packets");
	says("credit 3, 4 of 4 slots in use");
	view.device[0].call_ns = 99 * NS_PER_S + 900 * NS_PER_MS;
	print();
	says("in a call to the driver for 0.100 s");
	says_not("waits for a free slot");
}

Test(session_describe, says_that_a_device_is_stuck_and_nothing_else_of_it)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	view.core.device[0].busy = REQUEST_STOP_COPY;
	view.device[0].abandoned = true;
	view.device[0].awaits = AWAIT_SLOT;
	print();
	says("device 'net0' (0): RUNNING; stuck: its call was given up");
	says_not("waits for a free slot");
}

Test(session_describe, says_what_keeps_the_gate_shut)
{
	begin(VFIOMIG_DESTINATION, PHASE_STREAM);
	view.core.device[0].gated = true;
	view.core.device[0].step = 3; /* checked, resuming, loaded */
	print();
	says("its load of its config state is next; waits for the VMM's platform, the token (the gate)");
	view.core.facts |= FACT_TOKEN;
	print();
	says("waits for the VMM's platform (the gate)");
	view.core.facts |= FACT_PLATFORM_READY;
	print();
	says_not("the gate");
}

Test(session_describe, names_the_packet_that_holds_up_those_behind_it)
{
	begin(VFIOMIG_DESTINATION, PHASE_STREAM);
	view.device[0].packets = 5;
	view.device[0].loaded = 3;
	print();
	says("5 packets, 0 bytes arrived; 3 loaded");
	says_not("missing");
	view.device[0].gap = true;
	print();
	says("3 loaded, packet 3 is missing");
}

Test(session_describe, says_of_each_lane_how_far_its_end_has_come_and_what_it_still_has)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	view.lane[0] = (struct describe_lane){ .outstanding = 2,
					       .shown = 2,
					       .packet = { { 0, 17 }, { 1, 4 } },
					       .packets = 18,
					       .bytes = 1000,
					       .moved_ns = 99 * NS_PER_S };
	print();
	says("lane 0: live; 2 outstanding (device 0 packet 17, device 1 packet 4); 18 packets, 1000 bytes; last moved "
	     "1.000 s ago");
	says("lane 1: live; 0 packets, 0 bytes");
	view.lane[1].state = LANE_DEAD;
	print();
	says("lane 1: dead");
	view.core.lane[1].state = CORE_LANE_AGREEING;
	view.core.lane[1].since_ns = 98 * NS_PER_S;
	print();
	says("lane 1: fenced here, and the peer is asked for 2.000 s");
	view.core.lane[1].state = CORE_LANE_OVER;
	print();
	says("lane 1: fenced on both sides");
}

Test(session_describe, names_the_rail_of_each_lane_where_there_are_rails)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	view.lanes = 3;
	core_set_lanes(&view.core, 3);
	print();
	says("lane 2: live");
	view.rails = 2;
	snprintf(view.rail[0], sizeof(view.rail[0]), "10.0.0.1=10.0.0.2");
	snprintf(view.rail[1], sizeof(view.rail[1]), "10.0.1.1=10.0.1.2");
	print();
	says("lane 0 on 10.0.0.1=10.0.0.2: live; 0 packets");
	says("lane 1 on 10.0.1.1=10.0.1.2: live; 0 packets");
	says("lane 2 on 10.0.0.1=10.0.0.2: live; 0 packets");
}

Test(session_describe, says_what_the_fabric_thread_is_at)
{
	begin(VFIOMIG_SOURCE, PHASE_LANES);
	view.fabric_doing = FABRIC_CONNECT;
	view.fabric_doing_ns = 90 * NS_PER_S;
	print();
	says("fabric: connects the lanes for 10.000 s");
	view.fabric_doing = 0;
	view.lent = true;
	print();
	says("fabric: leaves the lanes to a loader");
	view.open = false;
	print();
	says("fabric: idle, no lanes yet");
	says_not("lane 0");
}

Test(session_describe, a_line_that_would_be_too_long_ends_instead)
{
	begin(VFIOMIG_SOURCE, PHASE_STREAM);
	view.devices = VFIOMIG_DEVICES_MAX;
	core_set_devices(&view.core, VFIOMIG_DEVICES_MAX);
	for (unsigned d = 0; d < VFIOMIG_DEVICES_MAX; d++) {
		view.number[d] = d;
		memset(view.device[d].label, 'x', sizeof(view.device[d].label) - 1);
	}
	print();
	cr_assert_eq(lines, 3 + 2 + VFIOMIG_DEVICES_MAX);
}

Test(session_describe, a_session_that_has_not_begun_or_is_over_says_so)
{
	struct vfiomig_options options = { .size = sizeof(options), .peer = "127.0.0.1:1" };
	struct vfiomig_session *session;

	cr_assert_eq(vfiomig_session_create(&session, VFIOMIG_SOURCE, &options, NULL), 0);
	*said = 0;
	lines = 0;
	cr_assert_eq(vfiomig_session_describe(session, keep, NULL), 0);
	says("source, 0 devices; not started");
	cr_assert_eq(lines, 1);
	vfiomig_session_close(session);
	begin(VFIOMIG_SOURCE, PHASE_DONE);
	view.ended = true;
	print();
	says("control: DONE for 1.500 s; the session has ended");
}
