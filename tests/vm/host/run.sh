# shellcheck shell=bash
# Sourced by tools/vm. Boots the guest and runs one command in it.

share()	# share TAG FOLDER [OPTION]
{
	qemu+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}"
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# The processor is "max" without fast string moves: emulated, these are six times slower than the loops used instead.
# The output port appends to our own standard output, descriptor 3. On a busy machine the kernel's check of its timer would find
# too few ticks, and panic.
qemu_command()
{
	local release
	release=$(cat "$vm_guest/release")
	qemu=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
		-M q35 "${clock[@]}" -cpu max,-fsrm,-erms -smp "$cpus" -m "$memory"
		-kernel "$vm_guest/vmlinuz" -initrd "$vm_guest/initrd.gz"
		-append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check vm.top=$top vm.work=$work vm.cmd=${scratch##*/}/cmd"
		-serial "file:$scratch/console" -device virtio-serial-pci
		-chardev "file,id=rc,path=$scratch/rc" -device virtserialport,chardev=rc,name=rc
		-add-fd fd=3,set=1 -chardev file,id=out,path=/dev/fdset/1,append=on
		-device virtserialport,chardev=out,name=out)
	share root / ,readonly=on
	share work "$work"
	share modules "$vm_guest/modules/lib/modules/$release" ,readonly=on
	qemu+=("${extra[@]}")
}

end_guest()
{
	[ -z "$guest_pid" ] || kill -9 "$guest_pid" 2>/dev/null || true
	[ -z "$scratch" ] || rm -rf "$scratch"
}

# wait_guest: until it ends or its time is up; the command's exit status, or 124, 125.
wait_guest()
{
	local end=$((SECONDS + seconds)) status
	while kill -0 "$guest_pid" 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then
			say "the guest ran out of its $seconds s (-t)"
			return 124
		fi
		sleep 0.1
	done
	status=$(sed -n 's/^rc //p' "$scratch/rc" 2>/dev/null)
	[ -n "$status" ] || say "the guest died before the command ended"
	return "${status:-125}"
}

# run_guest COMMAND...: with seconds, cpus, memory, work and extra set. Exits with the command's status.
run_guest()
{
	local status=0 qemu=()
	command -v qemu-system-x86_64 >/dev/null || fail "there is no qemu-system-x86_64: tools/packages install guest"
	[ -w "$work" ] || fail "$work is not a folder that can be written to"
	case $top$work in
	*[[:space:],]*) fail "spaces or commas in $top or $work: these paths go through a kernel's command line" ;;
	esac
	guest_pid='' scratch=''
	trap end_guest EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	scratch=$(mktemp -d "$work/.vm-XXXXXX")
	cp "$vm_kmod/vfio_migtest.ko" "$scratch/"
	{
		printf 'cd %q || exit 125\n' "$work"
		printf 'export VM_KMOD=%q VM_SECONDS=%q\n' "$scratch/vfio_migtest.ko" "$seconds"
		printf '%q ' "$@"
		echo
	} >"$scratch/cmd"
	qemu_command
	"${qemu[@]}" 3>&1 </dev/null &
	guest_pid=$!
	wait_guest || status=$?
	[ "$status" != 124 ] || kill -9 "$guest_pid" 2>/dev/null || true
	wait "$guest_pid" 2>/dev/null || true
	guest_pid=''
	[ "$status" -lt 124 ] || [ "$status" -gt 125 ] || tail -n 40 "$scratch/console" >&2
	exit "$status"
}
