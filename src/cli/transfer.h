/* SPDX-License-Identifier: MIT */
/* The options that recv and send have in common, as a part that both commands' parsers take in (an argp child). */
#ifndef CLI_TRANSFER_H
#define CLI_TRANSFER_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vfiomig/vfiomig.h>

#include "output.h"
#include "vmm.h"

/* Zero is the library's default, except for the words of the command line. */
struct transfer_options {
	const char *specs[VFIOMIG_DEVICES_MAX]; /* of the command line, or of whoever fills this in */
	unsigned devices;
	enum vfiomig_transport transport;
	enum vfiomig_gate gate;
	unsigned slots; /* per device */
	size_t slot_bytes;
	uint64_t queued_bytes_max; /* all devices */
	const char *user;	   /* USER[:GROUP], whose rights are enough once all is open; NULL: stays who it is */
	unsigned peer_timeout_ms, device_timeout_ms;
	unsigned hold_ms;
	const char *journal_dir;
	bool serial_states;		/* one device after another */
	struct vmm vmm;			/* each role's own option sets it */
	const char *psk_file, *tls_dir; /* at most one of them */
	enum vfiomig_payload payload;	/* needs one of the two */
	bool insecure;			/* neither is needed, wherever the peer is */
	bool json;
	struct output_options output;
	/* A rehearsal: by lane, the bytes after which it is lost, plus one; 0: it is not. */
	uint64_t lose_after[VFIOMIG_LANES_MAX];
	enum vfiomig_numa numa;
	int numa_node;
	const char *rail[VFIOMIG_RAILS_MAX]; /* as given; up to the first NULL */
};

/* Its input is a struct transfer_options. Long options only take keys from TRANSFER_KEY_FIRST on: a parent stays below. */
enum { TRANSFER_KEY_FIRST = 0x1000 };
extern const struct argp transfer_argp;

/* The options of a session, as far as they are common: the caller sets the role's own afterwards. */
struct vfiomig_options transfer_session_options(const struct transfer_options *transfer);

/* "vfio:..." and "vfio:fd=..."; the latter belong to whoever opened the descriptor. */
bool transfer_spec_is_vfio(const char *spec);
bool transfer_spec_is_inherited(const char *spec);
/* @option, as "gate=on", is one of those of @spec. */
bool transfer_spec_has(const char *spec, const char *option);

/*
 * Refuse what no session of @role could end: a recording that would have to be loaded into, and a gated device of a VMM that
 * has no way to say here that its part is done. Returns 0, or -ENOTSUP with the reason (VFIOMIG_PREFLIGHT).
 */
int transfer_check_devices(const struct transfer_options *transfer, enum vfiomig_role role, struct vfiomig_error *err);

/* Neither a key nor a certificate was given. */
bool transfer_is_plain(const struct transfer_options *transfer);
/* Packets cannot be sealed without either: said by argp_error, by the commands, which may know a better reason before. */
void transfer_check_payload(struct argp_state *state, const struct transfer_options *transfer);
/* @address, or a rail, is not this machine's own loopback. */
bool transfer_leaves(const struct transfer_options *transfer, const char *address);
/* What they prove themselves with, in the words of the report: "psk", "x509" or "none". */
const char *transfer_authentication(const struct transfer_options *transfer);

/*
 * @address, where a session without authentication would listen or go, and its rails: one that leaves this machine is refused, with -EACCES
 * (VFIOMIG_USAGE), or only warned of on stderr if that was asked for. Returns 0 then.
 */
int transfer_check_address(const struct transfer_options *transfer, enum vfiomig_role role, const char *address,
			   struct vfiomig_error *err);

/* What the spec forms and their options are: the same text ends both commands' help. */
#define TRANSFER_SPEC_HELP                                                                                           \
	"SPEC names a device, with options after commas:\n"                                                          \
	"  vfio:0000:3b:00.2   a PCI function bound to a VFIO driver that can migrate\n"                             \
	"  vfio:UUID           a mediated device\n"                                                                  \
	"  vfio:/sys/...       the same by sysfs path\n"                                                             \
	"  vfio:fd=N           an open device descriptor that was inherited\n"                                       \
	"  vfio:...,iommufd=on by its own file below /dev/vfio/devices and an iommufd, not by its IOMMU group\n"     \
	"  sim:bytes=64M,...   a simulated device, for trying things out\n"                                          \
	"  file:PATH           a recorded stream, at the source only\n"                                              \
	"Every device takes name=WORD (the two sides' devices are matched by name, those without one by order) and " \
	"gate=auto|on|off.\n"

#endif
