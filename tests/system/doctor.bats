#!/usr/bin/env bats
# doctor: every FAIL is brought about once, on a machine of files that is whole otherwise, and where a command mends it here, it is run.

load lib.bash

# put PATH TEXT: a file of the machine's
put()
{
	mkdir -p "machine/${1%/*}"
	printf '%s\n' "$2" >"machine/$1"
}

function_of_card=0000:3b:00.2

# What there is on a machine on which nothing is wrong.
make_machine()
{
	local port=sys/class/infiniband/mlx5_0/ports/1 pci=sys/bus/pci/devices gids
	put proc/sys/kernel/osrelease 6.12.9
	put proc/sys/kernel/io_uring_disabled 0
	put proc/meminfo 'MemAvailable:   8388608 kB'
	put proc/cpuinfo 'flags : fpu sse4_2 pclmulqdq aes avx'
	put sys/devices/system/clocksource/clocksource0/current_clocksource tsc
	put sys/devices/system/clocksource/clocksource0/available_clocksource 'tsc hpet'
	put sys/devices/system/node/online 0-1
	put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 1024
	put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages 1024
	put sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never'
	put sys/class/infiniband/mlx5_0/node_type '1: CA'
	put sys/class/infiniband/mlx5_0/device/numa_node 1
	put $port/state '4: ACTIVE'
	put $port/link_layer Ethernet
	for gids in '0 fe80:0000:0000:0000:0000:00ff:fe00:0001' '1 0000:0000:0000:0000:0000:ffff:c000:0207'; do
		put "$port/gids/${gids% *}" "${gids#* }"
		put "$port/gid_attrs/types/${gids% *}" 'RoCE v2'
		put "$port/gid_attrs/ndevs/${gids% *}" eth0
	done
	put sys/class/net/eth0/mtu 9000
	put sys/class/net/eth0/flags 0x1003
	put sys/class/infiniband_verbs/uverbs0/ibdev mlx5_0
	put dev/infiniband/uverbs0 ''
	put dev/infiniband/rdma_cm ''
	put dev/vfio/vfio ''
	put dev/vfio/7 ''
	put $pci/$function_of_card/vendor 0x15b3
	put $pci/$function_of_card/class 0x020000
	put $pci/$function_of_card/numa_node 1
	put sys/kernel/iommu_groups/7/devices/$function_of_card ''
	bind $function_of_card mlx5_vfio_pci
	ln -s ../../../kernel/iommu_groups/7 machine/$pci/$function_of_card/iommu_group
}

# bind FUNCTION [DRIVER]
bind()
{
	mkdir -p "machine/sys/bus/pci/devices/$1"
	rm -f "machine/sys/bus/pci/devices/$1/driver"
	[[ -z ${2:-} ]] || ln -s "../../../bus/pci/drivers/$2" "machine/sys/bus/pci/devices/$1/driver"
}

# Root's rights to lock memory and to open everything would hide what is wrong.
without_rights()
{
	local rights=-ipc_lock,-dac_override,-dac_read_search,-sys_admin
	if [[ $(id -u) == 0 ]]; then setpriv --bounding-set $rights --inh-caps $rights "$@"; else "$@"; fi
}

# doctor CODE ARG...: it must end so; its findings are in doctor.json.
doctor()
{
	local expected=$1 code=0
	shift
	without_rights "${limits[@]}" timeout -k 5 $patience_s "$PROGRAM" doctor --json "$@" \
		>doctor.json 2>doctor.err 3>&- || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected: $*"
}

# machine CODE ARG...: of the machine of files, with slots that fit into the limit which users have
machine() { doctor "$1" --sysroot machine --psk-file key.psk --slots 4 "${@:2}"; }

# finds VERDICT CHECK WHAT [MEND]: one such line, of patterns; the mend is then in $mend
finds()
{
	mend=$(jq -er --arg verdict "$1" --arg check "$2" --arg what "$3" --arg mend "${4:-}" '
		map(select(.check == $check and .verdict == $verdict and (.what | test($what)) and (.mend | test($mend))))
		| if length == 0 then error("none") else .[0].mend end' doctor.json) || fail "no $1 of $2: $3 ... $4"
	[[ $1 == PASS || -n $mend ]] || fail "nothing mends it: $1 of $2"
}

# Nothing else is wrong than what the test names.
fails_only() { json doctor "[.[] | select(.verdict == \"FAIL\").check] | unique == [\"$1\"]"; }

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	export RUNTIME_DIRECTORY=$BATS_TEST_TMPDIR/runtime
	pids=() limits=()
	make_machine
	(umask 077 && echo migration:00112233445566778899aabbccddeeff >key.psk)
}

@test "a machine on which nothing is wrong passes, line by line" {
	machine 0 --device vfio:$function_of_card
	json doctor 'all(.verdict == "PASS" and .mend == "")'
	json doctor '[.[].check] | unique == ["clock", "cpu", "device", "hugepages", "io_uring", "journal", "kernel", "key", "memlock", "memory", "numa", "rdma", "uverbs"]'
	finds PASS rdma 'mlx5_0 port 1: RoCE on eth0, active, GID 1 .*c000:0207 RoCE v2, path MTU 4096, NUMA node 1'
	[[ ! -e runtime ]] || fail "it made the journal's folder"
	"$PROGRAM" doctor --sysroot machine --psk-file key.psk >text.out
	[[ $(grep -cE '^(PASS|WARN|FAIL)  [a-z_]+ +[^ ]' text.out) == $(wc -l <text.out) ]] || fail "a line of another shape"
}

@test "this machine can be examined, and nothing is left of it" {
	doctor 0 --psk-file key.psk --device sim:bytes=1M --transport tcp
	finds PASS device 'sim:bytes=1M: driver sim, STOP_COPY P2P'
	finds PASS key 'key.psk'
	[[ ! -e runtime ]] || fail "it made the journal's folder"
	# All that it may say is fine here, too.
	json doctor 'all(keys == ["check", "mend", "verdict", "what"])'
}

@test "FAIL: too little memory may be pinned; the command that is named mends it" {
	limits=(prlimit --memlock=65536:8388608)
	machine 3 --device vfio:$function_of_card
	finds FAIL memlock '64.0 KiB.*6.00 MiB.*4 slots' '^ulimit -l [0-9]+$'
	fails_only memlock
	(eval "$mend" && without_rights "$PROGRAM" doctor --sysroot machine --psk-file key.psk --slots 4) >after.out
	grep -q '^PASS  memlock' after.out
	limits=(prlimit --memlock=65536:65536)
	machine 3 --slots 32
	finds FAIL memlock . '^sudo prlimit .*--memlock=35653632 .*LimitMEMLOCK=35653632'
	machine 0 --slots 32 --transport tcp
	rm -r machine/sys/class/infiniband*
	machine 0 --slots 32
	finds WARN memlock 'TCP pins nothing'
}

@test "FAIL: more slots than memory" {
	doctor 3 --sysroot machine --psk-file key.psk --devices 64 --slots 1024 --transport tcp
	finds FAIL memory '64 devices, 1024 slots of 1.00 MiB each.*64.0 GiB.*8.00 GiB' '--slots 64 '
	fails_only memory
	put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 100000
	machine 0 --devices 64 --slots 1024 --transport tcp
}

@test "FAIL: an RDMA link that is down, without a GID, or of iWARP; beside one that works it is a WARN" {
	local port=sys/class/infiniband/mlx5_0/ports/1
	put $port/state '1: DOWN'
	put sys/class/net/eth0/flags 0x1002
	machine 3
	finds FAIL rdma 'mlx5_0 port 1 is not active \(1: DOWN\), on eth0' '^ip link set dev eth0 up$'
	fails_only rdma
	machine 0 --transport tcp
	finds WARN rdma 'mlx5_0 port 1 is not active'
	put sys/class/net/eth0/flags 0x1003
	machine 3
	finds FAIL rdma 'not active' '^ethtool eth0 '
	put $port/state '4: ACTIVE'
	rm machine/$port/gids/*
	machine 3
	finds FAIL rdma 'has no GID' '^ip addr add .* dev eth0$'
	put sys/class/infiniband/mlx5_0/node_type '4: RNIC'
	machine 3
	finds FAIL rdma 'mlx5_0 is iWARP' '--transport tcp'
	fails_only rdma
	cp -r machine/sys/class/infiniband/mlx5_0 machine/sys/class/infiniband/mlx5_1
	put sys/class/infiniband/mlx5_1/node_type '1: CA'
	put sys/class/infiniband/mlx5_1/ports/1/gids/0 0000:0000:0000:0000:0000:ffff:c000:0208
	machine 0
	finds WARN rdma 'mlx5_0 is iWARP'
	finds PASS rdma 'mlx5_1 port 1'
}

@test "FAIL: InfiniBand that waits for its subnet manager, and RDMA that is asked for and is not there" {
	local port=sys/class/infiniband/mlx5_0/ports/1
	put $port/link_layer InfiniBand
	put $port/state '2: INIT'
	rm -r machine/$port/gid_attrs machine/$port/gids/1
	machine 3
	finds FAIL rdma 'not active \(2: INIT\)$' 'opensm'
	put $port/state '4: ACTIVE'
	machine 0
	finds PASS rdma 'InfiniBand, active, GID 0 fe80'
	rm -r machine/sys/class/infiniband*
	machine 0
	finds WARN rdma 'no RDMA device' '^rdma link add'
	machine 3 --transport rdma
	finds FAIL rdma 'no RDMA device'
	fails_only rdma
}

@test "WARN: a small MTU, and an interface without an address" {
	put sys/class/net/eth0/mtu 1500
	machine 0
	finds WARN rdma 'path MTU is 1024 of 4096' '^ip link set dev eth0 mtu 9000'
	rm machine/sys/class/infiniband/mlx5_0/ports/1/gids/1
	machine 0
	finds WARN rdma 'link-local' '^ip addr add'
}

@test "FAIL: uverbs or rdma_cm are missing, or closed to this user" {
	rm machine/dev/infiniband/uverbs0
	machine 3
	finds FAIL uverbs 'uverbs0 \(mlx5_0\).*No such file' 'udevadm trigger'
	fails_only uverbs
	machine 0 --transport tcp
	finds WARN uverbs 'uverbs0'
	put dev/infiniband/uverbs0 ''
	chmod 0 machine/dev/infiniband/uverbs0
	machine 3
	finds FAIL uverbs 'uverbs0 \(mlx5_0\).*Permission denied' '^chmod a.rw /dev/infiniband/uverbs0'
	chmod 600 machine/dev/infiniband/uverbs0
	rm -r machine/sys/class/infiniband_verbs
	machine 3
	finds FAIL uverbs 'no uverbs' '^modprobe ib_uverbs$'
	put sys/class/infiniband_verbs/uverbs0/ibdev mlx5_0
	rm machine/dev/infiniband/rdma_cm
	machine 3
	finds FAIL uverbs 'rdma_cm' '^modprobe rdma_ucm$'
	put dev/infiniband/rdma_cm ''
	chmod 0 machine/dev/infiniband/rdma_cm
	machine 3
	finds FAIL uverbs 'rdma_cm.*Permission denied' '^chmod a.rw /dev/infiniband/rdma_cm'
	fails_only uverbs
}

@test "FAIL: a device that is not there, not bound to VFIO, or in no IOMMU group" {
	machine 3 --device vfio:0000:3b:00.7
	finds FAIL device 'no device vfio:0000:3b:00.7' 'rdma-vfiomig devices'
	fails_only device
	bind $function_of_card mlx5_core
	machine 3 --device vfio:3b:00.2,name=nic
	finds FAIL device "vfio:$function_of_card is bound to mlx5_core" \
		'^modprobe mlx5_vfio_pci; .*driver_override; echo 0000:3b:00.2 >/sys/bus/pci/drivers/mlx5_core/unbind; echo 0000:3b:00.2 >/sys/bus/pci/drivers_probe$'
	bind $function_of_card
	machine 3 --device vfio:$function_of_card
	finds FAIL device 'bound to no driver' 'drivers_probe'
	[[ $mend != *unbind* ]]
	machine 0
	finds WARN device 'no device is bound to a driver of VFIO'
	mkdir -p machine/sys/bus/mdev/devices/12345678-0000-4000-8000-000000000000
	machine 3 --device vfio:12345678-0000-4000-8000-000000000000
	finds FAIL device 'bound to no driver' 'mdev_type.*/remove; .*/create$'
	bind $function_of_card mlx5_vfio_pci
	rm machine/sys/bus/pci/devices/$function_of_card/iommu_group
	machine 3 --device vfio:$function_of_card
	finds FAIL device 'in no IOMMU group' 'intel_iommu=on .*update-grub'
	# Debian's way: the command changes the line that the boot loader's are made of.
	printf 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="console=ttyS0"\n' >grub.out
	mend=${mend%%;*}
	eval "${mend//\/etc\/default\/grub/grub.out}"
	grep -qx 'GRUB_CMDLINE_LINUX="intel_iommu=on console=ttyS0"' grub.out
	machine 0
	finds WARN device 'in no IOMMU group'
}

@test "FAIL: a group that is not viable, or whose file cannot be opened" {
	put sys/kernel/iommu_groups/7/devices/0000:3b:00.0 ''
	put sys/kernel/iommu_groups/7/devices/0000:3a:00.0 ''
	bind 0000:3a:00.0 pcieport
	bind 0000:3b:00.0 mlx5_core
	machine 3 --device vfio:$function_of_card
	finds FAIL device '0000:3b:00.0, of the same IOMMU group 7, is bound to mlx5_core' '0000:3b:00.0 >/sys/bus/pci/drivers/mlx5_core/unbind'
	json doctor '[.[] | select(.check == "device")] | length == 1'
	bind 0000:3b:00.0 vfio-pci
	machine 0 --device vfio:$function_of_card
	chmod 0 machine/dev/vfio/7
	machine 3 --device vfio:$function_of_card
	finds FAIL device '/dev/vfio/7.*Permission denied' '^chown '
	rm machine/dev/vfio/7
	machine 3 --device vfio:$function_of_card
	finds FAIL device '/dev/vfio/7.*No such file'
	rm machine/dev/vfio/vfio
	machine 3 --device vfio:$function_of_card
	finds FAIL device '/dev/vfio/vfio.*No such file' '^modprobe vfio_iommu_type1$'
	put dev/vfio/vfio ''
	chmod 0 machine/dev/vfio/vfio
	machine 3 --device vfio:$function_of_card
	finds FAIL device '/dev/vfio/vfio.*Permission denied' '^chmod a.rw /dev/vfio/vfio'
	fails_only device
}

@test "a device of another maker is bound to the driver by the name that it registers" {
	local pair
	for pair in 0x19e5:hisi_acc_vfio_pci 0x1dd8:pds_vfio_pci 0x1af4:virtio_vfio_pci; do
		put sys/bus/pci/devices/$function_of_card/vendor "${pair%:*}"
		bind $function_of_card
		machine 3 --device vfio:$function_of_card
		finds FAIL device 'bound to no driver' "echo ${pair#*:} >/sys/bus/pci/devices/$function_of_card/driver_override"
	done
}

@test "FAIL: what a device needs that goes by its own file and an iommufd" {
	machine 3 --device vfio:$function_of_card,iommufd=on
	finds FAIL device '/dev/iommu.*No such file' '^modprobe iommufd$'
	fails_only device
	put dev/iommu ''
	machine 3 --device vfio:$function_of_card,iommufd=on
	finds FAIL device 'no file of its own' 'iommufd=off'
	mkdir -p machine/sys/bus/pci/devices/$function_of_card/vfio-dev/vfio3
	machine 3 --device vfio:$function_of_card,iommufd=on
	finds FAIL device '/dev/vfio/devices/vfio3, the file of vfio:.*No such file' '^chown '
	put dev/vfio/devices/vfio3 ''
	rm machine/dev/vfio/7
	machine 0 --device vfio:$function_of_card,iommufd=on
	# Where the kernel has no groups, that is the way without being asked for.
	rm machine/dev/vfio/vfio
	machine 0 --device vfio:$function_of_card
	machine 3 --device vfio:$function_of_card,iommufd=off
	finds FAIL device '/dev/vfio/vfio.*No such file'
}

@test "a copy of a machine that is damaged is examined to its end, and nothing in it commands a terminal or a shell" {
	local bad
	rm machine/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages
	rm machine/proc/meminfo machine/proc/cpuinfo machine/proc/sys/kernel/osrelease
	mkfifo machine/proc/meminfo machine/proc/sys/kernel/osrelease
	ln -s /dev/zero machine/proc/cpuinfo
	machine 0
	finds WARN memory 'does not tell'
	finds WARN cpu 'does not tell'
	finds WARN kernel 'does not tell'
	rm machine/proc/meminfo machine/proc/cpuinfo machine/proc/sys/kernel/osrelease
	ln -s meminfo machine/proc/meminfo
	mkdir machine/proc/cpuinfo
	put proc/sys/kernel/osrelease $'6.12\e]0;title\a'
	put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 3
	put sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages -7
	put sys/kernel/mm/transparent_hugepage/enabled never
	put sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/1 'eth0; reboot'
	put sys/class/infiniband/mlx5_0/ports/1/state '1: DOWN'
	mkdir 'machine/sys/bus/pci/devices/$(reboot)'
	bind '$(reboot)' vfio-pci
	machine 3
	finds PASS kernel '6.12\?\]0;title\? has'
	finds WARN hugepages . '^sysctl vm.nr_hugepages=4$'
	! grep -q reboot doctor.json || fail "a command of somebody else's"
	for bad in '' machine/nowhere key.psk; do
		refused 2 doctor --sysroot "$bad"
		said refused 'there is no such folder'
	done
}

@test "a key with a quotation mark in its name is mended by the command that is named" {
	mv key.psk "it's.psk"
	chmod 640 "it's.psk"
	doctor 3 --sysroot machine --slots 4 --psk-file "it's.psk"
	finds FAIL key 'mode 0640'
	eval "$mend"
	doctor 0 --sysroot machine --slots 4 --psk-file "it's.psk"
}

@test "WARN: a clock that is not there is not named" {
	put sys/devices/system/clocksource/clocksource0/current_clocksource acpi_pm
	put sys/devices/system/clocksource/clocksource0/available_clocksource 'hyperv_clocksource_tsc_page acpi_pm'
	machine 0
	finds WARN clock acpi_pm '^echo hyperv_clocksource_tsc_page >'
}

@test "FAIL: a recording that is none, and a device without P2P beside another" {
	echo nonsense >wrong.state
	doctor 3 --psk-file key.psk --device file:wrong.state
	finds FAIL device 'wrong.state' '--help'
	doctor 3 --psk-file key.psk --transport tcp --device sim:p2p=off --device sim:
	finds FAIL device 'sim:p2p=off has no P2P states' 'one session for each'
	fails_only device
	doctor 0 --psk-file key.psk --transport tcp --device sim:p2p=off
	finds PASS device 'sim:p2p=off: driver sim, STOP_COPY, no PRE_COPY, RUNNING'
}

@test "FAIL: a key that others may read, that is no key, or not there; the commands mend the first and the last" {
	chmod 640 key.psk
	machine 3
	finds FAIL key 'mode 0640' "^chmod 600 'key.psk'\$"
	fails_only key
	eval "$mend"
	machine 0
	finds PASS key .
	echo nonsense >key.psk
	machine 3
	finds FAIL key 'line 1' 'psktool'
	rm key.psk
	machine 3
	finds FAIL key 'No such file' 'psktool'
	eval "$mend" >/dev/null
	machine 0
	[[ $(id -u) != 0 ]] || {
		chown 65534 key.psk
		machine 3
		finds FAIL key 'user 65534' '^chown 0 '
	}
	doctor 0 --sysroot machine --slots 4
	finds WARN key 'no key'
}

@test "FAIL: certificates without a key, with one that others may read, or that cannot be read" {
	mkdir tls
	doctor 3 --sysroot machine --slots 4 --tls-dir tls
	finds FAIL key 'neither client-key.pem' '^certtool '
	fails_only key
	echo nonsense >tls/client-key.pem
	chmod 644 tls/client-key.pem
	doctor 3 --sysroot machine --slots 4 --tls-dir tls
	finds FAIL key 'mode 0644' '^chmod 600 '
	eval "$mend"
	doctor 3 --sysroot machine --slots 4 --tls-dir tls
	finds FAIL key . '^certtool '
	mv tls/client-key.pem tls/server-key.pem
	doctor 0 --sysroot machine --slots 4 --tls-dir tls
	finds PASS key 'server-key.pem'
}

@test "FAIL: a journal that others may write to, of another user, that cannot be made or written; chmod mends the first" {
	mkdir -m 777 journal
	machine 3 --journal-dir journal
	finds FAIL journal 'others may write.*0777' "^chmod 700 'journal'\$"
	fails_only journal
	eval "$mend"
	machine 0 --journal-dir journal
	finds PASS journal 'kept in journal'
	chmod 500 journal
	machine 3 --journal-dir journal
	finds FAIL journal 'nothing can be written' 'findmnt'
	machine 3 --journal-dir journal/deeper
	finds FAIL journal 'cannot be made' '^install -d -m 700'
	machine 3 --journal-dir key.psk
	finds FAIL journal 'no folder' '--journal-dir'
	[[ $(id -u) != 0 ]] || {
		chmod 700 journal
		chown 65534 journal
		machine 3 --journal-dir journal
		finds FAIL journal 'belongs to user 65534' '^chown 0 '
	}
	unset RUNTIME_DIRECTORY XDG_RUNTIME_DIR
	mkdir machine/run machine/tmp
	machine 0
	finds PASS journal 'machine/run/rdma-vfiomig \(made'
	rmdir machine/run
	machine 0
	finds WARN journal 'machine/tmp/rdma-vfiomig-' 'install -d -m 700'
}

@test "WARN: a session that has not ended on both sides" {
	mkdir -m 700 journal
	echo nonsense >journal/00112233445566778899aabbccddeeff.source
	machine 0 --journal-dir journal
	finds WARN journal '1 session that has not ended' '^rdma-vfiomig status'
}

@test "FAIL: a kernel without VFIO migration, where a VFIO device is to migrate" {
	put proc/sys/kernel/osrelease 5.10.0-30-amd64
	machine 3 --device vfio:$function_of_card
	finds FAIL kernel '5.10.0.*no VFIO migration' 'bookworm-backports'
	fails_only kernel
	machine 0
	finds WARN kernel 'no VFIO migration'
	put proc/sys/kernel/osrelease 6.1.0-30-amd64
	machine 0 --device vfio:$function_of_card
	finds WARN kernel 'no pre-copy' '6.2'
}

@test "WARN: io_uring is forbidden, clock and checksums are slow, pages small, sockets apart" {
	put proc/sys/kernel/io_uring_disabled 2
	put sys/devices/system/clocksource/clocksource0/current_clocksource hpet
	put proc/cpuinfo 'flags : fpu sse4_2 aes'
	put sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 3
	put sys/kernel/mm/transparent_hugepage/enabled 'always madvise [never]'
	put sys/class/infiniband/mlx5_0/device/numa_node 0
	machine 0 --device vfio:$function_of_card
	finds WARN io_uring 'off for all.*falls back to write' '^sysctl kernel.io_uring_disabled=0$'
	finds WARN clock 'hpet' '^echo tsc >/sys/devices/system/clocksource/'
	finds WARN cpu 'PCLMULQDQ' .
	finds WARN hugepages '3 huge pages.*would take 4' '^sysctl vm.nr_hugepages=1025$'
	finds WARN numa 'node 1, and no RDMA device is' 'node 1'
	put proc/sys/kernel/io_uring_disabled 1
	put proc/cpuinfo 'flags : fpu sse4_2 pclmulqdq'
	machine 0
	finds WARN io_uring 'CAP_SYS_ADMIN'
	finds WARN cpu 'AES'
	put proc/sys/kernel/io_uring_group "$(id -g)"
	machine 0
	finds PASS io_uring 'allowed'
}

@test "a receiver is asked by a probe, and waits on; nobody, or one with another key, is a FAIL" {
	recv --once --device sim:bytes=1M --psk-file key.psk
	doctor 0 --to "127.0.0.1:$port" --device sim:bytes=1M --psk-file key.psk --transport tcp
	finds PASS peer "127.0.0.1:$port answers in our version.*round trips of [0-9.]+ ms"
	finds PASS peer '[0-9]+ lanes by tcp'
	(umask 077 && echo migration:ffeeddccbbaa99887766554433221100 >other.psk)
	doctor 3 --to "127.0.0.1:$port" --device sim:bytes=1M --psk-file other.psk
	finds FAIL peer . 'psk-file'
	fails_only peer
	alive recv
	send --device sim:bytes=1M --psk-file key.psk
	ended recv
	codes 0 0
	doctor 3 --to "127.0.0.1:$port" --device sim:bytes=1M --psk-file key.psk
	finds FAIL peer 'refused' 'rdma-vfiomig recv --listen'
	doctor 3 --to 192.0.2.1:7000 --device sim:bytes=1M
	finds FAIL peer 'not on this machine' 'psktool'
}

@test "usage errors say what is right" {
	refused 2 doctor --to 127.0.0.1:1
	said refused '--device SPEC'
	refused 2 doctor --device sim: --devices 2
	refused 2 doctor --psk-file a --tls-dir b
	refused 2 doctor --sysroot machine --to 127.0.0.1:1 --device sim:
	refused 2 doctor --to file:x --device sim:
	refused 2 doctor nonsense
	said refused 'nonsense: it takes options only'
	refused 0 doctor --help
	grep -q 'Exit code 0: no FAIL' refused.json
}
