/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/random.h"
#include "wire/crc32c.h"
#include "wire/journal.h"

static struct vfiomig_journal some_journal(unsigned devices)
{
	struct vfiomig_journal journal = { .size = sizeof(journal),
					   .role = VFIOMIG_DESTINATION,
					   .state = VFIOMIG_JOURNAL_COMMITTED,
					   .degraded = true,
					   .pid = 4711,
					   .pid_start = UINT64_C(0x123456789abcdef0),
					   .time_ns = UINT64_C(1700000000123456789),
					   .hold_ms = 30000,
					   .peer = "[fe80::1]:7000",
					   .devices = devices };
	struct random random = { .state = 1 };

	random_fill(&random, journal.session, sizeof(journal.session));
	for (unsigned d = 0; d < devices; d++) {
		snprintf(journal.device[d].name, sizeof(journal.device[d].name), "net%u", d);
		snprintf(journal.device[d].spec, sizeof(journal.device[d].spec), "vfio:0000:3b:00.%u", d);
	}
	return journal;
}

static void assert_round_trip(unsigned devices)
{
	struct vfiomig_journal journal = some_journal(devices), back;
	uint8_t bytes[JOURNAL_BYTES_MAX];
	size_t count = journal_encode(bytes, &journal);

	cr_assert_eq(count, (size_t)JOURNAL_HEAD_BYTES + devices * JOURNAL_DEVICE_BYTES + 4);
	memset(&back, 0xee, sizeof(back));
	cr_assert_eq(journal_decode(&back, bytes, count), 0);
	cr_assert(!memcmp(&journal, &back, sizeof(journal)));
}

Test(wire_journal, a_record_comes_back_as_it_was)
{
	assert_round_trip(1);
	assert_round_trip(VFIOMIG_DEVICES_MAX);
}

Test(wire_journal, a_record_that_was_cut_anywhere_is_none)
{
	struct vfiomig_journal journal = some_journal(2), back;
	uint8_t bytes[JOURNAL_BYTES_MAX];
	size_t count = journal_encode(bytes, &journal);

	for (size_t left = 0; left < count; left++)
		cr_assert_neq(journal_decode(&back, bytes, left), 0, "%zu bytes", left);
}

Test(wire_journal, a_record_with_any_bit_changed_is_none)
{
	struct vfiomig_journal journal = some_journal(1), back;
	uint8_t bytes[JOURNAL_BYTES_MAX];
	size_t count = journal_encode(bytes, &journal);

	for (size_t bit = 0; bit < 8 * count; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_neq(journal_decode(&back, bytes, count), 0, "bit %zu", bit);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(journal_decode(&back, bytes, count), 0);
}

/* The checksum is made true again, so that it is the field that is refused. */
static int decode_with(unsigned at, uint8_t value)
{
	struct vfiomig_journal journal = some_journal(1), back;
	uint8_t bytes[JOURNAL_BYTES_MAX];
	size_t count = journal_encode(bytes, &journal);

	bytes[at] = value;
	put_be32(bytes + count - 4, crc32c(0, bytes, count - 4));
	return journal_decode(&back, bytes, count);
}

Test(wire_journal, fields_out_of_range_are_refused)
{
	cr_assert_eq(decode_with(0, 0), -EPROTO);	   /* magic */
	cr_assert_eq(decode_with(5, 2), -EPROTONOSUPPORT); /* version */
	cr_assert_eq(decode_with(6, 0), -EPROTO);	   /* role */
	cr_assert_eq(decode_with(6, 3), -EPROTO);
	cr_assert_eq(decode_with(7, 0), -EPROTO); /* state */
	cr_assert_eq(decode_with(7, VFIOMIG_JOURNAL_RETIRED + 1), -EPROTO);
	cr_assert_eq(decode_with(8, 2), -EPROTO);  /* degraded */
	cr_assert_eq(decode_with(9, 1), -EPROTO);  /* reserved */
	cr_assert_eq(decode_with(11, 0), -EPROTO); /* devices: fewer than there are, ... */
	cr_assert_eq(decode_with(11, 2), -EPROTO);
	cr_assert_eq(decode_with(11, VFIOMIG_DEVICES_MAX + 1), -EPROTO);
	cr_assert_eq(decode_with(7, VFIOMIG_JOURNAL_RETIRED), 0);
}

Test(wire_journal, a_text_without_an_end_gets_one)
{
	struct vfiomig_journal journal = some_journal(1), back;
	uint8_t bytes[JOURNAL_BYTES_MAX];

	memset(journal.peer, 'x', sizeof(journal.peer));
	memset(journal.device[0].spec, 'y', sizeof(journal.device[0].spec));
	cr_assert_eq(journal_decode(&back, bytes, journal_encode(bytes, &journal)), 0);
	cr_assert_eq(strlen(back.peer), sizeof(back.peer) - 1);
	cr_assert_eq(strlen(back.device[0].spec), sizeof(back.device[0].spec) - 1);
}

Test(wire_journal, every_state_has_a_name)
{
	for (unsigned s = VFIOMIG_JOURNAL_NONE; s <= VFIOMIG_JOURNAL_RETIRED; s++)
		cr_assert_str_neq(journal_state_name(s), "?");
	cr_assert_str_eq(journal_state_name(VFIOMIG_JOURNAL_RETIRED + 1), "?");
}
