# shellcheck shell=bash
# doctor, before real devices of the kernel's: what is there passes, and what is broken on purpose is found. The command that mends
# it is run where it can be, and what was found must be gone then.

# finds VERDICT CHECK WHAT: one such line, of a pattern; its command is then in $mend
finds()
{
	local head what command found=''
	mend=''
	while IFS=$'\x1f' read -r head what command; do
		if [ "$head" = "$1 $2" ] && [[ $what =~ $3 ]]; then
			found=1 mend=$command
			break
		fi
	done <doctor.lines
	if [ -n "$found" ]; then right "$1 $2: $3"; else wrong "$1 $2: $3" "$(grep -a " $2"$'\x1f' doctor.lines; cat doctor.err)"; fi
	[ "$1" = PASS ] || [ -n "$mend" ] || wrong "something mends it" nothing
}

# ends CODE: so many FAILs, none or some
ends() { equal "exit code" "$doctor_code" "$1"; }

mend()
{
	echo "+ $mend"
	bash -c "$mend" || wrong "the command that mends it" "failed: $mend"
}

# Without root's right to lock memory and to open everything.
without_rights=(setpriv '--bounding-set=-ipc_lock,-dac_override,-dac_read_search' '--inh-caps=-ipc_lock,-dac_override,-dac_read_search')

case_doctor_passes_rdma_and_a_device()
{
	pair_new 80 stream_bytes=1000
	doctor --device "vfio:$source"
	ends 0
	finds PASS rdma '^rxe0 port 1: RoCE on va, active, GID [0-9]+ .*RoCE v2, path MTU 4096'
	finds PASS rdma '^rxe1 port 1: RoCE on vb'
	finds PASS uverbs '^/dev/infiniband/uverbs0 .*can be opened'
	finds PASS uverbs '^/dev/infiniband/rdma_cm can be opened'
	finds PASS device "^vfio:$source: driver migtest, STOP_COPY P2P PRE_COPY, RUNNING"
	finds PASS kernel 'pre-copy'
	finds PASS memlock 'CAP_IPC_LOCK'
	equal "the device was left as it was" "$(status_of "$source" state)" RUNNING
	[ $claims_wrong = 0 ] || cat doctor.json
}

case_doctor_finds_the_devices_that_nobody_named()
{
	pair_new 80 stream_bytes=1000
	device_set "$destination" flags=0
	doctor
	ends 0
	finds PASS device "^vfio:$source: "
	finds WARN device "$destination.* cannot migrate"
}

case_doctor_finds_a_link_that_is_down()
{
	net_touched=1
	ip link set dev va down
	wait_for 5 grep -q DOWN /sys/class/infiniband/rxe0/ports/1/state
	wait_for 5 grep -q DOWN /sys/class/infiniband/rxe1/ports/1/state
	doctor
	ends 3
	finds FAIL rdma '^rxe1 port 1 is not active'
	finds FAIL rdma '^rxe0 port 1 is not active'
	mend
	wait_for 5 grep -q ACTIVE /sys/class/infiniband/rxe0/ports/1/state
	wait_for 5 grep -q ACTIVE /sys/class/infiniband/rxe1/ports/1/state
	doctor
	ends 0
	finds PASS rdma '^rxe0 port 1'
}

case_doctor_binds_a_network_card_to_vfio()
{
	local address=''
	read -r address < <(network_cards)
	# As it was before anybody gave it to VFIO.
	if [ -e "/sys/bus/pci/devices/$address/driver" ]; then echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"; fi
	echo >"/sys/bus/pci/devices/$address/driver_override"
	doctor --device "vfio:$address"
	ends 3
	finds FAIL device "^vfio:$address is bound to no driver"
	mend
	doctor --device "vfio:$address"
	ends 3
	finds FAIL device "$address cannot migrate"
}

case_doctor_finds_a_device_without_its_driver()
{
	pair_new 80 stream_bytes=1000
	echo "$source" >/sys/bus/mdev/drivers/migtest/unbind
	doctor --device "vfio:$source"
	ends 3
	finds FAIL device "^vfio:$source is bound to no driver"
	mend
	doctor --device "vfio:$source"
	ends 0
	finds PASS device "^vfio:$source: driver migtest"
}

case_doctor_finds_devices_that_cannot_migrate_together_or_at_all()
{
	pair_new 80 stream_bytes=1000 flags=1
	doctor --device "vfio:$source"
	ends 0
	doctor --device "vfio:$source" --device "vfio:$destination"
	ends 3
	finds FAIL device "^vfio:$source has no P2P states"
	device_set "$source" flags=0
	doctor --device "vfio:$source"
	ends 3
	finds FAIL device "$source.* cannot migrate"
}

case_doctor_finds_a_device_that_others_have_or_have_stopped()
{
	pair_new 80 stream_bytes=1000
	sources=("$source") destinations=("$destination")
	start_recv
	doctor --device "vfio:$destination"
	ends 3
	finds FAIL device "$destination is in use"
	matches "it says how to see who" "$mend" '^fuser -v /dev/vfio/[0-9]+'
	kill -TERM "$recv_pid"
	finish recv 20
	doctor --device "vfio:$destination"
	ends 0
	doctor_launcher=("$top/build/vm/handover" "$source" 9)
	doctor --device vfio:fd=9
	ends 0
	doctor_launcher=("$top/build/vm/handover" -s "$source" 9)
	doctor --device vfio:fd=9
	ends 3
	finds FAIL device '^vfio:fd=9 stands in STOP'
}

case_doctor_finds_too_little_lockable_memory()
{
	doctor_launcher=("${without_rights[@]}" prlimit --memlock=65536:100000000)
	doctor
	ends 3
	finds FAIL memlock '64.0 KiB.*18.0 MiB'
	doctor_launcher=("${without_rights[@]}" prlimit --memlock=65536:100000000 bash -c "$mend; exec \"\$@\"" -)
	doctor
	ends 0
	finds PASS memlock 'is allowed'
	doctor_launcher=("${without_rights[@]}" prlimit --memlock=65536:65536)
	doctor
	ends 3
	finds FAIL memlock '64.0 KiB.*18.0 MiB'
	matches "it says what root can do" "$mend" '^sudo prlimit --pid'
}

case_doctor_finds_files_that_are_closed_to_a_user()
{
	local file mode
	doctor_launcher=("${without_rights[@]}")
	pair_new 80 stream_bytes=1000
	for file in /dev/infiniband/uverbs0 /dev/infiniband/rdma_cm /dev/vfio/vfio; do
		mode=$(stat -c %a $file)
		chmod 0 $file
		doctor --slots 4 --device "vfio:$source"
		ends 3
		finds FAIL "$([ $file = /dev/vfio/vfio ] && echo device || echo uverbs)" "^$file.*Permission denied"
		mend
		doctor --slots 4 --device "vfio:$source"
		ends 0
		chmod "$mode" $file
	done
}

case_doctor_finds_io_uring_forbidden()
{
	sysctl -qw kernel.io_uring_disabled=2
	doctor
	finds WARN io_uring 'off for all.*falls back to write'
	mend
	doctor
	finds PASS io_uring 'allowed'
	sysctl -qw kernel.io_uring_disabled=0
}

case_doctor_asks_a_receiver_over_rdma()
{
	pair_new 80 stream_bytes=1000
	sources=("$source") destinations=("$destination")
	start_recv
	doctor --device "vfio:$source,name=d0" --to "$destination_ip:$port" --bind "$source_ip" --insecure
	ends 0
	finds PASS peer 'answers in our version of the protocol.*round trips'
	finds PASS peer '^8 lanes by rdma'
	start send
	finish send 60
	finish recv 20
	equal "send: exit code" "$send_code" 0
}
