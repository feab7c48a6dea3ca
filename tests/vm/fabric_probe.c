/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a verbs fabric, in two processes of the emulated guest and below any session: packets with checked content over
 * all lanes, credits back, a token, and then what the scenario asks for. Run by tests that have real RDMA devices.
 *
 *   fabric_probe SCENARIO SOURCE-ADDRESS DESTINATION-ADDRESS [LANES [SLOT-BYTES [PACKETS]]]
 *     move   packets, token, a fence in the middle (of two lanes or more), the release: all must be right
 *     rate   the same with content neither made nor checked: prints what the wire takes
 *     kill   the destination is killed in the middle: every lane of the source must die
 *     flow   packets without end until every lane is dead, for faults from outside; stays 3 s after that
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/fabric.h"
#include "wire/immediate.h"

enum { DEVICES = 2, SLOTS = 8, PORT = 7411, EVENTS = 32, TIMEOUT_MS = 10000, PACKETS_MAX = 1 << 20, TOKEN_BYTES = 200 };

struct end {
	const char *scenario;
	enum vfiomig_role role;
	unsigned lanes, packets; /* of each device */
	int link;		 /* to the other end: one byte per step */
	struct arena arena;
	struct fabric *fabric;
	bool dead[VFIOMIG_LANES_MAX];
	unsigned dead_count, controls, outstanding;
	uint64_t posted[DEVICES], credit[DEVICES], loaded[DEVICES], bytes;
	unsigned on_lane[VFIOMIG_LANES_MAX]; /* source: packets outstanding */
	unsigned shut;			     /* a lane not to be used, or VFIOMIG_LANES_MAX */
	bool token, unchecked;
	uint8_t *seen[DEVICES];
};

static const struct fabric_ops *const ops = &verbs_fabric_ops;

#define SAY(end, ...) \
	(printf("%s: ", (end)->role == VFIOMIG_SOURCE ? "source" : "destination"), printf(__VA_ARGS__), fflush(stdout))

#define MUST(end, claim) ((claim) ? (void)0 : (SAY(end, "FAILED at line %d: %s\n", __LINE__, #claim), _exit(1)))

static void tell(struct end *end, char step)
{
	MUST(end, write(end->link, &step, 1) == 1);
}

static uint64_t seed_of(unsigned device, uint64_t index)
{
	return (index + 1) * UINT64_C(0x9e3779b97f4a7c15) + device;
}

static uint32_t bytes_of(const struct end *end, unsigned device, uint64_t index)
{
	uint64_t slot_bytes = end->arena.shape.slot_bytes;

	if (index % 5 == 3)
		return (uint32_t)(seed_of(device, index) % (slot_bytes + 1));
	return index % 17 == 16 ? 0 : (uint32_t)slot_bytes;
}

static void fill(void *to, size_t bytes, uint64_t seed)
{
	uint8_t *at = to;

	for (size_t i = 0; i + 8 <= bytes; i += 8, seed += 0x1000193)
		memcpy(at + i, &seed, 8);
	memset(at + bytes / 8 * 8, (int)(seed & 0xff), bytes % 8);
}

static bool holds(const void *from, size_t bytes, uint64_t seed)
{
	const uint8_t *at = from;
	uint64_t word;

	for (size_t i = 0; i + 8 <= bytes; i += 8, seed += 0x1000193) {
		memcpy(&word, at + i, 8);
		if (word != seed)
			return false;
	}
	for (size_t i = bytes / 8 * 8; i < bytes; i++)
		if (at[i] != (uint8_t)seed)
			return false;
	return true;
}

static unsigned lane_of(const struct end *end, unsigned device, uint64_t index)
{
	unsigned lane = (unsigned)((device + index) % end->lanes);

	return lane == end->shut ? (lane + 1) % end->lanes : lane;
}

/* Source: one packet of @device if credit and lane allow. */
static bool post_one(struct end *end, unsigned device, uint64_t limit)
{
	uint64_t index = end->posted[device];
	unsigned slot = (unsigned)(index % SLOTS), lane = lane_of(end, device, index);
	uint32_t bytes = bytes_of(end, device, index);
	struct fabric_packet packet = { .immediate = immediate_make(IMMEDIATE_DATA, device, index),
					.device = device,
					.slot = slot,
					.bytes = bytes,
					.cookie = (uint64_t)device << 32 | index };

	if (index >= limit || index >= end->credit[device] + SLOTS || end->on_lane[lane] == 2 || end->dead[lane])
		return false;
	if (!end->unchecked) {
		fill(arena_payload(&end->arena, device, slot), bytes, seed_of(device, index));
		fill(arena_header(&end->arena, device, slot), ARENA_HEADER_BYTES, ~seed_of(device, index));
	}
	if (ops->post(end->fabric, lane, &packet) < 0)
		return false;
	end->on_lane[lane]++;
	end->outstanding++;
	end->posted[device]++;
	end->bytes += bytes;
	return true;
}

static void on_data(struct end *end, uint32_t immediate, unsigned lane)
{
	unsigned device = immediate_device(immediate), slot;
	uint64_t index = immediate_index(immediate); /* the scenarios stay below its wrap */
	uint32_t bytes = bytes_of(end, device, index);

	MUST(end, device < DEVICES && index < end->loaded[device] + SLOTS && !end->seen[device][index]);
	slot = (unsigned)(index % SLOTS);
	MUST(end, end->unchecked || (holds(arena_header(&end->arena, device, slot), ARENA_HEADER_BYTES,
					   ~seed_of(device, index)) &&
				     holds(arena_payload(&end->arena, device, slot), bytes, seed_of(device, index))));
	end->seen[device][index] = 1;
	end->bytes += bytes;
	while (end->seen[device][end->loaded[device]])
		end->loaded[device]++;
	ops->send(end->fabric, lane, immediate_make(IMMEDIATE_CREDIT, device, end->loaded[device]));
}

static void on_credit(struct end *end, uint32_t immediate)
{
	unsigned device = immediate_device(immediate);
	uint32_t ahead = (immediate_index(immediate) - (uint32_t)end->credit[device]) & IMMEDIATE_INDEX_MASK;

	if (ahead >= 1U << 23)
		return; /* a late one */
	end->credit[device] += ahead;
	MUST(end, end->credit[device] <= end->posted[device]);
}

static void on_arrival(struct end *end, const struct fabric_event *event)
{
	switch (immediate_kind(event->immediate)) {
	case IMMEDIATE_DATA:
		on_data(end, event->immediate, event->lane);
		break;
	case IMMEDIATE_TOKEN:
		MUST(end, !end->token && holds(arena_token(&end->arena), TOKEN_BYTES, 42));
		end->token = true;
		break;
	case IMMEDIATE_CREDIT:
		on_credit(end, event->immediate);
		break;
	default:
		end->controls++;
	}
}

static void on_event(struct end *end, const struct fabric_event *event)
{
	if (event->kind == FABRIC_ARRIVED) {
		on_arrival(end, event);
	} else if (event->kind == FABRIC_SENT) {
		end->outstanding--;
		if (event->cookie != UINT64_MAX)
			end->on_lane[event->lane]--;
	} else {
		MUST(end, !end->dead[event->lane]);
		end->dead[event->lane] = true;
		end->dead_count++;
		SAY(end, "DEAD %s\n", ops->error(end->fabric, event->lane)->text);
	}
}

/* Poll, or sleep until there is something to poll. True if the other end has said something (asked for by @listen). */
static bool turn_or_hear(struct end *end, bool listen)
{
	struct fabric_event events[EVENTS];
	struct pollfd fds[FABRIC_POLLFDS_MAX + 1];
	unsigned got = ops->poll(end->fabric, clock_now_ns(), events, EVENTS);
	uint64_t deadline_ns;
	int count;

	for (unsigned i = 0; i < got; i++)
		on_event(end, &events[i]);
	if (got)
		return false;
	count = ops->pollfds(end->fabric, fds, FABRIC_POLLFDS_MAX);
	if (count == -EAGAIN)
		return false;
	MUST(end, count > 0);
	fds[count++] = (struct pollfd){ .fd = listen ? end->link : -1, .events = POLLIN };
	deadline_ns = ops->deadline_ns(end->fabric);
	MUST(end, poll(fds, (nfds_t)count, deadline_ns == UINT64_MAX ? 20000 : TIMEOUT_MS) != 0);
	return fds[count - 1].revents;
}

static void turn(struct end *end)
{
	turn_or_hear(end, false);
}

static void hear(struct end *end, char step)
{
	char got = 0;

	while (!turn_or_hear(end, true))
		;
	MUST(end, read(end->link, &got, 1) == 1 && got == step);
}

static uint64_t sum(const uint64_t *counts)
{
	return counts[0] + counts[1];
}

/* Source: all packets up to @limit, and all credits for them. */
static void stream(struct end *end, uint64_t limit)
{
	while ((sum(end->credit) < DEVICES * limit || end->outstanding) && end->dead_count < end->lanes) {
		bool more = true;

		while (more) {
			more = false;
			for (unsigned device = 0; device < DEVICES; device++)
				more |= post_one(end, device, limit);
		}
		turn(end);
	}
}

static void receive(struct end *end, uint64_t limit)
{
	while (sum(end->loaded) < DEVICES * limit && end->dead_count < end->lanes)
		turn(end);
}

static void up(struct end *end, const struct sockaddr_in addresses[2])
{
	static const struct arena_shape shape = { .devices = DEVICES, .slots = SLOTS };
	bool source = end->role == VFIOMIG_SOURCE;
	struct fabric_config config = { .lanes = end->lanes, .session = "fabric-probe", .arena = &end->arena };
	struct fabric_memory memory = { 0 };
	struct fabric_limits limits;
	struct vfiomig_error err = { 0 };
	size_t slot_bytes = end->arena.shape.slot_bytes;
	struct arena_shape mine = shape;

	mine.slot_bytes = slot_bytes;
	MUST(end, !arena_open(&end->arena, &mine, -1, &err));
	config.route = (struct fabric_route){ .role = end->role, .timeout_ms = TIMEOUT_MS, .cancel_fd = -1 };
	memcpy(&config.route.local, &addresses[source ? 0 : 1], sizeof(addresses[0]));
	memcpy(&config.route.peer, &addresses[source ? 1 : 0], sizeof(addresses[0]));
	if (source)
		((struct sockaddr_in *)&config.route.local)->sin_port = 0;
	if (ops->probe(&config.route, &limits))
		SAY(end, "refused: %s\n", limits.reason), _exit(1);
	SAY(end, "%s, %u receives at most\n", limits.reason, limits.receives_max);
	if (ops->open(&end->fabric, &config, &err))
		SAY(end, "refused: %s\n", err.text), _exit(1);
	if (!source) {
		ops->describe(end->fabric, &memory);
		MUST(end, write(end->link, &memory, sizeof(memory)) == sizeof(memory));
	} else {
		MUST(end, read(end->link, &memory, sizeof(memory)) == sizeof(memory));
	}
	if (ops->establish(end->fabric, source ? &memory : NULL, &err))
		SAY(end, "refused: %s\n", err.text), _exit(1);
	for (unsigned i = 0; i < end->lanes; i++)
		MUST(end, !ops->send(end->fabric, i, immediate_make(IMMEDIATE_CONTROL, 0, 0)));
	while (end->controls < end->lanes)
		turn(end);
	SAY(end, "%u lanes up and warm\n", end->lanes);
}

static void move_source(struct end *end)
{
	struct fabric_packet token = { .immediate = immediate_make(IMMEDIATE_TOKEN, 0, 0),
				       .bytes = TOKEN_BYTES,
				       .cookie = UINT64_MAX };
	uint64_t begun_ns = clock_now_ns();
	struct fabric_packet stray = { .immediate = immediate_make(IMMEDIATE_DATA, 0, 0) };
	unsigned last = end->lanes - 1;

	stream(end, end->packets);
	SAY(end, "%llu bytes in %llu ms\n", (unsigned long long)end->bytes,
	    (unsigned long long)((clock_now_ns() - begun_ns) / NS_PER_MS));
	fill(arena_token(&end->arena), TOKEN_BYTES, 42);
	end->outstanding++;
	MUST(end, !ops->post(end->fabric, 0, &token));
	if (!last)
		return;
	ops->fence(end->fabric, last);
	tell(end, 'f');
	hear(end, 'F');
	MUST(end, ops->post(end->fabric, last, &stray) == -EPIPE && ops->send(end->fabric, last, 0) == -EPIPE);
	end->shut = last;
	stream(end, end->packets + 50);
	MUST(end, end->dead_count == 0 && !end->outstanding);
	tell(end, 'r');
	hear(end, 'R');
	MUST(end, !ops->post(end->fabric, 0, &stray)); /* into memory that is closed by now */
	while (!end->dead[0])
		turn(end);
}

static void move_destination(struct end *end)
{
	receive(end, end->packets);
	while (!end->token)
		turn(end);
	if (end->lanes == 1)
		return;
	hear(end, 'f');
	ops->fence(end->fabric, end->lanes - 1);
	tell(end, 'F');
	receive(end, end->packets + 50);
	hear(end, 'r');
	ops->release(end->fabric);
	tell(end, 'R');
	while (!end->dead[0])
		turn(end);
	MUST(end, sum(end->loaded) == DEVICES * (end->packets + 50ULL));
}

static void run(struct end *end)
{
	bool source = end->role == VFIOMIG_SOURCE, killed = !strcmp(end->scenario, "kill");
	uint64_t begun_ns;

	if (!strcmp(end->scenario, "move") || end->unchecked) {
		source ? move_source(end) : move_destination(end);
	} else if (source) {
		stream(end, PACKETS_MAX);
		MUST(end, end->dead_count == end->lanes);
	} else {
		begun_ns = clock_now_ns();
		receive(end, killed ? end->packets : PACKETS_MAX);
		if (killed)
			raise(SIGKILL);
		SAY(end, "all lanes dead after %llu ms\n",
		    (unsigned long long)((clock_now_ns() - begun_ns) / NS_PER_MS));
	}
	if (!strcmp(end->scenario, "flow")) {
		SAY(end, "all dead\n");
		sleep(3);
	}
	SAY(end, "closing after %llu bytes\n", (unsigned long long)end->bytes);
	ops->close(end->fabric);
	arena_close(&end->arena);
	SAY(end, "ok\n");
}

int main(int argc, char **argv)
{
	struct sockaddr_in addresses[2] = { { .sin_family = AF_INET, .sin_port = htons(PORT) },
					    { .sin_family = AF_INET, .sin_port = htons(PORT) } };
	struct end end = { .role = VFIOMIG_SOURCE, .lanes = 8, .packets = 200, .shut = VFIOMIG_LANES_MAX };
	int link[2], status = 0;
	pid_t child;

	if (argc < 4 || inet_pton(AF_INET, argv[2], &addresses[0].sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[3], &addresses[1].sin_addr) != 1 || socketpair(AF_UNIX, SOCK_STREAM, 0, link))
		return 2;
	end.scenario = argv[1];
	end.unchecked = !strcmp(argv[1], "rate");
	end.lanes = argc > 4 ? (unsigned)atoi(argv[4]) : end.lanes;
	end.arena.shape.slot_bytes = argc > 5 ? strtoul(argv[5], NULL, 10) : 1 << 20;
	end.packets = argc > 6 ? (unsigned)atoi(argv[6]) : end.packets;
	child = fork();
	if (!child)
		end.role = VFIOMIG_DESTINATION;
	end.link = link[child ? 0 : 1];
	close(link[child ? 1 : 0]);
	for (unsigned device = 0; device < DEVICES; device++)
		end.seen[device] = calloc(PACKETS_MAX + 1, 1);
	up(&end, addresses);
	run(&end);
	for (unsigned device = 0; device < DEVICES; device++)
		free(end.seen[device]);
	if (child)
		waitpid(child, &status, 0);
	return status && strcmp(end.scenario, "kill") ? 1 : 0;
}
