/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit/transport_tcp_rig.h"
#include "wire/hello.h"
#include "wire/immediate.h"

static int establish(struct rig *rig, struct fabric *fabric)
{
	return fabric->ops->establish(fabric, NULL, &rig->err);
}

static void open_destination(struct rig *rig, unsigned lanes, unsigned timeout_ms)
{
	rig_init(rig, lanes);
	rig->destination_config.route.timeout_ms = timeout_ms;
	cr_assert_eq(tcp_fabric_ops.open(&rig->destination, &rig->destination_config, &rig->err), 0);
}

static void open_source(struct rig *rig, unsigned timeout_ms)
{
	rig_init(rig, 1);
	rig->source_config.route.timeout_ms = timeout_ms;
	cr_assert_eq(tcp_fabric_ops.open(&rig->source, &rig->source_config, &rig->err), 0);
}

Test(tcp_establish, can_always_be_used)
{
	struct fabric_route route = { .role = VFIOMIG_SOURCE };
	struct fabric_limits limits;

	cr_assert_eq(tcp_fabric_ops.probe(&route, &limits), 0);
	cr_assert_eq(limits.numa_node, -1);
	cr_assert_eq(limits.receives_max, UINT_MAX);
	cr_assert_gt(strlen(limits.reason), 0);
}

Test(tcp_establish, every_lane_reaches_the_lane_of_its_number)
{
	struct rig rig;

	rig_open(&rig, 5);
	for (unsigned lane = 0; lane < 5; lane++) {
		uint32_t immediate = immediate_make(IMMEDIATE_CONTROL, 0, lane);
		struct fabric_event event;

		cr_assert_eq(rig.source->ops->send(rig.source, lane, immediate), 1);
		event = rig_event(rig.destination);
		cr_assert_eq(event.kind, FABRIC_ARRIVED);
		cr_assert_eq(event.lane, lane);
		cr_assert_eq(event.immediate, immediate);
	}
	rig_close(&rig);
}

Test(tcp_establish, sixty_four_lanes_come_up)
{
	struct rig rig;

	rig_open(&rig, VFIOMIG_LANES_MAX);
	rig_close(&rig);
}

Test(tcp_establish, strangers_are_closed_and_do_no_harm)
{
	static const uint8_t foreign[16] = "another session";
	uint8_t garbage[HELLO_BYTES] = "GET / HTTP/1.1", version[HELLO_BYTES];
	struct hello hello = { .version = WIRE_VERSION + 1 };
	struct rig rig;
	int session[2], range[2], first[2], second[2], magic[2], other[2];

	open_destination(&rig, 2, RIG_TIMEOUT_MS);
	memcpy(hello.session, rig.destination_config.session, sizeof(hello.session));
	hello_encode(version, &hello);
	rig_guest(&rig, session, 0, foreign);
	rig_guest(&rig, range, 2, NULL);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, magic), 0);
	rig_write(magic[1], garbage, sizeof(garbage));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	rig_write(other[1], version, sizeof(version));
	rig_guest(&rig, first, 0, NULL);
	rig_guest(&rig, second, 1, NULL);
	tcp_fabric_ops.adopt(rig.destination, first[0]);
	tcp_fabric_ops.adopt(rig.destination, session[0]);
	tcp_fabric_ops.adopt(rig.destination, range[0]);
	tcp_fabric_ops.adopt(rig.destination, magic[0]);
	tcp_fabric_ops.adopt(rig.destination, other[0]);
	tcp_fabric_ops.adopt(rig.destination, second[0]);
	cr_assert_eq(establish(&rig, rig.destination), 0, "%s", rig.err.text);
	cr_assert(rig_is_closed(session[1]));
	cr_assert(rig_is_closed(range[1]));
	cr_assert(rig_is_closed(magic[1]));
	cr_assert(rig_is_closed(other[1]));
	cr_assert_not(rig_is_closed(first[1]));
	cr_assert_not(rig_is_closed(second[1]));
	rig_close(&rig);
}

Test(tcp_establish, a_lane_is_taken_only_once)
{
	struct rig rig;
	int first[2], again[2], other[2];
	uint8_t answer[PREFACE_BYTES];
	unsigned closed;

	open_destination(&rig, 2, RIG_TIMEOUT_MS);
	rig_guest(&rig, first, 0, NULL);
	rig_guest(&rig, again, 0, NULL);
	rig_guest(&rig, other, 1, NULL);
	tcp_fabric_ops.adopt(rig.destination, first[0]);
	tcp_fabric_ops.adopt(rig.destination, again[0]);
	tcp_fabric_ops.adopt(rig.destination, other[0]);
	cr_assert_eq(establish(&rig, rig.destination), 0);
	closed = (recv(first[1], answer, sizeof(answer), 0) != PREFACE_BYTES) +
		 (recv(again[1], answer, sizeof(answer), 0) != PREFACE_BYTES);
	cr_assert_eq(closed, 1);
	rig_close(&rig);
}

struct late_hello {
	int fd;
	uint8_t bytes[HELLO_BYTES];
};

static void *write_slowly(void *context)
{
	struct late_hello *late = context;

	for (unsigned i = 0; i < HELLO_BYTES; i++) {
		rig_write(late->fd, &late->bytes[i], 1);
		sched_yield();
	}
	return NULL;
}

Test(tcp_establish, a_hello_may_come_byte_by_byte)
{
	struct hello hello = { .version = WIRE_VERSION };
	struct late_hello late;
	struct rig rig;
	pthread_t thread;
	int fds[2];

	open_destination(&rig, 1, RIG_TIMEOUT_MS);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	tcp_fabric_ops.adopt(rig.destination, fds[0]);
	memcpy(hello.session, rig.destination_config.session, sizeof(hello.session));
	hello_encode(late.bytes, &hello);
	late.fd = fds[1];
	pthread_create(&thread, NULL, write_slowly, &late);
	cr_assert_eq(establish(&rig, rig.destination), 0, "%s", rig.err.text);
	pthread_join(thread, NULL);
	rig_close(&rig);
}

Test(tcp_establish, a_destination_gives_up_and_says_how_many_came)
{
	struct rig rig;
	int fds[2];

	open_destination(&rig, 3, 50);
	rig_guest(&rig, fds, 1, NULL);
	tcp_fabric_ops.adopt(rig.destination, fds[0]);
	cr_assert_eq(establish(&rig, rig.destination), -ETIMEDOUT);
	cr_assert_eq(rig.err.code, VFIOMIG_TIMEOUT);
	cr_assert_not_null(strstr(rig.err.text, "1 of 3 lanes"), "%s", rig.err.text);
	rig_close(&rig);
}

Test(tcp_establish, a_destination_names_the_rail_whose_lanes_did_not_come)
{
	struct sockaddr_in ends[2] = { { .sin_family = AF_INET, .sin_port = htons(7000) },
				       { .sin_family = AF_INET, .sin_port = htons(7000) } };
	struct rig rig;
	int fds[2][2];

	rig_init(&rig, 4);
	rig.destination_config.route.timeout_ms = 50;
	rig.destination_config.rails = 2;
	for (unsigned i = 0; i < 2; i++) {
		ends[i].sin_addr.s_addr = htonl(0x0a000001 + i);
		memcpy(&rig.destination_config.rail[i].local, &ends[i], sizeof(ends[i]));
	}
	cr_assert_eq(tcp_fabric_ops.open(&rig.destination, &rig.destination_config, &rig.err), 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_guest(&rig, fds[i], 2 * i, NULL);
		tcp_fabric_ops.adopt(rig.destination, fds[i][0]);
	}
	cr_assert_eq(establish(&rig, rig.destination), -ETIMEDOUT);
	cr_assert_not_null(strstr(rig.err.text, "no other: lane 1 was to come to 10.0.0.2 port 7000"), "%s",
			   rig.err.text);
	rig_close(&rig);
}

Test(tcp_establish, whoever_comes_later_is_sent_away)
{
	struct rig rig;
	int raw = rig_open_destination(&rig), late[2];

	rig_guest(&rig, late, 0, NULL);
	cr_assert_eq(tcp_fabric_ops.adopt(rig.destination, late[0]), -EBUSY);
	cr_assert(rig_is_closed(late[1]));
	close(raw);
	rig_close(&rig);
}

Test(tcp_establish, both_sides_can_be_cancelled)
{
	struct rig rig;

	open_destination(&rig, 1, RIG_TIMEOUT_MS);
	cr_assert_eq(tcp_fabric_ops.open(&rig.source, &rig.source_config, &rig.err), 0);
	cr_assert_eq(write(rig.cancel[1], "x", 1), 1);
	cr_assert_eq(establish(&rig, rig.destination), -ECANCELED);
	cr_assert_eq(rig.err.code, VFIOMIG_CANCELLED);
	rig.err.code = VFIOMIG_OK;
	cr_assert_eq(establish(&rig, rig.source), -ECANCELED);
	cr_assert_eq(rig.err.code, VFIOMIG_CANCELLED);
	rig_close(&rig);
}

Test(tcp_establish, a_source_names_the_address_that_refuses)
{
	struct rig rig;

	open_source(&rig, RIG_TIMEOUT_MS);
	close(rig.listener);
	cr_assert_eq(establish(&rig, rig.source), -ECONNREFUSED);
	cr_assert_eq(rig.err.code, VFIOMIG_FABRIC);
	cr_assert_not_null(strstr(rig.err.text, "127.0.0.1"), "%s", rig.err.text);
	rig_close(&rig);
}

Test(tcp_establish, a_source_gives_up_on_a_silent_peer)
{
	struct rig rig;

	open_source(&rig, 50);
	cr_assert_eq(establish(&rig, rig.source), -ETIMEDOUT);
	cr_assert_eq(rig.err.code, VFIOMIG_TIMEOUT);
	cr_assert_not_null(strstr(rig.err.text, "0 of 1 lanes"), "%s", rig.err.text);
	rig_close(&rig);
}

struct answer {
	struct rig *rig;
	uint8_t bytes[PREFACE_BYTES];
	size_t count;
};

static void *answer_with(void *context)
{
	struct answer *answer = context;
	int fd = rig_accept(answer->rig);
	uint8_t hello[HELLO_BYTES];

	rig_read(fd, hello, sizeof(hello));
	if (answer->count)
		rig_write(fd, answer->bytes, answer->count);
	close(fd);
	return NULL;
}

static int establish_against(struct rig *rig, struct answer *answer)
{
	pthread_t thread;
	int result;

	open_source(rig, RIG_TIMEOUT_MS);
	answer->rig = rig;
	pthread_create(&thread, NULL, answer_with, answer);
	result = establish(rig, rig->source);
	pthread_join(thread, NULL);
	return result;
}

Test(tcp_establish, a_peer_of_another_version_is_named)
{
	const struct preface preface = { .version = 7, .kind = PREFACE_LANE };
	struct answer answer = { .count = PREFACE_BYTES };
	struct rig rig;

	preface_encode(answer.bytes, &preface);
	cr_assert_eq(establish_against(&rig, &answer), -EPROTONOSUPPORT);
	cr_assert_eq(rig.err.code, VFIOMIG_PREFLIGHT);
	cr_assert_not_null(strstr(rig.err.text, "version 7"), "%s", rig.err.text);
	rig_close(&rig);
}

Test(tcp_establish, a_peer_that_answers_garbage_is_refused)
{
	struct answer answer = { .bytes = "HTTP/1.1", .count = PREFACE_BYTES };
	struct rig rig;

	cr_assert_eq(establish_against(&rig, &answer), -EPROTO);
	cr_assert_eq(rig.err.code, VFIOMIG_PROTOCOL);
	rig_close(&rig);
}

Test(tcp_establish, a_peer_that_hangs_up_did_not_take_the_lane)
{
	struct answer answer = { .count = 0 };
	struct rig rig;

	cr_assert_eq(establish_against(&rig, &answer), -ECONNRESET);
	cr_assert_str_eq(rig.err.name, "lane-rejected");
	rig_close(&rig);
}

Test(tcp_establish, a_fabric_that_never_came_up_can_be_closed)
{
	struct rig rig;
	int fds[2];

	open_destination(&rig, 3, RIG_TIMEOUT_MS);
	rig_guest(&rig, fds, 0, NULL);
	tcp_fabric_ops.adopt(rig.destination, fds[0]);
	tcp_fabric_ops.close(rig.destination);
	rig.destination = NULL;
	cr_assert(rig_is_closed(fds[1]));
	tcp_fabric_ops.close(NULL);
	rig_close(&rig);
}

/* Who may write to its folder can put his own socket there after the control connection has come about. */
Test(tcp_establish, a_lane_is_not_given_to_another_user_at_the_same_path)
{
	const uid_t nobody = 65534, own = geteuid();
	struct sockaddr_un *address;
	struct rig rig;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (own)
		cr_skip("it takes root to be somebody else");
	rig_init(&rig, 1);
	address = (struct sockaddr_un *)&rig.source_config.route.peer;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "/tmp/vfiomig-lane-%d", (int)getpid());
	cr_assert_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	cr_assert_eq(seteuid(nobody), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(seteuid(own), 0);
	cr_assert_eq(tcp_fabric_ops.open(&rig.source, &rig.source_config, &rig.err), 0);
	cr_assert_lt(establish(&rig, rig.source), 0);
	cr_assert_eq(rig.err.code, VFIOMIG_AUTH, "%s", rig.err.text);
	cr_assert_str_eq(rig.err.name, "peer-user");
	unlink(address->sun_path);
	close(fd);
	rig_close(&rig);
}
