/* SPDX-License-Identifier: MIT */
/* RDMA devices, port by port, as sysfs tells of them: what a program without rights can see too. See doctor.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define CLASS "/sys/class/infiniband"

enum { GIDS_MAX = 256, PORTS_MAX = 64, NETDEV_BYTES = 32 };

struct gid {
	int index; /* -1: the port has none */
	bool routable;
	char text[48], type[32];
};

struct port {
	const char *device; /* "mlx5_0", "rxe0", ... */
	unsigned number;
	bool ethernet;
	char state[32], link_layer[32], netdev[NETDEV_BYTES];
	struct gid gid;
	unsigned mtu; /* of its path; 0: not known */
};

/* The best of its addresses: one that is routed before one that was made up for the link. */
static void find_gid(const struct doctor *doctor, struct port *port)
{
	port->gid.index = -1;
	for (int i = 0; i < GIDS_MAX; i++) {
		struct gid gid = { .index = i };

		if (!doctor_read(doctor, gid.text, sizeof(gid.text), CLASS "/%s/ports/%u/gids/%d", port->device,
				 port->number, i))
			break;
		if (!strcmp(gid.text, "0000:0000:0000:0000:0000:0000:0000:0000"))
			continue;
		gid.routable = !port->ethernet || strncmp(gid.text, "fe80:", 5);
		doctor_read(doctor, gid.type, sizeof(gid.type), CLASS "/%s/ports/%u/gid_attrs/types/%d", port->device,
			    port->number, i);
		if (port->gid.index < 0 || (gid.routable && !port->gid.routable) ||
		    (gid.routable && strstr(gid.type, "v2") && !strstr(port->gid.type, "v2")))
			port->gid = gid;
	}
}

static void find_netdev(const struct doctor *doctor, struct port *port)
{
	if (!doctor_read(doctor, port->netdev, sizeof(port->netdev), CLASS "/%s/ports/%u/gid_attrs/ndevs/%d",
			 port->device, port->number, port->gid.index < 0 ? 0 : port->gid.index))
		doctor_read(doctor, port->netdev, sizeof(port->netdev), CLASS "/%s/parent", port->device);
	if (!doctor_is_name(port->netdev))
		port->netdev[0] = '\0';
}

/* The largest that fits into a frame of the interface with all headers that RoCE may need. */
static unsigned path_mtu(long long frame)
{
	const long long headers = 96;
	unsigned mtu = 4096;

	while (mtu > 256 && mtu + headers > frame)
		mtu /= 2;
	return frame > 0 ? mtu : 0;
}

static unsigned ask_mtu(const char *name)
{
	struct vfiomig_rdma_device *list = calloc(64, sizeof(*list));
	int count = list ? vfiomig_host_rdma_devices(list, 64, NULL) : 0;
	unsigned mtu = 0;

	for (int i = 0; i < count && i < 64; i++)
		if (!strcmp(list[i].name, name) && list[i].state[0] && strcmp(list[i].state, "unknown"))
			mtu = list[i].mtu;
	free(list);
	return mtu;
}

static void read_port(const struct doctor *doctor, struct port *port)
{
	doctor_read(doctor, port->state, sizeof(port->state), CLASS "/%s/ports/%u/state", port->device, port->number);
	doctor_read(doctor, port->link_layer, sizeof(port->link_layer), CLASS "/%s/ports/%u/link_layer", port->device,
		    port->number);
	port->ethernet = !strcmp(port->link_layer, "Ethernet");
	find_gid(doctor, port);
	if (port->ethernet)
		find_netdev(doctor, port);
	if (port->netdev[0])
		port->mtu = path_mtu(doctor_read_number(doctor, 0, "/sys/class/net/%s/mtu", port->netdev));
	else if (doctor_is_live(doctor) && port->number == 1)
		port->mtu = ask_mtu(port->device);
}

/* An interface that is up and has no carrier waits for its other end. */
static void port_is_down(struct doctor *doctor, const struct port *port)
{
	long long flags = doctor_read_number(doctor, 0, "/sys/class/net/%s/flags", port->netdev);

	doctor_find(doctor, DOCTOR_FAIL, "%s port %u is not active (%s)%s%s", port->device, port->number, port->state,
		    port->netdev[0] ? ", on " : "", port->netdev);
	if (port->netdev[0] && !(flags & 1))
		doctor_mend(doctor, "ip link set dev %s up", port->netdev);
	else if (port->netdev[0])
		doctor_mend(doctor, "ethtool %s   # no carrier: cable, switch, or the link's other end", port->netdev);
	else if (strstr(port->state, "INIT"))
		doctor_mend(doctor, "systemctl start opensm   # it waits for a subnet manager");
	else
		doctor_mend(doctor, "ibstat %s   # cable, switch", port->device);
}

static const char *interface_of(const struct port *port)
{
	return port->netdev[0] ? port->netdev : "INTERFACE";
}

static void judge_port(struct doctor *doctor, const struct port *port)
{
	const char *kind = port->ethernet ? "RoCE" : "InfiniBand";
	const struct gid *gid = &port->gid;

	if (!strstr(port->state, "ACTIVE")) {
		port_is_down(doctor, port);
	} else if (gid->index < 0) {
		doctor_find(doctor, DOCTOR_FAIL, "%s port %u (%s) has no GID, so nobody can address it", port->device,
			    port->number, kind);
		doctor_mend(doctor, "ip addr add ADDRESS/LENGTH dev %s", interface_of(port));
	} else if (!gid->routable) {
		doctor_find(doctor, DOCTOR_WARN,
			    "%s port %u (%s) has only a link-local GID (%s): its interface has no address",
			    port->device, port->number, kind, gid->text);
		doctor_mend(doctor, "ip addr add ADDRESS/LENGTH dev %s", interface_of(port));
	} else if (port->mtu && port->mtu < 4096 && port->ethernet) {
		doctor_find(doctor, DOCTOR_WARN, "%s port %u (RoCE) is active, but its path MTU is %u of 4096",
			    port->device, port->number, port->mtu);
		doctor_mend(doctor, "ip link set dev %s mtu 9000   # at both ends and on all switches between",
			    interface_of(port));
	} else {
		char mtu[48] = "";

		if (port->mtu)
			snprintf(mtu, sizeof(mtu), ", path MTU %u", port->mtu);
		doctor_find(doctor, DOCTOR_PASS, "%s port %u: %s%s%s, active, GID %d %s%s%s%s, NUMA node %lld",
			    port->device, port->number, kind, port->netdev[0] ? " on " : "", port->netdev, gid->index,
			    gid->text, gid->type[0] ? " " : "", gid->type, mtu,
			    doctor_read_number(doctor, -1, CLASS "/%s/device/numa_node", port->device));
	}
}

/* Its kind decides alone: iWARP has no write with immediate data. */
static bool is_refused(struct doctor *doctor, const char *name)
{
	char type[32];

	doctor_read(doctor, type, sizeof(type), CLASS "/%s/node_type", name);
	if (type[0] == '1') /* "1: CA" */
		return false;
	doctor_find(doctor, DOCTOR_FAIL, "%s is %s: it has no RDMA WRITE with immediate data, and is not used", name,
		    type[0] == '4' ? "iWARP" : "neither InfiniBand nor RoCE");
	doctor_mend(doctor, "rdma-vfiomig send --transport tcp ...   # or set the card to RoCE, where it can");
	return true;
}

static void check_device(struct doctor *doctor, const char *name, void *context)
{
	(void)context;
	if (is_refused(doctor, name))
		return;
	for (unsigned number = 1; number <= PORTS_MAX; number++) {
		struct port port = { .device = name, .number = number };

		if (doctor_access(doctor, 0, CLASS "/%s/ports/%u", name, number))
			break;
		read_port(doctor, &port);
		judge_port(doctor, &port);
	}
}

/* Lanes need one way that works: a port without a cable beside it is no failure. */
void doctor_check_rdma(struct doctor *doctor)
{
	size_t from = doctor->count;

	if (!doctor_each(doctor, CLASS, check_device, NULL)) {
		doctor_find(doctor,
			    doctor->source.transfer.transport == VFIOMIG_TRANSPORT_RDMA ? DOCTOR_FAIL : DOCTOR_WARN,
			    "there is no RDMA device: lanes can only be TCP connections");
		doctor_mend(doctor, "rdma link add rxe0 type rxe netdev INTERFACE   # soft-RoCE, to try it; or load "
				    "the card's driver");
		return;
	}
	if (doctor->source.transfer.transport == VFIOMIG_TRANSPORT_TCP)
		doctor_soften(doctor, from, DOCTOR_WARN);
	for (size_t i = from; i < doctor->count; i++)
		if (doctor->findings[i].verdict != DOCTOR_FAIL) {
			doctor_soften(doctor, from, DOCTOR_WARN);
			return;
		}
}

static void check_verbs(struct doctor *doctor, const char *name, void *context)
{
	char device[64];
	int errnum;

	(void)context;
	if (!doctor_read(doctor, device, sizeof(device), "/sys/class/infiniband_verbs/%s/ibdev", name))
		return; /* "abi_version" */
	errnum = doctor_access(doctor, R_OK | W_OK, "/dev/infiniband/%s", name);
	if (!errnum) {
		doctor_find(doctor, DOCTOR_PASS, "/dev/infiniband/%s (%s) can be opened", name, device);
		return;
	}
	doctor_find(doctor, DOCTOR_FAIL, "/dev/infiniband/%s (%s) cannot be opened: %s", name, device,
		    strerror(errnum));
	if (errnum == ENOENT)
		doctor_mend(doctor, "udevadm trigger --action=add --subsystem-match=infiniband_verbs");
	else
		doctor_mend(doctor, "chmod a+rw /dev/infiniband/%s   # by root, as rdma-core's udev rules do", name);
}

static void check_files(struct doctor *doctor)
{
	size_t from = doctor->count;
	int errnum;

	doctor_each(doctor, "/sys/class/infiniband_verbs", check_verbs, NULL);
	if (doctor->count == from) {
		doctor_find(doctor, DOCTOR_FAIL, "no RDMA device can be used by programs: there are no uverbs");
		doctor_mend(doctor, "modprobe ib_uverbs");
	}
	errnum = doctor_access(doctor, R_OK | W_OK, "/dev/infiniband/rdma_cm");
	if (!errnum) {
		doctor_find(doctor, DOCTOR_PASS, "/dev/infiniband/rdma_cm can be opened");
		return;
	}
	doctor_find(doctor, DOCTOR_FAIL, "/dev/infiniband/rdma_cm cannot be opened: %s", strerror(errnum));
	doctor_mend(doctor, errnum == ENOENT ? "modprobe rdma_ucm" : "chmod a+rw /dev/infiniband/rdma_cm   # by root");
}

void doctor_check_uverbs(struct doctor *doctor)
{
	size_t from = doctor->count;

	/* Without a device there is nothing to open. */
	if (doctor_each(doctor, CLASS, NULL, NULL))
		check_files(doctor);
	if (doctor->source.transfer.transport == VFIOMIG_TRANSPORT_TCP)
		doctor_soften(doctor, from, DOCTOR_WARN);
}
