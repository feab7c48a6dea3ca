# The samples of tools/vm peer-qemu, and what they come to: medians, ratios to the best of QEMU's medians, and the phases that
# hold rdma-vfiomig, from the budgets in its own output. Samples of round 0 and wrong ones are kept, but do not count.

def median: sort | length as $n
	| if $n == 0 then null elif $n % 2 == 1 then .[($n - 1) / 2] else (.[$n / 2 - 1] + .[$n / 2]) / 2 end;
def ratio($a; $b): if $a == null or $b == null or $b <= 0 then null else $a / $b end;
def titles: {
	a: "a: four devices of 32 MiB at 32 MiB/s",
	b: "b: four devices of 32 MiB at 32 MiB/s, 50 ms per arc, 200 ms more per load",
	c: "c: one device of 512 MiB, bound by the processor" };
def names: {
	"qemu": "QEMU, one channel", "qemu-4": "QEMU, multifd 4", "qemu-8": "QEMU, multifd 8",
	"tcp": "TCP", "tcp-none": "TCP, no checksum", "rdma": "soft-RoCE", "rdma-none": "soft-RoCE, no checksum" };
def aims: {
	a: [{way: "tcp", what: "downtime", most: 1.05}, {way: "rdma", what: "downtime", most: 1.05}],
	b: [{way: "tcp", what: "downtime", most: 0.5}, {way: "rdma", what: "downtime", most: 0.5}],
	c: [{way: "tcp-none", what: "downtime", most: 0.7}, {way: "tcp-none", what: "cpu", most: 0.5}] };

# The longest spans of the critical path, as [{span, ms}], each the median over the budgets of a way's samples.
def phases: map(.budget.path // empty | group_by(.side + .span)
		| map({key: "\(.[0].side): \(.[0].span)", value: (map(.end_us - .begin_us) | add / 1000)}) | from_entries)
	| . as $runs | [ $runs[] | keys[] ] | unique
	| map(. as $span | {span: $span, ms: ([ $runs[] | .[$span] // 0 ] | median)}) | sort_by(-.ms);

def way_of($floor): . as $all | map(select(.round > 0 and .good)) | {
	way: $all[0].way, runs: length, wrong: ($all | map(select(.good | not)) | length),
	downtime_ms: (map(.downtime_us / 1000) | median),
	least_ms: (map(.downtime_us / 1000) | min), most_ms: (map(.downtime_us / 1000) | max),
	cpu_s_per_gib: (if $floor == null then null else
		map((.cpu_us - $floor) / 1e6 / (.bytes / 1073741824)) | median end),
	phases: phases };

def scenario: . as $samples
	| ($samples | map(select(.way == "floor" and .round > 0 and .good) | .cpu_us) | median) as $floor
	| [ names | keys_unsorted[] as $way | $samples | map(select(.way == $way)) | select(length > 0) | way_of($floor) ]
	| . as $ways | map(select(.way | startswith("qemu")))
	| { scenario: $samples[0].scenario, bytes: $samples[0].bytes, floor_cpu_us: $floor,
	    best_qemu_ms: (map(.downtime_ms | values) | min), best_qemu_cpu: (map(.cpu_s_per_gib | values) | min) }
	| . + { ways: (. as $s | $ways | map(. + {
		downtime_ratio: ratio(.downtime_ms; $s.best_qemu_ms), cpu_ratio: ratio(.cpu_s_per_gib; $s.best_qemu_cpu) })) };

def fixed($digits): if . == null then "-" else
	pow(10; $digits) as $p | (. * $p | round) as $n | (if $n < 0 then "-" else "" end) as $sign | ($n | fabs) as $n
	| "\($sign)\($n / $p | floor)" + (if $digits == 0 then "" else
		"." + ("\($n % $p)" | ("0" * ($digits - length) // "") + .) end) end;
def left($width): . + (" " * ($width - length) // "");
def right($width): (" " * ($width - length) // "") + .;

def row: "  " + (names[.way] | left(24)) + (.downtime_ms | fixed(0) | right(9))
	+ ("\(.least_ms | fixed(0))-\(.most_ms | fixed(0))" | right(14)) + (.downtime_ratio | fixed(2) | right(8))
	+ (.cpu_s_per_gib | fixed(2) | right(12)) + (.cpu_ratio | fixed(2) | right(8))
	+ (if .wrong > 0 then "  \(.wrong) WRONG" else "" end);

def verdict($aim; $way): ($way[if $aim.what == "cpu" then "cpu_ratio" else "downtime_ratio" end]) as $is
	| "  aim: \(names[$aim.way]), \(if $aim.what == "cpu" then "processor time" else "downtime" end) at most \($aim.most) of QEMU's: "
	+ (if $is == null then "not measured" elif $is <= $aim.most then "met, \($is | fixed(2))" else "missed, \($is | fixed(2))" end);

def held: "  \(names[.way]) is held by: " + (.phases[:4] | map("\(.span) \(.ms | fixed(0)) ms") | join(", "));

def lines: . as $s | [ "", titles[.scenario],
	"  " + ("" | left(24)) + "  downtime     (of all)   ratio   cpu s/GiB   ratio",
	(.ways[] | row),
	"  floor: \(if .floor_cpu_us then .floor_cpu_us / 1e6 / (.bytes / 1073741824) else null end | fixed(2)) cpu s/GiB, subtracted above",
	(aims[.scenario][] as $aim | verdict($aim; $s.ways[] | select(.way == $aim.way))),
	(.ways[] | select(.phases | length > 0) | held) ];

. as $samples | (group_by(.scenario) | map(scenario)) as $scenarios
| { qemu: $qemu, rounds: $rounds, scenarios: $scenarios, table: [ $scenarios[] | lines[] ], samples: $samples }
