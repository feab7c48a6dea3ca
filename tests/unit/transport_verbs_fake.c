/* SPDX-License-Identifier: MIT */
/* libibverbs in the fake, but for its queues: devices and memory. */
#include "transport_verbs_fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#undef ibv_reg_mr
#undef ibv_query_port
#undef ibv_get_device_list

struct fake_verbs fake;

static struct ibv_device device;
/* One of each for every fabric that is open at once; of the device there is only one. */
enum { RAILS_MAX = 4 };

static struct ibv_context shared_context, own_contexts[RAILS_MAX];
static struct ibv_pd pds[RAILS_MAX];
static struct ibv_mr mrs[RAILS_MAX];
static struct ibv_async_event async_events[8];
static struct ibv_context *async_of[8]; /* whom it is told */
static unsigned async_count;

void fake_reset(void)
{
	struct ibv_context_ops ops = fake_queues_reset();

	memset(&fake, 0, sizeof(fake));
	fake.fail_errno = EIO;
	fake.transport_type = IBV_TRANSPORT_IB;
	fake.connect_answer = RDMA_CM_EVENT_ESTABLISHED;
	async_count = 0;
	strcpy(device.name, "fake0");
	strcpy(device.ibdev_path, "/nonexistent");
	shared_context = (struct ibv_context){ .device = &device, .ops = ops, .num_comp_vectors = 2, .async_fd = -1 };
	for (unsigned i = 0; i < RAILS_MAX; i++) {
		own_contexts[i] =
			(struct ibv_context){ .device = &device, .ops = ops, .num_comp_vectors = 2, .async_fd = -1 };
		pds[i] = (struct ibv_pd){ 0 };
		mrs[i] = (struct ibv_mr){ 0 };
	}
	fake_cm_reset();
}

bool fake_fails(void)
{
	if (++fake.calls != fake.fail_call)
		return false;
	errno = fake.fail_errno;
	return true;
}

struct ibv_context *fake_context(void)
{
	device.transport_type = fake.transport_type;
	return &shared_context;
}

int fake_living(void)
{
	return fake.channels + fake.ids + fake.contexts + fake.pds + fake.mrs + fake.completion_channels + fake.cqs +
	       fake.qps + fake.lists;
}

/* Devices */

struct ibv_device **ibv_get_device_list(int *count)
{
	static struct ibv_device *list[2] = { &device, NULL };

	device.transport_type = fake.transport_type;
	*count = fake.no_module ? 0 : 1;
	errno = ENOSYS;
	if (fake.no_module || fake_fails())
		return NULL;
	fake.lists++;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	(void)list;
	fake.lists--;
}

struct ibv_context *ibv_open_device(struct ibv_device *which)
{
	cr_assert(which == &device);
	if (fake_fails())
		return NULL;
	for (unsigned i = 0; i < RAILS_MAX; i++)
		if (own_contexts[i].async_fd < 0) {
			own_contexts[i].async_fd = eventfd(0, EFD_SEMAPHORE);
			fake.contexts++;
			return &own_contexts[i];
		}
	cr_assert(false, "more contexts than the fake has");
	return NULL;
}

int ibv_close_device(struct ibv_context *context)
{
	cr_assert(context != &shared_context && context->async_fd >= 0);
	close(context->async_fd);
	context->async_fd = -1;
	fake.contexts--;
	return 0;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	(void)context;
	*attr = (struct ibv_device_attr){ .max_qp = 64, .max_qp_wr = 32767, .max_cqe = 32767 };
	return fake_fails() ? errno : 0;
}

int ibv_query_port(struct ibv_context *context, uint8_t port, struct _compat_ibv_port_attr *attr)
{
	struct ibv_port_attr *out = (struct ibv_port_attr *)attr;

	(void)context;
	cr_assert(port == 1);
	out->state = fake.port_down ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
	out->active_mtu = IBV_MTU_4096;
	out->link_layer = IBV_LINK_LAYER_ETHERNET;
	return fake_fails() ? errno : 0;
}

int ibv_get_async_event(struct ibv_context *context, struct ibv_async_event *event)
{
	unsigned i = 0;

	cr_assert(context != &shared_context, "events of a shared context are another session's too");
	while (i < async_count && async_of[i] != context)
		i++;
	if (i == async_count) {
		errno = EAGAIN;
		return -1;
	}
	*event = async_events[i];
	async_count--;
	memmove(async_events + i, async_events + i + 1, (async_count - i) * sizeof(async_events[0]));
	memmove(async_of + i, async_of + i + 1, (async_count - i) * sizeof(async_of[0]));
	return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event)
{
	(void)event;
}

void fake_async_event(enum ibv_event_type type)
{
	async_of[async_count] = &own_contexts[0];
	async_events[async_count++] = (struct ibv_async_event){ .event_type = type, .element.port_num = 1 };
}

void fake_lane_event(unsigned lane, enum ibv_event_type type)
{
	struct ibv_async_event *event = &async_events[async_count];

	async_of[async_count++] = fake_qp(lane)->context;

	*event = (struct ibv_async_event){ .event_type = type, .element.qp = fake_qp(lane) };
	if (type == IBV_EVENT_CQ_ERR)
		event->element.cq = fake_qp(lane)->send_cq;
}

/* Memory */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	if (fake_fails())
		return NULL;
	for (unsigned i = 0; i < RAILS_MAX; i++)
		if (!pds[i].context) {
			pds[i].context = context;
			fake.pds++;
			return &pds[i];
		}
	cr_assert(false, "more protection domains than the fake has");
	return NULL;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	cr_assert(pd->context && !fake_qps_in(pd), "a queue pair outlives its protection domain");
	for (unsigned i = 0; i < RAILS_MAX; i++)
		cr_assert(mrs[i].pd != pd, "a registration outlives its protection domain");
	pd->context = NULL;
	fake.pds--;
	return 0;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *base, size_t bytes, int access)
{
	if (fake_fails())
		return NULL;
	errno = fake.memlock_errno;
	if (errno)
		return NULL;
	fake.mr_access = (unsigned)access;
	for (unsigned i = 0; i < RAILS_MAX; i++)
		if (!mrs[i].pd) {
			mrs[i] = (struct ibv_mr){ .context = pd->context,
						  .pd = pd,
						  .addr = base,
						  .length = bytes,
						  .lkey = 7,
						  .rkey = 9 + i };
			fake.mrs++;
			return &mrs[i];
		}
	cr_assert(false, "more registrations than the fake has");
	return NULL;
}

/* What ibv_reg_mr becomes where the compiler does not know the access flags. */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *base, size_t bytes, uint64_t iova, unsigned access)
{
	cr_assert_eq(iova, (uintptr_t)base);
	return ibv_reg_mr(pd, base, bytes, (int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	cr_assert(mr->pd);
	if (fake.dereg_fails && fake_qps_in(mr->pd))
		return EBUSY;
	mr->pd = NULL;
	fake.mrs--;
	return 0;
}
