/* SPDX-License-Identifier: MIT */
/* The values of which the program's JSON is made: numbers and texts as they come, which Jansson alone would not take. */
#ifndef CLI_JSON_VALUE_H
#define CLI_JSON_VALUE_H

#include <stdint.h>

#include <jansson.h>

/* The caller's references; NULL if memory ran out. */
json_t *json_value_integer(uint64_t value);

/* Text from a command line or a peer, which need not be UTF-8; NULL is "". */
json_t *json_value_text(const char *text);

/* Nanoseconds as whole microseconds. Cut off, as downtime_us is, so that what ends where another begins still does. */
json_t *json_value_us(int64_t ns);

#endif
