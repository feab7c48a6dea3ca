#!/usr/bin/env bats
# Either side killed, or stopped for longer than the other one's patience, in each phase that something can hold: by a device
# that is slow, by the gate, or by a sleeping peer. The survivor says what is true, nobody runs twice, nothing is left, and
# the same receiver takes the next migration. AGREE, LANES and RECORD pass too quickly to be held.

load lib.bash
load faults.bash

# 16 MiB; at this rate they take a minute, so that no case ends before it was hit.
slow=,read-rate=256K
platform_fd=''

next_succeeds()
{
	[[ -z $platform_fd ]] || open_gate
	next_migration
}

send_out() { send_start --verbose --peer-timeout 1 "$@" --device "$device$both_sides$at_send"; }

# The platform is ready when the test says so: config state is loaded, and thus PREPARED said, no earlier.
hold_by_gate()
{
	mkfifo platform
	exec {platform_fd}<>platform
	receive --config-after-iter on --platform-ready-fd "$platform_fd" "$@"
	send_out
	at send DRAIN
}

open_gate() { echo ready >&"$platform_fd"; }

# hold PHASE: both sides, held there.
hold()
{
	at_recv='' at_send=$slow
	case $1 in
	PREPARE)
		at_recv=,resuming-ms=500
		receive
		send_out
		at send PREPARE
		at recv PREPARE
		;;
	PRECOPY)
		both_sides=,precopy=enomsg,precopy-bytes=8M
		receive
		send_out
		at send PRECOPY
		at recv STREAM
		;;
	SWITCHOVER)
		at_send=$slow,running-p2p-ms=500
		receive
		send_out
		at send SWITCHOVER
		;;
	STREAM)
		receive
		send_out
		at send STREAM
		at recv STREAM
		;;
	DRAIN)
		at_send=
		hold_by_gate
		;;
	HOLD) # the source sleeps, and does not hear PREPARED
		at_send=
		hold_by_gate --peer-timeout 60
		stopped send
		open_gate
		at recv HOLD
		;;
	COMMIT)
		at_send='' at_recv=,running-ms=$2
		receive
		send_out "${@:3}"
		at send COMMIT
		at recv RUN
		;;
	esac
}

destination_dies()
{
	hold "$@"
	died recv
	source_runs 5
	receive_again
	next_succeeds
}

source_dies()
{
	hold "$@"
	died send
	destination_reset 5
	next_succeeds
}

destination_sleeps()
{
	hold "$@"
	stopped recv
	source_runs 8
	awake recv
	destination_reset 5 8
	next_succeeds
}

source_sleeps()
{
	hold "$@"
	stopped send
	destination_reset 8
	awake send
	source_runs 5 8
	next_succeeds
}

@test "PREPARE: the destination dies" { destination_dies PREPARE; }
@test "PREPARE: the source dies" { source_dies PREPARE; }
@test "PREPARE: the destination sleeps" { destination_sleeps PREPARE; }
@test "PREPARE: the source sleeps" { source_sleeps PREPARE; }
@test "PRECOPY: the destination dies" { destination_dies PRECOPY; }
@test "PRECOPY: the source dies" { source_dies PRECOPY; }
@test "PRECOPY: the destination sleeps" { destination_sleeps PRECOPY; }
@test "PRECOPY: the source sleeps" { source_sleeps PRECOPY; }
@test "SWITCHOVER: the destination dies" { destination_dies SWITCHOVER; }
@test "SWITCHOVER: the source dies" { source_dies SWITCHOVER; }
@test "SWITCHOVER: the destination sleeps" { destination_sleeps SWITCHOVER; }
@test "SWITCHOVER: the source sleeps" { source_sleeps SWITCHOVER; }
@test "STREAM: the destination dies" { destination_dies STREAM; }
@test "STREAM: the source dies" { source_dies STREAM; }
@test "STREAM: the destination sleeps" { destination_sleeps STREAM; }
@test "STREAM: the source sleeps" { source_sleeps STREAM; }
@test "DRAIN: the destination dies" { destination_dies DRAIN; }
@test "DRAIN: the source dies" { source_dies DRAIN; }
@test "DRAIN: the destination sleeps" { destination_sleeps DRAIN; }
@test "DRAIN: the source sleeps" { source_sleeps DRAIN; }

longer_than_patience() { sleep 1.2; }

@test "CONNECT: the destination dies" {
	at_recv='' at_send=
	receive
	stopped recv
	send_out
	died recv
	source_runs 5 8
	receive_again
	next_succeeds
}

@test "CONNECT: the destination sleeps" {
	at_recv='' at_send=
	receive
	stopped recv
	send_out
	longer_than_patience
	awake recv
	both_done
	next_succeeds
}

@test "CONNECT: the source dies" {
	at_recv='' at_send=
	receive
	stopped recv
	send_out
	died send
	awake recv
	next_succeeds
}

@test "HOLD: the destination dies, and the source hears PREPARED from the dead" {
	hold HOLD
	died recv
	receive_again
	awake send
	# Whether COMMIT is out before the connection's end is seen is chance: if it is, the journal tells that nothing ever ran.
	source_runs 5
	next_succeeds
}

@test "HOLD: the source dies" {
	hold HOLD
	died send
	destination_reset 5
	next_succeeds
}

@test "HOLD: the destination sleeps" {
	hold HOLD
	stopped recv
	awake send
	at send COMMIT
	longer_than_patience
	alive send
	awake recv
	both_done
	next_succeeds
}

@test "HOLD: the source sleeps" {
	hold HOLD
	longer_than_patience
	awake send
	both_done
	next_succeeds
}

@test "COMMIT: the destination dies, and the source is in doubt" {
	hold COMMIT 3600000 --hold 0.5 # it asks for twice as long
	died recv
	ended send
	[[ $send_code == 20 ]]
	json send '.result.source_state == "stopped" and .result.destination_state == "unknown"'
	json send '.devices[0].state == "STOP"'
	receive_again
	next_succeeds
}

@test "COMMIT: the source dies, and the destination runs" {
	hold COMMIT 500
	died send
	until_true has_ended_one
	first '.result.code == 0 and .result.destination_state == "running" and .devices[0].state == "RUNNING"'
	next_succeeds
}

@test "COMMIT: the destination sleeps" {
	hold COMMIT 500
	stopped recv
	longer_than_patience
	alive send
	awake recv
	both_done
	next_succeeds
}

@test "COMMIT: the source sleeps" {
	hold COMMIT 500
	stopped send
	until_true has_ended_one
	awake send
	both_done
	next_succeeds
}
