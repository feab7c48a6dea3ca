# shellcheck shell=bash
# What fails half way: the source goes on, the destination is reset, nothing is left, and a sentence says why.

pair()	# pair BYTES [KEY=VALUE...]
{
	pair_new 41 "stream_bytes=$1" "${@:2}"
	sources=("$source") destinations=("$destination")
}

case_the_source_fails_at_a_byte()
{
	for transport in rdma tcp; do
		pair $((8 << 20)) source.save_fail_at=3000001
		transfer
		judge_failed send STOP_COPY 3000001
	done
}

case_the_destination_fails_at_a_byte()
{
	for transport in rdma tcp; do
		for loader in uring write; do
			pair $((8 << 20)) destination.load_fail_at=3000001
			transfer
			judge_failed recv RESUMING 3000001
		done
	done
}

case_the_destination_fails_at_its_first_packet()
{
	pair $((8 << 20)) destination.load_fail_at=1
	transfer
	judge_failed recv RESUMING 1
}

# The seed differs, so every byte is wrong: the device says so when RESUMING is left.
case_the_destination_refuses_the_content()
{
	pair 3000000 destination.seed=42
	transfer
	equal "send: exit code" "$send_code" 6
	equal "recv: exit code" "$recv_code" 6
	matches "recv: it says why" "$recv_message" '\bd0\b' RESUMING
	equal "the device's verdict" "$(status_of "$destination" content)" bad
	judge_undone
}

case_the_destination_fails_to_leave_resuming()
{
	pair 3000000 destination.fail_arc=1	# STOP
	transfer
	equal "send: exit code" "$send_code" 6
	judge_undone
}

case_after_a_failure_the_same_devices_migrate()
{
	pair 3000000 destination.load_fail_at=1000000
	transfer
	equal "send: exit code" "$send_code" 6
	device_set "$destination" load_fail_at=0
	transfer
	judge_success 3000000
}

# signalled SIDE: SIGINT to that side while a slow device is being loaded
signalled()
{
	local pid=${1}_pid code=${1}_code
	pair $((8 << 20)) destination.rate=2000000
	start_recv
	start send
	wait_for 20 loading || true
	kill -INT "${!pid}" || true
	finish send 30
	finish recv 20
	read_results send recv
	equal "$1: exit code" "${!code}" 9
	judge_undone
}

loading() { [ "$(status_of "$destination" bytes_loaded)" -gt 0 ]; }

case_the_sender_is_interrupted() { signalled send; }
case_the_receiver_is_interrupted() { signalled recv; }

case_the_receiver_holds_its_device_until_sigterm()
{
	pair 3000000
	then=hold
	start_recv
	start send
	finish send 60
	wait_for 10 test -s recv.json || true
	equal "send: exit code" "$send_code" 0
	equal "the device runs" "$(status_of "$destination" state)" RUNNING
	equal "it is held" "$(status_of "$destination" open)" 1
	kill -TERM "$recv_pid" || true
	finish recv 20
	equal "recv: exit code" "$recv_code" 0
}

case_the_sender_holds_its_device_after_a_failure()
{
	pair 3000000 source.save_fail_at=1000000
	on_abort=hold
	start_recv
	start send
	finish recv 60
	wait_for 20 test -s send.json || true
	equal "recv: exit code" "$recv_code" 6
	equal "the device runs" "$(status_of "$source" state)" RUNNING
	equal "it is held" "$(status_of "$source" open)" 1
	kill -TERM "$send_pid" || true
	finish send 20
	equal "send: exit code" "$send_code" 6
	judge_undone
}
