/* SPDX-License-Identifier: MIT */
#include "transport/verbs_status.h"

#include <errno.h>

static const struct {
	enum ibv_wc_status status;
	struct verbs_meaning meaning;
} meanings[] = {
	{ IBV_WC_RETRY_EXC_ERR,
	  { ETIMEDOUT, "the peer does not answer any more; what was on its way may or may not have arrived" } },
	{ IBV_WC_RNR_RETRY_EXC_ERR, { EPROTO, "the peer had no receive posted, which a peer of ours always has" } },
	{ IBV_WC_WR_FLUSH_ERR,
	  { ECONNRESET,
	    "the connection broke without a cause of its own (link down, address removed, or the peer gone)" } },
	{ IBV_WC_REM_ACCESS_ERR, { EACCES, "the peer's memory is closed to us: it has ended or fenced the session" } },
	{ IBV_WC_REM_INV_REQ_ERR, { EPROTO, "the peer's device refused a request as invalid" } },
	{ IBV_WC_REM_OP_ERR, { EREMOTEIO, "the peer's device could not carry out a request" } },
	{ IBV_WC_LOC_PROT_ERR, { EFAULT, "our device found memory that is not registered: a bug of rdma-vfiomig" } },
	{ IBV_WC_LOC_LEN_ERR, { EMSGSIZE, "a message was longer than its receive, or than the device allows" } },
	{ IBV_WC_LOC_QP_OP_ERR, { EIO, "our device found its queue pair inconsistent" } },
	{ IBV_WC_FATAL_ERR, { EIO, "our device failed" } },
};

struct verbs_meaning verbs_status_meaning(enum ibv_wc_status status, bool receive)
{
	if (receive && status == IBV_WC_REM_ACCESS_ERR)
		return (struct verbs_meaning){ EPROTO, "the peer wrote where it may not, or does not any more" };
	for (unsigned i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == status)
			return meanings[i].meaning;
	return (struct verbs_meaning){ EIO, "the device reported an error" };
}
