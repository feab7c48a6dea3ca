/* SPDX-License-Identifier: MIT */
/* A listener at several addresses of this machine, all over one port. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/accept.h"
#include "control/address.h"
#include "control/listener.h"
#include "wire/hello.h"

static struct sockaddr_storage host(const char *text)
{
	struct sockaddr_storage address;
	socklen_t bytes;

	cr_assert_eq(address_resolve_host(text, &address, &bytes, NULL), 0);
	return address;
}

static bool covers(const struct vfiomig_listener *listener, const char *text)
{
	const struct sockaddr_storage address = host(text);

	return listener_covers(listener, &address);
}

static struct vfiomig_listener *listener_at(const char *address)
{
	struct vfiomig_listener *listener;

	cr_assert_eq(vfiomig_listener_open(&listener, address, NULL), 0);
	return listener;
}

Test(listener_rails, of_one_address_it_covers_that_and_its_rails)
{
	struct vfiomig_listener *listener = listener_at("127.0.0.1:0");
	int fds[LISTENER_FDS_MAX];

	cr_assert(covers(listener, "127.0.0.1"));
	cr_assert_not(covers(listener, "127.0.0.2"));
	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", NULL), 0);
	cr_assert(covers(listener, "127.0.0.2"));
	cr_assert_not(covers(listener, "127.0.0.3"));
	cr_assert_not(covers(listener, "::1"));
	cr_assert_eq(listener_fds(listener, fds), 2);
	vfiomig_listener_close(listener);
}

Test(listener_rails, of_all_addresses_it_covers_those_of_this_machine_and_needs_no_more_sockets)
{
	struct vfiomig_listener *listener = listener_at(":0");
	int fds[LISTENER_FDS_MAX];

	cr_assert(covers(listener, "127.0.0.9"));
	cr_assert_not(covers(listener, "192.0.2.1"), "it is nobody's");
	cr_assert_not(covers(listener, "0.0.0.0"));
	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", NULL), 0);
	cr_assert_eq(listener_fds(listener, fds), 1);
	vfiomig_listener_close(listener);
}

static int socket_of_v6(int only)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	cr_assert_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

Test(listener_rails, of_all_v6_addresses_hears_v4_unless_it_was_made_otherwise)
{
	struct vfiomig_listener *listener;
	int fds[LISTENER_FDS_MAX];

	cr_assert_eq(vfiomig_listener_adopt(&listener, socket_of_v6(0), NULL), 0);
	cr_assert(covers(listener, "127.0.0.1"));
	vfiomig_listener_close(listener);
	cr_assert_eq(vfiomig_listener_adopt(&listener, socket_of_v6(1), NULL), 0);
	cr_assert(covers(listener, "::1"));
	cr_assert_not(covers(listener, "127.0.0.1"));
	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.1", NULL), 0);
	cr_assert_eq(listener_fds(listener, fds), 2, "it needs a socket of its own");
	cr_assert(covers(listener, "127.0.0.1"));
	vfiomig_listener_close(listener);
}

/* Such an address of this machine, with its interface; false: it has none. */
static bool find_link_local(struct sockaddr_storage *out)
{
	struct ifaddrs *list;
	bool found = false;

	cr_assert_eq(getifaddrs(&list), 0);
	for (const struct ifaddrs *entry = list; entry && !found; entry = entry->ifa_next) {
		const struct sockaddr_in6 *six = (const void *)entry->ifa_addr;

		found = six && six->sin6_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
		if (found) {
			memset(out, 0, sizeof(*out));
			memcpy(out, six, sizeof(*six));
		}
	}
	freeifaddrs(list);
	return found;
}

Test(listener_rails, of_all_addresses_covers_one_of_a_link_as_the_wire_has_it)
{
	struct vfiomig_listener *listener = listener_at("[::]:0");
	struct sockaddr_storage own = { 0 }, other = host("2001:db8::1");

	((struct sockaddr_in6 *)&other)->sin6_addr.s6_addr[0] = 0xfe;
	((struct sockaddr_in6 *)&other)->sin6_addr.s6_addr[1] = 0x80;
	cr_assert_not(listener_covers(listener, &other), "it is nobody's");
	if (find_link_local(&own)) {
		((struct sockaddr_in6 *)&own)->sin6_scope_id = 0;
		cr_assert(listener_covers(listener, &own));
	}
	vfiomig_listener_close(listener);
	if (own.ss_family == AF_UNSPEC)
		cr_skip_test("no interface has a link-local address: ip link add type veth, and both ends up");
}

Test(listener_rails, that_cannot_be_are_refused_by_name)
{
	struct vfiomig_listener *listener = listener_at("127.0.0.1:0");
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_listener_add_rail(listener, "192.0.2.1", &err), -EADDRNOTAVAIL);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert(strstr(err.text, "192.0.2.1"), "%s", err.text);
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(vfiomig_listener_add_rail(listener, "0.0.0.0", &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX; i++)
		cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", &err), 0);
	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", &err), -E2BIG);
	vfiomig_listener_close(listener);
}

Test(listener_rails, whose_port_another_has_are_refused)
{
	struct vfiomig_listener *other = listener_at("127.0.0.2:0"), *listener;
	struct vfiomig_error err = { 0 };
	char address[ADDRESS_TEXT_BYTES];

	snprintf(address, sizeof(address), "127.0.0.1:%s", strrchr(vfiomig_listener_address(other), ':') + 1);
	listener = listener_at(address);
	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", &err), -EADDRINUSE);
	cr_assert_str_eq(err.name, "address-in-use");
	vfiomig_listener_close(listener);
	vfiomig_listener_close(other);
}

Test(listener_rails, a_connection_by_a_rail_is_taken_like_any_other)
{
	const struct preface preface = { .version = WIRE_VERSION, .kind = PREFACE_LANE };
	struct vfiomig_listener *listener = listener_at("127.0.0.1:0");
	struct sockaddr_storage at = host("127.0.0.2");
	struct control_accept *accept;
	struct control_guest guest;
	struct pollfd ready;
	uint8_t bytes[PREFACE_BYTES];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), taken;

	cr_assert_eq(vfiomig_listener_add_rail(listener, "127.0.0.2", NULL), 0);
	cr_assert_eq(control_accept_open(&accept, listener, 5000, NULL), 0);
	((struct sockaddr_in *)&at)->sin_port = listener_port(listener);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, sizeof(struct sockaddr_in)), 0);
	preface_encode(bytes, &preface);
	cr_assert_eq(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	ready = (struct pollfd){ .fd = control_accept_fd(accept), .events = POLLIN };
	while (!(taken = control_accept_poll(accept, 0, &guest)))
		cr_assert_eq(poll(&ready, 1, 10000), 1);
	cr_assert_eq(guest.kind, PREFACE_LANE);
	close(guest.fd);
	close(fd);
	control_accept_close(accept);
	vfiomig_listener_close(listener);
}
