# shellcheck shell=bash
# Two links between the two hosts: lanes lie on both, and when one is taken down in the middle of the stream the other carries on.
# With RDMA each link has a device of its own at either end, so there are two registrations and two keys.

bytes=$((8 << 20))

rdma_rails()
{
	net_touched=1
	second_up
	rails=("$source_ip=$destination_ip" "$second_source_ip=$second_destination_ip")
	send_more=(--rail "${rails[0]}" --rail "${rails[1]}")
	recv_more=(--rail "$second_destination_ip")
	second_link=vc
}

tcp_rails()
{
	net_touched=1
	transport=tcp
	far_up
	send_launcher=(nsenter --net="/proc/$far_pid/ns/net")
	source_ip=10.9.11.1 destination_ip=10.9.11.2
	rails=("$source_ip=$destination_ip" 10.9.12.1=10.9.12.2)
	send_more=(--rail "${rails[0]}" --rail "${rails[1]}")
	recv_more=(--rail 10.9.12.2)
	second_link=near2
}

pair_of_rails()	# pair_of_rails SEED [KEY=VALUE...]
{
	slots=4 slot_bytes=262144
	pair_new "$1" stream_bytes=$bytes "${@:2}"
	sources=("$source") destinations=("$destination")
}

# on_rail SIDE RAIL: how many lanes, and the bytes that they carried, as on_rail_lanes and on_rail_bytes
on_rail()
{
	local rails=${1}_lane_rails bytes_of=${1}_lane_bytes i
	read -ra rails <<<"${!rails}"
	read -ra bytes_of <<<"${!bytes_of}"
	on_rail_lanes=0 on_rail_bytes=0
	for i in "${!rails[@]}"; do
		[ "${rails[$i]}" = "$2" ] || continue
		on_rail_lanes=$((on_rail_lanes + 1))
		on_rail_bytes=$((on_rail_bytes + bytes_of[i]))
	done
}

judge_rails()	# judge_rails LEAST: bytes on each of them
{
	local rail
	for rail in "${rails[@]}"; do
		on_rail send "$rail"
		equal "send: lanes on $rail" "$on_rail_lanes" 4
		at_least "send: bytes on $rail" "$on_rail_bytes" "$1"
		on_rail recv "${rail#*=}"
		at_least "recv: bytes on ${rail#*=}" "$on_rail_bytes" "$1"
	done
}

judge_ends()
{
	equal "send: exit code" "$send_code" 0
	equal "recv: exit code" "$recv_code" 0
	equal "send: transport" "$send_transport" "$transport"
	judge_source "$source" $bytes d0
	judge_content "$destination" $bytes d0
	succeeds "no process is left" programs_down
}

rails_carry()
{
	local rails second_link first_before first second_before second
	"$1_rails"
	pair_of_rails 55
	counter second_before "$second_link" "$2"
	counter first_before "$3" "$2"
	both_sides
	counter second "$second_link" "$2"
	counter first "$3" "$2"
	read_results send recv
	judge_ends
	judge_rails $((bytes / 3))
	equal "recv: lanes lost" "$recv_lanes_lost" 0
	at_least "bytes over the first link" $((first - first_before)) $((bytes / 3))
	at_least "bytes over the second link" $((second - second_before)) $((bytes / 3))
	far_down
	[ $claims_wrong = 0 ] || show_programs
}

case_rdma_two_rails_both_carry_packets() { rails_carry rdma tx va; }
case_tcp_two_rails_both_carry_packets() { rails_carry tcp rx near1; }

# There is data in the device, and more to come.
loading() { [ "$(status_of "$destination" bytes_loaded)" -gt 600000 ]; }

rail_goes_down()
{
	local rails second_link
	"$1_rails"
	send_more+=(--peer-timeout 5) recv_more+=(--peer-timeout 5)
	pair_of_rails 56 destination.rate=2000000
	start_recv
	start send
	wait_for 90 loading || wrong "the stream flows" "nothing was loaded"
	ip link set "$second_link" down
	at_most "bytes loaded when the link was down" "$(status_of "$destination" bytes_loaded)" $((7 << 20))
	finish send "$send_limit"
	finish recv 20
	read_results send recv
	judge_ends
	judge_rails 1
	equal "send: lanes lost" "$send_lanes_lost" 4
	equal "recv: lanes lost" "$recv_lanes_lost" 4
	at_least "packets that went again" "$send_packets_resent" 1
	on_rail send "${rails[0]}"
	at_least "bytes on the rail that lives" "$on_rail_bytes" $((bytes / 2))
	far_down
	[ $claims_wrong = 0 ] || show_programs
}

case_rdma_a_rail_that_goes_down_is_replaced_by_the_other() { rail_goes_down rdma; }
case_tcp_a_rail_that_goes_down_is_replaced_by_the_other() { rail_goes_down tcp; }

case_a_rail_that_does_not_reach_is_refused_before_anything_is_stopped()
{
	local rails second_link
	rdma_rails
	pair_of_rails 57
	send_more=(--rail "$source_ip=$destination_ip" --rail 10.9.3.1=10.9.3.2)
	transfer
	judge_refused send 'rail 10.9.3.1=10.9.3.2' 'no such address'
	transport=tcp
	send_more=(--rail "$source_ip=$destination_ip" --rail "$second_source_ip=10.9.2.9")
	transfer
	judge_refused recv 10.9.2.9 'does not listen'
}
