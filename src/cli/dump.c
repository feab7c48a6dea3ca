/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig dump`: what a recording has in it, and what differs between two. Nothing is opened but the files. */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "dump.h"
#include "json_value.h"
#include "report.h"
#include "terminal.h"

struct dump {
	struct dump_options options;
	const char *device; /* NULL: the file as it is called */
	char *path[2];	    /* owned */
	unsigned paths;
};

enum { KEY_JSON = 0x100, KEY_DEVICE, KEY_PACKETS, KEY_BYTES, KEY_DIFF };

static const struct argp_option options[] = {
	{ "diff", KEY_DIFF, NULL, 0, "Tell what differs between two recordings, A and B", 0 },
	{ "packets", KEY_PACKETS, NULL, 0, "List every packet, too", 0 },
	{ "bytes", KEY_BYTES, "N", 0, "Show the first N bytes of every packet (implies --packets)", 0 },
	{ "device", KEY_DEVICE, "NAME", 0,
	  "Of several devices that were recorded at once, this one: FILE.NAME, as send has called it", 0 },
	{ "json", KEY_JSON, NULL, 0, "Print one JSON object", 0 },
	{ 0 },
};

static void take_bytes(struct argp_state *state, const char *arg, struct dump_options *to)
{
	char *end;

	errno = 0;
	to->bytes = strtoull(arg, &end, 10);
	if (errno || *end || arg[0] < '0' || arg[0] > '9')
		argp_error(state, "--bytes '%s': a number of bytes", arg);
	to->packets = true;
}

static void take_path(struct argp_state *state, const char *arg, struct dump *dump)
{
	if (dump->paths == 2)
		argp_error(state, "%s: two recordings at most", arg);
	dump->path[dump->paths] = strdup(arg);
	if (!dump->path[dump->paths++])
		argp_failure(state, VFIOMIG_INTERNAL, ENOMEM, "%s", arg);
}

static void check(struct argp_state *state, struct dump *dump)
{
	if (dump->options.diff && dump->paths != 2)
		argp_error(state, "--diff: it takes two recordings");
	if (!dump->paths)
		argp_error(state, "which recording? rdma-vfiomig send --to file:PATH makes one");
	if (!dump->options.diff && dump->paths != 1)
		argp_error(state, "%s: one recording at a time, or --diff", dump->path[1]);
	if (dump->options.diff && dump->options.packets)
		argp_error(state, "--diff: it shows which packets differ by itself, without --packets and --bytes");
}

/* FILE.NAME: as send calls the files of several devices. */
static void add_device(struct argp_state *state, struct dump *dump)
{
	for (unsigned i = 0; i < dump->paths && dump->device; i++) {
		char *path;

		if (asprintf(&path, "%s.%s", dump->path[i], dump->device) < 0)
			argp_failure(state, VFIOMIG_INTERNAL, ENOMEM, "%s", dump->device);
		free(dump->path[i]);
		dump->path[i] = path;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump *dump = state->input;

	switch (key) {
	case KEY_JSON:
		dump->options.json = true;
		return 0;
	case KEY_DIFF:
		dump->options.diff = true;
		return 0;
	case KEY_PACKETS:
		dump->options.packets = true;
		return 0;
	case KEY_BYTES:
		take_bytes(state, arg, &dump->options);
		return 0;
	case KEY_DEVICE:
		dump->device = arg;
		return 0;
	case ARGP_KEY_ARG:
		take_path(state, arg, dump);
		return 0;
	case ARGP_KEY_SUCCESS:
		check(state, dump);
		add_device(state, dump);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp dump_argp = {
	options,
	parse,
	"FILE\n--diff A B",
	"Show what a recording of a device has in it: what the device was, the packets, the config space with fields "
	"named as "
	"lspci names them."
	"\v"
	"A recording is what send --to file:FILE makes, and it is checked first: one that is cut or altered is "
	"refused, with the "
	"offset.\n\n"
	"Examples:\n"
	"  rdma-vfiomig dump nic.state\n"
	"  rdma-vfiomig dump nic.state --bytes 64\n"
	"  rdma-vfiomig dump --diff before.state after.state\n\n"
	"Exit code 0: shown, or no difference; 1: --diff has found one; 2: usage; 3: a recording cannot be read, or is "
	"damaged.",
	NULL,
	NULL,
	NULL,
};

static enum vfiomig_code show(struct dump *dump, struct dump_file files[2], bool *differ, struct vfiomig_error *err)
{
	enum vfiomig_code code = VFIOMIG_OK;

	for (unsigned i = 0; i < dump->paths && !code; i++)
		code = dump_file_open(&files[i], dump->path[i], err);
	if (code)
		return code;
	if (dump->options.diff)
		return dump_diff(files, &dump->options, differ, err);
	return dump->options.json ? dump_json(&files[0], &dump->options, err)
				  : dump_text(&files[0], &dump->options, err);
}

/* What went wrong, where a program looks for it as well. */
static void say_wrong(const struct dump *dump, const struct vfiomig_error *err, enum vfiomig_code code)
{
	terminal_say("%s", err->text);
	if (dump->options.json)
		report_print(json_pack("{ss ss s{si ss so}}", "schema", "rdma-vfiomig/1", "command", "dump", "result",
				       "code", (int)code, "name", err->name, "message", json_value_text(err->text)));
}

/* 1 is diff's word for "they differ": nothing else may say it. */
static int exit_code(const struct dump *dump, enum vfiomig_code code, bool differ)
{
	if (!code && !dump->options.json && report_flush())
		code = VFIOMIG_INTERNAL;
	if (dump->options.diff && code == VFIOMIG_INTERNAL)
		code = VFIOMIG_PREFLIGHT;
	return code ? (int)code : differ;
}

int dump_main(int argc, char **argv)
{
	struct dump dump = { 0 };
	struct dump_file files[2] = { { 0 }, { 0 } };
	struct vfiomig_error err = { 0 };
	enum vfiomig_code code;
	bool differ = false;

	argp_parse(&dump_argp, argc, argv, 0, NULL, &dump);
	code = show(&dump, files, &differ, &err);
	if (err.code)
		say_wrong(&dump, &err, code);
	for (unsigned i = 0; i < 2; i++) {
		dump_file_close(&files[i]);
		free(dump.path[i]);
	}
	return exit_code(&dump, code, differ);
}
