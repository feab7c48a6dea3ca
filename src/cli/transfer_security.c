/* SPDX-License-Identifier: MIT */
/* What transfer.h says of authentication: who may do without, and how that is said. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "terminal.h"
#include "transfer_paths.h"

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

/* The first of @address and the rails' far ends that other machines can be at; NULL: there is none. */
static const char *leaving(const struct transfer_options *transfer, const char *address)
{
	if (!address_is_loopback(address))
		return address;
	for (unsigned i = 0; i < VFIOMIG_RAILS_MAX && transfer->rail[i]; i++) {
		const char *remote = transfer_rail_remote(transfer->rail[i]);
		bool bare_v6 = *remote != '[' && strchr(remote, ':');
		char with_port[256];

		snprintf(with_port, sizeof(with_port), "%s%.240s%s:0", bare_v6 ? "[" : "", remote, bare_v6 ? "]" : "");
		if (!address_is_loopback(with_port))
			return remote;
	}
	return NULL;
}

bool transfer_leaves(const struct transfer_options *transfer, const char *address)
{
	return leaving(transfer, address) != NULL;
}

int transfer_check_address(const struct transfer_options *transfer, enum vfiomig_role role, const char *address,
			   struct vfiomig_error *err)
{
	bool source = role == VFIOMIG_SOURCE;

	address = leaving(transfer, address);
	if (!transfer_is_plain(transfer) || !address)
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
