/* SPDX-License-Identifier: MIT */
/*
 * facts FILE...: what SIDE.json, as rdma-vfiomig wrote it, says of a migration, as assignments for a shell: SIDE_name='downtime-limit' and so
 * on, empty what is not there. For the suite, which asks after each of its migrations: jq takes half a second to start where the
 * processor is emulated.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *side;

static void begin(const char *name)
{
	printf("%s_%s='", side, name);
}

static void end(void)
{
	puts("'");
}

/* Between the quotes. */
static void put(const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "true" : "false", stdout);
	for (; text && *text; text++)
		fputs(*text == '\'' ? "'\\''" : (char[]){ *text, 0 }, stdout);
}

static void tell(const char *name, const json_t *value)
{
	begin(name);
	put(value);
	end();
}

/* @member of each of @list, with @between. */
static void tell_all(const char *name, const json_t *list, const char *member, const char *between)
{
	begin(name);
	for (size_t i = 0; i < json_array_size(list); i++) {
		fputs(i ? between : "", stdout);
		put(json_object_get(json_array_get(list, i), member));
	}
	end();
}

static json_int_t number(const json_t *list, size_t i, const char *member)
{
	return json_integer_value(json_object_get(json_array_get(list, i), member));
}

static void tell_lanes(const json_t *lanes)
{
	size_t count = json_array_size(lanes);
	json_int_t sum = 0, fewest = count ? INT64_MAX : 0, most = 0;

	for (size_t i = 0; i < count; i++) {
		json_int_t packets = number(lanes, i, "packets");

		sum += packets;
		fewest = packets < fewest ? packets : fewest;
		most = packets > most ? packets : most;
	}
	printf("%s_lanes=%zu %s_packets=%" JSON_INTEGER_FORMAT " %s_fewest=%" JSON_INTEGER_FORMAT
	       " %s_most=%" JSON_INTEGER_FORMAT "\n",
	       side, count, side, sum, side, fewest, side, most);
	tell_all("per_lane", lanes, "packets", " ");
	/* A lane each: its rail, and the bytes that it carried. */
	tell_all("lane_rails", lanes, "rail", " ");
	tell_all("lane_bytes", lanes, "bytes", " ");
}

static void tell_session(const json_t *session)
{
	static const char *const of_result[] = { "message", "name", "source_state", "destination_state" };
	static const char *const of_session[] = { "transport",	"gate",		  "loader",	 "integrity",
						  "payload",	"authentication", "refused",	 "bytes",
						  "lanes_lost", "packets_resent", "downtime_us", "arena_bytes" };
	const json_t *result = json_object_get(session, "result"), *devices = json_object_get(session, "devices");
	const json_t *budget = json_object_get(json_object_get(session, "budget"), "devices");

	if (!result)
		return;
	for (size_t i = 0; i < sizeof(of_result) / sizeof(of_result[0]); i++)
		tell(of_result[i], json_object_get(result, of_result[i]));
	for (size_t i = 0; i < sizeof(of_session) / sizeof(of_session[0]); i++)
		tell(of_session[i], json_object_get(session, of_session[i]));
	tell_lanes(json_object_get(session, "lanes"));
	tell_all("order", devices, "order", " ");
	tell_all("held_by", devices, "held_by", ";");
	tell_all("gates", devices, "gate", " ");
	tell_all("nodes", devices, "numa_node", " ");
	tell("slots_node", json_object_get(json_object_get(session, "numa"), "slots"));
	tell_all("precopy_bytes", budget, "precopy_bytes", " ");
	tell_all("stop_copy_bytes", budget, "stop_copy_bytes", " ");
}

int main(int count, char **files)
{
	char name[64];

	for (int i = 1; i < count; i++) {
		FILE *file = fopen(files[i], "re");
		json_t *session;

		if (!file) {
			fprintf(stderr, "facts: %s: %s\n", files[i], strerror(errno));
			return 1;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(files[i], "."), files[i]);
		side = name;
		/* One object for each session: the last one counts. */
		while ((session = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
			tell_session(session);
			json_decref(session);
		}
		fclose(file);
	}
	return 0;
}
