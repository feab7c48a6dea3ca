/* SPDX-License-Identifier: MIT */
/* librdmacm in the fake: ids, and the events that follow from calls. */
#include "transport_verbs_fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "transport/verbs_lane.h"

enum { EVENTS_MAX = 256, IDS_MAX = 128 };

static struct rdma_cm_event queue[EVENTS_MAX];
static unsigned queued;
static struct rdma_cm_id *living[IDS_MAX];
static struct rdma_cm_event held; /* handed out, not yet acknowledged */
static bool is_held;

void fake_cm_reset(void)
{
	queued = 0;
	is_held = false;
	memset(living, 0, sizeof(living));
}

static void raise_event(struct rdma_cm_id *id, enum rdma_cm_event_type type, int status)
{
	if (fake.mute)
		return;
	cr_assert(queued < EVENTS_MAX);
	queue[queued++] = (struct rdma_cm_event){ .id = id, .event = type, .status = status };
	eventfd_write(id->channel->fd, 1);
}

static struct rdma_cm_id *make_id(struct rdma_event_channel *channel, void *context)
{
	struct rdma_cm_id *id = calloc(1, sizeof(*id));
	unsigned i = 0;

	id->channel = channel;
	id->context = context;
	while (living[i])
		i++;
	living[i] = id;
	fake.ids++;
	return id;
}

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct rdma_event_channel *channel;

	if (fake.no_module) {
		errno = ENODEV;
		return NULL;
	}
	if (fake_fails())
		return NULL;
	channel = calloc(1, sizeof(*channel));
	channel->fd = eventfd(0, EFD_SEMAPHORE);
	fake.channels++;
	return channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	for (unsigned i = 0; i < IDS_MAX; i++)
		cr_assert(!living[i] || living[i]->channel != channel, "an id outlives its event channel");
	close(channel->fd);
	free(channel);
	fake.channels--;
}

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **event)
{
	eventfd_t value;
	unsigned i = 0;

	cr_assert(!is_held);
	errno = EAGAIN;
	while (i < queued && queue[i].id->channel != channel)
		i++;
	if (i == queued)
		return -1;
	eventfd_read(channel->fd, &value);
	held = queue[i];
	is_held = true;
	if (held.event == RDMA_CM_EVENT_CONNECT_REQUEST) { /* only now it becomes an id of this process */
		held.listen_id = held.id;
		held.id = make_id(channel, NULL);
		held.id->verbs = held.listen_id->verbs;
		held.id->port_num = 1;
	}
	queued--;
	memmove(queue + i, queue + i + 1, (queued - i) * sizeof(queue[0]));
	*event = &held;
	return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *event)
{
	free((void *)event->param.conn.private_data);
	is_held = false;
	return 0;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **id, void *context, enum rdma_port_space ps)
{
	cr_assert(ps == RDMA_PS_TCP);
	if (fake_fails())
		return -1;
	*id = make_id(channel, context);
	return 0;
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	eventfd_t value;
	unsigned kept = 0;

	cr_assert(!is_held || held.id != id, "rdma_destroy_id would wait for ever");
	cr_assert(!id->qp, "a queue pair outlives its id");
	for (unsigned i = 0; i < queued; i++) {
		if (queue[i].id != id) {
			queue[kept++] = queue[i];
			continue;
		}
		free((void *)queue[i].param.conn.private_data);
		eventfd_read(id->channel->fd, &value);
	}
	queued = kept;
	for (unsigned i = 0; i < IDS_MAX; i++)
		living[i] = living[i] == id ? NULL : living[i];
	free(id);
	fake.ids--;
	return 0;
}

int rdma_bind_addr(struct rdma_cm_id *id, struct sockaddr *address)
{
	(void)address;
	if (fake_fails())
		return -1;
	id->verbs = fake.no_device ? NULL : fake_context();
	return 0;
}

int rdma_resolve_addr(struct rdma_cm_id *id, struct sockaddr *from, struct sockaddr *to, int timeout_ms)
{
	cr_assert(timeout_ms > 0 && to);
	if (fake_fails())
		return -1;
	if (from)
		memcpy(&id->route.addr.src_storage, from, sizeof(struct sockaddr_in));
	else
		fake.resolves_unbound++;
	id->route.addr.src_addr.sa_family = AF_INET;
	id->verbs = fake.no_device || fake.mute ? NULL : fake_context();
	id->port_num = 1;
	raise_event(id, fake.no_device ? RDMA_CM_EVENT_ADDR_ERROR : RDMA_CM_EVENT_ADDR_RESOLVED,
		    fake.no_device ? -ENODEV : 0);
	return 0;
}

int rdma_resolve_route(struct rdma_cm_id *id, int timeout_ms)
{
	cr_assert(timeout_ms > 0);
	if (fake_fails())
		return -1;
	raise_event(id, RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
	return 0;
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	cr_assert(pd->context == id->verbs && attr->qp_type == IBV_QPT_RC);
	cr_assert((unsigned)attr->send_cq->cqe >= attr->cap.max_send_wr + attr->cap.max_recv_wr);
	if (fake_fails())
		return -1;
	id->qp = fake_qp_make(pd, attr);
	return 0;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	fake_qp_unmake(id->qp);
	id->qp = NULL;
}

int rdma_set_option(struct rdma_cm_id *id, int level, int name, void *value, size_t bytes)
{
	(void)id;
	cr_assert(level == RDMA_OPTION_ID && name == RDMA_OPTION_ID_ACK_TIMEOUT && bytes == 1);
	memcpy(&fake.ack_timeout, value, 1);
	return fake_fails() ? -1 : 0;
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	cr_assert(id->qp && param->private_data_len == HELLO_BYTES);
	cr_assert(fake_receives(((struct verbs_lane *)id->context)->number), "connected before receives were posted");
	if (fake_fails())
		return -1;
	memcpy(fake.hello, param->private_data, HELLO_BYTES);
	fake.connect = *param;
	raise_event(id, fake.connect_answer, fake.connect_status);
	return 0;
}

int rdma_listen(struct rdma_cm_id *id, int backlog)
{
	cr_assert(backlog > 0);
	if (fake_fails())
		return -1;
	for (unsigned i = 0; i < fake.request_count; i++) {
		uint8_t *hello;

		if (fake.rails && fake.requests[i].lane % fake.rails != fake.listens)
			continue;
		hello = calloc(1, HELLO_BYTES);
		hello_encode(hello, &fake.requests[i]);
		raise_event(id, RDMA_CM_EVENT_CONNECT_REQUEST, 0);
		queue[queued - 1].param.conn.private_data = hello;
		queue[queued - 1].param.conn.private_data_len = HELLO_BYTES;
	}
	fake.listens++;
	if (fake.removed_while_listening)
		raise_event(id, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
	return 0;
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	cr_assert(id->qp && fake_receives(((struct verbs_lane *)id->context)->number),
		  "accepted before receives were posted");
	if (fake_fails())
		return -1;
	fake.connect = *param;
	raise_event(id, RDMA_CM_EVENT_ESTABLISHED, 0);
	return 0;
}

int rdma_reject(struct rdma_cm_id *id, const void *data, uint8_t bytes)
{
	(void)id, (void)data, (void)bytes;
	fake.rejects++;
	return 0;
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	(void)id;
	fake.disconnects++;
	return 0;
}

struct ibv_context **rdma_get_devices(int *count)
{
	static struct ibv_context *none[1];

	(void)count;
	fake.lists++;
	return none;
}

void rdma_free_devices(struct ibv_context **list)
{
	(void)list;
	fake.lists--;
}

struct rdma_cm_id *fake_id(unsigned lane)
{
	struct ibv_qp *qp = fake_qp(lane);

	for (unsigned i = 0; i < IDS_MAX; i++)
		if (living[i] && living[i]->qp == qp)
			return living[i];
	return NULL;
}

void fake_cm_event(unsigned lane, enum rdma_cm_event_type type)
{
	raise_event(fake_id(lane), type, 0);
}
