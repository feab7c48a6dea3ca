#!/usr/bin/env bats
# What goes wrong on the way: the source runs again, the destination is reset, nothing is left behind.

load lib.bash

rolled_back()
{
	both '.result.source_state == "running" and .result.destination_state == "reset"'
	json send '[.devices[].state == "RUNNING"] | all'
	json recv '[.devices[].state == "RUNNING"] | all'
	json recv '[.devices[].held_by == "nobody"] | all'
	nothing_left
}

@test "a source device that fails at a byte" {
	migrate sim:bytes=4M,name=net0,read-error-at=3000000 -- -- --slot-bytes 64K --slots 4
	codes 6 6
	rolled_back
	said send 'net0'
	said send 'source'
	said send '3000000'
	said recv 'source'
}

@test "a destination device that fails at a byte" {
	recv --once --device sim:bytes=4M,name=net0,write-error-at=3000000
	send --device sim:bytes=4M,name=net0 --slot-bytes 64K --slots 4
	ended recv
	codes 6 6
	rolled_back
	said recv 'net0'
	said recv 'destination'
	said recv 'byte [0-9]+'
	said send 'destination'
}

@test "a destination device that refuses what it got" {
	recv --once --device sim:bytes=2M,seed=1,name=net0
	send --device sim:bytes=2M,seed=2,config-seed=1,name=net0
	ended recv
	codes 6 6
	rolled_back
}

@test "one failing device of three takes the others back too" {
	recv --once --device sim:bytes=4M,seed=1 --device sim:bytes=4M,seed=2,write-error-at=2M --device sim:bytes=4M,seed=3
	send --device sim:bytes=4M,seed=1 --device sim:bytes=4M,seed=2 --device sim:bytes=4M,seed=3 --slot-bytes 64K
	ended recv
	codes 6 6
	rolled_back
}

@test "a source device that does not stop" {
	# It is in ERROR, from where the protocol knows no way back but a reset, which would lose the guest's state.
	migrate sim:bytes=1M,fail-state=STOP_COPY
	codes 21 6
	json send '.result.source_state == "stuck" and .devices[0].state == "ERROR"'
	said send 'STOP_COPY'
	nothing_left
}

@test "a destination device that does not resume" {
	recv --once --device sim:bytes=1M,fail-state=RESUMING
	send --device sim:bytes=1M
	ended recv
	codes 6 6
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	json recv '.devices[0].state == "RUNNING"'
	nothing_left
}

# A stream slow enough that it certainly flows when something happens to it: 64 MiB at 1 MiB/s.
slow=sim:bytes=64M,read-rate=1M

# Packets have gone and come: both say so when they are asked.
flows()
{
	grep -q 'phase STREAM' recv.err && grep -q 'phase STREAM' send.err || return
	kill -USR1 "$pid_recv" "$pid_send"
	grep -Eq '; [1-9][0-9]* packets, [0-9]+ bytes arrived' recv.err && grep -Eq '; [1-9][0-9]* packets, [0-9]+ bytes read' send.err
}

begin_slow()
{
	recv --once --device sim:bytes=64M --verbose
	send_start --device "$slow" --slot-bytes 64K --verbose
	until_true flows
}

@test "the source is cancelled" {
	begin_slow
	kill -INT "$pid_send"
	ended send
	ended recv
	codes 9 9
	rolled_back
}

heard_twice() { (($(grep -c 'listening on' recv.err) == 2)); }

@test "a sender's cancel does not end a receiver that serves one after another" {
	recv --device sim:bytes=64M --verbose
	send_start --device "$slow" --slot-bytes 64K --verbose
	until_true flows
	kill -INT "$pid_send"
	ended send
	[[ $send_code == 9 ]]
	until_true heard_twice
	send --device sim:bytes=64M
	[[ $send_code == 0 ]]
	alive recv
}

@test "the destination is cancelled" {
	begin_slow
	kill -TERM "$pid_recv"
	ended send
	ended recv
	codes 9 9
	rolled_back
}

@test "a receiver that nobody came to is cancelled" {
	recv --device sim:bytes=1M
	kill -INT "$pid_recv"
	ended recv
	[[ $recv_code == 9 ]]
	json recv '.result.code == 9 and .devices[0].state == "RUNNING"'
}

@test "the receiver dies" {
	begin_slow
	kill -KILL "$pid_recv"
	ended send
	[[ $send_code == 5 || $send_code == 8 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	said send 'control connection|heard|lane'
}

@test "the sender dies" {
	begin_slow
	kill -KILL "$pid_send"
	ended recv
	[[ $recv_code == 5 || $recv_code == 8 ]]
	json recv '.result.destination_state == "reset" and .devices[0].state == "RUNNING"'
	said recv 'control connection|heard|lane'
}

@test "the receiver is there, but silent" {
	begin_slow
	kill -STOP "$pid_recv"
	ended send
	[[ $send_code == 5 || $send_code == 8 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	kill -CONT "$pid_recv"
	ended recv
	[[ $recv_code != 0 ]]
	json recv '.devices[0].state == "RUNNING"'
}
