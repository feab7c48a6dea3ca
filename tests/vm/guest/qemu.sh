# shellcheck shell=bash
# Sourced in the guest. QEMU's own migration of the devices in "sources" and "destinations": two QEMUs, no code running in
# their guests, made from the packages that tools/vm shares.
peer_root=/var/tmp/peer
qemu_limit=300	# seconds

peer_up()
{
	local dir
	mkdir -p $peer_root
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose peer $peer_root
	for dir in dev proc sys tmp; do mount --bind /$dir $peer_root/$dir; done
	# A firmware of three instructions at the reset vector: cli, hlt, and back. So the VM runs, which QEMU's downtime is
	# counted from and to, and does nothing. One that is left paused would never have its devices run again.
	{ head -c 65520 /dev/zero; printf '\xfa\xf4\xeb\xfc'; head -c 12 /dev/zero; } >/tmp/halt.bin
}

qemu_version() { chroot $peer_root qemu-system-x86_64 --version | sed -n 's/^QEMU emulator version //p'; }

# qemu_start source|destination CHANNELS DEVICE...: in the background; its pid is then in qemu_pid.
qemu_start()
{
	local side=$1 multifd=off device words
	[ "$2" = 0 ] || multifd=on
	shift 2
	words=(chroot "$peer_root" qemu-system-x86_64 -M q35,accel=tcg -nodefaults -display none -m 4 -bios /tmp/halt.bin
		-qmp "unix:/tmp/$side.qmp,server=on,wait=off")
	if [ "$side" = source ]; then words+=(-S); else words+=(-incoming defer); fi
	for device in "$@"; do
		words+=(-device "vfio-pci,sysfsdev=$mdevs/$device,enable-migration=on,x-migration-multifd-transfer=$multifd")
	done
	rm -f "/tmp/$side.qmp"
	"${words[@]}" >"$side.log" 2>&1 &
	qemu_pid=$!
	program_pids+=("$qemu_pid")
}

# qemu_transfer CHANNELS: 0 is without multifd. What it measured is then in measured.json, qemu_migrate's exit code in qemu_code.
qemu_transfer()
{
	local from to
	qemu_start source "$1" "${sources[@]}"
	from=$qemu_pid
	qemu_start destination "$1" "${destinations[@]}"
	to=$qemu_pid
	qemu_code=0
	timeout -k 2 $qemu_limit "$programs/qemu_migrate" "$1" /tmp/source.qmp "$from" /tmp/destination.qmp "$to" \
		>measured.json 2>migrate.log || qemu_code=$?
	wait_for 10 ended "$from" || true
	wait_for 10 ended "$to" || true
	programs_down || true	# those that did not end by themselves
}

# QEMU loads what it knows of config space, so that is left out.
judge_qemu()	# judge_qemu BYTES: of each device
{
	local i wrong_before=$claims_wrong
	equal "QEMU: exit code" "$qemu_code" 0
	for i in "${!sources[@]}"; do
		judge_source "${sources[$i]}" "$1" "d$i"
		equal "d$i: the destination's device found every byte right" "$(status_of "${destinations[$i]}" content)" good
		equal "d$i: bytes that it was given" "$(status_of "${destinations[$i]}" bytes_loaded)" "$1"
		equal "d$i: states loaded" "$(status_of "${destinations[$i]}" loads)" 1
		equal "d$i: config writes before all state was there" "$(status_of "${destinations[$i]}" config_early)" 0
	done
	[ $claims_wrong = "$wrong_before" ] || cat migrate.log source.log destination.log
}
