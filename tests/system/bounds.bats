#!/usr/bin/env bats
# What a receiver bears at most: memory for packets, the length of a stream. Exceeding it is refused by name, and the source runs on.

load lib.bash

@test "the slots shrink to what may be queued, on whichever side it is said" {
	migrate sim:bytes=16M,seed=2 sim:bytes=16M,seed=3 -- --max-queued-bytes 4M --
	codes 0 0
	both '.slots * .slot_bytes * 2 <= 4194304 and .slots >= 2'
	migrate sim:bytes=16M,seed=2 sim:bytes=16M,seed=3 -- -- --max-queued-bytes 3M
	codes 0 0
	both '.slots * .slot_bytes * 2 <= 3145728 and .slots >= 2'
	json recv '.arena_bytes < 3145728 + 65536 * 2'
}

@test "less than two of the smallest slots per device is refused before anything begins" {
	refused 3 recv --listen 127.0.0.1:0 --once --json --device sim: --device sim: --max-queued-bytes 255K
	said refused '2 devices need 262144 bytes'
	json refused '.result.name == "queued-bytes"'
	refused 3 send --to 127.0.0.1:1 --json --device sim: --max-queued-bytes 127K
	json refused '.result.name == "queued-bytes" and .result.source_state == "running"'
	refused 2 recv --listen 127.0.0.1:0 --once --device sim: --max-queued-bytes 1
}

@test "a stream that is longer than this receiver allows is refused by name, and one that is not goes through" {
	migrate sim:bytes=8M -- --max-stream-bytes 4M --
	codes 7 7
	both '.result.name == "stream-too-long"'
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
	json recv '.result.destination_state == "reset"'
	said recv 'more than the 4194304 bytes'
	migrate sim:bytes=8M -- --max-stream-bytes 9M --
	codes 0 0
}

descriptors() { find "/proc/$pid_recv/fd" -mindepth 1 | wc -l; }
crowded() { (($(descriptors) >= own + 128)); }

@test "strangers that say nothing keep the place from nobody, however many" {
	recv --once --device sim:bytes=1M
	local i fd fds=() own
	own=$(descriptors)
	for ((i = 0; i < 300; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		((i % 2)) && printf 'vfmg\0\1\0\1' >&"$fd"
		fds+=("$fd")
	done
	until_true crowded
	(($(descriptors) <= own + 128 + 8))	# who has said nothing yet, and callers
	send --device sim:bytes=1M
	ended recv
	for fd in "${fds[@]}"; do exec {fd}>&-; done
	codes 0 0
}
