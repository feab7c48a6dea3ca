/* SPDX-License-Identifier: MIT */
#include "wire/crc32c.h"

#include <isa-l/crc.h>

enum { PIECE_BYTES_MAX = 1 << 30 }; /* ISA-L counts in int */

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	crc = ~crc;
	while (bytes > 0) {
		size_t piece = bytes < PIECE_BYTES_MAX ? bytes : PIECE_BYTES_MAX;

		/* ISA-L's prototype lacks a const; it only reads. */
		crc = crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece, crc);
		at += piece;
		bytes -= piece;
	}
	return ~crc;
}
