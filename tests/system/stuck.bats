#!/usr/bin/env bats
# A device call that never returns: the session ends without its thread, and nobody claims to know where the device is.

load lib.bash

hour=3600000

# stuck_at SOURCE DESTINATION: their devices' options; deadlines of a second.
stuck_at()
{
	recv --once --device-timeout 1 --device "sim:bytes=1M,name=net0$2"
	send --device-timeout 1 --device "sim:bytes=1M,name=net0$1"
	ended recv
	nothing_left
}

source_is_stuck()
{
	codes 21 6
	json send '.result.source_state == "stuck" and .result.destination_state == "reset"'
	json recv '.result.source_state == "stuck" and .result.destination_state == "reset"'
	json send '.devices[0].state == "ERROR"'
	json recv '.devices[0].state == "RUNNING"'
	said send "'net0' \(source, last seen in $1\): the $2 .*has not returned for 1000 ms"
}

destination_is_stuck()
{
	codes 6 6
	both '.result.source_state == "running" and .result.destination_state == "stuck"'
	json send '.devices[0].state == "RUNNING"'
	json recv '.devices[0].state == "ERROR"'
	said recv "'net0' \(destination, last seen in $1\): the $2 .*has not returned for 1000 ms"
}

@test "a source device that hangs on its way to P2P" {
	stuck_at ",running-p2p-ms=$hour" ""
	source_is_stuck RUNNING quiesce
}

@test "a source device that hangs on its way to PRE_COPY" {
	stuck_at ",precopy=zero,precopy-bytes=64K,pre-copy-ms=$hour" ",precopy=zero,precopy-bytes=64K"
	source_is_stuck RUNNING read
}

@test "a source device that hangs on its way to STOP_COPY" {
	stuck_at ",stop-copy-ms=$hour" ""
	source_is_stuck RUNNING_P2P stop
}

@test "a source device that hangs on its way back: both causes are said" {
	stuck_at ",running-ms=$hour" ",write-error-at=1000"
	codes 21 6
	json send '.result.source_state == "stuck" and .result.destination_state == "reset"'
	said send "at byte 1000.* then the way back failed too: .*the resume .*has not returned for 1000 ms"
}

@test "a destination device that hangs on its way to RESUMING" {
	stuck_at "" ",resuming-ms=$hour"
	destination_is_stuck RUNNING preparation
}

@test "a destination device that hangs in its validation" {
	stuck_at "" ",load-ms=$hour"
	destination_is_stuck RESUMING validation
}

@test "a destination device whose start hangs may run yet: the source retires" {
	stuck_at "" ",running-ms=$hour"
	codes 22 22
	both '.result.source_state == "retired" and .result.destination_state == "degraded"'
	said recv "'net0' \(destination, last seen in RUNNING_P2P\): the start"
}

@test "one hanging device of two: the other one is put back" {
	recv --once --device-timeout 1 --device sim:bytes=1M,name=a --device sim:bytes=1M,name=b
	send --device-timeout 1 --device sim:bytes=1M,name=a --device "sim:bytes=1M,name=b,stop-copy-ms=$hour"
	ended recv
	codes 21 6
	json send '[.devices[] | select(.name == "a")][0].state == "RUNNING"'
	json recv '[.devices[].state == "RUNNING"] | all'
}

stopping() { grep -q 'phase STREAM' send.err; }

@test "a cancel while a call hangs ends with the call's deadline" {
	recv --once --device sim:bytes=1M
	send_start --verbose --device-timeout 2 --device "sim:bytes=1M,stop-copy-ms=$hour"
	until_true stopping
	kill -TERM "$pid_send"
	ended send
	ended recv
	codes 21 9
	json send '.result.source_state == "stuck"'
	nothing_left
}

@test "a device that is slower than the deadline, but gives all the while, is not stuck" {
	# 1 MiB at 512 KiB/s: two seconds for the stream, and no call of it near one.
	recv --once --device-timeout 1 --device sim:bytes=1M
	send --device-timeout 1 --device sim:bytes=1M,read-rate=512K
	ended recv
	codes 0 0
}

heard_twice() { (($(grep -c 'listening on' recv.err) == 2)); }

@test "after a source got stuck the same receiver takes the next migration" {
	recv --device sim:bytes=1M
	send --device-timeout 1 --device "sim:bytes=1M,stop-copy-ms=$hour"
	[[ $send_code == 21 ]]
	until_true heard_twice
	send --device sim:bytes=1M
	[[ $send_code == 0 ]]
}

device_threads() { [[ $(cat /proc/"$pid_recv"/task/*/comm 2>/dev/null | grep -c mig-device) == "$1" ]]; }

@test "a call that returns after all finds nothing to go on with" {
	recv --device-timeout 0.3 --device sim:bytes=1M,load-ms=2000
	send --device sim:bytes=1M
	[[ $send_code == 6 ]]
	until_true heard_twice
	until_true device_threads 1 # the next session's
	kill -TERM "$pid_recv"
	ended recv
	[[ $recv_code == 9 ]]
	nothing_left
}
