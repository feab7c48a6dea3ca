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
static struct ibv_context shared_context, own_context;
static struct ibv_pd the_pd;
static struct ibv_mr the_mr;
static struct ibv_async_event async_events[8];
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
	own_context = (struct ibv_context){ .device = &device, .ops = ops, .num_comp_vectors = 2 };
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
	own_context.async_fd = eventfd(0, EFD_SEMAPHORE);
	fake.contexts++;
	return &own_context;
}

int ibv_close_device(struct ibv_context *context)
{
	cr_assert(context == &own_context);
	close(context->async_fd);
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
	if (!async_count) {
		errno = EAGAIN;
		return -1;
	}
	cr_assert(context == &own_context, "events of a shared context are another session's too");
	*event = async_events[0];
	memmove(async_events, async_events + 1, --async_count * sizeof(async_events[0]));
	return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event)
{
	(void)event;
}

void fake_async_event(enum ibv_event_type type)
{
	async_events[async_count++] = (struct ibv_async_event){ .event_type = type, .element.port_num = 1 };
}

void fake_lane_event(unsigned lane, enum ibv_event_type type)
{
	struct ibv_async_event *event = &async_events[async_count++];

	*event = (struct ibv_async_event){ .event_type = type, .element.qp = fake_qp(lane) };
	if (type == IBV_EVENT_CQ_ERR)
		event->element.cq = fake_qp(lane)->send_cq;
}

/* Memory */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	if (fake_fails())
		return NULL;
	the_pd.context = context;
	fake.pds++;
	return &the_pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	cr_assert(pd == &the_pd && !fake.mrs && !fake.qps, "something outlives its protection domain");
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
	the_mr = (struct ibv_mr){
		.context = pd->context, .pd = pd, .addr = base, .length = bytes, .lkey = 7, .rkey = 9
	};
	fake.mr_access = (unsigned)access;
	fake.mrs++;
	return &the_mr;
}

/* What ibv_reg_mr becomes where the compiler does not know the access flags. */
struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *base, size_t bytes, uint64_t iova, unsigned access)
{
	cr_assert_eq(iova, (uintptr_t)base);
	return ibv_reg_mr(pd, base, bytes, (int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	cr_assert(mr == &the_mr && fake.mrs == 1);
	if (fake.dereg_fails && fake.qps)
		return EBUSY;
	fake.mrs--;
	return 0;
}
