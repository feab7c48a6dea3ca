/* SPDX-License-Identifier: MIT */
/* Sources that name rails to a destination, which takes its own addresses and no others. */
#include <criterion/criterion.h>

#include <string.h>

#include "unit/session_peer_rig.h"

TestSuite(session_peer_rails, .timeout = 120);

static struct peer_rig rig;

/* An offer of one device with a rail to each of these IPv4 addresses. */
static struct message_offer offer_to(const uint8_t (*address)[4], unsigned rails)
{
	struct message_offer offer = peer_offer(1);

	offer.rails = (uint8_t)rails;
	for (unsigned i = 0; i < rails; i++) {
		offer.rail[i][10] = offer.rail[i][11] = 0xff;
		memcpy(&offer.rail[i][12], address[i], 4);
	}
	return offer;
}

/* A destination that has agreed with @offer; the control connection, and what it tells of rails and lanes. */
static int agreed_with(const struct message_offer *offer, struct vfiomig_stats *stats)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer_of(fd, offer);
	peer_send_device(&rig, fd, 0, "");
	peer_await(fd, MESSAGE_READY);
	cr_assert_eq(vfiomig_session_stats(rig.session, stats), 0);
	return fd;
}

Test(session_peer_rails, to_its_own_address_are_agreed_with_and_told)
{
	static const uint8_t own[][4] = { { 127, 0, 0, 1 } };
	const struct message_offer offer = offer_to(own, 1);
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	int fd = agreed_with(&offer, &stats);

	cr_assert_eq(stats.rails, 1);
	cr_assert_str_eq(stats.rail[0], "127.0.0.1");
	vfiomig_session_cancel(rig.session);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}

Test(session_peer_rails, to_where_it_does_not_listen_are_refused)
{
	static const uint8_t other[][4] = { { 127, 0, 0, 1 }, { 127, 0, 0, 2 } };
	const struct message_offer offer = offer_to(other, 2);
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer_of(fd, &offer);
	peer_await_abort(fd, "rail-unknown");
	peer_end(&rig, VFIOMIG_PREFLIGHT, "rail-unknown", "untouched");
}

Test(session_peer_rails, more_than_there_can_be_cannot_be_read)
{
	struct message_offer offer = offer_to(NULL, 0);
	int fd;

	offer.rails = VFIOMIG_RAILS_MAX + 1;
	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer_of(fd, &offer);
	peer_await_abort(fd, "message-malformed");
	peer_end(&rig, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}

Test(session_peer_rails, more_than_lanes_and_one_twice_do_no_harm)
{
	static const uint8_t own[PEER_LANES + 1][4] = { { 127, 0, 0, 1 }, { 127, 0, 0, 1 }, { 127, 0, 0, 1 } };
	const struct message_offer offer = offer_to(own, PEER_LANES + 1);
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	int fd = agreed_with(&offer, &stats);

	cr_assert(stats.rails > stats.lanes, "%u rails for %u lanes", stats.rails, stats.lanes);
	vfiomig_session_cancel(rig.session);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}
