# shellcheck shell=bash
# What is refused before anything is stopped: exit code 2 or 3, a sentence, no change.

pair()
{
	pair_new 51 stream_bytes=3000000 "$@"
	sources=("$source") destinations=("$destination")
}

# refused_at_once SIDE PATTERN...: that side alone
refused_at_once()
{
	start "$1"
	finish "$1" 30
	read_results "$1"
	judge_refused "$@"
}

case_a_device_without_migration_is_refused()
{
	pair flags=0
	refused_at_once recv 'migrat' "$destination|d0"
	refused_at_once send 'migrat' "$source|d0"
}

# nic_for_vfio: prints the address of the emulated network card, bound to vfio-pci
nic_for_vfio()
{
	local nic address
	read -r address < <(network_cards) || return
	nic=/sys/bus/pci/devices/$address
	modprobe vfio-pci
	[ ! -e "$nic/driver" ] || echo "$address" >"$nic/driver/unbind"
	echo vfio-pci >"$nic/driver_override"
	echo "$address" >/sys/bus/pci/drivers_probe
	echo "$address"
}

case_a_network_card_without_migration_is_refused()
{
	local address
	address=$(nic_for_vfio)
	destinations=("vfio:$address")
	start recv
	finish recv 30
	read_results recv
	equal "recv: exit code" "$recv_code" 3
	matches "it says why" "${recv_message:-$(cat recv.err)}" migrat
}

case_an_unknown_device_is_refused()
{
	pair
	destinations=(vfio:12345678-0000-4000-8000-000000000000)
	start recv
	finish recv 30
	read_results recv
	equal "recv: exit code" "$recv_code" 3
	matches "it says why" "${recv_message:-$(cat recv.err)}" 12345678-0000
}

# Root may lock what it likes, so the capability is taken away.
case_too_little_lockable_memory_is_refused()
{
	pair
	send_launcher=(setpriv '--bounding-set=-ipc_lock' '--inh-caps=-ipc_lock' bash -c 'ulimit -l 64; exec "$@"' -)
	transfer
	judge_refused send '[0-9]{6,} bytes' 'memlock|ulimit|lock'
}

case_too_little_lockable_memory_at_the_receiver_is_refused()
{
	pair
	recv_launcher=(setpriv '--bounding-set=-ipc_lock' '--inh-caps=-ipc_lock' bash -c 'ulimit -l 64; exec "$@"' -)
	transfer
	judge_refused recv '[0-9]{6,} bytes' 'memlock|ulimit|lock'
}

case_a_port_in_use_is_refused()
{
	local first first_port
	pair
	start_recv
	first=$recv_pid first_port=$port
	pair_new 52 stream_bytes=1000
	destinations=("$destination")
	start recv
	finish recv 30
	read_results recv
	equal "recv: exit code" "$recv_code" 3
	matches "it says why" "${recv_message:-$(cat recv.err)}" 'another program has it' "$first_port"
	kill -TERM "$first"
	recv_pid=$first
	finish recv 20
	equal "the first one: cancelled" "$recv_code" 9
}

case_explicit_gates_that_differ_are_refused()
{
	pair
	gate=on recv_more=(--config-after-iter off)
	transfer
	judge_refused send 'gate|config-after-iter'
}

case_more_devices_than_the_peer_has_are_refused()
{
	pair
	pair_new 53 stream_bytes=1000
	sources+=("$source")
	transfer
	judge_refused send device
}

# Two devices need P2P states, both of them.
case_several_devices_without_p2p_are_refused()
{
	pair flags=1
	pair_new 53 stream_bytes=1000
	sources+=("$source") destinations+=("$destination")
	transfer
	judge_refused send 'p2p|peer-to-peer'
}

case_numbers_of_lanes_out_of_range_are_refused()
{
	for qps in 0 65; do
		pair
		start send
		finish send 20
		equal "--qps $qps: exit code" "$send_code" 2
		matches "it says why" "$(cat send.err)" qps
	done
}

case_nobody_listening_is_said()
{
	pair
	port=$((port + 1))
	start send
	finish send 60
	read_results send
	at_least "send: exit code" "$send_code" 1
	at_most "send: exit code" "$send_code" 8
	matches "it says why" "${send_message:-$(cat send.err)}" refused
	equal "the device was never stopped" "$(status_of "$source" state)" RUNNING
}
