# shellcheck shell=bash
# Recordings of real devices, shown and compared; and config states in QEMU's layout, written and loaded.

# recorded FILE DEVICE-SPEC
recorded()
{
	local code=0
	"$PROGRAM" send --to "file:$1" --device "$2" --on-abort close --json >send.json 2>send.err || code=$?
	equal "${1##*/}: exit code of the recording" $code 0
}

# dump NAME ARG...: its output is then in NAME.dump, its exit code in dump_code.
dump()
{
	local name=$1
	shift
	dump_code=0
	"$PROGRAM" dump "$@" >"$name.dump" 2>"$name.err" || dump_code=$?
	[ $dump_code -le 1 ] || cat "$name.err"
}

case_a_recording_of_the_kernels_device_is_shown()
{
	local recording=$PWD/recording ids='' class='' space='' bytes='' packets='' first=''
	device_new seed=61 config_seed=61 state_size=3000000 precopy_size=1000000
	recorded "$recording" "vfio:$uuid"
	dump shown "$recording" --json --packets --bytes 16
	equal "dump: exit code" $dump_code 0
	{ read -r ids && read -r class && read -r space && read -r bytes && read -r packets && read -r first; } < <(jq -r '
		([.config.fields[] | select(.name == "Vendor" or .name == "Device") | .value | tostring] | join(" ")),
		(.config.fields[] | select(.name == "Class") | .value),
		(.config.space == .snapshot.space),
		([.packets[] | select(.config | not) | .bytes] | add),
		((.packets | length) == .stream.packets),
		(.packets[0].payload | length)' shown.dump) || wrong "the dump says all of it" "$(<shown.dump)"
	equal "PCI ids, as the kernel's header has them" "$ids" "7911 1"
	equal "class" "$class" 65280
	equal "the config state is what was there before the stop" "$space" true
	equal "bytes of all packets" "$bytes" "$(status_of "$uuid" bytes_saved)"
	equal "as many packets as were counted" "$packets" true
	equal "16 bytes of the first" "$first" 32
	dump text "$recording"
	matches "in words of lspci" "$(cat text.dump)" 'Control +0x[0-9a-f]{4} +I/O- Mem\+ BusMaster'
}

case_an_altered_copy_of_a_recording_is_told_from_it()
{
	local recording=$PWD/recording other=$PWD/other
	device_new seed=62 config_seed=62 stream_bytes=3000000
	recorded "$recording" "vfio:$uuid"
	dump same --diff "$recording" "$recording"
	equal "the same: exit code" $dump_code 0
	"${PROGRAM%/*}/tests/alter" "$recording" "$other" stream 2345678 0x40
	dump stream --diff "$recording" "$other" --json
	equal "a bit of the stream: exit code" $dump_code 1
	equal "a bit of the stream: where" "$(jq -c '[.stream.first_at, .stream.differing_bytes, (.differences | length)]' stream.dump)" '[2345678,1,0]'
	# Bus mastering, in the second byte of the blob's config space.
	"${PROGRAM%/*}/tests/alter" "$recording" "$other" config $((8 + 4)) 4
	dump config --diff "$recording" "$other" --json
	equal "a bit of config: exit code" $dump_code 1
	equal "a bit of config: its name" "$(jq -c '[.differences[] | .part + " " + .name]' config.dump)" '["config Control"]'
	equal "a bit of config: the stream is the same" "$(jq .stream.differ config.dump)" false
}

# Another seed: two devices of one kind in other states.
case_two_devices_of_one_kind_are_compared()
{
	local identity='' address='' state=''
	device_new seed=63 config_seed=63 stream_bytes=200000
	recorded "$PWD/a" "vfio:$uuid"
	device_new seed=64 config_seed=64 stream_bytes=200000
	recorded "$PWD/b" "vfio:$uuid"
	dump two --diff "$PWD/a" "$PWD/b" --json
	equal "exit code" $dump_code 1
	{ read -r identity && read -r address && read -r state; } < <(jq -r '
		([.differences[] | select(.part == "device" or .name == "Vendor" or .name == "Class")] | length),
		([.differences[] | select(.part == "config" and .name == "Region 0")] | length),
		.stream.differ' two.dump) || wrong "the dump says all of it" "$(<two.dump)"
	equal "their identity is the same" "$identity" 0
	equal "their base address is not" "$address" 1
	equal "nor their state" "$state" true
}

case_a_config_state_in_qemus_layout_is_loaded_by_the_kernels_device()
{
	gate=on
	pair_new 65 stream_bytes=3000000
	sources=("vfio:$source,config-layout=qemu") destinations=("$destination")
	transfer
	equal "send: exit code" "$send_code" 0
	equal "recv: exit code" "$recv_code" 0
	judge_content "$destination" 3000000 d0
}

case_a_recorded_config_state_in_qemus_layout_is_loaded_later()
{
	local recording=$PWD/recording
	pair_new 66 stream_bytes=1000000
	recorded "$recording" "vfio:$source,config-layout=qemu"
	dump qemu "$recording" --json
	equal "layout" "$(jq -r .config.layout qemu.dump)" qemu
	equal "interrupts" "$(jq -c '[.config.fields[] | select(.section == "QEMU") | .value]' qemu.dump)" '[0,0,0,0]'
	sources=("file:$recording") destinations=("$destination")
	transfer
	equal "recv: exit code" "$recv_code" 0
	judge_content "$destination" 1000000 d0
}
