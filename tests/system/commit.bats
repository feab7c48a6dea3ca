#!/usr/bin/env bats
# The commit: what the journal says at each point, who answers a source in doubt, and how a person ends a doubt. Each side has a journal of
# its own, as on two machines.

load lib.bash

# A destination that takes its time to run: it is caught between its COMMITTED and its first device.
slow=sim:bytes=1M,name=net0,running-ms=60000

# record SIDE FILTER: it holds for the one record in SIDE's journal.
record()
{
	"$PROGRAM" status --journal-dir "$1" --json >status.json 2>status.err &&
		jq -e "length == 1 and (.[0] | $2)" status.json >/dev/null
}

empty() { [[ -z $(ls -A "$1") ]]; }

session_of() { "$PROGRAM" status --journal-dir "$1" --json | jq -r '.[0].session'; }

resolve()
{
	local side=$1 decision=$2
	"$PROGRAM" resolve "$(session_of "$side")" "--$decision" --i-have-fenced-the-other-side --journal-dir "$side" 2>resolve.err
}

# at_commit HOLD SEND OPTION...: both sides are there, COMMIT has come and is on file, and no device runs yet.
at_commit()
{
	local hold=$1
	shift
	recv --once --device "$slow" --journal-dir to --hold "$hold"
	send_start --verbose --device sim:bytes=1M,name=net0 --journal-dir from --hold "$hold" "$@"
	until_true record to '.state == "COMMITTED" and .role == "destination" and .held'
	record from '.state == "COMMITTED" and .role == "source" and .devices[0].name == "net0"'
}

kill_recv()
{
	kill -KILL "$pid_recv"
	ended recv
}

# recv_again: a new process where the old one was, with its journal.
recv_again()
{
	start recv recv --listen "127.0.0.1:$port" --json --verbose --device sim:bytes=1M,name=net0 --journal-dir to
	until_true listening recv "$pid_recv"
}

was_asked() { grep -q 'a source in doubt asked about its session: '"$1" recv.err; }

was_told() { grep -q "asked: the destination$1" send.err; }

@test "a migration that ends on both sides leaves no record" {
	migrate sim:bytes=1M,name=net0 -- --journal-dir to -- --journal-dir from
	codes 0 0
	empty to
	empty from
}

@test "the receiver dies after its record of the commit: the source asks in vain, and is in doubt" {
	at_commit 0.5
	kill_recv
	ended send
	[[ $send_code == 20 ]]
	json send '.result.source_state == "stopped" and .result.destination_state == "unknown"'
	json send '.devices[0].state == "STOP"'
	record from '.state == "COMMITTED" and (.held | not)'
	record to '.state == "COMMITTED" and (.held | not)'
	said send "session $(session_of from) is in doubt"
	[[ $(session_of from) == "$(session_of to)" ]]
}

@test "a receiver that was started again does not say that the dead one never ran" {
	at_commit 30
	kill_recv
	recv_again
	until_true was_told "'s record says COMMITTED"
	alive send recv
	kill -TERM "$pid_send"
	ended send
	[[ $send_code == 20 ]]
	said send "the destination's record says COMMITTED, and its process is gone"
	json send '.devices[0].state == "STOP"'
}

@test "a receiver without the journal knows nothing, and the source stays stopped" {
	at_commit 30
	kill_recv
	rm to/*
	recv_again
	until_true was_told ' does not know this session'
	kill -TERM "$pid_send"
	ended send
	[[ $send_code == 20 ]]
	said send 'does not know this session'
	json send '.devices[0].state == "STOP"'
}

@test "decided at the receiver that it never ran: the source that asks goes on" {
	at_commit 30
	kill_recv
	resolve to resume-source
	recv_again
	ended send
	[[ $send_code == 5 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	empty from
	record to '.state == "ABORTED"'
}

@test "decided at the receiver that it has the devices: the source that asks retires" {
	at_commit 30
	kill_recv
	recv_again
	until_true was_asked COMMITTED
	resolve to promote-destination
	ended send
	[[ $send_code == 0 ]]
	json send '.result.source_state == "retired" and .devices[0].state == "STOP"'
	empty from
}

@test "decided at the source that asks" {
	at_commit 30
	kill_recv
	resolve from resume-source
	ended send
	[[ $send_code == 5 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	empty from
}

holding() { grep -q 'holding the stopped devices' send.err; }

@test "a source in doubt that holds its devices is told to go on" {
	at_commit 0.2 --on-abort hold
	kill_recv
	until_true holding
	alive send
	resolve from resume-source
	until_true grep -q 'its devices run again' send.err
	until_true empty from
	kill -TERM "$pid_send"
	ended send
	[[ $send_code == 9 ]]
}

@test "a source in doubt that holds its devices is told that the destination has them" {
	at_commit 0.2 --on-abort hold
	kill_recv
	until_true holding
	resolve from promote-destination
	ended send
	[[ $send_code == 0 ]]
	said send 'the destination has the devices'
	empty from
}

@test "the sender dies after the commit: the receiver runs, and says so to whoever asks" {
	recv --once --device sim:bytes=1M,name=net0,running-ms=4000 --journal-dir to
	send_start --device sim:bytes=1M,name=net0 --journal-dir from
	until_true record to '.state == "COMMITTED"'
	kill -KILL "$pid_send"
	ended send
	ended recv
	[[ $recv_code == 0 ]]
	json recv '.devices[0].state == "RUNNING" and .result.source_state == "unknown"'
	record to '.state == "RUNNING"'
	record from '.state == "COMMITTED" and (.held | not)'
	# Here it must not go on: the record says that the destination ran.
	refused 3 resolve "$(session_of to)" --resume-source --i-have-fenced-the-other-side --journal-dir to
	resolve from promote-destination
	grep -q 'nobody to carry it out' resolve.err
	record from '.state == "RETIRED"'
}

# ask SESSION: a question by hand, as a source in doubt asks it; the answer's three bytes: state, process lives, degraded.
ask()
{
	local preface='\x76\x66\x6d\x67\x00\x01\x00\x01' head='\x00\x00\x00\x00\x00\x01\x00\x10' id
	# shellcheck disable=SC2001 # two digits at a time
	id=$(sed 's/../\\x&/g' <<<"$1")
	exec 9<>"/dev/tcp/127.0.0.1/$port"
	printf '%b' "$preface$head$id" >&9
	timeout 20 head -c 35 <&9 | tail -c 3 | od -An -tx1 | tr -d ' \n'
	exec 9>&-
}

@test "a receiver that holds what runs answers long after its session" {
	recv --once --then hold --device sim:bytes=1M,name=net0,running-ms=4000 --journal-dir to
	send_start --device sim:bytes=1M,name=net0 --journal-dir from
	until_true record to '.state == "COMMITTED"'
	[[ $(ask "$(session_of from)") == 020100 ]]
	kill -KILL "$pid_send"
	ended send
	until_true grep -q 'holding 1 device' recv.err
	[[ $(ask "$(session_of from)") == 030100 ]]
	[[ $(ask 0123456789abcdef0123456789abcdef) == 000000 ]]
	kill -TERM "$pid_recv"
	ended recv
	[[ $recv_code == 0 ]]
}

@test "a receiver that is asked before its source comes still takes the source" {
	recv --once --device sim:bytes=1M,name=net0 --journal-dir to
	[[ $(ask 0123456789abcdef0123456789abcdef) == 000000 ]]
	send --device sim:bytes=1M,name=net0 --journal-dir from
	ended recv
	codes 0 0
}

@test "a start that fails after the commit leaves a tombstone, and the next start sweeps it" {
	recv --once --device sim:bytes=1M,name=net0,fail-state=RUNNING,p2p=off --journal-dir to --hold 0.1
	send --device sim:bytes=1M,name=net0,p2p=off --journal-dir from
	ended recv
	codes 6 6
	json send '.devices[0].state == "RUNNING"'
	record to '.state == "ABORTED"'
	empty from
	swept()
	{
		migrate sim:bytes=1M,name=net0 -- --journal-dir to -- --journal-dir from
		codes 0 0 && empty to
	}
	until_true swept
}

@test "a journal that cannot be kept is refused before anything is stopped" {
	refused 3 send --to 127.0.0.1:9 --device sim:bytes=1M --journal-dir /proc/here
	grep -q 'journal cannot be kept in /proc/here' refused.err
	refused 3 recv --listen 127.0.0.1:0 --device sim:bytes=1M --journal-dir /nowhere/at/all
	mkdir -m 777 open
	refused 3 recv --listen 127.0.0.1:0 --device sim:bytes=1M --journal-dir open
	grep -q 'others may write to it' refused.err
}

@test "status and resolve say what they miss" {
	local id=0123456789abcdef0123456789abcdef
	mkdir -m 700 none
	[[ -z $("$PROGRAM" status --journal-dir none) ]]
	[[ $("$PROGRAM" status --journal-dir none --json) == "[]" ]]
	refused 3 status "$id" --journal-dir none
	refused 2 status 0123
	refused 2 resolve --resume-source --i-have-fenced-the-other-side
	refused 2 resolve "$id" --i-have-fenced-the-other-side
	refused 2 resolve "$id" --resume-source
	grep -q 'i-have-fenced-the-other-side' refused.err
	refused 2 resolve "$id" --resume-source --promote-destination --i-have-fenced-the-other-side
	refused 3 resolve "$id" --resume-source --i-have-fenced-the-other-side --journal-dir none
	grep -q 'no record' refused.err
}

@test "a device whose file has a name that is no text is still in the list of sessions" {
	local file=$'rec\xff.err'
	"$PROGRAM" send --to "file:$file" --device sim:bytes=1M,name=net0 >/dev/null
	recv --once --device "$slow" --journal-dir to --hold 0.5
	send_start --device "file:$file,name=net0" --journal-dir from --hold 0.5
	until_true record to '.state == "COMMITTED"'
	record from '.devices == [{ name: "net0", spec: "file:rec?.err,name=net0" }]'
	kill_recv
	ended send
	((send_code == 20))
}

@test "a list that could not be written does not look like one that is empty" {
	local query
	[[ -c /dev/full ]] || skip "no /dev/full here: mknod /dev/full c 1 7"
	mkdir -m 700 none
	for query in "status --json --journal-dir none" "devices --no-ask" "devices --no-ask --json" "doctor --no-ask --transport tcp" \
		"doctor --no-ask --transport tcp --json"; do
		code=0
		"$PROGRAM" $query >/dev/full 2>refused.err || code=$?
		((code == 1)) || fail "ended with $code: $query"
		said refused 'could not be written to stdout'
	done
	"$PROGRAM" demo --bytes 1M >/dev/full 2>refused.err # its migration went well all the same
	said refused 'could not be written to stdout'
}

@test "a receiver that still starts its devices is not resolved away" {
	at_commit 30
	refused 3 resolve "$(session_of to)" --resume-source --i-have-fenced-the-other-side --journal-dir to
	grep -q 'will end it by itself' refused.err
	record to '.state == "COMMITTED"'
}

stream_flows() { grep -q 'phase STREAM' recv.err && grep -q 'phase STREAM' send.err; }

@test "a receiver whose journal takes no PREPARED lets the source go on" {
	recv --once --verbose --device sim:bytes=2M,name=net0 --journal-dir to
	send_start --verbose --device sim:bytes=2M,name=net0,read-rate=1M --slot-bytes 64K --journal-dir from
	until_true stream_flows
	rm -r to
	ended send
	ended recv
	codes 1 1
	json send '.result.source_state == "running" and .result.destination_state == "reset"'
	json send '.devices[0].state == "RUNNING"'
	said send 'PREPARED cannot be written to the journal'
	empty from
}

@test "a receiver whose journal's folder has gone refuses before anything is stopped" {
	recv --once --device sim:bytes=1M,name=net0 --journal-dir to
	rm -r to
	send --device sim:bytes=1M,name=net0 --journal-dir from
	ended recv
	codes 3 3
	said send 'the journal cannot be kept in its folder: No such file or directory'
	json send '.result.source_state == "running" and .result.destination_state == "untouched"'
	empty from
}

@test "a sender whose journal takes no COMMITTED does not commit" {
	recv --once --verbose --device sim:bytes=2M,name=net0 --journal-dir to --hold 0.1
	send_start --verbose --device sim:bytes=2M,name=net0,read-rate=1M --slot-bytes 64K --journal-dir from
	until_true stream_flows
	rm -r from
	ended send
	ended recv
	codes 1 1
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	json recv '.result.destination_state == "reset"'
	record to '.state == "ABORTED"'
}

# A disk of its own, small enough to be filled, that is gone with the processes which see it.
small_disk()
{
	unshare --map-root-user --mount true 2>/dev/null || skip "no namespaces here: sysctl kernel.unprivileged_userns_clone=1"
	mkdir small
	unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size=64K none small && mkdir -m 700 small/to small/from &&
		touch mounted && exec sleep 3600' 3>&- &
	pids+=($!)
	on_small_disk=(nsenter --target $! --user --mount --preserve-credentials env "--chdir=$PWD")
	until_true test -e mounted
	rm mounted
}

fill_disk() { "${on_small_disk[@]}" sh -c '! cat /dev/zero >small/rest' 2>/dev/null; }

# seeing_disk COMMAND...: our programs see it.
seeing_disk()
{
	cat >seeing <<-END
		#!/bin/sh
		exec ${on_small_disk[*]} "$PROGRAM" "\$@"
	END
	chmod +x seeing
	PROGRAM=$PWD/seeing "$@"
}

@test "a disk that fills up while the devices' state flows had room for every record before" {
	small_disk
	seeing_disk recv --once --verbose --device sim:bytes=2M,name=net0 --journal-dir small/to
	seeing_disk send_start --verbose --device sim:bytes=2M,name=net0,read-rate=1M --slot-bytes 64K --journal-dir small/from
	until_true stream_flows
	fill_disk
	ended send
	ended recv
	codes 0 0
	"${on_small_disk[@]}" rm small/rest
	"${on_small_disk[@]}" rmdir small/to small/from
}

@test "a receiver whose disk has become full refuses before anything is stopped" {
	small_disk
	seeing_disk recv --once --device sim:bytes=1M,name=net0 --journal-dir small/to
	fill_disk
	send --device sim:bytes=1M,name=net0 --journal-dir from
	ended recv
	codes 3 3
	said send 'the journal cannot be kept in its folder: No space left on device'
	json send '.result.source_state == "running" and .result.destination_state == "untouched"'
	empty from
}

@test "a cancel after the commit comes too late, on either side" {
	recv --once --device sim:bytes=1M,name=net0,running-ms=4000 --journal-dir to
	send_start --device sim:bytes=1M,name=net0 --journal-dir from
	until_true record to '.state == "COMMITTED"'
	kill -TERM "$pid_send" "$pid_recv"
	ended send
	ended recv
	codes 0 0
	said send 'too late to cancel: COMMIT is on its way'
	said recv 'too late to cancel: COMMIT is here'
	json recv '.devices[0].state == "RUNNING"'
	empty from
}

asking() { grep -q 'it is asked what became of it' send.err; }

@test "a cancel ends the asking, and the doubt is told" {
	at_commit 3600
	kill_recv
	until_true asking
	kill -TERM "$pid_send"
	ended send
	[[ $send_code == 20 ]]
	json send '.result.source_state == "stopped" and .devices[0].state == "STOP"'
	said send 'the asking was cancelled'
	record from '.state == "COMMITTED"'
}

@test "a source in doubt is told to go on, and its device hangs on the way" {
	recv --once --device "$slow" --journal-dir to --hold 0.2
	send_start --device sim:bytes=1M,name=net0,running-ms=3600000 --device-timeout 1 --journal-dir from --hold 0.2 --on-abort hold
	until_true record to '.state == "COMMITTED"'
	kill_recv
	until_true holding
	resolve from resume-source
	ended send
	[[ $send_code == 21 ]]
	said send 'the resume .*has not returned for 1000 ms'
}
