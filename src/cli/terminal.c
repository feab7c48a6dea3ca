/* SPDX-License-Identifier: MIT */
/* See terminal.h. There is one stderr, so there is one state, and only the main thread writes. */
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COLUMNS_DEFAULT = 80 };

static struct {
	enum terminal_level least;
	bool journal;
	void (*sink)(enum terminal_level level, const char *text);
	size_t shown; /* characters of the progress line that is there */
} terminal = { .least = TERMINAL_NOTICE };

void terminal_setup(enum terminal_level least, bool journal)
{
	terminal.least = least;
	terminal.journal = journal;
}

void terminal_divert(void (*sink)(enum terminal_level level, const char *text))
{
	terminal.sink = sink;
}

bool terminal_rewrites(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

bool terminal_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat here;
	char rest;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) != 2 || fstat(STDERR_FILENO, &here))
		return false;
	return here.st_dev == device && here.st_ino == inode;
}

unsigned terminal_columns(void)
{
	struct winsize size;

	/* The last column is left empty: what is written there wraps on some terminals. */
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS_DEFAULT - 1;
	return size.ws_col - 1U;
}

/* Blanks after @length characters that cover what is left of the last line; a terminal may be narrower by now. */
static int blanks_after(size_t length)
{
	size_t columns = terminal_columns(), end = terminal.shown < columns ? terminal.shown : columns;

	return end > length ? (int)(end - length) : 0;
}

void terminal_clear(void)
{
	if (terminal.shown) {
		fprintf(stderr, "\r%*s\r", blanks_after(0), "");
		fflush(stderr);
	}
	terminal.shown = 0;
}

void terminal_make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void write_line(enum terminal_level level, const char *text)
{
	/* One write per message: processes that share a stderr do not tear each other's lines. */
	if (terminal.journal)
		fprintf(stderr, "<%d>%s\n", (int)level, text);
	else
		fprintf(stderr, "rdma-vfiomig: %s%s\n", level == TERMINAL_WARNING ? "warning: " : "", text);
	fflush(stderr);
}

static void say(enum terminal_level level, const char *format, va_list args)
{
	char text[1200];

	if (level > terminal.least)
		return;
	vsnprintf(text, sizeof(text), format, args);
	terminal_make_plain(text);
	if (terminal.sink) {
		terminal.sink(level, text);
		return;
	}
	terminal_clear();
	write_line(level, text);
}

void terminal_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(TERMINAL_NOTICE, format, args);
	va_end(args);
}

void terminal_log(enum terminal_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(level, format, args);
	va_end(args);
}

const char *terminal_level_name(enum terminal_level level)
{
	static const char *const names[] = {
		[TERMINAL_ERROR] = "error", [TERMINAL_WARNING] = "warning", [TERMINAL_NOTICE] = "notice",
		[TERMINAL_INFO] = "info",   [TERMINAL_DEBUG] = "debug",
	};

	return names[level];
}

void terminal_progress(const char *text)
{
	size_t length = strlen(text);

	/* What is left of a longer line is written over, not erased: every terminal can do that. */
	fprintf(stderr, "\r%s%*s", text, blanks_after(length), "");
	fflush(stderr);
	terminal.shown = length;
}
