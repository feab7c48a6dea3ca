#!/usr/bin/env bats
# Lanes over several paths: here between addresses of this machine's loopback, all of 127.0.0.0/8.

load lib.bash

device=sim:bytes=16M,seed=7,name=net0
small=(--slot-bytes 64K --slots 16)

# on_rail SIDE TEXT LANES: so many lanes are on it, and each of them carried something
on_rail()
{
	json "$1" "[.lanes[] | select(.rail == \"$2\")] | length == $3 and all(.bytes > 0)"
}

@test "the lanes are spread over the rails that the source names, and each carries packets" {
	migrate $device -- "${small[@]}" --rail 127.0.0.2 -- --qps 5 --rail 127.0.0.1 --rail 127.0.0.3=127.0.0.2
	codes 0 0
	on_rail send 127.0.0.1=127.0.0.1 3
	on_rail send 127.0.0.3=127.0.0.2 2
	on_rail recv 127.0.0.1 3
	on_rail recv 127.0.0.2 2
}

@test "without rails no lane says that it is on one" {
	migrate $device -- "${small[@]}" -- --qps 2
	codes 0 0
	both '.lanes | length == 2 and all(.rail == null)'
}

@test "a rail of the receiver's that the source does not name carries nothing" {
	migrate $device -- "${small[@]}" --rail 127.0.0.2 -- --qps 2 --rail 127.0.0.1
	codes 0 0
	on_rail recv 127.0.0.1 2
}

# answers SIDE PATTERN: asked by SIGUSR1, it says so.
answers()
{
	local pid=pid_$1
	kill -USR1 "${!pid}"
	grep -Eq -- "$2" "$1.err"
}

@test "who asks what goes on is told which lane is on which rail" {
	mkfifo ready.fifo
	exec {ready}<>ready.fifo
	recv --device $device --once "${small[@]}" --rail 127.0.0.2 --config-after-iter on --platform-ready-fd "$ready"
	send_start --verbose --device $device --qps 3 --rail 127.0.0.1 --rail 127.0.0.3=127.0.0.2
	until_true answers recv "waits for the VMM's platform"
	until_true answers recv 'lane 1 on 127\.0\.0\.2: live'
	until_true answers send 'lane 1 on 127\.0\.0\.3=127\.0\.0\.2: live'
	until_true answers send 'lane 2 on 127\.0\.0\.1=127\.0\.0\.1: live'
	echo >&"$ready"
	ended send
	ended recv
	exec {ready}>&-
	codes 0 0
}

@test "all lanes of a rail, lost: the other rail's take over" {
	migrate $device -- "${small[@]}" --rail 127.0.0.2 -- --qps 4 --rail 127.0.0.1 --rail 127.0.0.2 \
		--lose-lane 1@256K --lose-lane 3@256K
	codes 0 0
	both '.lanes_lost == 2'
	json recv '.devices | all(.state == "RUNNING")'
}

@test "lanes of all rails prove that they belong to the session, and carry sealed packets" {
	psktool -u migration -p key.psk >/dev/null
	chmod 600 key.psk
	migrate $device -- "${small[@]}" --psk-file key.psk --rail 127.0.0.2 -- --qps 4 --psk-file key.psk --payload aead \
		--rail 127.0.0.1 --rail 127.0.0.2
	codes 0 0
	on_rail send 127.0.0.1=127.0.0.1 2
	on_rail send 127.0.0.1=127.0.0.2 2
	both '.payload == "aead" and .refused == 0'
}

@test "a rail to where the receiver does not listen is refused by it" {
	migrate $device -- "${small[@]}" -- --rail 127.0.0.1 --rail 127.0.0.9
	codes 3 3
	both '.result.name == "rail-unknown"'
	said send "rail to 127.0.0.9.*recv --rail 127.0.0.9"
	json send '.result.source_state == "running"'
}

@test "a rail from an address that the source does not have is refused before anything is sent" {
	recv --device $device --once "${small[@]}"
	send --device $device --rail 192.0.2.1=127.0.0.1
	[ "$send_code" = 3 ]
	json send '.result.name == "rail-unreachable" and .result.source_state == "running"'
	said send "192.0.2.1=127.0.0.1: the source has no such address"
}

# refused_usage SENTENCE COMMAND ARG...: exit code 2, and the sentence
refused_usage()
{
	local sentence=$1
	shift
	refused 2 "$@" --device $device
	grep -q -- "$sentence" refused.err || fail "it says: $(cat refused.err)"
}

@test "rails that cannot be are said to be so" {
	refused_usage "is named twice" send --to 127.0.0.1:9 --rail 127.0.0.1 --rail 127.0.0.1
	refused_usage "2 rails are too many for 1 lanes" send --to 127.0.0.1:9 --qps 1 --rail 127.0.0.1 --rail 127.0.0.2
	refused_usage "IPv4 address and the other an IPv6" send --to 127.0.0.1:9 --rail 127.0.0.1=::1
	refused_usage "UNIX socket is the only path" send --to unix:nowhere --rail 127.0.0.1
	refused_usage "--rail and --transport say nothing" send --to file:x --rail 127.0.0.1
	refused_usage "is no rail of" recv --listen 127.0.0.1:0 --rail 0.0.0.0 --insecure
	refused_usage "is not on this machine" send --to 127.0.0.1:9 --rail 192.0.2.7
	local end
	for end in '' = 127.0.0.1= =127.0.0.1; do
		refused_usage "--rail $end: an address is missing" send --to 127.0.0.1:9 --rail "$end"
	done
	for end in 127.0.0.1:9 [::1]:9 127.0.0.1:9=127.0.0.1 127.0.0.1=localhost:9; do
		refused_usage "a rail has no port of its own" send --to 127.0.0.1:9 --rail "$end"
	done
	refused_usage "the bracket is not closed" send --to 127.0.0.1:9 --rail '[::1'
	refused_usage "two ends" send --to 127.0.0.1:9 --rail 127.0.0.1=127.0.0.2=127.0.0.3
	refused_usage "its own address only" recv --listen 127.0.0.1:0 --rail 127.0.0.2=127.0.0.1
	refused_usage "no host's address" send --to 127.0.0.1:9 --rail :: --insecure
	refused_usage "no host's address" send --to 127.0.0.1:9 --rail 0.0.0.0 --insecure
	refused_usage "at most 8 rails" recv --listen 127.0.0.1:0 $(printf -- '--rail 127.0.0.%d ' 2 3 4 5 6 7 8 9 10)
}

@test "a NUMA node is a number, auto or off, and one that this machine has" {
	refused_usage "a node's number, auto or off" send --to 127.0.0.1:9 --numa-node one
	migrate $device -- "${small[@]}" --numa-node auto -- --numa-node off
	codes 0 0
	json send '.numa.slots == -1 and .devices[0].numa_node == -1'
	recv --device $device --once "${small[@]}"
	send --device $device --numa-node 1023
	[ "$send_code" = 3 ]
	json send '.result.name == "no-numa-node"'
	said send "no NUMA node 1023"
}
