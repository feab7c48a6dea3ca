/* SPDX-License-Identifier: MIT */
/*
 * Devices whose migration state is carried. What `vfio:` (the kernel's), `sim:` (simulated) and a program's own devices
 * have in common is the table of operations below; it follows VFIO migration protocol v2 (<linux/vfio.h>).
 */
#ifndef VFIOMIG_DEVICE_H
#define VFIOMIG_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vfiomig/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	VFIOMIG_DEVICES_MAX = 64,	 /* per session: the device field of an immediate has 6 bits */
	VFIOMIG_CONFIG_BYTES_MAX = 4096, /* a PCI Express config space */
};

/* Same numbers as enum vfio_device_mig_state of <linux/vfio.h>. */
enum vfiomig_state {
	VFIOMIG_STATE_ERROR = 0,
	VFIOMIG_STATE_STOP = 1,
	VFIOMIG_STATE_RUNNING = 2,
	VFIOMIG_STATE_STOP_COPY = 3,
	VFIOMIG_STATE_RESUMING = 4,
	VFIOMIG_STATE_RUNNING_P2P = 5,
	VFIOMIG_STATE_PRE_COPY = 6,
	VFIOMIG_STATE_PRE_COPY_P2P = 7,
	VFIOMIG_STATE_COUNT
};

/* Same bits as VFIO_MIGRATION_* of <linux/vfio.h>. */
enum vfiomig_migration_flags {
	VFIOMIG_MIGRATION_STOP_COPY = 1,
	VFIOMIG_MIGRATION_P2P = 2,
	VFIOMIG_MIGRATION_PRE_COPY = 4,
};

/* "RUNNING", "STOP_COPY", ...; "?" for a number that is no state. */
const char *vfiomig_state_name(enum vfiomig_state state);

/* Whether a device's config load waits for the token and the platform (the gate). */
enum vfiomig_gate {
	VFIOMIG_GATE_AUTO = 0, /* on for ARM64, off elsewhere; for a device: as the session says */
	VFIOMIG_GATE_ON = 1,
	VFIOMIG_GATE_OFF = 2,
};

/* What a device is: the manifest that both sides compare before anything is stopped. Strings are NUL-terminated. */
struct vfiomig_device_info {
	char driver[32];	 /* kernel driver, or "sim" */
	uint16_t vendor, device; /* PCI ids, 0 if it has none */
	uint16_t subsystem_vendor, subsystem_device;
	uint32_t class_revision;  /* dword at 0x08 of the config space */
	uint32_t migration_flags; /* enum vfiomig_migration_flags */
	char firmware[64];	  /* version, empty where not readable */
	char psid[32];		  /* board id of ConnectX cards, empty where not readable */
	int numa_node;		  /* -1: unknown */
	uint64_t expected_bytes;  /* estimate of the stream; informs, never refuses */
	uint32_t config_bytes;	  /* of the snapshot below: 0, 256 or 4096 */
	uint8_t config[VFIOMIG_CONFIG_BYTES_MAX];
};

/* How much a device still has to give, by its own estimate: never memory or loops are sized by it. */
struct vfiomig_pending {
	bool precopy_known;	/* the device is in PRE_COPY and has answered */
	uint64_t initial_bytes; /* of the first full state, still to be read (GET_PRECOPY_INFO) */
	uint64_t dirty_bytes;	/* that the device has changed since (GET_PRECOPY_INFO) */
	bool initial_again;	/* a new first full state came up: initial_bytes grew again */
	bool stop_copy_known;
	uint64_t stop_copy_bytes; /* that STOP_COPY would give if it began now (MIG_DATA_SIZE) */
};

/*
 * The operations of a device. After _start, all of them are called by one thread only, the device's own, and may block;
 * describe is called before that by the caller of vfiomig_device_wrap. @dev is the pointer that was handed to
 * vfiomig_device_wrap. Calls return 0 or a negative errno unless it says otherwise, and put a sentence into @err (which
 * is never NULL) that need not name device or side: the session adds both. describe, set_state, get_state, data_fd and
 * reset must be there; the others may be NULL. A call that does not return within device_timeout_ms makes the device
 * stuck: it is not called again, and @dev must stay as long as the process lives.
 */
struct vfiomig_device_ops {
	size_t size; /* sizeof(struct vfiomig_device_ops) of the caller */

	/* Fill @info (zeroed before, but for numa_node: -1, unknown). Called once, at wrap, with the device untouched and running. */
	int (*describe)(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err);

	/*
	 * Walk to @target, over the states between where there is no direct arc, as the kernel does. -EINVAL: no such
	 * way; -EIO and others: the device failed, ask get_state where it stands.
	 */
	int (*set_state)(void *dev, enum vfiomig_state target, struct vfiomig_error *err);

	/* The state now. VFIOMIG_STATE_ERROR if it cannot be told. */
	enum vfiomig_state (*get_state)(void *dev);

	/* The data_fd of the present state, or -1. It stays the device's, and lives until the state is left. */
	int (*data_fd)(void *dev);

	/*
	 * What @result <= 0 of a read or write on data_fd means: 0 the stream's end, -ENOMSG nothing for now
	 * (PRE_COPY), any other negative errno a failure. *@at is the byte of the stream at which the call started; a
	 * device that knows better corrects it. NULL: the result is taken as it is.
	 */
	int (*explain)(void *dev, ssize_t result, uint64_t *at);

	/*
	 * The config state (config space) after STOP_COPY has ended: at most @bytes (>= 64 KiB) into @blob. Returns the
	 * bytes, 0 for a device without, or a negative errno. NULL: without.
	 */
	ssize_t (*config_get)(void *dev, void *blob, size_t bytes, struct vfiomig_error *err);

	/*
	 * Load what the source's config_get gave, in RESUMING, after all data. -EINVAL: a read-only byte differs. NULL:
	 * a source that sends any is refused (VFIOMIG_PROTOCOL, "config-unwanted").
	 */
	int (*config_put)(void *dev, const void *blob, size_t bytes, struct vfiomig_error *err);

	/*
	 * Would the config space of @source load here? By the very rules of config_put, without changing anything.
	 * NULL: no objection.
	 */
	int (*config_check)(void *dev, const struct vfiomig_device_info *source, struct vfiomig_error *err);

	/* Back to RUNNING with its power-on state, from any state. */
	int (*reset)(void *dev, struct vfiomig_error *err);

	/*
	 * What is still to be read, in any state but ERROR. Fills @pending (zeroed before) as far as the device knows;
	 * 0 also if it knows nothing. A negative errno is a failure of the device. NULL: it never knows.
	 */
	int (*pending)(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err);

	/* Release everything. The session never calls this; vfiomig_device_close does. NULL: nothing to release. */
	void (*close)(void *dev);
};

struct vfiomig_device;

/*
 * What a VMM does around the config state of a device, whoever drives its migration: above all of vfio:fd=N, whose
 * interrupts and emulated registers are the VMM's. All of them may be NULL; they are called by the device's own thread,
 * may block, and answer as the operations above. A failure is one of the device's.
 */
struct vfiomig_device_hooks {
	size_t size; /* sizeof(struct vfiomig_device_hooks) of the caller */

	/* Source, in STOP_COPY after all data: the blob to send, instead of the device's own (see config_get above). */
	ssize_t (*config_get)(void *context, void *blob, size_t bytes, struct vfiomig_error *err);

	/* Destination, in RESUMING: all data is loaded, and the gate is open; this blob is about to be loaded. */
	int (*config_loading)(void *context, const void *blob, size_t bytes, struct vfiomig_error *err);

	/* Destination: load it, instead of the device's own way (see config_put above). */
	int (*config_put)(void *context, const void *blob, size_t bytes, struct vfiomig_error *err);

	/* Destination, still in RESUMING: it is loaded, or there was none: the place to re-arm interrupts. */
	int (*config_loaded)(void *context, struct vfiomig_error *err);
};

/*
 * Before _start; replaces earlier ones. @hooks is copied; @context is handed to them and must outlive the session.
 * -EINVAL (VFIOMIG_USAGE): hooks->size is not known.
 */
int vfiomig_device_set_hooks(struct vfiomig_device *device, const struct vfiomig_device_hooks *hooks, void *context,
			     struct vfiomig_error *err);

/*
 * Open the device that @spec names and take it over until vfiomig_device_close:
 *   vfio:0000:01:00.2 | vfio:UUID | vfio:/sys/...   a kernel device, by PCI address, mdev UUID or sysfs path
 *   vfio:fd=N                                       a device descriptor that the caller inherited; stays open after close
 *   sim:bytes=N,seed=N,...                          a simulated device
 *   file:PATH                                       a recorded stream: a source only, that gives what was recorded
 * Options follow after commas; vfio and sim have config-layout=raw|qemu (in which <vfiomig/config.h> a source gives its
 * config state; a destination takes either); every device has name=WORD (how the two sides' devices are matched) and
 * gate=auto|on|off. On success *@out is the caller's to close. On failure nothing is left open and the call returns
 *   -EINVAL  the spec cannot be read (VFIOMIG_USAGE)
 *   -ENODEV  no such device, or no VFIO driver has it, -EBUSY it is in use, -ENOTSUP it cannot migrate
 *            (all VFIOMIG_PREFLIGHT)
 *   -EACCES and other errnos of the kernel's, of opening and asking the device (VFIOMIG_PREFLIGHT)
 *   -EBADMSG a recording that is truncated or altered, and at which offset; others as of vfiomig_recording_open
 *            (VFIOMIG_PREFLIGHT)
 *   -ENOMEM  (VFIOMIG_INTERNAL)
 */
int vfiomig_device_open(struct vfiomig_device **out, const char *spec, struct vfiomig_error *err);

/*
 * Make a device of the caller's own operations. @ops, @dev and @name (may be NULL: matched by order; else at most 31
 * characters) are kept by reference (@dev) and by copy (@ops, @name). Shorter @ops of an older caller are fine. On
 * success *@out is the caller's to close, which calls ops->close; on failure it is NULL, and @dev stays the caller's,
 * unclosed.
 *   -EINVAL  a size that cannot be, a mandatory operation is missing, a name or gate that is none, or a described config
 *            space of a size that none has (VFIOMIG_USAGE)
 *   -ENOMEM  (VFIOMIG_INTERNAL), and what describe returned (VFIOMIG_PREFLIGHT, if it does not say otherwise)
 */
int vfiomig_device_wrap(struct vfiomig_device **out, const struct vfiomig_device_ops *ops, void *dev, const char *name,
			enum vfiomig_gate gate, struct vfiomig_error *err);

/* What the device is. Valid until close. */
const struct vfiomig_device_info *vfiomig_device_info(const struct vfiomig_device *device);

/* Name ("" if it has none) and the spec that it was opened with. */
const char *vfiomig_device_name(const struct vfiomig_device *device);
const char *vfiomig_device_spec(const struct vfiomig_device *device);

/* Where it stands. Not while a session that has it is running. */
enum vfiomig_state vfiomig_device_state(struct vfiomig_device *device);

/*
 * Close it (NULL is fine), after all sessions that have it. Closing the last descriptor of a VFIO device loses its
 * state; one that was handed in (vfio:fd=) stays open. Of a device that is stuck nothing is closed.
 */
void vfiomig_device_close(struct vfiomig_device *device);

#ifdef __cplusplus
}
#endif
#endif
