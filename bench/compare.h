/* SPDX-License-Identifier: MIT */
/* `vfiomig-bench compare`: two files of samples, cell by cell. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

int compare_main(int argc, char **argv);

#endif
