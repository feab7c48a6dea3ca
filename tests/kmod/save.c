// SPDX-License-Identifier: GPL-2.0
/* The saving data_fd: gives the segments of PRE_COPY and STOP_COPY. */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "migtest.h"

static void migtest_update_dirty(struct migtest_file *migf)
{
	ktime_t now = ktime_get();
	u64 add = div_u64(ktime_ms_delta(now, migf->dirty_time) * migf->p.dirty_rate, MSEC_PER_SEC);

	if (!migf->precopy || add < PAGE_SIZE)
		return;
	migf->dirty = min_t(u64, migf->dirty + round_down(add, PAGE_SIZE), migf->p.state_size);
	migf->dirty_time = now;
}

static void migtest_start_seg(struct migtest_file *migf, u64 len, u64 flags)
{
	migf->seg.magic = MIGTEST_MAGIC;
	migf->seg.seed = migf->p.seed;
	migf->seg.seq = migf->next_seq++;
	migf->seg.len = len;
	migf->seg.flags = flags;
	memcpy(migf->seg.config, migf->config, sizeof(migf->config));
	migf->seg.hash = migtest_seg_hash(&migf->seg);
	migf->seg_pos = 0;
	migf->seg_end = migf->head + len;
}

/* More to read? 1, 0 at the end, or -ENOMSG when there is nothing for now */
static int migtest_more(struct migtest_file *migf)
{
	if (migf->seg_pos < migf->seg_end)
		return 1;
	if (migf->complete)
		return 0;
	migtest_update_dirty(migf);
	if (!migf->precopy)
		migtest_start_seg(migf, migf->last_len + migf->dirty, MIGTEST_SEG_LAST);
	else if (migf->dirty)
		migtest_start_seg(migf, migf->dirty, 0);
	else
		return migf->p.precopy_zero ? 0 : -ENOMSG;
	migf->dirty = 0;
	return 1;
}

/* Give up to len bytes of the current segment; returns how many, or -EFAULT. */
static ssize_t migtest_give(struct migtest_file *migf, char __user *buf, size_t len)
{
	size_t n = min_t(u64, len, migf->seg_end - migf->seg_pos);
	const u8 *from;

	if (migf->seg_pos < migf->head) {
		n = min_t(u64, n, migf->head - migf->seg_pos);
		from = (u8 *)&migf->seg + migf->seg_pos;
	} else {
		n = min_t(size_t, n, MIGTEST_BLOCK);
		from = migtest_make(migf, migf->seg_pos - migf->head, n);
	}
	if (copy_to_user(buf, from, n))
		return -EFAULT;
	migf->seg_pos += n;
	migtest_moved(migf, n);
	if (migf->seg_pos == migf->seg_end && migf->seg.flags & MIGTEST_SEG_LAST)
		migtest_complete(migf);
	return n;
}

static ssize_t migtest_save_read(struct file *filp, char __user *buf, size_t len, loff_t *pos)
{
	struct migtest_file *migf = filp->private_data;
	size_t done = 0;
	ssize_t ret;

	if (pos)
		return -ESPIPE;

	mutex_lock(&migf->lock);
	ret = migtest_limit(migf, len, migf->p.save_fail_at);
	if (ret < 0)
		goto out;
	len = ret;
	ret = 0;
	while (done < len) {
		ret = migtest_more(migf);
		if (ret <= 0)
			break;
		ret = migtest_give(migf, buf + done, len - done);
		if (ret < 0)
			break;
		done += ret;
		if (fatal_signal_pending(current))
			break;
	}
out:
	mutex_unlock(&migf->lock);
	return done ? done : ret;
}

static long migtest_save_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct migtest_file *migf = filp->private_data;
	struct vfio_precopy_info info;
	unsigned long minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	u64 left;
	int ret = 0;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, (void __user *)arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	mutex_lock(&migf->lock);
	if (migf->disabled) {
		ret = -ENODEV;
	} else if (!migf->precopy) {
		ret = -EINVAL;
	} else {
		migtest_update_dirty(migf);
		left = migf->seg_end - migf->seg_pos;
		info.initial_bytes = migf->seg.seq ? 0 : left;
		info.dirty_bytes = migf->seg.seq ? left : 0;
		if (migf->dirty)
			info.dirty_bytes += migf->head + migf->dirty;
	}
	mutex_unlock(&migf->lock);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, &info, minsz) ? -EFAULT : 0;
}

static __poll_t migtest_save_poll(struct file *filp, struct poll_table_struct *wait)
{
	return EPOLLIN | EPOLLRDNORM;	/* read() never waits */
}

static const struct file_operations migtest_save_fops = {
	.owner = THIS_MODULE,
	.read = migtest_save_read,
	.unlocked_ioctl = migtest_save_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = migtest_release_file,
};

static const struct file_operations migtest_save_poll_fops = {
	.owner = THIS_MODULE,
	.read = migtest_save_read,
	.poll = migtest_save_poll,
	.unlocked_ioctl = migtest_save_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = migtest_release_file,
};

struct file *migtest_save(struct migtest *mt, bool precopy)
{
	const struct file_operations *fops = mt->p.poll ? &migtest_save_poll_fops : &migtest_save_fops;
	struct migtest_file *migf = mt->saving;

	if (migf) {	/* PRE_COPY -> STOP_COPY goes on with the same file */
		mutex_lock(&migf->lock);
		migtest_update_dirty(migf);
		migf->precopy = false;
		memcpy(migf->config, mt->config, sizeof(mt->config));
		mutex_unlock(&migf->lock);
		return NULL;
	}
	migf = migtest_open_file(mt, fops, O_RDONLY);
	if (IS_ERR(migf))
		return ERR_CAST(migf);
	migf->precopy = precopy;
	if (precopy && migf->p.precopy_size) {
		u64 len = min(migf->p.precopy_size, migf->p.state_size);

		migf->last_len -= len;
		migtest_start_seg(migf, len, 0);
	}
	mt->saving = migf;
	return migf->filp;
}

/* What VFIO_DEVICE_FEATURE_MIG_DATA_SIZE says; with state_mutex held. */
u64 migtest_bytes_left(struct migtest *mt)
{
	struct migtest_file *migf = mt->saving;
	u64 left;

	if (!migf)
		return mt->p.stream_bytes >= 0 ? mt->p.stream_bytes :
			sizeof(struct migtest_seg) + mt->p.state_size;
	mutex_lock(&migf->lock);
	migtest_update_dirty(migf);
	left = migf->seg_end - migf->seg_pos;
	if (!(migf->seg.flags & MIGTEST_SEG_LAST))
		left += migf->head + migf->last_len + migf->dirty;
	mutex_unlock(&migf->lock);
	return left;
}
