/* SPDX-License-Identifier: MIT */
/* Who connects to a destination that has no session yet, and who comes as a lane of a session that is not its own. */
#include <criterion/criterion.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/session.h"
#include "unit/session_peer_memory.h"
#include "unit/session_peer_rig.h"
#include "wire/hello.h"

TestSuite(session_peer_callers, .timeout = 120);

static struct peer_rig rig;

static unsigned refused(void)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(vfiomig_session_stats(rig.session, &stats), 0);
	return stats.refused;
}

static int agree(void)
{
	int fd = peer_control(&rig);

	peer_send_offer(fd, 1);
	peer_send_device(&rig, fd, 0, "");
	peer_await(fd, MESSAGE_AGREED);
	return fd;
}

static void cancelled(int fd)
{
	vfiomig_session_cancel(rig.session);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}

Test(session_peer_callers, one_that_says_nothing_keeps_the_place_from_nobody)
{
	int silent, source;

	peer_start(&rig, 1);
	silent = peer_control(&rig);
	source = agree();
	peer_await_abort(silent, "busy");
	cancelled(source);
}

Test(session_peer_callers, one_that_speaks_of_no_session_keeps_the_place_from_nobody)
{
	static const uint8_t none[16];
	int stranger, source;

	peer_start(&rig, 1);
	stranger = peer_control(&rig);
	peer_send_as(stranger, none, MESSAGE_HEARTBEAT, NULL, 0);
	source = agree();
	peer_await_abort(stranger, "busy");
	cancelled(source);
}

Test(session_peer_callers, more_than_there_are_places_for_push_out_the_oldest_and_a_source_comes_through)
{
	int silent[CALLERS_MAX + 3], source;

	peer_start(&rig, 1);
	for (unsigned i = 0; i < CALLERS_MAX + 3; i++)
		silent[i] = peer_control(&rig);
	for (unsigned i = 0; i < 3; i++)
		peer_await_end(silent[i]); /* its place is another's now */
	source = agree();
	for (unsigned i = 3; i < CALLERS_MAX + 3; i++)
		close(silent[i]);
	cancelled(source);
}

Test(session_peer_callers, that_all_come_at_once_cost_no_memory_but_their_connections)
{
	int silent[CALLERS_MAX];
	size_t each;

	peer_start(&rig, 1);
	peer_memory_mark();
	silent[0] = peer_control(&rig);
	each = peer_memory_since();
	for (unsigned i = 1; i < CALLERS_MAX; i++)
		silent[i] = peer_control(&rig);
	cr_assert_leq(peer_memory_since(), 2 * CALLERS_MAX * each);
	for (unsigned i = 0; i < CALLERS_MAX; i++)
		close(silent[i]);
	vfiomig_session_cancel(rig.session);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "untouched");
}

/* Until the destination hangs up, without an answer. */
static void come_as_lane(const struct hello *hello)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	uint8_t bytes[PREFACE_BYTES + HELLO_BYTES];
	int fd = peer_connect(&rig);

	preface_encode(bytes, &preface);
	hello_encode(bytes + PREFACE_BYTES, hello);
	peer_write(fd, bytes, sizeof(bytes));
	cr_assert_leq(recv(fd, bytes, sizeof(bytes), 0), 0, "it was answered");
	close(fd);
}

static struct hello true_hello(void)
{
	struct hello hello = { .version = WIRE_VERSION };

	memcpy(hello.session, peer_session, sizeof(hello.session));
	return hello;
}

Test(session_peer_callers, lane_of_another_session_or_without_proof_is_refused_and_counted_and_the_true_ones_come)
{
	struct hello hello;
	int fd, lane[PEER_LANES];

	peer_start(&rig, 1);
	fd = agree();
	peer_await(fd, MESSAGE_READY);
	hello = true_hello();
	hello.session[0] ^= 1;
	come_as_lane(&hello);
	hello = true_hello();
	hello.proof[31] = 1;
	come_as_lane(&hello);
	hello = true_hello();
	hello.lane = PEER_LANES;
	come_as_lane(&hello);
	for (unsigned i = 0; i < PEER_LANES; i++) {
		lane[i] = peer_lane(&rig, i);
		peer_warm_up(lane[i], VFIOMIG_SLOT_BYTES_MIN + 64);
	}
	peer_await(fd, MESSAGE_LANES_READY);
	while (refused() < 3)
		cr_assert_eq(vfiomig_session_dispatch(rig.session), 0);
	cr_assert_eq(refused(), 3);
	cancelled(fd);
	for (unsigned i = 0; i < PEER_LANES; i++)
		close(lane[i]);
}

Test(session_peer_callers, lane_before_there_is_a_session_is_not_kept)
{
	const struct hello hello = true_hello();

	peer_start(&rig, 1);
	peer_memory_mark();
	come_as_lane(&hello);
	cr_assert_leq(peer_memory_since(), 64 << 10);
	cancelled(agree());
}
