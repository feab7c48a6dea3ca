/* SPDX-License-Identifier: MIT */
/* How a TCP lane ends that nobody closed: the kernel gives its peer up, or is told that nobody is there. */
#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "transport/tcp.h"
#include "unit/transport_tcp_rig.h"

/* A packet in the kernel's hands has left the lane's own deadline: from there on it is the kernel's to give the peer up. */
static void assert_user_timeout(struct fabric *fabric)
{
	unsigned timeout_ms = 0;
	socklen_t bytes = sizeof(timeout_ms);

	cr_assert_eq(getsockopt(tcp_fabric_of(fabric)->lanes[1].fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &bytes),
		     0);
	cr_assert_eq(timeout_ms, RIG_TIMEOUT_MS);
}

Test(tcp_death, comes_by_the_kernel_when_nothing_is_acknowledged)
{
	struct rig rig;

	rig_open(&rig, 2);
	assert_user_timeout(rig.source);
	assert_user_timeout(rig.destination);
	cr_assert_str_eq(tcp_lost_name(ETIMEDOUT), "lane-no-answer");
	rig_close(&rig);
}

Test(tcp_death, by_a_reset_is_told_as_one)
{
	const struct linger at_once = { .l_onoff = 1 };
	const struct vfiomig_error *error;
	struct rig rig;
	int raw = rig_open_source(&rig);

	cr_assert_eq(setsockopt(raw, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(raw);
	cr_assert_eq(rig_event(rig.source).kind, FABRIC_DEAD);
	error = rig.source->ops->error(rig.source, 0);
	cr_assert_eq(error->errnum, ECONNRESET, "%s", error->text);
	cr_assert_eq(error->code, VFIOMIG_FABRIC);
	cr_assert_str_eq(error->name, "lane-lost");
	rig_close(&rig);
}
