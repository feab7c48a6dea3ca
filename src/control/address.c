/* SPDX-License-Identifier: MIT */
/* Reading and printing addresses, with the user's own text in every complaint. */
#include "control/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"

struct address_text {
	char host[256];
	char port[8];
};

static int address_bad(const char *text, const char *why, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_USAGE, EINVAL, "address", "'%s' is no address: %s", text, why);
}

/* NULL, or what is wrong. */
static const char *address_copy(char *to, size_t to_bytes, const char *from, size_t bytes)
{
	if (bytes >= to_bytes)
		return "it is too long";
	memcpy(to, from, bytes);
	to[bytes] = '\0';
	return NULL;
}

/* "HOST" or "[V6]", up to @end. */
static const char *address_split_host(struct address_text *parts, const char *text, const char *end)
{
	if (*text != '[')
		return address_copy(parts->host, sizeof(parts->host), text, (size_t)(end - text));
	if (end - text < 3 || end[-1] != ']')
		return "the bracket is not closed";
	return address_copy(parts->host, sizeof(parts->host), text + 1, (size_t)(end - text) - 2);
}

static const char *address_split(struct address_text *parts, const char *text)
{
	const char *colon = strrchr(text, ':');
	unsigned port = 0;

	if (!colon || (*text == '[' && colon < strchr(text, ']')))
		return "the port is missing (HOST:PORT or [V6]:PORT)";
	if (*text != '[' && memchr(text, ':', (size_t)(colon - text)))
		return "an IPv6 address goes in brackets, [V6]:PORT";
	for (const char *at = colon + 1; *at; at++) {
		port = *at >= '0' && *at <= '9' ? port * 10 + (unsigned)(*at - '0') : 65536;
		if (port > 65535)
			return "the port is not a number from 0 to 65535";
	}
	if (colon[1] == '\0')
		return "the port is missing (HOST:PORT or [V6]:PORT)";
	snprintf(parts->port, sizeof(parts->port), "%u", port);
	return address_split_host(parts, text, colon);
}

static int address_lookup(const char *text, const struct address_text *parts, struct sockaddr_storage *out,
			  socklen_t *out_bytes, struct vfiomig_error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct addrinfo *found = NULL;
	int result = EAI_NONAME;

	for (unsigned i = 0; i < 2 && !found; i++) {
		struct addrinfo hints = { .ai_family = families[i],
					  .ai_socktype = SOCK_STREAM,
					  .ai_flags = AI_NUMERICSERV | AI_PASSIVE };

		result = getaddrinfo(*parts->host ? parts->host : NULL, parts->port, &hints, &found);
		if (result)
			found = NULL;
	}
	if (!found)
		return address_bad(text, result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result), err);
	memset(out, 0, sizeof(*out));
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*out_bytes = found->ai_addrlen;
	freeaddrinfo(found);
	if (address_lacks_interface(out))
		return address_bad(
			text, "it is valid on one link only, and the interface is missing (ADDRESS%INTERFACE)", err);
	return 0;
}

static bool is_unix(const char *text)
{
	return strncmp(text, "unix:", 5) == 0;
}

static int unix_address(const char *text, struct sockaddr_storage *out, socklen_t *out_bytes, struct vfiomig_error *err)
{
	struct sockaddr_un *address = (struct sockaddr_un *)out;
	const char *path = text + 5;

	if (!*path)
		return address_bad(text, "the path is missing (unix:PATH)", err);
	if (strlen(path) > ADDRESS_PATH_BYTES_MAX)
		return address_bad(text, "its path is too long for a socket", err);
	memset(out, 0, sizeof(*out));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path));
	*out_bytes = sizeof(*address);
	return 0;
}

int address_resolve(const char *text, bool passive, struct sockaddr_storage *out, socklen_t *out_bytes,
		    struct vfiomig_error *err)
{
	struct address_text parts = { 0 };
	const char *why;

	if (is_unix(text))
		return unix_address(text, out, out_bytes, err);
	why = address_split(&parts, text);
	if (!why && !passive && !*parts.host)
		why = "the host is missing";
	if (!why && !passive && strcmp(parts.port, "0") == 0)
		why = "nobody can be reached at port 0";
	if (why)
		return address_bad(text, why, err);
	return address_lookup(text, &parts, out, out_bytes, err);
}

int address_resolve_host(const char *text, struct sockaddr_storage *out, socklen_t *out_bytes,
			 struct vfiomig_error *err)
{
	struct address_text parts = { .port = "0" };
	const char *why = address_split_host(&parts, text, text + strlen(text));

	if (!why && !*parts.host)
		why = "it is empty";
	if (why)
		return address_bad(text, why, err);
	return address_lookup(text, &parts, out, out_bytes, err);
}

socklen_t address_bytes(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_UNIX)
		return sizeof(struct sockaddr_un);
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

in_port_t *address_port(struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return &((struct sockaddr_in6 *)address)->sin6_port;
	return &((struct sockaddr_in *)address)->sin_port;
}

bool address_is_any(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return address->ss_family == AF_INET &&
	       ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

bool address_lacks_interface(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) && !six->sin6_scope_id;
}

bool address_is_same_host(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	if (a->sa_family != b->ss_family)
		return false;
	if (a->sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
					  &((const struct sockaddr_in6 *)b)->sin6_addr);
	return a->sa_family == AF_INET && ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
						  ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

/* Who connects by a socket's path has none of his own. */
static void unix_format(const struct sockaddr_storage *address, char out[ADDRESS_TEXT_BYTES])
{
	const char *path = ((const struct sockaddr_un *)address)->sun_path;

	if (*path)
		snprintf(out, ADDRESS_TEXT_BYTES, "unix:%.*s", (int)ADDRESS_PATH_BYTES_MAX, path);
	else
		snprintf(out, ADDRESS_TEXT_BYTES, "a process of this machine");
}

const char *address_format(const struct sockaddr_storage *address, char out[ADDRESS_TEXT_BYTES])
{
	bool v6 = address->ss_family == AF_INET6;
	char host[ADDRESS_TEXT_BYTES - 16], port[8];

	if (address->ss_family == AF_UNIX)
		unix_format(address, out);
	else if (getnameinfo((const struct sockaddr *)address, address_bytes(address), host, sizeof(host), port,
			     sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(out, ADDRESS_TEXT_BYTES, "an unknown address");
	else
		snprintf(out, ADDRESS_TEXT_BYTES, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
	return out;
}
