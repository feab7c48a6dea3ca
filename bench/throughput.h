/* SPDX-License-Identifier: MIT */
/* `vfiomig-bench throughput`: the library beside a bare copy loop, on the same machine in the same minute. */
#ifndef BENCH_THROUGHPUT_H
#define BENCH_THROUGHPUT_H

int throughput_main(int argc, char **argv);

#endif
