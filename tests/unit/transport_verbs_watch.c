/* SPDX-License-Identifier: MIT */
/* What a fabric hears besides completions: events of its queues, of the device and its ports, and its removal. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/clock.h"
#include "transport_verbs_rig.h"

/* One poll; how many events there were. */
static unsigned look(struct vrig *rig, struct fabric_event *events, unsigned max)
{
	return ops->poll(rig->fabric, clock_now_ns(), events, max);
}

static void assert_error(struct vrig *rig, unsigned lane, int errnum, const char *name)
{
	const struct vfiomig_error *error = ops->error(rig->fabric, lane);

	cr_assert_eq(error->code, VFIOMIG_FABRIC);
	cr_assert_eq(error->errnum, errnum, "%d: %s", error->errnum, error->text);
	cr_assert_str_eq(error->name, name);
}

/* An event of one lane's queue ends that lane and no other, before a single completion tells of it. */
static void ends_one_lane(enum ibv_event_type type, int errnum, const char *name)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_source(&rig, 3);
	fake_lane_event(1, type);
	cr_assert_eq(look(&rig, events, 4), 1);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	cr_assert_eq(events[0].lane, 1);
	assert_error(&rig, 1, errnum, name);
	cr_assert(fake_in_error(1) && !fake_in_error(0) && !fake_in_error(2));
	vrig_close(&rig);
}

Test(verbs_watch, ends_the_lane_whose_queue_pair_has_failed)
{
	ends_one_lane(IBV_EVENT_QP_FATAL, EIO, "qp-fatal");
}

Test(verbs_watch, ends_the_lane_whose_peer_reached_for_closed_memory)
{
	ends_one_lane(IBV_EVENT_QP_ACCESS_ERR, EACCES, "qp-access");
}

Test(verbs_watch, ends_the_lane_whose_peer_asked_for_the_impossible)
{
	ends_one_lane(IBV_EVENT_QP_REQ_ERR, EPROTO, "qp-request");
}

Test(verbs_watch, ends_the_lane_whose_completion_queue_broke)
{
	ends_one_lane(IBV_EVENT_CQ_ERR, EIO, "cq-fatal");
}

Test(verbs_watch, wakes_for_an_event_of_a_queue)
{
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct vrig rig;
	bool watched = false;
	int count;

	vrig_source(&rig, 1);
	count = ops->pollfds(rig.fabric, fds, FABRIC_POLLFDS_MAX);
	for (int i = 0; i < count; i++)
		watched |= fds[i].fd == fake_qp(0)->context->async_fd;
	cr_assert(watched, "queue pairs speak on their own context, and nobody listens there");
	vrig_close(&rig);
}

Test(verbs_watch, ignores_events_that_change_nothing)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_destination(&rig, 1);
	fake_lane_event(0, IBV_EVENT_COMM_EST);
	fake_lane_event(0, IBV_EVENT_SQ_DRAINED);
	fake_async_event(IBV_EVENT_SM_CHANGE);
	cr_assert_eq(look(&rig, events, 4), 0);
	cr_assert_not(fake_in_error(0));
	vrig_close(&rig);
}

Test(verbs_watch, lets_go_at_once_of_a_device_that_has_failed)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake.flush_lost = true;
	fake_async_event(IBV_EVENT_DEVICE_FATAL);
	fake_async_event(IBV_EVENT_PORT_ERR);
	cr_assert_eq(look(&rig, events, 4), 2);
	assert_error(&rig, 0, ENODEV, "rdma-device-failed");
	assert_error(&rig, 1, ENODEV, "rdma-device-failed");
	cr_assert_eq(fake_living(), 1, "all but the event channel");
	ops->fence(rig.fabric, 0);
	ops->fence(rig.fabric, 1);
	vrig_close(&rig);
}

Test(verbs_watch, names_a_removal_and_lets_go)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_source(&rig, 2);
	fake_cm_event(1, RDMA_CM_EVENT_DEVICE_REMOVAL);
	fake_cm_event(0, RDMA_CM_EVENT_DEVICE_REMOVAL);
	cr_assert_eq(look(&rig, events, 4), 2);
	assert_error(&rig, 0, ENODEV, "rdma-device-removed");
	cr_assert_eq(fake_living(), 1, "all but the event channel");
	vrig_close(&rig);
}

static void removed_while_connecting(struct vrig *rig)
{
	cr_assert_eq(vrig_up(rig), -ENODEV);
	cr_assert_str_eq(rig->err.name, "rdma-device-removed");
	cr_assert_eq(fake_living(), 1, "its removal waits for the %d objects that live", fake_living());
	ops->fence(rig->fabric, 0);
	vrig_close(rig);
}

Test(verbs_watch, lets_go_of_a_device_that_is_removed_while_it_listens)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 2);
	fake.removed_while_listening = true;
	removed_while_connecting(&rig);
}

Test(verbs_watch, lets_go_of_a_device_that_is_removed_when_some_lanes_are_up)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 2);
	vrig_knock(1, 0x5a);
	fake.removed_while_listening = true;
	removed_while_connecting(&rig);
}

Test(verbs_watch, lets_go_of_a_device_that_is_removed_while_a_source_connects)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 2);
	fake.connect_answer = RDMA_CM_EVENT_DEVICE_REMOVAL;
	removed_while_connecting(&rig);
}

Test(verbs_watch, explains_a_connection_that_never_comes_by_the_port)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 1);
	rig.config.route.timeout_ms = 1;
	fake_async_event(IBV_EVENT_PORT_ERR);
	cr_assert_eq(vrig_up(&rig), -ETIMEDOUT);
	cr_assert(strstr(rig.err.text, "port 1 of fake0 went down"), "%s", rig.err.text);
	vrig_close(&rig);
}

static void post(struct vrig *rig, unsigned slot)
{
	struct fabric_packet packet = vrig_packet(0, slot, 1, slot);

	cr_assert_eq(ops->post(rig->fabric, 0, &packet), 0);
}

/* Credits may come all the time: they do not show that what was posted has left. */
Test(verbs_watch, judges_the_oldest_packet_whatever_arrives_meanwhile)
{
	struct fabric_event events[4];
	struct vrig rig;
	uint64_t deadline_ns;

	vrig_source(&rig, 1);
	post(&rig, 0);
	deadline_ns = ops->deadline_ns(rig.fabric);
	fake_arrives(0, immediate_make(IMMEDIATE_CREDIT, 0, 1));
	cr_assert_eq(ops->poll(rig.fabric, deadline_ns - 1, events, 4), 1);
	cr_assert_eq(ops->deadline_ns(rig.fabric), deadline_ns);
	cr_assert_eq(ops->poll(rig.fabric, deadline_ns, events, 4), 1);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	cr_assert_str_eq(ops->error(rig.fabric, 0)->name, "lane-timeout");
	vrig_close(&rig);
}

/* Both completed while nobody looked, as after a pause of the whole process: that is no silence. */
Test(verbs_watch, takes_what_has_completed_before_it_judges)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0);
	post(&rig, 1);
	cr_assert(fake_send_completes(0));
	cr_assert_eq(ops->poll(rig.fabric, ops->deadline_ns(rig.fabric) + NS_PER_S, events, 4), 1);
	cr_assert_eq(events[0].kind, FABRIC_SENT);
	vrig_close(&rig);
}

/* A destination that lets nothing be sent for hours leaves nothing outstanding: credit limits what is posted. */
Test(verbs_watch, has_no_deadline_for_a_lane_that_waits_for_credit)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_source(&rig, 1);
	post(&rig, 0);
	cr_assert(fake_send_completes(0));
	cr_assert_eq(look(&rig, events, 4), 1);
	cr_assert_eq(ops->deadline_ns(rig.fabric), UINT64_MAX);
	cr_assert_eq(ops->poll(rig.fabric, clock_now_ns() + 3600 * NS_PER_S, events, 4), 0);
	vrig_close(&rig);
}

Test(verbs_watch, asks_the_port_when_a_flush_comes_before_its_event)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_destination(&rig, 1);
	fake.port_down = true;
	fake_breaks(0, IBV_WC_WR_FLUSH_ERR);
	cr_assert_eq(look(&rig, events, 4), 1);
	cr_assert(strstr(ops->error(rig.fabric, 0)->text, "port 1 of fake0 went down"));
	vrig_close(&rig);
}

static const struct {
	enum ibv_wc_status status;
	int errnum;
	const char *name;
} statuses[] = {
	{ IBV_WC_RETRY_EXC_ERR, ETIMEDOUT, "lane-no-answer" },
	{ IBV_WC_RNR_RETRY_EXC_ERR, EPROTO, "lane-no-receive" },
	{ IBV_WC_WR_FLUSH_ERR, ECONNRESET, "lane-flushed" },
	{ IBV_WC_REM_ACCESS_ERR, EACCES, "lane-access" },
	{ IBV_WC_REM_INV_REQ_ERR, EPROTO, "lane-request" },
	{ IBV_WC_REM_OP_ERR, EREMOTEIO, "lane-peer-device" },
	{ IBV_WC_LOC_PROT_ERR, EFAULT, "lane-memory" },
	{ IBV_WC_LOC_LEN_ERR, EMSGSIZE, "lane-length" },
	{ IBV_WC_LOC_QP_OP_ERR, EIO, "lane-queue-pair" },
	{ IBV_WC_FATAL_ERR, EIO, "rdma-device-failed" },
	{ IBV_WC_GENERAL_ERR, EIO, "lane-lost" },
};

Test(verbs_watch, names_each_failure_of_a_completion)
{
	for (unsigned i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct fabric_event events[4];
		struct vrig rig;

		vrig_source(&rig, 1);
		post(&rig, 0);
		fake_breaks(0, statuses[i].status);
		cr_assert_eq(look(&rig, events, 4), 1);
		assert_error(&rig, 0, statuses[i].errnum, statuses[i].name);
		vrig_close(&rig);
	}
}

/* An idle destination has only receives, all flushed: the lane still ends, with a sentence. */
Test(verbs_watch, ends_an_idle_lane_that_is_only_flushed)
{
	struct fabric_event events[4];
	struct vrig rig;

	vrig_destination(&rig, 1);
	fake_breaks(0, IBV_WC_WR_FLUSH_ERR);
	cr_assert_eq(look(&rig, events, 4), 1);
	cr_assert_eq(events[0].kind, FABRIC_DEAD);
	assert_error(&rig, 0, ECONNRESET, "lane-flushed");
	cr_assert(strstr(ops->error(rig.fabric, 0)->text, "link down"));
	vrig_close(&rig);
}
