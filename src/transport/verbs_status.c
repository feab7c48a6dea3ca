/* SPDX-License-Identifier: MIT */
#include "transport/verbs_status.h"

#include <errno.h>

static const struct {
	enum ibv_wc_status status;
	struct verbs_meaning meaning;
} meanings[] = {
	{ IBV_WC_RETRY_EXC_ERR,
	  { ETIMEDOUT, "lane-no-answer",
	    "the peer does not answer any more; what was on its way may or may not have arrived: see whether its host "
	    "and "
	    "the path to it are up" } },
	{ IBV_WC_RNR_RETRY_EXC_ERR,
	  { EPROTO, "lane-no-receive", "the peer had no receive posted, which a peer of ours always has" } },
	{ IBV_WC_WR_FLUSH_ERR,
	  { ECONNRESET, "lane-flushed",
	    "the connection broke without a cause of its own (link down, address removed, or the peer gone): see `rdma "
	    "link` on both hosts" } },
	{ IBV_WC_REM_ACCESS_ERR,
	  { EACCES, "lane-access", "the peer's memory is closed to us: it has ended or fenced the session" } },
	{ IBV_WC_REM_INV_REQ_ERR, { EPROTO, "lane-request", "the peer's device refused a request as invalid" } },
	{ IBV_WC_REM_OP_ERR, { EREMOTEIO, "lane-peer-device", "the peer's device could not carry out a request" } },
	{ IBV_WC_LOC_PROT_ERR,
	  { EFAULT, "lane-memory", "our device found memory that is not registered: a bug of rdma-vfiomig" } },
	{ IBV_WC_LOC_LEN_ERR,
	  { EMSGSIZE, "lane-length", "a message was longer than its receive, or than the device allows" } },
	{ IBV_WC_LOC_QP_OP_ERR, { EIO, "lane-queue-pair", "our device found its queue pair inconsistent" } },
	{ IBV_WC_FATAL_ERR, { EIO, "rdma-device-failed", "our device failed" } },
};

struct verbs_meaning verbs_status_meaning(enum ibv_wc_status status, bool receive)
{
	if (receive && status == IBV_WC_REM_ACCESS_ERR)
		return (struct verbs_meaning){ EPROTO, "lane-access",
					       "the peer wrote where it may not, or does not any more" };
	for (unsigned i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].status == status)
			return meanings[i].meaning;
	return (struct verbs_meaning){ EIO, "lane-lost", "the device reported an error" };
}

static const struct {
	enum ibv_event_type type;
	enum verbs_event_subject subject;
	struct verbs_meaning meaning;
} events[] = {
	{ IBV_EVENT_QP_FATAL,
	  VERBS_EVENT_QP,
	  { EIO, "qp-fatal", "our device reports a fatal error of its queue pair: see the kernel's log" } },
	{ IBV_EVENT_QP_REQ_ERR,
	  VERBS_EVENT_QP,
	  { EPROTO, "qp-request", "our device reports that the peer sent what its queue pair cannot take" } },
	{ IBV_EVENT_QP_ACCESS_ERR,
	  VERBS_EVENT_QP,
	  { EACCES, "qp-access", "our device reports that the peer reached for memory that is not open to it" } },
	{ IBV_EVENT_CQ_ERR,
	  VERBS_EVENT_CQ,
	  { EIO, "cq-fatal", "our device reports that its completion queue broke or overran: see the kernel's log" } },
	{ IBV_EVENT_DEVICE_FATAL,
	  VERBS_EVENT_DEVICE,
	  { ENODEV, "rdma-device-failed", "the RDMA device has failed: see the kernel's log" } },
	{ IBV_EVENT_PORT_ERR, VERBS_EVENT_TROUBLE, { ENETDOWN, "", "went down" } },
	{ IBV_EVENT_LID_CHANGE, VERBS_EVENT_TROUBLE, { ENETRESET, "", "got another LID" } },
	{ IBV_EVENT_PKEY_CHANGE, VERBS_EVENT_TROUBLE, { ENETRESET, "", "got another partition key" } },
	{ IBV_EVENT_GID_CHANGE, VERBS_EVENT_TROUBLE, { ENETRESET, "", "got another address" } },
	{ IBV_EVENT_PORT_ACTIVE, VERBS_EVENT_RECOVERY, { 0, "", "" } },
};

enum verbs_event_subject verbs_event_meaning(enum ibv_event_type type, struct verbs_meaning *meaning)
{
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].type != type)
			continue;
		*meaning = events[i].meaning;
		return events[i].subject;
	}
	return VERBS_EVENT_IGNORED;
}
