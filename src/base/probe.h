/* SPDX-License-Identifier: MIT */
/*
 * Static probes for perf, bpftrace and SystemTap: a nop each until somebody attaches. Provider "vfiomig"; the names are those of
 * QEMU's trace events where QEMU has the same moment, so that a script for one can be used for the other. Without
 * <sys/sdt.h> (package systemtap-sdt-dev) at build time there are none.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments" /* in the macros of sdt.h */
#endif
#define PROBE1(name, a)	      DTRACE_PROBE1(vfiomig, name, a)
#define PROBE2(name, a, b)    DTRACE_PROBE2(vfiomig, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(vfiomig, name, a, b, c)
#endif
#endif
#ifndef PROBE1
#define PROBE1(name, a)	      ((void)(a))
#define PROBE2(name, a, b)    ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
