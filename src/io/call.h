/* SPDX-License-Identifier: MIT */
/*
 * Told when a call into a driver begins that nothing can cancel, and when it has returned: so that whoever keeps the
 * deadlines can tell a device that hangs from one that is only waited for.
 */
#ifndef IO_CALL_H
#define IO_CALL_H

struct call_watch {
	void (*begin)(void *context); /* NULL: nobody watches */
	void (*end)(void *context);   /* does not return if the call came back too late: the thread ends there */
	void *context;
};

static inline void call_begin(const struct call_watch *watch)
{
	if (watch->begin)
		watch->begin(watch->context);
}

static inline void call_end(const struct call_watch *watch)
{
	if (watch->begin)
		watch->end(watch->context);
}

#endif
