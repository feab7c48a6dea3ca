# shellcheck shell=bash
# Sourced in the guest. Measuring in rounds, since the machine below is not quiet.

# A run's first is not the same as its others: who begins moves from round to round.
rotate()	# rotate BY WORD...
{
	local by=$(($1 % ($# - 1))) words
	shift
	words=("$@" "$@")
	echo "${words[@]:$by:$#}"
}
