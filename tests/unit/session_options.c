/* SPDX-License-Identifier: MIT */
/* What _create refuses of its options, as the public header says: a number out of range never becomes a default. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include <vfiomig/vfiomig.h>

static struct vfiomig_error err;

static struct vfiomig_options source(void)
{
	return (struct vfiomig_options){ .size = sizeof(struct vfiomig_options), .peer = "127.0.0.1:7000" };
}

static void refused(const struct vfiomig_options *options, const char *word)
{
	struct vfiomig_session *session = (struct vfiomig_session *)&err;

	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(vfiomig_session_create(&session, VFIOMIG_SOURCE, options, &err), -EINVAL, "%s", word);
	cr_assert_null(session);
	cr_assert_eq(err.code, VFIOMIG_USAGE, "%s: %s", word, err.text);
	cr_assert(strstr(err.text, word), "%s: %s", word, err.text);
}

Test(session_options, takes_what_is_not_set_as_default)
{
	struct vfiomig_options options = source();
	struct vfiomig_session *session;

	cr_assert_eq(vfiomig_session_create(&session, VFIOMIG_SOURCE, &options, &err), 0, "%s", err.text);
	vfiomig_session_close(session);
}

Test(session_options, refuses_a_number_that_is_no_word)
{
	struct vfiomig_options options = source();

	options.transport = (enum vfiomig_transport)3;
	refused(&options, "transport");
	options = source();
	options.loader = (enum vfiomig_loader)3;
	refused(&options, "loader");
	options = source();
	options.integrity = (enum vfiomig_integrity)2;
	refused(&options, "integrity");
	options = source();
	options.gate = (enum vfiomig_gate)3;
	refused(&options, "gate");
	options = source();
	options.precopy = (enum vfiomig_precopy)3;
	refused(&options, "precopy");
	options = source();
	options.payload = (enum vfiomig_payload)3;
	refused(&options, "payload");
}

Test(session_options, refuses_a_flag_that_it_does_not_know)
{
	struct vfiomig_options options = source();

	options.flags = 1U << 31;
	refused(&options, "flags");
}

Test(session_options, refuses_what_is_out_of_range)
{
	struct vfiomig_options options = source();

	options.lanes = VFIOMIG_LANES_MAX + 1;
	refused(&options, "lanes");
	options = source();
	options.slots = VFIOMIG_SLOTS_MIN - 1;
	refused(&options, "slots");
	options = source();
	options.slot_bytes = VFIOMIG_SLOT_BYTES_MAX + 1;
	refused(&options, "slot bytes");
}

Test(session_options, refuses_a_name_that_cannot_be_resolved)
{
	struct vfiomig_options options = source();

	options.peer = "no such host:7000";
	refused(&options, "no such host");
}
