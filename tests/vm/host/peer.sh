# shellcheck shell=bash
# Sourced by tools/vm. The QEMU that rdma-vfiomig is compared with: Debian's of the release after this one, since the one
# here cannot migrate VFIO devices over multifd. Its packages, and all that they need, are unpacked into the cache and never
# installed; the guest runs it from there:
#
#   CACHE/peer-KEY/root/      what the packages hold, but for documents
#   CACHE/peer-KEY/version    of its QEMU
#
# Like the kernel, the version is not pinned, and kept until its hashes no longer hold.

peer_suite=trixie
peer_packages=(qemu-system-x86)

peer_folder()
{
	local key
	key=$({ declare -f peer_apt unpack_peer build_peer; echo "$peer_suite" "${peer_packages[@]}"; } | sha256sum | cut -c1-16)
	echo "$vm_cache/peer-$key"
}

# The machine's own mirrors of Debian's main archive.
main_mirrors()
{
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/ \(bookworm\|oldstable\|stable\)$//p' | awk '!seen[$0]++'
}

# An apt that knows that release only and takes nothing for installed, so that it fetches everything that is needed.
peer_apt()
{
	local mirror=$1 dir=$2
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: >"$dir/status"
	echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $peer_suite main" >"$dir/sources.list"
	apt_options=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir"
		-o APT::Architecture=amd64 -o APT::Sandbox::User=root)
	apt-get -qq "${apt_options[@]}" update >/dev/null &&
		apt-get -qq -y "${apt_options[@]}" install --download-only --no-install-recommends "${peer_packages[@]}" >/dev/null
}

# Without the packages' own scripts: a QEMU needs none of what they would do, but the links of a merged /usr.
unpack_peer()
{
	local archives=$1 root=$2 deb dir
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,tmp}
	for dir in bin sbin lib lib64; do ln -s usr/$dir "$root/$dir"; done
	for deb in "$archives"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner --keep-directory-symlink \
			--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' || return
	done
}

build_peer()
{
	local new=$vm_peer.new mirror apt_options=()
	command -v apt-get >/dev/null || fail "the QEMU to compare with comes from Debian's archive, but there is no apt-get"
	say "fetching $peer_suite's QEMU (40 MB)"
	rm -rf "$new"
	mkdir -p "$new"
	: >"$vm_cache/apt.log"
	for mirror in $(main_mirrors); do
		peer_apt "$mirror" "$new/apt" 2>>"$vm_cache/apt.log" && break
		rm -rf "$new/apt"
	done
	[ -d "$new/apt" ] ||
		{ cat "$vm_cache/apt.log" >&2; fail "no QEMU of $peer_suite: no mirror of bookworm is set up, or none can be reached"; }
	unpack_peer "$new/apt/archives" "$new/root" || fail "the packages of $peer_suite's QEMU cannot be unpacked"
	dpkg-deb -f "$new"/apt/archives/qemu-system-x86_*.deb Version >"$new/version"
	rm -rf "$new/apt" "$vm_cache/apt.log"
	write_hashes "$new"
	rm -rf "$vm_peer"
	mv "$new" "$vm_peer"
}

# After prepare. Sets vm_peer, and has its root shared with the guest.
prepare_peer()
{
	exec 9>"$vm_cache/lock"
	flock 9
	vm_peer=$(peer_folder)
	hashes_hold "$vm_peer" || build_peer
	touch "$vm_peer"
	exec 9>&-
	extra+=(-fsdev "local,id=peer,path=$vm_peer/root,security_model=none,readonly=on"
		-device virtio-9p-pci,fsdev=peer,mount_tag=peer)
}
