#!/usr/bin/env bats
# What is refused: with one sentence, exit code 2 or 3, and nothing changed at either side.

load lib.bash

untouched()
{
	codes 3 3
	json send '.result.source_state == "running"'
	both '.result.destination_state == "untouched" and .downtime_us == 0 and .bytes == 0'
	json send '[.devices[].state == "RUNNING"] | all'
	json recv '[.devices[].state == "RUNNING"] | all'
	nothing_left
}

@test "usage errors name the offending text and what is right" {
	local qps
	for qps in 0 65 -1 8x ''; do
		refused 2 send --to 127.0.0.1:1 --device sim: --qps "$qps"
		said refused "--qps $qps: a number from 1 to 64"
	done
	refused 2 send --to 127.0.0.1:1 --device sim: --slots 1
	said refused '--slots 1: .* 2 to 65536'
	refused 2 send --to 127.0.0.1:1 --device sim: --slot-bytes 65535
	said refused '--slot-bytes 65535: a size from'
	refused 2 send --to 127.0.0.1:1 --device sim: --integrity md5
	said refused 'md5: it takes crc32c or none'
	refused 2 send --to 127.0.0.1:1 --device sim: --peer-timeout 0
	refused 2 send --device sim:
	said refused '--to'
	refused 2 recv --listen 127.0.0.1:0
	said refused '--device'
	refused 2 recv --device sim:
	said refused '--listen'
	refused 2 recv --listen 127.0.0.1:0 --device sim: --then exec
	refused 2 nonsense
	said refused 'nonsense: no such command'
	refused 2 demo --devices 65
	refused 2
}

@test "help and version are no errors" {
	local command
	refused 0 --help
	refused 0 --version
	grep -q 'rdma-vfiomig [0-9]' refused.json
	for command in recv send devices demo; do
		refused 0 "$command" --help
		grep -q 'Usage: rdma-vfiomig' refused.json
	done
}

@test "a device spec that cannot be read is a usage error" {
	local spec
	for spec in nothing foo:bar sim:bytes sim:bytes=x sim:colour=red sim:gate=maybe sim:bytes=1,bytes=2; do
		refused 2 send --to 127.0.0.1:1 --device "$spec" --json
		said refused "$spec|'"
		json refused '.result.code == 2 and .result.source_state == "running" and (.result.message | length > 0)'
	done
}

@test "a device that is not there is refused" {
	refused 3 send --to 127.0.0.1:1 --device vfio:ffff:ff:1f.7 --json
	json refused '.result.code == 3 and .result.source_state == "running"'
	said refused 'ffff:ff:1f.7'
	refused 3 recv --listen 127.0.0.1:0 --device vfio:ffff:ff:1f.7 --json
	json refused '.result.code == 3 and .result.destination_state == "untouched"'
}

@test "an address that cannot be read is a usage error, before anything else" {
	refused 2 recv --listen 127.0.0.1 --device sim:
	refused 2 recv --listen 127.0.0.1:70000 --device sim:
	refused 2 send --to 127.0.0.1 --device sim:
}

@test "a port in use is refused" {
	recv --device sim:
	refused 3 recv --listen "127.0.0.1:$port" --device sim: --json
	said refused "$port"
	json refused '.result.code == 3'
}

@test "nobody listening is a connection that could not be made" {
	recv --device sim:
	kill -KILL "$pid_recv"
	wait "$pid_recv" || true
	send --device sim:
	[[ $send_code == 5 ]]
	json send '.result.code == 5 and .result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "more devices than the peer has are refused" {
	recv --once --device sim:bytes=1M
	send --device sim:bytes=1M --device sim:bytes=1M,seed=2
	ended recv
	untouched
}

@test "fewer devices than the peer has are refused" {
	recv --once --device sim:bytes=1M --device sim:bytes=1M,seed=2
	send --device sim:bytes=1M
	ended recv
	untouched
}

@test "a name that the peer does not know is refused" {
	recv --once --device sim:bytes=1M,name=here
	send --device sim:bytes=1M,name=there
	ended recv
	untouched
	said send 'there'
}

@test "a config space of another size is refused" {
	recv --once --device sim:bytes=1M,config-bytes=256
	send --device sim:bytes=1M,config-bytes=4096
	ended recv
	untouched
}

@test "other migration flags are refused" {
	recv --once --device sim:bytes=1M,precopy=off
	send --device sim:bytes=1M,precopy=enomsg
	ended recv
	untouched
}

@test "two devices of which one has no P2P state are refused" {
	recv --once --device sim:bytes=1M,p2p=off --device sim:bytes=1M,seed=2,p2p=on
	send --device sim:bytes=1M,p2p=off --device sim:bytes=1M,seed=2,p2p=on
	ended recv
	untouched
	said send 'P2P|p2p'
}

@test "gate on against gate off is refused" {
	recv --once --device sim:bytes=1M --config-after-iter off
	send --device sim:bytes=1M --config-after-iter on
	ended recv
	untouched
	said send 'gate|config-after-iter'
}

@test "a VMM's device with the gate on is refused" {
	refused 3 send --to 127.0.0.1:1 --device vfio:fd=0 --config-after-iter on --json
	said refused 'platform-ready'
	json refused '.result.code == 3 and .devices[0].held_by == "caller"'
	refused 3 recv --listen 127.0.0.1:0 --device vfio:fd=0,gate=on
	said refused 'platform-ready'
}

@test "RDMA where there is none is refused" {
	[[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "there is RDMA here"
	recv --once --device sim:bytes=1M
	send --device sim:bytes=1M --transport rdma
	[[ $send_code == 3 || $send_code == 5 ]]
	said send 'RDMA'
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "a receiver of another version is refused" {
	perl -MIO::Socket::INET -e '
		my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 0) or die;
		open my $file, ">", "port.tmp"; print $file $listener->sockport; close $file; rename "port.tmp", "port.err";
		my $peer = $listener->accept; sysread $peer, my $preface, 8; syswrite $peer, "vfmg\x00\x63\x00\x01"; sleep 60;
	' 3>&- &
	pids+=($!)
	until_true test -s port.err
	port=$(<port.err)
	send --device sim:bytes=1M
	[[ $send_code == 3 ]]
	said send 'version'
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "a sender of another version is told ours, and disturbs nobody" {
	recv --once --device sim:bytes=1M
	exec {peer}<>"/dev/tcp/127.0.0.1/$port"
	printf 'vfmg\x00\x63\x00\x01' >&"$peer"
	[[ $(head -c 8 <&"$peer" | od -An -tx1 | tr -d ' \n') == 76666d6700010001 ]]
	exec {peer}>&-
	send --device sim:bytes=1M
	ended recv
	codes 0 0
}

@test "a stranger on the port disturbs nobody" {
	recv --once --device sim:bytes=1M
	exec {peer}<>"/dev/tcp/127.0.0.1/$port"
	printf 'GET / HTTP/1.1' >&"$peer"
	exec {silent}<>"/dev/tcp/127.0.0.1/$port"
	send --device sim:bytes=1M
	ended recv
	exec {peer}>&- {silent}>&-
	codes 0 0
}

@test "the list of devices says what is there" {
	refused 0 devices --json
	json refused '.schema == "rdma-vfiomig/1" and (.rdma | type == "array") and (.vfio | type == "array")'
	refused 0 devices
	grep -q '^RDMA devices' refused.json
	grep -q '^VFIO devices' refused.json
}
