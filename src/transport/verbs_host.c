/* SPDX-License-Identifier: MIT */
/* The RDMA devices of this machine, for people and programs that ask before they start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vfiomig/host.h>

#include "base/error.h"
#include "transport/verbs_device.h"

static const char *transport_name(const struct ibv_device *device, uint8_t link_layer)
{
	if (device->transport_type == IBV_TRANSPORT_IWARP)
		return "iWARP";
	if (device->transport_type != IBV_TRANSPORT_IB)
		return "unknown";
	return link_layer == IBV_LINK_LAYER_ETHERNET ? "RoCE" : "InfiniBand";
}

static const char *state_name(enum ibv_port_state state)
{
	static const char *const names[] = {
		[IBV_PORT_NOP] = "nop",	    [IBV_PORT_DOWN] = "down",	  [IBV_PORT_INIT] = "init",
		[IBV_PORT_ARMED] = "armed", [IBV_PORT_ACTIVE] = "active", [IBV_PORT_ACTIVE_DEFER] = "active-defer"
	};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void read_netdev(const struct ibv_device *device, char *netdev, size_t bytes)
{
	char path[IBV_SYSFS_PATH_MAX + 32];
	FILE *file;

	snprintf(path, sizeof(path), "%s/ports/1/gid_attrs/ndevs/0", device->ibdev_path);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(netdev, (int)bytes, file))
		netdev[0] = '\0';
	netdev[strcspn(netdev, "\n")] = '\0';
	fclose(file);
}

static int ask(struct ibv_context *context, struct vfiomig_rdma_device *entry)
{
	struct ibv_device_attr attr;
	struct ibv_port_attr port;
	int rc = ibv_query_device(context, &attr);

	if (!rc)
		rc = ibv_query_port(context, 1, &port);
	if (rc)
		return rc;
	snprintf(entry->transport, sizeof(entry->transport), "%s", transport_name(context->device, port.link_layer));
	snprintf(entry->state, sizeof(entry->state), "%s", state_name(port.state));
	entry->mtu = 128U << port.active_mtu;
	entry->qps_max = (uint32_t)attr.max_qp;
	entry->cq_entries_max = (uint32_t)attr.max_cqe;
	if (verbs_device_refusal(context->device, entry->reason, sizeof(entry->reason)))
		return 0;
	entry->usable = port.state == IBV_PORT_ACTIVE;
	if (!entry->usable)
		snprintf(entry->reason, sizeof(entry->reason), "its port is %s", entry->state);
	return 0;
}

static void describe(struct ibv_device *device, struct vfiomig_rdma_device *entry)
{
	struct ibv_context *context;
	int rc;

	*entry = (struct vfiomig_rdma_device){ .transport = "unknown", .state = "unknown" };
	snprintf(entry->name, sizeof(entry->name), "%s", device->name);
	read_netdev(device, entry->netdev, sizeof(entry->netdev));
	context = ibv_open_device(device);
	if (!context) {
		snprintf(entry->reason, sizeof(entry->reason), "it cannot be opened: %s", strerror(errno));
		return;
	}
	rc = ask(context, entry);
	if (rc)
		snprintf(entry->reason, sizeof(entry->reason), "it does not answer: %s", strerror(rc));
	ibv_close_device(context);
}

int vfiomig_host_rdma_devices(struct vfiomig_rdma_device *devices, unsigned max, struct vfiomig_error *err)
{
	int count = 0;
	struct ibv_device **list = ibv_get_device_list(&count);

	if (!list && errno == ENOMEM)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for the list of RDMA devices");
	if (!list)
		return 0;
	for (int i = 0; i < count && (unsigned)i < max; i++)
		describe(list[i], &devices[i]);
	ibv_free_device_list(list);
	return count;
}
