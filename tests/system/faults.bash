# Both sides in a fault that a test brings about: the receiver, which serves one session after another, what the two must have said,
# and the next migration, which must succeed. Used by kill.bats and cut.bats.
# shellcheck shell=bash

# Its cases wait for peers to be given up, which a sanitizer neither shortens nor learns from.
eval "all_$(declare -f setup)"
setup()
{
	[[ -z ${VFIOMIG_SANITIZED:-} ]] || skip "waits of seconds each; run it on build/release"
	all_setup
}

device=sim:bytes=16M,seed=7
both_sides='' recv_port=''

# at NAME PHASE: it has been there.
at() { until_true grep -q "phase $2\$" "$1.err"; }

receive() # OPTION... of the command; the port stays that of the first time
{
	recv_options=("$@")
	start recv recv --listen "127.0.0.1:${recv_port:-0}" --json --verbose --peer-timeout 1 "$@" \
		--device "$device$both_sides$at_recv"
	until_true listening recv "$pid_recv"
	recv_port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err | tail -n 1)
	port=$recv_port # where the source goes, unless there is something in between
	[[ -n $recv_port ]] || fail "recv does not listen"
}

# What the receiver said of its first session.
first() { jq -es ".[0] | $1" recv.json >/dev/null || fail "recv.json, first session: not so: $1"; }

has_ended_one() { [[ $(jq -s length recv.json 2>/dev/null) -ge 1 ]]; }

source_runs() # CODES: one of them
{
	ended send
	[[ " $* " == *" $send_code "* ]] || fail "send ended with $send_code, not $*" || return
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

destination_reset()
{
	until_true has_ended_one
	first '([.result.code] | inside(['"$(IFS=,; echo "$*")"'])) and .result.destination_state == "reset"'
	first '.devices[0].state == "RUNNING"'
}

both_done()
{
	ended send
	until_true has_ended_one
	[[ $send_code == 0 ]] || fail "send ended with $send_code" || return
	json send '.result.source_state == "retired" and .result.destination_state == "running"'
	first '.result.code == 0 and .result.destination_state == "running"'
}

# The killed receiver's command again, on the same port, but for what had held its device.
receive_again()
{
	wait "$pid_recv" || true
	at_recv=
	receive "${recv_options[@]}"
}

died() { local pid=pid_$1; kill -KILL "${!pid}"; }

# The signal is taken by one thread, whenever that has a processor; until then the others go on.
all_stopped() { ! sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/task"/*/status | grep -qv T; }

stopped() { local pid=pid_$1; kill -STOP "${!pid}" && until_true all_stopped "${!pid}"; }
awake() { local pid=pid_$1; kill -CONT "${!pid}"; }

next_migration()
{
	port=$recv_port
	send --device "$device$both_sides"
	[[ $send_code == 0 ]] || fail "the next migration ended with $send_code" || return
	alive recv
	kill -TERM "$pid_recv"
	ended recv
	nothing_left
}
