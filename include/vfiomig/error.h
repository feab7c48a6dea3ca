/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, in a form for a program (code, errnum, name) and in one for a person (text). Every call of the
 * library that can fail takes a pointer to this struct, which may be NULL, and returns 0 or a negative errno.
 */
#ifndef VFIOMIG_ERROR_H
#define VFIOMIG_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The outcome of a session. The numbers are the exit codes of rdma-vfiomig and answer one question: which side runs? At
 * the source, 1 to 9 mean that it runs, or was never stopped. At the destination, 1 to 9 mean that its devices were
 * reset and never ran.
 */
enum vfiomig_code {
	VFIOMIG_OK = 0,		   /* the destination runs */
	VFIOMIG_INTERNAL = 1,	   /* a bug, or memory that could not be had */
	VFIOMIG_USAGE = 2,	   /* the caller's arguments */
	VFIOMIG_PREFLIGHT = 3,	   /* refused before anything was stopped: the sides or the devices do not fit */
	VFIOMIG_AUTH = 4,	   /* the peer could not prove who it is */
	VFIOMIG_FABRIC = 5,	   /* a connection or a lane: could not be made, or was lost */
	VFIOMIG_DEVICE = 6,	   /* a device refused or failed */
	VFIOMIG_PROTOCOL = 7,	   /* the peer broke a rule of the protocol, or data was damaged */
	VFIOMIG_TIMEOUT = 8,	   /* a deadline passed */
	VFIOMIG_CANCELLED = 9,	   /* the user's wish, on either side */
	VFIOMIG_IN_DOUBT = 20,	   /* the source is stopped and does not know whether the destination runs */
	VFIOMIG_SOURCE_STUCK = 21, /* the source's own device could not be resumed */
	VFIOMIG_DEGRADED = 22,	   /* the destination runs, but one of its devices failed after the commit */
};

struct vfiomig_error {
	enum vfiomig_code code;
	int errnum;	/* positive errno of the cause, 0 if there is none */
	char name[32];	/* stable word for programs, for example "manifest-mismatch" */
	char text[512]; /* one sentence: what, on which side, and what to do */
};

/* The word for @code ("ok", "device", ...); never NULL. */
const char *vfiomig_code_name(enum vfiomig_code code);

#ifdef __cplusplus
}
#endif
#endif
