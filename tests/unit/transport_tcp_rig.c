/* SPDX-License-Identifier: MIT */
#include "unit/transport_tcp_rig.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "wire/hello.h"
#include "wire/immediate.h"

static int sink_place(void *context, unsigned lane, uint32_t immediate, uint32_t bytes, struct fabric_place *place)
{
	struct rig_sink *sink = context;
	unsigned device = immediate_device(immediate), slot = immediate_index(immediate) % RIG_SLOTS;

	(void)lane;
	(void)bytes;
	if (sink->refuse)
		return sink->refuse;
	if (immediate_kind(immediate) == IMMEDIATE_TOKEN) {
		place->payload = arena_token(sink->arena);
	} else {
		if (device >= RIG_DEVICES)
			return -ENODEV;
		place->header = arena_header(sink->arena, device, slot);
		place->payload = arena_payload(sink->arena, device, slot);
	}
	sink->placed++;
	return 0;
}

static void rig_listen(struct rig *rig, struct sockaddr_storage *where)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t bytes = sizeof(*where);

	rig->listener = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(rig->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(rig->listener, 64), 0);
	cr_assert_eq(getsockname(rig->listener, (struct sockaddr *)where, &bytes), 0);
}

void rig_init(struct rig *rig, unsigned lanes)
{
	const struct arena_shape shape = { RIG_DEVICES, RIG_SLOTS, RIG_SLOT_BYTES };
	struct fabric_config *source = &rig->source_config, *destination = &rig->destination_config;

	memset(rig, 0, sizeof(*rig));
	cr_assert_eq(pipe(rig->cancel), 0);
	cr_assert_eq(arena_open(&rig->source_arena, &shape, -1, NULL), 0);
	cr_assert_eq(arena_open(&rig->destination_arena, &shape, -1, NULL), 0);
	rig->sink.arena = &rig->destination_arena;
	source->lanes = lanes;
	source->route.role = VFIOMIG_SOURCE;
	source->route.timeout_ms = RIG_TIMEOUT_MS;
	source->route.cancel_fd = rig->cancel[0];
	memcpy(source->session, "sixteen bytes id", sizeof(source->session));
	source->sink = (struct fabric_sink){ sink_place, &rig->sink };
	*destination = *source;
	destination->route.role = VFIOMIG_DESTINATION;
	source->arena = &rig->source_arena;
	destination->arena = &rig->destination_arena;
	rig_listen(rig, &source->route.peer);
	destination->route.local = source->route.peer;
}

int rig_accept(struct rig *rig)
{
	uint8_t bytes[PREFACE_BYTES];
	struct preface preface;
	int fd = accept(rig->listener, NULL, NULL);

	cr_assert_geq(fd, 0);
	rig_read(fd, bytes, sizeof(bytes));
	cr_assert_eq(preface_decode(&preface, bytes), 0);
	cr_assert_eq(preface.kind, PREFACE_LANE);
	return fd;
}

static void *source_establish(void *context)
{
	struct rig *rig = context;

	return (void *)(intptr_t)rig->source->ops->establish(rig->source, NULL, &rig->err);
}

void rig_open(struct rig *rig, unsigned lanes)
{
	pthread_t thread;
	void *result;

	rig_init(rig, lanes);
	cr_assert_eq(tcp_fabric_ops.open(&rig->destination, &rig->destination_config, &rig->err), 0);
	cr_assert_eq(tcp_fabric_ops.open(&rig->source, &rig->source_config, &rig->err), 0);
	cr_assert_eq(pthread_create(&thread, NULL, source_establish, rig), 0);
	for (unsigned i = 0; i < lanes; i++)
		cr_assert_eq(tcp_fabric_ops.adopt(rig->destination, rig_accept(rig)), 0);
	cr_assert_eq(tcp_fabric_ops.establish(rig->destination, NULL, &rig->err), 0, "%s", rig->err.text);
	pthread_join(thread, &result);
	cr_assert_null(result, "%s", rig->err.text);
}

void rig_guest(struct rig *rig, int fds[2], uint16_t lane, const uint8_t *session)
{
	struct hello hello = { .version = WIRE_VERSION, .lane = lane };
	uint8_t bytes[HELLO_BYTES];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	memcpy(hello.session, session ? session : rig->destination_config.session, sizeof(hello.session));
	hello_encode(bytes, &hello);
	rig_write(fds[1], bytes, sizeof(bytes));
}

int rig_open_destination(struct rig *rig)
{
	uint8_t answer[PREFACE_BYTES];
	int fds[2];

	rig_init(rig, 1);
	cr_assert_eq(tcp_fabric_ops.open(&rig->destination, &rig->destination_config, &rig->err), 0);
	rig_guest(rig, fds, 0, NULL);
	cr_assert_eq(tcp_fabric_ops.adopt(rig->destination, fds[0]), 0);
	cr_assert_eq(tcp_fabric_ops.establish(rig->destination, NULL, &rig->err), 0, "%s", rig->err.text);
	rig_read(fds[1], answer, sizeof(answer));
	return fds[1];
}

int rig_open_source(struct rig *rig)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	uint8_t answer[PREFACE_BYTES], hello[HELLO_BYTES];
	pthread_t thread;
	void *result;
	int fd;

	rig_init(rig, 1);
	cr_assert_eq(tcp_fabric_ops.open(&rig->source, &rig->source_config, &rig->err), 0);
	cr_assert_eq(pthread_create(&thread, NULL, source_establish, rig), 0);
	fd = rig_accept(rig);
	rig_read(fd, hello, sizeof(hello));
	preface_encode(answer, &preface);
	rig_write(fd, answer, sizeof(answer));
	pthread_join(thread, &result);
	cr_assert_null(result, "%s", rig->err.text);
	return fd;
}

void rig_close(struct rig *rig)
{
	tcp_fabric_ops.close(rig->source);
	tcp_fabric_ops.close(rig->destination);
	arena_close(&rig->source_arena);
	arena_close(&rig->destination_arena);
	close(rig->listener);
	close(rig->cancel[0]);
	close(rig->cancel[1]);
}

void rig_write(int fd, const void *bytes, size_t count)
{
	const uint8_t *from = bytes;

	while (count) {
		ssize_t sent = send(fd, from, count, MSG_NOSIGNAL);

		cr_assert_gt(sent, 0, "send: %s", strerror(errno));
		from += sent;
		count -= (size_t)sent;
	}
}

bool rig_is_closed(int fd)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };
	uint8_t byte;
	ssize_t got;

	if (poll(&end, 1, 10000) != 1)
		return false;
	got = recv(fd, &byte, 1, MSG_DONTWAIT);
	/* A socket closed with bytes unread is reset. */
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

void rig_read(int fd, void *bytes, size_t count)
{
	uint8_t *to = bytes;

	while (count) {
		ssize_t got = recv(fd, to, count, 0);

		cr_assert_gt(got, 0, "recv: %s", got ? strerror(errno) : "closed");
		to += got;
		count -= (size_t)got;
	}
}

size_t rig_wire_packet(uint8_t *out, const struct arena *arena, unsigned slot, uint32_t bytes)
{
	put_be32(out, immediate_make(IMMEDIATE_DATA, 0, slot));
	put_be32(out + 4, ARENA_HEADER_BYTES + bytes);
	memcpy(out + RIG_FRAME_BYTES, arena_header(arena, 0, slot), ARENA_HEADER_BYTES);
	memcpy(out + RIG_FRAME_BYTES + ARENA_HEADER_BYTES, arena_payload(arena, 0, slot), bytes);
	return RIG_FRAME_BYTES + ARENA_HEADER_BYTES + bytes;
}

void rig_write_frame(int fd, uint32_t immediate, uint32_t bytes)
{
	uint8_t frame[RIG_FRAME_BYTES];

	put_be32(frame, immediate);
	put_be32(frame + 4, bytes);
	rig_write(fd, frame, sizeof(frame));
}

unsigned rig_poll(struct fabric *fabric, uint64_t now_ns, struct fabric_event *event)
{
	return fabric->ops->poll(fabric, now_ns, event, 1);
}

struct fabric_event rig_event(struct fabric *fabric)
{
	struct pollfd fds[FABRIC_POLLFDS_MAX];
	struct fabric_event event;

	while (fabric->ops->poll(fabric, clock_now_ns(), &event, 1) == 0) {
		int count = fabric->ops->pollfds(fabric, fds, FABRIC_POLLFDS_MAX);

		if (count != -EAGAIN)
			cr_assert_gt(poll(fds, (nfds_t)count, 10000), 0, "nothing came");
	}
	return event;
}

struct fabric_event rig_event_pushed(struct fabric *fabric, struct fabric *other)
{
	struct fabric_event event, lost;

	while (fabric->ops->poll(fabric, clock_now_ns(), &event, 1) == 0)
		other->ops->poll(other, clock_now_ns(), &lost, 1);
	return event;
}

static uint8_t rig_byte(unsigned device, unsigned slot, size_t at)
{
	return (uint8_t)(at * 31 + at / 251 + device * 7 + slot * 13 + 1);
}

void rig_fill(const struct arena *arena, unsigned device, unsigned slot, uint32_t bytes)
{
	uint8_t *header = arena_header(arena, device, slot), *payload = arena_payload(arena, device, slot);

	for (size_t i = 0; i < ARENA_HEADER_BYTES; i++)
		header[i] = (uint8_t)(0x80 + i + slot);
	for (size_t i = 0; i < bytes; i++)
		payload[i] = rig_byte(device, slot, i);
}

bool rig_same(const struct rig *rig, unsigned device, unsigned slot, uint32_t bytes)
{
	const struct arena *a = &rig->source_arena, *b = &rig->destination_arena;

	return memcmp(arena_header(a, device, slot), arena_header(b, device, slot), ARENA_HEADER_BYTES) == 0 &&
	       memcmp(arena_payload(a, device, slot), arena_payload(b, device, slot), bytes) == 0;
}

struct fabric_packet rig_packet(unsigned device, unsigned slot, uint32_t bytes)
{
	return (struct fabric_packet){ .immediate = immediate_make(IMMEDIATE_DATA, device, slot),
				       .device = device,
				       .slot = slot,
				       .bytes = bytes,
				       .cookie = 1000 + device * 100 + slot };
}

void rig_assert_dead(struct fabric *fabric, int errnum, enum vfiomig_code code, const char *name)
{
	struct fabric_event event = rig_event(fabric);
	const struct vfiomig_error *error = fabric->ops->error(fabric, 0);

	cr_assert_eq(event.kind, FABRIC_DEAD);
	cr_assert_eq(error->errnum, errnum, "%s", error->text);
	cr_assert_eq(error->code, code);
	cr_assert_str_eq(error->name, name);
	cr_assert_eq(rig_poll(fabric, clock_now_ns(), &event), 0);
	cr_assert_eq(fabric->ops->send(fabric, 0, immediate_make(IMMEDIATE_CONTROL, 0, 0)), -EPIPE);
	cr_assert_eq(fabric->ops->deadline_ns(fabric), UINT64_MAX);
}
