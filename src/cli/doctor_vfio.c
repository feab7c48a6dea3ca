/* SPDX-License-Identifier: MIT */
/*
 * Devices: those that were named, or all of this machine that VFIO has. What is wrong is looked for from the bottom up (driver,
 * IOMMU, group, its file, the device itself), and the first that is found is said: what comes after it follows from it. See doctor.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

/* Whose functions migrate under which driver, as it calls itself: to the others vfio-pci gives no migration. */
static const struct {
	unsigned vendor, base_class; /* of PCI; class 0: any */
	const char *driver;
} migrating[] = {
	{ 0x15b3, 0x02, "mlx5_vfio_pci" }, { 0x19e5, 0, "hisi_acc_vfio_pci" }, { 0x1dd8, 0, "pds_vfio_pci" },
	{ 0x1af4, 0, "virtio_vfio_pci" },  { 0x8086, 0x0b, "qat_vfio_pci" },
};

/* A device as sysfs has it. */
struct node {
	struct doctor_vfio_id id;
	char driver[64]; /* "" if none is bound */
	char cdev[64];	 /* its own file's name, "" if it has none */
	int group;	 /* -1: none */
};

static const char *driver_for(const struct doctor *doctor, const char *id)
{
	long long vendor = doctor_read_number(doctor, 0, "/sys/bus/pci/devices/%s/vendor", id);
	long long class = doctor_read_number(doctor, 0, "/sys/bus/pci/devices/%s/class", id) >> 16;

	for (size_t i = 0; i < sizeof(migrating) / sizeof(*migrating); i++)
		if (migrating[i].vendor == vendor && (!migrating[i].base_class || migrating[i].base_class == class))
			return migrating[i].driver;
	return "vfio-pci";
}

static void mend_by_binding(struct doctor *doctor, const char *id, const char *now)
{
	const char *driver = driver_for(doctor, id);
	char unbind[256] = "";

	if (now[0])
		snprintf(unbind, sizeof(unbind), "echo %s >/sys/bus/pci/drivers/%s/unbind; ", id, now);
	doctor_mend(
		doctor,
		"modprobe %s; echo %s >/sys/bus/pci/devices/%s/driver_override; %secho %s >/sys/bus/pci/drivers_probe",
		driver, driver, id, unbind, id);
}

/* The kernel binds a mediated device when it is made, and not again. */
static void mend_mdev(struct doctor *doctor, const char *id)
{
	doctor_mend(doctor,
		    "type=$(readlink -f /sys/bus/mdev/devices/%s/mdev_type); echo 1 >/sys/bus/mdev/devices/%s/remove; "
		    "echo %s >$type/create",
		    id, id, id);
}

static bool is_vfio_driver(const struct doctor *doctor, const char *bus, const char *id, const char *driver)
{
	return (!strcmp(bus, "mdev") && driver[0]) || strstr(driver, "vfio") ||
	       !doctor_access(doctor, F_OK, "/sys/bus/%s/devices/%s/vfio-dev", bus, id);
}

static void take_cdev(struct doctor *doctor, const char *name, void *context)
{
	struct node *node = context;

	(void)doctor;
	snprintf(node->cdev, sizeof(node->cdev), "%s", name);
}

static void read_node(struct doctor *doctor, struct node *node)
{
	char group[32], folder[PATH_MAX];

	doctor_read_link(doctor, node->driver, sizeof(node->driver), "/sys/bus/%s/devices/%s/driver", node->id.bus,
			 node->id.id);
	doctor_read_link(doctor, group, sizeof(group), "/sys/bus/%s/devices/%s/iommu_group", node->id.bus, node->id.id);
	if (sscanf(group, "%d", &node->group) != 1)
		node->group = -1;
	snprintf(folder, sizeof(folder), "/sys/bus/%s/devices/%s/vfio-dev", node->id.bus, node->id.id);
	doctor_each(doctor, folder, take_cdev, node);
}

static bool found_unbound(struct doctor *doctor, const struct node *node)
{
	const char *id = node->id.id;

	if (doctor_access(doctor, F_OK, "/sys/bus/%s/devices/%s", node->id.bus, id)) {
		doctor_find(doctor, DOCTOR_FAIL, "there is no device vfio:%s", id);
		doctor_mend(doctor, "rdma-vfiomig devices   # those that there are; lspci -D shows all functions");
		return true;
	}
	if (!is_vfio_driver(doctor, node->id.bus, id, node->driver)) {
		doctor_find(doctor, DOCTOR_FAIL, "vfio:%s is bound to %s%s, not to a driver of VFIO", id,
			    node->driver[0] ? "" : "no driver", node->driver);
		if (!strcmp(node->id.bus, "mdev"))
			mend_mdev(doctor, id);
		else
			mend_by_binding(doctor, id, node->driver);
		return true;
	}
	return false;
}

/* What keeps a group from being viable: a function of it that a driver of the host has. Bridges may have theirs. */
static void look_at_neighbour(struct doctor *doctor, const char *id, void *context)
{
	const struct node *node = context;
	char driver[64];

	doctor_read_link(doctor, driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver", id);
	if (strcmp(node->id.bus, "pci") || !driver[0] || !strcmp(driver, "pcieport") || !strcmp(driver, "pci-stub") ||
	    is_vfio_driver(doctor, "pci", id, driver))
		return;
	doctor_find(doctor, DOCTOR_FAIL, "vfio:%s cannot be used: %s, of the same IOMMU group %d, is bound to %s",
		    node->id.id, id, node->group, driver);
	mend_by_binding(doctor, id, driver);
}

static bool found_bad_group(struct doctor *doctor, struct node *node)
{
	size_t from = doctor->count;
	char folder[64];

	if (node->group < 0) {
		doctor_find(doctor, DOCTOR_FAIL, "vfio:%s is in no IOMMU group: the IOMMU is off", node->id.id);
		doctor_mend(doctor, "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&intel_iommu=on /' /etc/default/grub; "
				    "update-grub   # then boot "
				    "again, with the IOMMU on in the firmware; see dmesg | grep -i iommu");
		return true;
	}
	snprintf(folder, sizeof(folder), "/sys/kernel/iommu_groups/%d/devices", node->group);
	doctor_each(doctor, folder, look_at_neighbour, node);
	return doctor->count != from;
}

/* By its own file, as the library decides it: where that is asked for, or there are no IOMMU groups. */
static bool goes_by_cdev(const struct doctor *doctor, const char *spec, const struct node *node)
{
	if (transfer_spec_has(spec, "iommufd=on"))
		return true;
	return node->cdev[0] && !transfer_spec_has(spec, "iommufd=off") &&
	       doctor_access(doctor, F_OK, "/dev/vfio/vfio");
}

static bool found_bad_cdev(struct doctor *doctor, const struct node *node)
{
	int iommu = doctor_access(doctor, R_OK | W_OK, "/dev/iommu"), device = 0;

	if (iommu) {
		doctor_find(doctor, DOCTOR_FAIL, "/dev/iommu cannot be opened: %s", strerror(iommu));
		doctor_mend(doctor, iommu == ENOENT
					    ? "modprobe iommufd"
					    : "chown $USER /dev/iommu   # by root, USER: who runs rdma-vfiomig");
	} else if (!node->cdev[0]) {
		doctor_find(doctor, DOCTOR_FAIL, "vfio:%s has no file of its own: this kernel knows only IOMMU groups",
			    node->id.id);
		doctor_mend(doctor, "rdma-vfiomig send --device vfio:%s,iommufd=off ...", node->id.id);
	} else {
		device = doctor_access(doctor, R_OK | W_OK, "/dev/vfio/devices/%s", node->cdev);
		if (!device)
			return false;
		doctor_find(doctor, DOCTOR_FAIL, "/dev/vfio/devices/%s, the file of vfio:%s, cannot be opened: %s",
			    node->cdev, node->id.id, strerror(device));
		doctor_mend(doctor, "chown $USER /dev/vfio/devices/%s   # by root, USER: who runs rdma-vfiomig",
			    node->cdev);
	}
	return true;
}

static bool found_bad_file(struct doctor *doctor, const struct node *node)
{
	int container = doctor_access(doctor, R_OK | W_OK, "/dev/vfio/vfio");
	int group = doctor_access(doctor, R_OK | W_OK, "/dev/vfio/%d", node->group);

	if (!container && !group)
		return false;
	if (container) {
		doctor_find(doctor, DOCTOR_FAIL, "/dev/vfio/vfio cannot be opened: %s", strerror(container));
		doctor_mend(doctor, container == ENOENT ? "modprobe vfio_iommu_type1"
							: "chmod a+rw /dev/vfio/vfio   # by root");
		return true;
	}
	doctor_find(doctor, DOCTOR_FAIL, "/dev/vfio/%d, the IOMMU group of vfio:%s, cannot be opened: %s", node->group,
		    node->id.id, strerror(group));
	if (group == ENOENT)
		mend_by_binding(doctor, node->id.id, node->driver);
	else
		doctor_mend(doctor, "chown $USER /dev/vfio/%d   # by root, USER: who runs rdma-vfiomig", node->group);
	return true;
}

static void mend_refusal(struct doctor *doctor, const struct node *node, const struct vfiomig_error *err)
{
	if (!strcmp(err->name, "cdev-busy"))
		doctor_mend(doctor, "fuser -v /dev/vfio/devices/%s /dev/vfio/%d   # who has it", node->cdev,
			    node->group);
	else if (!strcmp(err->name, "group-busy") || err->errnum == EBUSY)
		doctor_mend(doctor, "fuser -v /dev/vfio/%d   # who has it", node->group);
	else if (!strcmp(err->name, "no-iommu") || !strcmp(err->name, "no-container"))
		doctor_mend(doctor, "modprobe vfio_iommu_type1");
	else if (!strcmp(err->name, "no-migration") && !strcmp(node->driver, "mlx5_vfio_pci"))
		doctor_mend(doctor,
			    "devlink port function set pci/PARENT/PORT migratable enable   # before it is bound");
	else if (!strcmp(err->name, "no-migration") && strcmp(driver_for(doctor, node->id.id), "vfio-pci"))
		mend_by_binding(doctor, node->id.id, node->driver);
	else
		doctor_mend(doctor, "rdma-vfiomig devices   # which of this machine's can migrate");
}

/* More than one device needs states in which none of them starts DMA. */
static void judge_open(struct doctor *doctor, const char *spec, struct vfiomig_device *device)
{
	const struct vfiomig_device_info *info = vfiomig_device_info(device);
	enum vfiomig_state state = vfiomig_device_state(device);
	bool p2p = info->migration_flags & VFIOMIG_MIGRATION_P2P;

	if (state != VFIOMIG_STATE_RUNNING) {
		doctor_find(doctor, DOCTOR_FAIL, "%s stands in %s, and should be RUNNING", spec,
			    vfiomig_state_name(state));
		doctor_mend(doctor, "virsh resume DOMAIN   # or as the VMM has it, whose device it is");
	} else if (!p2p && doctor->devices > 1) {
		doctor_find(doctor, DOCTOR_FAIL, "%s has no P2P states, which several devices in one session need",
			    spec);
		doctor_mend(doctor, "rdma-vfiomig send --device %s ...   # one session for each device", spec);
	} else {
		doctor_find(doctor, DOCTOR_PASS, "%s: driver %s, STOP_COPY%s%s, %s", spec, info->driver,
			    p2p ? " P2P" : "",
			    info->migration_flags & VFIOMIG_MIGRATION_PRE_COPY ? " PRE_COPY" : ", no PRE_COPY",
			    vfiomig_state_name(state));
	}
}

static void ask_device(struct doctor *doctor, const char *spec, const struct node *node)
{
	struct vfiomig_device *device = NULL;
	struct vfiomig_error err = { 0 };

	if (!vfiomig_device_open(&device, spec, &err)) {
		judge_open(doctor, spec, device);
		vfiomig_device_close(device);
		return;
	}
	doctor_find(doctor, DOCTOR_FAIL, "%s", err.text);
	if (node)
		mend_refusal(doctor, node, &err);
	else
		doctor_mend(doctor, "rdma-vfiomig send --help   # what --device takes");
}

static void check_vfio(struct doctor *doctor, const char *spec, struct node *node)
{
	read_node(doctor, node);
	if (found_unbound(doctor, node) || found_bad_group(doctor, node) ||
	    (goes_by_cdev(doctor, spec, node) ? found_bad_cdev(doctor, node) : found_bad_file(doctor, node)))
		return;
	if (doctor_is_live(doctor) && !doctor->no_ask)
		ask_device(doctor, spec, node);
	else
		doctor_find(doctor, DOCTOR_PASS, "%s: driver %s, IOMMU group %d; not asked whether it can migrate",
			    spec, node->driver, node->group);
}

/* Nobody named it: what is wrong with it keeps nobody from migrating another. */
static void check_bound(struct doctor *doctor, const char *id, void *context)
{
	struct node node = { .id = { .bus = context } };
	size_t from = doctor->count;
	char spec[160];

	snprintf(node.id.id, sizeof(node.id.id), "%s", id);
	read_node(doctor, &node);
	if (!is_vfio_driver(doctor, node.id.bus, id, node.driver))
		return;
	snprintf(spec, sizeof(spec), "vfio:%s", node.id.id);
	check_vfio(doctor, spec, &node);
	doctor_soften(doctor, from, DOCTOR_WARN);
}

void doctor_check_devices(struct doctor *doctor)
{
	static char pci[] = "pci", mdev[] = "mdev";
	const struct transfer_options *transfer = &doctor->source.transfer;
	size_t from = doctor->count;

	for (unsigned i = 0; i < transfer->devices; i++) {
		struct node node = { 0 };

		if (doctor_vfio_id(transfer->specs[i], &node.id))
			check_vfio(doctor, transfer->specs[i], &node);
		else
			ask_device(doctor, transfer->specs[i], NULL);
	}
	if (transfer->devices)
		return;
	doctor_each(doctor, "/sys/bus/pci/devices", check_bound, pci);
	doctor_each(doctor, "/sys/bus/mdev/devices", check_bound, mdev);
	if (doctor->count != from)
		return;
	doctor_find(doctor, DOCTOR_WARN,
		    "no device is bound to a driver of VFIO: there are simulated ones only (sim:)");
	doctor_mend(doctor,
		    "rdma-vfiomig doctor --device vfio:ADDRESS   # says how that one is bound; lspci -D shows all");
}
