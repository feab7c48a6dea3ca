# shellcheck shell=bash
# Where memory and threads are, by what the kernel says of the running processes. The guest has two NUMA nodes with a processor
# each. Its veth pair is on none; a network card is on node 1, and a device is where it is put.

node_cpus() { cat "/sys/devices/system/node/node$1/cpulist"; }

# arena_pages SIDE NODE: how many pages that were wished on node 1 lie on NODE
arena_pages()
{
	local pid=${1}_pid
	sed -n 's/^[^ ]* prefer[^:]*:1 .* N'"$2"'=\([0-9]*\).*/\1/p' "/proc/${!pid}/numa_maps" | awk '{ pages += $1 } END { print pages + 0 }'
}

# threads SIDE NAME: on which processors the threads of that name may run, one line for each kind of answer
threads()
{
	local pid=${1}_pid task comm
	for task in /proc/"${!pid}"/task/*; do
		read -r comm 2>/dev/null <"$task/comm" || continue
		[[ $comm != "$2"* ]] || sed -n 's/^Cpus_allowed_list:\t//p' "$task/status"
	done | sort -u
}

loading() { [ "$(status_of "$destination" bytes_loaded)" -gt 600000 ]; }

source_node='' destination_node='' # of the devices; on none

caught_while_it_flows()	# caught_while_it_flows OPTION...
{
	slots=8 slot_bytes=262144
	pair_new 35 stream_bytes=$((8 << 20)) destination.rate=2000000
	[ -z "$source_node" ] || echo "$source_node" >"$mdevs/$source/numa_node"
	[ -z "$destination_node" ] || echo "$destination_node" >"$mdevs/$destination/numa_node"
	sources=("$source") destinations=("$destination")
	send_more=("$@" --peer-timeout 60) recv_more=("$@" --peer-timeout 60)
	start_recv
	start send
	wait_for 90 loading || wrong "the stream flows" "nothing was loaded"
	kill -STOP "$send_pid" "$recv_pid" # they can be looked at as long as it takes
}

it_ends_well()
{
	kill -CONT "$send_pid" "$recv_pid"
	finish send "$send_limit"
	finish recv 20
	read_results send recv
	judge_source "$source" $((8 << 20)) d0
	judge_content "$destination" $((8 << 20)) d0
	[ $claims_wrong = 0 ] || show_programs
}

case_slots_threads_and_their_workers_are_on_the_node_that_was_asked_for()
{
	local side slots_pages=$((8 * 262144 / 4096))
	equal "NUMA nodes of the guest (it has two with two processors or more)" "$(cat /sys/devices/system/node/online)" 0-1
	caught_while_it_flows --numa-node 1
	for side in send recv; do
		at_least "$side: pages of slots on node 1" "$(arena_pages $side 1)" $slots_pages
		equal "$side: pages of slots on node 0" "$(arena_pages $side 0)" 0
		equal "$side: its device's thread runs on" "$(threads $side mig-device)" "$(node_cpus 1)"
	done
	equal "recv: io_uring's workers run on" "$(threads recv iou-wrk)" "$(node_cpus 1)"
	it_ends_well
	equal "nodes of slots and device in the JSON of both" "$send_slots_node $send_nodes $recv_slots_node $recv_nodes" "1 1 1 1"
}

# card_up: RDMA on the card of node 1, at both ends: nothing leaves it
card_up()
{
	local nic
	net_touched=1
	modprobe e1000e
	for nic in $(network_cards); do
		[ "$(<"/sys/bus/pci/devices/$nic/numa_node")" != 1 ] || break
	done
	nic=$(echo "/sys/bus/pci/devices/$nic/net/"*)
	nic=${nic##*/}
	equal "the card's node" "$(<"/sys/class/net/$nic/device/numa_node")" 1
	ip addr add 10.9.5.1/24 dev "$nic"
	ip link set "$nic" up
	rdma link add rxe5 type rxe netdev "$nic"
	wait_for 10 gid_index rxe5 10.9.5.1
	source_ip=10.9.5.1 destination_ip=10.9.5.1
}

case_by_default_slots_are_on_the_cards_node_and_threads_on_their_devices()
{
	local side slots_pages=$((8 * 262144 / 4096))
	source_node=0 destination_node=1
	card_up
	caught_while_it_flows
	for side in send recv; do
		at_least "$side: pages of slots on the card's node" "$(arena_pages $side 1)" $slots_pages
		equal "$side: pages of slots on the other one" "$(arena_pages $side 0)" 0
	done
	equal "send: its device's thread runs on" "$(threads send mig-device)" "$(node_cpus 0)"
	equal "recv: its device's thread runs on" "$(threads recv mig-device)" "$(node_cpus 1)"
	equal "recv: io_uring's workers run on" "$(threads recv iou-wrk)" "$(node_cpus 1)"
	it_ends_well
	equal "transport" "$send_transport" rdma
	equal "nodes of slots and device in the JSON of both" "$send_slots_node $send_nodes $recv_slots_node $recv_nodes" "1 0 1 1"
	matches "send: it warns" "$(<send.err)" "device 'd0' is on NUMA node 0 of the source, and the network card on node 1"
	equal "recv: it does not" "$(grep -c 'crosses' recv.err)" 0
}

case_without_a_wish_nothing_is_bound_to_a_node()
{
	local side all
	all=$(cat /sys/devices/system/cpu/online)
	caught_while_it_flows --numa-node off
	for side in send recv; do
		equal "$side: pages with a wish for node 1" "$(arena_pages $side 0) $(arena_pages $side 1)" "0 0"
		equal "$side: its device's thread runs on" "$(threads $side mig-device)" "$all"
	done
	it_ends_well
}

case_a_node_that_is_not_there_is_refused()
{
	pair_new 36 stream_bytes=1048576
	sources=("$source") destinations=("$destination")
	send_more=(--numa-node 9)
	start_recv
	start send
	finish send 20
	kill -TERM "$recv_pid"
	finish recv 20
	read_results send recv
	equal "send: exit code" "$send_code" 3
	matches "send: it says why" "$send_message" 'no NUMA node 9'
	equal "the source's device runs" "$(status_of "$source" state)" RUNNING
}
