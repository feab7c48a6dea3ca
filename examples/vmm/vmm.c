/* SPDX-License-Identifier: MIT */
/*
 * A VMM, as far as rdma-vfiomig sees one: two processes with a protocol of their own, one simulated device each. It shows an event loop
 * around the session's descriptor, the gate driven by the VMM, interrupts re-armed after the config load, and the commit carried by the
 * VMMs' own words.
 *
 *   vmm [--no source|destination] [--source SPEC] [--destination SPEC]
 *
 * --no: that side's VMM changes its mind when all is prepared. Exit status: 0 if the destination runs, 1 if the source does, 2 if neither is
 * known to.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vfiomig/vfiomig.h>

#include "channel.h"

struct vmm {
	bool source, says_no;
	const char *spec;
	int channel; /* to the other VMM; -1 once that has gone */
	struct vfiomig_device *device;
	struct vfiomig_listener *listener;
	struct vfiomig_session *session;
	bool prepared, peer_prepared, decided;
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

/* Once: a VMM that has committed does not come back to it, and one that has cancelled neither. */
static void decide(struct vmm *vmm, bool yes)
{
	if (vmm->decided)
		return;
	vmm->decided = true;
	if (yes && vfiomig_session_commit(vmm->session) == 0) {
		/* Only now may the other side run: this one never will again. */
		if (vmm->source)
			channel_say(vmm->channel, WORD_COMMIT, "");
		return;
	}
	vfiomig_session_cancel(vmm->session);
	channel_say(vmm->channel, WORD_ABORT, "");
}

/* The source decides as soon as both sessions are prepared, by their own account. */
static void decide_if_due(struct vmm *vmm)
{
	if (vmm->source && vmm->prepared && vmm->peer_prepared)
		decide(vmm, !vmm->says_no);
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
		close(vmm->channel);
		vmm->channel = -1;
		message.word = WORD_ABORT; /* a VMM that has gone says nothing else */
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
	case WORD_ABORT:
		decide(vmm, false);
		break;
	default:
		give_up(vmm, "the other VMM", "said what it must not");
	}
}

static void await_end(struct vmm *vmm)
{
	int fds[] = { vfiomig_session_fd(vmm->session), vmm->channel };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < 2; i++)
		epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){ .events = EPOLLIN, .data.fd = fds[i] });
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == vmm->channel)
			hear_other(vmm);
		else if (vfiomig_session_dispatch(vmm->session))
			break;
	}
	close(epoll);
}

/* The destination listens and says where; the source hears it. */
static void meet(struct vmm *vmm, struct vfiomig_options *options, struct message *here)
{
	struct vfiomig_error err;

	if (vmm->source) {
		if (channel_hear(vmm->channel, here) || here->word != WORD_HERE)
			give_up(vmm, "the other VMM", "is not there");
		options->peer = here->text;
		return;
	}
	if (vfiomig_listener_open(&vmm->listener, "127.0.0.1:0", &err))
		give_up(vmm, "listen", err.text);
	options->listener = vmm->listener;
	channel_say(vmm->channel, WORD_HERE, vfiomig_listener_address(vmm->listener));
}

static int migrate(struct vmm *vmm)
{
	const struct vfiomig_device_hooks hooks = { .size = sizeof(hooks), .config_loaded = on_config_loaded };
	struct vfiomig_options options = { .size = sizeof(options),
					   .gate = VFIOMIG_GATE_ON,
					   .context = vmm,
					   .log = on_log,
					   .phase = on_phase,
					   .prepared = on_prepared };
	struct vfiomig_result result;
	struct vfiomig_error err;
	struct message here;

	if (vfiomig_device_open(&vmm->device, vmm->spec, &err) ||
	    vfiomig_device_set_hooks(vmm->device, &hooks, vmm, &err))
		give_up(vmm, "device", err.text);
	meet(vmm, &options, &here);
	if (vfiomig_session_create(&vmm->session, vmm->source ? VFIOMIG_SOURCE : VFIOMIG_DESTINATION, &options, &err) ||
	    vfiomig_session_add_device(vmm->session, vmm->device, &err) || vfiomig_session_start(vmm->session, &err))
		give_up(vmm, "session", err.text);
	await_end(vmm);
	vfiomig_session_result(vmm->session, &result);
	if (result.error.code != VFIOMIG_OK)
		fprintf(stderr, "%s: %s\n", name_of(vmm), result.error.text);
	printf("%s: source %s, destination %s, device in %s\n", name_of(vmm), result.source_state,
	       result.destination_state, vfiomig_state_name(vfiomig_device_state(vmm->device)));
	vfiomig_session_close(vmm->session);
	vfiomig_device_close(vmm->device);
	vfiomig_listener_close(vmm->listener);
	return result.error.code == VFIOMIG_OK ? 0 : !strcmp(result.source_state, "running") ? 1 : 2;
}

int main(int count, char **arguments)
{
	struct vmm source = { .source = true, .spec = "sim:bytes=8M" }, destination = { .spec = "sim:bytes=8M" };
	int pair[2], code;
	pid_t child;

	for (int i = 1; i + 1 < count; i += 2) {
		if (!strcmp(arguments[i], "--no"))
			*(strcmp(arguments[i + 1], "source") ? &destination.says_no : &source.says_no) = true;
		else if (!strcmp(arguments[i], "--source"))
			source.spec = arguments[i + 1];
		else if (!strcmp(arguments[i], "--destination"))
			destination.spec = arguments[i + 1];
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || (child = fork()) < 0)
		return 2;
	close(pair[child ? 0 : 1]);
	if (child == 0) {
		destination.channel = pair[0];
		exit(migrate(&destination));
	}
	source.channel = pair[1];
	code = migrate(&source);
	waitpid(child, NULL, 0);
	return code;
}
