# shellcheck shell=bash
# The example VMM (examples/vmm) with real devices: two processes that were handed their devices' descriptors, a commit that they carry
# themselves, and what becomes of the devices when it is not carried to its end. The kernel's device is asked, not the VMMs.

bytes=3000000

# The source's device has the kernel's number 8, the destination's 9; a VMM closes the other's.
vmm_up()	# vmm_up [OPTION...]: the source VMM is then $vmm_pid, the destination's $peer_pid
{
	pair_new 25 stream_bytes=$bytes
	port=$((port + 1))
	[ -p answer ] || mkfifo answer
	exec {answer_fd}<>answer
	"$top/build/vm/handover" "$source" 8 "$top/build/vm/handover" "$destination" 9 "${PROGRAM%/*}/tests/vmm" \
		--source vfio:fd=8 --destination vfio:fd=9 --listen "$destination_ip:$port" --bind "$source_ip" \
		--transport "$transport" --patience 10 "$@" >vmm.out 2>vmm.err <answer &
	vmm_pid=$!
	program_pids+=("$vmm_pid")
}

answer() { echo "$1" >&"$answer_fd"; }

vmm_ends()	# vmm_ends CODE: of the source's VMM, which the destination's does not outlive
{
	local code=0
	wait_for 60 ended "$vmm_pid" || wrong "the VMMs end" "they did not within 60 s"
	kill -KILL "$vmm_pid" 2>/dev/null || true
	wait "$vmm_pid" 2>/dev/null || code=$?
	exec {answer_fd}>&-
	equal "exit code" "$code" "$1"
}

said() { grep -qF -- "$1" vmm.out vmm.err; }

# Both sessions are prepared, and the VMMs' word is what they wait for.
both_hold()
{
	vmm_up --ask "$@"
	wait_for 60 said 'shall it commit?' || wrong "both are prepared" "$(cat vmm.out vmm.err)"
	peer_pid=$(cat "/proc/$vmm_pid/task/$vmm_pid/children")
	peer_pid=${peer_pid% }
	both_stand "while both hold"
}

both_stand() { equal "the devices $1" "$(status_of "$source" state) $(status_of "$destination" state)" "STOP STOP"; }

show() { [ $claims_wrong = 0 ] || cat vmm.out vmm.err; }

destination_runs()
{
	equal "the source's device stands still" "$(status_of "$source" state)" STOP
	judge_source "$source" $bytes d0
	judge_content "$destination" $bytes d0
	nobody_has_them
}

source_runs()
{
	equal "the source's device runs" "$(status_of "$source" state)" RUNNING
	judge_source "$source" $bytes d0
	# A destination that had loaded its state has lost it since.
	at_least "the destination's device was reset" "$(status_of "$destination" resets)" 1
	nobody_has_them
}

nobody_has_them()
{
	equal "who holds the devices" "$(status_of "$source" open) $(status_of "$destination" open)" "0 0"
	show
}

case_rdma_a_vmm_commits_and_opens_the_gate_itself()
{
	local before after
	counter before va tx
	vmm_up
	vmm_ends 0
	counter after va tx
	destination_runs
	succeeds "it was RDMA" said 'bytes over rdma'
	at_least "bytes that left the source's end of the veth pair" $((after - before)) $bytes
	succeeds "interrupts were armed in between" said 'config state loaded, interrupts armed'
}

case_tcp_a_vmm_commits_and_opens_the_gate_itself()
{
	transport=tcp
	vmm_up
	vmm_ends 0
	destination_runs
}

case_a_vmm_that_says_no_at_either_side_leaves_the_source_running()
{
	local side
	for side in source destination; do
		vmm_up --no $side
		vmm_ends 1
		source_runs
	done
}

case_a_destination_vmm_that_is_killed_while_both_hold_gives_the_source_back()
{
	both_hold
	kill -KILL "$peer_pid"
	vmm_ends 1
	equal "the source's device runs" "$(status_of "$source" state)" RUNNING
	equal "the destination's does not" "$(status_of "$destination" state)" STOP
	nobody_has_them
}

# It cannot know what the other one did last; what it was not told to run it does not run.
case_a_source_vmm_that_is_killed_while_both_hold_leaves_none_running_its_state()
{
	both_hold
	kill -KILL "$vmm_pid"
	wait_for 60 ended "$peer_pid" || wrong "the destination's VMM ends" "it did not within 60 s"
	vmm_ends 137
	equal "the source's device stands still" "$(status_of "$source" state)" STOP
	at_least "the destination's device was reset" "$(status_of "$destination" resets)" 1
	nobody_has_them
}

both_have_lost() { [ "$(grep -c "commit or cancel is the caller's to decide" vmm.err)" = 2 ]; }

# The link takes RDMA's lanes along; the control connection, between two addresses of one machine, is cut by one of its ends. Nobody hears
# from the other session then, and the VMMs' words are all there is.
case_lanes_and_control_that_are_cut_while_both_hold_end_nothing()
{
	net_touched=1
	for transport in rdma tcp; do
		both_hold
		[ $transport = tcp ] || ip link set va down
		kill -USR1 "$peer_pid"
		wait_for 30 both_have_lost || wrong "both notice" "$(cat vmm.err)"
		both_stand "although they have lost each other"
		equal "VMMs that ended" "$(ended "$vmm_pid" && echo source)$(ended "$peer_pid" && echo destination)" ""
		answer y
		vmm_ends 0
		destination_runs
		succeeds "the source's session never heard of it" said 'source: source retired, destination unknown'
		net_mend
		net_touched=1
	done
}
