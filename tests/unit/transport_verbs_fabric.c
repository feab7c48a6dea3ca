/* SPDX-License-Identifier: MIT */
/* Probe, open, establish, close: what comes up, what is refused and how, and that nothing is left of what failed. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vfiomig/host.h>

#include "transport_verbs_rig.h"

/* Every call fails in turn, until a run passes because it has fewer calls than that. */
static void fail_each_call(enum vfiomig_role role)
{
	struct vrig rig;
	unsigned call = 0, failures = 0;

	do {
		int rc;

		vrig_init(&rig, role, 2);
		vrig_knock(0, 0x5a);
		vrig_knock(1, 0x5a);
		fake.fail_call = ++call;
		rc = vrig_up(&rig);
		cr_assert(rc == 0 || (rc < 0 && rig.err.code && rig.err.text[0]), "call %u: %d without a sentence",
			  call, rc);
		failures += rc < 0;
		vrig_close(&rig);
	} while (fake.calls >= call);
	cr_assert_geq(failures, 12, "only %u of %u calls mattered", failures, call);
}

Test(verbs_fabric, leaves_nothing_of_a_source_whatever_call_fails)
{
	fail_each_call(VFIOMIG_SOURCE);
}

Test(verbs_fabric, leaves_nothing_of_a_destination_whatever_call_fails)
{
	fail_each_call(VFIOMIG_DESTINATION);
}

Test(verbs_fabric, closes_null_and_what_is_only_open)
{
	struct vrig rig;

	ops->close(NULL);
	vrig_init(&rig, VFIOMIG_SOURCE, 4);
	cr_assert_eq(ops->open(&rig.fabric, &rig.config, &rig.err), 0);
	vrig_close(&rig);
}

Test(verbs_fabric, gives_its_first_lane_the_id_that_found_the_device)
{
	struct vrig rig;

	vrig_source(&rig, 3);
	cr_assert_eq(fake.ids, 3);
	cr_assert_eq(fake.resolves_unbound, 1,
		     "without an address to bind only the first lane leaves the choice to the kernel");
	vrig_close(&rig);
	cr_assert_eq(fake.disconnects, 3);
}

Test(verbs_fabric, opens_a_source_to_nobody_and_a_destination_to_writes_only)
{
	struct vrig rig;

	vrig_source(&rig, 1);
	cr_assert_eq(fake.mr_access, 0);
	vrig_close(&rig);
	vrig_destination(&rig, 1);
	cr_assert_eq(fake.mr_access, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	vrig_close(&rig);
}

Test(verbs_fabric, connects_with_finite_retries_and_says_hello)
{
	struct hello hello;
	struct vrig rig;

	vrig_source(&rig, 2);
	cr_assert_eq(hello_decode(&hello, fake.hello), 0);
	cr_assert_eq(hello.lane, 1);
	cr_assert_eq(memcmp(hello.session, rig.config.session, sizeof(hello.session)), 0);
	cr_assert_lt(fake.connect.retry_count, 7);
	cr_assert_lt(fake.connect.rnr_retry_count, 7);
	cr_assert_eq(fake.ack_timeout, 16);
	cr_assert_eq(fake_receives(0), VRIG_RECEIVES);
	vrig_close(&rig);
}

Test(verbs_fabric, takes_lanes_in_any_order_and_stops_listening)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 3);
	vrig_knock(2, 0x5a);
	vrig_knock(0, 0x5a);
	vrig_knock(1, 0x5a);
	cr_assert_eq(vrig_up(&rig), 0);
	cr_assert_eq(fake.ids, 3);
	cr_assert_lt(fake.connect.rnr_retry_count, 7);
	vrig_close(&rig);
}

Test(verbs_fabric, turns_strangers_away_and_goes_on)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 2);
	vrig_knock(0, 0x77); /* another session */
	vrig_knock(2, 0x5a); /* no such lane */
	vrig_knock(1, 0x5a);
	vrig_knock(1, 0x5a); /* taken */
	fake.requests[fake.request_count++] = (struct hello){ .version = WIRE_VERSION + 1 };
	vrig_knock(0, 0x5a);
	cr_assert_eq(vrig_up(&rig), 0, "%s", rig.err.text);
	cr_assert_eq(fake.rejects, 4);
	vrig_close(&rig);
}

Test(verbs_fabric, shows_the_proof_of_each_lane)
{
	struct hello hello;
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 2);
	memset(rig.config.proof[0], 0x40, HELLO_PROOF_BYTES);
	memset(rig.config.proof[1], 0x41, HELLO_PROOF_BYTES);
	cr_assert_eq(vrig_up(&rig), 0, "%s", rig.err.text);
	cr_assert_eq(hello_decode(&hello, fake.hello), 0);
	cr_assert_eq(hello.lane, 1);
	cr_assert(hello_proves(&hello, rig.config.proof[1]));
	vrig_close(&rig);
}

/* Whose proof is another's, or none. */
Test(verbs_fabric, turns_away_who_does_not_prove_his_lane)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 2);
	for (unsigned lane = 0; lane < 2; lane++)
		memset(rig.config.proof[lane], 0x40 + (int)lane, sizeof(rig.config.proof[lane]));
	vrig_knock(0, 0x5a);
	for (unsigned i = 0; i < 3; i++) {
		vrig_knock(i ? i - 1 : 0, 0x5a);
		memset(fake.requests[fake.request_count - 1].proof, i ? 0x40 + (int)i - 1 : 0x41, HELLO_PROOF_BYTES);
	}
	cr_assert_eq(vrig_up(&rig), 0, "%s", rig.err.text);
	cr_assert_eq(fake.rejects, 2);
	vrig_close(&rig);
}

Test(verbs_fabric, lets_no_lane_of_another_session_in)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 1);
	rig.config.route.timeout_ms = 1;
	vrig_knock(0, 0x77);
	cr_assert_eq(vrig_up(&rig), -ETIMEDOUT);
	cr_assert_eq(fake.rejects, 1);
	vrig_close(&rig);
}

Test(verbs_fabric, turns_away_who_knocks_when_all_lanes_are_up)
{
	struct fabric_event event;
	struct vrig rig;

	vrig_destination(&rig, 1);
	fake_cm_event(0, RDMA_CM_EVENT_CONNECT_REQUEST);
	cr_assert_eq(ops->poll(rig.fabric, 1, &event, 1), 0);
	cr_assert_eq(fake.rejects, 1);
	cr_assert_eq(fake.ids, 1);
	vrig_close(&rig);
}

Test(verbs_fabric, says_how_many_bytes_must_be_pinned_and_how_to_allow_them)
{
	struct vrig rig;
	char bytes[32];

	vrig_init(&rig, VFIOMIG_DESTINATION, 1);
	fake.memlock_errno = ENOMEM;
	cr_assert_eq(vrig_up(&rig), -ENOMEM);
	snprintf(bytes, sizeof(bytes), " %zu bytes", rig.arena.bytes);
	cr_assert_eq(rig.err.code, VFIOMIG_PREFLIGHT);
	cr_assert(strstr(rig.err.text, bytes) && strstr(rig.err.text, "ulimit -l") &&
		  strstr(rig.err.text, "LimitMEMLOCK") && strstr(rig.err.text, "CAP_IPC_LOCK"));
	vrig_close(&rig);
}

Test(verbs_fabric, refuses_more_receives_than_the_device_holds)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 1);
	rig.arena.shape.slots = 20000;
	cr_assert_eq(vrig_up(&rig), -E2BIG);
	cr_assert_eq(rig.err.code, VFIOMIG_PREFLIGHT);
	vrig_close(&rig);
}

Test(verbs_fabric, gives_up_connecting_at_its_deadline)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 2);
	rig.config.route.timeout_ms = 1;
	cr_assert_eq(vrig_up(&rig), -ETIMEDOUT);
	cr_assert_eq(rig.err.code, VFIOMIG_TIMEOUT);
	vrig_close(&rig);
}

Test(verbs_fabric, gives_up_connecting_when_cancelled)
{
	int cancel = eventfd(1, 0);
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_DESTINATION, 1);
	vrig_knock(0, 0x5a);
	rig.config.route.cancel_fd = cancel;
	cr_assert_eq(vrig_up(&rig), -ECANCELED, "a cancel wins over what else is ready");
	cr_assert_eq(rig.err.code, VFIOMIG_CANCELLED);
	vrig_close(&rig);
	close(cancel);
}

Test(verbs_fabric, tells_a_refusal_from_nobody_there)
{
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 2);
	fake.connect_answer = RDMA_CM_EVENT_REJECTED;
	fake.connect_status = 8;
	cr_assert_eq(vrig_up(&rig), -ECONNREFUSED);
	cr_assert(strstr(rig.err.text, "nothing listens"));
	vrig_close(&rig);
	vrig_init(&rig, VFIOMIG_SOURCE, 2);
	fake.connect_answer = RDMA_CM_EVENT_REJECTED;
	fake.connect_status = 28;
	cr_assert_eq(vrig_up(&rig), -ECONNREFUSED);
	cr_assert_not(strstr(rig.err.text, "nothing listens"));
	vrig_close(&rig);
}

Test(verbs_fabric, loses_its_registration_on_release_and_keeps_the_lanes)
{
	struct vrig rig;

	vrig_destination(&rig, 2);
	ops->release(rig.fabric);
	cr_assert_eq(fake.mrs, 0);
	cr_assert_eq(fake.qps, 2);
	vrig_close(&rig);
}

Test(verbs_fabric, destroys_what_could_write_where_a_registration_does_not_go)
{
	struct vrig rig;

	vrig_destination(&rig, 2);
	fake.dereg_fails = true;
	ops->release(rig.fabric);
	cr_assert_eq(fake.qps, 0);
	cr_assert_eq(fake.mrs, 0);
	vrig_close(&rig);
}

Test(verbs_probe, names_the_device_that_reaches_the_peer)
{
	struct fabric_limits limits;
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 1);
	cr_assert_eq(ops->probe(&rig.config.route, &limits), 0);
	cr_assert_str_eq(limits.reason, "fake0 reaches 10.9.1.2");
	cr_assert_eq(limits.receives_max, 32767 - 1024);
	cr_assert_eq(limits.numa_node, -1);
	cr_assert_eq(fake_living(), 0);
}

static void refused(enum vfiomig_role role, int rc, const char *reason)
{
	struct fabric_limits limits;
	struct vrig rig;
	struct fake_verbs script = fake;

	vrig_init(&rig, role, 1);
	fake.no_module = script.no_module;
	fake.no_device = script.no_device;
	fake.mute = script.mute;
	fake.transport_type = script.transport_type;
	rig.config.route.timeout_ms = script.mute ? 1 : VRIG_TIMEOUT_MS;
	cr_assert_eq(ops->probe(&rig.config.route, &limits), rc);
	cr_assert(strstr(limits.reason, reason), "%s", limits.reason);
	cr_assert_eq(fake_living(), 0);
}

Test(verbs_probe, says_when_the_machine_has_no_rdma)
{
	fake_reset();
	fake.no_module = true;
	refused(VFIOMIG_SOURCE, -ENODEV, "this machine has no RDMA device");
}

Test(verbs_probe, says_when_no_device_reaches_the_peer_or_has_the_address)
{
	fake_reset();
	fake.no_device = true;
	refused(VFIOMIG_SOURCE, -ENODEV, "no RDMA device reaches 10.9.1.2");
	fake.no_device = true;
	refused(VFIOMIG_DESTINATION, -ENODEV, "no RDMA device has 10.9.1.2");
}

Test(verbs_probe, refuses_iwarp_by_name)
{
	fake_reset();
	fake.transport_type = IBV_TRANSPORT_IWARP;
	refused(VFIOMIG_DESTINATION, -ENODEV, "iWARP (fake0) has no RDMA WRITE WITH IMMEDIATE");
}

Test(verbs_probe, ends_at_its_own_deadline)
{
	fake_reset();
	fake.mute = true;
	refused(VFIOMIG_SOURCE, -ETIMEDOUT, "took too long");
}

Test(verbs_probe, does_not_ask_for_loopback_and_unix_sockets)
{
	struct fabric_limits limits;
	struct vrig rig;

	vrig_init(&rig, VFIOMIG_SOURCE, 1);
	vrig_address(&rig.config.route.peer, "127.0.0.1");
	cr_assert_eq(ops->probe(&rig.config.route, &limits), -ENODEV);
	rig.config.route.peer.ss_family = AF_UNIX;
	cr_assert_eq(ops->probe(&rig.config.route, &limits), -ENODEV);
	cr_assert_eq(fake.calls, 0);
}

Test(verbs_probe, leaves_nothing_whatever_call_fails)
{
	struct fabric_limits limits;
	struct vrig rig;
	unsigned call = 0;

	do {
		vrig_init(&rig, VFIOMIG_SOURCE, 1);
		fake.fail_call = ++call;
		cr_assert_eq(ops->probe(&rig.config.route, &limits) == 0, fake.calls < call);
		cr_assert(limits.reason[0]);
		cr_assert_eq(fake_living(), 0);
	} while (fake.calls >= call);
}

Test(verbs_host, lists_what_a_device_can_do)
{
	struct vfiomig_rdma_device device;

	fake_reset();
	cr_assert_eq(vfiomig_host_rdma_devices(&device, 1, NULL), 1);
	cr_assert_str_eq(device.name, "fake0");
	cr_assert_str_eq(device.transport, "RoCE");
	cr_assert_str_eq(device.state, "active");
	cr_assert_eq(device.mtu, 4096);
	cr_assert(device.usable && !device.reason[0]);
	cr_assert_eq(fake_living(), 0);
}

Test(verbs_host, counts_what_does_not_fit_and_takes_no_rdma_for_no_error)
{
	fake_reset();
	cr_assert_eq(vfiomig_host_rdma_devices(NULL, 0, NULL), 1);
	fake.no_module = true;
	cr_assert_eq(vfiomig_host_rdma_devices(NULL, 0, NULL), 0);
}

Test(verbs_host, gives_the_reason_where_a_device_cannot_be_used)
{
	struct vfiomig_rdma_device device;

	fake_reset();
	fake.transport_type = IBV_TRANSPORT_IWARP;
	cr_assert_eq(vfiomig_host_rdma_devices(&device, 1, NULL), 1);
	cr_assert(!device.usable && strstr(device.reason, "iWARP"));
	for (unsigned call = 2; call <= 4; call++) { /* open, query device, query port */
		fake_reset();
		fake.fail_call = call;
		cr_assert_eq(vfiomig_host_rdma_devices(&device, 1, NULL), 1);
		cr_assert(!device.usable && device.reason[0]);
		cr_assert_eq(fake_living(), 0);
	}
}
