/* SPDX-License-Identifier: MIT */
/* A VMM's hooks around the config state: when they are called, and what they stand in for. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "device/device.h"

static struct vfiomig_error err;
static char calls[64]; /* who was called, in order */
static int loading_rc, put_rc;

static void note(const char *who)
{
	strncat(calls, who, sizeof(calls) - strlen(calls) - 1);
}

static ssize_t own_get(void *dev, void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)dev, (void)error;
	cr_assert_geq(bytes, 4);
	memcpy(blob, "own", 4);
	return 4;
}

static int own_put(void *dev, const void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)dev, (void)blob, (void)bytes, (void)error;
	note("own ");
	return put_rc;
}

static ssize_t hook_get(void *context, void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)context, (void)error;
	cr_assert_geq(bytes, 5);
	memcpy(blob, "hook", 5);
	return 5;
}

static int hook_loading(void *context, const void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)error;
	cr_assert_str_eq(context, "vmm");
	cr_assert(bytes == 0 || memcmp(blob, "blob", bytes) == 0);
	note("loading ");
	return loading_rc;
}

static int hook_put(void *context, const void *blob, size_t bytes, struct vfiomig_error *error)
{
	(void)context, (void)blob, (void)bytes, (void)error;
	note("put ");
	return put_rc;
}

static int hook_loaded(void *context, struct vfiomig_error *error)
{
	(void)context, (void)error;
	note("loaded ");
	return 0;
}

static const struct vfiomig_device_ops ops = { .size = sizeof(ops), .config_get = own_get, .config_put = own_put };
static const struct vfiomig_device_ops bare_ops = { .size = sizeof(bare_ops) };
static struct vfiomig_device device;

static void set(const struct vfiomig_device_ops *own, const struct vfiomig_device_hooks *hooks)
{
	device = (struct vfiomig_device){ .ops = own };
	calls[0] = '\0';
	cr_assert_eq(vfiomig_device_set_hooks(&device, hooks, "vmm", &err), 0, "%s", err.text);
}

Test(hooks, are_called_around_the_devices_own_load)
{
	struct vfiomig_device_hooks around = { sizeof(around), .config_loading = hook_loading,
					       .config_loaded = hook_loaded };

	set(&ops, &around);
	cr_assert_eq(device_config_load(&device, "blob", 4, &err), 0);
	cr_assert_str_eq(calls, "loading own loaded ");
}

Test(hooks, of_loading_stand_in_for_the_devices_own)
{
	struct vfiomig_device_hooks all = { sizeof(all), hook_get, hook_loading, hook_put, hook_loaded };
	char blob[8];

	set(&ops, &all);
	cr_assert_eq(device_config_load(&device, "blob", 4, &err), 0);
	cr_assert_str_eq(calls, "loading put loaded ");
	cr_assert_eq(device_config_get(&device, blob, sizeof(blob), &err), 5);
	cr_assert_str_eq(blob, "hook");
	set(&bare_ops, &all);
	cr_assert(device_takes_config(&device), "though it has none of its own");
}

Test(hooks, are_called_for_a_device_without_config_state_too)
{
	struct vfiomig_device_hooks around = { sizeof(around), .config_loading = hook_loading,
					       .config_loaded = hook_loaded };

	set(&bare_ops, &around);
	cr_assert_not(device_takes_config(&device));
	cr_assert_eq(device_config_load(&device, NULL, 0, &err), 0);
	cr_assert_str_eq(calls, "loading loaded ");
}

Test(hooks, that_fail_end_the_load_where_it_is)
{
	struct vfiomig_device_hooks around = { sizeof(around), .config_loading = hook_loading,
					       .config_loaded = hook_loaded };

	set(&ops, &around);
	loading_rc = -EIO;
	cr_assert_eq(device_config_load(&device, "blob", 4, &err), -EIO);
	cr_assert_str_eq(calls, "loading ");
	set(&ops, &around);
	loading_rc = 0;
	put_rc = -EINVAL;
	cr_assert_eq(device_config_load(&device, "blob", 4, &err), -EINVAL);
	cr_assert_str_eq(calls, "loading own ", "no interrupt is armed for what was not loaded");
}

Test(hooks, without_them_the_device_does_it_all)
{
	char blob[8];

	device = (struct vfiomig_device){ .ops = &ops };
	calls[0] = '\0';
	cr_assert_eq(device_config_load(&device, "blob", 4, &err), 0);
	cr_assert_str_eq(calls, "own ");
	cr_assert_eq(device_config_get(&device, blob, sizeof(blob), &err), 4);
	device.ops = &bare_ops;
	cr_assert_eq(device_config_get(&device, blob, sizeof(blob), &err), 0);
}

Test(hooks, of_a_size_that_cannot_be_are_refused)
{
	struct vfiomig_device_hooks bad = { 0 };

	cr_assert_eq(vfiomig_device_set_hooks(&device, &bad, NULL, &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
}
