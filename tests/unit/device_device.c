/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "device/device.h"

struct own {
	enum vfiomig_state state;
	int describe_rc;
	uint32_t config_bytes; /* that it claims to have */
	bool unterminated;     /* its strings fill their room to the last byte */
	bool anywhere;	       /* it does not know its node */
	int closed;
};

static int describe(void *dev, struct vfiomig_device_info *info, struct vfiomig_error *err)
{
	struct own *own = dev;

	if (own->describe_rc == -EIO)
		return error_set(err, VFIOMIG_DEVICE, EIO, "mine", "my own sentence");
	if (!own->anywhere)
		info->numa_node = 3;
	info->config_bytes = own->config_bytes;
	if (own->unterminated) {
		memset(info->driver, 'd', sizeof(info->driver));
		memset(info->firmware, 'f', sizeof(info->firmware));
		memset(info->psid, 'p', sizeof(info->psid));
	}
	return own->describe_rc;
}

static int set_state(void *dev, enum vfiomig_state target, struct vfiomig_error *err)
{
	(void)err;
	((struct own *)dev)->state = target;
	return 0;
}

static enum vfiomig_state get_state(void *dev)
{
	return ((struct own *)dev)->state;
}

static int data_fd(void *dev)
{
	(void)dev;
	return -1;
}

static int reset(void *dev, struct vfiomig_error *err)
{
	return set_state(dev, VFIOMIG_STATE_RUNNING, err);
}

static void own_close(void *dev)
{
	((struct own *)dev)->closed++;
}

static const struct vfiomig_device_ops ops = {
	.size = sizeof(ops),
	.describe = describe,
	.set_state = set_state,
	.get_state = get_state,
	.data_fd = data_fd,
	.reset = reset,
	.close = own_close,
};

Test(device, wraps_a_programs_own_operations)
{
	struct own own = { .state = VFIOMIG_STATE_STOP };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, "mine", VFIOMIG_GATE_ON, NULL), 0);
	cr_assert_str_eq(vfiomig_device_name(device), "mine");
	cr_assert_str_eq(vfiomig_device_spec(device), "");
	cr_assert_eq(vfiomig_device_info(device)->numa_node, 3);
	cr_assert_eq(vfiomig_device_state(device), VFIOMIG_STATE_STOP);
	cr_assert_eq(device->gate, VFIOMIG_GATE_ON);
	vfiomig_device_close(device);
	cr_assert_eq(own.closed, 1);
}

Test(device, wrapped_without_a_name_has_none)
{
	struct own own = { 0 };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, NULL), 0);
	cr_assert_str_eq(vfiomig_device_name(device), "");
	vfiomig_device_close(device);
}

static void wrap_refused(const struct vfiomig_device_ops *bad, const char *name, int gate)
{
	struct own own = { 0 };
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_wrap(&device, bad, &own, name, (enum vfiomig_gate)gate, &err), -EINVAL);
	cr_assert_null(device);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	cr_assert_eq(own.closed, 0);
}

Test(device, refuses_operations_of_another_size_or_with_holes)
{
	struct vfiomig_device_ops bad = ops;

	bad.size = offsetof(struct vfiomig_device_ops, reset); /* mandatory, and not there */
	wrap_refused(&bad, "a", 0);
	bad.size = 0;
	wrap_refused(&bad, "a", 0);
	bad.size = SIZE_MAX;
	wrap_refused(&bad, "a", 0);
	bad = ops;
	bad.set_state = NULL;
	wrap_refused(&bad, "a", 0);
	bad = ops;
	bad.reset = NULL;
	wrap_refused(&bad, "a", 0);
}

Test(device, refuses_bad_names_and_gates)
{
	wrap_refused(&ops, "a,b", 0);
	wrap_refused(&ops, "12345678901234567890123456789012", 0);
	wrap_refused(&ops, "a", 3);
	wrap_refused(&ops, "a", -1);
}

Test(device, keeps_the_sentence_of_a_describe_that_fails)
{
	struct own own = { .describe_rc = -EIO };
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, &err), -EIO);
	cr_assert_str_eq(err.text, "my own sentence");
	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, NULL), -EIO);
	cr_assert_eq(own.closed, 0);
}

Test(device, refuses_a_config_space_of_a_size_that_none_has)
{
	static const uint32_t none[] = { 1, 64, 255, 4095, VFIOMIG_CONFIG_BYTES_MAX + 1, UINT32_MAX };
	struct vfiomig_device *device;

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct own own = { .config_bytes = none[i] };
		struct vfiomig_error err = { 0 };

		cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, &err), -EINVAL);
		cr_assert_eq(err.code, VFIOMIG_USAGE);
		cr_assert_str_eq(err.name, "device-info");
		cr_assert_null(device);
	}
}

Test(device, ends_the_strings_of_a_describe_that_filled_them)
{
	struct own own = { .unterminated = true };
	const struct vfiomig_device_info *info;
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, NULL), 0);
	info = vfiomig_device_info(device);
	cr_assert_eq(strlen(info->driver), sizeof(info->driver) - 1);
	cr_assert_eq(strnlen(info->firmware, sizeof(info->firmware)), sizeof(info->firmware) - 1);
	cr_assert_eq(strnlen(info->psid, sizeof(info->psid)), sizeof(info->psid) - 1);
	vfiomig_device_close(device);
}

Test(device, is_on_no_known_node_where_nobody_says)
{
	struct own own = { .anywhere = true };
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, NULL), 0);
	cr_assert_eq(vfiomig_device_info(device)->numa_node, -1);
	vfiomig_device_close(device);
}

Test(device, gives_a_sentence_to_a_describe_that_has_none)
{
	struct own own = { .describe_rc = -ENODEV };
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_wrap(&device, &ops, &own, NULL, VFIOMIG_GATE_AUTO, &err), -ENODEV);
	cr_assert_eq(err.errnum, ENODEV);
	cr_assert_neq(err.text[0], 0);
}

Test(device, refuses_an_unknown_kind_by_name)
{
	struct vfiomig_device *device;
	struct vfiomig_error err = { 0 };

	cr_assert_eq(vfiomig_device_open(&device, "tape:x", &err), -EINVAL);
	cr_assert_eq(err.code, VFIOMIG_USAGE);
	cr_assert(strstr(err.text, "'tape'") != NULL);
	cr_assert_null(device);
	cr_assert_eq(vfiomig_device_open(&device, "tape:x", NULL), -EINVAL);
}

Test(device, keeps_its_spec)
{
	struct vfiomig_device *device;

	cr_assert_eq(vfiomig_device_open(&device, "sim:bytes=1,name=x", NULL), 0);
	cr_assert_str_eq(vfiomig_device_spec(device), "sim:bytes=1,name=x");
	vfiomig_device_close(device);
}

Test(device, close_takes_null)
{
	vfiomig_device_close(NULL);
}
