#!/usr/bin/env bats
# Where the downtime goes: estimated before the stop, limited, measured, told to programs and to people, and drawn.

load lib.bash

# The pieces of the path follow each other from the stop to the end, and every span lies where it can.
sums_up()
{
	json send '.budget.downtime_us == .downtime_us and .budget.both_sides'
	json send '.budget.path | .[0].begin_us == 0 and ([range(1; length) as $i | .[$i].begin_us == .[$i - 1].end_us] | all)'
	json send '.budget.path[-1].end_us == .downtime_us and ([.budget.path[] | .end_us >= .begin_us] | all)'
	json send '[.budget.devices[].spans[] | .begin_us <= .end_us and .busy_us >= 0] | all'
	json send '[.budget.devices[].spans[].side] | unique == ["destination", "source"]'
	json send '(.budget.devices | length) == (.devices | length)'
	json send '.budget.path_device < (.devices | length)'
	json send '.budget.clock_error_us >= 0 and .budget.clock_misfit_us >= 0'
}

# page FILE: well-formed, and nothing in it leads elsewhere.
page()
{
	perl -e '
		use strict; use warnings;
		local $/; my $text = <STDIN>; my @open;
		$text =~ s/^<!DOCTYPE html>\n// or die "no doctype\n";
		$text =~ s/<meta [^<>]*\/>//g;
		die "a reference: $1\n" if $text =~ /(https?:|src=|href=|url\(|<script|<link|\@import)/i;
		while ($text =~ /\G(?:[^<>]|<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)\s*(\/?)>)/gc) {
			next unless defined $2;
			if ($1) { my $top = pop @open // "nothing"; die "</$2> closes <$top>\n" if $top ne $2 }
			elsif (!$4) { push @open, $2 }
		}
		die "not markup: " . substr($text, pos($text) // 0, 40) . "\n" if (pos($text) // 0) != length $text;
		die "still open: @open\n" if @open;
	' <"$1"
}

@test "the budget's path is the downtime, piece by piece" {
	migrate sim:bytes=4M,transition-ms=5
	codes 0 0
	sums_up
	json send '.budget.devices[0].stop_copy_bytes == .bytes'
	json send '[.budget.path[].span] | index("quiesce") != null and index("load transition") != null'
	json recv '.budget.both_sides == false and .budget.path == [] and .budget.path_device == null'
}

@test "the budget of several devices names the one that was ready last" {
	migrate sim:bytes=1M,seed=1,name=quick sim:bytes=4M,seed=2,write-rate=4M,name=slow -- --config-after-iter on
	codes 0 0
	sums_up
	json send '.budget.path_device == 1 and .budget.devices[1].name == "slow"'
	json send '.budget.devices[1].bottleneck == "load"'
	json send '.budget.devices[1] | .load_share >= .read_share and .load_share >= .wire_share'
}

@test "what was sent before the stop is not downtime" {
	migrate sim:bytes=20M,precopy=enomsg,precopy-bytes=16M -- -- --precopy on
	codes 0 0
	sums_up
	json send '.budget.devices[0] | .precopy_bytes >= 16 * 1048576 and .precopy_us > 0'
	json send '.budget.devices[0] | .stop_copy_bytes + .precopy_bytes == 20 * 1048576 + 264'
	migrate sim:bytes=20M,precopy=enomsg,precopy-bytes=16M -- -- --precopy off
	codes 0 0
	json send '.budget.devices[0].precopy_bytes == 0 and .budget.devices[0].stop_copy_bytes == .bytes'
}

@test "initial bytes are read before the stop, however slowly they come" {
	# More than a second for the first slot, and for every other one.
	migrate sim:bytes=3M,precopy=enomsg,precopy-bytes=2M,read-rate=700K -- -- --precopy on
	codes 0 0
	json send '.budget.devices[0].precopy_bytes == 2 * 1048576'
}

@test "pre-copy takes no more bandwidth than it may" {
	migrate sim:bytes=6M,precopy=enomsg,precopy-bytes=4M -- -- --max-bandwidth 4M
	codes 0 0
	# 4 MiB at 4 MiB/s: a second, less what may be sent at once.
	json send '.budget.devices[0].precopy_us > 500000'
}

@test "pre-copy of a device that has none is refused" {
	recv --once --device sim:bytes=1M
	send --device sim:bytes=1M --precopy on
	[[ $send_code == 3 ]]
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING"'
}

@test "what failed has estimate and budget too, if they are null" {
	refused 3 send --to 127.0.0.1:1 --device vfio:ffff:ff:1f.7 --json
	json refused 'has("estimate") and .estimate == null and has("budget") and .budget == null'
	recv --once --device sim:bytes=1M,name=here
	send --device sim:bytes=1M,name=there
	ended recv
	both '.result.code == 3 and has("estimate") and has("budget") and .budget == null'
}

# in_turn SPAN: no two devices were at it at the same time.
in_turn()
{
	json send "[.budget.devices[].spans[] | select(.span == \"$1\")] | sort_by(.begin_us) | length == 3 and
		([range(1; length) as \$i | .[\$i].begin_us >= .[\$i - 1].end_us] | all)"
}

@test "with parallel states off one device follows another" {
	local span
	migrate sim:bytes=1M,seed=1,transition-ms=20 sim:bytes=1M,seed=2,transition-ms=20 sim:bytes=1M,seed=3,transition-ms=20 \
		-- --parallel-states off -- --parallel-states off
	codes 0 0
	sums_up
	for span in quiesce 'stop transition' 'load transition' 'run P2P' 'run transition'; do
		in_turn "$span"
	done
}

@test "too long an estimate stops nothing" {
	recv --once --device sim:bytes=64M,precopy=enomsg,precopy-bytes=16M,write-rate=16M
	send --device sim:bytes=64M,precopy=enomsg,precopy-bytes=16M,write-rate=16M --downtime-limit 100
	ended recv
	codes 8 8
	json send '.result.source_state == "running" and .devices[0].state == "RUNNING" and .downtime_us == 0'
	json send '.estimate.expected_us > 100000 and .budget == null'
	json recv '.devices[0].state == "RUNNING"'
}

@test "a downtime that overruns its limit is taken back" {
	recv --once --device sim:bytes=8M,write-rate=4M
	send --device sim:bytes=8M,write-rate=4M --downtime-limit 150
	ended recv
	codes 8 8
	json send '.result.source_state == "running" and .result.destination_state == "reset"'
	json send '.devices[0].state == "RUNNING"'
}

@test "a limit that is kept changes nothing" {
	migrate sim:bytes=1M -- -- --downtime-limit 60000
	codes 0 0
	json send '.estimate.expected_us <= 60000000'
	sums_up
}

@test "a probe estimates and stops nothing, and the receiver goes on waiting" {
	recv --once --device sim:bytes=4M,name=one --device sim:bytes=8M,seed=2
	send_code=0
	"$PROGRAM" probe --to "127.0.0.1:$port" --json --device sim:bytes=4M,name=one --device sim:bytes=8M,seed=2 \
		>probe.json 2>probe.err
	json probe '.schema == "rdma-vfiomig/1" and .command == "probe" and .result.code == 0 and .downtime_us == 0'
	json probe '[.devices[].state == "RUNNING"] == [true, true] and .budget == null'
	json probe '.estimate | .low_us <= .expected_us and .expected_us <= .high_us and (.terms | length > 0)'
	json probe '.estimate | ([.terms[].low_us] | add) == .low_us and ([.terms[].high_us] | add) == .high_us'
	json probe '[.estimate.terms[] | .low_us <= .high_us and (.basis | length > 0)] | all'
	json probe '.estimate.slowest_device < 2 and .estimate.stop_copy_bytes > 0'
	# For people, too.
	"$PROGRAM" probe --to "127.0.0.1:$port" --device sim:bytes=4M,name=one --device sim:bytes=8M,seed=2 >probe.out 2>>probe.err
	grep -q '^downtime if the devices stopped now: ' probe.out
	grep -q '^  total ' probe.out
	grep -q '^  slowest: device ' probe.out
	rm probe.out
	alive recv
	said recv 'a sender asked what a migration would cost: nothing was stopped'
	[[ ! -s recv.json ]] || fail "a probe is no migration and has no result"
	send --device sim:bytes=4M,name=one --device sim:bytes=8M,seed=2
	ended recv
	codes 0 0
	nothing_left
}

@test "a probe of what does not fit is refused like a migration" {
	recv --once --device sim:bytes=1M,name=here
	"$PROGRAM" probe --to "127.0.0.1:$port" --json --device sim:bytes=1M,name=there >probe.json 2>probe.err && fail "it was not"
	json probe '.result.code == 3 and .estimate == null'
	said probe there
}

@test "the options of pre-copy, limit and probe are checked" {
	local words
	refused 2 send --to 127.0.0.1:1 --device sim: --precopy maybe
	said refused '--precopy maybe: it takes auto, on or off'
	refused 2 send --to 127.0.0.1:1 --device sim: --parallel-states 1
	said refused '--parallel-states 1: it takes on or off'
	refused 2 recv --listen 127.0.0.1:0 --device sim: --parallel-states 1
	for words in 0 -1 1023 fast ''; do
		refused 2 send --to 127.0.0.1:1 --device sim: --max-bandwidth "$words"
		said refused "--max-bandwidth $words: a size from 1.00 KiB"
	done
	for words in 0 -1 3600001 1s ''; do
		refused 2 send --to 127.0.0.1:1 --device sim: --downtime-limit "$words"
		said refused "--downtime-limit $words: a number from 1 to 3600000"
	done
	refused 2 probe --to file:here --device sim:
	said refused '--to file:here: a file loads nothing'
	refused 2 probe --device sim:
	said refused '--to HOST:PORT'
	refused 2 probe --to 127.0.0.1:1
	said refused '--device'
	refused 2 probe --to 127.0.0.1:1 --device sim: more
	said refused 'more: it takes options only'
	refused 0 probe --help
}

@test "the summary shows the path and what held each stream" {
	"$PROGRAM" demo --bytes 4M --devices 2 >demo.out 2>demo.err
	grep -q '^where the downtime went, along device demo[01], which was ready last (clocks agree within ' demo.out
	grep -Eq '^  quiesce +source +[0-9.]+ [um]?s +[0-9]+ %' demo.out
	grep -Eq '^  DEVICE +PRE-COPY +IN +STOP-COPY +IN +READ +WIRE +LOAD +SLOWEST$' demo.out
	[[ $(grep -Ec '^  demo[01] .* (read|wire|load)$' demo.out) == 2 ]]
	run ! grep -q ' $' demo.out
}

@test "a timeline is one page that leads nowhere else" {
	recv --once --device 'sim:bytes=2M,name=a' --device sim:bytes=1M,seed=2
	send --device 'sim:bytes=2M,name=a' --device sim:bytes=1M,seed=2 --timeline page.html
	ended recv
	codes 0 0
	page page.html
	grep -q '<h1>Downtime ' page.html
	grep -q '<b>device a</b>' page.html
	grep -q '<b>device 1</b>' page.html
	grep -q 'critical path</text>' page.html
	grep -q 'prefers-color-scheme:dark' page.html
	[[ $(grep -c '<details' page.html) == 2 ]]
	"$PROGRAM" demo --bytes 1M --devices 8 --timeline page.html >demo.out 2>demo.err
	page page.html
	[[ $(grep -c '<details' page.html) == 8 ]]
}

@test "what is named like markup stays text on the timeline" {
	local tape='<b>"&'"'"'.tape'
	"$PROGRAM" send --to "file:$tape" --device sim:bytes=1M >record.json 2>record.err
	recv --once --device sim:bytes=1M
	send --device "file:$tape" --timeline page.html
	ended recv
	codes 0 0
	page page.html
	grep -qF 'file:&lt;b&gt;&quot;&amp;&#39;.tape' page.html
	run ! grep -q 'file:<' page.html
}

@test "a timeline that cannot be written is found out before anything is stopped" {
	refused 2 send --to 127.0.0.1:1 --device sim: --timeline nowhere/page.html --json
	said refused '--timeline nowhere/page.html: it cannot be written: No such file'
	json refused '.result.code == 2 and .result.source_state == "running"'
	refused 2 demo --bytes 1M --timeline .
	said refused '--timeline .: it cannot be written'
}

@test "a timeline that fails later does not change who runs" {
	[[ -c /dev/full ]] || skip "no /dev/full here: mknod /dev/full c 1 7"
	migrate sim:bytes=1M -- -- --timeline /dev/full
	codes 0 0
	said send '/dev/full: the timeline could not be written'
}

@test "where nothing was stopped there is no timeline, and an old one stays" {
	refused 3 send --to 127.0.0.1:1 --device vfio:ffff:ff:1f.7 --timeline new.html
	[[ ! -e new.html ]] || fail "an empty page is left"
	said refused 'no timeline was written, as nothing was stopped'
	echo old >old.html
	refused 3 send --to 127.0.0.1:1 --device vfio:ffff:ff:1f.7 --timeline old.html
	[[ $(<old.html) == old ]]
}
