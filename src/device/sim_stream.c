/* SPDX-License-Identifier: MIT */
/*
 * A simulated device's data_fd is a real pipe, so that all code that moves state runs as it does on a kernel device. What a
 * pipe cannot say (ENOMSG, EIO at byte N) is kept here as the reason for which the thread closed its end.
 */
#include "device/sim_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"

void sim_stream_init(struct sim_stream *stream, const struct sim_options *options, const struct content *content,
		     uint8_t *buffer)
{
	*stream = (struct sim_stream){
		.options = options,
		.content = content,
		.buffer = buffer,
		.data_fd = -1,
		.own_fd = -1,
		.quit_fd = -1,
		.finish_fd = -1,
	};
	pthread_mutex_init(&stream->lock, NULL);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_pipe(struct sim_stream *stream)
{
	bool loads = stream->phase == SIM_LOAD;
	bool packets = loads && stream->options->personality == SIM_TINY; /* keeps writes apart */
	int capacity = loads ? sim_options_load_capacity(stream->options) : sim_options_save_capacity(stream->options);
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | (packets ? O_DIRECT : 0)))
		return -errno;
	fcntl(ends[0], F_SETPIPE_SZ, capacity); /* more than the user's limit: slower, not wrong */
	stream->data_fd = ends[loads];
	stream->own_fd = ends[!loads];
	if (fcntl(stream->own_fd, F_SETFL, fcntl(stream->own_fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	return 0;
}

/* A broken pipe must end a call and not the process: all signals stay blocked in a device's thread. */
static int start_thread(struct sim_stream *stream)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&stream->thread, NULL, stream->phase == SIM_LOAD ? sim_sink_run : sim_source_run, stream);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	stream->running = !rc;
	return -rc;
}

static int open_events(struct sim_stream *stream)
{
	stream->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stream->quit_fd < 0)
		return -errno;
	stream->finish_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return stream->finish_fd < 0 ? -errno : 0;
}

int sim_stream_open(struct sim_stream *stream, enum sim_phase phase, struct vfiomig_error *err)
{
	int rc;

	stream->phase = phase;
	stream->end = SIM_END_NONE;
	stream->bytes = 0;
	stream->wrong = false;
	rc = open_events(stream);
	if (!rc)
		rc = open_pipe(stream);
	if (!rc)
		rc = start_thread(stream);
	if (!rc)
		return 0;
	sim_stream_close(stream);
	return error_set(err, VFIOMIG_DEVICE, -rc, "sim-stream", "no pipe or thread for the state: %s", strerror(-rc));
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void join(struct sim_stream *stream)
{
	if (stream->running)
		pthread_join(stream->thread, NULL);
	stream->running = false;
}

static void quit(struct sim_stream *stream)
{
	if (stream->running)
		signal_fd(stream->quit_fd);
	join(stream);
}

/* Bytes in the pipe. The number of data_fd is what a reader holds on to, so a new pipe takes its place. */
static uint64_t pending(const struct sim_stream *stream)
{
	int bytes = 0;

	if (ioctl(stream->data_fd, FIONREAD, &bytes))
		return 0;
	return (uint64_t)bytes;
}

static int replace_pipe(struct sim_stream *stream)
{
	int kept = stream->data_fd, rc;

	close_fd(&stream->own_fd);
	rc = open_pipe(stream);
	if (rc) {
		if (stream->data_fd != kept)
			close_fd(&stream->data_fd);
		stream->data_fd = kept;
		return rc;
	}
	rc = dup3(stream->data_fd, kept, O_CLOEXEC) < 0 ? -errno : 0;
	close(stream->data_fd);
	stream->data_fd = kept;
	return rc;
}

int sim_stream_go_on(struct sim_stream *stream, struct vfiomig_error *err)
{
	uint64_t was;
	int rc;

	quit(stream);
	if (read(stream->quit_fd, &was, sizeof(was)) < 0 && errno != EAGAIN)
		return error_set(err, VFIOMIG_DEVICE, errno, "sim-stream", "the state cannot go on: %s",
				 strerror(errno));
	stream->bytes -= pending(stream); /* made once more: they follow from their position */
	stream->phase = SIM_SAVE;
	stream->end = SIM_END_NONE;
	rc = replace_pipe(stream);
	if (!rc)
		rc = start_thread(stream);
	if (rc)
		return error_set(err, VFIOMIG_DEVICE, -rc, "sim-stream", "no pipe or thread for the state: %s",
				 strerror(-rc));
	return 0;
}

void sim_stream_finish(struct sim_stream *stream)
{
	signal_fd(stream->finish_fd);
	join(stream);
}

uint64_t sim_stream_written(struct sim_stream *stream)
{
	uint64_t bytes;

	pthread_mutex_lock(&stream->lock); /* so that no byte is between the pipe and the count */
	bytes = stream->bytes + pending(stream);
	pthread_mutex_unlock(&stream->lock);
	return bytes;
}

int sim_stream_verdict(const struct sim_stream *stream, struct vfiomig_error *err)
{
	uint64_t whole = stream->options->bytes;

	if (stream->end == SIM_END_ERROR)
		return error_set(err, VFIOMIG_DEVICE, EIO, "load-failed", "the write of byte %" PRIu64 " failed",
				 stream->bytes);
	if (stream->end == SIM_END_SPLIT)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-split",
				 "the %" PRIu64 " bytes of the state must come by one write, and byte %" PRIu64
				 " did not come with the first",
				 whole, stream->bytes);
	if (stream->wrong && stream->wrong_at >= whole)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-long",
				 "the stream goes on with byte %" PRIu64 ", but the state has %" PRIu64 " bytes",
				 stream->wrong_at, whole);
	if (stream->wrong)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-wrong",
				 "byte %" PRIu64 " of the state is wrong: 0x%02x, not 0x%02x", stream->wrong_at,
				 stream->wrong_seen, stream->wrong_expected);
	if (stream->bytes < whole)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "load-short",
				 "the stream ends before byte %" PRIu64 ", but the state has %" PRIu64 " bytes",
				 stream->bytes, whole);
	return 0;
}

static int explain_save(const struct sim_stream *stream, ssize_t result, uint64_t *at)
{
	if (result)
		return (int)result;
	switch (stream->end) {
	case SIM_END_COMPLETE:
		return 0;
	case SIM_END_PAUSE:
		return stream->options->precopy == SIM_PRECOPY_ENOMSG ? -ENOMSG : 0;
	case SIM_END_ERROR:
		*at = stream->bytes;
		return -EIO;
	default:
		return -ENODEV; /* as a kernel device whose state was left */
	}
}

static int explain_load(const struct sim_stream *stream, ssize_t result, uint64_t *at)
{
	if (result != -EPIPE)
		return (int)result;
	*at = stream->bytes;
	if (stream->end == SIM_END_NONE)
		return -ENODEV;
	return stream->end == SIM_END_ERROR ? -EIO : -EINVAL;
}

int sim_stream_explain(struct sim_stream *stream, ssize_t result, uint64_t *at)
{
	int meaning;

	pthread_mutex_lock(&stream->lock);
	meaning = stream->phase == SIM_LOAD ? explain_load(stream, result, at) : explain_save(stream, result, at);
	pthread_mutex_unlock(&stream->lock);
	return meaning;
}

void sim_stream_close(struct sim_stream *stream)
{
	quit(stream);
	close_fd(&stream->data_fd);
	close_fd(&stream->own_fd);
	close_fd(&stream->quit_fd);
	close_fd(&stream->finish_fd);
	stream->phase = SIM_IDLE;
	stream->end = SIM_END_NONE;
}

void sim_stream_fini(struct sim_stream *stream)
{
	sim_stream_close(stream);
	pthread_mutex_destroy(&stream->lock);
}
