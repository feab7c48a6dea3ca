/* SPDX-License-Identifier: MIT */
/*
 * Filling struct vfiomig_error. The first error wins: a struct that already bears a code is left as it is, so that
 * clean-up never hides the cause.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <vfiomig/error.h>

/*
 * Record what went wrong and return -@errnum (so that a caller can `return error_set(...)`). @errnum is positive.
 * @name is the stable word, NULL for the code's own name. @err may be NULL.
 */
int error_set(struct vfiomig_error *err, enum vfiomig_code code, int errnum, const char *name, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Put a prefix ("device 'a' (source): ") in front of the sentence that is there. */
void error_prefix(struct vfiomig_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
