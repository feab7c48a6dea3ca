/* SPDX-License-Identifier: MIT */
#include "transport/verbs_device.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <vfiomig/device.h>

#include "base/error.h"
#include "transport/verbs_errno.h"

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned verbs_receives_max(const struct ibv_device_attr *attr)
{
	unsigned cqe = (unsigned)attr->max_cqe, wr = (unsigned)attr->max_qp_wr;

	/* Receives and sends share a lane's completion queue; overrunning it kills the lane. */
	return smaller(wr, cqe > VERBS_SENDS_MAX ? cqe - VERBS_SENDS_MAX : 0);
}

int verbs_plan_make(struct verbs_plan *plan, const struct arena_shape *shape, const struct ibv_device_attr *attr)
{
	uint64_t receives = (uint64_t)shape->devices * shape->slots + VERBS_RECEIVES_SPARE;
	unsigned limit = smaller(VERBS_SENDS_MAX, (unsigned)attr->max_qp_wr);
	uint32_t fragment_bytes = VERBS_FRAGMENT_BYTES;

	if (receives > verbs_receives_max(attr))
		return -E2BIG;
	for (;; fragment_bytes *= 2) {
		unsigned fragments = (unsigned)((shape->slot_bytes + fragment_bytes - 1) / fragment_bytes);
		/* packets, a token, a credit per device, a control message */
		unsigned sends = VERBS_PACKETS_MAX * (fragments + 1) + 1 + shape->devices + 1;

		*plan = (struct verbs_plan){ .receives = (unsigned)receives,
					     .sends = sends,
					     .chain_max = fragments + 1,
					     .fragment_bytes = fragment_bytes };
		if (sends <= limit)
			return 0;
		if (fragments <= 1)
			return -E2BIG;
	}
}

const char *verbs_device_refusal(const struct ibv_device *device, char *why, size_t why_bytes)
{
	if (device->transport_type == IBV_TRANSPORT_IB)
		return NULL;
	if (device->transport_type == IBV_TRANSPORT_IWARP)
		snprintf(why, why_bytes, "iWARP (%s) has no RDMA WRITE WITH IMMEDIATE", device->name);
	else
		snprintf(why, why_bytes, "%s is neither InfiniBand nor RoCE", device->name);
	return why;
}

int verbs_device_numa_node(const struct ibv_device *device)
{
	char path[IBV_SYSFS_PATH_MAX + 32];
	int node = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/device/numa_node", device->ibdev_path);
	file = fopen(path, "re");
	if (!file)
		return -1; /* a soft device has no PCI function */
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void prepare_fork(void)
{
	/* Fails only if the program registered memory before us: then its own choice about fork stands. */
	ibv_fork_init();
}

static int refuse_memory(const struct arena *arena, int errnum, struct vfiomig_error *err)
{
	struct rlimit limit = { 0 };

	if (errnum != ENOMEM)
		return error_set(err, VFIOMIG_FABRIC, errnum, "register", "cannot register %zu bytes for RDMA: %s",
				 arena->bytes, strerror(errnum));
	getrlimit(RLIMIT_MEMLOCK, &limit);
	return error_set(
		err, VFIOMIG_PREFLIGHT, ENOMEM, "memlock",
		"RDMA needs %zu bytes of memory pinned, and this process may pin %llu: allow it with "
		"`ulimit -l %zu`, LimitMEMLOCK=%zu in a systemd unit, or CAP_IPC_LOCK; or use fewer or smaller slots",
		arena->bytes, (unsigned long long)limit.rlim_cur, (arena->bytes + 1023) / 1024, arena->bytes);
}

static int set_nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
}

static int open_parts(struct verbs_device *device, struct ibv_device *on, struct vfiomig_error *err)
{
	const char *name = on->name;

	device->context = ibv_open_device(on);
	if (!device->context || set_nonblocking(device->context->async_fd))
		return error_set(err, VFIOMIG_FABRIC, verbs_errno(), "open", "cannot open %s: %s", name,
				 strerror(errno));
	device->pd = ibv_alloc_pd(device->context);
	if (!device->pd)
		return error_set(err, VFIOMIG_FABRIC, verbs_errno(), "pd", "%s has no protection domain left: %s", name,
				 strerror(errno));
	device->channel = ibv_create_comp_channel(device->context);
	if (!device->channel || set_nonblocking(device->channel->fd))
		return error_set(err, VFIOMIG_FABRIC, verbs_errno(), "channel", "%s has no completion channel left: %s",
				 name, strerror(errno));
	return 0;
}

int verbs_device_open(struct verbs_device *device, struct ibv_context *found, const struct arena *arena,
		      bool remote_write, struct vfiomig_error *err)
{
	/* Nothing more than writes: no READ, no ATOMIC, and at the source nothing from outside at all. */
	unsigned access = remote_write ? IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE : 0;
	int rc;

	pthread_once(&fork_once, prepare_fork);
	*device = (struct verbs_device){ 0 };
	rc = open_parts(device, found->device, err);
	if (!rc) {
		device->mr = ibv_reg_mr(device->pd, arena->base, arena->bytes, access);
		if (!device->mr)
			rc = refuse_memory(arena, verbs_errno(), err);
	}
	if (rc)
		verbs_device_close(device);
	return rc;
}

void verbs_device_close(struct verbs_device *device)
{
	if (device->mr)
		ibv_dereg_mr(device->mr);
	if (device->channel)
		ibv_destroy_comp_channel(device->channel);
	if (device->pd)
		ibv_dealloc_pd(device->pd);
	if (device->context)
		ibv_close_device(device->context);
	*device = (struct verbs_device){ 0 };
}
