# shellcheck shell=bash
# Devices that are not simple: short reads and writes, slow ones, several.

# devices COUNT BYTES [KEY=VALUE...]: makes pairs and puts them up for transfer
devices()
{
	local i count=$1 bytes=$2
	shift 2
	sources=() destinations=()
	for ((i = 0; i < count; i++)); do
		pair_new $((30 + i)) "stream_bytes=$bytes" "$@"
		sources+=("$source") destinations+=("$destination")
	done
}

both_transports()
{
	for transport in rdma tcp; do
		devices "$@"
		transfer
		judge_success "$2"
	done
}

case_a_device_takes_100000_bytes_a_call() { gate=on both_transports 1 $((8 << 20)) chunk=100000; }

case_a_device_takes_7_bytes_a_call()
{
	slots=4 slot_bytes=65536
	devices 1 100000 chunk=7
	transfer
	judge_success 100000
}

# Its writes sleep for different times: with two of them under way at once the order would be lost.
case_a_device_sleeps_in_write() { slots=4 slot_bytes=65536 gate=on both_transports 1 3000000 destination.write_ms=10; }

case_a_device_sleeps_and_takes_little()
{
	slots=4 slot_bytes=65536
	devices 1 1500000 chunk=30000 destination.write_ms=5
	transfer
	judge_success 1500000
}

case_both_loaders()
{
	for loader in uring write; do
		devices 1 3000000 chunk=100000
		transfer
		judge_success 3000000
		equal "recv: loader" "$recv_loader" $loader
	done
}

case_four_devices()
{
	gate=on
	both_transports 4 $((4 << 20))
}

# Four devices that take half a second to validate: together they must not take two.
case_devices_validate_in_parallel()
{
	local i first=0 last=0 done_us
	gate=on
	devices 4 1000000 destination.load_ms=500
	transfer
	judge_success 1000000
	at_most "downtime in ms" $((send_downtime_us / 1000)) 1800
}

# By the order of events and not by the clock: the fast one has all its state when the slow one has less than half of it.
case_a_slow_device_does_not_hold_back_a_fast_one()
{
	local fast slow half
	for transport in rdma tcp; do
		devices 2 $((6 << 20))
		device_set "${destinations[0]}" rate=3000000
		transfer
		judge_success $((6 << 20))
		slow=${destinations[0]} fast=${destinations[1]}
		half=$((($(status_of "$slow" load_first_us) + $(status_of "$slow" load_done_us)) / 2))
		at_most "$transport: the fast one is complete before the slow one is half" "$(status_of "$fast" load_done_us)" $half
		equal "$transport: order of completion" "$recv_order" '2 1'
	done
}

case_a_device_without_p2p_goes_alone()
{
	devices 1 3000000 flags=1
	transfer
	judge_success 3000000
}

case_precopy_data_may_end_either_way()
{
	local how
	for how in N Y; do
		pair_new 39 state_size=3000000 precopy_size=2000000 precopy_zero=$how
		sources=("$source") destinations=("$destination")
		transfer
		equal "precopy_zero=$how: exit code" "$send_code" 0
		judge_content "$destination" "$(status_of "$source" bytes_saved)" d0
	done
}

# A VMM opens its devices itself and hands the descriptors on.
inherited_descriptors()
{
	pair_new 41 stream_bytes=3000000
	kernel_source=$source kernel_destination=$destination
	send_launcher=("$top/build/vm/handover" "$source" 9)
	recv_launcher=("$top/build/vm/handover" "$destination" 9)
	sources=(vfio:fd=9) destinations=(vfio:fd=9)
	transfer
	sources=("$kernel_source") destinations=("$kernel_destination")
}

case_inherited_descriptors_are_migrated_and_stay_the_callers()
{
	gate=off
	inherited_descriptors
	judge_success 3000000
	equal "send: held by" "$send_held_by" caller
	equal "recv: held by" "$recv_held_by" caller
}

case_an_inherited_descriptor_behind_the_gate_is_refused()
{
	gate=on
	pair_new 42 stream_bytes=3000000
	kernel_destination=$destination
	recv_launcher=("$top/build/vm/handover" "$destination" 9)
	destinations=(vfio:fd=9)
	start recv
	finish recv 20
	equal "recv: exit code" "$recv_code" 3
	matches "recv: it says why" "$(cat recv.err)" 'gate|config-after-iter'
	equal "the device was not touched" "$(status_of "$kernel_destination" state)" RUNNING
}
