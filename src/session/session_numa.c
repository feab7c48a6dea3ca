/* SPDX-License-Identifier: MIT */
/* Memory and threads near the hardware that they serve: what numa.h decides, asked of the kernel. All of it is a wish. */
#include <errno.h>

#include "base/error.h"
#include "base/placement.h"
#include "core/numa.h"
#include "session/session.h"

static struct numa_wish wish_of(const struct vfiomig_session *session)
{
	return (struct numa_wish){ session->options.numa, session->options.numa_node };
}

int session_check_numa(const struct vfiomig_session *session, struct vfiomig_error *err)
{
	cpu_set_t cpus;

	if (session->options.numa != VFIOMIG_NUMA_NODE ||
	    !placement_cpus(PLACEMENT_SYSFS, session->options.numa_node, &cpus))
		return 0;
	return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-numa-node",
			 "this machine has no NUMA node %d: see %s/devices/system/node", session->options.numa_node,
			 PLACEMENT_SYSFS);
}

int session_slots_node(const struct vfiomig_session *session)
{
	const struct numa_wish wish = wish_of(session);
	int nodes[VFIOMIG_DEVICES_MAX];

	for (unsigned d = 0; d < session->devices; d++)
		nodes[d] = session->handles[d]->info.numa_node;
	return numa_slots_node(&wish, session->limits.numa_node, nodes, session->devices);
}

int session_thread_node(const struct session_device *device)
{
	const struct numa_wish wish = wish_of(device->session);

	return numa_thread_node(&wish, device->device->info.numa_node);
}

void session_run_near(struct session_device *device)
{
	int node = session_thread_node(device), rc = placement_run(PLACEMENT_SYSFS, node);

	if (rc == -EPERM)
		session_log_line(
			device->session, VFIOMIG_LOG_WARNING,
			"device '%s': its thread runs anywhere, because this program may use no processor of NUMA "
			"node %d",
			session_device_label(device), node);
}

void session_warn_of_nodes(struct vfiomig_session *session)
{
	int card = session->limits.numa_node;

	if (session->options.numa == VFIOMIG_NUMA_OFF)
		return;
	for (unsigned d = 0; d < session->devices; d++)
		if (numa_crosses(card, session->handles[d]->info.numa_node))
			session_log_line(session, VFIOMIG_LOG_WARNING,
					 "device '%s' is on NUMA node %d of the %s, and the network card on node %d: "
					 "its state crosses "
					 "between them",
					 session_device_label(&session->device[d]), session->handles[d]->info.numa_node,
					 session_side(session), card);
}
