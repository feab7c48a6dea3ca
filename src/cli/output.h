/* SPDX-License-Identifier: MIT */
/* The options that say what goes to stderr, and how: a part that commands with sessions take in (an argp child). */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <argp.h>

#include "progress.h"
#include "terminal.h"

/* Zero is the default; once parsed, progress is never AUTO. Terminal and events are set up by then. */
struct output_options {
	enum progress_mode progress;
	enum terminal_level level; /* 0: TERMINAL_NOTICE */
	int format;		   /* of enum output_format */
};

/* Its input is a struct output_options. Long options only take keys from OUTPUT_KEY_FIRST on, and "verbose" is 'v'. */
enum { OUTPUT_KEY_FIRST = 0x2000 };
extern const struct argp output_argp;

#endif
