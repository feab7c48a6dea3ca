# shellcheck shell=bash
# Sourced in the guest. How rdma-vfiomig is called: its command line is made in this file and nowhere else.
#
# A transfer takes its devices from "sources" and "destinations" (UUIDs, or whole specs), and what it is to do from these:
transfer_defaults()
{
	transport=rdma qps=8 gate=auto slots=8 slot_bytes=1048576 integrity=none loader=auto payload=clear
	sources=() destinations=()
	security=(--insecure)			# of both sides: the guest's network has nobody else in it
	send_more=() recv_more=()		# further options of one side
	send_launcher=() recv_launcher=()	# what starts one side's program, as in "setpriv ..."
	then=close on_abort=close		# both sides end by themselves
	send_limit=60				# seconds
}

port=7000
program_pids=()

specs()	# specs DEVICE...: the --device options, each device named d0, d1, ... by its place
{
	local device i=0
	for device in "$@"; do
		case $device in
		*:*) ;;
		*) device=vfio:$device ;;
		esac
		words+=(--device "$device,name=d$i")
		i=$((i + 1))
	done
}

recv_words()
{
	words=("${recv_launcher[@]}" "$PROGRAM" recv --listen "$destination_ip:$port" --once --json --then "$then"
		--transport "$transport" --slots "$slots" --slot-bytes "$slot_bytes" --config-after-iter "$gate"
		--loader "$loader" --peer-timeout 10 "${security[@]}")
	specs "${destinations[@]}"
	words+=("${recv_more[@]}")
}

send_words()
{
	words=("${send_launcher[@]}" "$PROGRAM" send --to "$destination_ip:$port" --bind "$source_ip" --json
		--on-abort "$on_abort" --transport "$transport" --qps "$qps" --slots "$slots" --slot-bytes "$slot_bytes"
		--config-after-iter "$gate" --integrity "$integrity" --payload "$payload" --peer-timeout 10 "${security[@]}")
	specs "${sources[@]}"
	words+=("${send_more[@]}")
}

# start recv|send: in the background; its pid is then in recv_pid or send_pid, its output in SIDE.json and SIDE.err.
start()
{
	local words
	"$1_words"
	: >"$1.json" >"$1.err"
	echo "+ ${words[*]}" >"$1.command"
	"${words[@]}" >"$1.json" 2>"$1.err" &
	program_pids+=($!)
	printf -v "$1_pid" %s $!
}

# finish recv|send SECONDS: waits for its end, or ends it; the exit code is then in recv_code or send_code.
finish()
{
	local pid code=0
	pid=$1_pid
	pid=${!pid}
	if ! wait_for "$2" ended "$pid"; then
		echo "$1 did not end within $2 s" >&2
		kill -TERM "$pid" 2>/dev/null || true
		wait_for 5 ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		code=124
	else
		wait "$pid" || code=$?
	fi
	printf -v "$1_code" %s $code
}

# A child that has ended but was not waited for is a zombie: "Z" in its stat.
ended()
{
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
	[[ ${stat##*) } == Z* ]]
}

listening() { [[ $(<recv.err) == *'listening on '* ]] || ended "$recv_pid"; }

start_recv()
{
	port=$((port + 1))
	start recv
	wait_for 20 listening || { echo "recv is not ready after 20 s" >&2; cat recv.err >&2; }
}

# doctor [OPTION...]: an examination; what it found is in doctor.json and, line by line, in doctor.lines, its exit code in doctor_code. doctor_launcher starts it.
doctor_launcher=()
doctor()
{
	doctor_code=0
	"${doctor_launcher[@]}" "$PROGRAM" doctor --json "$@" >doctor.json 2>doctor.err || doctor_code=$?
	jq -r '.[] | "\(.verdict) \(.check)\u001f\(.what)\u001f\(.mend // "")"' doctor.json >doctor.lines || true
}

# transfer: one migration, from both programs' start to their end.
transfer() { transfer_by both_sides; }

both_sides()
{
	start_recv
	start send
	finish send "$send_limit"
	finish recv 20
}

# transfer_by COMMAND: one migration that COMMAND makes; it leaves the programs' output, send_code and recv_code.
transfer_by()
{
	local end before
	# shellcheck disable=SC2086 # interface and direction
	for end in va_tx vb_rx lo_rx; do counter $end ${end/_/ }; done
	"$1"
	for end in va_tx vb_rx lo_rx; do
		before=${!end}
		# shellcheck disable=SC2086
		counter $end ${end/_/ }
		printf -v $end %s $((${!end} - before))
	done
	read_results send recv
}

# read_results SIDE...: what their JSON says and is judged, as variables: send_bytes, recv_gate and so on; empty without any.
read_results()
{
	local side fact
	for side in send recv; do
		for fact in message name source_state destination_state transport gate loader integrity payload authentication refused bytes \
			lanes_lost packets_resent downtime_us arena_bytes lanes packets fewest most per_lane lane_rails lane_bytes order held_by \
			gates nodes slots_node precopy_bytes stop_copy_bytes; do printf -v "${side}_$fact" %s ''; done
	done
	eval "$("$top/build/vm/facts" "${@/%/.json}")"
}

# Ends what a test left running; true if there was nothing.
programs_down()
{
	local pid left=0
	for pid in "${program_pids[@]}"; do
		ended "$pid" && continue
		left=1
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	program_pids=()
	return $left
}
