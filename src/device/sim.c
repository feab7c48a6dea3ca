/* SPDX-License-Identifier: MIT */
/*
 * A simulated device: the whole state machine with real descriptors and checked content, so that a migration can be run,
 * measured and made to fail on any machine, without hardware and without privileges.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "device/arcs.h"
#include "device/backend.h"
#include "device/sim_config.h"
#include "device/sim_stream.h"

/* Used by one thread at a time; stream has a thread of its own behind it. */
struct sim {
	struct sim_options options;
	struct content content;
	struct sim_config config;
	struct sim_stream stream;
	enum vfiomig_state state;
	char warning[160];
	uint8_t *buffer; /* owned; the stream's */
};

/* What a state's data_fd is for. */
static const uint8_t uses[VFIOMIG_STATE_COUNT] = {
	[VFIOMIG_STATE_STOP_COPY] = DATA_PIPE_SAVE,
	[VFIOMIG_STATE_PRE_COPY] = DATA_PIPE_PRECOPY,
	[VFIOMIG_STATE_PRE_COPY_P2P] = DATA_PIPE_PRECOPY,
	[VFIOMIG_STATE_RESUMING] = DATA_PIPE_LOAD,
};

static void take_time(uint64_t ms)
{
	struct timespec left = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (ms && nanosleep(&left, &left) && errno == EINTR)
		;
}

/* Leaving RESUMING: where most devices find out what they were given. */
static int validate(struct sim *sim, struct vfiomig_error *err)
{
	int rc;

	data_pipe_finish(&sim->stream.pipe);
	rc = sim_stream_verdict(&sim->stream, err);
	if (!rc && !sim->options.unchecked_config)
		rc = sim_config_verdict(&sim->config, err);
	return rc;
}

static int change_stream(struct sim *sim, enum vfiomig_state next, struct vfiomig_error *err)
{
	enum data_pipe_use has = sim->stream.pipe.use, wants = (enum data_pipe_use)uses[next];

	if (has == wants)
		return 0;
	if (has == DATA_PIPE_PRECOPY && wants == DATA_PIPE_SAVE)
		return data_pipe_go_on(&sim->stream.pipe, err);
	data_pipe_close(&sim->stream.pipe);
	if (wants == DATA_PIPE_LOAD)
		sim_config_clear(&sim->config);
	return wants == DATA_PIPE_IDLE ? 0 : sim_stream_open(&sim->stream, wants, err);
}

static int take_arc(void *dev, enum vfiomig_state next, struct vfiomig_error *err)
{
	struct sim *sim = dev;
	int rc = 0;

	take_time(sim_options_arc_ms(&sim->options, sim->state, next));
	if (sim->state == VFIOMIG_STATE_RESUMING)
		rc = validate(sim, err);
	if (!rc && next == (enum vfiomig_state)sim->options.fail_state)
		rc = error_set(err, VFIOMIG_DEVICE, EIO, "set-state", "%s -> %s failed, as it was told to",
			       vfiomig_state_name(sim->state), vfiomig_state_name(next));
	if (!rc)
		rc = change_stream(sim, next, err);
	if (rc) {
		data_pipe_close(&sim->stream.pipe);
		sim->state = VFIOMIG_STATE_ERROR;
		return rc;
	}
	sim->state = next;
	return 0;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	struct sim *sim = dev;

	return arcs_walk(&sim->state, target, sim_options_flags(&sim->options), take_arc, sim, err);
}

static enum vfiomig_state get_state(void *dev)
{
	struct sim *sim = dev;

	return sim->state;
}

static int data_fd(void *dev)
{
	struct sim *sim = dev;

	return sim->stream.pipe.data_fd;
}

static int explain(void *dev, ssize_t result, uint64_t *at)
{
	struct sim *sim = dev;

	return data_pipe_explain(&sim->stream.pipe, result, at);
}

static ssize_t config_get(void *dev, void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct sim *sim = dev;
	struct config_access access = sim_config_access(&sim->config);

	return config_space_save(&access, sim->options.config_layout ? VFIOMIG_CONFIG_QEMU : VFIOMIG_CONFIG_RAW, blob,
				 bytes, err);
}

static int config_put(void *dev, const void *blob, size_t bytes, struct vfiomig_error *err)
{
	struct sim *sim = dev;
	struct config_access access = sim_config_access(&sim->config);

	if (sim->state != VFIOMIG_STATE_RESUMING)
		return error_set(err, VFIOMIG_DEVICE, EINVAL, "config-state",
				 "a config state is loaded in RESUMING, not in %s", vfiomig_state_name(sim->state));
	sim->config.loads++;
	if (data_pipe_moved(&sim->stream.pipe) < sim->options.bytes)
		sim->config.early = true;
	return config_space_load(&access, blob, bytes, sim->warning, sizeof(sim->warning), err);
}

static int config_check(void *dev, const struct vfiomig_device_info *source, struct vfiomig_error *err)
{
	struct sim *sim = dev;
	struct config_access access = sim_config_access(&sim->config);

	return config_space_check(&access, source->config, source->config_bytes, err);
}

static uint16_t id_at(const struct sim *sim, unsigned at)
{
	return sim->config.bytes ? (uint16_t)(sim->config.now[at] | (unsigned)sim->config.now[at + 1] << 8) : 0;
}

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	struct sim *sim = dev;

	(void)err;
	snprintf(info->driver, sizeof(info->driver), "sim");
	info->vendor = id_at(sim, 0x00);
	info->device = id_at(sim, 0x02);
	info->class_revision = (uint32_t)id_at(sim, 0x0a) << 16 | id_at(sim, 0x08);
	info->subsystem_vendor = id_at(sim, 0x2c);
	info->subsystem_device = id_at(sim, 0x2e);
	info->migration_flags = sim_options_flags(&sim->options);
	info->numa_node = -1;
	info->expected_bytes = sim->options.bytes;
	info->config_bytes = sim->config.bytes;
	memcpy(info->config, sim->config.now, sim->config.bytes);
	return 0;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	struct sim *sim = dev;

	(void)err;
	data_pipe_close(&sim->stream.pipe);
	sim_config_init(&sim->config, sim->config.bytes, sim->config.seed);
	sim->state = VFIOMIG_STATE_RUNNING;
	return 0;
}

static int pending(void *dev, struct vfiomig_pending *pending, struct vfiomig_error *err)
{
	struct sim *sim = dev;

	(void)err;
	sim_stream_pending(&sim->stream, pending);
	return 0;
}

static void sim_close(void *dev)
{
	struct sim *sim = dev;

	data_pipe_fini(&sim->stream.pipe);
	free(sim->buffer);
	free(sim);
}

static const struct vfiomig_device_ops sim_ops = {
	.size = sizeof(struct vfiomig_device_ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.explain = explain,
	.config_get = config_get,
	.config_put = config_put,
	.config_check = config_check,
	.reset = reset,
	.pending = pending,
	.close = sim_close,
};

int sim_open(struct vfiomig_device *device, const struct spec *spec, struct vfiomig_error *err)
{
	struct sim_options options;
	struct sim *sim;
	int rc = sim_options_read(&options, spec, err);

	if (rc)
		return rc;
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a simulated device");
	sim->options = options;
	sim->state = VFIOMIG_STATE_RUNNING;
	sim->buffer = aligned_alloc(CONTENT_BLOCK_BYTES, DATA_PIPE_PIECE_BYTES);
	if (!sim->buffer) {
		free(sim);
		return error_set(err, VFIOMIG_INTERNAL, ENOMEM, NULL, "no memory for a simulated device");
	}
	memset(sim->buffer, 0, DATA_PIPE_PIECE_BYTES); /* touched now and not when time counts */
	content_init(&sim->content, options.seed);
	sim_config_init(&sim->config, sim_options_config_bytes(&options), options.config_seed);
	sim_stream_init(&sim->stream, &sim->options, &sim->content, sim->buffer);
	device->ops = &sim_ops;
	device->impl = sim;
	device->warning = sim->warning;
	return 0;
}
