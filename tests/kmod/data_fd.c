// SPDX-License-Identifier: GPL-2.0
/*
 * A data_fd: what saving and loading have in common. The payload is made from
 * a seed, block by block; reads and writes are capped, slowed down and made to
 * fail here.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/jhash.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "migtest.h"

/*
 * Make bytes [pos, pos + len) of the payload of seg, len <= MIGTEST_BLOCK;
 * returns where the first of them is. Any two 8-byte words differ.
 */
u8 *migtest_make(struct migtest_file *migf, u64 pos, size_t len)
{
	u64 key = (migf->seg.seed << 40) + (migf->seg.seq << 32);
	size_t skip = pos % sizeof(u64);
	size_t i, n = DIV_ROUND_UP(skip + len, sizeof(u64));

	if (!migf->p.check)
		return (u8 *)migf->made + skip;
	key += pos / sizeof(u64);
	for (i = 0; i < n; i++) {
		u64 x = (key + i) * 0x9e3779b97f4a7c15ULL;

		migf->made[i] = x ^ (x >> 32);
	}
	return (u8 *)migf->made + skip;
}

/* What the read or write of len bytes may move now, or -errno */
ssize_t migtest_limit(struct migtest_file *migf, size_t len, u64 fail_at)
{
	if (migf->disabled)
		return -ENODEV;
	if (!migf->pos)
		migf->first_time = ktime_get();
	if (fail_at && migf->pos >= fail_at)
		return -EIO;
	if (fail_at)
		len = min_t(u64, len, fail_at - migf->pos);
	if (migf->p.chunk)
		len = min_t(size_t, len, migf->p.chunk);
	return min_t(size_t, len, MAX_RW_COUNT);
}

/* Keep to the rate in steps of a millisecond, making up for at most 5 ms of delay. */
static void migtest_pace(struct migtest_file *migf, size_t len)
{
	ktime_t now = ktime_get();
	s64 us;

	if (!migf->p.rate)
		return;
	migf->pace_time = max(migf->pace_time, ktime_sub_us(now, 5000));
	migf->pace_time += div64_u64(len * NSEC_PER_SEC, migf->p.rate);
	us = ktime_us_delta(migf->pace_time, now);
	if (us > 1000)
		fsleep(us);
}

/* len more bytes are read or written: count them, and take the time they need. */
void migtest_moved(struct migtest_file *migf, size_t len)
{
	migf->pos += len;
	migtest_pace(migf, len);
}

void migtest_complete(struct migtest_file *migf)
{
	if (!migf->complete)
		migf->done_time = ktime_get();
	migf->complete = true;
}

u64 migtest_seg_hash(const struct migtest_seg *seg)
{
	return jhash(seg, offsetof(struct migtest_seg, hash), 0);
}

static void migtest_free_file(struct migtest_file *migf)
{
	mutex_destroy(&migf->lock);
	kvfree(migf->made);
	kvfree(migf->loaded);
	kfree(migf);
}

int migtest_release_file(struct inode *inode, struct file *filp)
{
	migtest_free_file(filp->private_data);
	return 0;
}

/* How large the segments are: a stream of an exact size has one, with a header if that fits. */
static void migtest_set_size(struct migtest_file *migf)
{
	migf->head = sizeof(migf->seg);
	if (migf->p.stream_bytes >= (long)migf->head) {
		migf->p.state_size = migf->p.stream_bytes - migf->head;
	} else if (migf->p.stream_bytes >= 0) {
		migf->head = 0;
		migf->p.state_size = migf->p.stream_bytes;
		migf->p.precopy_size = 0;
		migf->p.dirty_rate = 0;
	}
	migf->last_len = migf->p.state_size;
}

/* Returns the file with one reference for the device and one for the caller. */
struct migtest_file *migtest_open_file(struct migtest *mt, const struct file_operations *fops,
				       int flags)
{
	struct migtest_file *migf;

	migf = kzalloc(sizeof(*migf), GFP_KERNEL_ACCOUNT);
	if (!migf)
		return ERR_PTR(-ENOMEM);
	mutex_init(&migf->lock);
	migf->p = mt->p;
	migtest_set_size(migf);
	migf->dirty_time = ktime_get();
	migf->pace_time = migf->dirty_time;
	/* one word more, for a position amid a word */
	migf->made = kvmalloc(MIGTEST_BLOCK + sizeof(u64), GFP_KERNEL_ACCOUNT);
	migf->loaded = kvmalloc(MIGTEST_BLOCK, GFP_KERNEL_ACCOUNT);
	migf->filp = migf->made && migf->loaded ?
		     anon_inode_getfile("migtest", fops, migf, flags) : ERR_PTR(-ENOMEM);
	if (IS_ERR(migf->filp)) {
		int ret = PTR_ERR(migf->filp);

		migtest_free_file(migf);
		return ERR_PTR(ret);
	}
	get_random_bytes(migf->made, MIGTEST_BLOCK + sizeof(u64));	/* for check=N */
	memcpy(migf->config, mt->config, sizeof(mt->config));
	stream_open(migf->filp->f_inode, migf->filp);
	get_file(migf->filp);
	return migf;
}

/* With migf->lock held. */
void migtest_remember(struct migtest_past *past, struct migtest_file *migf)
{
	past->valid = true;
	past->complete = migf->complete;
	past->bad = migf->bad;
	past->bytes = migf->pos;
	past->first_us = ktime_to_us(migf->first_time);
	past->done_us = ktime_to_us(migf->done_time);
}

static void migtest_disable_file(struct migtest_file **p, struct migtest_past *past)
{
	struct migtest_file *migf = *p;

	if (!migf)
		return;
	mutex_lock(&migf->lock);
	migf->disabled = true;
	migtest_remember(past, migf);
	mutex_unlock(&migf->lock);
	*p = NULL;
	fput(migf->filp);
}

void migtest_disable_files(struct migtest *mt)
{
	migtest_disable_file(&mt->saving, &mt->saved);
	migtest_disable_file(&mt->resuming, &mt->load);
}
