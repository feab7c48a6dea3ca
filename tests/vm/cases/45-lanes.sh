# shellcheck shell=bash
# Lanes that break while others live, here by our own doing: the queue pair is moved to ERR, or the connection shut down.

# replaced LOST SIDE OPTION...: the migration completes without those lanes, and the kernel's device finds every byte right
replaced()
{
	local lost=$1 side=$2 bytes=$((16 << 20)) wrong_before=$claims_wrong
	shift 2
	pair_new 43 "stream_bytes=$bytes"
	sources=("$source") destinations=("$destination") slot_bytes=262144
	send_more=() recv_more=()
	[ "$side" != send ] || send_more=("$@")
	[ "$side" != recv ] || recv_more=("$@")
	transfer
	equal "send: exit code" "$send_code" 0
	equal "recv: exit code" "$recv_code" 0
	equal "send: transport" "$send_transport" "$transport"
	equal "send: lanes lost" "$send_lanes_lost" "$lost"
	equal "recv: lanes lost" "$recv_lanes_lost" "$lost"
	echo "packets that went again: $send_packets_resent"
	judge_source "$source" "$bytes" d0
	judge_content "$destination" "$bytes" d0
	succeeds "no process is left" programs_down
	[ $claims_wrong = "$wrong_before" ] || show_programs
}

case_one_of_eight_lanes_that_breaks_at_either_side_is_replaced()
{
	for transport in rdma tcp; do
		replaced 1 send --lose-lane 3@1M
		replaced 1 recv --lose-lane 3@1M
	done
}

case_of_eight_lanes_one_is_enough()
{
	gate=on
	for transport in rdma tcp; do
		replaced 7 send --lose-lane 0 --lose-lane 1 --lose-lane 2@256K --lose-lane 3@256K --lose-lane 4@512K \
			--lose-lane 5@512K --lose-lane 6@1M
	done
}

case_without_a_lane_the_source_goes_on()
{
	pair_new 43 "stream_bytes=$((16 << 20))"
	sources=("$source") destinations=("$destination") slot_bytes=262144 qps=2
	for transport in rdma tcp; do
		send_more=(--lose-lane 0@1M --lose-lane 1@1M)
		transfer
		equal "send: exit code" "$send_code" 5
		equal "recv: exit code" "$recv_code" 5
		judge_undone
	done
}
