/* SPDX-License-Identifier: MIT */
/* TLS 1.3 as the stream of a control connection: nothing older, nothing resumed, and the peer always proves itself. */
#ifndef CONTROL_TLS_H
#define CONTROL_TLS_H

#include <vfiomig/error.h>

#include "control/stream.h"

struct credentials;

/*
 * The state of one stream, for struct control_config, which takes it over. @credentials stay the caller's and outlive it.
 * -ENOMEM and the like (VFIOMIG_INTERNAL), *@state is NULL then.
 */
int tls_open(void **state, const struct credentials *credentials, struct vfiomig_error *err);

extern const struct control_stream_ops control_stream_tls;

#endif
