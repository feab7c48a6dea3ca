/* SPDX-License-Identifier: MIT */
/* Whether an address stays on this machine: what crosses no wire needs no authentication to be called secure. */
#ifndef CLI_ADDRESS_H
#define CLI_ADDRESS_H

#include <stdbool.h>

/* @address is HOST:PORT, [V6]:PORT or :PORT. True if every address that the host stands for is a loopback address. */
bool address_is_loopback(const char *address);

#endif
