/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/listener.h"

static int loopback_socket(int type)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void assert_not_adopted(int fd)
{
	struct vfiomig_listener *listener = (void *)&fd;
	struct vfiomig_error err = { 0 };
	char number[16];

	cr_assert_eq(vfiomig_listener_adopt(&listener, fd, &err), -EINVAL);
	cr_assert_null(listener);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	snprintf(number, sizeof(number), "%d", fd);
	cr_assert_not_null(strstr(err.text, number), "%s", err.text);
}

Test(listener, adopts_a_socket_that_listens_and_closes_it)
{
	int fd = loopback_socket(SOCK_STREAM), fds[LISTENER_FDS_MAX];
	struct vfiomig_listener *listener;

	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(vfiomig_listener_adopt(&listener, fd, NULL), 0);
	cr_assert_eq(listener_fds(listener, fds), 1);
	cr_assert_eq(fds[0], fd);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(strncmp(vfiomig_listener_address(listener), "127.0.0.1:", 10), 0);
	vfiomig_listener_close(listener);
	cr_assert_eq(fcntl(fd, F_GETFD), -1, "it is still open");
}

Test(listener, adopts_no_descriptor_that_does_not_listen)
{
	int bound = loopback_socket(SOCK_STREAM), datagrams = loopback_socket(SOCK_DGRAM), pipes[2];

	cr_assert_eq(pipe(pipes), 0);
	assert_not_adopted(bound);
	assert_not_adopted(datagrams);
	assert_not_adopted(pipes[0]);
	close(pipes[0]);
	assert_not_adopted(pipes[0]);
	cr_assert_neq(fcntl(bound, F_GETFD), -1, "what was refused is no longer the caller's");
}

Test(listener, leaves_the_path_of_an_adopted_socket_to_its_maker)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/vfiomig-listener-XXXXXX";
	struct vfiomig_listener *listener;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_assert_not_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(vfiomig_listener_adopt(&listener, fd, NULL), 0);
	vfiomig_listener_close(listener);
	cr_assert_eq(unlink(address.sun_path), 0, "the path is gone");
	rmdir(folder);
}
