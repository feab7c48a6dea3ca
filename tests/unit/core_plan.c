/* SPDX-License-Identifier: MIT */
#include "unit/core_plan_rig.h"

Test(plan, puts_devices_without_names_in_their_order)
{
	start(3);
	agreed();
	for (unsigned d = 0; d < 3; d++)
		cr_assert_eq(plan.local[d], d);
}

Test(plan, puts_named_devices_into_their_namesakes)
{
	start(3);
	name(&there, 0, "a"), name(&there, 1, "b"), name(&there, 2, "c");
	name(&here, 0, "c"), name(&here, 1, "a"), name(&here, 2, "b");
	agreed();
	cr_assert_eq(plan.local[0], 1);
	cr_assert_eq(plan.local[1], 2);
	cr_assert_eq(plan.local[2], 0);
}

Test(plan, puts_the_others_in_order_into_those_that_nobody_named)
{
	start(3);
	name(&there, 2, "a");
	name(&here, 0, "a");
	agreed();
	cr_assert_eq(plan.local[0], 1);
	cr_assert_eq(plan.local[1], 2);
	cr_assert_eq(plan.local[2], 0);
}

Test(plan, a_name_on_one_side_alone_is_no_hindrance)
{
	start(2);
	name(&there, 0, "a");
	agreed();
	cr_assert_eq(plan.local[0], 0);
	start(2);
	name(&here, 1, "b");
	agreed();
	cr_assert_eq(plan.local[1], 1);
}

Test(plan, puts_no_named_device_into_one_of_another_name)
{
	start(1);
	name(&there, 0, "a");
	name(&here, 0, "b");
	refused(-ENODEV, "no-such-device", "'s device 0 named a");
}

Test(plan, takes_as_many_devices_as_it_has_and_no_other_number)
{
	start(2);
	here.side.devices = 1;
	refused(-E2BIG, "more-devices", "2 devices");
	start(2);
	here.side.devices = 3;
	refused(-EINVAL, "fewer-devices", "the destination 3");
}

Test(plan, refuses_a_source_with_two_devices_of_one_name)
{
	start(3);
	name(&there, 0, "a"), name(&there, 2, "a");
	refused(-EINVAL, "same-name", "'a'");
}

Test(plan, refuses_another_architecture)
{
	start(1);
	there.side.arch = ARCH_AARCH64;
	refused(-EINVAL, "manifest-mismatch", "architectures");
}

enum field { DRIVER, VENDOR, DEVICE, SUBSYSTEM_VENDOR, SUBSYSTEM, FLAGS, CONFIG, FIRMWARE, PSID, FIELDS };

static void change(struct vfiomig_device_info *info, enum field field)
{
	info->driver[0] += field == DRIVER;
	info->vendor += field == VENDOR;
	info->device += field == DEVICE;
	info->subsystem_vendor += field == SUBSYSTEM_VENDOR;
	info->subsystem_device += field == SUBSYSTEM;
	info->migration_flags ^= field == FLAGS ? VFIOMIG_MIGRATION_PRE_COPY : 0;
	info->config_bytes += field == CONFIG ? 3840 : 0;
	info->firmware[0] += field == FIRMWARE;
	info->psid[0] += field == PSID;
}

Test(plan, names_every_difference_of_the_manifests)
{
	static const char *const words[FIELDS] = {
		[DRIVER] = "the driver",
		[VENDOR] = "PCI vendor",
		[DEVICE] = "PCI device id",
		[SUBSYSTEM_VENDOR] = "PCI subsystem vendor",
		[SUBSYSTEM] = "PCI subsystem id",
		[FLAGS] = "migration feature set",
		[CONFIG] = "config space size",
		[FIRMWARE] = "the firmware",
		[PSID] = "the PSID",
	};

	for (enum field field = 0; field < FIELDS; field++) {
		start(2);
		change(&there.device[1].info, field);
		refused(-EINVAL, "manifest-mismatch", words[field]);
		cr_assert(strstr(err.text, "device 1") && strstr(err.text, "'vfio:1'"), "%s", err.text);
	}
}

Test(plan, compares_a_device_with_the_one_it_goes_into)
{
	start(2);
	name(&there, 0, "a"), name(&here, 1, "a");
	here.device[1].info.device = there.device[0].info.device = 7;
	agreed();
}

Test(plan, does_not_hold_against_a_side_what_it_cannot_read)
{
	start(1);
	there.device[0].info.firmware[0] = here.device[0].info.psid[0] = '\0';
	agreed();
}

Test(plan, lets_estimates_and_places_differ)
{
	start(1);
	there.device[0].info.expected_bytes = 1 << 30;
	there.device[0].info.numa_node = 1;
	agreed();
}

#define AUTO VFIOMIG_GATE_AUTO
#define ON   VFIOMIG_GATE_ON
#define OFF  VFIOMIG_GATE_OFF

/* What both sides say for session and device, and whether that gates the device; -1: they contradict each other. */
struct words {
	enum vfiomig_gate session_there, device_there, session_here, device_here;
	int gated;
};

Test(plan, gates_by_explicit_words_that_one_on_decides_and_devices_before_sessions)
{
	static const struct words table[] = {
		{ ON, AUTO, AUTO, AUTO, 1 },  { AUTO, AUTO, ON, AUTO, 1 }, { AUTO, ON, AUTO, AUTO, 1 },
		{ AUTO, AUTO, AUTO, ON, 1 },  { ON, AUTO, ON, AUTO, 1 },   { OFF, AUTO, AUTO, AUTO, 0 },
		{ AUTO, AUTO, OFF, AUTO, 0 }, { OFF, AUTO, OFF, AUTO, 0 }, { ON, AUTO, OFF, AUTO, -1 },
		{ OFF, AUTO, ON, AUTO, -1 },  { AUTO, ON, AUTO, OFF, -1 }, { AUTO, OFF, AUTO, ON, -1 },
		{ OFF, ON, AUTO, AUTO, 1 },   { ON, OFF, AUTO, AUTO, 0 },  { AUTO, AUTO, OFF, ON, 1 },
		{ AUTO, AUTO, ON, OFF, 0 },   { ON, OFF, OFF, AUTO, 0 },   { ON, AUTO, OFF, ON, 1 },
		{ ON, OFF, ON, AUTO, -1 },    { OFF, ON, ON, OFF, -1 },	   { OFF, ON, OFF, ON, 1 },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		start(2);
		there.side.gate = table[i].session_there;
		here.side.gate = table[i].session_here;
		there.device[1].gate = table[i].device_there;
		here.device[1].gate = table[i].device_here;
		there.device[0].gate = here.device[0].gate = OFF; /* the other one is of no concern */
		cr_assert_eq(agree(), table[i].gated < 0 ? -EINVAL : 0, "%u: %s", i, err.text);
		if (table[i].gated < 0)
			cr_assert_str_eq(err.name, "gate-conflict", "%u", i);
		else
			cr_assert_eq(plan.gated, table[i].gated ? 2 : 0, "%u", i);
	}
}

Test(plan, gates_by_default_where_either_architecture_does)
{
	start(1);
	agreed();
	cr_assert_eq(plan.gated, plan_gate_default());
	offer.gate_default = true;
	cr_assert_eq(plan_agree(&plan, &here.side, &offer, manifest, &err), 0);
	cr_assert_eq(plan.gated, 1);
	cr_assert_eq(plan_gate_default(), plan_arch() == ARCH_AARCH64);
}

Test(plan, numbers_gates_as_the_source_numbers_its_devices)
{
	start(2);
	name(&there, 0, "a"), name(&here, 1, "a");
	here.device[1].gate = VFIOMIG_GATE_ON;
	here.device[0].gate = VFIOMIG_GATE_OFF;
	agreed();
	cr_assert_eq(plan.gated, 1);
}

Test(plan, refuses_a_vmms_device_whose_gate_nobody_here_could_open)
{
	start(1);
	here.side.no_platform = here.device[0].owned_by_vmm = true;
	there.side.gate = VFIOMIG_GATE_ON;
	refused(-ENOTSUP, "gate-undriven", "'vfio:0'");
	there.side.gate = VFIOMIG_GATE_OFF;
	agreed();
	there.side.gate = VFIOMIG_GATE_ON;
	here.side.no_platform = false;
	agreed();
}

Test(plan, refuses_at_the_source_too_a_gate_that_nobody_there_could_open)
{
	struct message_agreed answer;
	struct plan taken;

	start(2);
	there.side.no_platform = there.device[1].owned_by_vmm = true;
	here.device[1].gate = VFIOMIG_GATE_ON;
	agreed();
	plan_answer(&plan, &answer);
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), -ENOTSUP);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "gate-undriven");
	cr_assert(strstr(err.text, "'vfio:1'"), "%s", err.text);
	answer.gated = 0;
	err = (struct vfiomig_error){ 0 };
	cr_assert_eq(plan_accept(&taken, &there.side, &answer, &err), 0, "%s", err.text);
}

static int check_side(void)
{
	err = (struct vfiomig_error){ 0 };
	return plan_check_side(&here.side, &err);
}

Test(plan, checks_that_a_vmms_gate_can_be_opened_before_anything_else_is_done)
{
	start(1);
	here.side.no_platform = here.device[0].owned_by_vmm = true;
	here.side.gate = VFIOMIG_GATE_ON;
	cr_assert_eq(check_side(), -ENOTSUP);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "gate-undriven");
	here.device[0].gate = VFIOMIG_GATE_OFF;
	cr_assert_eq(check_side(), 0, "the device's word counts more");
	here.side.gate = VFIOMIG_GATE_OFF;
	here.device[0].gate = VFIOMIG_GATE_ON;
	cr_assert_eq(check_side(), -ENOTSUP);
	here.device[0].owned_by_vmm = false;
	cr_assert_eq(check_side(), 0);
}

Test(plan, moves_a_device_without_p2p_alone_or_not_at_all)
{
	start(2);
	cr_assert_eq(check_side(), 0, "%s", err.text);
	here.device[1].info.migration_flags = VFIOMIG_MIGRATION_STOP_COPY;
	cr_assert_eq(check_side(), -ENOTSUP);
	cr_assert_eq(err.code, VFIOMIG_PREFLIGHT);
	cr_assert_str_eq(err.name, "no-p2p");
	cr_assert(strstr(err.text, "'vfio:1'"), "%s", err.text);
	here.handle[0] = &here.device[1];
	here.side.devices = 1;
	cr_assert_eq(check_side(), 0, "%s", err.text);
}

Test(plan, wants_stop_copy_of_every_device_and_names_that_differ)
{
	start(2);
	here.device[1].info.migration_flags = 0;
	cr_assert_eq(check_side(), -ENOTSUP);
	cr_assert_str_eq(err.name, "no-migration");
	start(2);
	name(&here, 0, "a"), name(&here, 1, "a");
	cr_assert_eq(check_side(), -EINVAL);
	cr_assert_str_eq(err.name, "same-name");
}
