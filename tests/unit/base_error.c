/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>

#include "base/error.h"

Test(error, the_first_error_wins)
{
	struct vfiomig_error err = { 0 };

	cr_assert_eq(error_set(&err, VFIOMIG_DEVICE, EIO, "first", "byte %d", 7), -EIO);
	cr_assert_eq(error_set(&err, VFIOMIG_FABRIC, EPIPE, NULL, "later"), -EPIPE);
	cr_assert_eq(err.code, VFIOMIG_DEVICE);
	cr_assert_str_eq(err.name, "first");
	cr_assert_str_eq(err.text, "byte 7");
}

Test(error, takes_the_codes_name_where_none_is_given)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_PREFLIGHT, EINVAL, NULL, "no");
	cr_assert_str_eq(err.name, "preflight");
}

Test(error, a_null_struct_still_returns_the_errno)
{
	cr_assert_eq(error_set(NULL, VFIOMIG_INTERNAL, ENOMEM, NULL, "no"), -ENOMEM);
}

Test(error, a_prefix_goes_before_the_sentence)
{
	struct vfiomig_error err = { 0 };

	error_set(&err, VFIOMIG_DEVICE, EIO, NULL, "read failed");
	error_prefix(&err, "device '%s': ", "a");
	cr_assert_str_eq(err.text, "device 'a': read failed");
}
