/* SPDX-License-Identifier: MIT */
/* What transfer.h says of authentication: who may do without, and how that is said. */
#include <errno.h>
#include <stdio.h>

#include "address.h"
#include "terminal.h"
#include "transfer.h"

bool transfer_is_plain(const struct transfer_options *transfer)
{
	return !transfer->psk_file && !transfer->tls_dir;
}

const char *transfer_authentication(const struct transfer_options *transfer)
{
	if (transfer_is_plain(transfer))
		return "none";
	return transfer->psk_file ? "psk" : "x509";
}

int transfer_check_address(const struct transfer_options *transfer, enum vfiomig_role role, const char *address,
			   struct vfiomig_error *err)
{
	bool source = role == VFIOMIG_SOURCE;

	if (!transfer_is_plain(transfer) || address_is_loopback(address))
		return 0;
	if (transfer->insecure) {
		terminal_log(TERMINAL_WARNING, "--insecure: nothing is encrypted and nobody proves who he is: %s %s",
			     source ? "the state goes to whoever answers at"
				    : "these devices take their state from whoever reaches",
			     address);
		return 0;
	}
	*err = (struct vfiomig_error){ .code = VFIOMIG_USAGE, .errnum = EACCES, .name = "insecure" };
	snprintf(err->text, sizeof(err->text),
		 "'%.200s' is not on this machine, and nothing would prove who %s: give both sides the same --psk-file "
		 "FILE, or --tls-dir DIR, or say --insecure",
		 address, source ? "answers there" : "comes from there");
	return -EACCES;
}
