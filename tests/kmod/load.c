// SPDX-License-Identifier: GPL-2.0
/*
 * The loading data_fd: checks every byte that comes. A mistake in the data
 * does not show here but when RESUMING is left, as on most real devices.
 */
#include <linux/delay.h>
#include <linux/jhash.h>
#include <linux/math.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "migtest.h"

static bool migtest_seg_valid(const struct migtest_file *migf)
{
	const struct migtest_seg *seg = &migf->seg;
	bool whole = !seg->seq && seg->flags & MIGTEST_SEG_LAST;

	if (seg->magic != MIGTEST_MAGIC || seg->seq != migf->next_seq || seg->len > S64_MAX / 2 ||
	    seg->seed != migf->p.seed || seg->hash != migtest_seg_hash(seg))
		return false;
	return migf->p.stream_bytes < 0 || !whole || seg->len == migf->last_len;
}

/* Take some of the header, and judge it when it is there. */
static ssize_t migtest_take_head(struct migtest_file *migf, const char __user *buf, size_t len)
{
	len = min_t(u64, len, migf->head - migf->seg_pos);
	if (copy_from_user((u8 *)&migf->seg + migf->seg_pos, buf, len))
		return -EFAULT;
	migf->seg_pos += len;
	if (migf->seg_pos == migf->head) {
		migf->seg_end = migf->head + migf->seg.len;
		if (!migtest_seg_valid(migf))
			migf->bad = true;
	}
	return len;
}

static ssize_t migtest_take_payload(struct migtest_file *migf, const char __user *buf, size_t len)
{
	len = min3((u64)len, (u64)MIGTEST_BLOCK, migf->seg_end - migf->seg_pos);
	if (copy_from_user(migf->loaded, buf, len))
		return -EFAULT;
	if (migf->p.check &&
	    memcmp(migf->loaded, migtest_make(migf, migf->seg_pos - migf->head, len), len))
		migf->bad = true;
	migf->seg_pos += len;
	return len;
}

static ssize_t migtest_take(struct migtest_file *migf, const char __user *buf, size_t len)
{
	ssize_t ret;

	if (migf->complete)	/* extra bytes */
		migf->bad = true;
	if (migf->bad)
		return len;

	if (migf->seg_pos < migf->head)
		ret = migtest_take_head(migf, buf, len);
	else
		ret = migtest_take_payload(migf, buf, len);
	if (ret < 0 || migf->seg_pos < migf->head || migf->seg_pos < migf->seg_end)
		return ret;
	if (migf->seg.flags & MIGTEST_SEG_LAST)
		migtest_complete(migf);
	migf->next_seq++;
	migf->seg_pos = 0;
	return ret;
}

/*
 * Before any lock, so that writes which are under way at the same time take
 * over each other: the number of the call, not luck, decides for how long.
 */
static void migtest_write_sleep(struct migtest_file *migf)
{
	u32 call, us_max = 2 * USEC_PER_MSEC * clamp(migf->p.write_ms, 0L, 10000L);

	if (!us_max)
		return;
	call = atomic_inc_return(&migf->calls);
	fsleep(reciprocal_scale(jhash_1word(call, migf->p.seed), us_max));
}

static ssize_t migtest_resume_write(struct file *filp, const char __user *buf, size_t len,
				    loff_t *pos)
{
	struct migtest_file *migf = filp->private_data;
	size_t done = 0;
	ssize_t ret;

	if (pos)
		return -ESPIPE;

	migtest_write_sleep(migf);
	mutex_lock(&migf->lock);
	ret = migtest_limit(migf, len, migf->p.load_fail_at);
	if (ret < 0)
		goto out;
	len = ret;
	ret = 0;
	while (done < len) {
		ret = migtest_take(migf, buf + done, len - done);
		if (ret < 0)
			break;
		done += ret;
		migtest_moved(migf, ret);
		if (fatal_signal_pending(current))
			break;
	}
out:
	mutex_unlock(&migf->lock);
	return done ? done : ret;
}

static const struct file_operations migtest_resume_fops = {
	.owner = THIS_MODULE,
	.write = migtest_resume_write,
	.release = migtest_release_file,
};

struct file *migtest_resume(struct migtest *mt)
{
	struct migtest_file *migf = migtest_open_file(mt, &migtest_resume_fops, O_WRONLY);

	if (IS_ERR(migf))
		return ERR_CAST(migf);
	if (!migf->head) {	/* a bare payload: all that is known of it are parameters */
		migf->seg.seed = migf->p.seed;
		migf->seg.flags = MIGTEST_SEG_LAST;
		migf->seg_end = migf->p.state_size;
		if (!migf->seg_end)
			migtest_complete(migf);
	}
	mt->resuming = migf;
	return migf->filp;
}

/* Is all the data there, and right? With state_mutex held, in RESUMING. */
bool migtest_loaded(struct migtest *mt)
{
	struct migtest_file *migf = mt->resuming;
	bool ok;

	mutex_lock(&migf->lock);
	ok = migf->complete && !migf->bad;
	mutex_unlock(&migf->lock);
	return ok;
}
