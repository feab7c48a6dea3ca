#!/usr/bin/env bats
# The bench: what it measures is all there, and what it says of it can be checked. No figure decides a test.

load lib.bash

# downtime ARG...: few rounds, few bytes; all samples in bench.json.
downtime()
{
	timeout -k 5 $patience_s "$BENCH" downtime --rounds 3 --warmups 1 --bytes 100001 --json bench.json "$@" \
		>bench.out 2>bench.err
}

# bench_refused CODE PATTERN ARG...: the exit code and the sentence.
bench_refused()
{
	local expected=$1 pattern=$2 code=0
	shift 2
	timeout -k 5 $patience_s "$BENCH" "$@" >refused.out 2>refused.err || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected: $*" || return
	said refused "$pattern" || return
	[[ ! -s refused.out ]] || fail "it printed something: $*"
}

# file_of NAME SAMPLES...: NAME.json with one cell of those samples.
file_of()
{
	local name=$1
	shift
	jq -n '{schema: "vfiomig-bench/1", command: "downtime", cells: [{kind: "library",
		parameters: {devices: 1, gate: "off"}, samples_us: $ARGS.positional, failures: []}]}' \
		--jsonargs "$@" >"$name.json"
}

# compare CODE ARG...: into compare.out.
compare()
{
	local expected=$1 code=0
	shift
	timeout -k 5 $patience_s "$BENCH" compare "$@" >compare.out 2>compare.err || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected: compare $*"
}

@test "every cell of the matrix and every baseline has a sample of every round" {
	downtime --devices 1,2 --gate on,off --states parallel,serial
	json bench '.schema == "vfiomig-bench/1" and .command == "downtime" and .rounds == 3 and .warmups == 1'
	json bench '[.cells[] | select(.of_matrix)] | length == 8'
	json bench '[.cells[] | select(.kind == "library" and (.of_matrix | not)) | .parameters.loader == "write"] | length == 8 and all'
	json bench '[.cells[] | select(.kind != "library") | .kind] | group_by(.) | map({(.[0]): length}) | add
		== {read: 2, load: 2, memcpy: 2, bare: 2, sequential: 2}'
	json bench '[.cells[] | (.samples_us | length == 3) and (.samples_cpu_us | length == 3) and (.samples_us | all(. > 0))] | all'
	json bench '[.cells[] | .succeeded == 3 and .failures == []] | all'
	json bench '[.cells[] | .median_us == (.samples_us | sort | .[1])] | all'
	json bench '.cells[0].median_ratio == 1'
	json bench '.cells as $c | [range($c | length) as $i | [range(3) as $r | $c[$i].samples_us[$r] / $c[0].samples_us[$r]]
		| sort[1]] as $mine | [range($c | length) | ($mine[.] - $c[.].median_ratio) / $mine[.] | fabs < 1e-6] | all'
	json bench '[.cells[] | [.kind, .parameters]] | length == (unique | length)'
	[[ $(sed '/^where/q' bench.out | grep -Ec '^  (library|read|load|memcpy|bare|sequential) ') == 26 ]]
	said bench '26 cells, 8 of the matrix and 18 beside it, in 3 rounds after 1 warm-ups'
}

@test "the library's downtime contains what the devices saw, and the path's pieces fill it" {
	downtime --baselines none --loader uring,write --qps 1,3
	json bench '.cells | length == 4'
	# Microseconds of downtime are cut off, so one is given.
	json bench '[.cells[] | [.samples_us, .samples_devices_us] | transpose[] | .[1] <= .[0] + 1] | all'
	json bench '[.cells[] | .budgets == 3 and .path_misfit_us_max < 1] | all'
	json bench '[.cells[] | .bottlenecks | add == 3] | all'
	json bench '[.cells[] | .loader_used == .parameters.loader and .transport_used == "tcp"] | all'
}

@test "devices that take their time are what every cell and baseline waits for" {
	downtime --rounds 1 --warmups 0 --devices 2 --bytes 1M --device-options transition-ms=20,load-ms=40,config-ms=30 \
		--source-options read-rate=16M --destination-options write-rate=32M
	json bench '.cells[0].parameters | .source_options == "transition-ms=20,load-ms=40,config-ms=30,read-rate=16M"
		and .destination_options == "transition-ms=20,load-ms=40,config-ms=30,write-rate=32M"'
	# Lower bounds only: sleeping and pacing may take longer, never shorter (less 5 ms that a device may catch up, and a pipe).
	json bench '[.cells[] | select(.kind == "library") | .samples_us[0] >= 20000 * 5 + 40000 + 30000 + 50000] | length == 2 and all'
	json bench '.cells[] | select(.kind == "read") | .samples_us[0] >= 50000'
	json bench '.cells[] | select(.kind == "load") | .samples_us[0] >= 20000'
	json bench '.cells[] | select(.kind == "bare") | .samples_us[0] >= 50000'
	json bench '.cells[] | select(.kind == "sequential") | .samples_us[0] >= 2 * (20000 * 5 + 40000 + 50000)'
}

@test "empty and odd streams, simulated devices" {
	local bytes
	for bytes in 0 1 4097; do
		downtime --bytes $bytes
		json bench '[.cells[] | .succeeded == 3] | length == 7 and all'
	done
	downtime --input sim --devices 1,2 --device-options config-bytes=4096
	json bench '[.cells[] | .kind == "library" and .succeeded == 3] | length == 4 and all'
	json bench '[.cells[].samples_cpu_us[] == null] | all'
}

@test "a recording is played into a device" {
	timeout -k 5 $patience_s "$PROGRAM" send --device sim:bytes=3000001 --to file:recording >send.out 2>send.err
	downtime --input file:recording
	json bench '[.cells[] | .kind == "library" and .succeeded == 3 and .parameters.bytes == null] | length == 2 and all'
	truncate -s 1000000 recording
	bench_refused 3 'recording .* at offset 1000000' downtime --input file:recording
	bench_refused 3 'recording none cannot be opened' downtime --input file:none
}

@test "a run that fails is counted, its sentence is kept, and the program ends with 1" {
	local code=0
	downtime --transport tcp,rdma --baselines read || code=$?
	[[ $code == 1 ]] || fail "ended with $code"
	json bench '.cells[0] | .parameters.transport == "tcp" and .succeeded == 3 and .failures == []'
	json bench '.cells[1] | .parameters.transport == "rdma" and .succeeded == 0 and .samples_us == [null, null, null]'
	json bench '.cells[1].failures | map(.warmup) == [true, false, false, false] and map(.round) == [0, 0, 1, 2]
		and all(.error | test("RDMA"))'
	json bench '.cells[1] | has("median_us") or has("median_ratio") | not'
	said bench '4 of 12 runs failed; the first one: .*RDMA'
}

@test "downtime refuses what it cannot do, with a sentence" {
	bench_refused 2 '--devices 0: a number from 1 to 64' downtime --devices 0
	bench_refused 2 '--devices 65: a number' downtime --devices 1,65
	bench_refused 2 '--devices: 2 is in the list twice' downtime --devices 1,2,2
	bench_refused 2 '--slots .*values with commas' downtime --slots 4,
	bench_refused 2 "--gate: 'maybe' is none of off, on" downtime --gate on,maybe
	bench_refused 2 "--baselines: 'x' is none of read, .*write, all, none" downtime --baselines read,x
	bench_refused 2 '--rounds 0: a number' downtime --rounds 0
	bench_refused 2 "'speed': the device's options are" downtime --device-options speed=1
	bench_refused 2 'read-rate=1: a number from' downtime --source-options read-rate=1
	bench_refused 2 'several devices need their P2P' downtime --devices 2 --device-options p2p=off
	bench_refused 2 "--input: 'disk' is none of" downtime --input disk
	bench_refused 2 'a recording is of one device' downtime --input file:x --devices 2
	bench_refused 2 'of memory, and this host has' downtime --devices 64 --bytes 1G --slots 65536
	bench_refused 2 'more than the 256 cells' downtime --devices 1,2,3,4,5,6,7 --qps 1,2,3,4,5,6,7 --slots 2,3,4,5,6,7
	bench_refused 2 'options only' downtime x
	bench_refused 2 'unrecognized option' downtime --nonsense
	bench_refused 2 "'nonsense' is no option of 'sim:'" downtime --input sim --device-options nonsense=1
	[[ ! -e bench.json ]]
}

@test "sealed packets are measured beside clear ones" {
	export TMPDIR=$PWD
	downtime --payload clear,aead --baselines none
	json bench '[.cells[] | select(.of_matrix) | .parameters.payload] == ["clear", "aead"]'
	json bench '[.cells[] | .succeeded == 3 and .failures == []] | all'
	"$BENCH" throughput --bytes 100001 --rounds 2 --warmups 0 --payload both --json through.json
	json through '[.variants[].name] == ["bare", "none", "crc32c", "aead"]'
	"$BENCH" throughput --bytes 100001 --rounds 2 --warmups 0 --payload aead --json through.json
	json through '[.variants[].name] == ["bare", "aead"]'
	json through '[.variants[].samples_us | length == 2] | all'
	[[ -z $(find . -name 'vfiomig-bench-key-*') ]] || fail "a key is left"
}

@test "a file that is compared with itself shows no difference" {
	downtime --gate on,off
	compare 0 bench.json bench.json
	[[ $(grep -c ' 1\.000 .*no difference seen' compare.out) == 9 ]]
	! grep -Eq 'faster|slower|only in' compare.out || fail "it saw a difference"
	compare 0 --fail-above 1 bench.json bench.json
	"$BENCH" throughput --bytes 100001 --rounds 2 --warmups 0 --json through.json >through.out
	compare 0 through.json through.json
	[[ $(grep -c 'no difference seen' compare.out) == 3 ]]
}

@test "doubled samples are slower, halved ones faster, and --fail-above says so" {
	file_of a 100 101 102 103 104 105 106 107
	file_of b 200 202 204 206 208 210 212 214
	compare 0 a.json b.json
	grep -Eq ' 0\.103 +0\.207 +2\.000 .* slower +library' compare.out
	compare 0 b.json a.json
	grep -Eq ' 0\.207 +0\.103 +0\.500 .* faster +library' compare.out
	compare 1 --fail-above 1.5 a.json b.json
	said compare '1 of 1 ratios are above 1.5'
	compare 0 --fail-above 2.5 a.json b.json
	compare 0 --fail-above 1.5 b.json a.json
}

@test "samples that scatter widely do not make a difference, and failed rounds do not count" {
	file_of a 100 500 120 480 110
	file_of b 130 490 100 null 510
	compare 0 a.json b.json
	grep -q 'no difference seen' compare.out
	file_of b null null
	compare 0 a.json b.json
	grep -q 'no samples in B' compare.out
	compare 1 --fail-above 1.1 a.json b.json
	said compare "1 of A's 1 cells could not be compared"
}

@test "cells that only one file has are listed" {
	file_of a 100 101
	file_of b 100 101
	jq '.cells[0].parameters.gate = "on" | .cells += [.cells[0] | .parameters.gate = "off"]' a.json >more.json
	compare 0 more.json b.json
	grep -A1 'only in A' compare.out | grep -q 'library gate=on'
	grep -q 'no difference seen *library gate=off' compare.out
	compare 0 b.json more.json
	grep -A1 'only in B' compare.out | grep -q 'library gate=on'
	compare 1 --fail-above 2 more.json b.json
}

@test "compare refuses what it cannot read, with a sentence" {
	file_of a 100 101
	echo '{"schema": "vfiomig-bench/1", ' >broken.json
	bench_refused 2 'broken.json: line ' compare a.json broken.json
	bench_refused 2 'none.json: unable to open' compare a.json none.json
	echo '[]' >list.json
	bench_refused 2 'list.json: it is not what' compare list.json a.json
	jq '.schema = "vfiomig-bench/2"' a.json >other.json
	bench_refused 2 'other.json: it is not what' compare a.json other.json
	jq '.cells = []' a.json >other.json
	bench_refused 2 'it has no "cells"' compare a.json other.json
	local change
	for change in '.cells[0].samples_us = "many"' '.cells[0].samples_us[0] = -1' '.cells[0].samples_us[0] = 0' \
		'.cells[0].samples_us[0] = "1"' '.cells[0].samples_us = [range(1001) | 1]' '.cells[0].kind = 1' \
		'.cells[0].parameters = []' '.cells[0] = null' 'del(.cells[0].samples_us)'; do
		jq "$change" a.json >other.json
		bench_refused 2 'number 1 of its "cells" is not as' compare a.json other.json
	done
	jq '.cells += .cells' a.json >other.json
	bench_refused 2 'numbers 1 and 2 .* same parameters' compare other.json a.json
	jq '.command = "throughput" | .variants = [.cells[0] + {name: "bare"}]' a.json >through.json
	bench_refused 2 'that cannot be compared' compare a.json through.json
	bench_refused 2 'two files are needed' compare a.json
	bench_refused 2 'not more' compare a.json a.json a.json
	for change in 0 -1 x nan inf 1x ''; do
		bench_refused 2 "--fail-above $change: a ratio above 0" compare --fail-above "$change" a.json a.json
	done
	bench_refused 2 'unrecognized option' compare --nonsense a.json a.json
	bench_refused 2 'no such command' nonsense
}
