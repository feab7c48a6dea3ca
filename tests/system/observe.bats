#!/usr/bin/env bats
# What the programs say of a migration while it is under way: progress for people, events for programs, and what goes on when
# somebody asks.

load lib.bash

hour=3600000

# events NAME FILTER: it must hold for all events of NAME.events together.
events() { jq -es "$2" "$1.events" >/dev/null || fail "$1.events: not so: $2"; }

# answers NAME PATTERN: asked by SIGUSR1, it says so.
answers()
{
	local pid=pid_$1
	kill -USR1 "${!pid}"
	grep -Eq -- "$2" "$1.err"
}

# asked_send ARG...: a sender in the background that may be asked: a signal that comes before its program does would end it.
begun() { grep -q 'phase CONNECT' send.err; }
asked_send()
{
	send_start --verbose "$@"
	until_true begun
}

@test "events are JSON lines in the order of what happened, on both sides" {
	migrate sim:bytes=2M,seed=3 -- --events recv.events -- --events send.events
	codes 0 0
	for side in send recv; do
		events $side 'all(.[]; (.event | type == "string") and (.monotonic_us | type == "number") and .wall_us > 1e15)'
		events $side '[.[] | select(.event != "start" and .event != "progress") | .monotonic_us] | . == sort'
		events $side '.[0].event == "start" and .[-1].event == "result" and .[-1].code == 0 and .[-1].name == "ok"'
		events $side '[.[] | select(.event == "result")] | length == 1'
		events $side '[.[].event] as $e | ($e | index("switchover")) < ($e | index("prepared")) and
			($e | index("prepared")) < ($e | index("commit"))'
	done
	events send '[.[] | select(.event == "phase") | .phase] ==
		["CONNECT","AGREE","PREPARE","LANES","PRECOPY","SWITCHOVER","STREAM","DRAIN","HOLD","RECORD","COMMIT","DONE"]'
	events recv '[.[] | select(.event == "phase") | .phase] ==
		["CONNECT","AGREE","PREPARE","LANES","STREAM","DRAIN","HOLD","RECORD","COMMIT","RUN","DONE"]'
	events send 'any(.[]; .event == "estimate" and .downtime_us > 0)'
	[[ $(jq -s '[.[].session | select(.)] | unique | length' send.events recv.events) == 1 ]] || fail "not one session"
	events send "(.[-1].bytes == $(jq .bytes send.json)) and (.[-1].downtime_us == $(jq .downtime_us send.json))"
}

@test "a lane that is lost and replaced is told on both sides" {
	migrate sim:bytes=8M,seed=3 -- --slot-bytes 64K --events recv.events -- --qps 4 --lose-lane 2@1M --events send.events
	codes 0 0
	for side in send recv; do
		events $side '[.[] | select(.event == "lane-lost" or .event == "lane-replaced") | [.event, .lane]] ==
			[["lane-lost", 2], ["lane-replaced", 2]]'
	done
	events send 'any(.[]; .event == "lane-lost" and (.text | length > 0))'
}

@test "a migration that never begins has a result, too" {
	refused 3 send --to 127.0.0.1:1 --device vfio:0000:ff:1f.7 --events refused.events
	events refused 'map(.event) == ["result"] and .[0].code == 3 and .[0].source_state == "running"'
}

@test "with --progress json all of stderr is JSON, messages and progress as well" {
	recv --once --device sim:bytes=2M
	send --device sim:bytes=2M,read-rate=1M --progress json --verbose
	ended recv
	codes 0 0
	cp send.err send.events
	events send '[.[].event] | contains(["start", "log", "phase", "progress", "result"])'
	events send 'any(.[]; .event == "log" and .level == "debug" and .text == "phase STREAM")'
	events send '[.[] | select(.event == "progress")] | all(.[]; .bytes <= .expected_bytes + 4096 and .phase != "")'
}

@test "a reader of events that does not keep up holds up nobody, and is told how many it has lost" {
	mkfifo pipe.fifo ready.fifo
	exec {end}<>pipe.fifo {ready}<>ready.fifo
	rm pipe.fifo ready.fifo
	head -c 65536 /dev/zero >&"$end" # all that a pipe takes
	recv --once --device sim:bytes=1M --config-after-iter on --platform-ready-fd "$ready"
	asked_send --device sim:bytes=1M --events "fd:$end"
	until_true answers recv "waits for the VMM's platform \(the gate\)"
	head -c 65536 <&"$end" >/dev/null
	echo >&"$ready"
	ended send
	ended recv
	codes 0 0
	head -n 1 <&"$end" >send.events
	exec {end}>&- {ready}>&-
	events send 'map(.event) == ["lost"] and .[0].count > 5'
}

@test "a file of events that may grow no more ends no migration, and once it may again, no line is mixed with another" {
	local room i
	# Longer than any other file that it writes, since the limit is that of them all.
	for i in {1..99}; do echo '{"event":"of another run, which this one writes behind"}'; done >recv.events
	recv --once --device sim:bytes=1M --events recv.events
	until_true grep -q '"CONNECT"' recv.events
	# The next line is torn, wherever it is; unless one comes right now, and then the next one has no room at all.
	room=$(($(wc -c <recv.events) + 24))
	prlimit --pid "$pid_recv" --fsize=$room:unlimited
	"$PROGRAM" probe --to "127.0.0.1:$port" --device sim:bytes=1M >probe.json 2>probe.err
	until_true grep -q 'asked what a migration would cost' recv.err
	(($(wc -c <recv.events) >= room)) || fail "the file is not full"
	prlimit --pid "$pid_recv" --fsize=unlimited:unlimited
	send --device sim:bytes=1M
	ended recv
	codes 0 0
	jq -R 'fromjson? | .event' recv.events >whole.out
	grep -q '"lost"' whole.out || fail "nobody is told"
	(($(wc -l <recv.events) - $(wc -l <whole.out) <= 1)) || fail "another line is broken than the one that was torn"
}

@test "what is said reaches no file or device where stdin, stdout and stderr were closed" {
	"$PROGRAM" recv --listen "unix:$PWD/socket" --once --device sim:bytes=1M <&- >&- 2>&- 3>&- &
	pids+=($!) pid_recv=$!
	until_true test -S socket
	[[ $(readlink /proc/$pid_recv/fd/0 /proc/$pid_recv/fd/1 /proc/$pid_recv/fd/2 | uniq) == /dev/null ]] || fail "a file is in their place"
	"$PROGRAM" send --to "unix:$PWD/socket" --device sim:bytes=1M >send.out 2>send.err
	ended recv
	((recv_code == 0))
}

@test "events go to two places and to stderr, and a third place is too many" {
	refused 5 send --to 127.0.0.1:1 --device sim: --events a.events --events b.events --progress json
	cp refused.err refused.events
	events refused 'map(.event) | contains(["start", "log", "result"])'
	events a 'map(.event) | contains(["start", "log", "result"])'
	cmp a.events b.events
	refused 2 send --to 127.0.0.1:1 --device sim: --events a.events --events b.events --events c.events
	said refused '--events c.events: .* two places'
}

@test "a descriptor or a file that cannot be written is a usage error" {
	refused 2 send --to 127.0.0.1:1 --device sim: --events fd:77
	said refused '--events fd:77: it cannot be written'
	refused 2 send --to 127.0.0.1:1 --device sim: --events /nowhere/at/all
	said refused '--events /nowhere/at/all: it cannot be written: No such file'
	refused 2 send --to 127.0.0.1:1 --device sim: --progress loud
	said refused '--progress loud: it takes auto, tty, log, json or off'
}

# on_terminal COLUMNS TERM SHOWN ARG...: send on a pseudo-terminal, held at the gate until it shows SHOWN ("": at once); what it wrote in tty.out.
on_terminal()
{
	local columns=$1 term=$2 shown=$3
	shift 3
	rm -f ready.fifo tty.log
	mkfifo ready.fifo
	exec {ready}<>ready.fifo
	recv --once --device sim:bytes=1M --config-after-iter on --platform-ready-fd "$ready"
	TERM=$term timeout -k 5 $patience_s script -qefc "stty cols $columns
		$PROGRAM send --to 127.0.0.1:$port --device sim:bytes=1M --json $* >send.json" tty.log </dev/null >/dev/null 2>&1 3>&- &
	pids+=($!)
	until_true answers recv "waits for the VMM's platform \(the gate\)"
	[[ -z $shown ]] || until_true grep -q "$shown" tty.log
	echo >&"$ready"
	ended recv
	wait "${pids[-1]}"
	exec {ready}>&-
	((recv_code == 0)) || fail "recv ended with $recv_code" || return
	sed 1d tty.log | tr -d '\n' | sed 's/\r*Script done.*//' >tty.out
}

@test "on a terminal one line is rewritten, within its width, and taken away at the end" {
	on_terminal 40 xterm DRAIN
	grep -q $'\r' tty.out || fail "nothing is rewritten"
	! grep -q $'\033' tty.out || fail "an escape sequence"
	tr '\r' '\n' <tty.out >lines.out
	grep -q '^DRAIN' lines.out
	[[ $(awk '{ if (length($0) > most) most = length($0) } END { print most + 0 }' lines.out) -le 39 ]] || fail "a line is too long"
	# The last thing on it are blanks, and then its beginning.
	grep -Eq $'\r {4,}\r*$' tty.out || fail "the line stays"
}

@test "a terminal of one column, and one that gets narrower meanwhile, get no line that is too long" {
	on_terminal 1 xterm ''
	! grep -q '[A-Z]' tty.out || fail "something is shown"
	rm ready.fifo
	mkfifo ready.fifo
	exec {ready}<>ready.fifo
	recv --once --device sim:bytes=1M --config-after-iter on --platform-ready-fd "$ready"
	# The terminal's own shell makes it narrower while the gate is shut.
	TERM=xterm timeout -k 5 $patience_s script -qefc "stty cols 70
		$PROGRAM send --to 127.0.0.1:$port --device sim:bytes=1M --json >send.json &
		until [ -e shut ]; do sleep 0.05; done
		stty cols 12; echo; echo NARROW; echo >ready.fifo; wait" tty.log </dev/null >/dev/null 2>&1 &
	pids+=($!)
	until_true answers recv "waits for the VMM's platform \(the gate\)"
	until_true grep -q DRAIN tty.log
	touch shut
	ended recv
	wait "${pids[-1]}"
	exec {ready}>&-
	((recv_code == 0))
	tr '\r' '\n' <tty.log | sed -n '/^NARROW/,/^Script done/p' | grep -v '^Script done' >lines.out
	grep -q '^DONE' lines.out
	[[ $(awk '{ if (length($0) > most) most = length($0) } END { print most + 0 }' lines.out) -le 11 ]] || fail "a line is too long"
}

@test "a terminal that cannot rewrite gets no progress unless it is asked for" {
	on_terminal 80 dumb ''
	! grep -q DRAIN tty.out || fail "progress on a dumb terminal"
	on_terminal 80 dumb '' --progress off
	! grep -q DRAIN tty.out
	on_terminal 80 dumb DRAIN --progress log
	grep -q '^rdma-vfiomig: .*DRAIN' tty.out
}

@test "in a log progress is a line with each phase, and silence is the default" {
	"$PROGRAM" demo --bytes 16M --json --progress log >demo.json 2>demo.err
	grep -q '^rdma-vfiomig: source: DONE  *16.0 MiB of about 16.0 MiB' demo.err
	! grep -q $'\r' demo.err
	"$PROGRAM" demo --bytes 16M --json >demo.json 2>demo.err
	(($(wc -l <demo.err) == 1)) || fail "more than one line"
}

@test "log levels are cumulative, and the lowest says only why it failed" {
	local level lines=0 more
	for level in error warning info debug; do
		"$PROGRAM" demo --bytes 1M --json --progress off --log-level $level >demo.json 2>demo.err
		more=$(wc -l <demo.err)
		((more > lines || (more == 0 && lines == 0))) || fail "$level says no more than the one before"
		lines=$more
	done
	refused 3 send --to 127.0.0.1:1 --device vfio:0000:ff:1f.7 --log-level error
	(($(wc -l <refused.err) == 1)) || fail "not one sentence"
}

@test "a message is one line, whatever is in a name" {
	local name=$'file:no\n<0>such\e[2Jfile'
	refused 3 send --to 127.0.0.1:1 --device "$name" --log-format journal
	(($(wc -l <refused.err) == 1)) || fail "a name makes messages"
	! grep -q $'\e' refused.err || fail "a name commands the terminal"
	said refused 'no\?<0>such\?\[2Jfile'
}

@test "for the journal each line begins with its priority" {
	"$PROGRAM" demo --bytes 1M --json --verbose --progress off --log-format journal >demo.json 2>demo.err
	! grep -vE '^<[3-7]>' demo.err || fail "a line without a priority"
	! grep -q rdma-vfiomig: demo.err || fail "the journal knows the program's name"
	grep -q '^<5>2 simulated devices' demo.err && grep -q '^<7>source: phase STREAM$' demo.err
}

@test "the journal is known by its stream" {
	local stream
	: >demo.err
	stream=$(stat -c %d:%i demo.err)
	JOURNAL_STREAM=$stream "$PROGRAM" demo --bytes 1M --json >demo.json 2>demo.err
	grep -q '^<5>2 simulated devices' demo.err
	JOURNAL_STREAM=1:1 "$PROGRAM" demo --bytes 1M --json >demo.json 2>demo.err
	grep -q '^rdma-vfiomig: 2 simulated devices' demo.err
}

@test "asked while a call to a device hangs, the source names the device, the call, and since when" {
	recv --once --device sim:bytes=1M,name=net0
	asked_send --device "sim:bytes=1M,name=net0,stop-copy-ms=$hour"
	until_true answers send "device 'net0' \(0\): .*; stop \(to STOP_COPY\) for [0-9.]+ s; in a call to the driver for [0-9.]+ s"
	said send "control: STREAM for [0-9.]+ s; waits for device 'net0'; peer heard [0-9.]+ s ago; last round"
	until_true answers recv "device 'net0' \(0\): RESUMING; load of its state for [0-9.]+ s; waits for packets"
	alive send recv
}

@test "asked while the destination does not keep up, the source names the slots, the destination its device" {
	recv --once --device sim:bytes=64M,write-rate=1M --slots 2 --slot-bytes 64K
	asked_send --device sim:bytes=64M --qps 2
	until_true answers send "read of its state for [0-9.]+ s; waits for a free slot for .*, 2 of 2 slots in use"
	until_true answers recv "load of its state for [0-9.]+ s; (in a call to the driver|waits for the device) for"
	said send 'session [0-9a-f]{32}: source, 1 device, 2 lanes over tcp, 2 slots of 65536 bytes per device'
	said send 'lane 0: live; .*[0-9]+ packets, [0-9]+ bytes; last moved [0-9.]+ s ago'
	said send 'lane 1: live'
	kill -TERM "$pid_send"
	ended send
	ended recv
	codes 9 9
}

@test "asked while the gate is shut, the destination says what it waits for" {
	mkfifo ready.fifo
	exec {ready}<>ready.fifo
	rm ready.fifo
	recv --once --device sim:bytes=1M --config-after-iter on --platform-ready-fd "$ready"
	asked_send --device sim:bytes=1M
	until_true answers recv "its load of its config state is next; waits for the VMM's platform \(the gate\)"
	until_true answers send "control: DRAIN .*waits for the word that all is prepared"
	echo >&"$ready"
	ended send
	ended recv
	codes 0 0
}

@test "asked before a source came, and while it holds devices, it answers too" {
	recv --once --device sim:bytes=1M --then hold
	until_true answers recv "control: CONNECT .*waits for the control connection"
	said recv 'fabric: idle, no lanes yet'
	send --device sim:bytes=1M
	holding() { grep -q 'holding 1 device' recv.err; }
	until_true holding
	until_true answers recv 'control: DONE for .*; the session has ended'
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
}

@test "asked all the while, a migration that loses a lane goes through as if nobody had" {
	recv --once --device sim:bytes=32M,name=a --device sim:bytes=32M,name=b,precopy=zero,precopy-bytes=4M --slot-bytes 64K
	asked_send --device sim:bytes=32M,name=a --device sim:bytes=32M,name=b,precopy=zero,precopy-bytes=4M --qps 4 --lose-lane 1@1M --slot-bytes 64K
	while ! gone "$pid_send"; do
		kill -USR1 "$pid_send" "$pid_recv" 2>/dev/null || true
		sleep 0.005
	done
	ended send
	ended recv
	codes 0 0
	json send '.devices | length == 2'
	said send "lane 1: "
	said recv "device 'b' \([01]\): "
}
