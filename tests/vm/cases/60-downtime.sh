# shellcheck shell=bash
# Pre-copy, the estimate and its limit, recordings, gates that others open: with real devices.

# precopied PARAMETER...: a device of 24 MB whose PRE_COPY gives 16 MB of it, and content that is right
precopied()
{
	pair_new 61 state_size=24000000 precopy_size=16000000 "$@"
	sources=("$source") destinations=("$destination")
	transfer
	equal "send: exit code" "$send_code" 0
	equal "recv: exit code" "$recv_code" 0
	equal "send: transport" "$send_transport" "$transport"
	judge_content "$destination" "$(status_of "$destination" bytes_loaded)" d0
	equal "all that was saved was loaded" "$(status_of "$destination" bytes_loaded)" "$(status_of "$source" bytes_saved)"
	at_least "bytes before the stop" "$send_precopy_bytes" 16000000
	at_most "bytes after it" "$send_stop_copy_bytes" 9000000
	[ $claims_wrong = 0 ] || show_programs
}

case_rdma_precopy_comes_before_the_stop()
{
	gate=on
	precopied
}

case_tcp_precopy_comes_before_the_stop()
{
	transport=tcp
	precopied
}

case_precopy_that_ends_with_zero_and_gets_dirty()
{
	precopied precopy_zero=Y dirty_rate=500000
}

case_precopy_off_leaves_all_to_the_stop()
{
	send_more=(--precopy off)
	pair_new 62 state_size=3000000 precopy_size=2000000
	sources=("$source") destinations=("$destination")
	transfer
	equal "send: exit code" "$send_code" 0
	judge_content "$destination" "$(status_of "$destination" bytes_loaded)" d0
	equal "bytes before the stop" "$send_precopy_bytes" 0
	[ $claims_wrong = 0 ] || show_programs
}

case_precopy_on_is_refused_by_a_device_without()
{
	send_more=(--precopy on)
	pair_new 63 stream_bytes=3000000 flags=3
	sources=("$source") destinations=("$destination")
	start send
	finish send 30
	read_results send
	judge_refused send 'pre-copy|precopy' "$source|d0"
}

case_several_devices_precopy_together_and_serial_states_end_well()
{
	local i
	for i in 1 2 3; do
		pair_new $((63 + i)) state_size=4000000 precopy_size=$((i * 1000000)) arc_ms=20
		sources+=("$source") destinations+=("$destination")
	done
	transfer
	equal "parallel: exit codes" "$send_code $recv_code" "0 0"
	for i in 0 1 2; do judge_content "${destinations[$i]}" "$(status_of "${destinations[$i]}" bytes_loaded)" "parallel d$i"; done
	sources=() destinations=()
	for i in 1 2 3; do
		pair_new $((66 + i)) state_size=4000000 arc_ms=20
		sources+=("$source") destinations+=("$destination")
	done
	send_more=(--parallel-states off) recv_more=(--parallel-states off)
	transfer
	equal "serial: exit codes" "$send_code $recv_code" "0 0"
	for i in 0 1 2; do judge_content "${destinations[$i]}" "$(status_of "${destinations[$i]}" bytes_loaded)" "serial d$i"; done
	[ $claims_wrong = 0 ] || show_programs
}

# The devices' rate makes the estimate: 8 MB, of which PRE_COPY shows how slow they are.
case_an_estimate_beyond_the_limit_stops_nothing()
{
	send_more=(--downtime-limit 200)
	pair_new 70 state_size=8000000 precopy_size=2000000 rate=2000000
	sources=("$source") destinations=("$destination")
	transfer
	equal "send: exit code" "$send_code" 8
	equal "send: name" "$send_name" downtime-limit
	matches "send: it says what" "$send_message" 'limit' '200 ms'
	equal "the source was only asked for PRE_COPY" "$send_source_state" running
	judge_undone
	[ $claims_wrong = 0 ] || show_programs
}

# A transition that nobody could foresee: the stop is overrun, and the source goes on.
case_an_overrun_limit_gives_the_devices_back()
{
	send_more=(--downtime-limit 1500)
	pair_new 71 state_size=200000 source.save_ms=4000
	sources=("$source") destinations=("$destination")
	transfer
	equal "send: exit code" "$send_code" 8
	equal "send: name" "$send_name" downtime-limit
	judge_undone
	[ $claims_wrong = 0 ] || show_programs
}

case_a_recording_is_played_into_a_device()
{
	local recording=$PWD/recording code=0
	pair_new 72 state_size=5000000 precopy_size=1000000
	"$PROGRAM" send --to "file:$recording" --device "vfio:$source" --on-abort close --json >send.json 2>send.err || code=$?
	equal "recording: exit code" $code 0
	equal "the source runs on" "$(status_of "$source" state)" RUNNING
	sources=("file:$recording") destinations=("$destination")
	transfer
	equal "playing: exit codes" "$send_code $recv_code" "0 0"
	judge_content "$destination" "$(status_of "$destination" bytes_loaded)" d0
	truncate -s -1 "$recording"
	start send
	finish send 30
	read_results send
	equal "a truncated one: exit code" "$send_code" 3
	matches "it says where" "${send_message:-$(cat send.err)}" '[0-9]'
	[ $claims_wrong = 0 ] || show_programs
}

# held_by_the_gate FOR: asked what goes on, the receiver says that all is loaded and which keys its device waits for.
held_by_the_gate()
{
	kill -USR1 "$recv_pid"
	grep -q "config state is next; waits for $1 (the gate)" recv.err
}

# A VMM's devices, a gate, and both its keys in the hands of a script.
case_a_script_opens_the_gate_of_a_vmms_devices()
{
	local kernel_source kernel_destination
	gate=on
	pair_new 73 state_size=3000000
	kernel_source=$source kernel_destination=$destination
	mkfifo iterables platform
	exec 7<>iterables 8<>platform
	send_launcher=("$top/build/vm/handover" "$source" 9) send_more=(--iterables-done-fd 7)
	recv_launcher=("$top/build/vm/handover" "$destination" 9) recv_more=(--platform-ready-fd 8)
	sources=(vfio:fd=9) destinations=(vfio:fd=9)
	start_recv
	start send
	wait_for 60 held_by_the_gate "the VMM's platform, the token" || wrong "the gate holds it" "$(tail -n 3 recv.err)"
	equal "no config was written before the keys" "$(status_of "$kernel_destination" config_writes)" 0
	echo 1 >&8
	wait_for 60 held_by_the_gate "the token" || wrong "one key is there" "$(tail -n 3 recv.err)"
	equal "nor with one key" "$(status_of "$kernel_destination" config_writes)" 0
	echo 1 >&7
	finish send 60
	finish recv 20
	exec 7>&- 8>&-
	read_results send recv
	equal "exit codes" "$send_code $recv_code" "0 0"
	judge_content "$kernel_destination" "$(status_of "$kernel_destination" bytes_loaded)" d0
	[ $claims_wrong = 0 ] || show_programs
}
