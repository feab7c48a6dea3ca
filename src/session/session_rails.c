/* SPDX-License-Identifier: MIT */
/*
 * The paths that a session's lanes are spread over, where a host has several. The source names them, because a path is a pair of addresses and it
 * knows both; the destination is told its ends in the offer, inside the control connection, and takes only those that its listener is at. Lane l
 * is on rail l % rails, so that a rail's death is that of every rails-th lane, and the other lanes take over as ever.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/placement.h"
#include "control/address.h"
#include "control/listener.h"
#include "session/session.h"

enum { HOST_TEXT_BYTES = INET6_ADDRSTRLEN };

static const char *host_text(const struct sockaddr_storage *address, char out[HOST_TEXT_BYTES])
{
	const void *number = address->ss_family == AF_INET
				     ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
				     : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;

	if (!inet_ntop(address->ss_family, number, out, HOST_TEXT_BYTES))
		snprintf(out, HOST_TEXT_BYTES, "?");
	return out;
}

static void rail_text(const struct vfiomig_session *session, unsigned i, char out[VFIOMIG_RAIL_TEXT_BYTES])
{
	char local[HOST_TEXT_BYTES] = "", peer[HOST_TEXT_BYTES] = "";
	const struct session_rail *rail = &session->rail[i];
	bool source = session->role == VFIOMIG_SOURCE;

	if (rail->local.ss_family != AF_UNSPEC)
		host_text(&rail->local, local);
	if (source)
		host_text(&rail->peer, peer);
	snprintf(out, VFIOMIG_RAIL_TEXT_BYTES, "%s%s%s", local, *local && *peer ? "=" : "", peer);
}

static int parse_rail(struct session_rail *rail, const char *text, struct vfiomig_error *err)
{
	const char *equals = strchr(text, '=');
	char local[HOST_TEXT_BYTES + 208] = "";
	socklen_t bytes;
	int rc = 0;

	*rail = (struct session_rail){ .numa_node = -1 };
	if (equals && (size_t)(equals - text) < sizeof(local)) {
		memcpy(local, text, (size_t)(equals - text));
		rc = address_resolve_host(local, &rail->local, &bytes, err);
	} else if (equals) {
		rc = error_set(err, VFIOMIG_USAGE, EINVAL, "rail", "rail '%s' is too long for two addresses", text);
	}
	rc = rc ? rc : address_resolve_host(equals ? equals + 1 : text, &rail->peer, &bytes, err);
	if (!rc && equals && rail->local.ss_family != rail->peer.ss_family)
		return error_set(err, VFIOMIG_USAGE, EINVAL, "rail",
				 "rail '%s': one end is an IPv4 address and the other an IPv6 one", text);
	if (!rc && address_is_any(&rail->peer))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "rail", "rail '%s': that is no host's address", text);
	return rc;
}

static bool is_same_rail(const struct session_rail *a, const struct session_rail *b)
{
	return !memcmp(&a->local, &b->local, sizeof(a->local)) && !memcmp(&a->peer, &b->peer, sizeof(a->peer));
}

int session_parse_rails(struct vfiomig_session *session, struct vfiomig_error *err)
{
	const char **named = session->options.rail;
	int rc = 0;

	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX && named[i] && !rc; i++) {
		struct session_rail *rail = &session->rail[i];

		if (session->remote.ss_family == AF_UNIX)
			return error_set(err, VFIOMIG_USAGE, EINVAL, "rail",
					 "rail '%s': a UNIX socket is the only path to its other end", named[i]);
		rc = parse_rail(rail, named[i], err);
		*address_port(&rail->peer) = *address_port(&session->remote);
		for (unsigned other = 0; other < i && !rc; other++)
			if (is_same_rail(rail, &session->rail[other]))
				rc = error_set(err, VFIOMIG_USAGE, EINVAL, "rail", "rail '%s' is named twice",
					       named[i]);
		session->rails++;
		named[i] = NULL; /* the caller's string */
	}
	if (!rc && session->rails > session->options.lanes)
		rc = error_set(err, VFIOMIG_USAGE, EINVAL, "rail",
			       "%u rails are too many for %u lanes: each needs one at least", session->rails,
			       session->options.lanes);
	return rc;
}

/* Where a packet to the rail's other end would leave from, by the kernel's routes: nothing is sent for that. 0 or a negative errno. */
static int find_local(struct session_rail *rail)
{
	struct sockaddr_storage local = rail->local;
	socklen_t bytes = sizeof(local);
	int fd = socket(rail->peer.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	if (local.ss_family != AF_UNSPEC && bind(fd, (struct sockaddr *)&local, address_bytes(&local)))
		rc = -errno;
	if (!rc && connect(fd, (struct sockaddr *)&rail->peer, address_bytes(&rail->peer)))
		rc = -errno;
	if (!rc && getsockname(fd, (struct sockaddr *)&local, &bytes))
		rc = -errno;
	close(fd);
	if (rc)
		return rc;
	*address_port(&local) = 0;
	rail->local = local;
	return 0;
}

/* Of the network card that has the rail's local address. */
static int node_of(const struct session_rail *rail)
{
	struct ifaddrs *list;
	int node = -1;

	if (getifaddrs(&list))
		return -1;
	for (const struct ifaddrs *entry = list; entry && node < 0; entry = entry->ifa_next)
		if (entry->ifa_addr && address_is_same_host(entry->ifa_addr, &rail->local))
			node = placement_net_node(PLACEMENT_SYSFS, entry->ifa_name);
	freeifaddrs(list);
	return node;
}

int session_card_node(const struct vfiomig_session *session)
{
	struct session_rail way = { .local = session->local, .peer = session->remote, .numa_node = -1 };
	bool source = session->role == VFIOMIG_SOURCE;

	if (session->rails)
		return session->rail[0].numa_node;
	if (session->remote.ss_family == AF_UNIX || (source && find_local(&way)))
		return -1;
	return node_of(&way);
}

/* The nearest first, as seen from the first device; the caller's order where there is no difference. */
static void order_rails(struct vfiomig_session *session)
{
	int device_node = session->devices ? session->handles[0]->info.numa_node : -1;

	for (unsigned i = 1; i < session->rails; i++) {
		struct session_rail rail = session->rail[i];
		unsigned at = i, distance = placement_distance(PLACEMENT_SYSFS, device_node, rail.numa_node);

		for (; at > 0 &&
		       placement_distance(PLACEMENT_SYSFS, device_node, session->rail[at - 1].numa_node) > distance;
		     at--)
			session->rail[at] = session->rail[at - 1];
		session->rail[at] = rail;
	}
}

int session_find_rails(struct vfiomig_session *session, struct vfiomig_error *err)
{
	for (unsigned i = 0; i < session->rails; i++) {
		struct session_rail *rail = &session->rail[i];
		char text[VFIOMIG_RAIL_TEXT_BYTES];
		int rc = find_local(rail);

		rail_text(session, i, text);
		if (rc == -EADDRNOTAVAIL)
			return error_set(err, VFIOMIG_PREFLIGHT, EADDRNOTAVAIL, "rail-unreachable",
					 "rail %s: the source has no such address: see `ip address`", text);
		if (rc)
			return error_set(err, VFIOMIG_PREFLIGHT, -rc, "rail-unreachable",
					 "rail %s: the source has no way there: %s", text, strerror(-rc));
		rail->numa_node = node_of(rail);
	}
	order_rails(session);
	return 0;
}

/* On the wire every address is an IPv6 one. */
void session_offer_rails(const struct vfiomig_session *session, struct message_offer *offer)
{
	offer->rails = (uint8_t)session->rails;
	for (unsigned i = 0; i < session->rails; i++) {
		const struct sockaddr_storage *peer = &session->rail[i].peer;
		struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

		if (peer->ss_family == AF_INET6)
			mapped = ((const struct sockaddr_in6 *)peer)->sin6_addr;
		else
			memcpy(&mapped.s6_addr[12], &((const struct sockaddr_in *)peer)->sin_addr, 4);
		memcpy(offer->rail[i], &mapped, sizeof(offer->rail[i]));
	}
}

static struct sockaddr_storage address_of(const uint8_t on_wire[MESSAGE_ADDRESS_BYTES], in_port_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = port };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = port };
	struct sockaddr_storage address = { 0 };

	memcpy(&six.sin6_addr, on_wire, sizeof(six.sin6_addr));
	memcpy(&four.sin_addr, on_wire + 12, sizeof(four.sin_addr));
	if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		memcpy(&address, &four, sizeof(four));
	else
		memcpy(&address, &six, sizeof(six));
	return address;
}

int session_take_rails(struct vfiomig_session *session, struct vfiomig_error *err)
{
	const struct vfiomig_listener *listener = session->options.listener;
	const struct message_offer *offer = &session->offer;

	for (unsigned i = 0; i < offer->rails; i++) {
		struct session_rail *rail = &session->rail[i];
		char host[HOST_TEXT_BYTES];

		*rail = (struct session_rail){ .local = address_of(offer->rail[i], listener_port(listener)),
					       .peer = session->remote };
		host_text(&rail->local, host);
		if (!listener_covers(listener, &rail->local))
			return error_set(
				err, VFIOMIG_PREFLIGHT, EADDRNOTAVAIL, "rail-unknown",
				"the source wants a rail to %s, where the destination does not listen: see its `ip "
				"address`, and `recv --rail %s`",
				host, host);
		rail->numa_node = node_of(rail);
	}
	session->rails = offer->rails;
	return 0;
}

void session_put_rails(const struct vfiomig_session *session, struct fabric_config *config)
{
	config->rails = session->rails;
	for (unsigned i = 0; i < session->rails; i++) {
		config->rail[i].local = session->rail[i].local;
		config->rail[i].peer = session->rail[i].peer;
	}
}

unsigned session_tell_rails(const struct vfiomig_session *session, char (*text)[VFIOMIG_RAIL_TEXT_BYTES])
{
	for (unsigned i = 0; i < session->rails; i++)
		rail_text(session, i, text[i]);
	return session->rails;
}
