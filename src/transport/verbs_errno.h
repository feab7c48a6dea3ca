/* SPDX-License-Identifier: MIT */
/* errno after a failed call of libibverbs or librdmacm, some of which forget to set it: never 0. */
#ifndef TRANSPORT_VERBS_ERRNO_H
#define TRANSPORT_VERBS_ERRNO_H

#include <errno.h>

static inline int verbs_errno(void)
{
	return errno ? errno : EIO;
}

#endif
