// SPDX-License-Identifier: GPL-2.0
/* The VFIO device: states and their arcs, ioctls, open and close. */
#include <linux/delay.h>
#include <linux/uaccess.h>

#include "migtest.h"

/* RESUMING -> STOP: here a device validates what it was given. */
static int migtest_finish_load(struct migtest *mt)
{
	msleep(mt->p.load_ms);
	if (!migtest_loaded(mt))
		return -EINVAL;
	if (mt->p.config_after_state && !migtest_config_in_order(mt))
		return -EINVAL;
	migtest_config_of_source(mt, mt->resuming);
	mt->loads++;
	return 0;
}

/*
 * One arc of the state machine. vfio_mig_get_next_state() lets only legal arcs
 * come here, so what is to be done follows from the new state and from which
 * data_fd is open.
 */
static struct file *migtest_step(struct migtest *mt, enum vfio_device_mig_state next)
{
	int ret;

	msleep(mt->p.arc_ms);
	if (next == mt->p.fail_arc) {
		migtest_disable_files(mt);
		mt->state = VFIO_DEVICE_STATE_ERROR;
		return ERR_PTR(-EIO);
	}

	switch (next) {
	case VFIO_DEVICE_STATE_PRE_COPY:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return mt->saving ? NULL : migtest_save(mt, true);
	case VFIO_DEVICE_STATE_STOP_COPY:
		msleep(mt->p.save_ms);
		return migtest_save(mt, false);
	case VFIO_DEVICE_STATE_RESUMING:
		migtest_config_resuming(mt);
		return migtest_resume(mt);
	default:	/* STOP, RUNNING, RUNNING_P2P */
		ret = mt->resuming ? migtest_finish_load(mt) : 0;
		if (ret)
			return ERR_PTR(ret);
		migtest_disable_files(mt);
		return NULL;
	}
}

static struct file *migtest_set_state(struct vfio_device *vdev, enum vfio_device_mig_state state)
{
	struct migtest *mt = to_migtest(vdev);
	enum vfio_device_mig_state next;
	struct file *ret = NULL;

	mutex_lock(&mt->state_mutex);
	while (mt->state != state) {
		int rc = vfio_mig_get_next_state(vdev, mt->state, state, &next);

		ret = rc ? ERR_PTR(rc) : migtest_step(mt, next);
		if (IS_ERR(ret))
			break;
		mt->state = next;
	}
	mutex_unlock(&mt->state_mutex);
	return ret;
}

static int migtest_get_state(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	struct migtest *mt = to_migtest(vdev);

	mutex_lock(&mt->state_mutex);
	*state = mt->state;
	mutex_unlock(&mt->state_mutex);
	return 0;
}

static int migtest_get_data_size(struct vfio_device *vdev, unsigned long *len)
{
	struct migtest *mt = to_migtest(vdev);

	mutex_lock(&mt->state_mutex);
	*len = migtest_bytes_left(mt);
	mutex_unlock(&mt->state_mutex);
	return 0;
}

static const struct vfio_migration_ops migtest_mig_ops = {
	.migration_set_state = migtest_set_state,
	.migration_get_state = migtest_get_state,
	.migration_get_data_size = migtest_get_data_size,
};

static void migtest_reset(struct migtest *mt)
{
	mutex_lock(&mt->state_mutex);
	migtest_disable_files(mt);
	mt->state = VFIO_DEVICE_STATE_RUNNING;
	mt->resets++;
	migtest_config_reset(mt);
	mutex_unlock(&mt->state_mutex);
}

static void fill_region_info(struct vfio_region_info *info)
{
	bool config = info->index == VFIO_PCI_CONFIG_REGION_INDEX;

	info->offset = (u64)info->index << MIGTEST_OFFSET_SHIFT;
	info->size = config ? MIGTEST_CONFIG_SIZE : 0;
	info->flags = config ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
}

static long migtest_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	union {
		u32 argsz;
		struct vfio_device_info dev;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
	} info;
	unsigned long minsz;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		minsz = offsetofend(struct vfio_device_info, num_irqs);
		break;
	case VFIO_DEVICE_GET_REGION_INFO:
		minsz = offsetofend(struct vfio_region_info, offset);
		break;
	case VFIO_DEVICE_GET_IRQ_INFO:
		minsz = offsetofend(struct vfio_irq_info, count);
		break;
	case VFIO_DEVICE_RESET:
		migtest_reset(to_migtest(vdev));
		return 0;
	default:
		return -ENOTTY;
	}

	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	if (cmd == VFIO_DEVICE_GET_INFO) {
		info.dev.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info.dev.num_regions = VFIO_PCI_NUM_REGIONS;
		info.dev.num_irqs = VFIO_PCI_NUM_IRQS;
	} else if (cmd == VFIO_DEVICE_GET_REGION_INFO) {
		if (info.region.index >= VFIO_PCI_NUM_REGIONS)
			return -EINVAL;
		fill_region_info(&info.region);
	} else {
		if (info.irq.index >= VFIO_PCI_NUM_IRQS)
			return -EINVAL;
		info.irq.flags = VFIO_IRQ_INFO_EVENTFD;
		info.irq.count = 0;
	}
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

/* The core asks for mig_ops at each use, so what a device can do may change between two opens. */
static void migtest_set_flags(struct vfio_device *vdev, long flags)
{
	vdev->migration_flags = flags;
	vdev->mig_ops = flags ? &migtest_mig_ops : NULL;
}

/* Takes the parameters over, and forgets what was before, but for the number of loads. */
static int migtest_open_device(struct vfio_device *vdev)
{
	struct migtest *mt = to_migtest(vdev);

	mutex_lock(&mt->state_mutex);
	mt->p = mt->set;
	migtest_set_flags(vdev, mt->p.flags);
	mt->state = VFIO_DEVICE_STATE_RUNNING;
	mt->open = true;
	mt->resets = 0;
	memset(&mt->saved, 0, sizeof(mt->saved));
	memset(&mt->load, 0, sizeof(mt->load));
	migtest_config_open(mt);
	mutex_unlock(&mt->state_mutex);
	return 0;
}

/* The state stays as it was left: a test may want to see that nothing was left in RESUMING. */
static void migtest_close_device(struct vfio_device *vdev)
{
	struct migtest *mt = to_migtest(vdev);

	mutex_lock(&mt->state_mutex);
	migtest_disable_files(mt);
	mt->open = false;
	mutex_unlock(&mt->state_mutex);
}

static int migtest_init_dev(struct vfio_device *vdev)
{
	struct migtest *mt = to_migtest(vdev);

	mutex_init(&mt->state_mutex);
	mt->state = VFIO_DEVICE_STATE_RUNNING;
	migtest_default_params(&mt->set);
	mt->p = mt->set;
	migtest_set_flags(vdev, mt->p.flags);
	migtest_config_open(mt);
	return 0;
}

static void migtest_release_dev(struct vfio_device *vdev)
{
	mutex_destroy(&to_migtest(vdev)->state_mutex);
}

const struct vfio_device_ops migtest_ops = {
	.name = "vfio-migtest",
	.init = migtest_init_dev,
	.release = migtest_release_dev,
	.open_device = migtest_open_device,
	.close_device = migtest_close_device,
	.read = migtest_config_read,
	.write = migtest_config_write,
	.ioctl = migtest_ioctl,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};
