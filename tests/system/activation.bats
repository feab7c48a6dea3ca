#!/usr/bin/env bats
# A receiver on a socket that was bound by somebody else and inherited, as systemd hands it over: `--listen fd:N`.

load lib.bash

# activate ADDRESS ARG...: systemd's own activator waits there, and starts `recv --listen fd:3` when somebody comes.
activate()
{
	command -v systemd-socket-activate >/dev/null || skip "systemd-socket-activate is missing: apt-get install systemd"
	: >recv.err
	systemd-socket-activate --listen="$1" --setenv="RUNTIME_DIRECTORY=$RUNTIME_DIRECTORY" \
		"$PROGRAM" recv --listen fd:3 --json "${@:2}" >recv.json 2>recv.err 3>&- &
	pid_recv=$!
	pids+=("$pid_recv")
	until_true waits_or_ended
}

waits_or_ended() { grep -q 'Listening on' recv.err || gone "$pid_recv"; }

# activate_tcp HOST ARG...: the activator wants a number, so one is tried after another until it is nobody's: $port.
activate_tcp()
{
	for ((port = 20000 + RANDOM % 10000; ; port++)); do
		activate "$1:$port" "${@:2}"
		! grep -q 'Listening on' recv.err || return 0
		said recv 'Address already in use' || return
	done
}

@test "a source's connection starts the receiver, and control and lanes go over the socket that it inherits" {
	activate_tcp 127.0.0.1 --once --device sim:bytes=32M,seed=4 --device sim:bytes=5M,seed=5 --config-after-iter on
	! grep -q 'listening on' recv.err
	send --device sim:bytes=32M,seed=4 --device sim:bytes=5M,seed=5
	ended recv
	codes 0 0
	said recv "listening on 127.0.0.1:$port"
	both '.insecure == false and .transport == "tcp" and (.lanes | length) == 8'
}

@test "a UNIX socket is inherited too, and its path left to whoever made it" {
	activate "$PWD/here.sock" --once --device sim:bytes=1M
	send_code=0
	timeout -k 5 "$patience_s" "$PROGRAM" send --to unix:here.sock --device sim:bytes=1M --json >send.json 2>send.err 3>&- ||
		send_code=$?
	ended recv
	codes 0 0
	both '.insecure == false'
	[[ -S here.sock ]]
	rm here.sock
}

@test "an address beyond loopback needs a key there as well" {
	activate_tcp 0.0.0.0 --once --device sim:bytes=1M
	send --device sim:bytes=1M --peer-timeout 1
	ended recv
	[[ $recv_code == 2 && $send_code == 5 ]]
	json recv '.result.name == "insecure"'
	json send '.result.source_state == "running"'
}

@test "what is no listening socket is refused with its number" {
	refused 2 recv --listen fd:77 --once --device sim:bytes=1M
	said refused 'descriptor 77 is not a TCP or UNIX stream socket that listens'
	refused 2 recv --listen fd:0 --once --device sim:bytes=1M
	said refused 'descriptor 0 is not'
	refused 2 recv --listen fd:x --once --device sim:bytes=1M
	said refused "'fd:x'"
}
