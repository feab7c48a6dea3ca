# Two real processes over TCP on loopback, and what both said about it. Every test has a folder of its own and ends only
# the processes that it started; ports are the kernel's choice and are read from the "listening on" line.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0

top=$(cd "${BATS_TEST_FILENAME%/*}/../.." && pwd)
build=${VFIOMIG_BUILD:-build/release}
[[ $build == /* ]] || build=$top/$build
# shellcheck disable=SC2034,SC2154 # names that the tests use, and those that printf -v makes
PROGRAM=$build/rdma-vfiomig
BENCH=$build/vfiomig-bench

# A sanitizer's finding is a failure whatever the exit code would have been.
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99} TSAN_OPTIONS=${TSAN_OPTIONS:-exitcode=99}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-exitcode=99:halt_on_error=1}

# How long something that must come is waited for: a test that gets there has failed.
patience_s=${TEST_PATIENCE_S:-60}

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	export RUNTIME_DIRECTORY=$BATS_TEST_TMPDIR/runtime # the journal's: no test finds another's record
	pids=()
}

teardown() { end_all; }

# What every teardown does.
end_all()
{
	local pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	show_all_said
}

# What the programs said: bats prints it for tests that failed.
show_all_said()
{
	local file
	for file in ./*.err ./*.json ./*.out; do
		[[ -s $file ]] || continue
		echo "--- $file"
		cat "$file"
	done
}

fail()
{
	echo "$*" >&2
	return 1
}

# until_true COMMAND...: it must succeed before patience ends.
until_true()
{
	local end=$((SECONDS + patience_s))
	until "$@"; do
		((SECONDS < end)) || fail "in vain for $patience_s s: $*" || return
		sleep 0.02
	done
}

# start NAME ARG...: rdma-vfiomig in the background; its pid in pid_NAME, its output in NAME.json and NAME.err.
start()
{
	local name=$1
	shift
	# Emptied before the fork: what an earlier run of that name said must not be taken for this one's.
	: >"$name.err"
	"$PROGRAM" "$@" >"$name.json" 2>"$name.err" 3>&- &
	pids+=($!)
	printf -v "pid_$name" %s $!
}

listening() { grep -q 'listening on' "$1.err" || ! kill -0 "$2" 2>/dev/null; }

# recv ARG...: a receiver, ready: its port in $port.
recv()
{
	start recv recv --listen 127.0.0.1:0 --json "$@"
	until_true listening recv "$pid_recv"
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err | tail -n 1)
	[[ -n $port ]] || fail "recv does not listen"
}

# send ARG...: in the foreground; its exit code in $send_code.
send()
{
	send_code=0
	timeout -k 5 $patience_s "$PROGRAM" send --to "127.0.0.1:$port" --json "$@" >send.json 2>send.err 3>&- || send_code=$?
}

# send_start ARG...: in the background.
send_start() { start send send --to "127.0.0.1:$port" --json "$@"; }

gone() { ! kill -0 "$1" 2>/dev/null; }

# alive NAME...: they have not ended.
alive()
{
	local name pid
	for name in "$@"; do
		pid=pid_$name
		! gone "${!pid}" || fail "$name has ended" || return
	done
}

# ended NAME: wait for it; its exit code in NAME_code.
ended()
{
	local pid=pid_$1 code=0
	until_true gone "${!pid}" || return
	wait "${!pid}" || code=$?
	printf -v "$1_code" %s "$code"
}

# meet DEVICE... [-- RECV OPTION...] [-- SEND OPTION...]: both sides with the same devices, to the sender's end.
meet()
{
	local devices=() where=devices recv_options=() send_options=() word
	for word in "$@"; do
		if [[ $word == -- ]]; then
			[[ $where == devices ]] && where=recv || where=send
		elif [[ $where == devices ]]; then
			devices+=(--device "$word")
		elif [[ $where == recv ]]; then
			recv_options+=("$word")
		else
			send_options+=("$word")
		fi
	done
	recv --once "${devices[@]}" "${recv_options[@]}"
	send "${devices[@]}" "${send_options[@]}"
}

# migrate, likewise: to the end of both.
migrate()
{
	meet "$@"
	ended recv
}

# json NAME FILTER: it must hold for NAME.json.
json()
{
	jq -e "$2" "$1.json" >/dev/null || fail "$1.json: not so: $2"
}

# both FILTER: it must hold for both sides.
both()
{
	json send "$1"
	json recv "$1"
}

# codes SEND RECV
codes()
{
	[[ $send_code == "$1" ]] || fail "send ended with $send_code, not $1" || return
	[[ $recv_code == "$2" ]] || fail "recv ended with $recv_code, not $2" || return
	json send ".result.code == $1"
	json recv ".result.code == $2"
}

# said NAME PATTERN: on stderr.
said() { grep -Eq -- "$2" "$1.err" || fail "$1 did not say: $2"; }

# refused CODE ARG...: rdma-vfiomig must end with CODE and one sentence, which is in refused.err.
refused()
{
	local expected=$1 code=0
	shift
	timeout -k 5 $patience_s "$PROGRAM" "$@" >refused.json 2>refused.err 3>&- || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected: $*"
}

# No process of ours is left, and no file but what the tests wrote and the journal, which says so itself.
nothing_left()
{
	local pid
	for pid in "${pids[@]}"; do
		! kill -0 "$pid" 2>/dev/null || fail "process $pid is left" || return
	done
	[[ -z $(find . -path ./runtime -prune -o -type f ! -name '*.json' ! -name '*.err' -print) ]] || fail "files are left: $(ls)"
}
