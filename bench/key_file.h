/* SPDX-License-Identifier: MIT */
/* A pre-shared key for both ends of a measurement: sealed packets need one. It is made anew each time, and means nothing. */
#ifndef BENCH_KEY_FILE_H
#define BENCH_KEY_FILE_H

#include <vfiomig/error.h>

enum { KEY_FILE_PATH_BYTES = 4096 };

/* Make one in the folder for temporary files. 0 and @path, to be removed by the caller; or a negative errno and a sentence. */
int key_file_make(char path[KEY_FILE_PATH_BYTES], struct vfiomig_error *err);

#endif
