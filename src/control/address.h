/* SPDX-License-Identifier: MIT */
/*
 * Addresses as people write them. A name with addresses of both families gives the IPv4 one, and ":PORT" listens on all
 * IPv4 addresses: so "--listen :4711" and "--to localhost:4711" find each other. For IPv6 write "[::]:4711".
 */
#ifndef CONTROL_ADDRESS_H
#define CONTROL_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <vfiomig/error.h>

enum {
	ADDRESS_TEXT_BYTES = 80,
	ADDRESS_PATH_BYTES_MAX = ADDRESS_TEXT_BYTES - sizeof("unix:"), /* so that every address can be said in full */
};

/*
 * "HOST:PORT", "[V6]:PORT" and, where @passive, ":PORT" and port 0; "unix:PATH" of at most ADDRESS_PATH_BYTES_MAX. May ask the resolver, and then waits for it.
 *   -EINVAL (VFIOMIG_USAGE)  it cannot be read, or the name is not known; the sentence has the offending text
 */
int address_resolve(const char *text, bool passive, struct sockaddr_storage *out, socklen_t *out_bytes,
		    struct vfiomig_error *err);

/* An address without a port, as for --bind: "HOST", "V6" or "[V6]". Errors as above. */
int address_resolve_host(const char *text, struct sockaddr_storage *out, socklen_t *out_bytes,
			 struct vfiomig_error *err);

/* What bind and connect want to know of it. */
socklen_t address_bytes(const struct sockaddr_storage *address);

/* Within @address, of IPv4 or IPv6; in the network's order. */
in_port_t *address_port(struct sockaddr_storage *address);
/* 0.0.0.0 or ::, which is no host's. */
bool address_is_any(const struct sockaddr_storage *address);
/* Of IPv6 and valid on one link only, and which one is not said: nothing can be bound to it, or reach it. */
bool address_lacks_interface(const struct sockaddr_storage *address);
/* The same address, whatever the ports are; no two UNIX sockets are. */
bool address_is_same_host(const struct sockaddr *a, const struct sockaddr_storage *b);

/* "10.1.2.3:4711", "[fe80::1]:4711", "unix:/run/migration"; "an unknown address" where there is none. Returns @out. */
const char *address_format(const struct sockaddr_storage *address, char out[ADDRESS_TEXT_BYTES]);

#endif
