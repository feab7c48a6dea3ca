#!/usr/bin/env bats
# The static probes are in the program that is shipped, under the names that scripts for QEMU know.

load lib.bash

@test "every probe is there for perf and bpftrace to attach to" {
	[[ -e /usr/include/sys/sdt.h || -e /usr/include/$(gcc -dumpmachine)/sys/sdt.h ]] || skip "sys/sdt.h is missing: tools/packages install build"
	readelf -n "$PROGRAM" >notes.out
	for name in vfio_migration_set_device_state vfio_save_block vfio_save_iterate vfio_save_device_config_state \
		vfio_save_complete_precopy_start vfio_save_complete_precopy vfio_load_state_device_buffer_incoming \
		vfio_load_state_device_buffer_starved vfio_load_state_device_buffer_load_start \
		vfio_load_state_device_buffer_load_end vfio_load_device_config_state_start \
		vfio_load_device_config_state_end; do
		grep -A1 'Provider: vfiomig' notes.out | grep -q "Name: $name\$" || fail "no probe $name"
	done
}
