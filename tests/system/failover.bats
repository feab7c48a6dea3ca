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
	said send 'lane 3.*; it is fenced on both sides'
	said recv 'lane 3.*; the other lanes carry on'
}

@test "one of eight lanes, lost at the destination" {
	migrate $device -- "${small[@]}" --lose-lane 3@1M --verbose -- --qps 8 --verbose
	whole
	lost 1
	said recv 'destination: lane 3'
	said send 'lane 3.*; it is fenced on both sides'
	said recv 'lane 3.*; the other lanes carry on'
}

@test "two lanes, one lost at either side" {
	migrate $device -- "${small[@]}" --lose-lane 5@512K -- --qps 8 --lose-lane 0@1M
	whole
	lost 2
}

@test "the same lane, lost at both sides" {
	migrate $device -- "${small[@]}" --lose-lane 2@1M -- --qps 8 --lose-lane 2@1M
	whole
	lost 1
}

@test "seven of eight lanes, at different times, and one lives" {
	migrate $device -- "${small[@]}" --lose-lane 1 --lose-lane 4@256K --lose-lane 6@1M -- \
		--qps 8 --lose-lane 0 --lose-lane 2@128K --lose-lane 3@512K --lose-lane 7@1M
	whole
	lost 7
}

@test "packets of several devices, with a gate, checksums and a slow loader" {
	recv --once --lose-lane 0@64K --device sim:bytes=4M,seed=1,write-rate=32M --device sim:bytes=4M,seed=2 "${small[@]}"
	send --device sim:bytes=4M,seed=1 --device sim:bytes=4M,seed=2 --qps 4 --lose-lane 2@64K --lose-lane 3@256K \
		--config-after-iter on
	ended recv
	whole
	lost 3
}

@test "packets of PRE_COPY" {
	migrate sim:bytes=8M,precopy=enomsg,precopy-bytes=8M -- "${small[@]}" -- --qps 8 --lose-lane 1@128K --lose-lane 6@1M
	whole
	lost 2
}

@test "a source that waits for the credit of a lane that is gone is told of it" {
	# Two slots: without the credits that died with the lane nothing would ever move again.
	migrate $device -- --slot-bytes 64K --slots 2 --lose-lane 1@1M -- --qps 2
	whole
	lost 1
}

none_left()
{
	codes 5 5
	both '.result.source_state == "running" and .result.destination_state == "reset"'
	json send '.devices | all(.state == "RUNNING")'
	nothing_left
}

@test "with all lanes lost at the source it runs again" {
	migrate $device -- "${small[@]}" -- --qps 3 --lose-lane 0@1M --lose-lane 1@1M --lose-lane 2@1M
	none_left
	json send ".lanes_lost == 3"
	said send 'lane [0-2] was given up'
}

@test "with all lanes lost at the destination the source runs again" {
	migrate $device -- "${small[@]}" --lose-lane 0@1M --lose-lane 1@1M --lose-lane 2@1M -- --qps 3
	none_left
}

@test "the only lane" {
	migrate $device -- "${small[@]}" -- --qps 1 --lose-lane 0@1M
	none_left
	lost 1
}

@test "a lane that the session does not have, or that never carries so much, is not lost" {
	migrate $device -- "${small[@]}" --lose-lane 63 -- --qps 2 --lose-lane 2 --lose-lane 1@1G
	whole
	lost 0
}

@test "what is no lane is refused" {
	for wrong in 64 -1 x 3@ 3@x @1M 3@1M@ ''; do
		refused 2 send --to 127.0.0.1:1 --device sim:bytes=1M --lose-lane "$wrong"
		said refused 'lose-lane'
	done
}

@test "sealed packets" {
	(umask 077 && echo "both:00112233445566778899aabbccddeeff" >key.psk)
	migrate $device -- "${small[@]}" --psk-file key.psk --lose-lane 2@1M -- \
		--qps 8 --psk-file key.psk --payload aead --lose-lane 3@512K --lose-lane 5@1M
	codes 0 0
	rm key.psk
	whole
	lost 3
	both '.payload == "aead"'
}
