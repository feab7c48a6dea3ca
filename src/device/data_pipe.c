/* SPDX-License-Identifier: MIT */
/* Life and death of a data_fd with a thread behind it, seen from its device. */
#include "device/data_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

void data_pipe_init(struct data_pipe *pipe, void *(*run)(void *context), void *context)
{
	*pipe = (struct data_pipe){
		.run = run,
		.context = context,
		.data_fd = -1,
		.own_fd = -1,
		.quit_fd = -1,
		.finish_fd = -1,
	};
	pthread_mutex_init(&pipe->lock, NULL);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int open_pipe(struct data_pipe *pipe, struct data_pipe_shape shape)
{
	bool loads = pipe->use == DATA_PIPE_LOAD;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | (shape.packets ? O_DIRECT : 0)))
		return -errno;
	fcntl(ends[0], F_SETPIPE_SZ, shape.capacity);
	pipe->data_fd = ends[loads];
	pipe->own_fd = ends[!loads];
	if (fcntl(pipe->own_fd, F_SETFL, fcntl(pipe->own_fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	return 0;
}

/* A broken pipe must end a call and not the process: all signals stay blocked in a device's thread. */
static int start_thread(struct data_pipe *pipe)
{
	sigset_t all, before;
	int rc;

	pipe->due_ns = clock_now_ns();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&pipe->thread, NULL, pipe->run, pipe->context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pipe->running = !rc;
	return -rc;
}

static int open_events(struct data_pipe *pipe)
{
	pipe->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pipe->quit_fd < 0)
		return -errno;
	pipe->finish_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pipe->finish_fd < 0 ? -errno : 0;
}

static int no_stream(int rc, struct vfiomig_error *err)
{
	return error_set(err, VFIOMIG_DEVICE, -rc, "data-pipe", "no pipe or thread for the state: %s", strerror(-rc));
}

int data_pipe_open(struct data_pipe *pipe, enum data_pipe_use use, struct data_pipe_shape shape,
		   struct vfiomig_error *err)
{
	int rc;

	pipe->use = use;
	pipe->end = DATA_PIPE_OPEN;
	pipe->bytes = 0;
	rc = open_events(pipe);
	if (!rc)
		rc = open_pipe(pipe, shape);
	if (!rc)
		rc = start_thread(pipe);
	if (!rc)
		return 0;
	data_pipe_close(pipe);
	return no_stream(rc, err);
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void join(struct data_pipe *pipe)
{
	if (pipe->running)
		pthread_join(pipe->thread, NULL);
	pipe->running = false;
}

static void quit(struct data_pipe *pipe)
{
	if (pipe->running)
		signal_fd(pipe->quit_fd);
	join(pipe);
}

static uint64_t bytes_within(const struct data_pipe *pipe)
{
	int bytes = 0;

	if (ioctl(pipe->data_fd, FIONREAD, &bytes))
		return 0;
	return (uint64_t)bytes;
}

int data_pipe_go_on(struct data_pipe *pipe, struct vfiomig_error *err)
{
	uint64_t was;
	int rc = 0;

	quit(pipe);
	if (read(pipe->quit_fd, &was, sizeof(was)) < 0 && errno != EAGAIN)
		return no_stream(-errno, err);
	pipe->use = DATA_PIPE_SAVE;
	if (pipe->own_fd < 0)
		rc = data_pipe_resume(pipe);
	if (!rc)
		rc = start_thread(pipe);
	return rc ? no_stream(rc, err) : 0;
}

void data_pipe_finish(struct data_pipe *pipe)
{
	signal_fd(pipe->finish_fd);
	join(pipe);
}

uint64_t data_pipe_moved(struct data_pipe *pipe)
{
	uint64_t bytes;

	pthread_mutex_lock(&pipe->lock); /* so that no byte is between the pipe and the count */
	bytes = pipe->use == DATA_PIPE_LOAD ? pipe->bytes + bytes_within(pipe) : pipe->bytes - bytes_within(pipe);
	pthread_mutex_unlock(&pipe->lock);
	return bytes;
}

static int explain_save(const struct data_pipe *pipe, ssize_t result, uint64_t *at)
{
	if (result)
		return (int)result;
	switch (pipe->end) {
	case DATA_PIPE_COMPLETE:
		return 0;
	case DATA_PIPE_FAILED:
		*at = pipe->bytes;
		return -pipe->failure;
	case DATA_PIPE_PAUSED:
		return -ENOMSG;
	default: /* in PRE_COPY, it has resumed since; else as a kernel device whose state was left */
		return pipe->use == DATA_PIPE_PRECOPY ? -ENOMSG : -ENODEV;
	}
}

static int explain_load(const struct data_pipe *pipe, ssize_t result, uint64_t *at)
{
	if (result != -EPIPE)
		return (int)result;
	*at = pipe->bytes;
	if (pipe->end == DATA_PIPE_OPEN)
		return -ENODEV;
	return pipe->end == DATA_PIPE_FAILED ? -pipe->failure : -EINVAL;
}

int data_pipe_explain(struct data_pipe *pipe, ssize_t result, uint64_t *at)
{
	int meaning;

	pthread_mutex_lock(&pipe->lock);
	meaning = pipe->use == DATA_PIPE_LOAD ? explain_load(pipe, result, at) : explain_save(pipe, result, at);
	pthread_mutex_unlock(&pipe->lock);
	return meaning;
}

void data_pipe_close(struct data_pipe *pipe)
{
	quit(pipe);
	close_fd(&pipe->data_fd);
	close_fd(&pipe->own_fd);
	close_fd(&pipe->quit_fd);
	close_fd(&pipe->finish_fd);
	pipe->use = DATA_PIPE_IDLE;
	pipe->end = DATA_PIPE_OPEN;
	pipe->bytes = 0;
}

void data_pipe_fini(struct data_pipe *pipe)
{
	data_pipe_close(pipe);
	pthread_mutex_destroy(&pipe->lock);
}
