#!/usr/bin/env bats
# A recording stands in for a receiver, and later for the device that it was made of.

load lib.bash

# record ARG...: into ./nic.tape.
record()
{
	send_code=0
	"$PROGRAM" send --to file:nic.tape --json "$@" >send.json 2>send.err 3>&- || send_code=$?
}

@test "a device is recorded and goes on running" {
	record --device sim:bytes=3M,seed=4
	[[ $send_code == 0 ]]
	json send '.result.source_state == "running" and .result.destination_state == "recorded"'
	json send '.devices[0].state == "RUNNING" and .bytes == 3 * 1048576 + 264 and .insecure == false'
	json send '.estimate == null and .devices[0].packets >= 4'
	(($(stat -c %s nic.tape) >= 3 * 1048576 + 264))
	"$PROGRAM" send --to file:nic.tape --device sim:bytes=3M,seed=4 >people.out 2>people.err
	grep -q '^recorded 1 device: 3.00 MiB$' people.out
	run ! grep -q downtime people.out
}

@test "what was recorded arrives" {
	record --device sim:bytes=3M,seed=4
	recv --once --device sim:bytes=3M,seed=4 --config-after-iter on
	send --device file:nic.tape
	ended recv
	codes 0 0
	both '.bytes == 3 * 1048576 + 264 and .budget != null'
	json send '.devices[0].spec == "file:nic.tape"'
	# A simulated device checks every byte: another one's state is not its own.
	recv --once --device sim:bytes=3M,seed=5
	send --device file:nic.tape
	ended recv
	codes 6 6
	json send '.result.source_state == "running"'
}

@test "several devices are recorded into a file each" {
	record --device sim:bytes=1M,seed=1,name=one --device sim:bytes=2M,seed=2
	[[ $send_code == 0 && -s nic.tape.one && -s nic.tape.1 ]]
	recv --once --device sim:bytes=1M,seed=1,name=one --device sim:bytes=2M,seed=2
	send --device file:nic.tape.one,name=one --device file:nic.tape.1
	ended recv
	codes 0 0
}

@test "two devices are not recorded into the same file" {
	record --device sim:bytes=1M,seed=1,name=1 --device sim:bytes=2M,seed=2
	[[ $send_code == 2 ]]
	grep -q 'both be recorded into nic.tape.1' send.err
	json send '.result.source_state == "running"'
	[[ ! -e nic.tape.1 ]]
}

@test "a pipe that nobody reads is refused, and one that is not read on does not hold against a signal" {
	mkfifo pipe
	refused 3 send --to file:pipe --device sim:bytes=3M,seed=4
	said refused 'pipe cannot be written'
	exec 9<>pipe
	start send send --to file:pipe --device sim:bytes=3M,seed=4 --json --verbose
	until_true grep -q 'phase STREAM' send.err
	kill -TERM "$pid_send"
	ended send
	exec 9<&-
	[[ $send_code == 9 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "a truncated or altered recording is refused with its offset" {
	record --device sim:bytes=3M,seed=4
	head -c 1000000 nic.tape >cut.tape
	refused 3 send --to 127.0.0.1:1 --device file:cut.tape
	said refused 'cut.tape is damaged at offset 1000000'
	cp nic.tape altered.tape
	printf '\x5a\xa5' | dd of=altered.tape bs=1 seek=2000000 conv=notrunc status=none
	refused 3 send --to 127.0.0.1:1 --device file:altered.tape --json
	said refused 'altered.tape is damaged at offset [0-9]+'
	json refused '.result.source_state == "running"'
}

@test "nothing is loaded into a recording" {
	record --device sim:bytes=1M
	refused 3 recv --listen 127.0.0.1:0 --device file:nic.tape --json
	said refused "device 'file:nic.tape' is a recording: it can be sent, but nothing can be loaded into it"
	json refused '.result.name == "recording"'
}

@test "a recording that cannot be written is refused before anything is stopped" {
	refused 2 send --to file: --device sim:
	said refused 'the path of the recording is missing'
	refused 2 send --to file:tape --qps 4 --device sim:
	said refused 'a recording has no lanes'
	refused 3 send --to file:nowhere/tape --device sim: --json
	said refused 'nowhere/tape cannot be written: No such file'
	json refused '.result.source_state == "running" and .budget == null'
	[[ -c /dev/full ]] || skip "no /dev/full here: mknod /dev/full c 1 7"
	refused 3 send --to file:/dev/full --device sim:bytes=1M --json
	json refused '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}
