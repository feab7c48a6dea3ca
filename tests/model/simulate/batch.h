/* SPDX-License-Identifier: MIT */
/* Many seeds, on all cores. */
#ifndef SIMULATE_BATCH_H
#define SIMULATE_BATCH_H

#include <stdint.h>

/*
 * Run @seeds seeds from @from on in @jobs processes, up to the first that breaks an invariant, and print what was found and how often
 * each fault was applied. Returns 0, or 1 if an invariant was broken or a fault never came to pass.
 */
int batch_run(uint64_t from, uint64_t seeds, unsigned jobs);

#endif
