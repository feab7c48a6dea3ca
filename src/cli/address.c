/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include "address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return false;
}

bool address_is_loopback(const char *address)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(address, ':');
	struct addrinfo *list;
	char host[256];
	size_t length;
	bool all = true;

	if (!strncmp(address, "unix:", 5))
		return true;
	if (!colon || colon == address)
		return false;
	length = (size_t)(colon - address);
	if (address[0] == '[' && length >= 2) {
		address++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)length, address);
	if (getaddrinfo(host, NULL, &hints, &list))
		return false;
	for (const struct addrinfo *entry = list; entry; entry = entry->ai_next)
		all = all && is_loopback(entry->ai_addr);
	freeaddrinfo(list);
	return all;
}
