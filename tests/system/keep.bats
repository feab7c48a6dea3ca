#!/usr/bin/env bats
# Devices that outlive their session, and memory that does not grow.

load lib.bash

printed() { [[ -s $1.json ]]; }

@test "--then hold prints the result at once and keeps the devices until SIGTERM" {
	recv --once --then hold --device sim:bytes=1M
	send --device sim:bytes=1M
	[[ $send_code == 0 ]]
	until_true printed recv
	json recv ".result.code == 0 and .devices[0].held_by == \"process $pid_recv\""
	kill -0 "$pid_recv"
	said recv 'holding 1 device'
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
}

@test "--then hold holds without --once too" {
	recv --then hold --device sim:bytes=1M
	send --device sim:bytes=1M
	until_true printed recv
	kill -INT "$pid_recv"
	ended recv
	codes 0 0
}

@test "--then exec keeps the devices while the command runs" {
	recv --once --then exec 'echo ran >exec.err' --device sim:bytes=1M
	send --device sim:bytes=1M
	ended recv
	codes 0 0
	[[ $(<exec.err) == ran ]]
}

@test "a command that fails shows in the exit code" {
	recv --once --then 'exec exit 7' --device sim:bytes=1M
	send --device sim:bytes=1M
	ended recv
	[[ $recv_code == 1 && $send_code == 0 ]]
	json recv '.result.code == 0'
	said recv 'status 7'
}

@test "SIGTERM is handed on to the command" {
	recv --once --then exec 'trap "exit 0" TERM; echo up >exec.err; while :; do sleep 0.05; done' --device sim:bytes=1M
	send --device sim:bytes=1M
	until_true test -s exec.err
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
}

@test "--on-abort hold keeps a source that runs again" {
	recv --once --device sim:bytes=4M,write-error-at=1M
	send_start --on-abort hold --device sim:bytes=4M
	until_true printed send
	json send ".result.code == 6 and .devices[0].state == \"RUNNING\" and .devices[0].held_by == \"process $pid_send\""
	kill -0 "$pid_send"
	kill -TERM "$pid_send"
	ended send
	ended recv
	codes 6 6
}

@test "a receiver's memory is its arena and 16 MiB, however long the stream" {
	[[ -z ${VFIOMIG_SANITIZED:-} ]] || skip "a sanitizer's own memory is counted too; run it on build/release"
	recv --once --then hold --device sim:bytes=4G
	send --device sim:bytes=4G --integrity none
	[[ $send_code == 0 ]]
	until_true printed recv
	peak=$(awk '/^VmHWM:/ { print $2 * 1024 }' "/proc/$pid_recv/status")
	arena=$(jq .arena_bytes recv.json)
	echo "peak $peak bytes, arena $arena bytes"
	((peak <= arena + (16 << 20)))
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
}
