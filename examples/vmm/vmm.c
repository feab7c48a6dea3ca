/* SPDX-License-Identifier: MIT */
/*
 * A VMM, as far as rdma-vfiomig sees one: two processes with a protocol of their own, one device each. It shows an event loop around the
 * session's descriptor, the gate driven by the VMM, interrupts re-armed after the config load, and the commit carried by the VMMs' own
 * words, with what is to be done when the sessions lose each other.
 */
#include "vmm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"

struct vmm {
	const struct setup *setup;
	bool source, says_no;
	int channel; /* to the other VMM; -1 once that has gone */
	int epoll;
	struct vfiomig_device *device;
	struct vfiomig_listener *listener;
	struct vfiomig_session *session;
	bool prepared, peer_prepared, decided;
	enum word verdict; /* source: what the destination said last of its devices */
};

static const char *name_of(const struct vmm *vmm)
{
	return vmm->source ? "source" : "destination";
}

static void give_up(struct vmm *vmm, const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s\n", name_of(vmm), what, why);
	exit(2);
}

static bool watch(struct vmm *vmm, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(vmm->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Once: a VMM that has committed does not come back to it, and one that has cancelled neither. */
static void decide(struct vmm *vmm, bool yes)
{
	if (vmm->decided)
		return;
	vmm->decided = true;
	if (yes && vfiomig_session_commit(vmm->session) == 0) {
		/* Only now may the other side run: this one never will again, unless the other says that it has not. */
		if (vmm->source)
			channel_say(vmm->channel, WORD_COMMIT, "");
		return;
	}
	vfiomig_session_cancel(vmm->session);
	channel_say(vmm->channel, WORD_ABORT, "");
}

static void hear_answer(struct vmm *vmm)
{
	char answer = 'n';

	epoll_ctl(vmm->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	decide(vmm, read(STDIN_FILENO, &answer, 1) == 1 && answer == 'y');
}

/* The source decides as soon as both sessions are prepared, by their own account. They hold for as long as it takes. */
static void decide_if_due(struct vmm *vmm)
{
	if (!vmm->source || !vmm->prepared || !vmm->peer_prepared)
		return;
	if (!vmm->setup->ask) {
		decide(vmm, !vmm->says_no);
		return;
	}
	printf("source: both are prepared, shall it commit?\n");
	if (!watch(vmm, STDIN_FILENO)) /* a file: what it says is there */
		hear_answer(vmm);
}

static void on_prepared(void *context)
{
	struct vmm *vmm = context;

	vmm->prepared = true;
	if (!vmm->source && vmm->says_no)
		decide(vmm, false);
	else if (!vmm->source)
		channel_say(vmm->channel, WORD_PREPARED, "");
	decide_if_due(vmm);
}

/* STREAM: the devices stand still, so does the VM, and the VMM sends what is left of its own: memory, interrupt controller. */
static void on_phase(void *context, const char *phase)
{
	struct vmm *vmm = context;

	if (!vmm->source || strcmp(phase, "STREAM") != 0)
		return;
	channel_say(vmm->channel, WORD_PLATFORM, "");
	vfiomig_session_iterables_done(vmm->session);
}

static void on_log(void *context, enum vfiomig_log_level level, const char *text)
{
	if (level <= VFIOMIG_LOG_WARNING)
		fprintf(stderr, "%s: %s\n", name_of(context), text);
}

/* On the device's own thread. A VMM sets its eventfds anew here, because the config space is that of the source's interrupts now. */
static int on_config_loaded(void *context, struct vfiomig_error *err)
{
	(void)err;
	printf("%s: config state loaded, interrupts armed\n", name_of(context));
	return 0;
}

static void hear_other(struct vmm *vmm)
{
	struct message message = { .word = WORD_NONE };

	if (channel_hear(vmm->channel, &message)) {
		/* It may have been told to commit and have run, or not: this says nothing of its devices. */
		close(vmm->channel);
		vmm->channel = -1;
		decide(vmm, false);
		return;
	}
	switch (message.word) {
	case WORD_PLATFORM:
		vfiomig_session_platform_ready(vmm->session);
		break;
	case WORD_PREPARED:
		vmm->peer_prepared = true;
		decide_if_due(vmm);
		break;
	case WORD_COMMIT:
		decide(vmm, true);
		break;
	case WORD_RUNS:
	case WORD_ABORT:
		vmm->verdict = message.word;
		decide(vmm, false);
		break;
	default:
		give_up(vmm, "the other VMM", "said what it must not");
	}
}

static void await_end(struct vmm *vmm)
{
	int session_fd = vfiomig_session_fd(vmm->session);

	if (!watch(vmm, session_fd) || !watch(vmm, vmm->channel))
		give_up(vmm, "event loop", "it cannot wait");
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(vmm->epoll, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == session_fd && vfiomig_session_dispatch(vmm->session))
			return;
		if (event.data.fd == STDIN_FILENO)
			hear_answer(vmm);
		else if (event.data.fd == vmm->channel)
			hear_other(vmm);
	}
}

/*
 * The sessions' connection may have ended before their story. Then the VMMs' own words decide: devices that were given away are taken
 * back only if the destination's VMM has said that they do not run there. If that has gone, nobody here knows.
 */
static int settle(struct vmm *vmm, struct vfiomig_result *result)
{
	bool runs = result->error.code == VFIOMIG_OK || result->error.code == VFIOMIG_DEGRADED;

	if (!vmm->source) {
		channel_say(vmm->channel, runs ? WORD_RUNS : WORD_ABORT, "");
		return runs ? 0 : !strcmp(result->source_state, "running") ? 1 : 2;
	}
	if (!strcmp(result->source_state, "running"))
		return 1;
	decide(vmm, false); /* where nothing was decided, the other one need not wait for it */
	while (vmm->channel >= 0 && !vmm->verdict)
		hear_other(vmm);
	if (vmm->verdict == WORD_ABORT && vfiomig_session_take_back(vmm->session, result) == 0)
		return !strcmp(result->source_state, "running") ? 1 : 2;
	return vmm->verdict == WORD_RUNS ? 0 : 2;
}

/* The destination listens and says where; the source hears it. */
static void meet(struct vmm *vmm, struct vfiomig_options *options, struct message *here)
{
	struct vfiomig_error err;

	if (vmm->source) {
		if (channel_hear(vmm->channel, here) || here->word != WORD_HERE)
			give_up(vmm, "the other VMM", "is not there");
		options->peer = here->text;
		options->bind = vmm->setup->bind;
		return;
	}
	if (vfiomig_listener_open(&vmm->listener, vmm->setup->listen, &err))
		give_up(vmm, "listen", err.text);
	options->listener = vmm->listener;
	channel_say(vmm->channel, WORD_HERE, vfiomig_listener_address(vmm->listener));
}

static void begin(struct vmm *vmm)
{
	const struct vfiomig_device_hooks hooks = { .size = sizeof(hooks), .config_loaded = on_config_loaded };
	struct vfiomig_options options = { .size = sizeof(options),
					   .transport = vmm->setup->transport,
					   .peer_timeout_ms = vmm->setup->patience_ms,
					   .gate = VFIOMIG_GATE_ON,
					   .context = vmm,
					   .log = on_log,
					   .phase = on_phase,
					   .prepared = on_prepared };
	struct vfiomig_error err;
	struct message here;

	if (vfiomig_device_open(&vmm->device, vmm->source ? vmm->setup->source : vmm->setup->destination, &err) ||
	    vfiomig_device_set_hooks(vmm->device, &hooks, vmm, &err))
		give_up(vmm, "device", err.text);
	meet(vmm, &options, &here);
	if (vfiomig_session_create(&vmm->session, vmm->source ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION, &options, &err) ||
	    vfiomig_session_add_device(vmm->session, vmm->device, &err) || vfiomig_session_start(vmm->session, &err))
		give_up(vmm, "session", err.text);
}

static struct vfiomig_session *to_cut;

static void on_signal(int number)
{
	(void)number;
	vfiomig_session_yank(to_cut);
}

int vmm_migrate(const struct setup *setup, bool source, int channel)
{
	struct vmm vmm = { .setup = setup,
			   .source = source,
			   .says_no = source ? setup->source_says_no : setup->destination_says_no,
			   .channel = channel,
			   .epoll = epoll_create1(EPOLL_CLOEXEC) };
	struct vfiomig_stats stats = { .size = sizeof(stats) };
	struct vfiomig_result result;
	int code;

	begin(&vmm);
	to_cut = vmm.session;
	signal(SIGUSR1, on_signal);
	await_end(&vmm);
	signal(SIGUSR1, SIG_IGN);
	vfiomig_session_result(vmm.session, &result);
	if (result.error.code != VFIOMIG_OK)
		fprintf(stderr, "%s: %s\n", name_of(&vmm), result.error.text);
	code = settle(&vmm, &result);
	vfiomig_session_stats(vmm.session, &stats);
	printf("%s: %llu bytes over %s\n", name_of(&vmm), (unsigned long long)stats.bytes, stats.transport);
	printf("%s: source %s, destination %s, device in %s\n", name_of(&vmm), result.source_state,
	       result.destination_state, vfiomig_state_name(vfiomig_device_state(vmm.device)));
	vfiomig_session_close(vmm.session);
	vfiomig_device_close(vmm.device);
	vfiomig_listener_close(vmm.listener);
	return code;
}
