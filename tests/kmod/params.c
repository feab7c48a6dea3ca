// SPDX-License-Identifier: GPL-2.0
/*
 * Parameters of the module, which are the defaults of devices created from
 * then on; parameters of each device, files in its folder migtest/, taken over
 * when it is opened; its status, which outlives a close; and its NUMA node.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/sysfs.h>

#include "migtest.h"

#define MIGTEST_DEFAULT(name, value, text)	.name = value,
static struct migtest_params params = {
	MIGTEST_PARAMS(MIGTEST_DEFAULT, MIGTEST_DEFAULT)
};

#define MIGTEST_MODULE_PARAM(name, type, text)			\
	module_param_named(name, params.name, type, 0644);	\
	MODULE_PARM_DESC(name, text);
#define MIGTEST_MODULE_NUM(name, value, text)	MIGTEST_MODULE_PARAM(name, long, text " (" #value ")")
#define MIGTEST_MODULE_FLAG(name, value, text)	MIGTEST_MODULE_PARAM(name, bool, text " (" #value ")")
MIGTEST_PARAMS(MIGTEST_MODULE_NUM, MIGTEST_MODULE_FLAG)

void migtest_default_params(struct migtest_params *p)
{
	kernel_param_lock(THIS_MODULE);
	*p = params;
	kernel_param_unlock(THIS_MODULE);
}

struct migtest_attr {
	struct device_attribute attr;
	size_t offset;		/* in struct migtest_params */
	bool flag;
};

static void *migtest_value(struct migtest *mt, struct device_attribute *attr)
{
	return (u8 *)&mt->set + container_of(attr, struct migtest_attr, attr)->offset;
}

static ssize_t param_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	void *value = migtest_value(dev_get_drvdata(dev), attr);

	if (container_of(attr, struct migtest_attr, attr)->flag)
		return sysfs_emit(buf, "%c\n", *(bool *)value ? 'Y' : 'N');
	return sysfs_emit(buf, "%ld\n", *(long *)value);
}

static ssize_t param_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct migtest *mt = dev_get_drvdata(dev);
	void *value = migtest_value(mt, attr);
	int ret;

	mutex_lock(&mt->state_mutex);
	if (container_of(attr, struct migtest_attr, attr)->flag)
		ret = kstrtobool(buf, value);
	else
		ret = kstrtol(buf, 0, value);
	mutex_unlock(&mt->state_mutex);
	return ret ? ret : count;
}

#define MIGTEST_ATTR(name, is_flag)						\
	static struct migtest_attr attr_##name = {				\
		.attr = __ATTR(name, 0644, param_show, param_store),		\
		.offset = offsetof(struct migtest_params, name),		\
		.flag = is_flag,						\
	};
#define MIGTEST_ATTR_NUM(name, value, text)	MIGTEST_ATTR(name, false)
#define MIGTEST_ATTR_FLAG(name, value, text)	MIGTEST_ATTR(name, true)
MIGTEST_PARAMS(MIGTEST_ATTR_NUM, MIGTEST_ATTR_FLAG)

#define MIGTEST_ATTR_ENTRY(name, value, text)	&attr_##name.attr.attr,
static struct attribute *param_attrs[] = {
	MIGTEST_PARAMS(MIGTEST_ATTR_ENTRY, MIGTEST_ATTR_ENTRY)
	NULL,
};

static const char *content_name(const struct migtest_past *load)
{
	if (!load->valid)
		return "none";
	if (load->bad)
		return "bad";
	return load->complete ? "good" : "partial";
}

/* As it is now: from the data_fd where one is open, else from what is remembered. */
static struct migtest_past now_or_past(struct migtest_file *migf, const struct migtest_past *past)
{
	struct migtest_past now = *past;

	if (migf) {
		mutex_lock(&migf->lock);
		migtest_remember(&now, migf);
		mutex_unlock(&migf->lock);
	}
	return now;
}

static ssize_t status_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const state[] = {
		[VFIO_DEVICE_STATE_ERROR] = "ERROR",
		[VFIO_DEVICE_STATE_STOP] = "STOP",
		[VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
		[VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
		[VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
		[VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
		[VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
		[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
	};
	struct migtest *mt = dev_get_drvdata(dev);
	struct migtest_past saved, load;
	ssize_t n;

	mutex_lock(&mt->state_mutex);
	saved = now_or_past(mt->saving, &mt->saved);
	load = now_or_past(mt->resuming, &mt->load);
	n = sysfs_emit(buf, "state=%s open=%d loads=%llu resets=%u", state[mt->state], mt->open,
		       mt->loads, mt->resets);
	n += sysfs_emit_at(buf, n, " bytes_saved=%llu saved_all=%d", saved.bytes, saved.complete);
	n += sysfs_emit_at(buf, n, " bytes_loaded=%llu content=%s load_first_us=%llu load_done_us=%llu",
			   load.bytes, content_name(&load), load.first_us, load.done_us);
	n += sysfs_emit_at(buf, n, " config_writes=%u config_restores=%u config_early=%u bars_late=%u config_diff=%d\n",
			   mt->config_writes, mt->config_restores, mt->config_early, mt->bars_late,
			   migtest_config_diff(mt));
	mutex_unlock(&mt->state_mutex);
	return n;
}
static DEVICE_ATTR_RO(status);

/* As a PCI device has it, and where: there is no board here that would know. */
static ssize_t numa_node_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", dev_to_node(dev));
}

static ssize_t numa_node_store(struct device *dev, struct device_attribute *attr, const char *buf,
			       size_t count)
{
	int node, ret = kstrtoint(buf, 0, &node);

	if (ret)
		return ret;
	if (node < NUMA_NO_NODE || node >= MAX_NUMNODES || (node >= 0 && !node_online(node)))
		return -EINVAL;
	set_dev_node(dev, node);
	return count;
}
static DEVICE_ATTR_RW(numa_node);

static struct attribute *status_attrs[] = {
	&dev_attr_status.attr,
	&dev_attr_numa_node.attr,
	NULL,
};

static const struct attribute_group param_group = {
	.name = "migtest",
	.attrs = param_attrs,
};

static const struct attribute_group status_group = {
	.attrs = status_attrs,
};

const struct attribute_group *migtest_groups[] = {
	&param_group,
	&status_group,
	NULL,
};
