/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a session with a key, and a destination's device that takes its state only when the test lets it: so there is a moment
 * at which the first packet is being written and all others lie in their slots. What an adversary who can write into the
 * slots could do then is done here.
 */
#include <criterion/criterion.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vfiomig/vfiomig.h>

#include "session/session.h"
#include "support/random.h"

enum {
	SLOTS = 16, /* more than are loaded at once */
	SLOT_BYTES = VFIOMIG_SLOT_BYTES_MIN,
	STATE_BYTES = 40 * SLOT_BYTES - 5,
	LIMIT_MS = 30000,
};

/* A device that does as it is told. */
struct test_device {
	enum vfiomig_state state;
	int fd;
	struct vfiomig_device *handle;
};

static uint8_t sent[STATE_BYTES], came[STATE_BYTES];
static size_t came_bytes;
static struct test_device from, to;
static int tap = -1; /* the other end of to.fd */
static struct vfiomig_listener *listener;
static struct vfiomig_session *source, *destination;
static struct vfiomig_result outcome; /* the destination's */

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	(void)dev;
	(void)err;
	snprintf(info->driver, sizeof(info->driver), "test");
	info->migration_flags = VFIOMIG_MIGRATION_STOP_COPY;
	info->expected_bytes = STATE_BYTES;
	return 0;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	(void)err;
	((struct test_device *)dev)->state = target;
	return 0;
}

static enum vfiomig_state get_state(void *dev)
{
	return ((struct test_device *)dev)->state;
}

static int data_fd(void *dev)
{
	return ((struct test_device *)dev)->fd;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	return set_state(dev, VFIOMIG_STATE_RUNNING, err);
}

static const struct vfiomig_device_ops ops = { .size = sizeof(ops),
					       .describe = describe,
					       .set_state = set_state,
					       .get_state = get_state,
					       .data_fd = data_fd,
					       .reset = reset };

static void make_devices(void)
{
	struct random random = { 5 };
	const int little = 1;
	int pair[2];

	random_fill(&random, sent, sizeof(sent));
	from.state = to.state = VFIOMIG_STATE_RUNNING;
	from.fd = memfd_create("state", MFD_CLOEXEC);
	cr_assert_eq(write(from.fd, sent, sizeof(sent)), (ssize_t)sizeof(sent));
	cr_assert_eq(lseek(from.fd, 0, SEEK_SET), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	to.fd = pair[0];
	tap = pair[1];
}

static void write_key(char *path)
{
	static const char key[] = "test:00112233445566778899aabbccddeeff\n";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, key, sizeof(key) - 1), (ssize_t)sizeof(key) - 1);
	close(fd);
}

static struct vfiomig_session *begin(enum vfiomig_role role, struct test_device *device,
				     const struct vfiomig_options *options)
{
	struct vfiomig_session *session;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_session_create(&session, role, options, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_device_wrap(&device->handle, &ops, device, NULL, VFIOMIG_GATE_ON, &err), 0);
	cr_assert_eq(vfiomig_session_add_device(session, device->handle, &err), 0, "%s", err.text);
	cr_assert_eq(vfiomig_session_start(session, &err), 0, "%s", err.text);
	return session;
}

static void begin_both(enum vfiomig_payload payload)
{
	char path[] = "/tmp/vfiomig-sealed-XXXXXX";
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .loader = VFIOMIG_LOADER_WRITE,
					   .lanes = 3,
					   .slots = SLOTS,
					   .slot_bytes = SLOT_BYTES,
					   .peer_timeout_ms = LIMIT_MS,
					   .psk_file = path,
					   .flags = VFIOMIG_NO_PLATFORM };
	struct vfiomig_error err = { 0 };

	make_devices();
	write_key(path);
	cr_assert_eq(vfiomig_listener_open(&listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	options.listener = listener;
	destination = begin(VFIOMIG_DESTINATION, &to, &options);
	options.listener = NULL;
	options.peer = vfiomig_listener_address(listener);
	options.payload = payload; /* one side's wish is enough */
	source = begin(VFIOMIG_SOURCE, &from, &options);
	unlink(path);
}

/* Until the device has its first bytes and all slots are full: then the first packet is being written, and the last eight cannot be. */
static void await_full_slots(void)
{
	struct pollfd fd = { tap, POLLIN, 0 };
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(poll(&fd, 1, LIMIT_MS), 1, "nothing is loaded");
	for (unsigned looks = 0; stats.device[0].packets < SLOTS; looks++) {
		cr_assert_lt(looks, LIMIT_MS, "the slots do not fill: %llu",
			     (unsigned long long)stats.device[0].packets);
		poll(NULL, 0, 1);
		cr_assert_eq(vfiomig_session_stats(destination, &stats), 0);
	}
}

/* Let the device take the rest, up to the end of both sessions. */
static void go_on(void)
{
	bool over[2] = { false, false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[] = { { tap, POLLIN, 0 },
					{ vfiomig_session_fd(source), POLLIN, 0 },
					{ vfiomig_session_fd(destination), POLLIN, 0 } };
		ssize_t got;

		cr_assert_gt(poll(fds, 3, LIMIT_MS), 0, "it does not end");
		got = recv(tap, came + came_bytes, sizeof(came) - came_bytes, MSG_DONTWAIT);
		came_bytes += got > 0 ? (size_t)got : 0;
		over[0] = vfiomig_session_dispatch(source);
		over[1] = vfiomig_session_dispatch(destination);
	}
	for (ssize_t got = 1; got > 0; came_bytes += got > 0 ? (size_t)got : 0)
		got = recv(tap, came + came_bytes, sizeof(came) - came_bytes, MSG_DONTWAIT);
	cr_assert_eq(vfiomig_session_result(destination, &outcome), 0);
}

static void end(void)
{
	vfiomig_session_close(source);
	vfiomig_session_close(destination);
	vfiomig_device_close(from.handle);
	vfiomig_device_close(to.handle);
	vfiomig_listener_close(listener);
	close(from.fd);
	close(to.fd);
	close(tap);
}

TestSuite(session_sealed, .fini = end, .timeout = 120);

static void assert_whole(void)
{
	cr_assert_eq(outcome.error.code, VFIOMIG_OK, "%s", outcome.error.text);
	cr_assert_eq(came_bytes, sizeof(sent));
	cr_assert_eq(memcmp(came, sent, sizeof(sent)), 0, "the device has another state");
}

/* Refused, and of packet @index nothing was given to the device. */
static void assert_refused(const char *name, unsigned index)
{
	cr_assert_eq(outcome.error.code, VFIOMIG_PROTOCOL, "%s", outcome.error.text);
	cr_assert_str_eq(outcome.error.name, name);
	cr_assert_str_eq(outcome.destination_state, "reset");
	cr_assert_leq(came_bytes, (size_t)index * SLOT_BYTES);
	cr_assert_eq(memcmp(came, sent, came_bytes), 0);
	cr_assert_eq(from.state, VFIOMIG_STATE_RUNNING);
}

Test(session_sealed, the_state_arrives_and_the_slots_never_show_it)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	begin_both(VFIOMIG_PAYLOAD_AEAD);
	await_full_slots();
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		const uint8_t *lies = arena_payload(&destination->arena, 0, slot);

		cr_assert_neq(memcmp(lies, sent + (size_t)slot * SLOT_BYTES, 16), 0, "slot %u is readable", slot);
		cr_assert_neq(memcmp(lies + SLOT_BYTES - 16, sent + (size_t)(slot + 1) * SLOT_BYTES - 16, 16), 0);
	}
	cr_assert_eq(vfiomig_session_stats(destination, &stats), 0);
	cr_assert_str_eq(stats.payload, "aead");
	cr_assert_geq(stats.private_bytes, 8 * SLOT_BYTES);
	go_on();
	assert_whole();
}

Test(session_sealed, what_a_slot_becomes_while_its_packet_is_written_has_no_effect)
{
	begin_both(VFIOMIG_PAYLOAD_AEAD);
	await_full_slots();
	memset(arena_payload(&destination->arena, 0, 0), 0, SLOT_BYTES);
	go_on();
	assert_whole();
}

/* So the test above can fail: a CRC is checked before the write, and does not hold the slot. */
Test(session_sealed, what_a_slot_becomes_while_a_clear_packet_is_written_reaches_the_device)
{
	begin_both(VFIOMIG_PAYLOAD_CLEAR);
	await_full_slots();
	memset(arena_payload(&destination->arena, 0, 0), 0, SLOT_BYTES);
	go_on();
	cr_assert_eq(outcome.error.code, VFIOMIG_OK, "%s", outcome.error.text);
	cr_assert_neq(memcmp(came, sent, SLOT_BYTES), 0);
	cr_assert_eq(memcmp(came + SLOT_BYTES, sent + SLOT_BYTES, sizeof(sent) - SLOT_BYTES), 0);
}

Test(session_sealed, a_bit_of_a_payload_that_is_turned_in_its_slot_is_noticed)
{
	begin_both(VFIOMIG_PAYLOAD_AEAD);
	await_full_slots();
	((uint8_t *)arena_payload(&destination->arena, 0, 12))[SLOT_BYTES - 1] ^= 0x10;
	go_on();
	assert_refused("packet-seal", 12);
}

Test(session_sealed, another_packet_in_a_slot_is_noticed)
{
	begin_both(VFIOMIG_PAYLOAD_AEAD);
	await_full_slots();
	memcpy(arena_payload(&destination->arena, 0, 12), arena_payload(&destination->arena, 0, 13), SLOT_BYTES);
	go_on();
	assert_refused("packet-seal", 12);
}

Test(session_sealed, what_a_header_becomes_after_it_has_come_has_no_effect)
{
	begin_both(VFIOMIG_PAYLOAD_AEAD);
	await_full_slots();
	for (unsigned slot = 0; slot < SLOTS; slot++)
		memset(arena_header(&destination->arena, 0, slot), 0xff, ARENA_HEADER_BYTES);
	go_on();
	assert_whole();
}
