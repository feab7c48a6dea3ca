#!/usr/bin/env bats
# What a process may still do once it has opened what it needs: no new rights in any case, and none at all with --user.

load lib.bash

setup_file()
{
	[[ $(id -u) == 0 ]] || skip "it takes root to give up root's rights"
}

# user_journal [USER]: the options in "${as_nobody[@]}", with a journal of that user's own, since root's would be no use to it.
user_journal()
{
	[[ -n ${journal:-} ]] || journal=$(mktemp -d)
	chown nobody "$journal"
	as_nobody=(--user "${1:-nobody}" --journal-dir "$journal")
}

teardown()
{
	[[ -z ${journal:-} ]] || rm -r "$journal"
	end_all
}

# of_all_threads NAME FIELD VALUE: in /proc, for every thread of the process.
of_all_threads()
{
	local pid=pid_$1 other
	other=$(awk -v field="$2:" -v want="$3" '$1 == field { $1 = ""; sub(/^ /, ""); if ($0 != want) print FILENAME, $0 }' \
		/proc/"${!pid}"/task/*/status)
	[[ -z $other ]] || fail "$2 is not '$3': $other"
}

@test "nothing that is started may gain rights" {
	start_recv_as() { recv --once --device sim:bytes=1M "$@"; }
	start_recv_as --then 'exec grep NoNewPrivs /proc/self/status >child.err'
	of_all_threads recv NoNewPrivs 1
	send --device sim:bytes=1M
	ended recv
	codes 0 0
	grep -q '1$' child.err
}

@test "as a user it has that user's ids, no other groups and no capability, and the state arrives" {
	user_journal
	recv --once --then hold --device sim:bytes=8M,seed=3 "${as_nobody[@]}"
	of_all_threads recv Uid '65534 65534 65534 65534'
	of_all_threads recv Gid '65534 65534 65534 65534'
	of_all_threads recv Groups ''
	local set
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do of_all_threads recv $set 0000000000000000; done
	of_all_threads recv NoNewPrivs 1
	# Unlimited where root may lift it; in a container whose root may not, as high as it is allowed.
	awk '/^Max locked memory/ { found = $4 == $5 } END { exit !found }' "/proc/$pid_recv/limits"
	user_journal nobody:nogroup
	send --device sim:bytes=8M,seed=3 "${as_nobody[@]}"
	until_true grep -q 'holding 1 device' recv.err
	of_all_threads recv CapEff 0000000000000000
	kill -TERM "$pid_recv"
	ended recv
	codes 0 0
	json recv '.loader == "uring"'
}

@test "a key that only root may read is read before the rights are given up" {
	psktool -u alice -p both.psk >/dev/null
	[[ $(stat -c '%u %a' both.psk) == '0 600' ]]
	user_journal
	migrate sim:bytes=1M -- --psk-file both.psk "${as_nobody[@]}" -- --psk-file both.psk "${as_nobody[@]}"
	codes 0 0
	both '.authentication == "psk"'
}

@test "the command that is run afterwards has the user's rights" {
	user_journal
	recv --once --device sim:bytes=1M "${as_nobody[@]}" --then 'exec id -u >&2; ! cat /proc/1/environ'
	send --device sim:bytes=1M
	ended recv
	codes 0 0
	said recv '^65534$'
}

@test "a journal that the user cannot keep is refused before anything is done" {
	mkdir roots
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user nobody --journal-dir roots
	said refused 'journal cannot be kept in roots'
}

@test "a user that there is not, or that is root, is refused before anything is done" {
	local user
	for user in root 0 0:65534; do
		refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user "$user"
		said refused 'is root'
	done
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user nobody-of-that-name
	said refused "there is no user 'nobody-of-that-name'"
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user nobody:no-such-group
	said refused "there is no group 'no-such-group'"
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user 4711
	said refused '4711:GROUP'
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --user ''
	said refused 'USER\[:GROUP\]'
	json refused '.result.name == "user" and .result.destination_state == "untouched"'
}

@test "a user who is not root can become nobody else, and is himself already" {
	local as=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all)
	user_journal
	PROGRAM=/usr/bin/env
	refused 3 "${as[@]}" "$build/rdma-vfiomig" recv --listen 127.0.0.1:0 --once --device sim: --user daemon
	said refused 'takes root'
	start recv "${as[@]}" "$build/rdma-vfiomig" recv --listen 127.0.0.1:0 --once --device sim: "${as_nobody[@]}"
	until_true listening recv "$pid_recv"
	alive recv
}
