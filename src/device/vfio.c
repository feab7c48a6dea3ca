/* SPDX-License-Identifier: MIT */
/*
 * A kernel device: VFIO migration protocol v2 as <linux/vfio.h> has it. The kernel walks the arcs; kept here are only the
 * descriptors, because a stream outlives PRE_COPY under one data_fd, and closing the device loses its state.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "device/backend.h"
#include "device/config_space.h"
#include "device/vfio_feature.h"
#include "device/vfio_group.h"
#include "device/vfio_uapi.h"

/* Used by one thread at a time. */
struct vfio {
	struct vfio_node node;	 /* empty if the descriptor was inherited */
	struct vfio_group group; /* its descriptors, all -1 if the descriptor was inherited */
	int fd;			 /* of the device: group's, or the caller's */
	int data_fd;		 /* owned, -1: none */
	bool precopy;		 /* data_fd is that of PRE_COPY, and STOP_COPY has not begun */
	bool precopy_flags;	 /* the device says in the flags of its sizes what is new */
	uint32_t migration_flags;
	uint64_t config_offset;
	uint32_t config_bytes;
	enum vfiomig_config_layout config_layout; /* in which config_get gives it */
	char warning[160];
};

static void close_data(struct vfio *vfio)
{
	if (vfio->data_fd >= 0)
		close(vfio->data_fd);
	vfio->data_fd = -1;
}

static enum vfiomig_state get_state(void *dev)
{
	struct vfio *vfio = dev;
	enum vfiomig_state state;

	return vfio_get_state(vfio->fd, &state) ? VFIOMIG_STATE_ERROR : state;
}

static bool is_precopy(enum vfiomig_state state)
{
	return state == VFIOMIG_STATE_PRE_COPY || state == VFIOMIG_STATE_PRE_COPY_P2P;
}

static bool has_stream(enum vfiomig_state state)
{
	return state == VFIOMIG_STATE_STOP_COPY || state == VFIOMIG_STATE_RESUMING || is_precopy(state);
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	enum vfiomig_state before = get_state(vfio), after;
	int data_fd, rc = vfio_set_state(vfio->fd, target, &data_fd);

	if (rc) {
		after = get_state(vfio); /* it may be anywhere on the way */
		vfio->precopy = is_precopy(after);
		if (!has_stream(after))
			close_data(vfio);
		return error_set(err, VFIOMIG_DEVICE, -rc, "set-state", "%s -> %s failed, the device is in %s now: %s",
				 vfiomig_state_name(before), vfiomig_state_name(target), vfiomig_state_name(after),
				 strerror(-rc));
	}
	vfio->precopy = is_precopy(target);
	if (data_fd >= 0 || !has_stream(target))
		close_data(vfio);
	if (data_fd >= 0)
		vfio->data_fd = data_fd; /* none: STOP_COPY goes on with that of PRE_COPY */
	return 0;
}

static int data_fd(void *dev)
{
	struct vfio *vfio = dev;

	return vfio->data_fd;
}

/* Drivers end PRE_COPY's data by ENOMSG or by 0; in STOP_COPY only 0 is an end, and ENOMSG has no meaning. */
static int explain(void *dev, ssize_t result, uint64_t *at)
{
	const struct vfio *vfio = dev;

	(void)at;
	if (!vfio->precopy)
		return result == -ENOMSG ? -EIO : (int)result;
	return result ? (int)result : -ENOMSG;
}

/* Sizes are estimates: a device that cannot tell one of them has nothing wrong with it. */
static int pending(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	uint32_t flags;
	int rc;

	pending->stop_copy_known = !vfio_get_data_bytes(vfio->fd, &pending->stop_copy_bytes);
	if (!vfio->precopy || vfio->data_fd < 0)
		return 0;
	rc = vfio_get_precopy_bytes(vfio->data_fd, &flags, &pending->initial_bytes, &pending->dirty_bytes);
	if (rc == -ENODEV || rc == -EIO)
		return error_set(err, VFIOMIG_DEVICE, -rc, "precopy-info",
				 "the device has failed in PRE_COPY (VFIO_MIG_GET_PRECOPY_INFO): %s", strerror(-rc));
	pending->precopy_known = !rc;
	pending->initial_again = !rc && vfio->precopy_flags && flags & VFIO_PRECOPY_INFO_REINIT;
	return 0;
}

static int read_config(void *context, uint32_t at, void *to, uint32_t bytes)
{
	struct vfio *vfio = context;
	ssize_t got = pread(vfio->fd, to, bytes, (off_t)(vfio->config_offset + at));

	if (got < 0)
		return -errno;
	return got == (ssize_t)bytes ? 0 : -EIO;
}

static int write_config(void *context, uint32_t at, const void *from, uint32_t bytes)
{
	struct vfio *vfio = context;
	ssize_t put = pwrite(vfio->fd, from, bytes, (off_t)(vfio->config_offset + at));

	if (put < 0)
		return -errno;
	return put == (ssize_t)bytes ? 0 : -EIO;
}

static struct config_access config_access(struct vfio *vfio)
{
	return (struct config_access){ read_config, write_config, vfio, vfio->config_bytes };
}

static ssize_t config_get(void *dev, void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	struct config_access access = config_access(vfio);

	return config_space_save(&access, vfio->config_layout, blob, bytes, err);
}

static int config_put(void *dev, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	struct config_access access = config_access(vfio);

	return config_space_load(&access, blob, bytes, vfio->warning, sizeof(vfio->warning), err);
}

static int config_check(void *dev, const struct vfiomig_device_info *source, struct vfiomig_error *err)
{
	struct config_access access = config_access(dev);

	return config_space_check(&access, source->config, source->config_bytes, err);
}

static uint16_t config_u16(const struct vfiomig_device_info *info, unsigned at)
{
	return (uint16_t)(info->config[at] | (unsigned)info->config[at + 1] << 8);
}

static int describe_config(struct vfio *vfio, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	int rc = read_config(vfio, 0, info->config, vfio->config_bytes);

	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, -rc, "config-read", "the config space cannot be read: %s",
				 strerror(-rc));
	info->config_bytes = vfio->config_bytes;
	info->vendor = config_u16(info, 0x00);
	info->device = config_u16(info, 0x02);
	info->class_revision = (uint32_t)config_u16(info, 0x0a) << 16 | config_u16(info, 0x08);
	info->subsystem_vendor = config_u16(info, 0x2c);
	info->subsystem_device = config_u16(info, 0x2e);
	return 0;
}

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	const struct vfio_node *node = &vfio->node;

	_Static_assert(sizeof(info->firmware) == sizeof(node->firmware) && sizeof(info->psid) == sizeof(node->psid),
		       "copied");
	snprintf(info->driver, sizeof(info->driver), "%.*s", (int)sizeof(info->driver) - 1, node->driver);
	memcpy(info->firmware, node->firmware, sizeof(info->firmware));
	memcpy(info->psid, node->psid, sizeof(info->psid));
	info->migration_flags = vfio->migration_flags;
	info->numa_node = node->numa_node;
	if (vfio_get_data_bytes(vfio->fd, &info->expected_bytes))
		info->expected_bytes = 0; /* kernels before 6.2 cannot tell */
	return vfio->config_bytes ? describe_config(vfio, info, err) : 0;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	struct vfio *vfio = dev;
	int rc = vfio_reset(vfio->fd);

	vfio->precopy = false;
	close_data(vfio);
	if (rc)
		return error_set(err, VFIOMIG_DEVICE, -rc, "reset", "VFIO_DEVICE_RESET failed: %s", strerror(-rc));
	if (get_state(vfio) != VFIOMIG_STATE_RUNNING)
		return error_set(err, VFIOMIG_DEVICE, EIO, "reset", "after VFIO_DEVICE_RESET the device is in %s",
				 vfiomig_state_name(get_state(vfio)));
	return 0;
}

static void vfio_close(void *dev)
{
	struct vfio *vfio = dev;

	close_data(vfio);
	vfio_group_close(&vfio->group);
	free(vfio);
}

static const struct vfiomig_device_ops vfio_ops = {
	.size = sizeof(struct vfiomig_device_ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.explain = explain,
	.pending = pending,
	.config_get = config_get,
	.config_put = config_put,
	.config_check = config_check,
	.reset = reset,
	.close = vfio_close,
};

static int take_inherited(struct vfio *vfio, int fd, struct vfiomig_error *err)
{
	uint32_t flags;
	int rc = vfio_get_device_flags(fd, &flags);

	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, ENODEV, "no-device", "descriptor %d is no VFIO device: %s", fd,
				 strerror(-rc));
	vfio->fd = fd;
	return 0;
}

static int open_by_node(struct vfio *vfio, const char *arg, struct vfiomig_error *err)
{
	int rc = vfio_node_find(&vfio->node, &vfio_roots, arg, err);

	if (!rc)
		rc = vfio_node_check(&vfio->node, err);
	if (!rc)
		rc = vfio_group_open(&vfio->group, &vfio_roots, &vfio->node, err);
	vfio->fd = vfio->group.device;
	return rc;
}

/* What the device can do: asked before anything is stopped. */
static int probe(struct vfio *vfio, const char *what, struct vfiomig_error *err)
{
	uint32_t flags = 0;
	int rc = vfio_get_migration_flags(vfio->fd, &vfio->migration_flags);

	if (rc && rc != -ENOTTY)
		return error_set(err, VFIOMIG_PREFLIGHT, -rc, "no-migration",
				 "%s cannot be asked whether it migrates: %s", what, strerror(-rc));
	if (!(vfio->migration_flags & VFIOMIG_MIGRATION_STOP_COPY))
		return error_set(err, VFIOMIG_PREFLIGHT, ENOTSUP, "no-migration",
				 "%s cannot migrate: its driver '%s' does not offer VFIO_DEVICE_FEATURE_MIGRATION",
				 what, vfio->node.driver[0] ? vfio->node.driver : "unknown");
	vfio->precopy_flags =
		vfio->migration_flags & VFIOMIG_MIGRATION_PRE_COPY && !vfio_enable_precopy_flags(vfio->fd);
	rc = vfio_get_device_flags(vfio->fd, &flags);
	if (!rc && flags & VFIO_DEVICE_FLAGS_PCI)
		rc = vfio_get_config_region(vfio->fd, &vfio->config_offset, &vfio->config_bytes);
	if (rc)
		return error_set(err, VFIOMIG_PREFLIGHT, -rc, "no-device", "%s does not describe itself: %s", what,
				 strerror(-rc));
	return 0;
}

#define NO_FD UINT64_MAX

struct vfio_options {
	uint64_t fd;
	uint64_t config_layout; /* index of config_layout_words */
};

static const struct spec_rule rules[] = {
	{ "fd", offsetof(struct vfio_options, fd), SPEC_NUMBER, 0, INT32_MAX, NULL },
	{ "config-layout", offsetof(struct vfio_options, config_layout), SPEC_WORD, 0, 0, config_layout_words },
};

static int read_options(struct vfio_options *options, const struct spec *spec, struct vfiomig_error *err)
{
	int rc;

	*options = (struct vfio_options){ .fd = NO_FD };
	rc = spec_apply(spec, rules, sizeof(rules) / sizeof(rules[0]), options, err);
	if (rc)
		return rc;
	if (!spec->arg[0] == (options->fd == NO_FD))
		return error_set(err, VFIOMIG_USAGE, EINVAL, "device-spec",
				 "device '%s': it takes either a PCI address, mdev UUID or sysfs path, or fd=N",
				 spec->text);
	return 0;
}

int vfio_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err)
{
	struct vfio_options options;
	struct vfio *vfio;
	int rc = read_options(&options, spec, err);

	if (rc)
		return rc;
	vfio = calloc(1, sizeof(*vfio));
	if (!vfio)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a device");
	vfio->node.numa_node = -1;
	vfio->group = (struct vfio_group){ -1, -1, -1 };
	vfio->fd = vfio->data_fd = -1;
	rc = spec->arg[0] ? open_by_node(vfio, spec->arg, err) : take_inherited(vfio, (int)options.fd, err);
	if (!rc)
		rc = probe(vfio, spec->arg[0] ? vfio->node.id : spec->text, err);
	if (rc) {
		vfio_close(vfio);
		return rc;
	}
	vfio->config_layout = options.config_layout ? VFIOMIG_CONFIG_QEMU : VFIOMIG_CONFIG_RAW;
	device->ops = &vfio_ops;
	device->impl = vfio;
	device->owned_by_vmm = !spec->arg[0];
	device->warning = vfio->warning;
	return 0;
}
