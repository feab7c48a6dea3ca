/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli), by ISA-L. */
#ifndef WIRE_CRC32C_H
#define WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Carry @crc over @bytes more; starts from 0. crc32c(0, "123456789", 9) is 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
