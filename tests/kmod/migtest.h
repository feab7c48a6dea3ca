/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of vfio_migtest share: a device, its parameters, one data_fd
 * of it, and what is remembered for the status attribute.
 */
#ifndef MIGTEST_H
#define MIGTEST_H

#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/pci_regs.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#define MIGTEST_CONFIG_SIZE	256
#define MIGTEST_BLOCK		SZ_64K
#define MIGTEST_OFFSET_SHIFT	40
#define MIGTEST_MAGIC		0x32547047694d4656ULL
#define MIGTEST_SEG_LAST	1

/*
 * One line per parameter: name, default, meaning. NUM is a long, FLAG a bool.
 * From this list come the struct, the module parameters and the attributes.
 */
#define MIGTEST_PARAMS(NUM, FLAG)						\
	NUM(stream_bytes, -1, "exact bytes of the STOP_COPY stream, 0 is legal; overrides state_size (-1: not set)") \
	NUM(state_size, SZ_1M, "payload bytes of the device state; the headers of its segments come on top") \
	NUM(precopy_size, 0, "of these, bytes that PRE_COPY gives as initial data")	\
	NUM(dirty_rate, 0, "bytes/s dirtied while in PRE_COPY or PRE_COPY_P2P")	\
	FLAG(precopy_zero, false, "PRE_COPY data ends for now with 0 instead of ENOMSG")	\
	NUM(seed, 1, "seed of the payload, the same on both sides")		\
	FLAG(check, true, "make and check each byte; N: one random block over and over, unchecked") \
	NUM(chunk, 0, "most bytes moved by one read() or write() of data_fd (0: no limit)") \
	NUM(rate, 0, "bytes/s of each data_fd (0: no limit)")			\
	NUM(write_ms, 0, "each write() first sleeps for 0 to twice as many ms, another time each call") \
	NUM(save_fail_at, 0, "read() of data_fd fails with EIO from this byte on (0: never)") \
	NUM(load_fail_at, 0, "write() to data_fd fails with EIO from this byte on (0: never)") \
	NUM(arc_ms, 0, "duration of each arc of a state change in ms")		\
	NUM(save_ms, 0, "extra duration of the arc to STOP_COPY in ms")		\
	NUM(load_ms, 0, "extra duration of the arc RESUMING -> STOP in ms")	\
	NUM(fail_arc, -1, "arcs to this state fail with EIO and leave the device in ERROR (-1: none)") \
	NUM(config_seed, 0, "what fills the writable config bytes at open and reset (0: zeroes)") \
	NUM(expect_config_seed, -1, "config_seed of the source, for config_diff (-1: compare with what the stream says)") \
	FLAG(config_after_state, false, "RESUMING is left with EINVAL unless config was written, and only after all data; an early write fails, too") \
	NUM(flags, 7, "VFIO_MIGRATION_* flags; 0: a device without migration")	\
	FLAG(poll, false, "the saving data_fd supports poll()")

#define MIGTEST_NUM_FIELD(name, value, text)	long name;
#define MIGTEST_FLAG_FIELD(name, value, text)	bool name;
struct migtest_params {
	MIGTEST_PARAMS(MIGTEST_NUM_FIELD, MIGTEST_FLAG_FIELD)
};

/*
 * Goes before the payload of each segment. Native byte order. PRE_COPY gives
 * one segment of precopy_size bytes, then segments of what was "dirtied"
 * since; STOP_COPY gives the last one. A stream too small for a header
 * (stream_bytes below its size) is a bare payload, its length a parameter of
 * both sides.
 */
struct migtest_seg {
	u64 magic;
	u64 seed;
	u64 seq;
	u64 len;
	u64 flags;
	u8 config[MIGTEST_CONFIG_SIZE];	/* config space at the source */
	u64 hash;			/* of the above */
};

/* A data_fd. */
struct migtest_file {
	struct file *filp;
	struct mutex lock;	/* nests inside migtest.state_mutex */
	struct migtest_params p;
	struct migtest_seg seg;	/* the current segment */
	u64 head;		/* bytes of header before each payload: all, or none */
	u64 seg_pos;		/* in seg and its payload */
	u64 seg_end;
	u64 next_seq;
	u64 pos;		/* in the file */
	u64 last_len;		/* saving: payload of the last segment, but for dirty */
	u64 dirty;
	ktime_t dirty_time;
	ktime_t pace_time;
	ktime_t first_time;	/* of the first read or write */
	ktime_t done_time;	/* when the last byte had moved */
	atomic_t calls;
	bool precopy;		/* saving, and still before STOP_COPY */
	bool disabled;
	bool complete;		/* all data has been read, or been loaded */
	bool bad;		/* resuming: the data is wrong */
	u64 *made;		/* payload as it must be */
	u8 *loaded;		/* payload as it came */
	u8 config[MIGTEST_CONFIG_SIZE];	/* saving: for the segments to come */
};

/* What one data_fd did; kept when it is gone, until the device is opened again. */
struct migtest_past {
	bool valid;
	bool complete;
	bool bad;
	u64 bytes;
	u64 first_us;
	u64 done_us;
};

struct migtest {
	struct vfio_device vdev;
	struct mutex state_mutex;
	enum vfio_device_mig_state state;
	bool open;
	struct migtest_params set;	/* as sysfs shows them */
	struct migtest_params p;	/* as they were at open */
	struct migtest_file *saving;
	struct migtest_file *resuming;
	struct migtest_past saved;
	struct migtest_past load;
	u64 loads;		/* states loaded since the device was created */
	u32 resets;		/* VFIO_DEVICE_RESETs since open */

	u8 config[MIGTEST_CONFIG_SIZE];
	u8 source_config[MIGTEST_CONFIG_SIZE];	/* what config_diff compares with */
	bool source_config_known;
	u8 restored[MIGTEST_CONFIG_SIZE];	/* bytes written since the last full restore */
	u32 config_writes;	/* write() calls in the last RESUMING */
	u32 config_restores;	/* times that every writable byte had been written */
	u32 config_early;	/* write() calls that came before all data */
	u32 bars_late;		/* BAR bytes written with memory decoding on */
};

static inline struct migtest *to_migtest(struct vfio_device *vdev)
{
	return container_of(vdev, struct migtest, vdev);
}

/* params.c */
extern const struct attribute_group *migtest_groups[];
void migtest_default_params(struct migtest_params *p);

/* device.c */
extern const struct vfio_device_ops migtest_ops;

/* config.c: all with state_mutex held, but for read and write */
void migtest_config_open(struct migtest *mt);
void migtest_config_reset(struct migtest *mt);
void migtest_config_resuming(struct migtest *mt);
bool migtest_config_in_order(struct migtest *mt);
void migtest_config_of_source(struct migtest *mt, const struct migtest_file *migf);
int migtest_config_diff(struct migtest *mt);
ssize_t migtest_config_read(struct vfio_device *vdev, char __user *buf, size_t count,
			    loff_t *ppos);
ssize_t migtest_config_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			     loff_t *ppos);

/* data_fd.c: what both directions of a data_fd share */
struct migtest_file *migtest_open_file(struct migtest *mt, const struct file_operations *fops,
				       int flags);
int migtest_release_file(struct inode *inode, struct file *filp);
void migtest_disable_files(struct migtest *mt);
void migtest_remember(struct migtest_past *past, struct migtest_file *migf);
u8 *migtest_make(struct migtest_file *migf, u64 pos, size_t len);
ssize_t migtest_limit(struct migtest_file *migf, size_t len, u64 fail_at);
void migtest_moved(struct migtest_file *migf, size_t len);
void migtest_complete(struct migtest_file *migf);
u64 migtest_seg_hash(const struct migtest_seg *seg);

/* save.c */
struct file *migtest_save(struct migtest *mt, bool precopy);
u64 migtest_bytes_left(struct migtest *mt);

/* load.c */
struct file *migtest_resume(struct migtest *mt);
bool migtest_loaded(struct migtest *mt);

#endif
