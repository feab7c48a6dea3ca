/* SPDX-License-Identifier: MIT */
/*
 * Memory, queue pairs and connections of wire_loop. By the synchronous calls of librdmacm: whatever goes wrong ends the
 * program.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rdma/rdma_cma.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "wire_loop.h"

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	fputs("wire_loop: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

size_t slots_in_all(const struct loop *loop)
{
	return (size_t)loop->options.lanes * loop->options.slots;
}

static void memory_open(struct loop *loop)
{
	size_t bytes;

	loop->stride = loop->options.slot_bytes + PAGE_BYTES;
	loop->headers_at = slots_in_all(loop) * loop->stride;
	bytes = loop->headers_at + slots_in_all(loop) * HEADER_BYTES;
	loop->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (loop->memory == MAP_FAILED)
		die("%zu bytes", bytes);
	memset(loop->memory, 0x5a, bytes);
	loop->mr = ibv_reg_mr(loop->pd, loop->memory, bytes, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!loop->mr)
		die("ibv_reg_mr of %zu bytes", bytes);
}

/* What all lanes share, when the first one shows which RDMA device it is. */
static void shared_open(struct loop *loop, struct ibv_context *device)
{
	if (loop->pd)
		return;
	loop->pd = ibv_alloc_pd(device);
	loop->channel = ibv_create_comp_channel(device);
	if (!loop->pd || !loop->channel)
		die("ibv_alloc_pd or ibv_create_comp_channel");
	loop->cq = ibv_create_cq(device, 4 * (int)slots_in_all(loop) + 16, NULL, loop->channel, 0);
	if (!loop->cq || ibv_req_notify_cq(loop->cq, 0))
		die("ibv_create_cq");
	memory_open(loop);
}

void post_receive(const struct lane *lane)
{
	struct ibv_recv_wr wr = { .wr_id = (uintptr_t)lane }, *bad;

	errno = ibv_post_recv(lane->id->qp, &wr, &bad);
	if (errno)
		die("ibv_post_recv");
}

static void lane_open(struct loop *loop, struct lane *lane, struct rdma_cm_id *id)
{
	uint32_t depth = 2 * loop->options.slots + 2;
	struct ibv_qp_init_attr attr = { .qp_type = IBV_QPT_RC };

	shared_open(loop, id->verbs);
	attr.send_cq = loop->cq;
	attr.recv_cq = loop->cq;
	attr.cap = (struct ibv_qp_cap){ .max_send_wr = loop->options.slots * FRAGMENTS_MAX,
					.max_recv_wr = depth,
					.max_send_sge = 1,
					.max_recv_sge = 1 };
	lane->id = id;
	if (rdma_create_qp(id, loop->pd, &attr))
		die("rdma_create_qp");
	for (uint32_t i = 0; i < depth; i++)
		post_receive(lane);
}

static struct rdma_conn_param conn_param(const struct hello *hello)
{
	/* Retry 7 never ends on soft-RoCE. */
	return (struct rdma_conn_param){
		.private_data = hello, .private_data_len = sizeof(*hello), .retry_count = 6, .rnr_retry_count = 6
	};
}

static struct rdma_addrinfo *resolve(const struct options *options, int flags)
{
	struct rdma_addrinfo hints = { .ai_flags = flags, .ai_port_space = RDMA_PS_TCP }, *info;
	struct sockaddr_in source = { .sin_family = AF_INET };

	if (options->bind && inet_pton(AF_INET, options->bind, &source.sin_addr) == 1) {
		hints.ai_src_addr = (struct sockaddr *)&source;
		hints.ai_src_len = sizeof(source);
	}
	if (rdma_getaddrinfo(options->address, options->port, &hints, &info))
		die("%s port %s", options->address, options->port);
	return info;
}

void accept_lanes(struct loop *loop)
{
	struct rdma_addrinfo *info = resolve(&loop->options, RAI_PASSIVE);

	if (rdma_create_ep(&loop->listener, info, NULL, NULL) || rdma_listen(loop->listener, LANES_MAX))
		die("cannot listen on %s port %s", loop->options.address, loop->options.port);
	rdma_freeaddrinfo(info);
	fprintf(stderr, "listening\n");
	for (uint32_t i = 0; i < loop->options.lanes; i++) {
		struct lane *lane = &loop->lanes[i];
		struct rdma_conn_param param;
		struct rdma_cm_id *id;
		struct hello hello;

		if (rdma_get_request(loop->listener, &id))
			die("rdma_get_request");
		memcpy(&lane->peer, id->event->param.conn.private_data, sizeof(lane->peer));
		loop->packets = lane->peer.packets;
		lane_open(loop, lane, id);
		hello = (struct hello){ .address = (uintptr_t)loop->memory, .rkey = loop->mr->rkey };
		param = conn_param(&hello);
		if (rdma_accept(id, &param))
			die("rdma_accept");
	}
}

void connect_lanes(struct loop *loop)
{
	struct rdma_addrinfo *info = resolve(&loop->options, 0);
	struct hello hello = { .packets = loop->packets * loop->options.rounds * loop->options.variants };

	for (uint32_t i = 0; i < loop->options.lanes; i++) {
		struct lane *lane = &loop->lanes[i];
		struct rdma_conn_param param = conn_param(&hello);
		struct rdma_cm_id *id;

		if (rdma_create_ep(&id, info, NULL, NULL))
			die("no way to %s", loop->options.address);
		lane_open(loop, lane, id);
		if (rdma_connect(id, &param))
			die("rdma_connect");
		memcpy(&lane->peer, id->event->param.conn.private_data, sizeof(lane->peer));
	}
	rdma_freeaddrinfo(info);
}
