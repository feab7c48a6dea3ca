# shellcheck shell=bash
# Sourced in the guest. Claims: each prints one line; a wrong one is counted and the rest still judged.
claims_wrong=0

right() { echo "  ok   $1"; }
wrong() { echo "  WRONG $1: $2"; claims_wrong=$((claims_wrong + 1)); }

equal()		# equal CLAIM IS SHOULD-BE
{
	if [ "$2" = "$3" ]; then right "$1 ($2)"; else wrong "$1" "is \"$2\", should be \"$3\""; fi
}

at_least()	# at_least CLAIM IS LEAST
{
	if [ "${2:-0}" -ge "$3" ] 2>/dev/null; then right "$1 ($2)"; else wrong "$1" "is \"$2\", should be at least $3"; fi
}

at_most()	# at_most CLAIM IS MOST
{
	if [ "${2:-x}" -le "$3" ] 2>/dev/null; then right "$1 ($2)"; else wrong "$1" "is \"$2\", should be at most $3"; fi
}

matches()	# matches CLAIM TEXT PATTERN...: extended, each of them somewhere, in any case
{
	local claim=$1 text=$2 pattern
	shift 2
	shopt -s nocasematch
	for pattern in "$@"; do
		[[ $text =~ $pattern ]] || { wrong "$claim" "no \"$pattern\" in: $text"; shopt -u nocasematch; return 0; }
	done
	shopt -u nocasematch
	right "$claim: $text"
}

succeeds()	# succeeds CLAIM COMMAND...
{
	local claim=$1
	shift
	if "$@" >/dev/null 2>&1; then right "$claim"; else wrong "$claim" "\"$*\" failed"; fi
}

# What both programs said; for when a claim is wrong.
show_programs()
{
	local side
	for side in recv send; do
		[ -e $side.command ] || continue
		cat $side.command $side.err $side.json
	done
}
