/* SPDX-License-Identifier: MIT */
/*
 * A recording as somebody could hand it over. By its first byte the input is a file as it is, or a recipe: packets that a device might
 * have given, written by our own encoders, and then single bytes that are changed behind their back. What was not changed is read back whole
 * where its packets are in order; what was changed anywhere is refused; and whatever is refused has a sentence and a name.
 */
#include <vfiomig/recording.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device/recording_format.h"
#include "fuzz.h"

enum { PACKETS_MAX = 40, PAYLOAD_MAX = 255, CHANGES_MAX = 4, RECIPE_BYTES = 64 << 10 };

struct recipe {
	uint8_t bytes[RECIPE_BYTES];
	size_t count;
	struct recording_tally tally;
	bool ordered; /* all packets could come as they did, the config packet last */
};

static void add(struct recipe *recipe, const void *bytes, size_t count)
{
	FUZZ_CHECK(count <= sizeof(recipe->bytes) - recipe->count);
	memcpy(recipe->bytes + recipe->count, bytes, count);
	recipe->count += count;
}

static void add_header(struct recipe *recipe, struct fuzz_input *input)
{
	uint8_t out[RECORDING_HEADER_BYTES];
	struct recording_header header = { .info = { .driver = "fuzz",
						     .migration_flags = fuzz_take(input),
						     .config_bytes = fuzz_take(input) & 1 ? 4096 : 256 } };

	for (unsigned i = 0; i < 64; i++)
		header.info.config[i] = fuzz_take(input);
	recording_header_encode(out, &header);
	add(recipe, out, sizeof(out));
}

static void add_packet(struct recipe *recipe, struct fuzz_input *input)
{
	uint8_t head[RECORDING_HEAD_BYTES], payload[PAYLOAD_MAX], odd = fuzz_take(input);
	struct recording_packet packet = { .flags = odd & 3,
					   .index = recipe->tally.summary.packets,
					   .bytes = fuzz_take(input) };

	if (odd >= 0xf0) /* one that is not due */
		packet.index += odd - 0xefu;
	memset(payload, odd, sizeof(payload));
	recording_head_encode(head, &packet, recording_crc(0, payload, packet.bytes));
	if (recording_tally_objection(&recipe->tally, &packet))
		recipe->ordered = false;
	else
		recording_tally_add(&recipe->tally, &packet, recipe->count, head);
	add(recipe, head, sizeof(head));
	add(recipe, payload, packet.bytes);
}

static void add_ends(struct recipe *recipe)
{
	uint8_t index[RECORDING_INDEX_BYTES_MAX], end[RECORDING_END_BYTES];
	size_t index_bytes = recording_index_encode(index, &recipe->tally.index);

	recipe->ordered = recipe->ordered && recipe->tally.complete;
	recipe->tally.summary.file_bytes = recipe->count + index_bytes + RECORDING_END_BYTES;
	recording_end_encode(end, &recipe->tally.summary);
	add(recipe, index, index_bytes);
	add(recipe, end, sizeof(end));
}

/* Is any byte another than before? */
static bool change(struct recipe *recipe, struct fuzz_input *input, unsigned changes)
{
	static uint8_t before[RECIPE_BYTES];

	memcpy(before, recipe->bytes, recipe->count);
	while (changes--) {
		size_t at = fuzz_take(input) | (size_t)fuzz_take(input) << 8;

		recipe->bytes[at % recipe->count] ^= fuzz_take(input);
	}
	return memcmp(before, recipe->bytes, recipe->count) != 0;
}

static int open_bytes(struct vfiomig_recording **out, const uint8_t *bytes, size_t count)
{
	struct vfiomig_error err = { 0 };
	int fd = memfd_create("recording", MFD_CLOEXEC), rc;
	char path[32];

	FUZZ_CHECK(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = vfiomig_recording_open(out, path, &err);
	close(fd);
	if (rc)
		FUZZ_CHECK(!*out && (rc == -EBADMSG || rc == -EPROTONOSUPPORT) && err.code == VFIOMIG_PREFLIGHT &&
			   !strncmp(err.name, "recording-", 10) && err.text[0]);
	return rc;
}

static void read_all(struct vfiomig_recording *recording)
{
	struct vfiomig_recording_totals totals = vfiomig_recording_totals(recording);
	uint64_t packets = 0, bytes = 0, config_bytes = 0;
	struct vfiomig_recording_packet packet;
	uint8_t piece[100];
	ssize_t got;

	while (vfiomig_recording_next(recording, &packet, NULL) == 1) {
		uint64_t payload = 0;

		FUZZ_CHECK(packet.index == packets++ && packet.stream_at == bytes);
		while ((got = vfiomig_recording_read(recording, piece, sizeof(piece), NULL)) > 0)
			payload += (uint64_t)got;
		FUZZ_CHECK(got == 0 && payload == packet.bytes);
		*(packet.config ? &config_bytes : &bytes) += payload;
	}
	FUZZ_CHECK(packets == totals.packets && bytes == totals.bytes && config_bytes == totals.config_bytes);
	FUZZ_CHECK(totals.precopy_bytes <= totals.bytes);
}

static void cook(struct fuzz_input *input, unsigned changes)
{
	static struct recipe recipe;
	struct vfiomig_recording *recording;
	bool changed;
	int rc;

	recipe.count = 0;
	recipe.ordered = true;
	recording_tally_init(&recipe.tally);
	add_header(&recipe, input);
	for (unsigned i = fuzz_take(input) % PACKETS_MAX; i && input->left; i--)
		add_packet(&recipe, input);
	add_ends(&recipe);
	changed = change(&recipe, input, changes);
	rc = open_bytes(&recording, recipe.bytes, recipe.count);
	FUZZ_CHECK((rc == 0) == (recipe.ordered && !changed));
	if (!rc)
		read_all(recording);
	vfiomig_recording_close(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = { data, bytes };
	uint8_t kind = fuzz_take(&input);
	struct vfiomig_recording *recording;

	if (kind < 0x80) {
		cook(&input, kind % (CHANGES_MAX + 1));
		return 0;
	}
	if (!open_bytes(&recording, input.at, input.left))
		read_all(recording);
	vfiomig_recording_close(recording);
	return 0;
}
