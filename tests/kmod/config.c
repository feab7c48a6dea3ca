// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI config space: constants and writable bits, these filled from
 * config_seed; and what writes came while RESUMING, in which order.
 */
#include <linux/jhash.h>
#include <linux/uaccess.h>

#include "migtest.h"

/* Vendor, device and so on are made up; all that is not writable reads the same on every device. */
static const u8 constant[MIGTEST_CONFIG_SIZE] = {
	[PCI_VENDOR_ID] = 0xe7, 0x1e,
	[PCI_DEVICE_ID] = 0x01, 0x00,
	[PCI_CLASS_DEVICE] = 0x00, 0xff,	/* unassigned class */
	[PCI_SUBSYSTEM_VENDOR_ID] = 0xe7, 0x1e,
	[PCI_SUBSYSTEM_ID] = 0x01, 0x00,
};

/* BAR 0 is 64 KiB of memory; there is no capability list, so all above the header is plain storage. */
static u8 writable(unsigned int i)
{
	switch (i) {
	case PCI_COMMAND:
		return PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	case PCI_COMMAND + 1:
		return PCI_COMMAND_INTX_DISABLE >> 8;
	case PCI_CACHE_LINE_SIZE:
	case PCI_LATENCY_TIMER:
	case PCI_BASE_ADDRESS_0 + 2:
	case PCI_BASE_ADDRESS_0 + 3:
	case PCI_INTERRUPT_LINE:
		return 0xff;
	default:
		return i < PCI_STD_HEADER_SIZEOF ? 0 : 0xff;
	}
}

static bool is_bar(unsigned int i)
{
	return i >= PCI_BASE_ADDRESS_0 && i < PCI_BASE_ADDRESS_5 + 4;
}

static void fill(u8 *config, long seed)
{
	unsigned int i;

	memcpy(config, constant, MIGTEST_CONFIG_SIZE);
	if (!seed)
		return;
	for (i = 0; i < MIGTEST_CONFIG_SIZE; i++)
		config[i] |= jhash_2words(i, seed, 0) & writable(i);
	config[PCI_COMMAND] |= PCI_COMMAND_MEMORY;	/* so that the order of BARs and command matters */
}

/* As after a reset of the device. */
void migtest_config_reset(struct migtest *mt)
{
	fill(mt->config, mt->p.config_seed);
}

/* As after open: nothing known of a source but what the parameter says. */
void migtest_config_open(struct migtest *mt)
{
	migtest_config_reset(mt);
	migtest_config_resuming(mt);
	mt->source_config_known = mt->p.expect_config_seed >= 0;
	if (mt->source_config_known)
		fill(mt->source_config, mt->p.expect_config_seed);
}

/* RESUMING begins: count anew. */
void migtest_config_resuming(struct migtest *mt)
{
	memset(mt->restored, 0, sizeof(mt->restored));
	mt->config_writes = 0;
	mt->config_restores = 0;
	mt->config_early = 0;
	mt->bars_late = 0;
}

/* Were there writes, and none before all data? */
bool migtest_config_in_order(struct migtest *mt)
{
	return mt->config_writes && !mt->config_early;
}

/* The header of a stream says what its source had; the parameter knows better. */
void migtest_config_of_source(struct migtest *mt, const struct migtest_file *migf)
{
	if (!migf->head || mt->p.expect_config_seed >= 0)
		return;
	memcpy(mt->source_config, migf->seg.config, sizeof(mt->source_config));
	mt->source_config_known = true;
}

/* Bytes that differ from the source's, or -1 while nothing is known of that. */
int migtest_config_diff(struct migtest *mt)
{
	int i, diff = 0;

	if (!mt->source_config_known)
		return -1;
	for (i = 0; i < MIGTEST_CONFIG_SIZE; i++)
		diff += mt->config[i] != mt->source_config[i];
	return diff;
}

/* Returns the offset in the config space, or -EINVAL outside it. */
static loff_t config_pos(loff_t pos, size_t count)
{
	loff_t start = (loff_t)VFIO_PCI_CONFIG_REGION_INDEX << MIGTEST_OFFSET_SHIFT;

	if (pos < start || pos - start > MIGTEST_CONFIG_SIZE ||
	    count > MIGTEST_CONFIG_SIZE - (pos - start))
		return -EINVAL;
	return pos - start;
}

ssize_t migtest_config_read(struct vfio_device *vdev, char __user *buf, size_t count, loff_t *ppos)
{
	loff_t pos = config_pos(*ppos, count);
	struct migtest *mt = to_migtest(vdev);
	u8 bytes[MIGTEST_CONFIG_SIZE];

	if (pos < 0)
		return pos;
	mutex_lock(&mt->state_mutex);
	memcpy(bytes, mt->config + pos, count);
	mutex_unlock(&mt->state_mutex);
	if (copy_to_user(buf, bytes, count))
		return -EFAULT;
	*ppos += count;
	return count;
}

static bool fully_restored(const struct migtest *mt)
{
	unsigned int i;

	for (i = 0; i < MIGTEST_CONFIG_SIZE; i++)
		if (writable(i) && !mt->restored[i])
			return false;
	return true;
}

/* A write while RESUMING; returns whether it may be carried out. */
static bool note_write(struct migtest *mt, loff_t pos, size_t count)
{
	bool early = !migtest_loaded(mt);
	size_t i;

	mt->config_writes++;
	mt->config_early += early;
	if (early && mt->p.config_after_state)
		return false;
	for (i = 0; i < count; i++) {
		mt->restored[pos + i] = 1;
		mt->bars_late += is_bar(pos + i) && mt->config[PCI_COMMAND] & PCI_COMMAND_MEMORY;
	}
	if (fully_restored(mt)) {
		mt->config_restores++;
		memset(mt->restored, 0, sizeof(mt->restored));
	}
	return true;
}

ssize_t migtest_config_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			     loff_t *ppos)
{
	loff_t pos = config_pos(*ppos, count);
	struct migtest *mt = to_migtest(vdev);
	u8 bytes[MIGTEST_CONFIG_SIZE];
	ssize_t ret = count;
	size_t i;

	if (pos < 0)
		return pos;
	if (copy_from_user(bytes, buf, count))
		return -EFAULT;
	mutex_lock(&mt->state_mutex);
	if (mt->resuming && !note_write(mt, pos, count)) {
		ret = -EINVAL;
	} else {
		for (i = 0; i < count; i++) {
			u8 mask = writable(pos + i);

			mt->config[pos + i] = (mt->config[pos + i] & ~mask) | (bytes[i] & mask);
		}
		*ppos += count;
	}
	mutex_unlock(&mt->state_mutex);
	return ret;
}
