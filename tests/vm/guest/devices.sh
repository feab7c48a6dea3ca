# shellcheck shell=bash
# Sourced in the guest. The kernel test devices (tests/kmod): made, set up, asked.
mdevs=/sys/bus/mdev/devices
uuids=()	# the devices made here, so that they can be removed

devices_up()
{
	[ -d /sys/module/vfio_migtest ] && return
	modprobe -a vfio vfio_iommu_type1 mdev
	insmod "$VM_KMOD"
}

# device_new [KEY=VALUE...]: makes a device with these parameters; its UUID is then in $uuid.
device_new()
{
	read -r uuid </proc/sys/kernel/random/uuid
	echo "$uuid" >/sys/class/mdev_bus/migtest/mdev_supported_types/migtest-pci/create
	uuids+=("$uuid")
	device_set "$uuid" "$@"
}

# device_set UUID KEY=VALUE...: they count from the next open on.
device_set()
{
	local device=$1 pair
	shift
	for pair in "$@"; do echo "${pair#*=}" >"$mdevs/$device/migtest/${pair%%=*}"; done
}

# pair_new SEED [KEY=VALUE...]: a source and a destination that fit each other, in $source and $destination. A parameter
# that starts with "source." or "destination." is for one of them. The device itself insists on the order of config.
pair_new()
{
	local seed=$1 pair
	local common=("seed=$seed") of_source=("config_seed=$seed") of_destination=()
	shift
	of_destination=("expect_config_seed=$seed" config_after_state=Y)
	for pair in "$@"; do
		case $pair in
		source.*) of_source+=("${pair#source.}") ;;
		destination.*) of_destination+=("${pair#destination.}") ;;
		*) common+=("$pair") ;;
		esac
	done
	device_new "${common[@]}" "${of_source[@]}"
	source=$uuid
	device_new "${common[@]}" "${of_destination[@]}"
	destination=$uuid
}

status() { cat "$mdevs/$1/status"; }

# status_of UUID KEY
status_of()
{
	local words word
	read -ra words <"$mdevs/$1/status"
	for word in "${words[@]}"; do
		[ "${word%%=*}" != "$2" ] || { echo "${word#*=}"; return 0; }
	done
	return 1
}

devices_down()
{
	local device
	for device in "${uuids[@]}"; do echo 1 >"$mdevs/$device/remove"; done
	uuids=()
}
