#!/usr/bin/env bats
# What a recording has in it, told; and what differs between two.

load lib.bash

ALTER=$build/tests/alter

# record FILE ARG...
record()
{
	local file=$1
	shift
	"$PROGRAM" send --to "file:$file" "$@" >record.out 2>record.err 3>&- || fail "it was not recorded"
}

# dump CODE ARG...: its exit code must be CODE; what it says is in dump.json (or text) and dump.err.
dump()
{
	local expected=$1 code=0
	shift
	timeout -k 5 $patience_s "$PROGRAM" dump "$@" >dump.json 2>dump.err 3>&- || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected: $*"
}

# alter IN OUT stream|config AT XOR: see tests/support/alter.c. Criterion's builds have it, and what is built for TSan does not.
alter()
{
	[[ -x $ALTER ]] || skip "tests/alter is not in this build: cmake -DVFIOMIG_TESTS=ON"
	"$ALTER" "$@"
}

shows() { grep -Eq -- "$1" dump.json || fail "dump did not show: $1"; }

@test "a recording is shown: the device, the stream, the config space" {
	record nic.tape --device sim:bytes=3M,seed=4,name=nic,precopy-bytes=1M
	dump 0 nic.tape
	shows '^  driver +sim$'
	shows '^  name +nic$'
	shows '^  migration +stop-copy p2p pre-copy$'
	shows '^  bytes +3145728$'
	shows '^Config state: config space of 256 bytes, layout raw$'
	shows '^  Vendor +0x1ee7$'
	shows '^  Control +0x[0-9a-f]{4} +I/O- Mem\+ BusMaster. SpecCycle-'
	shows '^  Interrupt .*pin A routed to IRQ'
	run ! grep -q 'INDEX' dump.json
}

@test "the JSON has the same, and what the recorder counted" {
	record nic.tape --device sim:bytes=3M,seed=4,name=nic --json
	dump 0 nic.tape --json --packets
	json dump '.schema == "rdma-vfiomig/1" and .command == "dump" and .result.code == 0'
	json dump '.device.name == "nic" and .device.driver == "sim" and .device.vendor == 7911'
	json dump '.stream.bytes == 3145728 and .stream.packets == (.packets | length)'
	json dump '[.packets[] | select(.config | not) | .bytes] | add == 3145728'
	json dump '.packets[-1] | .config and .bytes == 264 and .payload == null'
	json dump '[.packets[].index] == [range(.packets | length)]'
	json dump '.config.layout == "raw" and .config.bytes == 256 and .config.wrong == null'
	json dump '.config.fields[] | select(.name == "Class") | .at == 10 and .value == 65280'
	json dump '.config.space == .snapshot.space and (.config.space | length) == 512'
}

@test "the first bytes of packets are shown where they are asked for" {
	record nic.tape --device sim:bytes=64K,seed=4,config-bytes=0
	dump 0 nic.tape --bytes 20
	shows '^ +INDEX'
	shows '^ +0010:( [0-9a-f]{2}){4} '
	dump 0 nic.tape --bytes 20 --json
	json dump '(.packets[0].payload | length) == 40 and .packets[-1].payload == null'
	json dump '.config.layout == "none" and .config.fields == []'
	run ! grep -q '^ +0020:' dump.json
}

@test "one state that was cut into other packets has no difference" {
	record one.tape --device sim:bytes=3M,seed=4 --slot-bytes 64K
	record two.tape --device sim:bytes=3M,seed=4 --slot-bytes 128K
	dump 0 --diff one.tape one.tape
	shows 'no difference$'
	dump 0 --diff one.tape two.tape --json
	json dump '(.differ | not) and .result.code == 0 and .packets.cut_alike == false and .differences == []'
}

@test "one byte of the stream is found" {
	record nic.tape --device sim:bytes=3M,seed=4
	alter nic.tape other.tape stream 1234567 0x10
	dump 1 --diff nic.tape other.tape
	shows '^stream: 1 bytes differ, the first at offset 1234567 \(packet'
	shows '^packets: 1 of [0-9]+ differ: [0-9]+$'
	dump 1 --diff nic.tape other.tape --json
	json dump '.differ and .result.code == 1 and .differences == []'
	json dump '.stream.differing_bytes == 1 and .stream.first_at == 1234567'
	json dump '.packets.differing == 1 and .packets.first == [.stream.first_packet[0]]'
}

@test "one bit of the config space is found, by its name" {
	record nic.tape --device sim:bytes=1M,seed=4
	alter nic.tape other.tape config $((8 + 4)) 4
	dump 1 --diff nic.tape other.tape
	shows '^config: Control: 0x.*BusMaster(\+.* -> 0x.*BusMaster-|-.* -> 0x.*BusMaster\+)'
	run ! grep -q '^stream' dump.json
	alter nic.tape other.tape config $((8 + 0x51)) 1
	dump 1 --diff nic.tape other.tape --json
	json dump '.differences | length == 1 and .[0].part == "config" and .[0].at == 81'
}

@test "a shorter stream and another device are told" {
	record one.tape --device sim:bytes=3M,seed=4,name=a
	record two.tape --device sim:bytes=1M,seed=4,name=b,p2p=off
	dump 1 --diff one.tape two.tape
	shows '^device: name: a -> b$'
	shows '^device: migration: stop-copy p2p -> stop-copy$'
	shows '^stream: bytes: 3145728 -> 1048576$'
	shows '^stream: A has 2097152 bytes more$'
}

@test "a config state in QEMU's layout is shown, and loaded as any" {
	record nic.tape --device sim:bytes=1M,seed=4,config-bytes=4096,config-layout=qemu
	dump 0 nic.tape
	shows '^Config state: config space of 4096 bytes, layout qemu$'
	shows '^    INTA '
	recv --once --device sim:bytes=1M,seed=4,config-bytes=4096
	send --device file:nic.tape
	ended recv
	codes 0 0
	migrate sim:bytes=1M,seed=7,config-layout=qemu
	codes 0 0
}

@test "a config state that makes no sense is shown as such, and refused at the load" {
	record nic.tape --device sim:bytes=1M,seed=4,config-layout=qemu
	alter nic.tape other.tape config 8 1
	dump 0 other.tape
	shows "^Config state that cannot be read: a config state in QEMU's layout begins with 0x"
	dump 1 --diff nic.tape other.tape
	recv --once --device sim:bytes=1M,seed=4
	send --device file:other.tape
	ended recv
	codes 6 6
	json recv '.result.name == "config-qemu-tag"'
}

@test "of several devices that were recorded one is picked" {
	record nic.tape --device sim:bytes=1M,seed=1,name=one --device sim:bytes=2M,seed=2
	dump 0 nic.tape --device one
	shows '^  bytes +1048576$'
	dump 0 nic.tape --device 1
	shows '^  bytes +2097152$'
	dump 3 nic.tape --device two
	said dump 'nic.tape.two cannot be opened'
}

@test "what is no sound recording is refused with its offset" {
	record nic.tape --device sim:bytes=1M,seed=4
	head -c 100000 nic.tape >cut.tape
	dump 3 cut.tape --json
	said dump 'cut.tape is damaged at offset 100000'
	json dump '.result.code == 3 and .result.name == "recording-damaged"'
	dump 3 --diff nic.tape cut.tape
	dump 3 nothing.tape
	dump 3 .
}

@test "a wrong command line is answered with one sentence" {
	dump 2
	said dump 'which recording'
	dump 2 --diff a
	said dump 'it takes two recordings'
	dump 2 a b
	said dump 'one recording at a time'
	dump 2 a --bytes 1x
	said dump "bytes '1x'"
	refused 2 send --to file:nic.tape --device sim:config-layout=vmware
	said refused "config-layout='vmware'"
}
