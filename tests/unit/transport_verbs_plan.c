/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "transport/verbs_cm.h"
#include "transport/verbs_device.h"
#include "transport/verbs_fabric.h"
#include "transport/verbs_status.h"

static const struct ibv_device_attr rxe = { .max_qp_wr = 32767, .max_cqe = 32767 };

Test(verbs_plan, has_a_receive_for_every_packet_that_can_be_outstanding)
{
	struct arena_shape shape = { .devices = 3, .slots = 16, .slot_bytes = 1 << 20 };
	struct verbs_plan plan;

	cr_assert_eq(verbs_plan_make(&plan, &shape, &rxe), 0);
	cr_assert_eq(plan.receives, 3 * 16 + 4);
	cr_assert_eq(plan.fragment_bytes, VERBS_FRAGMENT_BYTES);
	cr_assert_eq(plan.chain_max, 4 + 1);
	cr_assert_eq(plan.sends, 2 * 5 + 1 + 3 + 1, "two packets, a token, credits, control");
}

Test(verbs_plan, fits_receives_and_sends_into_one_completion_queue)
{
	struct arena_shape shape = { .devices = 64, .slots = 2, .slot_bytes = VFIOMIG_SLOT_BYTES_MAX };
	struct verbs_plan plan;

	shape.slots = (verbs_receives_max(&rxe) - VERBS_RECEIVES_SPARE) / shape.devices;
	cr_assert_eq(verbs_plan_make(&plan, &shape, &rxe), 0);
	cr_assert_leq(plan.receives + plan.sends, 32767);
	shape.slots++;
	cr_assert_eq(verbs_plan_make(&plan, &shape, &rxe), -E2BIG);
}

Test(verbs_plan, grows_fragments_where_the_send_queue_is_short)
{
	struct arena_shape shape = { .devices = 1, .slots = 2, .slot_bytes = VFIOMIG_SLOT_BYTES_MAX };
	struct ibv_device_attr small = { .max_qp_wr = 64, .max_cqe = 4096 };
	struct verbs_plan plan;

	cr_assert_eq(verbs_plan_make(&plan, &shape, &small), 0);
	cr_assert_leq(plan.sends, 64);
	cr_assert_geq((uint64_t)(plan.chain_max - 1) * plan.fragment_bytes, shape.slot_bytes);
	cr_assert_lt((uint64_t)(plan.chain_max - 1) * plan.fragment_bytes / 2, shape.slot_bytes);
}

Test(verbs_plan, refuses_a_send_queue_that_holds_not_even_whole_packets)
{
	struct arena_shape shape = { .devices = 1, .slots = 2, .slot_bytes = 1 << 20 };
	struct ibv_device_attr tiny = { .max_qp_wr = 6, .max_cqe = 4096 };
	struct verbs_plan plan;

	cr_assert_eq(verbs_plan_make(&plan, &shape, &tiny), -E2BIG);
}

Test(verbs_plan, bears_a_device_without_room_for_completions)
{
	struct ibv_device_attr none = { .max_qp_wr = 100, .max_cqe = VERBS_SENDS_MAX };

	cr_assert_eq(verbs_receives_max(&none), 0);
}

Test(verbs_connect, exhausts_its_retries_within_half_of_the_peer_timeout)
{
	cr_assert_eq(verbs_ack_timeout(1000), 14);
	cr_assert_eq(verbs_ack_timeout(10000), 17);
	cr_assert_eq(verbs_ack_timeout(10), 14);
	cr_assert_eq(verbs_ack_timeout(UINT32_MAX), 20);
}

static struct sockaddr_storage six(const char *text)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(7) };
	struct sockaddr_storage out = { 0 };

	cr_assert_eq(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
	memcpy(&out, &address, sizeof(address));
	return out;
}

Test(verbs_address, takes_ipv4_out_of_its_ipv6_clothes)
{
	struct sockaddr_storage mapped = six("::ffff:10.9.1.2"), plain = verbs_address_plain(&mapped);
	char text[VERBS_ADDRESS_TEXT_BYTES];

	cr_assert_eq(plain.ss_family, AF_INET);
	cr_assert_eq(((struct sockaddr_in *)&plain)->sin_port, htons(7));
	cr_assert_str_eq(verbs_address_text(text, &mapped), "10.9.1.2");
}

Test(verbs_address, leaves_real_ipv6_alone)
{
	struct sockaddr_storage address = six("fe80::1"), plain = verbs_address_plain(&address);
	char text[VERBS_ADDRESS_TEXT_BYTES];

	cr_assert_eq(memcmp(&address, &plain, sizeof(plain)), 0);
	cr_assert_str_eq(verbs_address_text(text, &address), "fe80::1");
}

Test(verbs_address, knows_every_spelling_of_loopback)
{
	struct sockaddr_storage mapped = six("::ffff:127.1.2.3"), real = six("::1"), other = six("2001:db8::1");

	cr_assert(verbs_address_is_loopback(&mapped));
	cr_assert(verbs_address_is_loopback(&real));
	cr_assert_not(verbs_address_is_loopback(&other));
}

Test(verbs_address, names_what_is_no_ip_address_with_a_question_mark)
{
	struct sockaddr_storage local = { .ss_family = AF_UNIX };
	char text[VERBS_ADDRESS_TEXT_BYTES];

	cr_assert_not(verbs_address_is_ip(&local));
	cr_assert_str_eq(verbs_address_text(text, &local), "?");
}

Test(verbs_status, tells_the_same_word_differently_on_the_two_sides)
{
	const char *sender = verbs_status_meaning(IBV_WC_REM_ACCESS_ERR, false).text;
	const char *receiver = verbs_status_meaning(IBV_WC_REM_ACCESS_ERR, true).text;

	cr_assert_str_neq(sender, receiver);
	cr_assert(strstr(sender, "closed to us"));
	cr_assert_eq(verbs_status_meaning(IBV_WC_RETRY_EXC_ERR, false).errnum, ETIMEDOUT);
	cr_assert_eq(verbs_status_meaning(IBV_WC_TM_ERR, false).errnum, EIO);
}
