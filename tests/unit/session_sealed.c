/* SPDX-License-Identifier: MIT */
/* What an adversary who can write into the slots could do while packets lie there is done here. */
#include <criterion/criterion.h>

#include <poll.h>
#include <string.h>

#include "session/session.h"
#include "unit/session_sealed_rig.h"

/* Until the device has its first bytes and all slots are full: then the first packet is being written, and the last eight cannot be. */
static void await_full_slots(void)
{
	struct pollfd fd = { sealed.tap, POLLIN, 0 };
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	cr_assert_eq(poll(&fd, 1, SEALED_LIMIT_MS), 1, "nothing is loaded");
	for (unsigned looks = 0; stats.device[0].packets < SEALED_SLOTS; looks++) {
		cr_assert_lt(looks, SEALED_LIMIT_MS, "the slots do not fill: %llu",
			     (unsigned long long)stats.device[0].packets);
		poll(NULL, 0, 1);
		cr_assert_eq(vfiomig_session_stats(sealed.destination, &stats), 0);
	}
}

TestSuite(session_sealed, .fini = sealed_end, .timeout = 120);

Test(session_sealed, the_state_arrives_and_the_slots_never_show_it)
{
	struct vfiomig_stats stats = { .size = sizeof(stats) };

	sealed_begin(VFIOMIG_PAYLOAD_AEAD, NULL);
	await_full_slots();
	for (unsigned slot = 0; slot < SEALED_SLOTS; slot++) {
		const uint8_t *lies = arena_payload(&sealed.destination->arena, 0, slot);

		cr_assert_neq(memcmp(lies, sealed.sent + (size_t)slot * SEALED_SLOT_BYTES, 16), 0,
			      "slot %u is readable", slot);
		cr_assert_neq(memcmp(lies + SEALED_SLOT_BYTES - 16,
				     sealed.sent + (size_t)(slot + 1) * SEALED_SLOT_BYTES - 16, 16),
			      0);
	}
	cr_assert_eq(vfiomig_session_stats(sealed.destination, &stats), 0);
	cr_assert_str_eq(stats.payload, "aead");
	cr_assert_geq(stats.private_bytes, 8 * SEALED_SLOT_BYTES);
	sealed_go_on();
	sealed_assert_whole();
}

Test(session_sealed, what_a_slot_becomes_while_its_packet_is_written_has_no_effect)
{
	sealed_begin(VFIOMIG_PAYLOAD_AEAD, NULL);
	await_full_slots();
	memset(arena_payload(&sealed.destination->arena, 0, 0), 0, SEALED_SLOT_BYTES);
	sealed_go_on();
	sealed_assert_whole();
}

/* So the test above can fail: a CRC is checked before the write, and does not hold the slot. */
Test(session_sealed, what_a_slot_becomes_while_a_clear_packet_is_written_reaches_the_device)
{
	sealed_begin(VFIOMIG_PAYLOAD_CLEAR, NULL);
	await_full_slots();
	memset(arena_payload(&sealed.destination->arena, 0, 0), 0, SEALED_SLOT_BYTES);
	sealed_go_on();
	cr_assert_eq(sealed.outcome.error.code, VFIOMIG_OK, "%s", sealed.outcome.error.text);
	cr_assert_neq(memcmp(sealed.came, sealed.sent, SEALED_SLOT_BYTES), 0);
	cr_assert_eq(memcmp(sealed.came + SEALED_SLOT_BYTES, sealed.sent + SEALED_SLOT_BYTES,
			    sizeof(sealed.sent) - SEALED_SLOT_BYTES),
		     0);
}

Test(session_sealed, a_bit_of_a_payload_that_is_turned_in_its_slot_is_noticed)
{
	sealed_begin(VFIOMIG_PAYLOAD_AEAD, NULL);
	await_full_slots();
	((uint8_t *)arena_payload(&sealed.destination->arena, 0, 12))[SEALED_SLOT_BYTES - 1] ^= 0x10;
	sealed_go_on();
	sealed_assert_refused("packet-seal", 12);
}

Test(session_sealed, another_packet_in_a_slot_is_noticed)
{
	sealed_begin(VFIOMIG_PAYLOAD_AEAD, NULL);
	await_full_slots();
	memcpy(arena_payload(&sealed.destination->arena, 0, 12), arena_payload(&sealed.destination->arena, 0, 13),
	       SEALED_SLOT_BYTES);
	sealed_go_on();
	sealed_assert_refused("packet-seal", 12);
}

Test(session_sealed, what_a_header_becomes_after_it_has_come_has_no_effect)
{
	sealed_begin(VFIOMIG_PAYLOAD_AEAD, NULL);
	await_full_slots();
	for (unsigned slot = 0; slot < SEALED_SLOTS; slot++)
		memset(arena_header(&sealed.destination->arena, 0, slot), 0xff, ARENA_HEADER_BYTES);
	sealed_go_on();
	sealed_assert_whole();
}
