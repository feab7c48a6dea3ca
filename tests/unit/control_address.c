/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "control/address.h"

static void assert_resolves(const char *text, bool passive, const char *wanted)
{
	struct vfiomig_error err = { 0 };
	struct sockaddr_storage address;
	char got[ADDRESS_TEXT_BYTES];
	socklen_t bytes;

	cr_assert_eq(address_resolve(text, passive, &address, &bytes, &err), 0, "%s", err.text);
	cr_assert_str_eq(address_format(&address, got), wanted);
}

static void assert_refused(const char *text, bool passive)
{
	struct vfiomig_error err = { 0 };
	struct sockaddr_storage address;
	socklen_t bytes;

	cr_assert_eq(address_resolve(text, passive, &address, &bytes, &err), -EINVAL, "'%s' was taken", text);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	cr_assert_not_null(strstr(err.text, text), "the text is missing: %s", err.text);
}

Test(address, reads_hosts_of_both_families)
{
	assert_resolves("127.0.0.1:4711", false, "127.0.0.1:4711");
	assert_resolves("[::1]:4711", false, "[::1]:4711");
	assert_resolves("[::]:0", true, "[::]:0");
	assert_resolves("10.0.0.1:65535", false, "10.0.0.1:65535");
}

Test(address, an_empty_host_listens_everywhere)
{
	assert_resolves(":4711", true, "0.0.0.0:4711");
}

/* Has /etc/hosts, or whoever answers for names here, an IPv4 address for localhost? */
static bool localhost_is_known(void)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo("localhost", NULL, &hints, &found) != 0)
		return false;
	freeaddrinfo(found);
	return true;
}

Test(address, a_name_gives_its_ipv4_address)
{
	if (!localhost_is_known())
		cr_skip_test("needs a line '127.0.0.1 localhost' in /etc/hosts");
	assert_resolves("localhost:1", false, "127.0.0.1:1");
}

Test(address, refuses_what_cannot_be_read)
{
	static const char *const bad[] = { "",
					   "host",
					   "127.0.0.1",
					   "127.0.0.1:",
					   "127.0.0.1:x",
					   "127.0.0.1:-1",
					   "127.0.0.1:65536",
					   "127.0.0.1:99999999999999999999",
					   "127.0.0.1:1 ",
					   "::1:4711",
					   "[::1]",
					   "[::1:4711",
					   "[]:4711",
					   "[::1]x:4711",
					   "300.0.0.1:1",
					   "[zz]:1" };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_refused(bad[i], true);
		assert_refused(bad[i], false);
	}
}

Test(address, of_one_link_needs_its_interface)
{
	struct vfiomig_error err = { 0 };
	struct sockaddr_storage address;
	socklen_t bytes;

	assert_refused("[fe80::1]:4711", false);
	assert_refused("[fe80::1]:4711", true);
	cr_assert_eq(address_resolve_host("fe80::1", &address, &bytes, &err), -EINVAL);
	cr_assert(strstr(err.text, "ADDRESS%INTERFACE"), "%s", err.text);
	assert_resolves("[fe80::1%lo]:4711", false, "[fe80::1%lo]:4711");
}

Test(address, nobody_connects_to_no_host_or_port_0)
{
	assert_refused(":4711", false);
	assert_refused("127.0.0.1:0", false);
}

Test(address, a_host_that_is_too_long_is_refused)
{
	char text[400];

	memset(text, 'a', sizeof(text));
	memcpy(text + sizeof(text) - 3, ":1", 3);
	assert_refused(text, false);
}

Test(address, reads_a_host_without_a_port)
{
	static const char *const hosts[][2] = { { "127.0.0.2", "127.0.0.2:0" },
						{ "::1", "[::1]:0" },
						{ "[::1]", "[::1]:0" } };
	struct sockaddr_storage address;
	char got[ADDRESS_TEXT_BYTES];
	socklen_t bytes;

	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(address_resolve_host(hosts[i][0], &address, &bytes, NULL), 0, "%s", hosts[i][0]);
		cr_assert_str_eq(address_format(&address, got), hosts[i][1]);
	}
	cr_assert_eq(address_resolve_host("", &address, &bytes, NULL), -EINVAL);
	cr_assert_eq(address_resolve_host("127.0.0.1:5", &address, &bytes, NULL), -EINVAL);
	cr_assert_eq(address_resolve_host("[::1", &address, &bytes, NULL), -EINVAL);
}

Test(address, what_is_no_address_is_printed_as_such)
{
	struct sockaddr_storage none = { 0 };
	char got[ADDRESS_TEXT_BYTES];

	cr_assert_str_eq(address_format(&none, got), "an unknown address");
}

Test(address, reads_the_path_of_a_socket_as_long_as_it_can_be_said_in_full)
{
	char text[5 + ADDRESS_PATH_BYTES_MAX + 2] = "unix:";

	assert_resolves("unix:/run/migration", false, "unix:/run/migration");
	assert_resolves("unix:a:b", true, "unix:a:b");
	memset(text + 5, 'p', ADDRESS_PATH_BYTES_MAX);
	assert_resolves(text, true, text);
	text[5 + ADDRESS_PATH_BYTES_MAX] = 'p';
	assert_refused(text, true);
	assert_refused("unix:", true);
}

Test(address, of_a_process_that_has_no_path_is_said_to_be_here)
{
	struct sockaddr_storage nameless = { .ss_family = AF_UNIX };
	char text[ADDRESS_TEXT_BYTES];

	cr_assert_str_eq(address_format(&nameless, text), "a process of this machine");
}
