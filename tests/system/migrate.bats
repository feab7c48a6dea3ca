#!/usr/bin/env bats
# What works: sizes, lanes, devices, gates, pieces, loaders.

load lib.bash

done_well()
{
	codes 0 0
	both '.result.source_state == "retired" and .result.destination_state == "running"'
}

# Packets of a stream of $1 bytes in slots of $2, if all that can be are full, and the config packet. A slow device's may be
# shorter, but not under 64 KiB.
packets_of() { echo $((($1 + $2 - 1) / $2 + 1)); }

@test "one device arrives, and both sides say so" {
	migrate sim:bytes=8M,seed=7
	done_well
	json send '.command == "send"'
	json recv '.command == "recv"'
	both '.schema == "rdma-vfiomig/1" and .result.name == "ok" and .result.message == ""'
	both '.transport == "tcp" and (.transport_reason | length > 0) and (.lanes | length == 8)'
	both '.gate == "off" and .integrity == "crc32c" and .payload == "clear" and .insecure == false'
	both '(.devices | length == 1) and .devices[0].held_by == "nobody" and .devices[0].gate == "off"'
	both '.seconds > 0 and .slot_bytes == 1048576 and .slots >= 2 and .arena_bytes >= .slots * .slot_bytes'
	both '.bytes == 8 * 1048576 + 264 and .devices[0].bytes == .bytes'
	both ".devices[0].packets >= $(packets_of 8388608 1048576) and .devices[0].packets <= $(packets_of 8388608 65536)"
	both '([.lanes[].packets] | add) == .devices[0].packets'
	json send '.downtime_us > 0 and .loader == ""'
	json recv '.loader == "uring" or .loader == "write"'
	json recv '.devices[0].state == "RUNNING"'
	json send '.devices[0].state == "STOP"'
	nothing_left
}

@test "three devices over eight lanes arrive" {
	migrate sim:bytes=5M,seed=1 sim:bytes=1,seed=2 sim:bytes=3000000,seed=3 -- -- --qps 8
	done_well
	both '(.devices | length == 3) and (.lanes | length == 8)'
	both '[.devices[].bytes] == [5 * 1048576 + 264, 265, 3000264]'
	both '([.devices[].order] | sort) == [1, 2, 3]'
}

@test "devices are matched by name, whatever their order" {
	recv --once --device sim:bytes=1M,seed=1,name=one --device sim:bytes=2M,seed=2,name=two
	send --device sim:bytes=2M,seed=2,name=two --device sim:bytes=1M,seed=1,name=one
	ended recv
	done_well
	json send '.devices[0].name == "two" and .devices[0].bytes == 2 * 1048576 + 264'
	json recv '.devices[0].name == "one" and .devices[0].bytes == 1048576 + 264'
}

@test "the gate is on where either side says on" {
	migrate sim:bytes=2M -- --config-after-iter on -- --config-after-iter auto
	done_well
	both '.gate == "on" and .devices[0].gate == "on"'
	migrate sim:bytes=2M -- -- --config-after-iter on
	done_well
	both '.gate == "on"'
	migrate sim:bytes=2M -- --config-after-iter off -- --config-after-iter off
	done_well
	both '.gate == "off"'
}

@test "the gate of one device is its own" {
	migrate sim:bytes=2M,seed=1,gate=on sim:bytes=2M,seed=2,gate=off -- --config-after-iter off -- --config-after-iter off
	done_well
	both '.gate == "on" and [.devices[].gate] == ["on", "off"]'
}

@test "every size around a slot arrives, gated, over 1, 3 and 8 lanes" {
	local slots=4 slot=65536 bytes lanes
	for bytes in 0 1 $((slot - 1)) $slot $((slot + 1)) $((3 * slots * slot + 7)); do
		for lanes in 1 3 8; do
			migrate "sim:bytes=$bytes,seed=$lanes" -- --config-after-iter on -- \
				--slots $slots --slot-bytes $slot --qps $lanes
			done_well
			both "(.lanes | length == $lanes) and .slots == $slots and .slot_bytes == $slot"
			both ".devices[0].bytes == $bytes + 264"
			both ".devices[0].packets == $(packets_of $bytes $slot)"
			both '([.lanes[].packets] | max - min) <= 1'
		done
	done
}

@test "a state of nothing and no config state is one empty packet" {
	migrate sim:bytes=0,config-bytes=0
	done_well
	both '.bytes == 0 and .devices[0].packets == 1'
}

@test "the smaller side's slots count" {
	migrate sim:bytes=1M -- --slots 3 --slot-bytes 128K -- --slots 9 --slot-bytes 64K
	done_well
	both '.slots == 3 and .slot_bytes == 65536'
}

@test "devices that read and write in small pieces arrive" {
	migrate sim:bytes=3000001,read-chunk=8K,write-chunk=4K -- -- --slot-bytes 64K --slots 2
	done_well
	both '.devices[0].bytes == 3000265'
}

@test "the loaders are what was asked for" {
	migrate sim:bytes=3M -- --loader write
	done_well
	json recv '.loader == "write"'
}

@test "every personality of a device arrives" {
	local option
	for option in personality=tiny bytes=3M,personality=short-end bytes=3M,personality=slow-load,load-ms=20 \
		bytes=3M,precopy=enomsg,precopy-bytes=1M bytes=3M,precopy=zero,precopy-bytes=1M bytes=3M,transition-ms=5 \
		bytes=3M,config-bytes=4096 bytes=3M,config-bytes=0; do
		migrate "sim:$option" -- --config-after-iter on
		done_well
	done
}

@test "a fast device is not held back by a slow one" {
	migrate sim:bytes=4M,seed=1,write-rate=1M,name=slow sim:bytes=4M,seed=2,name=fast -- -- --slots 2 --slot-bytes 64K --qps 2
	done_well
	json recv '.devices[0].name == "slow" and .devices[0].order == 2 and .devices[1].order == 1'
	# The fast one's reader waited far less for slots: 4 MiB at 1 MiB/s is more than three seconds.
	json send '.devices[0].slot_wait_us > 1000000 and .devices[1].slot_wait_us < .devices[0].slot_wait_us / 2'
}

@test "without payload checksums everything still arrives" {
	migrate sim:bytes=8M -- -- --integrity none
	done_well
	both '.integrity == "none"'
}

@test "both addresses of IPv6 loopback work" {
	[[ -e /proc/net/if_inet6 ]] && grep -q '^0*1 ' /proc/net/if_inet6 || skip "no ::1 here: ip -6 addr add ::1 dev lo"
	start recv recv --listen '[::1]:0' --once --json --device sim:bytes=1M
	until_true listening recv "$pid_recv"
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err)
	send_code=0
	"$PROGRAM" send --to "[::1]:$port" --bind ::1 --device sim:bytes=1M --json >send.json 2>send.err || send_code=$?
	ended recv
	done_well
	both '.insecure == false'
}

@test "recv serves one sender after another" {
	recv --device sim:bytes=1M
	send --device sim:bytes=1M
	[[ $send_code == 0 ]]
	again() { (($(grep -c 'listening on' recv.err) == $1)); }
	until_true again 2
	send --device sim:bytes=2M
	[[ $send_code != 0 ]] || fail "a state of another size was taken"
	until_true again 3
	send --device sim:bytes=1M
	[[ $send_code == 0 ]]
	until_true again 4
	kill -TERM "$pid_recv"
	ended recv
	[[ $recv_code == 9 ]]
	[[ $(jq -sc '[.[].result.code == 0]' recv.json) == '[true,false,true,false]' ]]
}

@test "the demo shows both ends" {
	"$PROGRAM" demo --bytes 3M --devices 3 --qps 4 --json >demo.json 2>demo.err
	json demo '.command == "demo" and .result.code == 0 and .destination.result.code == 0 and .gate == "on"'
	json demo '(.devices | length == 3) and (.lanes | length == 4) and .destination.loader != ""'
	json demo '.bytes == 3 * 1048576 + 3 * 264 and .destination.bytes == .bytes'
	"$PROGRAM" demo --bytes 1M --devices 1 >demo.out 2>demo.err
	grep -q '^sent 1 device' demo.out
	grep -q '^received 1 device' demo.out
}

@test "the bench compares what it measures" {
	"$BENCH" throughput --bytes 3000001 --rounds 3 --warmups 1 --json bench.json >bench.out
	json bench '[.variants[].name] == ["bare", "none", "crc32c"]'
	json bench '[.variants[].samples_us | length] == [3, 3, 3]'
	json bench '[.variants[].median_ratio > 0] | all'
}
