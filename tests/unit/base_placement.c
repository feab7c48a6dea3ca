/* SPDX-License-Identifier: MIT */
/* What sysfs says of NUMA nodes, read from a sysfs of the test's own; and that a wish that cannot be granted changes nothing. */
#include <errno.h>

#include "base/placement.h"
#include "support/fake_sysfs.h"

static struct fake_sysfs fake;

static void open_two_nodes(void)
{
	fake_sysfs_open(&fake);
	fake_file(&fake, "sys/devices/system/node/node0/cpulist", "0-3,8\n");
	fake_file(&fake, "sys/devices/system/node/node1/cpulist", "4-7\n");
	fake_file(&fake, "sys/devices/system/node/node2/cpulist", "\n");
	fake_file(&fake, "sys/devices/system/node/node0/distance", "10 21 31\n");
	fake_file(&fake, "sys/class/net/near0/device/numa_node", "1\n");
	fake_file(&fake, "sys/class/net/soft0/device/numa_node", "-1\n");
}

static void close_fake(void)
{
	fake_sysfs_close(&fake);
}

TestSuite(placement, .init = open_two_nodes, .fini = close_fake);

Test(placement, finds_the_node_of_a_network_card)
{
	cr_assert_eq(placement_net_node(fake.sysfs, "near0"), 1);
}

Test(placement, knows_no_node_of_an_interface_without_a_device)
{
	cr_assert_eq(placement_net_node(fake.sysfs, "soft0"), -1);
	cr_assert_eq(placement_net_node(fake.sysfs, "none"), -1);
}

Test(placement, tells_how_far_a_node_is_from_another)
{
	cr_assert_eq(placement_distance(fake.sysfs, 0, 1), 21);
	cr_assert_eq(placement_distance(fake.sysfs, 0, 2), 31);
}

Test(placement, counts_only_nodes_that_are_online_in_a_line_of_distances)
{
	fake_file(&fake, "sys/devices/system/node/online", "0,8,250-251\n");
	fake_file(&fake, "sys/devices/system/node/node0/distance", "10 40 80 81\n");
	cr_assert_eq(placement_distance(fake.sysfs, 0, 8), 40);
	cr_assert_eq(placement_distance(fake.sysfs, 0, 251), 81);
	cr_assert_eq(placement_distance(fake.sysfs, 0, 1), 10, "node 1 is off");
}

Test(placement, takes_what_is_unknown_for_near)
{
	cr_assert_eq(placement_distance(fake.sysfs, 0, 0), 10);
	cr_assert_eq(placement_distance(fake.sysfs, -1, 1), 10);
	cr_assert_eq(placement_distance(fake.sysfs, 0, -1), 10);
	cr_assert_eq(placement_distance(fake.sysfs, 0, 3), 10, "there is no fourth number");
	cr_assert_eq(placement_distance(fake.sysfs, 1, 0), 10, "node 1 has no such file");
}

Test(placement, reads_ranges_and_single_processors)
{
	cpu_set_t cpus;

	cr_assert_eq(placement_cpus(fake.sysfs, 0, &cpus), 0);
	cr_assert_eq(CPU_COUNT(&cpus), 5);
	cr_assert(CPU_ISSET(0, &cpus) && CPU_ISSET(3, &cpus) && CPU_ISSET(8, &cpus) && !CPU_ISSET(4, &cpus));
}

Test(placement, refuses_what_is_no_list_of_processors)
{
	static const char *const bad[] = { "x\n", "3-1\n", "1-\n", "1;2\n", "-1\n" };
	cpu_set_t cpus;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fake_file(&fake, "sys/devices/system/node/node5/cpulist", bad[i]);
		cr_assert_eq(placement_cpus(fake.sysfs, 5, &cpus), -EINVAL, "%s", bad[i]);
	}
	cr_assert_eq(placement_cpus(fake.sysfs, 6, &cpus), -ENOENT);
}

Test(placement, keeps_a_thread_within_what_it_may_use)
{
	cpu_set_t before, after;
	char one[32];
	int first = 0;

	cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(first, &before))
		first++;
	snprintf(one, sizeof(one), "%d,1023\n", first);
	fake_file(&fake, "sys/devices/system/node/node7/cpulist", one);
	cr_assert_eq(placement_run(fake.sysfs, 7), 0);
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(CPU_COUNT(&after) == 1 && CPU_ISSET(first, &after));
}

Test(placement, changes_nothing_for_a_node_without_an_allowed_processor)
{
	cpu_set_t before, after;

	cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	cr_assert_eq(placement_run(fake.sysfs, 2), -EPERM);
	cr_assert_eq(placement_run(fake.sysfs, 9), -ENOENT);
	cr_assert_eq(placement_run(fake.sysfs, -1), 0);
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(CPU_EQUAL(&before, &after));
}
