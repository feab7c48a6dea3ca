/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "unit/control_tls_rig.h"

#define HEX "00112233445566778899aabbccddeeff"

static int open_text(const char *text, unsigned mode, struct vfiomig_error *err)
{
	struct credentials *credentials;
	int rc = credentials_open(&credentials, VFIOMIG_DESTINATION, tls_rig_file(text, mode), NULL, NULL, err);

	cr_assert_eq(rc == 0, credentials != NULL);
	credentials_close(credentials);
	return rc;
}

Test(psk_file, is_read_as_psktool_writes_it)
{
	struct credentials *credentials = tls_rig_psk(VFIOMIG_DESTINATION, "# keys\n\nalice:" HEX "\r\nbob:" HEX "ff");

	cr_assert_eq(credentials->entries, 2);
	cr_assert_str_eq(credentials->entry[0].identity, "alice");
	cr_assert_eq(credentials->entry[0].key.size, 16);
	cr_assert_eq(credentials->entry[0].key.data[1], 0x11);
	cr_assert_str_eq(credentials->entry[1].identity, "bob");
	cr_assert_eq(credentials->entry[1].key.size, 17);
	credentials_close(credentials);
}

Test(psk_file, that_others_could_have_read_is_refused)
{
	static const unsigned modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0777 };

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct vfiomig_error err = { 0 };

		cr_assert_eq(open_text("alice:" HEX "\n", modes[i], &err), -EPERM, "mode %o", modes[i]);
		cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
		cr_assert(strstr(err.text, "chmod 600"), "%s", err.text);
	}
	cr_assert_eq(open_text("alice:" HEX "\n", 0600, NULL), 0);
	cr_assert_eq(open_text("alice:" HEX "\n", 0400, NULL), 0);
}

Test(psk_file, with_anything_else_in_it_is_refused_by_its_line)
{
	static const char *const texts[] = { "\nalice",
					     "\n:" HEX,
					     "\nalice:",
					     "\nalice:" HEX "0",
					     "\nalice:xx112233445566778899aabbccddeeff",
					     "\nalice:00112233445566778899aabbccddee" };

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct vfiomig_error err = { 0 };

		cr_assert_eq(open_text(texts[i], 0600, &err), -EINVAL, "'%s'", texts[i]);
		cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
		cr_assert(strstr(err.text, "line 2"), "%s", err.text);
	}
}

Test(psk_file, with_no_key_in_it_is_refused)
{
	cr_assert_eq(open_text("", 0600, NULL), -EINVAL);
	cr_assert_eq(open_text("# nothing\n", 0600, NULL), -EINVAL);
}

Test(psk_file, that_is_not_there_or_no_file_is_refused)
{
	struct credentials *credentials;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(credentials_open(&credentials, VFIOMIG_SOURCE, "/nowhere/key", NULL, "a:1", &err), -ENOENT);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert(strstr(err.text, "/nowhere/key"));
	cr_assert_eq(credentials_open(&credentials, VFIOMIG_SOURCE, "/dev/null", NULL, "a:1", &err), -EINVAL);
	cr_assert_eq(credentials_open(&credentials, VFIOMIG_SOURCE, NULL, "/nowhere", "a:1", &err), -ENOENT);
}

Test(psk_file, with_an_identity_of_any_length_is_read_or_refused)
{
	char text[512];

	for (unsigned length = 1; length < 300; length++) {
		memset(text, 'i', length);
		memcpy(text + length, ":" HEX, sizeof(":" HEX));
		cr_assert_eq(open_text(text, 0600, NULL), length < PSK_IDENTITY_BYTES ? 0 : -EINVAL);
	}
}
