#!/usr/bin/env bats
# The migration is held before each message of the protocol in turn, by a forwarder between the two (tests/support/cutter.c), and then
# either side dies, the control connection is cut or falls silent, or the lanes are cut. What each side says and does, what its journal
# says, and that the next migration succeeds.

load lib.bash
load faults.bash

CUTTER=$build/tests/cutter
declare -gA type_of=([OFFER]=1 [AGREED]=3 [READY]=4 [LANES_READY]=5 [SWITCHOVER]=6 [STREAM_END]=7 [PREPARED]=8 [COMMIT]=9 [DONE]=10)

# tell WORD...: to the forwarder, which has done it when this returns.
tell()
{
	echo "$*" >&"$words"
	until_true grep -q "^did $*\$" cutter.out
}

between()
{
	mkfifo words
	exec {words}<>words
	"$CUTTER" "$recv_port" <words >cutter.out 2>cutter.err 3>&- {words}>&- &
	pids+=($!)
	pid_cutter=$!
	until_true grep -q 'listening on' cutter.out
	port=$(sed -n 's/listening on //p' cutter.out)
}

is_held() { grep -q '^held' cutter.out; }

# before MESSAGE PATIENCE HOLD: both sides, with the message not delivered. No side gives the other up within PATIENCE seconds.
before()
{
	at_recv=''
	mkdir -m 700 runtime
	receive --peer-timeout "$2" --hold "$3" --journal-dir runtime/to
	between
	tell hold "${type_of[$1]}"
	send_start --verbose --peer-timeout "$2" --hold "$3" --journal-dir runtime/from --device "$device"
	until_true is_held
}

next_succeeds()
{
	kill -KILL "$pid_cutter"
	wait "$pid_cutter" || true
	rm words cutter.out cutter.err
	next_migration_with_journal
}

next_migration_with_journal()
{
	port=$recv_port
	send --device "$device$both_sides" --journal-dir runtime/next
	[[ $send_code == 0 ]] || fail "the next migration ended with $send_code" || return
	alive recv
	kill -TERM "$pid_recv"
	ended recv
	nothing_left
}

# in_journal SIDE STATE|nothing: of this session, in that side's folder.
in_journal()
{
	local states
	states=$("$PROGRAM" status --journal-dir "runtime/$1" --json | jq -r '[.[].state] | join(" ")')
	[[ $states == "${2/nothing/}" ]] || fail "the journal in $1 says '$states', not $2"
}

# Whoever has not named a session yet is a stranger to the destination, which waits on.
destination_gone_back()
{
	if grep -q '^held 1$' cutter.out; then
		alive recv
		return
	fi
	until_true has_ended_one
	first '.result.destination_state | IN("reset", "untouched")'
	first '.devices[0].state == "RUNNING"'
}

no_commit() { in_journal from nothing && [[ $("$PROGRAM" status --journal-dir runtime/to --json) != *COMMITTED* ]]; }

destination_dies()
{
	before "$1" 60 60
	died recv
	source_runs 5
	no_commit
	receive_again
	next_succeeds
}

source_dies()
{
	before "$1" 60 60
	died send
	wait "$pid_send" || true
	destination_gone_back
	no_commit
	next_succeeds
}

control_cut()
{
	before "$1" 60 60
	tell cut control
	source_runs 5
	destination_gone_back
	no_commit
	next_succeeds
}

control_silent()
{
	before "$1" 1 1
	tell mute control
	source_runs 8
	destination_gone_back
	no_commit
	next_succeeds
}

lanes_cut()
{
	before "$1" 60 60
	tell cut lanes
	tell pass
	source_runs 5
	destination_gone_back
	no_commit
	next_succeeds
}

lanes_cut_too_late()
{
	before "$1" 60 60
	tell cut lanes
	tell pass
	both_done
	in_journal from nothing
	in_journal to nothing
	next_succeeds
}

@test "before OFFER: the destination dies" { destination_dies OFFER; }
@test "before OFFER: the source dies" { source_dies OFFER; }
@test "before OFFER: the control connection is cut" { control_cut OFFER; }
@test "before OFFER: the control connection falls silent" { control_silent OFFER; }
@test "before AGREED: the destination dies" { destination_dies AGREED; }
@test "before AGREED: the source dies" { source_dies AGREED; }
@test "before AGREED: the control connection is cut" { control_cut AGREED; }
@test "before AGREED: the control connection falls silent" { control_silent AGREED; }
@test "before READY: the destination dies" { destination_dies READY; }
@test "before READY: the source dies" { source_dies READY; }
@test "before READY: the control connection is cut" { control_cut READY; }
@test "before READY: the control connection falls silent" { control_silent READY; }
@test "before LANES_READY: the destination dies" { destination_dies LANES_READY; }
@test "before LANES_READY: the source dies" { source_dies LANES_READY; }
@test "before LANES_READY: the control connection is cut" { control_cut LANES_READY; }
@test "before LANES_READY: the control connection falls silent" { control_silent LANES_READY; }
@test "before SWITCHOVER: the destination dies" { destination_dies SWITCHOVER; }
@test "before SWITCHOVER: the source dies" { source_dies SWITCHOVER; }
@test "before SWITCHOVER: the control connection is cut" { control_cut SWITCHOVER; }
@test "before SWITCHOVER: the control connection falls silent" { control_silent SWITCHOVER; }
@test "before STREAM_END: the destination dies" { destination_dies STREAM_END; }
@test "before STREAM_END: the source dies" { source_dies STREAM_END; }
@test "before STREAM_END: the control connection is cut" { control_cut STREAM_END; }
@test "before STREAM_END: the control connection falls silent" { control_silent STREAM_END; }
@test "before PREPARED: the destination dies" { destination_dies PREPARED; }
@test "before PREPARED: the source dies" { source_dies PREPARED; }
@test "before PREPARED: the control connection is cut" { control_cut PREPARED; }
@test "before PREPARED: the control connection falls silent" { control_silent PREPARED; }
@test "before LANES_READY: the lanes are cut" { lanes_cut LANES_READY; }

# while_in PHASE DEVICE-OPTIONS control|lanes: both sides, with the device under way.
while_in()
{
	both_sides=$2 at_recv=
	mkdir -m 700 runtime
	receive --journal-dir runtime/to
	between
	send_start --verbose --journal-dir runtime/from --device "$device$both_sides,read-rate=256K"
	at send "$1"
	tell cut "$3"
	source_runs 5
	destination_gone_back
	no_commit
	next_succeeds
}

@test "PRECOPY: the lanes are cut" { while_in PRECOPY ,precopy=enomsg,precopy-bytes=8M lanes; }
@test "PRECOPY: the control connection is cut" { while_in PRECOPY ,precopy=enomsg,precopy-bytes=8M control; }
@test "STREAM: the lanes are cut" { while_in STREAM '' lanes; }
@test "STREAM: the control connection is cut" { while_in STREAM '' control; }
@test "before PREPARED: the lanes are cut, and nobody needs them" { lanes_cut_too_late PREPARED; }
@test "before COMMIT: the lanes are cut, and nobody needs them" { lanes_cut_too_late COMMIT; }
@test "before DONE: the lanes are cut, and nobody needs them" { lanes_cut_too_late DONE; }

# COMMIT is on file at the source, and on its way: it goes back on the destination's word only, and never on silence.

@test "before COMMIT: the destination dies, and the next one there finds that it never ran" {
	before COMMIT 60 60
	died recv
	receive_again
	source_runs 5
	in_journal from nothing
	in_journal to ABORTED
	next_succeeds
}

@test "before COMMIT: the source dies, and COMMIT with it" {
	before COMMIT 60 60
	died send
	wait "$pid_send" || true
	destination_gone_back
	in_journal from COMMITTED
	in_journal to ABORTED
	next_succeeds
}

@test "before COMMIT: the control connection is cut, and the source hears that the destination gave up" {
	before COMMIT 60 60
	tell cut control
	source_runs 5
	destination_gone_back
	in_journal from nothing
	in_journal to ABORTED
	next_succeeds
}

in_doubt()
{
	ended send
	[[ $send_code == 20 ]] || fail "send ended with $send_code"
	json send '.result.source_state == "stopped" and .result.destination_state == "unknown" and .devices[0].state == "STOP"'
	in_journal from COMMITTED
}

@test "before COMMIT: the control connection falls silent, and the source is in doubt" {
	before COMMIT 1 2
	tell mute control
	in_doubt
	destination_gone_back
	in_journal to ABORTED
	next_succeeds
}

@test "before DONE: the destination dies, and the next one there finds that it ran" {
	before DONE 60 60
	until_true in_journal to RUNNING # it is written once DONE is on its way
	died recv
	receive_again
	ended send
	[[ $send_code == 0 ]]
	json send '.result.source_state == "retired" and .devices[0].state == "STOP"'
	in_journal from nothing
	in_journal to RUNNING
	next_succeeds
}

@test "before DONE: the source dies, and the destination runs" {
	before DONE 60 60
	died send
	wait "$pid_send" || true
	until_true has_ended_one
	first '.result.code == 0 and .result.destination_state == "running" and .devices[0].state == "RUNNING"'
	in_journal from COMMITTED
	in_journal to RUNNING
	next_succeeds
}

@test "before DONE: the control connection is cut, and the source asks" {
	before DONE 60 60
	tell cut control
	ended send
	[[ $send_code == 0 ]]
	json send '.result.source_state == "retired" and .devices[0].state == "STOP"'
	until_true has_ended_one
	first '.result.code == 0 and .devices[0].state == "RUNNING"'
	in_journal from nothing
	next_succeeds
}

@test "before DONE: the control connection falls silent, and the source is in doubt" {
	before DONE 1 0.5
	tell mute control
	in_doubt
	until_true has_ended_one
	first '.result.code == 0 and .devices[0].state == "RUNNING"'
	next_succeeds
}
