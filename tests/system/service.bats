#!/usr/bin/env bats
# The service and its socket, as far as that can be seen without a running systemd: the units are judged by systemd's own
# tools, and what a migration asks of the kernel is compared with what the filter lets through.

load lib.bash

# units: in ., as they are installed, with the programs of this build.
units()
{
	command -v systemd-analyze >/dev/null || skip "systemd-analyze is missing: tools/packages install test"
	sed "s|@bindir@|$build|" "$top/systemd/rdma-vfiomig-recv@.service.in" >rdma-vfiomig-recv@.service
	cp "$top/systemd/rdma-vfiomig-recv@.socket" .
}

# expand NAME...: the system calls that these sets are.
expand()
{
	local name
	for name in "$@"; do
		if [[ $name == @* ]]; then
			# shellcheck disable=SC2046 # a list of words
			expand $(systemd-analyze syscall-filter "$name" | sed -n 's/^    \([@a-z_0-9-]*\)$/\1/p')
		else
			echo "$name"
		fi
	done
}

# allowed: what the service's filter lets through, sorted.
allowed()
{
	# shellcheck disable=SC2046
	expand $(sed -n 's/^SystemCallFilter=\([^~].*\)/\1/p' rdma-vfiomig-recv@.service) | LC_ALL=C sort -u >with.txt
	# shellcheck disable=SC2046
	expand $(sed -n 's/^SystemCallFilter=~\(.*\)/\1/p' rdma-vfiomig-recv@.service) | LC_ALL=C sort -u >without.txt
	[[ $(wc -l <with.txt) -ge 200 && $(wc -l <without.txt) -ge 100 ]] || fail "the filter cannot be read" || return
	LC_ALL=C comm -23 with.txt without.txt
}

@test "systemd takes both units, and has nothing to say of them" {
	units
	run systemd-analyze verify --man=no "$PWD/rdma-vfiomig-recv@.service" "$PWD/rdma-vfiomig-recv@.socket"
	[[ $status == 0 && -z $output ]]
}

@test "the service is exposed to little, by systemd's count" {
	units
	systemd-analyze security --offline=yes --no-pager --threshold=25 "$PWD/rdma-vfiomig-recv@.service" >security.out
	! grep -qE '^✗ (CapabilityBoundingSet|NoNewPrivileges|MemoryDenyWriteExecute|ProtectSystem|SystemCallArchitectures)=' security.out
}

@test "its filter lets a migration do all that it does, and what takes a machine over nothing" {
	[[ -z ${VFIOMIG_SANITIZED:-} ]] || skip "a sanitizer makes calls of its own, and does not work under strace"
	units
	command -v strace >/dev/null || skip "strace is missing: tools/packages install test"
	allowed >allowed.txt
	psktool -u migration -p both.psk >/dev/null
	strace -f -qq -o trace.txt "$PROGRAM" recv --listen 127.0.0.1:0 --json --once --psk-file both.psk --payload aead \
		--device sim:bytes=8M >recv.json 2>recv.err 3>&- &
	pid_recv=$!
	pids+=("$pid_recv")
	until_true listening recv "$pid_recv"
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' recv.err)
	send --device sim:bytes=8M --psk-file both.psk --peer-timeout 20
	ended recv
	codes 0 0
	sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' trace.txt | LC_ALL=C sort -u >asked.txt
	grep -qx io_uring_setup asked.txt
	[[ -z $(LC_ALL=C comm -23 asked.txt allowed.txt) ]] || fail "refused: $(LC_ALL=C comm -23 asked.txt allowed.txt | xargs)"
	for call in ptrace mount setuid chroot init_module bpf kexec_load reboot add_key; do
		! grep -qx "$call" allowed.txt || fail "$call passes" || return
	done
}
