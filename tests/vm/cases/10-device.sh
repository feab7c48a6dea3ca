# shellcheck shell=bash
# The kernel test device judges every other case, so first of all: does it notice what a broken migration would do?
# migcopy migrates through memory and makes the mistakes.
migcopy=$top/build/vm/migcopy

# accepted|refused [OPTION...]: what the destination does with such a migration from $source to $destination
accepted()
{
	local said code=0
	said=$("$migcopy" "$source" "$destination" "$@" 2>&1) || code=$?
	equal "the device takes: ${*:-a right migration}" "$code" 0
	[ $code = 0 ] || echo "$said"
}

refused()
{
	local said code=0
	said=$("$migcopy" "$source" "$destination" "$@" 2>&1) || code=$?
	equal "the device refuses: $*" "$code:${said##*$'\n'}" '1:RESUMING -> RUNNING: EINVAL'
}

case_device_takes_streams_of_every_size()
{
	local bytes
	for bytes in 0 1 303 304 305 65536 1000003; do
		pair_new 3 stream_bytes=$bytes
		accepted
		judge_content "$destination" $bytes "$bytes bytes"
	done
}

case_device_refuses_wrong_missing_extra_and_swapped_bytes()
{
	local bytes
	for bytes in 200 1000003; do	# without a header and with one
		pair_new 4 stream_bytes=$bytes
		refused flip=0
		refused flip=$((bytes - 1))
		equal "it says so" "$(status_of "$destination" content)" bad
		refused swap=$((bytes / 2))
		refused cut=1
		equal "it says so" "$(status_of "$destination" content)" partial
		refused extra=1
		equal "loads" "$(status_of "$destination" loads)" 0
		accepted
	done
}

case_device_refuses_unordered_writes()
{
	pair_new 5 stream_bytes=3000000 destination.write_ms=5
	refused threads=4 chunk=100000
	accepted chunk=100000
}

case_device_refuses_a_skipped_config()
{
	pair_new 6 stream_bytes=100000
	refused config=none
	equal "config writes" "$(status_of "$destination" config_writes)" 0
	pair_new 6 stream_bytes=0
	refused config=none
}

case_device_refuses_an_early_config()
{
	pair_new 7 stream_bytes=100000
	refused config=early
	at_least "it says so" "$(status_of "$destination" config_early)" 1
	# One that only watches lets it pass, and says so.
	device_set "$destination" config_after_state=N
	accepted config=early
	at_least "it says so" "$(status_of "$destination" config_early)" 1
}

case_device_sees_config_written_twice_and_bars_late()
{
	pair_new 8 stream_bytes=1000
	accepted config=twice
	equal "times that config was written" "$(status_of "$destination" config_restores)" 2
	accepted config=command-first
	at_least "BAR bytes after the command register" "$(status_of "$destination" bars_late)" 1
}

case_device_knows_the_config_of_its_source()
{
	pair_new 9 stream_bytes=1000
	accepted
	equal "config bytes that differ" "$(status_of "$destination" config_diff)" 0
	device_set "$destination" expect_config_seed=10
	accepted
	at_least "config bytes that differ from another source's" "$(status_of "$destination" config_diff)" 100
}

case_device_migrates_with_precopy()
{
	pair_new 11 state_size=3000000 precopy_size=1000000
	accepted precopy
	equal "content" "$(status_of "$destination" content)" good
	device_set "$source" precopy_zero=Y
	accepted precopy
	refused precopy swap=1100000
}

case_device_parameters_are_its_own()
{
	local one
	pair_new 12 stream_bytes=5000 rate=1000000
	one=$destination
	pair_new 13 stream_bytes=7000
	accepted
	equal "bytes of this one" "$(status_of "$destination" bytes_loaded)" 7000
	equal "size of the other one" "$(cat "$mdevs/$one/migtest/stream_bytes")" 5000
	equal "rate of this one" "$(cat "$mdevs/$destination/migtest/rate")" 0
}
