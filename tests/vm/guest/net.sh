# shellcheck shell=bash
# Sourced in the guest. A wire to send over: a veth pair with both ends in the one network namespace and a soft-RoCE device
# on each, because rdma_cm does not work on "lo" and soft-RoCE not in other namespaces. A program must bind its source
# address, else both ends take the same device and nothing crosses the pair.
source_ip=10.9.1.1 destination_ip=10.9.1.2
source_rdma=rxe0 destination_rdma=rxe1

net_up()
{
	local end
	modprobe -a veth rdma_rxe rdma_ucm ib_uverbs rdma_cm
	ip link add va type veth peer name vb
	for end in va vb; do
		sysctl -qw net.ipv4.conf.$end.accept_local=1 net.ipv4.conf.$end.rp_filter=0 \
			net.ipv4.conf.$end.arp_ignore=1 net.ipv4.conf.$end.arp_announce=2
	done
	sysctl -qw net.ipv4.conf.all.rp_filter=0
	ip addr add $source_ip/24 dev va
	ip addr add $destination_ip/24 dev vb
	ip link set va mtu 9000 up	# room for RoCE's largest path MTU, 4096
	ip link set vb mtu 9000 up
	neighbours_up
	rdma_up
}

# Permanent neighbours: a first look-up can take 3 s. A link that goes down forgets them.
neighbours_up()
{
	ip neigh replace $destination_ip lladdr "$(cat /sys/class/net/vb/address)" dev va nud permanent
	ip neigh replace $source_ip lladdr "$(cat /sys/class/net/va/address)" dev vb nud permanent
}

rdma_up()
{
	[ -d /sys/class/infiniband/$source_rdma ] || rdma link add $source_rdma type rxe netdev va
	[ -d /sys/class/infiniband/$destination_rdma ] || rdma link add $destination_rdma type rxe netdev vb
	wait_for 5 gid_index $source_rdma $source_ip
	wait_for 5 gid_index $destination_rdma $destination_ip
}

# A second link between the same two hosts, with a soft-RoCE device on each end: for rails.
second_source_ip=10.9.2.1 second_destination_ip=10.9.2.2
second_up()
{
	local end
	ip link add vc type veth peer name vd
	for end in vc vd; do
		sysctl -qw net.ipv4.conf.$end.accept_local=1 net.ipv4.conf.$end.rp_filter=0 \
			net.ipv4.conf.$end.arp_ignore=1 net.ipv4.conf.$end.arp_announce=2
	done
	ip addr add $second_source_ip/24 dev vc
	ip addr add $second_destination_ip/24 dev vd
	ip link set vc mtu 9000 up
	ip link set vd mtu 9000 up
	ip neigh replace $second_destination_ip lladdr "$(</sys/class/net/vd/address)" dev vc nud permanent
	ip neigh replace $second_source_ip lladdr "$(</sys/class/net/vc/address)" dev vd nud permanent
	rdma link add rxe2 type rxe netdev vc
	rdma link add rxe3 type rxe netdev vd
	wait_for 5 gid_index rxe2 $second_source_ip
	wait_for 5 gid_index rxe3 $second_destination_ip
}

second_down()
{
	[ -d /sys/class/net/vc ] || return 0
	rdma link delete rxe2 2>/dev/null || true
	rdma link delete rxe3 2>/dev/null || true
	ip link delete vc
}

# The source in a network of its own, two links away from the destination: TCP between addresses of one network is routed
# over lo, and takes no notice of links. Soft-RoCE does not work there.
far_pid=''	# of the process that holds that network
far_is_there() { [ "$(readlink "/proc/$far_pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
in_far() { nsenter --net="/proc/$far_pid/ns/net" "$@"; }

far_up()
{
	local link
	unshare --net sleep infinity &
	far_pid=$!
	wait_for 10 far_is_there
	for link in 1 2; do
		ip link add "near$link" type veth peer name "far$link" netns "$far_pid"
		ip addr add "10.9.1$link.2/24" dev "near$link"
		ip link set "near$link" up
		in_far ip addr add "10.9.1$link.1/24" dev "far$link"
		in_far ip link set "far$link" up
	done
}

far_down()
{
	[ -n "$far_pid" ] || return 0
	ip link delete near1 2>/dev/null || true
	ip link delete near2 2>/dev/null || true
	kill "$far_pid" 2>/dev/null || true
	wait "$far_pid" 2>/dev/null || true
	far_pid=''
}

# Soft-RoCE's own queue pair for rdma_cm ends with the first message that it cannot send, as when a link is down, and
# only a new device gets another. Real devices have no such thing.
rdma_renew()
{
	local device
	for device in $source_rdma $destination_rdma; do
		[[ $(rdma resource show qp link $device/1) == *"type GSI state RTS"* ]] || rdma link delete $device || true
	done
	rdma_up
}

# What a case does to the network it says by net_touched=1: the next case finds it whole, however this one ends.
net_touched=''
net_mend()
{
	local end
	[ -n "$net_touched" ] || return 0
	net_touched=''
	second_down
	far_down
	rdma link delete rxe5 2>/dev/null || true
	[ ! -d /sys/module/e1000e ] || modprobe -r e1000e
	for end in va vb lo; do tc qdisc del dev $end root 2>/dev/null || true; done
	ip link set va up
	ip link set vb up
	neighbours_up
	rdma_renew
}

# network_cards: the PCI addresses of the emulated ones. The first is on the machine's own bus, the second on NUMA node 1.
network_cards()
{
	local nic
	for nic in /sys/bus/pci/devices/*; do
		[ "$(<"$nic/vendor")$(<"$nic/device")" != 0x80860x10d3 ] || echo "${nic##*/}"
	done
}

# gid_index DEVICE IP: prints the index of the address among the device's GIDs.
gid_index()
{
	local gids=/sys/class/infiniband/$1/ports/1/gids hex i
	# shellcheck disable=SC2086,SC2046 # four numbers
	hex=$(printf '%02x%02x:%02x%02x' ${2//./ })
	for i in 0 1 2 3 4 5; do
		[ "$(cat "$gids/$i" 2>/dev/null)" != "0000:0000:0000:0000:0000:ffff:$hex" ] || { echo "$i"; return 0; }
	done
	return 1
}

# counter NAME INTERFACE tx|rx: bytes, into the variable NAME
counter() { read -r "${1?}" <"/sys/class/net/$2/statistics/$3_bytes"; }

# Starting a program takes 0.1 s where a processor is emulated, so what is done often is done without any. This is a sleep:
# nothing is ever written to that pipe.
exec {never}<> <(:)
short_sleep() { read -r -t 0.03 -u "$never" || true; }

# wait_for SECONDS COMMAND...: until it succeeds; its output is dropped.
wait_for()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		short_sleep
	done
}
