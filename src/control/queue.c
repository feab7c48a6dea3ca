/* SPDX-License-Identifier: MIT */
#include "control/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int queue_init(struct queue *queue, size_t capacity_bytes)
{
	*queue =
		(struct queue){ .data = malloc(capacity_bytes ? capacity_bytes : 1), .capacity_bytes = capacity_bytes };
	return queue->data ? 0 : -ENOMEM;
}

void queue_fini(struct queue *queue)
{
	free(queue->data);
	*queue = (struct queue){ 0 };
}

size_t queue_room(const struct queue *queue)
{
	return queue->capacity_bytes - queue->count_bytes;
}

bool queue_empty(const struct queue *queue)
{
	return queue->count_bytes == 0;
}

void queue_put(struct queue *queue, const void *from, size_t bytes)
{
	size_t end, first;

	assert(bytes <= queue_room(queue));
	if (bytes == 0)
		return;
	end = (queue->start + queue->count_bytes) % queue->capacity_bytes;
	first = bytes < queue->capacity_bytes - end ? bytes : queue->capacity_bytes - end;
	memcpy(queue->data + end, from, first);
	memcpy(queue->data, (const uint8_t *)from + first, bytes - first);
	queue->count_bytes += bytes;
}

size_t queue_peek(const struct queue *queue, const uint8_t **from)
{
	size_t to_end = queue->capacity_bytes - queue->start;

	*from = queue->data + queue->start;
	return queue->count_bytes < to_end ? queue->count_bytes : to_end;
}

void queue_drop(struct queue *queue, size_t bytes)
{
	assert(bytes <= queue->count_bytes);
	queue->count_bytes -= bytes;
	queue->start = queue->count_bytes ? (queue->start + bytes) % queue->capacity_bytes : 0;
}
