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
