#!/usr/bin/env bats
# What the programs take, what the manual says and what bash completes are the same. No page or option is named here: a new
# command needs a page, and a new option a place in it, or these tests fail. And what the documents name, there is; what they show, runs.

load lib.bash

# commands PROGRAM: one name a line, as its usage has them.
commands() { "$1" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'; }

# helped PROGRAM [COMMAND]: the long options of its --help, sorted.
helped()
{
	"$@" --help | sed -nE 's/^  --help, --version$/--help\n--version/p; t; s/^ {1,6}(-., )?(--[a-z][a-z-]*).*/\2/p' | LC_ALL=C sort -u
}

# page NAME: the page as it is built, from its source.
page()
{
	local source=$top/man/$1.scd
	[[ -f $source ]] || { fail "there is no man/$1.scd"; return 1; }
	"$top/man/render" cat "$source" "$1"
}

# manual NAME: the long options that the page explains, sorted.
manual() { grep -E '^\*-' "$1" | grep -oE -- '\*--[a-z][a-z-]*' | sed 's/^\*//' | LC_ALL=C sort -u; }

# completed LINE: what bash would offer behind it, one a line, without the blank or = at its end.
completed()
{
	(
		PATH=$build:$PATH
		compopt() { :; } # which bash has for its own completion only
		. "$top/completions/rdma-vfiomig"
		COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
		_vfiomig "${1%% *}"
		printf '%s\n' "${COMPREPLY[@]}" | sed 's/[ =]*$//' | LC_ALL=C sort -u
	)
}

# same A B WHAT: no difference, or it is shown.
same() { diff -u "$1" "$2" || fail "$3 differ"; }

@test "every command has a page, and the page explains the options of --help and no others" {
	local command all
	all=$(commands "$PROGRAM")
	[[ $(wc -l <<<"$all") -ge 7 ]]
	for command in $all; do
		helped "$PROGRAM" "$command" >help.txt
		grep -qx -- --usage help.txt
		page "rdma-vfiomig-$command.1"
		manual "rdma-vfiomig-$command.1" >manual.txt
		same help.txt manual.txt "--help and the page of $command"
	done
}

@test "every page of a command is one of a command that there is" {
	local file name
	for file in "$top"/man/rdma-vfiomig-*.1.scd; do
		name=${file##*/rdma-vfiomig-}
		commands "$PROGRAM" | grep -qx "${name%.1.scd}" || fail "no command: ${name%.1.scd}" || return
	done
}

@test "the program's own page has its options, and names all commands" {
	local command
	page rdma-vfiomig.1
	helped "$PROGRAM" >help.txt
	manual rdma-vfiomig.1 >manual.txt
	same help.txt manual.txt "--help and the page"
	for command in $(commands "$PROGRAM"); do
		grep -q "^\*rdma-vfiomig-$command\*(1)$" rdma-vfiomig.1
	done
}

@test "the benchmark's page has the options of all its commands" {
	local command
	page vfiomig-bench.1
	for command in '' $(commands "$BENCH"); do
		[[ -z $command ]] || grep -q "^\*$command\*$" vfiomig-bench.1
		helped "$BENCH" ${command:+"$command"}
	done | LC_ALL=C sort -u >help.txt
	manual vfiomig-bench.1 >manual.txt
	same help.txt manual.txt "--help and the page"
}

@test "the library's page names every function of the public headers, and none that they do not have" {
	page libvfiomig.3
	sed 's|/\*.*\*/||' "$top"/include/vfiomig/*.h | grep -v '^ \*' | grep -oE '\bvfiomig_[a-z_]+\(' | tr -d '(' |
		LC_ALL=C sort -u >headers.txt
	[[ $(wc -l <headers.txt) -ge 30 ]]
	grep -oE '\*vfiomig_[a-z_]+\*' libvfiomig.3 | tr -d '*' | LC_ALL=C sort -u >manual.txt
	same headers.txt manual.txt "the headers and the page"
}

@test "bash completes commands, options and the words that an option takes" {
	local program command
	for program in "$PROGRAM" "$BENCH"; do
		completed "${program##*/} " >completed.txt
		commands "$program" | LC_ALL=C sort >help.txt
		same help.txt completed.txt "the usage and the completion of ${program##*/}"
		for command in $(commands "$program"); do
			completed "${program##*/} $command --" >completed.txt
			helped "$program" "$command" >help.txt
			same help.txt completed.txt "--help and the completion of $command"
		done
	done
	[[ $(completed 'rdma-vfiomig send --transport ') == $'auto\nrdma\ntcp' ]]
	[[ $(completed 'rdma-vfiomig send --transport=t') == tcp ]]
	[[ $(completed 'rdma-vfiomig send --device s') == sim: ]]
	touch one.psk
	[[ $(completed 'rdma-vfiomig recv --psk-file one') == one.psk ]]
	[[ $(completed 'rdma-vfiomig re') == $'recv\nresolve' ]]
}

@test "the page of simulated devices has their options, and no others" {
	page rdma-vfiomig-sim.7
	sed -nE 's/^\t(BYTES|NUMBER|ARC|WORD)\("([a-z0-9-]+)", .*/\2/p' "$top/src/device/sim_options.c" | LC_ALL=C sort >code.txt
	[[ $(wc -l <code.txt) -ge 20 ]]
	grep -E '^\*[a-z0-9-]+=' rdma-vfiomig-sim.7 | grep -oE '\*[a-z0-9-]+=' | tr -d '*=' | LC_ALL=C sort >manual.txt
	same code.txt manual.txt "the options of sim: and its page"
}

@test "the page of events has those that are written, and no others" {
	page rdma-vfiomig-events.7
	{
		grep -E 'begin(_of)?\(' "$top/src/cli/events.c" | grep -oE '"[a-z-]+"'
		grep -oE '"event\\":\\"[a-z-]+' "$top/src/cli/events.c" | sed 's/.*\\"//'
		sed -n '/^const char \*vfiomig_event_name/,/^}/p' "$top/src/session/session_tell.c" | grep -oE '"[a-z-]+"' | grep -v unknown
	} | tr -d '"' | LC_ALL=C sort -u >code.txt
	[[ $(wc -l <code.txt) -ge 10 ]]
	sed -n '/^# EVENTS/,/^# PHASES/p' rdma-vfiomig-events.7 | sed -n 's/^\*\([a-z-]*\)\*$/\1/p' | LC_ALL=C sort >manual.txt
	same code.txt manual.txt "the events that are written and their page"
}

@test "the documents' links, pages and functions are there" {
	local document link name
	for document in README.md CONTRIBUTING.md src/README.md "$top"/doc/*.md; do
		document=$top/${document#"$top"/}
		while read -r link; do
			[[ -e $(dirname "$document")/$link ]] || fail "$document: no $link" || return
		done < <(grep -oE '\]\([^)#:]+\)' "$document" | sed 's/^](\(.*\))$/\1/')
		while read -r name; do
			compgen -G "$top/man/$name.[0-9].scd" >/dev/null || fail "$document: no page $name" || return
		done < <(grep -oE '`man [a-z-]+`' "$document" | sed 's/^`man \(.*\)`$/\1/')
	done
	# Where the code changes its names, the way through it must follow.
	while read -r name; do
		grep -rqE "\b$name\(" "$top/src" "$top/include" || grep -rqw -- "$name" "$top"/src/*/*.[ch] "$top/include" ||
			fail "save-and-resume.md: no $name in the code" || return
	done < <(grep -oE '`_?[a-z]+(_[a-z0-9]+)+`' "$top/doc/save-and-resume.md" | tr -d '\`' | sed 's/^_/vfiomig_session_/' | sort -u)
}

# blocks FILE HEADING [WORD]: what its ``` blocks below that heading hold, up to the next one; of all, or of those marked with WORD.
blocks()
{
	awk -v heading="$2" -v mark="\`\`\`$3" '!code && /^#+ / { on = $0 == heading; next }
		on && /^```/ { code = !code; wanted = code && (mark == "```" || $0 == mark); next } on && wanted' "$1"
}

# The sanitizer that the library was built with: a program with it needs it too.
sanitizer() { sed -n 's/^VFIOMIG_SANITIZE:STRING=\(..*\)$/-fsanitize=\1/p' "$build/CMakeCache.txt"; }

# The two programs of the library's page, compiled, with a channel between them; the destination listens.
programs_of_the_page()
{
	local name
	for name in source destination; do
		blocks "$top/man/libvfiomig.3.scd" "# A ${name^^}" | awk '/^mkfifo/ { exit } 1' >"$name.c"
		# shellcheck disable=SC2046 # nothing, or one word
		cc -std=c17 -Wall -Wextra -Werror $(sanitizer) -I "$top/include" "$name.c" -o "$name" \
			-L "$build" -lvfiomig "-Wl,-rpath,$build"
	done
	mkfifo to-source to-destination
	exec 5<>to-source 6<>to-destination
	timeout -k 5 $patience_s ./destination "unix:$PWD/socket" sim:bytes=8M <&6 >&5 2>destination.err 3>&- &
	pids+=($!)
	until_true test -S socket
}

@test "the two programs of libvfiomig(3) are complete: they compile, and migrate a device" {
	programs_of_the_page
	timeout -k 5 $patience_s ./source "unix:$PWD/socket" sim:bytes=8M <&5 >&6 2>source.err 3>&- || fail "source: $?"
	wait "${pids[0]}"
	grep -qx 'source retired, destination running: done' source.err
	grep -qx 'source retired, destination running: done' destination.err
}

@test "where the other VMM has gone, the source of libvfiomig(3) runs again" {
	local code=0
	programs_of_the_page
	timeout -k 5 $patience_s ./source "unix:$PWD/socket" sim:bytes=8M </dev/null >&6 2>source.err 3>&- || code=$?
	[[ $code == 9 ]]
	grep -q '^source running, ' source.err
	code=0
	wait "${pids[0]}" || code=$?
	[[ $code == 9 ]]
}

# What the cookbook's blocks call, with simulated devices for real ones, a socket that no other test has, and no hurry. What they say that an
# exit code is, must be it.
recipe()
{
	blocks "$top/doc/cookbook.md" "$1" sh | sed -E -e 's/vfio:[0-9a-f:.]+/sim:bytes=8M/g' -e "s|127\.0\.0\.1:7000|unix:$PWD/socket|g" \
		-e 's/^(.*[^ ]) +# exit code ([0-9]+).*/code=0; \1 || code=$?; test $code = \2/' -e 's/^wait$/wait || true; rm -f socket/' \
		-e 's/; wait$/; wait || true; rm -f socket/' >recipe.sh
	[[ $(grep -c rdma-vfiomig recipe.sh) -ge 2 ]]
	cat >wrapped.sh <<-END
		set -eu
		sends=0
		rdma-vfiomig()
		{
			local command=\$1
			shift
			case "\$command \$*" in
			recv*) exec "$PROGRAM" recv "\$@" --peer-timeout $patience_s ;; # a job of its own, which kill \$! must reach
			send*--to\ unix:*) # a receiver listens, and has ended with the one before
				sends=\$((sends + 1))
				until test -S socket && test "\$(grep -c 'listening on' recipe.out)" -ge \$sends; do sleep 0.02; done
				set -- "\$@" --peer-timeout $patience_s
				;;
			esac
			"$PROGRAM" "\$command" "\$@"
		}
		vfiomig-bench() { "$BENCH" "\$@" --rounds 1 --warmups 0 --peer-timeout ${patience_s}000; }
	END
	cat recipe.sh >>wrapped.sh
	timeout -k 5 $((3 * patience_s)) bash wrapped.sh >recipe.out 2>&1 3>&- || { cat wrapped.sh; fail "recipe: $?"; }
}

@test "the cookbook's way without a VMM can be gone with simulated devices, as it is written" {
	recipe "## Driver development without a VMM"
	grep -q '^sent 1 device' recipe.out
	[[ -s nic.state && -s where.html ]]
}

@test "the cookbook's way to try the gate from outside is as it is written" {
	recipe "## Embedding in a VMM"
	grep -q '^  destination  running' recipe.out
	grep -q '^  gate         on' recipe.out
}

@test "every page is well-formed, and man has nothing to warn of" {
	command -v scdoc >/dev/null || skip "scdoc is missing: tools/packages install test"
	local source name
	for source in "$top"/man/*.[0-9].scd; do
		name=$(basename "$source" .scd)
		"$top/man/render" scdoc "$source" "$name"
		[[ $(head -n 3 "$name") == *'scdoc'* ]]
		! command -v groff >/dev/null || [[ -z $(groff -man -Tutf8 -ww "$name" 2>&1 >/dev/null) ]]
	done
}

@test "the programs, the library and the packages have one version" {
	local version
	version=$("$PROGRAM" --version | sed -n 's/^rdma-vfiomig \(.*\) (library \(.*\))$/\1 \2/p')
	[[ $version == "${version% *} ${version% *}" ]]
	[[ $(sed -n '1s/^rdma-vfiomig (\(.*\)-[^-]*) .*/\1/p' "$top/debian/changelog") == "${version% *}" ]]
}
