#!/usr/bin/env bats
# A receiver at a path instead of a port: control and lanes over one UNIX socket, for root and the receiver's own user alone.

load lib.bash

teardown()
{
	[[ -z ${folder:-} ]] || rm -r "$folder"
	end_all
}

# recv_at PATH ARG...: a receiver there, ready.
recv_at()
{
	start recv recv --listen "unix:$1" --json "${@:2}"
	until_true listening recv "$pid_recv"
	said recv "listening on unix:$1"
}

send_to()	# send_to PATH ARG...
{
	send_code=0
	timeout -k 5 "$patience_s" "$PROGRAM" send --to "unix:$1" --json "${@:2}" >send.json 2>send.err 3>&- || send_code=$?
}

@test "the state arrives over a socket that only its owner may use, and that is gone afterwards" {
	recv_at here.sock --once --then hold --device sim:bytes=32M,seed=4 --device sim:bytes=5M,seed=5 --config-after-iter on
	[[ $(stat -c %a here.sock) == 600 ]]
	send_to here.sock --device sim:bytes=32M,seed=4 --device sim:bytes=5M,seed=5
	until_true grep -q 'holding 2 devices' recv.err
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
	both '.insecure == false and .transport == "tcp" and .gate == "on" and (.lanes | length) == 8'
	[[ ! -e here.sock ]]
}

@test "a key holds there as well" {
	psktool -u alice -p both.psk >/dev/null
	recv_at here.sock --once --device sim:bytes=1M --psk-file both.psk
	send_to here.sock --device sim:bytes=1M
	[[ $send_code == 4 ]]
	send_to here.sock --device sim:bytes=1M --psk-file both.psk
	ended recv
	codes 0 0
	json recv '.refused == 1'
}

@test "a process of another user is refused, even where somebody has opened the socket to it" {
	[[ $(id -u) == 0 ]] || skip "it takes root to be somebody else"
	folder=$(mktemp -d)
	install -d -o nobody "$folder/journal"
	chmod 711 "$folder"
	recv_at "$folder/sock" --once --device sim:bytes=1M
	local other=(setpriv --reuid 65534 --regid 65534 --clear-groups "$PROGRAM" send --to "unix:$folder/sock"
		--device sim:bytes=1M --journal-dir "$folder/journal")
	run -5 --separate-stderr timeout -k 5 "$patience_s" "${other[@]}"
	[[ $stderr == *'Permission denied'* ]]
	chmod 666 "$folder/sock"
	run -5 --separate-stderr timeout -k 5 "$patience_s" "${other[@]}"
	until_true grep -q 'refused, and waiting on: a process of another user' recv.err
	send_to "$folder/sock" --device sim:bytes=1M
	ended recv
	codes 0 0
	json recv '.refused == 1'
}

@test "a receiver of another user is not taken for one" {
	[[ $(id -u) == 0 ]] || skip "it takes root to be two others"
	folder=$(mktemp -d)
	chmod 711 "$folder"
	install -d -o nobody "$folder/open" "$folder/theirs"
	install -d -o daemon "$folder/ours"
	local program=$PROGRAM
	PROGRAM=setpriv start recv --reuid nobody --regid nogroup --clear-groups "$program" recv \
		--listen "unix:$folder/open/sock" --device sim: --journal-dir "$folder/theirs"
	until_true listening recv "$pid_recv"
	chmod 711 "$folder/open"
	chmod 666 "$folder/open/sock"
	PROGRAM=setpriv refused 4 --reuid daemon --regid daemon --clear-groups "$program" send \
		--to "unix:$folder/open/sock" --device sim: --journal-dir "$folder/ours"
	said refused 'neither root nor this process'
}

@test "a socket that was left over is replaced; one that is listened on is not, and no file is" {
	recv_at here.sock --once --device sim:
	refused 3 recv --listen unix:here.sock --once --json --device sim:
	json refused '.result.name == "address-in-use"'
	kill -KILL "$pid_recv"
	ended recv
	[[ -S here.sock ]]
	recv_at here.sock --once --device sim:bytes=1M
	send_to here.sock --device sim:bytes=1M
	ended recv
	codes 0 0
	: >file.json
	refused 3 recv --listen unix:file.json --once --device sim:
	[[ -f file.json ]]
}

@test "a path that is none is refused" {
	refused 2 recv --listen unix: --once --json --device sim:
	said refused 'the path is missing'
	refused 2 send --to "unix:$(printf '%0100d' 0)" --json --device sim:
	said refused 'too long'
	refused 5 send --to unix:nobody.sock --json --device sim:
	said refused 'nobody.sock.*No such file'
}
