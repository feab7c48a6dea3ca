/* SPDX-License-Identifier: MIT */
/* A ring of bytes in memory taken once: what the peer has not taken yet. */
#ifndef CONTROL_QUEUE_H
#define CONTROL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
	uint8_t *data; /* owned */
	size_t capacity_bytes, start, count_bytes;
};

/* -ENOMEM */
int queue_init(struct queue *queue, size_t capacity_bytes);
void queue_fini(struct queue *queue);
size_t queue_room(const struct queue *queue);
bool queue_empty(const struct queue *queue);
/* There must be room. */
void queue_put(struct queue *queue, const void *from, size_t bytes);
/* The oldest bytes that lie in one piece: where they are and how many; 0: none. */
size_t queue_peek(const struct queue *queue, const uint8_t **from);
void queue_drop(struct queue *queue, size_t bytes);

#endif
