/* SPDX-License-Identifier: MIT */
/*
 * The examination of a host before a migration: checks that look and never change anything, and what they found. A check says
 * what is, how bad that is, and the one command that mends it; doctor.c has the table of all of them.
 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "source.h"

/* WARN: a migration works, but slower, or with less protection. FAIL: what was asked for cannot work. */
enum doctor_verdict { DOCTOR_PASS = 0, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
	const char *check; /* its name in the table; static */
	enum doctor_verdict verdict;
	char what[512];	 /* one sentence */
	char mend[1024]; /* a command, or "" */
};

struct doctor {
	struct source_options source; /* devices, slots, keys, and --to (NULL: no peer is asked) */
	const char *sysroot;	      /* before /sys, /proc, /dev, /run and /tmp: "" for this machine itself */
	unsigned devices;	      /* of the session that is planned */
	bool no_ask;		      /* do not open VFIO devices */
	bool json;
	int signals;	   /* what cancels the asking of a peer; see signals.h */
	const char *check; /* that runs now */
	struct doctor_finding *findings;
	size_t count, room;
};

/* Add a finding of the running check. What does not fit is cut; without memory it is lost, and so is the count then. */
void doctor_find(struct doctor *doctor, enum doctor_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The command that mends what was found last; one that does not fit is left out. */
void doctor_mend(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The findings of the running check since the first @from of all, as bad as @worst at most. */
void doctor_soften(struct doctor *doctor, size_t from, enum doctor_verdict worst);

/* All findings on stdout, one line each, or as a JSON array. 0 or -EIO. */
int doctor_print(const struct doctor *doctor);

/* The whole machine is there, not a copy of its files: what only the kernel can tell can be asked. */
bool doctor_is_live(const struct doctor *doctor);

/* Bytes of all slots that the session pins, headers included. */
uint64_t doctor_slots_bytes(const struct doctor *doctor);

/* doctor_host.c: the machine's files. @format is a path below the sysroot. A copy may be anybody's, and damaged. */

/* Is @text what the kernel calls devices, drivers and interfaces: safe in a command? */
bool doctor_is_name(const char *text);
/* @text as one word of a shell command, whatever is in it. One that is cut is longer than a mend, which is left out then. */
struct doctor_quoted {
	char text[1100];
};
struct doctor_quoted doctor_quote(const char *text);
/* A file to read from, the caller's; NULL if there is none, or if it is no regular one. */
FILE *doctor_open(const struct doctor *doctor, const char *name);

/* The first line of a file, without its end. False, and "" in @text, if it cannot be read. */
bool doctor_read(const struct doctor *doctor, char *text, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The number that it begins with, or @missing. */
long long doctor_read_number(const struct doctor *doctor, long long missing, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The last part of where a link leads; "" if there is none, or it is no name. */
void doctor_read_link(const struct doctor *doctor, char *text, size_t bytes, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* May this process do what @mode says (R_OK, ...)? 0 or an errno. */
int doctor_access(const struct doctor *doctor, int mode, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Call @each (may be NULL) for every name in a folder (doctor_is_name), in order. Returns how many there are. */
typedef void doctor_each_fn(struct doctor *doctor, const char *name, void *context);
unsigned doctor_each(struct doctor *doctor, const char *folder, doctor_each_fn *each, void *context);
/* Does this process have the capability CAP_...? */
bool doctor_has_capability(unsigned capability);

/* The checks, one or two in a file. */
void doctor_check_kernel(struct doctor *doctor);
void doctor_check_clock(struct doctor *doctor);
void doctor_check_cpu(struct doctor *doctor);
void doctor_check_uring(struct doctor *doctor);
void doctor_check_memory(struct doctor *doctor);
void doctor_check_memlock(struct doctor *doctor);
void doctor_check_hugepages(struct doctor *doctor);
void doctor_check_rdma(struct doctor *doctor);
void doctor_check_uverbs(struct doctor *doctor);
void doctor_check_devices(struct doctor *doctor);
void doctor_check_numa(struct doctor *doctor);
void doctor_check_keys(struct doctor *doctor);
void doctor_check_journal(struct doctor *doctor);
void doctor_check_peer(struct doctor *doctor);

/* The id below /sys/bus/{pci,mdev}/devices that a "vfio:" spec names; false if it is none (sim:, fd=N, ...). */
struct doctor_vfio_id {
	char id[128];
	const char *bus; /* "pci" or "mdev" */
};
bool doctor_vfio_id(const char *spec, struct doctor_vfio_id *out);

#endif
