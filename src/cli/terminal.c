/* SPDX-License-Identifier: MIT */
/* See terminal.h. There is one stderr, so there is one state, and only the main thread writes. */
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static bool line_shown;

bool terminal_is_tty(void)
{
	return isatty(STDERR_FILENO);
}

void terminal_clear(void)
{
	if (line_shown)
		fputs("\r\033[K", stderr);
	line_shown = false;
}

void terminal_say(const char *format, ...)
{
	char text[1024];
	va_list args;

	/* One write per message: processes that share a stderr do not tear each other's lines. */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	terminal_clear();
	fprintf(stderr, "rdma-vfiomig: %s\n", text);
	fflush(stderr);
}

void terminal_progress(const char *format, ...)
{
	va_list args;

	if (!terminal_is_tty())
		return;
	fputc('\r', stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\033[K", stderr);
	fflush(stderr);
	line_shown = true;
}
