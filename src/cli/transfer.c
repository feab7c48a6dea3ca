/* SPDX-License-Identifier: MIT */
/* See transfer.h. */
#include "transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "transfer_paths.h"

enum {
	KEY_TRANSPORT = TRANSFER_KEY_FIRST,
	KEY_GATE,
	KEY_SLOTS,
	KEY_SLOT_BYTES,
	KEY_PEER_TIMEOUT,
	KEY_DEVICE_TIMEOUT,
	KEY_HOLD,
	KEY_JOURNAL_DIR,
	KEY_STATES,
	KEY_PSK_FILE,
	KEY_TLS_DIR,
	KEY_PAYLOAD,
	KEY_INSECURE,
	KEY_QUEUED_BYTES,
	KEY_USER,
	KEY_JSON,
	KEY_LOSE_LANE,
	KEY_RAIL,
	KEY_NUMA_NODE,
};

enum { GROUP_COMMON = 2, GROUP_OUTPUT };

static const struct argp_option options[] = {
	{ "device", 'd', "SPEC", 0, "A device to migrate; give it once per device", GROUP_COMMON },
	{ "transport", KEY_TRANSPORT, "auto|rdma|tcp", 0,
	  "What carries the packets. auto takes RDMA where an RDMA device reaches the peer, else TCP, and says why",
	  GROUP_COMMON },
	{ "config-after-iter", KEY_GATE, "auto|on|off", 0,
	  "The gate: load a device's config state only after all state of all devices. auto is on for ARM64; on at "
	  "either "
	  "side is on for both",
	  GROUP_COMMON },
	{ "slots", KEY_SLOTS, "N", 0,
	  "Packets per device that may be on their way, 2 to 65536; the smaller side counts", GROUP_COMMON },
	{ "slot-bytes", KEY_SLOT_BYTES, "N", 0, "Payload of a packet, 64K to 64M (1M); the smaller side counts",
	  GROUP_COMMON },
	{ "max-queued-bytes", KEY_QUEUED_BYTES, "N", 0,
	  "Bytes of all devices' slots together, with K, M or G: slots become fewer and smaller to fit (no limit but "
	  "--slots)",
	  GROUP_COMMON },
	{ "peer-timeout", KEY_PEER_TIMEOUT, "S", 0, "Seconds of silence after which the peer counts as dead (1)",
	  GROUP_COMMON },
	{ "device-timeout", KEY_DEVICE_TIMEOUT, "S", 0,
	  "Seconds that one call to a device may take, before the session goes on without it: it is stuck then (30)",
	  GROUP_COMMON },
	{ "hold", KEY_HOLD, "S", 0,
	  "Seconds that a receiver which is prepared waits for the commit before it resets its devices; a sender whose "
	  "commit is not answered asks for twice as long before it is in doubt (30)",
	  GROUP_COMMON },
	{ "journal-dir", KEY_JOURNAL_DIR, "DIR", 0,
	  "Where the journal lies ($RUNTIME_DIRECTORY, /run/rdma-vfiomig, or $XDG_RUNTIME_DIR/rdma-vfiomig)",
	  GROUP_COMMON },
	{ "parallel-states", KEY_STATES, "on|off", 0,
	  "Change the states of this side's devices all at once (on), or one device after another (off), to see what "
	  "the "
	  "former gains",
	  GROUP_COMMON },
	{ "psk-file", KEY_PSK_FILE, "FILE", 0,
	  "A key that both sides have, as psktool makes it (mode 0600): the control connection is TLS 1.3 then, and a "
	  "peer "
	  "without it is refused (exit code 4)",
	  GROUP_COMMON },
	{ "tls-dir", KEY_TLS_DIR, "DIR", 0,
	  "The same by certificates: ca-cert.pem, and server-cert.pem, server-key.pem of the receiver, "
	  "client-cert.pem, "
	  "client-key.pem of the sender",
	  GROUP_COMMON },
	{ "payload", KEY_PAYLOAD, "clear|aead", 0,
	  "aead: seal every packet (AES-256-GCM, key from --psk-file or --tls-dir), so that nobody on the way can read "
	  "or "
	  "change the state. aead at either side is for both; without it packets are clear, and clear said at one side "
	  "refuses aead at the other",
	  GROUP_COMMON },
	{ "insecure", KEY_INSECURE, NULL, 0,
	  "Do without either of them on an address that is not this machine's own loopback", GROUP_COMMON },
	{ "rail", KEY_RAIL, "[LOCAL=]REMOTE", 0,
	  "A path that the lanes are spread over, where both hosts have several links; give it once per path. The "
	  "sender names "
	  "the receiver's address, and its own if the kernel is not to choose it; lanes take the paths in turn, the "
	  "nearest to the "
	  "device first. The receiver names its own addresses (ADDR), unless it listens on all. The control connection "
	  "stays on "
	  "--to",
	  GROUP_COMMON },
	{ "numa-node", KEY_NUMA_NODE, "N|auto|off", 0,
	  "Where memory and threads are: auto has the slots on the network card's NUMA node and each device's thread "
	  "on the "
	  "device's; N has all on that node",
	  GROUP_COMMON },
	{ "lose-lane", KEY_LOSE_LANE, "LANE[@BYTES]", 0,
	  "Rehearse the loss of a lane: this side lets it break once it has carried BYTES (0), and the others take "
	  "over; give "
	  "it once per lane",
	  GROUP_COMMON },
	{ "user", KEY_USER, "USER[:GROUP]", 0,
	  "Go on as that user, without any right of root's, once devices, listener and keys are open; the journal is "
	  "written, --then exec is run, and what a further session needs is opened as that user",
	  GROUP_COMMON },
	{ "json", KEY_JSON, NULL, 0, "Print the result as one JSON object per session on stdout", GROUP_OUTPUT },
	{ 0 },
};

static void add_device(struct argp_state *state, struct transfer_options *transfer, const char *spec)
{
	if (transfer->devices == VFIOMIG_DEVICES_MAX)
		argp_error(state, "--device %s: at most %d devices go into one session", spec, VFIOMIG_DEVICES_MAX);
	transfer->specs[transfer->devices++] = spec;
}

static error_t parse_bounds(int key, char *arg, struct argp_state *state, struct transfer_options *transfer)
{
	switch (key) {
	case KEY_QUEUED_BYTES:
		transfer->queued_bytes_max =
			option_size(state, "max-queued-bytes", arg, VFIOMIG_SLOT_BYTES_MIN, (uint64_t)1 << 40);
		return 0;
	case KEY_USER:
		transfer->user = arg;
		return 0;
	case KEY_NUMA_NODE:
		transfer_take_numa_node(state, transfer, arg);
		return 0;
	case KEY_RAIL:
		transfer_add_rail(state, transfer, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_security(int key, char *arg, struct argp_state *state, struct transfer_options *transfer)
{
	static const struct option_word payloads[] = {
		{ "clear", VFIOMIG_PAYLOAD_CLEAR },
		{ "aead", VFIOMIG_PAYLOAD_AEAD },
		{ NULL, 0 },
	};

	switch (key) {
	case KEY_PSK_FILE:
		transfer->psk_file = arg;
		return 0;
	case KEY_TLS_DIR:
		transfer->tls_dir = arg;
		return 0;
	case KEY_PAYLOAD:
		transfer->payload = (enum vfiomig_payload)option_choice(state, "payload", arg, payloads);
		return 0;
	case KEY_INSECURE:
		transfer->insecure = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void transfer_check_payload(struct argp_state *state, const struct transfer_options *transfer)
{
	if (transfer->payload == VFIOMIG_PAYLOAD_AEAD && transfer_is_plain(transfer))
		argp_error(state,
			   "--payload aead: packets are sealed with a key from TLS: give --psk-file or --tls-dir");
}

static void check_whole(struct argp_state *state, const struct transfer_options *transfer)
{
	if (!transfer->devices)
		argp_error(state, "no device: say which one with --device SPEC");
	if (transfer->psk_file && transfer->tls_dir)
		argp_error(state, "--psk-file and --tls-dir: one of them is enough, and both are too many");
	if (transfer->insecure && !transfer_is_plain(transfer))
		argp_error(state, "--insecure: with --psk-file or --tls-dir there is nothing to do without");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const struct option_word transports[] = {
		{ "auto", VFIOMIG_TRANSPORT_AUTO },
		{ "rdma", VFIOMIG_TRANSPORT_RDMA },
		{ "tcp", VFIOMIG_TRANSPORT_TCP },
		{ NULL, 0 },
	};
	static const struct option_word states[] = { { "on", false }, { "off", true }, { NULL, 0 } };
	struct transfer_options *transfer = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &transfer->output;
		return 0;
	case 'd':
		add_device(state, transfer, arg);
		return 0;
	case KEY_TRANSPORT:
		transfer->transport = (enum vfiomig_transport)option_choice(state, "transport", arg, transports);
		return 0;
	case KEY_GATE:
		transfer->gate = (enum vfiomig_gate)option_choice(state, "config-after-iter", arg, option_gates);
		return 0;
	case KEY_SLOTS:
		transfer->slots = (unsigned)option_number(state, "slots", arg, VFIOMIG_SLOTS_MIN, VFIOMIG_SLOTS_MAX);
		return 0;
	case KEY_SLOT_BYTES:
		transfer->slot_bytes =
			option_size(state, "slot-bytes", arg, VFIOMIG_SLOT_BYTES_MIN, VFIOMIG_SLOT_BYTES_MAX);
		return 0;
	case KEY_PEER_TIMEOUT:
		transfer->peer_timeout_ms = option_seconds(state, "peer-timeout", arg);
		return 0;
	case KEY_DEVICE_TIMEOUT:
		transfer->device_timeout_ms = option_seconds(state, "device-timeout", arg);
		return 0;
	case KEY_HOLD:
		transfer->hold_ms = option_seconds(state, "hold", arg);
		return 0;
	case KEY_JOURNAL_DIR:
		transfer->journal_dir = arg;
		return 0;
	case KEY_STATES:
		transfer->serial_states = option_choice(state, "parallel-states", arg, states);
		return 0;
	case KEY_LOSE_LANE:
		transfer_lose_lane(state, transfer, arg);
		return 0;
	case KEY_JSON:
		transfer->json = true;
		return 0;
	case ARGP_KEY_END:
		check_whole(state, transfer);
		return 0;
	default:
		return parse_security(key, arg, state, transfer) ? parse_bounds(key, arg, state, transfer) : 0;
	}
}

static const struct argp_child children[] = { { &output_argp, 0, NULL, 0 }, { 0 } };

const struct argp transfer_argp = { options, parse, NULL, NULL, children, NULL, NULL };

bool transfer_spec_is_vfio(const char *spec)
{
	return !strncmp(spec, "vfio:", 5);
}

bool transfer_spec_is_inherited(const char *spec)
{
	return !strncmp(spec, "vfio:fd=", 8);
}

struct vfiomig_options transfer_session_options(const struct transfer_options *transfer)
{
	struct vfiomig_options session = {
		.size = sizeof(session),
		.transport = transfer->transport,
		.gate = transfer->gate,
		.slots = transfer->slots,
		.slot_bytes = transfer->slot_bytes,
		.queued_bytes_max = transfer->queued_bytes_max,
		.peer_timeout_ms = transfer->peer_timeout_ms,
		.device_timeout_ms = transfer->device_timeout_ms,
		.hold_ms = transfer->hold_ms,
		.journal_dir = transfer->journal_dir,
		.psk_file = transfer->psk_file,
		.tls_dir = transfer->tls_dir,
		.payload = transfer->payload,
		.numa = transfer->numa,
		.numa_node = transfer->numa_node,
		.flags = VFIOMIG_OWN_COMMIT | (transfer->vmm.there ? 0 : VFIOMIG_NO_PLATFORM) |
			 (transfer->serial_states ? VFIOMIG_SERIAL_STATES : 0),
	};

	return session;
}

bool transfer_spec_has(const char *spec, const char *option)
{
	size_t length = strlen(option);

	for (const char *comma = strchr(spec, ','); comma; comma = strchr(comma + 1, ','))
		if (!strncmp(comma + 1, option, length) && (!comma[1 + length] || comma[1 + length] == ','))
			return true;
	return false;
}

static bool is_gated(const struct transfer_options *transfer, const char *spec)
{
#ifdef __aarch64__
	const bool automatic = true;
#else
	const bool automatic = false;
#endif

	if (transfer_spec_has(spec, "gate=on") || transfer_spec_has(spec, "gate=off"))
		return transfer_spec_has(spec, "gate=on");
	return transfer->gate == VFIOMIG_GATE_AUTO ? automatic : transfer->gate == VFIOMIG_GATE_ON;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct vfiomig_error *err, const char *name, const char *format,
							...)
{
	va_list args;

	*err = (struct vfiomig_error){ .code = VFIOMIG_PREFLIGHT, .errnum = ENOTSUP };
	snprintf(err->name, sizeof(err->name), "%s", name);
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -ENOTSUP;
}

static int refuse_gate(const char *spec, enum vfiomig_role role, struct vfiomig_error *err)
{
	bool source = role == VFIOMIG_SOURCE;

	return refuse(
		err, "platform-needed",
		"device '%.200s' is a VMM's and its gate is on, but nothing here says when the VMM's %s: use --%s N "
		"(and --%s N at the %s), or --config-after-iter off, or gate=off for this device",
		spec, source ? "own state is out" : "platform is ready", vmm_option(role),
		vmm_option(source ? VFIOMIG_DESTINATION : VFIOMIG_SOURCE), source ? "receiver" : "sender");
}

int transfer_check_devices(const struct transfer_options *transfer, enum vfiomig_role role, struct vfiomig_error *err)
{
	for (unsigned i = 0; i < transfer->devices; i++) {
		const char *spec = transfer->specs[i];

		if (role == VFIOMIG_DESTINATION && !strncmp(spec, "file:", 5))
			return refuse(err, "recording",
				      "device '%.200s' is a recording: it can be sent, but nothing can be "
				      "loaded into it",
				      spec);
		if (!transfer->vmm.there && transfer_spec_is_inherited(spec) && is_gated(transfer, spec))
			return refuse_gate(spec, role, err);
	}
	return 0;
}
