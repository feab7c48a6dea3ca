# shellcheck shell=bash
# What breaks in the middle of the stream: a side is killed, the link, the wire, or the RDMA device goes. Who survives says
# so, the source runs, nothing is left, and the same devices migrate as soon as the fault is over.

# The destination is slow and has room for 1 MiB: the stream flows for 4 s and can be caught in the middle.
slow_pair()	# slow_pair SEED [KEY=VALUE...]
{
	slots=4 slot_bytes=262144
	pair_new "$1" stream_bytes=$((8 << 20)) destination.rate=2000000 "${@:2}"
	sources=("$source") destinations=("$destination")
	before_the_fault=$(rdma_objects)
}

# What processes have on the RDMA devices: queue pairs, registrations, contexts ...
rdma_objects() { rdma resource show | sed 's/^[0-9]*: //' | sort; }
no_rdma_object_is_left() { [ "$(rdma_objects)" = "$before_the_fault" ]; }

# There is data in the device, and more to come.
loading() { [ "$(status_of "$destination" bytes_loaded)" -gt 200000 ]; }

into_the_stream()
{
	start_recv
	start send
	wait_for 30 loading || wrong "the stream flows" "nothing was loaded"
	at_most "bytes loaded when it breaks" "$(status_of "$destination" bytes_loaded)" $((7 << 20))
}

# one_of CLAIM IS WORD...
one_of()
{
	local claim=$1 is=$2 word
	shift 2
	for word in "$@"; do
		[ "$is" != "$word" ] || { right "$claim ($is)"; return 0; }
	done
	wrong "$claim" "is \"$is\", should be one of: $*"
}

# survivor SIDE SECONDS CODE...: it ends in that time with one of these codes, and says why
survivor()
{
	local side=$1 limit=$2 code=${1}_code text=${1}_message began=$SECONDS
	shift 2
	finish "$side" $((limit + 20))
	at_most "$side: seconds until it ended" $((SECONDS - began)) "$limit"
	read_results "$side"
	one_of "$side: exit code" "${!code}" "$@"
	matches "$side: it says why" "${!text}" '[a-z]{3,} [a-z]+'
}

# running_again SECONDS: after so long at most, whatever the program still has to do
source_device_runs() { [ "$(status_of "$source" state)" = RUNNING ]; }
running_again()
{
	local began=$SECONDS
	wait_for $(($1 + 20)) source_device_runs || true
	at_most "seconds until the source's device ran again" $((SECONDS - began)) "$1"
}

source_runs()
{
	equal "send: source" "$send_source_state" running
	equal "the source's device runs" "$(status_of "$source" state)" RUNNING
}

destination_is_reset()
{
	equal "recv: destination" "$recv_destination_state" reset
	equal "the destination's device is reset" "$(status_of "$destination" state)" RUNNING
	equal "it never ran a loaded state" "$(status_of "$destination" loads)" 0
}

nothing_is_left()
{
	equal "who holds the devices" "$(status_of "$source" open) $(status_of "$destination" open)" "0 0"
	succeeds "no process is left" programs_down
	wait_for 10 no_rdma_object_is_left || wrong "nothing is left on the RDMA devices" "$(rdma_objects)"
}

the_next_migration_succeeds()
{
	net_mend
	device_set "$destination" rate=0
	transfer
	judge_success $((8 << 20))
}

aftermath()
{
	nothing_is_left
	[ $claims_wrong = 0 ] || show_programs
	the_next_migration_succeeds
}

source_killed()
{
	slow_pair 81
	into_the_stream
	kill -KILL "$send_pid"
	survivor recv 5 5
	destination_is_reset
	aftermath
}

case_rdma_the_source_is_killed() { source_killed; }

case_tcp_the_source_is_killed()
{
	transport=tcp
	source_killed
}

destination_killed()
{
	slow_pair 82
	into_the_stream
	kill -KILL "$recv_pid"
	running_again 3
	survivor send 5 5
	source_runs
	aftermath
}

case_rdma_the_destination_is_killed() { destination_killed; }

case_tcp_the_destination_is_killed()
{
	transport=tcp
	destination_killed
}

both_survive()	# both_survive SECONDS CODE...
{
	survivor send "$@"
	source_runs
	survivor recv "$@"
	destination_is_reset
}

# Takes the lanes, and with the address also the control connection's way.
case_rdma_the_link_goes_down()
{
	slow_pair 83
	net_touched=1
	into_the_stream
	ip link set va down
	running_again 13
	both_survive 25 5 8
	aftermath
}

# Under traffic a new qdisc drops what is queued, so it is there before.
wire_of_transport() { if [ "$transport" = rdma ]; then echo va vb; else echo lo; fi; }

wire()	# wire add|change NETEM-OPTION...
{
	local end verb=$1
	shift
	net_touched=1
	for end in $(wire_of_transport); do tc qdisc "$verb" dev "$end" root netem "$@" limit 10000; done
}

survives_the_wire()	# survives_the_wire NETEM-OPTION...
{
	pair_new 84 stream_bytes=$((8 << 20))
	sources=("$source") destinations=("$destination")
	wire add "$@"
	transfer
	judge_success $((8 << 20))
	for end in $(wire_of_transport); do tc -s qdisc show dev "$end" | sed -n 's/^ *Sent/  '"$end"' sent/p'; done
}

case_rdma_one_packet_of_a_hundred_is_lost() { survives_the_wire loss 1%; }

case_tcp_one_packet_of_a_hundred_is_lost()
{
	transport=tcp
	survives_the_wire loss 1%
}

case_rdma_packets_are_reordered() { survives_the_wire delay 1ms reorder 98%; }

case_tcp_packets_are_reordered()
{
	transport=tcp
	survives_the_wire delay 1ms reorder 98%
}

# Nothing is refused and nothing reset: only time tells. With TCP that takes the control connection along, with RDMA it is
# the lanes alone.
goes_silent()
{
	local limit
	slow_pair 85
	send_more=(--peer-timeout 5) recv_more=(--peer-timeout 5)
	wire add loss 0%
	into_the_stream
	wire change loss 100%
	# Of RDMA's lanes those die first that have something under way; what they leave then finds the others as dead.
	[ "$transport" = tcp ] && limit=8 || limit=15
	running_again "$limit"
	both_survive 15 5 8
	send_more=() recv_more=()
	aftermath
}

case_rdma_the_wire_goes_silent() { goes_silent; }

case_tcp_the_wire_goes_silent()
{
	transport=tcp
	goes_silent
}

device_removed()	# device_removed LINK
{
	slow_pair 86
	net_touched=1
	into_the_stream
	succeeds "rdma link delete $1" timeout -k 1 20 rdma link delete "$1"
	both_survive 10 5
	# Which of both sentences is the session's is a race of two ends; the side that knows says so in any case.
	matches "the side that lost it says so" "$send_message $recv_message $(<send.err) $(<recv.err)" 'device was removed'
	rdma_up
	aftermath
}

case_rdma_the_sources_device_is_removed() { device_removed $source_rdma; }
case_rdma_the_destinations_device_is_removed() { device_removed $destination_rdma; }

# A destination that loads slowly lets little be sent: never is a receive missing, and no memory grows.
rnr_errors()
{
	local device counter total=0
	for device in $source_rdma $destination_rdma; do
		for counter in /sys/class/infiniband/$device/ports/1/hw_counters/*rnr*; do
			total=$((total + $(<"$counter")))
		done
	done
	echo $total
}

# note_peak SIDE: the most bytes that its process has had, into SIDE_peak, as long as it lives
note_peak()
{
	local pid=${1}_pid key value rest
	while read -r key value rest; do
		[ "$key" != VmHWM: ] || printf -v "${1}_peak" %s $((value * 1024))
	done 2>/dev/null <"/proc/${!pid}/status" || true
}

case_rdma_a_slow_destination_needs_neither_memory_nor_retries()
{
	local rnr send_peak=0 recv_peak=0 arena
	pair_new 87 stream_bytes=$((24 << 20)) destination.rate=6000000
	slots=4 slot_bytes=262144
	sources=("$source") destinations=("$destination")
	rnr=$(rnr_errors)
	start_recv
	start send
	while ! ended "$send_pid" && ! ended "$recv_pid"; do
		note_peak send
		note_peak recv
		short_sleep
	done
	finish send 30
	finish recv 20
	read_results send recv
	equal "exit codes" "$send_code $recv_code" "0 0"
	judge_content "$destination" $((24 << 20)) d0
	equal "messages that found no receive" "$(rnr_errors)" "$rnr"
	arena=$recv_arena_bytes
	at_least "recv: bytes at its peak" "$recv_peak" "$arena"
	at_most "recv: bytes at its peak" "$recv_peak" $((arena + (16 << 20)))
	at_most "send: bytes at its peak" "$send_peak" $((arena + (16 << 20)))
	at_most "bytes that the arena takes" "$arena" $((2 << 20))
	[ $claims_wrong = 0 ] || show_programs
}
