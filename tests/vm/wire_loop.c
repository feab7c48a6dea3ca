/* SPDX-License-Identifier: MIT */
/*
 * wire_loop: packets over RDMA queue pairs and nothing else: no device, no order, no check of the data. It is the bare
 * loop that the goodput of rdma-vfiomig is held against, and it shows what the place of the packet header, the size of
 * the fragments and the number of lanes cost.
 *
 * A packet is a chain of WRITEs, the last WITH_IMM; its slot is used again when the receiver has given it back by an empty
 * SEND_WITH_IMM and the chain is completed. One thread and one completion queue on each side, which sleeps on events.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire_loop.h"

static const char usage[] = "usage: wire_loop server ADDRESS PORT [OPTION...]\n"
			    "       wire_loop client ADDRESS PORT [OPTION...]    prints a JSON object per sample\n"
			    "  -l LANES     queue pairs (8)\n"
			    "  -k SLOTS     slots of each (2)\n"
			    "  -s BYTES     payload of a slot (1048576)\n"
			    "Both sides need the same of these. And the client:\n"
			    "  -b ADDRESS   the source address\n"
			    "  -m MIB       payload of a sample (64)\n"
			    "  -r ROUNDS    of one sample per variant (1)\n"
			    "  -v WHERE:N   a variant, up to 16 of them: WRITEs of at most N bytes, and where the "
			    "64-byte header lies: none;\n"
			    "               before: it ends where the page-aligned payload begins; inside: it begins "
			    "the page and the payload\n"
			    "               follows; array: one of its own, sent last (none:262144)\n";

static const char *const place_names[] = { "none", "before", "inside", "array" };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The offset of the first byte of slot's chain. */
static size_t chain_at(const struct loop *loop, uint32_t slot)
{
	static const size_t in_page[] = { [PLACE_NONE] = PAGE_BYTES,
					  [PLACE_BEFORE] = PAGE_BYTES - HEADER_BYTES,
					  [PLACE_INSIDE] = 0,
					  [PLACE_ARRAY] = PAGE_BYTES };

	return slot * loop->stride + in_page[loop->now->place];
}

static void fill_wr(struct ibv_send_wr *wr, struct ibv_sge *sge, const struct loop *loop, const struct lane *lane,
		    size_t at, size_t bytes)
{
	*sge = (struct ibv_sge){ .addr = (uintptr_t)loop->memory + at,
				 .length = (uint32_t)bytes,
				 .lkey = loop->mr->lkey };
	*wr = (struct ibv_send_wr){ .sg_list = sge,
				    .num_sge = 1,
				    .opcode = IBV_WR_RDMA_WRITE,
				    .wr.rdma = { .remote_addr = lane->peer.address + at, .rkey = lane->peer.rkey } };
}

/* A header before or inside lengthens the first fragment; one in the array is a fragment of its own, the last. */
static void send_packet(struct loop *loop, uint32_t slot)
{
	struct lane *lane = &loop->lanes[slot / loop->options.slots];
	struct ibv_send_wr wrs[FRAGMENTS_MAX], *bad;
	struct ibv_sge sges[FRAGMENTS_MAX];
	const struct variant *variant = loop->now;
	size_t extra = variant->place == PLACE_BEFORE || variant->place == PLACE_INSIDE ? HEADER_BYTES : 0;
	size_t at = chain_at(loop, slot), left = loop->options.slot_bytes, n = 0;

	while (left) {
		size_t bytes = left < variant->fragment_bytes ? left : variant->fragment_bytes;

		fill_wr(&wrs[n], &sges[n], loop, lane, at, bytes + extra);
		at += bytes + extra;
		left -= bytes;
		extra = 0;
		n++;
	}
	if (variant->place == PLACE_ARRAY) {
		fill_wr(&wrs[n], &sges[n], loop, lane, loop->headers_at + slot * HEADER_BYTES, HEADER_BYTES);
		n++;
	}
	for (size_t i = 0; i + 1 < n; i++)
		wrs[i].next = &wrs[i + 1];
	wrs[n - 1].wr_id = slot;
	wrs[n - 1].opcode = IBV_WR_RDMA_WRITE_WITH_IMM;
	wrs[n - 1].imm_data = htonl(slot);
	wrs[n - 1].send_flags = IBV_SEND_SIGNALED;
	loop->waits[slot] = 2;
	loop->started++;
	errno = ibv_post_send(lane->id->qp, wrs, &bad);
	if (errno)
		die("ibv_post_send");
}

static void send_credit(struct loop *loop, const struct lane *lane, uint32_t imm_data)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND_WITH_IMM,
				  .imm_data = imm_data,
				  .send_flags = IBV_SEND_SIGNALED },
			   *bad;

	loop->credits_out++;
	errno = ibv_post_send(lane->id->qp, &wr, &bad);
	if (errno)
		die("ibv_post_send of a credit");
}

static void slot_step(struct loop *loop, uint32_t slot)
{
	if (--loop->waits[slot])
		return;
	loop->finished++;
	if (loop->started < loop->packets)
		send_packet(loop, slot);
}

static void on_completion(struct loop *loop, const struct ibv_wc *wc)
{
	struct lane *lane = (struct lane *)(uintptr_t)wc->wr_id;

	if (wc->status) {
		errno = EIO;
		die("%s", ibv_wc_status_str(wc->status));
	}
	switch (wc->opcode) {
	case IBV_WC_RECV_RDMA_WITH_IMM:
		post_receive(lane);
		loop->finished++;
		send_credit(loop, lane, wc->imm_data);
		break;
	case IBV_WC_RECV:
		post_receive(lane);
		slot_step(loop, ntohl(wc->imm_data));
		break;
	case IBV_WC_RDMA_WRITE:
		slot_step(loop, (uint32_t)wc->wr_id);
		break;
	default:
		loop->credits_out--;
	}
}

static void run(struct loop *loop)
{
	struct ibv_wc wcs[32];
	struct ibv_cq *cq;
	void *context;
	int n;

	while (loop->finished < loop->packets || loop->credits_out) {
		while ((n = ibv_poll_cq(loop->cq, 32, wcs)) > 0)
			for (int i = 0; i < n; i++)
				on_completion(loop, &wcs[i]);
		if (n < 0)
			die("ibv_poll_cq");
		if (loop->finished >= loop->packets && !loop->credits_out)
			break;
		if (ibv_get_cq_event(loop->channel, &cq, &context))
			die("ibv_get_cq_event");
		ibv_ack_cq_events(cq, 1);
		if (ibv_req_notify_cq(cq, 0))
			die("ibv_req_notify_cq");
	}
}

/* One sample: all slots are free before and after it. */
static void sample(struct loop *loop)
{
	const struct options *options = &loop->options;
	size_t bytes = loop->packets * options->slot_bytes;
	double start = now(), seconds;

	loop->started = 0;
	loop->finished = 0;
	for (uint32_t k = 0; k < options->slots; k++)
		for (uint32_t lane = 0; lane < options->lanes; lane++)
			send_packet(loop, lane * options->slots + k);
	run(loop);
	seconds = now() - start;
	printf("{\"variant\":\"%s:%zu\",\"lanes\":%u,\"slots\":%u,\"slot_bytes\":%zu,\"bytes\":%zu,\"seconds\":%.6f,"
	       "\"mb_per_s\":%.2f}\n",
	       place_names[loop->now->place], loop->now->fragment_bytes, options->lanes, options->slots,
	       options->slot_bytes, bytes, seconds, (double)bytes / 1e6 / seconds);
}

static void run_client(struct loop *loop)
{
	const struct options *options = &loop->options;
	uint32_t slots = (uint32_t)slots_in_all(loop);

	loop->waits = calloc(slots, 1);
	loop->packets = (uint32_t)((options->sample_bytes + options->slot_bytes - 1) / options->slot_bytes);
	if (loop->packets < slots)
		loop->packets = slots;
	connect_lanes(loop);
	for (uint32_t round = 0; round < options->rounds; round++)
		for (uint32_t i = 0; i < options->variants; i++) { /* another one begins each round */
			loop->now = &options->variant[(round + i) % options->variants];
			sample(loop);
		}
}

static int parse_variant(struct options *options, const char *text)
{
	struct variant *variant = &options->variant[options->variants];
	const char *colon = strchr(text, ':');

	if (!colon || options->variants == VARIANTS_MAX)
		return -1;
	for (variant->place = 0; variant->place < PLACES; variant->place++)
		if (!strncmp(text, place_names[variant->place], (size_t)(colon - text)))
			break;
	variant->fragment_bytes = strtoul(colon + 1, NULL, 0);
	options->variants++;
	return variant->place < PLACES && variant->fragment_bytes ? 0 : -1;
}

static int check(struct options *options, const char *role)
{
	if (!options->variants && parse_variant(options, "none:262144"))
		return -1;
	for (uint32_t i = 0; i < options->variants; i++)
		if (options->slot_bytes / options->variant[i].fragment_bytes + 3 > FRAGMENTS_MAX)
			return -1;
	if (!options->lanes || options->lanes > LANES_MAX || !options->slots)
		return -1;
	return options->server || !strcmp(role, "client") ? 0 : -1;
}

static int parse(struct options *options, int argc, char **argv)
{
	int option;

	if (argc < 4)
		return -1;
	options->server = !strcmp(argv[1], "server");
	options->address = argv[2];
	options->port = argv[3];
	optind = 4;
	while ((option = getopt(argc, argv, "b:m:l:k:s:r:v:")) != -1)
		switch (option) {
		case 'b':
			options->bind = optarg;
			break;
		case 'm':
			options->sample_bytes = strtoul(optarg, NULL, 0) << 20;
			break;
		case 'l':
			options->lanes = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'k':
			options->slots = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 's':
			options->slot_bytes = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			options->rounds = (uint32_t)strtoul(optarg, NULL, 0);
			break;
		case 'v':
			if (parse_variant(options, optarg))
				return -1;
			break;
		default:
			return -1;
		}
	return check(options, argv[1]);
}

int main(int argc, char **argv)
{
	static struct loop loop = {
		.options = { .sample_bytes = 64 << 20, .slot_bytes = 1 << 20, .lanes = 8, .slots = 2, .rounds = 1 }
	};

	if (parse(&loop.options, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (!loop.options.server) {
		run_client(&loop);
	} else {
		accept_lanes(&loop);
		run(&loop);
		for (uint32_t i = 0; i < loop.options.lanes; i++) /* the last credits must arrive before the end */
			rdma_disconnect(loop.lanes[i].id);
	}
	return 0;
}
