/* SPDX-License-Identifier: MIT */
#include "unit/session_sealed_rig.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/random.h"

struct sealed_rig sealed;

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	(void)dev;
	(void)err;
	snprintf(info->driver, sizeof(info->driver), "test");
	info->migration_flags = VFIOMIG_MIGRATION_STOP_COPY;
	info->expected_bytes = SEALED_STATE_BYTES;
	return 0;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	(void)err;
	((struct sealed_device *)dev)->state = target;
	return 0;
}

static enum vfiomig_state get_state(void *dev)
{
	return ((struct sealed_device *)dev)->state;
}

static int data_fd(void *dev)
{
	return ((struct sealed_device *)dev)->fd;
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

	random_fill(&random, sealed.sent, sizeof(sealed.sent));
	sealed.from.state = sealed.to.state = VFIOMIG_STATE_RUNNING;
	sealed.from.fd = memfd_create("state", MFD_CLOEXEC);
	cr_assert_eq(write(sealed.from.fd, sealed.sent, sizeof(sealed.sent)), (ssize_t)sizeof(sealed.sent));
	cr_assert_eq(lseek(sealed.from.fd, 0, SEEK_SET), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	sealed.to.fd = pair[0];
	sealed.tap = pair[1];
}

static void write_key(char *path)
{
	static const char key[] = "test:00112233445566778899aabbccddeeff\n";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, key, sizeof(key) - 1), (ssize_t)sizeof(key) - 1);
	close(fd);
}

static struct vfiomig_session *begin(enum vfiomig_role role, struct sealed_device *device,
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

void sealed_begin(enum vfiomig_payload payload, const char *(*way)(const char *address))
{
	char path[] = "/tmp/vfiomig-sealed-XXXXXX";
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = VFIOMIG_TRANSPORT_TCP,
					   .loader = VFIOMIG_LOADER_WRITE,
					   .lanes = SEALED_LANES,
					   .slots = SEALED_SLOTS,
					   .slot_bytes = SEALED_SLOT_BYTES,
					   .peer_timeout_ms = SEALED_LIMIT_MS,
					   .psk_file = path,
					   .flags = VFIOMIG_OWN_COMMIT | VFIOMIG_NO_PLATFORM };
	struct vfiomig_error err = { 0 };

	make_devices();
	write_key(path);
	cr_assert_eq(vfiomig_listener_open(&sealed.listener, "127.0.0.1:0", &err), 0, "%s", err.text);
	options.listener = sealed.listener;
	sealed.destination = begin(VFIOMIG_DESTINATION, &sealed.to, &options);
	options.listener = NULL;
	options.peer = vfiomig_listener_address(sealed.listener);
	if (way)
		options.peer = way(options.peer);
	options.payload = payload; /* one side's wish is enough */
	sealed.source = begin(VFIOMIG_SOURCE, &sealed.from, &options);
	unlink(path);
}

void sealed_go_on(void)
{
	bool over[2] = { false, false };

	while (!over[0] || !over[1]) {
		struct pollfd fds[] = { { sealed.tap, POLLIN, 0 },
					{ vfiomig_session_fd(sealed.source), POLLIN, 0 },
					{ vfiomig_session_fd(sealed.destination), POLLIN, 0 } };
		ssize_t got;

		cr_assert_gt(poll(fds, 3, SEALED_LIMIT_MS), 0, "it does not end");
		got = recv(sealed.tap, sealed.came + sealed.came_bytes, sizeof(sealed.came) - sealed.came_bytes,
			   MSG_DONTWAIT);
		sealed.came_bytes += got > 0 ? (size_t)got : 0;
		over[0] = vfiomig_session_dispatch(sealed.source);
		over[1] = vfiomig_session_dispatch(sealed.destination);
	}
	for (ssize_t got = 1; got > 0; sealed.came_bytes += got > 0 ? (size_t)got : 0)
		got = recv(sealed.tap, sealed.came + sealed.came_bytes, sizeof(sealed.came) - sealed.came_bytes,
			   MSG_DONTWAIT);
	cr_assert_eq(vfiomig_session_result(sealed.destination, &sealed.outcome), 0);
}

void sealed_end(void)
{
	vfiomig_session_close(sealed.source);
	vfiomig_session_close(sealed.destination);
	vfiomig_device_close(sealed.from.handle);
	vfiomig_device_close(sealed.to.handle);
	vfiomig_listener_close(sealed.listener);
	close(sealed.from.fd);
	close(sealed.to.fd);
	close(sealed.tap);
}

void sealed_assert_whole(void)
{
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_OK, "%s", sealed.outcome.error.text);
	cr_assert_eq(sealed.came_bytes, sizeof(sealed.sent));
	cr_assert_eq(memcmp(sealed.came, sealed.sent, sizeof(sealed.sent)), 0, "the device has another state");
}

void sealed_assert_refused(const char *name, unsigned index)
{
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_PROTOCOL, "%s", sealed.outcome.error.text);
	cr_assert_str_eq(sealed.outcome.error.name, name);
	cr_assert_str_eq(sealed.outcome.destination_state, "reset");
	cr_assert_leq(sealed.came_bytes, (size_t)index * SEALED_SLOT_BYTES);
	cr_assert_eq(memcmp(sealed.came, sealed.sent, sealed.came_bytes), 0);
	cr_assert_eq(sealed.from.state, VFIOMIG_STATE_RUNNING);
}
