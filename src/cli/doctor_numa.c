/* SPDX-License-Identifier: MIT */
/* Whether devices and RDMA devices are neighbours: between sockets every packet takes a detour. See doctor.h. */
#include <stdio.h>
#include <string.h>

#include "doctor.h"

/* What is asked of all RDMA devices: is one on this node, and does any say where it is? */
struct search {
	long long node;
	bool there, known;
};

static void look(struct doctor *doctor, const char *name, void *context)
{
	struct search *search = context;
	long long node = doctor_read_number(doctor, -1, "/sys/class/infiniband/%s/device/numa_node", name);

	search->there = search->there || node == search->node;
	search->known = search->known || node >= 0;
}

static void check_device(struct doctor *doctor, const char *spec)
{
	struct search search = { 0 };
	struct doctor_vfio_id id;

	if (!doctor_vfio_id(spec, &id))
		return;
	search.node = doctor_read_number(doctor, -1, "/sys/bus/%s/devices/%s/numa_node", id.bus, id.id);
	doctor_each(doctor, "/sys/class/infiniband", look, &search);
	if (search.node < 0 || !search.known) {
		doctor_find(doctor, DOCTOR_PASS, "%s: on which node it is, or the RDMA devices are, is not known",
			    spec);
	} else if (search.there) {
		doctor_find(doctor, DOCTOR_PASS, "%s is on node %lld, and so is an RDMA device", spec, search.node);
	} else {
		doctor_find(doctor, DOCTOR_WARN,
			    "%s is on node %lld, and no RDMA device is: packets cross between sockets", spec,
			    search.node);
		doctor_mend(doctor, "lstopo-no-graphics   # which slots and cards are on node %lld", search.node);
	}
}

void doctor_check_numa(struct doctor *doctor)
{
	const struct transfer_options *transfer = &doctor->source.transfer;
	size_t from = doctor->count;
	char online[64];

	doctor_read(doctor, online, sizeof(online), "/sys/devices/system/node/online");
	if (!online[0] || !strcmp(online, "0")) {
		doctor_find(doctor, DOCTOR_PASS, "all memory is on one node");
		return;
	}
	for (unsigned i = 0; i < transfer->devices; i++)
		check_device(doctor, transfer->specs[i]);
	if (doctor->count == from)
		doctor_find(doctor, DOCTOR_PASS, "memory is on nodes %s; devices are compared that --device names",
			    online);
}
