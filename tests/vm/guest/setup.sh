# shellcheck shell=bash
# Sourced by every script in the guest: the pieces, and a place to work in.
guest_dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$guest_dir/../../..")
for piece in net devices program rounds check judge qemu; do
	# shellcheck source=/dev/null
	. "$guest_dir/$piece.sh"
done

# use_build [FOLDER]: where the programs are
use_build()
{
	local build=${1:-build/release}
	case $build in
	/*) ;;
	*) build=$top/$build ;;
	esac
	export PROGRAM=$build/rdma-vfiomig
	[ -x "$PROGRAM" ] || { echo "there is no $PROGRAM: cmake --preset release && cmake --build --preset release" >&2; exit 3; }
}

# Logs and JSON of the programs go here; not where leftovers are looked for.
work_in()
{
	mkdir -p "$1"
	cd "$1"
}
