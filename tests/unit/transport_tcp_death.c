/* SPDX-License-Identifier: MIT */
/* How a TCP lane dies: by its peer's end, a reset, the kernel's patience, or given up by this side. */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "transport/tcp.h"
#include "unit/transport_tcp_rig.h"
#include "wire/immediate.h"

Test(tcp_death, a_closed_peer_is_told_after_what_it_sent)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	struct fabric_event event;

	rig_write_frame(raw, immediate_make(IMMEDIATE_CONTROL, 0, 9), 0);
	close(raw);
	event = rig_event(rig.destination);
	cr_assert_eq(event.kind, FABRIC_ARRIVED);
	rig_assert_dead(rig.destination, EPIPE, VFIOMIG_FABRIC, "lane-closed");
	cr_assert_str_eq(rig.destination->ops->error(rig.destination, 0)->text, "the peer closed lane 0");
	rig_close(&rig);
}

Test(tcp_death, a_packet_cut_short_never_arrives)
{
	struct rig rig;
	int raw = rig_open_destination(&rig);
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 500];

	rig_wire_packet(wire, &rig.source_arena, 0, 500);
	rig_write(raw, wire, sizeof(wire) - 1);
	close(raw);
	rig_assert_dead(rig.destination, EPIPE, VFIOMIG_FABRIC, "lane-closed");
	cr_assert_not_null(strstr(rig.destination->ops->error(rig.destination, 0)->text, "in the middle"));
	rig_close(&rig);
}

Test(tcp_death, that_is_given_up_at_either_end_dies_at_both_and_takes_nothing_half_received)
{
	uint8_t wire[RIG_FRAME_BYTES + ARENA_HEADER_BYTES + 1000];
	struct fabric_event event;
	struct rig rig;
	int raw = rig_open_destination(&rig);
	size_t bytes;

	rig_fill(&rig.source_arena, 0, 2, 1000);
	bytes = rig_wire_packet(wire, &rig.source_arena, 2, 1000);
	rig_write(raw, wire, bytes - 1);
	while (rig.sink.placed == 0)
		rig_poll(rig.destination, clock_now_ns(), &event);
	rig.destination->ops->lose(rig.destination, 0);
	rig_assert_dead(rig.destination, ECONNABORTED, VFIOMIG_FABRIC, "lane-lost");
	cr_assert(rig_is_closed(raw));
	close(raw);
	rig_close(&rig);

	raw = rig_open_source(&rig);
	rig.source->ops->lose(rig.source, 0);
	rig.source->ops->lose(rig.source, 0);
	rig_assert_dead(rig.source, ECONNABORTED, VFIOMIG_FABRIC, "lane-lost");
	cr_assert(rig_is_closed(raw));
	close(raw);
	rig_close(&rig);
}

/* A packet in the kernel's hands has left the lane's own deadline: from there on it is the kernel's to give the peer up. */
static void assert_user_timeout(struct fabric *fabric)
{
	unsigned timeout_ms = 0;
	socklen_t bytes = sizeof(timeout_ms);

	cr_assert_eq(getsockopt(tcp_fabric_of(fabric)->lanes[1].fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &bytes),
		     0);
	cr_assert_eq(timeout_ms, RIG_TIMEOUT_MS);
}

Test(tcp_death, is_given_up_by_the_kernel_when_nothing_is_acknowledged)
{
	struct rig rig;

	rig_open(&rig, 2);
	assert_user_timeout(rig.source);
	assert_user_timeout(rig.destination);
	cr_assert_str_eq(tcp_lost_name(ETIMEDOUT), "lane-no-answer");
	rig_close(&rig);
}

Test(tcp_death, dies_of_a_reset_and_says_so)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct rig rig;
	int raw = rig_open_source(&rig);

	cr_assert_eq(setsockopt(raw, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(raw);
	rig_assert_dead(rig.source, ECONNRESET, VFIOMIG_FABRIC, "lane-lost");
	rig_close(&rig);
}
