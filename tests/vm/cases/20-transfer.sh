# shellcheck shell=bash
# The main job over both transports: content, config, lanes, gate. Without checksums where much is sent, because these are
# slow in an emulated guest.

# one_device BYTES [KEY=VALUE...]: migrates one, and judges
one_device()
{
	local bytes=$1
	shift
	pair_new $((bytes % 1000 + 1)) "stream_bytes=$bytes" "$@"
	sources=("$source") destinations=("$destination")
	transfer
	judge_success "$bytes"
}

case_rdma_carries_64_mib_over_eight_lanes_behind_the_gate()
{
	gate=on
	one_device $((64 << 20))
}

case_tcp_carries_64_mib_over_eight_lanes_behind_the_gate()
{
	transport=tcp gate=on
	one_device $((64 << 20))
}

case_auto_takes_rdma()
{
	transport=auto
	one_device 3000000
}

# Each lane shows its proof: in rdma_cm's private data, and in TCP's hello.
case_a_key_on_both_sides_lets_all_lanes_in()
{
	umask 077
	echo guest:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff >both.psk
	security=(--psk-file both.psk)
	one_device 3000000
	equal "recv: who the peer is was shown by" "$recv_authentication" psk
	transport=tcp
	one_device 3000000
}

# Two devices and more than one time around all slots; the kernel's device knows its content, and nobody else could have opened it.
case_sealed_packets_arrive()
{
	umask 077
	echo guest:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff >both.psk
	security=(--psk-file both.psk)
	payload=aead gate=on slots=4 slot_bytes=65536
	for transport in rdma tcp; do
		pair_new 11 stream_bytes=2000001
		sources=("$source") destinations=("$destination")
		pair_new 12 stream_bytes=2000001
		sources+=("$source") destinations+=("$destination")
		transfer
		judge_success 2000001
		equal "recv: packets were" "$recv_payload" aead
	done
}

# The receiver waits on for its true sender.
one_is_refused()
{
	start_recv
	start send
	finish send "$send_limit"
	kill -TERM "$recv_pid"
	finish recv 20
}

case_a_wrong_key_is_refused_before_there_is_any_memory()
{
	umask 077
	echo guest:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff >here.psk
	echo guest:ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff >there.psk
	pair_new 1 stream_bytes=3000000
	sources=("$source") destinations=("$destination")
	security=() recv_more=(--psk-file here.psk) send_more=(--psk-file there.psk)
	transfer_by one_is_refused
	equal "send: exit code" "$send_code" 4
	equal "recv: exit code" "$recv_code" 9
	equal "recv: how many it refused" "$recv_refused" 1
	equal "bytes of memory that both sides took" "$send_arena_bytes $recv_arena_bytes" "0 0"
}

# What is needed after the rights are gone: the device files' modes, and a limit on locked memory that was lifted before.
case_without_any_right_of_roots_memory_is_registered_all_the_same()
{
	chmod a+rw /dev/infiniband/*
	mkdir journal
	chown 65534 journal
	recv_more=(--user 65534:65534 --journal-dir journal) send_more=("${recv_more[@]}")
	one_device 3000000
}

case_checksums_hold()
{
	integrity=crc32c
	one_device $((8 << 20))
	transport=tcp
	one_device $((8 << 20))
}

# The edges of a packet, of a slot, and of one time around all slots.
sizes()
{
	local slot=65536 bytes
	slots=4 slot_bytes=$slot
	for bytes in 0 1 $((slot - 1)) $slot $((slot + 1)) $((3 * slots * slot + 7)); do
		echo "--- $bytes bytes"
		one_device "$bytes"
	done
}

case_rdma_sizes()
{
	gate=on
	sizes
}

case_tcp_sizes()
{
	transport=tcp gate=on
	sizes
}

lanes()
{
	for qps in 1 3 8; do
		echo "--- $qps lanes"
		one_device $((5 << 20))
	done
}

case_rdma_lanes() { lanes; }

case_tcp_lanes()
{
	transport=tcp
	lanes
}

case_gate_off()
{
	gate=off
	one_device 3000000
	transport=tcp
	one_device 3000000
}

case_gate_on_at_one_side_is_on_for_both()
{
	pair_new 21 stream_bytes=3000000
	sources=("$source") destinations=("$destination") recv_more=(--config-after-iter on)
	transfer
	equal "send: gate" "$send_gate" on
	gate=on
	judge_success 3000000
}

case_gate_of_one_device_alone()
{
	local i
	for i in 1 2; do
		pair_new $((22 + i)) stream_bytes=3000000
		sources+=("$source") destinations+=("$destination")
	done
	sources[1]=vfio:${sources[1]},gate=on
	transfer
	equal "send: exit code" "$send_code" 0
	equal "gates of the devices" "$send_gates" "off on"
	for i in 0 1; do judge_content "${destinations[$i]}" 3000000 "d$i"; done
}
