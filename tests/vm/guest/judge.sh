# shellcheck shell=bash
# Sourced in the guest. What a transfer should have come to, by those who were there: the kernel's devices, the network's
# counters, both programs.

# judge_content DEVICE BYTES NAME: a destination, by the kernel's own verdict
judge_content()
{
	local device=$1 bytes=$2 name=$3
	equal "$name: the destination's device found every byte right" "$(status_of "$device" content)" good
	equal "$name: bytes that it was given" "$(status_of "$device" bytes_loaded)" "$bytes"
	equal "$name: it runs" "$(status_of "$device" state)" RUNNING
	equal "$name: states loaded" "$(status_of "$device" loads)" 1
	at_least "$name: config writes" "$(status_of "$device" config_writes)" 1
	equal "$name: config was written once as a whole" "$(status_of "$device" config_restores)" 1
	equal "$name: config writes before all state was there" "$(status_of "$device" config_early)" 0
	equal "$name: BAR bytes written after the command register" "$(status_of "$device" bars_late)" 0
	equal "$name: config bytes that differ from the source's" "$(status_of "$device" config_diff)" 0
}

judge_source()
{
	equal "$3: the source's device was read to its end" "$(status_of "$1" saved_all)" 1
	equal "$3: bytes that it gave" "$(status_of "$1" bytes_saved)" "$2"
}

# With rdma the bytes must have crossed the veth pair; with tcp the kernel routes them over lo.
judge_wire()
{
	local bytes=$1
	if [ "$send_transport" = rdma ]; then
		at_least "bytes that left the source's end of the veth pair" "$va_tx" "$bytes"
		at_least "bytes that reached the destination's end" "$vb_rx" "$bytes"
	else
		at_least "bytes over lo, as this is TCP" "$lo_rx" "$bytes"
	fi
}

# judge_lanes BYTES: of each device. A packet is at most a slot and, but for the last, at least 64 KiB; one more carries the config.
judge_lanes()
{
	local bytes=$1 count=${#sources[@]}
	equal "send: lanes" "$send_lanes" "$qps"
	equal "recv: lanes" "$recv_lanes" "$qps"
	at_least "send: packets, config included" "$send_packets" $((((bytes + slot_bytes - 1) / slot_bytes + 1) * count))
	at_most "send: packets, config included" "$send_packets" $((((bytes + 65535) / 65536 + 1) * count))
	at_most "send: difference of packets per lane" "$((send_most - send_fewest))" "$count"
	equal "recv: packets per lane as sent" "$recv_per_lane" "$send_per_lane"
}

expected_gate()
{
	case $gate,$HOSTTYPE in
	on,* | auto,aarch64) echo on ;;
	*) echo off ;;
	esac
}

# What shows that a sealed packet is whole is its seal.
expected_integrity()
{
	[ "$payload" = aead ] && echo aead || echo "$integrity"
}

# judge_success BYTES: of each device
judge_success()
{
	local bytes=$1 i wanted=$transport wrong_before=$claims_wrong
	[ "$wanted" != auto ] || wanted=rdma
	equal "send: exit code" "$send_code" 0
	equal "recv: exit code" "$recv_code" 0
	if [ "$send_code,$recv_code" != 0,0 ]; then	# all else is then wrong as well
		show_programs
		return
	fi
	equal "send: transport" "$send_transport" "$wanted"
	equal "recv: transport" "$recv_transport" "$wanted"
	equal "send: gate" "$send_gate" "$(expected_gate)"
	equal "send: integrity" "$send_integrity" "$(expected_integrity)"
	at_least "send: bytes" "$send_bytes" $((bytes * ${#sources[@]}))
	judge_lanes "$bytes"
	judge_wire $((bytes * ${#sources[@]}))
	for i in "${!sources[@]}"; do
		judge_source "${sources[$i]}" "$bytes" "d$i"
		judge_content "${destinations[$i]}" "$bytes" "d$i"
	done
	[ $claims_wrong = "$wrong_before" ] || show_programs
}

# judge_undone: after a failure nothing has moved, and nothing is left
judge_undone()
{
	local device
	for device in "${sources[@]}"; do
		equal "the source's device runs again" "$(status_of "$device" state)" RUNNING
	done
	for device in "${destinations[@]}"; do
		equal "the destination's device is reset" "$(status_of "$device" state)" RUNNING
		equal "it never ran a loaded state" "$(status_of "$device" loads)" 0
		equal "nobody holds it" "$(status_of "$device" open)" 0
	done
	succeeds "no process is left" programs_down
}

# judge_refused SIDE PATTERN...: exit code 3, a sentence, no change
judge_refused()
{
	local side=$1 code text wrong_before=$claims_wrong
	shift
	code=${side}_code
	text=${side}_message
	equal "$side: exit code" "${!code}" 3
	matches "$side: it says why" "${!text:-$(cat "$side.err")}" "$@"
	judge_undone
	[ $claims_wrong = "$wrong_before" ] || show_programs
}

# judge_failed SIDE STATE BYTE: the device of that side failed at that byte
judge_failed()
{
	local side=$1 state=$2 byte=$3 where=destination text wrong_before=$claims_wrong
	[ "$side" = recv ] || where=source
	text=${side}_message
	equal "send: exit code" "$send_code" 6
	equal "recv: exit code" "$recv_code" 6
	matches "$side: it names device, side, state and byte" "${!text}" '\bd0\b' "$where" "$state" "\\b$byte\\b"
	judge_undone
	[ $claims_wrong = "$wrong_before" ] || show_programs
}
