#!/usr/bin/env bats
# Lanes that are lost on the way, on either side: the others take over, and nothing is lost or comes twice. The simulated device
# compares all that it gets with what it must be.

load lib.bash

# Enough for every lane to carry a megabyte and more: 8 lanes of 64 KiB packets.
device=sim:bytes=32M,seed=7,name=net0
small=(--slot-bytes 64K --slots 16)

whole()
{
	codes 0 0
	both '.result.source_state == "retired" and .result.destination_state == "running"'
	json recv '.devices | length > 0 and all(.state == "RUNNING")'
	json recv ".bytes == $(jq .bytes send.json)"
	nothing_left
}

# lost NUMBER: both sides have counted as many lanes.
lost() { both ".lanes_lost == $1"; }

@test "without a loss none is counted" {
	migrate $device -- "${small[@]}" -- --qps 8
	whole
	lost 0
	json send '.packets_resent == 0'
}

@test "one of eight lanes, lost at the source" {
	migrate $device -- "${small[@]}" -- --qps 8 --lose-lane 3@1M --verbose
	whole
	lost 1
	said send 'source: lane 3'
	said send 'lane 3 is fenced on both sides'
}
