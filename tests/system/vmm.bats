#!/usr/bin/env bats
# A VMM beside the program: on a descriptor of its own each side says that its part is done, and a gated config load waits
# for both, in whatever order they come.

load lib.bash

# word NAME: a FIFO that stays open, its descriptor in $NAME.
word()
{
	mkfifo "$1.fifo"
	exec {fd}<>"$1.fifo"
	rm "$1.fifo"
	printf -v "$1" %s "$fd"
}

# gated: both sides, with the gate on, running in the background, each with a word to wait for.
gated()
{
	word done
	word ready
	recv --once --device sim:bytes=2M --config-after-iter on --platform-ready-fd "$ready"
	send_start --device sim:bytes=2M --iterables-done-fd "$done" --verbose
}

# waits_for WHAT: all is loaded, and by its own word the receiver's gate waits for nothing else.
waits_for()
{
	kill -USR1 "$pid_recv"
	grep -q "its load of its config state is next; waits for $1 (the gate)" recv.err
}

arrived()
{
	ended send
	ended recv
	codes 0 0
	both '.gate == "on" and .devices[0].gate == "on"'
}

@test "the platform is ready before the iterables are done" {
	gated
	echo >&"$ready"
	until_true waits_for 'the token'
	alive send recv
	echo >&"$done"
	arrived
}

@test "the iterables are done before the platform is ready" {
	gated
	echo >&"$done"
	until_true waits_for "the VMM's platform"
	alive send recv
	echo >&"$ready"
	arrived
}

@test "a word that was given before the program started counts" {
	word done
	word ready
	echo >&"$done"
	echo >&"$ready"
	migrate sim:bytes=2M -- --config-after-iter on --platform-ready-fd "$ready" -- --iterables-done-fd "$done"
	codes 0 0
	# It was looked at only: who drains the descriptor takes it back.
	migrate sim:bytes=2M -- --config-after-iter on --platform-ready-fd "$ready" -- --iterables-done-fd "$done"
	codes 0 0
}

@test "one side's word is waited for where the other side has no VMM" {
	word ready
	recv --once --device sim:bytes=2M --config-after-iter on --platform-ready-fd "$ready"
	send_start --device sim:bytes=2M --verbose
	until_true waits_for "the VMM's platform"
	alive recv
	echo >&"$ready"
	arrived
}

@test "without the gate nobody waits for a word" {
	word done
	word ready
	migrate sim:bytes=2M -- --config-after-iter off --platform-ready-fd "$ready" -- --iterables-done-fd "$done"
	codes 0 0
	both '.gate == "off"'
}

@test "a wait for a word can be cancelled" {
	gated
	until_true waits_for "the VMM's platform, the token"
	kill -TERM "$pid_send"
	ended send
	ended recv
	codes 9 9
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "an eventfd is as good as a pipe" {
	recv --once --device sim:bytes=2M --config-after-iter on
	send_code=0
	# 290 is eventfd2 on x86-64, 19 on arm64.
	perl -e '
		my $call = `uname -m` =~ /aarch64/ ? 19 : 290;
		$^F = 1000; # what is opened from here on outlives exec
		my $fd = syscall($call, 0, 0);
		open my $event, "+<&=", $fd or die "no eventfd: $!";
		syswrite $event, pack("Q", 1);
		exec @ARGV[0 .. $#ARGV], "--iterables-done-fd", $fd;
	' "$PROGRAM" send --to "127.0.0.1:$port" --json --device sim:bytes=2M >send.json 2>send.err 3>&- || send_code=$?
	ended recv
	codes 0 0
}

@test "a writer that goes away in silence is said, and not taken for a word" {
	recv --once --device sim:bytes=2M --config-after-iter on
	: >send.err
	"$PROGRAM" send --to "127.0.0.1:$port" --json --device sim:bytes=2M --iterables-done-fd 0 --verbose \
		< <(:) >send.json 2>send.err 3>&- &
	pid_send=$!
	pids+=("$pid_send")
	said_so() { grep -q -- '--iterables-done-fd: its writer went away in silence' send.err; }
	until_true said_so
	until_true waits_for 'the token'
	kill -TERM "$pid_send"
	ended send
	ended recv
	codes 9 9
}

@test "a descriptor that can say nothing is a usage error" {
	local side options
	for side in send recv; do
		[[ $side == send ]] && options=(--to 127.0.0.1:1 --iterables-done-fd) ||
			options=(--listen 127.0.0.1:0 --platform-ready-fd)
		refused 2 "$side" --device sim: "${options[@]}" 77
		said refused "${options[2]} 77: that descriptor is not open"
		refused 2 "$side" --device sim: "${options[@]}" x
		said refused "${options[2]} x: the number of an open descriptor"
		refused 2 "$side" --device sim: "${options[@]}" 99999999999
		# A file, /dev/null, and the writing end of a pipe.
		refused 2 "$side" --device sim: "${options[@]}" 0 <"$BATS_TEST_FILENAME"
		said refused 'an eventfd or the reading end of a pipe'
		refused 2 "$side" --device sim: "${options[@]}" 0 </dev/null
		exec {fd}> >(:)
		refused 2 "$side" --device sim: "${options[@]}" "$fd"
		exec {fd}>&-
	done
}

@test "a VMM's device may be gated where its VMM has a word" {
	word done
	refused 3 send --to 127.0.0.1:1 --device vfio:fd=0 --config-after-iter on --json </dev/null
	said refused '--iterables-done-fd N'
	json refused '.result.name == "platform-needed"'
	refused 3 recv --listen 127.0.0.1:0 --device vfio:fd=0,gate=on --json </dev/null
	said refused '--platform-ready-fd N'
	# Now it is the descriptor that is none of VFIO's.
	refused 3 send --to 127.0.0.1:1 --device vfio:fd=0 --config-after-iter on --iterables-done-fd "$done" --json </dev/null
	json refused '.result.name != "platform-needed"'
	refused 3 recv --listen 127.0.0.1:0 --device vfio:fd=0,gate=on --platform-ready-fd "$done" --json </dev/null
	json refused '.result.name != "platform-needed"'
}
