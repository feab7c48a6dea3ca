/* SPDX-License-Identifier: MIT */
/* `rdma-vfiomig doctor`: would a migration work here, and how well? The table of checks, and what they are to look at. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "doctor.h"
#include "options.h"
#include "signals.h"
#include "terminal.h"

/* In this order: what comes later needs what comes before. */
static const struct {
	const char *name;
	void (*run)(struct doctor *doctor);
} checks[] = {
	{ "kernel", doctor_check_kernel },	 { "clock", doctor_check_clock },   { "cpu", doctor_check_cpu },
	{ "io_uring", doctor_check_uring },	 { "memory", doctor_check_memory }, { "memlock", doctor_check_memlock },
	{ "hugepages", doctor_check_hugepages }, { "rdma", doctor_check_rdma },	    { "uverbs", doctor_check_uverbs },
	{ "device", doctor_check_devices },	 { "numa", doctor_check_numa },	    { "key", doctor_check_keys },
	{ "journal", doctor_check_journal },	 { "peer", doctor_check_peer },
};

enum {
	KEY_DEVICES = 0x100,
	KEY_SLOTS,
	KEY_SLOT_BYTES,
	KEY_BIND,
	KEY_TRANSPORT,
	KEY_PSK_FILE,
	KEY_TLS_DIR,
	KEY_INSECURE,
	KEY_JOURNAL_DIR,
	KEY_NO_ASK,
	KEY_SYSROOT,
	KEY_JSON,
};

static const struct argp_option doctor_argp_options[] = {
	{ "device", 'd', "SPEC", 0, "A device to migrate; give it once per device (all that VFIO has here)", 1 },
	{ "devices", KEY_DEVICES, "N", 0, "How many there will be, without naming them (1)", 1 },
	{ "slots", KEY_SLOTS, "N", 0, "As of recv and send (16)", 1 },
	{ "slot-bytes", KEY_SLOT_BYTES, "N", 0, "As of recv and send (1M)", 1 },
	{ "to", 't', "HOST:PORT", 0, "Ask this receiver too, by a probe with the devices", 2 },
	{ "bind", KEY_BIND, "ADDR", 0, "Local address towards that receiver", 2 },
	{ "transport", KEY_TRANSPORT, "auto|rdma|tcp", 0, "What must carry the packets", 2 },
	{ "psk-file", KEY_PSK_FILE, "FILE", 0, "The key that both sides have", 2 },
	{ "tls-dir", KEY_TLS_DIR, "DIR", 0, "The certificates, as of recv and send", 2 },
	{ "insecure", KEY_INSECURE, NULL, 0, "Ask a receiver on another machine without either", 2 },
	{ "journal-dir", KEY_JOURNAL_DIR, "DIR", 0, "Where the journal is to lie, as of recv and send", 2 },
	{ "no-ask", KEY_NO_ASK, NULL, 0,
	  "Do not open VFIO devices that nobody uses for a moment to ask whether they can migrate", 3 },
	{ "sysroot", KEY_SYSROOT, "DIR", 0,
	  "Look at the copy of a machine's /sys, /proc, /dev and /run in DIR; what only a kernel can tell is left out",
	  3 },
	{ "json", KEY_JSON, NULL, 0, "Print a JSON array of {check, verdict, what, mend}", 3 },
	{ 0 },
};

static void add_device(struct argp_state *state, struct transfer_options *transfer, const char *spec)
{
	if (transfer->devices == VFIOMIG_DEVICES_MAX)
		argp_error(state, "--device %s: at most %d devices go into one session", spec, VFIOMIG_DEVICES_MAX);
	transfer->specs[transfer->devices++] = spec;
}

static void check_whole(struct argp_state *state, struct doctor *doctor)
{
	const struct transfer_options *transfer = &doctor->source.transfer;

	if (transfer->devices && doctor->devices)
		argp_error(state, "--devices and --device: those that are named are counted");
	if (transfer->psk_file && transfer->tls_dir)
		argp_error(state, "--psk-file and --tls-dir: one of them is enough, and both are too many");
	if (doctor->source.to && !transfer->devices)
		argp_error(state, "--to %s: a receiver is asked with devices: say which ones with --device SPEC",
			   doctor->source.to);
	if (doctor->source.to && !strncmp(doctor->source.to, "file:", 5))
		argp_error(state, "--to %s: a file answers nothing", doctor->source.to);
	if (doctor->source.to && doctor->sysroot[0])
		argp_error(state, "--to %s: a copy of a machine (--sysroot) cannot ask anybody", doctor->source.to);
	if (!doctor->devices)
		doctor->devices = transfer->devices ? transfer->devices : 1;
}

static error_t parse_session(int key, char *arg, struct argp_state *state, struct source_options *source)
{
	static const struct option_word transports[] = {
		{ "auto", VFIOMIG_TRANSPORT_AUTO },
		{ "rdma", VFIOMIG_TRANSPORT_RDMA },
		{ "tcp", VFIOMIG_TRANSPORT_TCP },
		{ NULL, 0 },
	};

	switch (key) {
	case 't':
		source->to = arg;
		return 0;
	case KEY_BIND:
		source->bind = arg;
		return 0;
	case KEY_TRANSPORT:
		source->transfer.transport = (enum vfiomig_transport)option_choice(state, "transport", arg, transports);
		return 0;
	case KEY_PSK_FILE:
		source->transfer.psk_file = arg;
		return 0;
	case KEY_TLS_DIR:
		source->transfer.tls_dir = arg;
		return 0;
	case KEY_INSECURE:
		source->transfer.insecure = true;
		return 0;
	case KEY_JOURNAL_DIR:
		source->transfer.journal_dir = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *doctor = state->input;
	struct transfer_options *transfer = &doctor->source.transfer;
	struct stat status;

	switch (key) {
	case 'd':
		add_device(state, transfer, arg);
		return 0;
	case KEY_DEVICES:
		doctor->devices = (unsigned)option_number(state, "devices", arg, 1, VFIOMIG_DEVICES_MAX);
		return 0;
	case KEY_SLOTS:
		transfer->slots = (unsigned)option_number(state, "slots", arg, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX);
		return 0;
	case KEY_SLOT_BYTES:
		transfer->slot_bytes =
			option_size(state, "slot-bytes", arg, VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX);
		return 0;
	case KEY_NO_ASK:
		doctor->no_ask = true;
		return 0;
	case KEY_SYSROOT:
		if (stat(arg, &status) || !S_ISDIR(status.st_mode))
			argp_error(state, "--sysroot %s: there is no such folder", arg);
		doctor->sysroot = arg;
		return 0;
	case KEY_JSON:
		doctor->json = true;
		return 0;
	case ARGP_KEY_END:
		check_whole(state, doctor);
		return 0;
	default:
		return parse_session(key, arg, state, &doctor->source);
	}
}

static const struct argp doctor_argp = {
	doctor_argp_options,
	parse,
	NULL,
	"Examine this machine before a migration: a line for each thing that was looked at, PASS, WARN (it works, but "
	"slower or "
	"with less protection) or FAIL (it will not work), and the command that mends it. Nothing is changed."
	"\v" TRANSFER_SPEC_HELP "\n"
	"Examples:\n"
	"  rdma-vfiomig doctor\n"
	"  rdma-vfiomig doctor --device vfio:0000:3b:00.2 --slots 64 --psk-file key.psk --to 192.0.2.7:7000\n\n"
	"Exit code 0: no FAIL; 3: there is one; 2: usage; 1: the examination itself failed.",
	NULL,
	NULL,
	NULL,
};

bool doctor_is_live(const struct doctor *doctor)
{
	return !doctor->sysroot[0];
}

static enum vfiomig_code examine(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		doctor->check = checks[i].name;
		checks[i].run(doctor);
	}
	if (doctor_print(doctor))
		return VFIOMIG_INTERNAL;
	for (size_t i = 0; i < doctor->count; i++)
		if (doctor->findings[i].verdict == DOCTOR_FAIL)
			return VFIOMIG_PREFLIGHT;
	return VFIOMIG_OK;
}

int doctor_main(int argc, char **argv)
{
	struct doctor doctor = { .sysroot = "" };
	enum vfiomig_code code;

	argp_parse(&doctor_argp, argc, argv, 0, NULL, &doctor);
	doctor.signals = signals_open();
	if (doctor.signals < 0)
		return VFIOMIG_INTERNAL;
	code = examine(&doctor);
	close(doctor.signals);
	free(doctor.findings);
	return (int)code;
}
