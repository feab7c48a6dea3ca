#!/usr/bin/env bats
# The installed library, taken by an outside project: what it exports, how it is found, and that a VMM built against it migrates a device with
# a commit and a gate of its own.

load lib.bash

# Once for all tests: installed into a prefix of its own, and the example built by its own CMakeLists.
setup_file()
{
	top=$(cd "${BATS_TEST_FILENAME%/*}/../.." && pwd)
	build=${VFIOMIG_BUILD:-build/release}
	[[ $build == /* ]] || build=$top/$build
	export prefix=$BATS_FILE_TMPDIR/prefix
	cmake --install "$build" --prefix "$prefix" >"$BATS_FILE_TMPDIR/install.log" || return
	cmake -S "$top/examples" -B "$BATS_FILE_TMPDIR/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
		-DCMAKE_C_FLAGS="$(flags_of "$build")" >"$BATS_FILE_TMPDIR/cmake.log" || return
	cmake --build "$BATS_FILE_TMPDIR/cmake" >>"$BATS_FILE_TMPDIR/cmake.log" || return
	export VMM=$BATS_FILE_TMPDIR/cmake/vmm
}

# A library with a sanitizer needs a program with it.
flags_of() { sed -n 's/^VFIOMIG_SANITIZE:STRING=\(..*\)$/-fsanitize=\1/p' "$1/CMakeCache.txt"; }

library() { find "$prefix" -name libvfiomig.so; }

# vmm CODE OPTION...: the example, which must end so; what it said is in vmm.out.
vmm()
{
	local expected=$1 code=0
	shift
	timeout -k 5 $patience_s "$VMM" "$@" >vmm.out 2>&1 3>&- || code=$?
	[[ $code == "$expected" ]] || fail "ended with $code, not $expected"
}

line() { grep -qxF -- "$1" vmm.out || fail "not said: $1"; }

@test "it exports what the headers declare and nothing else, as VFIOMIG_1.0" {
	nm -D --defined-only "$(library)" | sed -n 's/^[0-9a-f]* T \(.*\)@@VFIOMIG_1.0$/\1/p' | sort >exported.out
	nm -D --defined-only "$(library)" | grep -v ' T .*@@VFIOMIG_1.0$' | grep -v ' A VFIOMIG_1.0$' >other.out || true
	[[ ! -s other.out ]] || fail "it exports more"
	# The headers as a compiler sees them, without comments: every name that opens a parameter list and is no function pointer.
	echo '#include <vfiomig/vfiomig.h>' | cc -E -P -I "$prefix/include" - |
		grep -o '\bvfiomig_[a-z0-9_]*(' | tr -d '(' | sort -u >declared.out
	diff declared.out exported.out
	(($(wc -l <exported.out) > 30))
}

@test "the Debian package's list of symbols has each of them, and none that has gone" {
	nm -D --defined-only "$(library)" | sed -n 's/^[0-9a-f]* [AT] \(.*\)@@\(.*\)$/\1@\2/p; s/^[0-9a-f]* A \([^@]*\)$/\1@\1/p' | sort >exported.out
	sed -n 's/^ \([^ ]*\) 1\.[0-9.]*$/\1/p' "$top/debian/libvfiomig1.symbols" | sort >listed.out
	diff exported.out listed.out
	(($(wc -l <listed.out) > 30))
}

@test "its name is libvfiomig.so.1, and it needs no user of it to know what it needs" {
	readelf -d "$(library)" | grep -q 'Library soname: \[libvfiomig.so.1\]'
	[[ -e $(dirname "$(library)")/libvfiomig.so.1 ]]
	[[ -z $(find "$prefix" -name '*.a') ]]
}

@test "each installed header stands alone, in C and in C++" {
	local header
	for header in "$prefix"/include/vfiomig/*.h; do
		cc -std=c11 -fsyntax-only -Wall -Wextra -Werror -I "$prefix/include" -x c "$header"
		c++ -fsyntax-only -Wall -Wextra -Werror -I "$prefix/include" -x c++ "$header"
	done
}

@test "pkg-config is enough to build against it" {
	local flags version
	export PKG_CONFIG_PATH
	PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name libvfiomig.pc)")
	version=$(pkg-config --modversion libvfiomig)
	[[ $version == 1.* ]]
	flags=$(pkg-config --cflags --libs libvfiomig)
	# shellcheck disable=SC2046,SC2086 # words, as pkg-config means them
	cc -std=c17 -D_GNU_SOURCE $(flags_of "$build") -o vmm.pkg "$top"/examples/vmm/*.c $flags "-Wl,-rpath,$(dirname "$(library)")"
	VMM=./vmm.pkg
	vmm 0
	line "source: source retired, destination running, device in STOP"
}

@test "a program that follows the headers has never two that run, whatever happens to it and when" {
	local out
	# shellcheck disable=SC2046 # words
	cc -std=c17 -D_GNU_SOURCE $(flags_of "$build") -I "$prefix/include" -o embedder "$top"/tests/support/embedder/*.c \
		"$(library)" "-Wl,-rpath,$(dirname "$(library)")"
	out=$(timeout -k 5 $patience_s ./embedder 1 100 2>&1) || fail "$out"
	echo "$out"
	# Not by the luck of its choices: each way out was taken.
	[[ $out =~ ran\ [1-9].*stayed\ [1-9].*given\ back\ [1-9].*closed\ [1-9] ]]
}

@test "the example VMM migrates a device by its own commit and its own gate" {
	vmm 0
	line "destination: config state loaded, interrupts armed"
	line "source: source retired, destination running, device in STOP"
	line "destination: source retired, destination running, device in RUNNING"
}

@test "the destination checks every byte of what it was given" {
	vmm 1 --destination sim:bytes=8M,seed=2
	line "source: source running, destination reset, device in RUNNING"
	line "destination: source running, destination reset, device in RUNNING"
}

@test "a source VMM that says no goes on running" {
	vmm 1 --no source
	line "source: source running, destination reset, device in RUNNING"
	grep -q '^destination: source .*, destination reset, device in RUNNING$' vmm.out
}

@test "a destination VMM that says no leaves the source running" {
	vmm 1 --no destination
	line "source: source running, destination reset, device in RUNNING"
	grep -q '^destination: source .*, destination reset, device in RUNNING$' vmm.out
}

@test "a source VMM that asks commits at a yes and at nothing else" {
	vmm 0 --ask <<<y
	line "source: source retired, destination running, device in STOP"
	vmm 1 --ask <<<n
	line "source: source running, destination reset, device in RUNNING"
	vmm 1 --ask </dev/null
	line "source: source running, destination reset, device in RUNNING"
}

has_lines() { [[ $(grep -c -- "$2" vmm.out) == "$1" ]]; }

@test "sessions that are cut off from each other while both hold end nothing, and the VMMs' words decide" {
	local code=0
	mkfifo answer
	exec 5<>answer
	"$VMM" --ask <answer >vmm.out 2>&1 3>&- 5>&- &
	pids+=($!)
	until_true has_lines 1 'shall it commit'
	kill -USR1 "${pids[0]}"
	until_true has_lines 2 "commit or cancel is the caller's to decide"
	has_lines 0 ': source ' || fail "one of them has ended"
	echo y >&5
	exec 5>&-
	wait "${pids[0]}" || code=$?
	[[ $code == 0 ]] || fail "ended with $code"
	line "source: source retired, destination unknown, device in STOP"
	line "destination: source unknown, destination running, device in RUNNING"
}
