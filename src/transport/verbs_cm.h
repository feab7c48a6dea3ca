/* SPDX-License-Identifier: MIT */
/*
 * rdma_cm with deadlines of our own: a connect into a downed link gives no event for minutes, so every wait here ends by
 * the caller's deadline or its cancel descriptor. Nothing else in this room waits for rdma_cm.
 */
#ifndef TRANSPORT_VERBS_CM_H
#define TRANSPORT_VERBS_CM_H

#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "transport/fabric.h"
#include "wire/hello.h"

enum { VERBS_ADDRESS_TEXT_BYTES = 64 };

/* An event, copied out and acknowledged at once: rdma_destroy_id waits for whoever holds one back. */
struct verbs_cm_event {
	enum rdma_cm_event_type type;
	int status;
	struct rdma_cm_id *id; /* of a connect request: a new id, the taker's to destroy; else its owner's as before */
	size_t hello_bytes;    /* of a connect request: private data that came, at most HELLO_BYTES */
	uint8_t hello[HELLO_BYTES];
};

/* A non-blocking event channel; *@out is the caller's to rdma_destroy_event_channel. -ENODEV: no RDMA in this kernel. */
int verbs_cm_open(struct rdma_event_channel **out);

/* 1: @event is filled; 0: there is none; or a negative errno. */
int verbs_cm_take(struct rdma_event_channel *channel, struct verbs_cm_event *event);

/* The next event. -ECANCELED (wins over an event), -ETIMEDOUT, or what the channel returned. */
int verbs_cm_wait(struct rdma_event_channel *channel, int cancel_fd, uint64_t deadline_ns,
		  struct verbs_cm_event *event);

/*
 * Start to resolve @route's peer from @local (NULL: the kernel's choice) on a new id with @context. *@out is the caller's
 * to rdma_destroy_id.
 */
int verbs_cm_resolve(struct rdma_cm_id **out, struct rdma_event_channel *channel, void *context,
		     const struct fabric_route *route, const struct sockaddr_storage *local);

/* A new id bound to @local, with that port or, if @any_port, any. *@out is the caller's to rdma_destroy_id. */
int verbs_cm_bind(struct rdma_cm_id **out, struct rdma_event_channel *channel, const struct sockaddr_storage *local,
		  bool any_port);

/* rdma_cm does not know IPv4 addresses in IPv6 clothes, which a dual-stack listener hands out: take them off. */
struct sockaddr_storage verbs_address_plain(const struct sockaddr_storage *address);

bool verbs_address_is_ip(const struct sockaddr_storage *address);
bool verbs_address_is_loopback(const struct sockaddr_storage *address);

/* Without the port; "?" if it is no IP address. Returns @text. */
const char *verbs_address_text(char text[VERBS_ADDRESS_TEXT_BYTES], const struct sockaddr_storage *address);

#endif
