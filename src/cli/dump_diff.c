/* SPDX-License-Identifier: MIT */
/* `dump --diff`: what differs, as lines of "what: old -> new" or as one JSON object. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "dump_compare.h"
#include "json_value.h"
#include "report.h"

static void print_difference(const struct dump_difference *difference)
{
	static const char *const nothing = "-";
	const char *a = difference->said[0], *b = difference->said[1];

	printf("%s: ", difference->part);
	if (difference->name[0])
		printf("%s%s%s", difference->section, difference->section[0] ? " " : "", difference->name);
	else if (difference->bytes == 1)
		printf("byte 0x%03x", difference->at);
	else
		printf("bytes 0x%03x to 0x%03x", difference->at, difference->at + difference->bytes - 1);
	printf(": %s -> %s\n", a[0] ? a : nothing, b[0] ? b : nothing);
}

static void print_stream(const struct dump_stream *stream)
{
	if (!stream->differ)
		return;
	printf("stream: %" PRIu64 " bytes differ, the first at offset %" PRIu64 " (packet %" PRIu64 " of A, %" PRIu64
	       " of B)\n",
	       stream->differing, stream->first_at, stream->packet[0], stream->packet[1]);
	for (unsigned i = 0; i < 2; i++)
		if (stream->bytes[i] > stream->bytes[!i])
			printf("stream: %s has %" PRIu64 " bytes more\n", i ? "B" : "A",
			       stream->bytes[i] - stream->bytes[!i]);
}

static void print_packets(const struct dump_packets *packets)
{
	if (!packets->cut_alike)
		printf("packets: %" PRIu64 " in A and %" PRIu64 " in B, cut in other places\n", packets->count[0],
		       packets->count[1]);
	if (!packets->differing || !packets->cut_alike)
		return;
	printf("packets: %" PRIu64 " of %" PRIu64 " differ:", packets->differing, packets->count[0]);
	for (unsigned i = 0; i < packets->names; i++)
		printf(" %" PRIu64, packets->named[i]);
	puts(packets->differing > packets->names ? " ..." : "");
}

static void print_text(const struct dump_comparison *comparison, const struct dump_file files[2])
{
	if (!comparison->differ)
		printf("%s and %s: no difference\n", files[0].path, files[1].path);
	else
		printf("A: %s\nB: %s\n", files[0].path, files[1].path);
	for (unsigned i = 0; i < comparison->differences; i++)
		print_difference(&comparison->difference[i]);
	print_stream(&comparison->stream);
	print_packets(&comparison->packets);
}

static json_t *difference_object(const struct dump_difference *difference)
{
	bool placed = difference->at != UINT32_MAX;

	return json_pack("{ss ss ss so so so so}", "part", difference->part, "section", difference->section, "name",
			 difference->name, "at", placed ? json_integer(difference->at) : json_null(), "bytes",
			 placed ? json_integer(difference->bytes) : json_null(), "a",
			 json_value_text(difference->said[0]), "b", json_value_text(difference->said[1]));
}

static json_t *stream_object(const struct dump_stream *stream)
{
	return json_pack("{sb s[oo] so so so}", "differ", stream->differ, "bytes", json_value_integer(stream->bytes[0]),
			 json_value_integer(stream->bytes[1]), "differing_bytes", json_value_integer(stream->differing),
			 "first_at", stream->differ ? json_value_integer(stream->first_at) : json_null(),
			 "first_packet",
			 stream->differ ? json_pack("[oo]", json_value_integer(stream->packet[0]),
						    json_value_integer(stream->packet[1]))
					: json_null());
}

static json_t *packets_object(const struct dump_packets *packets)
{
	json_t *named = json_array();

	for (unsigned i = 0; i < packets->names; i++)
		json_array_append_new(named, json_value_integer(packets->named[i]));
	return json_pack("{so s[oo] sb so}", "differing", json_value_integer(packets->differing), "count",
			 json_value_integer(packets->count[0]), json_value_integer(packets->count[1]), "cut_alike",
			 packets->cut_alike, "first", named);
}

static int print_json(const struct dump_comparison *comparison, const struct dump_file files[2])
{
	bool differ = comparison->differ;
	json_t *differences = json_array();

	for (unsigned i = 0; i < comparison->differences; i++)
		json_array_append_new(differences, difference_object(&comparison->difference[i]));
	return report_print(json_pack("{ss ss s{si ss ss} s[oo] sb so so so}", "schema", "rdma-vfiomig/1", "command",
				      "dump", "result", "code", (int)differ, "name", differ ? "differ" : "ok",
				      "message", differ ? "the recordings differ" : "", "files",
				      json_value_text(files[0].path), json_value_text(files[1].path), "differ", differ,
				      "differences", differences, "stream", stream_object(&comparison->stream),
				      "packets", packets_object(&comparison->packets)));
}

enum vfiomig_code dump_diff(struct dump_file files[2], const struct dump_options *options, bool *differ,
			    struct vfiomig_error *err)
{
	struct dump_comparison comparison;
	enum vfiomig_code code = dump_compare(&comparison, files, err);

	*differ = comparison.differ;
	if (!code && !options->json)
		print_text(&comparison, files);
	else if (!code && print_json(&comparison, files))
		code = VFIOMIG_INTERNAL;
	dump_compare_fini(&comparison);
	return code;
}
