# shellcheck shell=bash
# Sourced by tools/vm. Debian's 6.12 kernel for the guest, from packages that are unpacked into a cache and never installed:
#
#   CACHE/debs/         the packages, and their hashes
#   CACHE/guest-KEY/    kernel, initrd, the modules that guest/modules names, decompressed; all hashed
#   CACHE/kmod-KEY/     the kernel test device
#
# KEY is the hash of what a folder is made by, so that checkouts which differ share the cache without a quarrel.
# The version is never pinned, because the archive forgets versions: whatever the metapackage names is taken, and kept
# until its hashes no longer hold. With everything in place the network is not touched.

metapackages=(linux-image-6.12-amd64 linux-headers-6.12-amd64)
security_suite=bookworm-security
public_security=http://deb.debian.org/debian-security

vm_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rdma-vfiomig/vm

# hashes_hold FOLDER: is everything there as it was written?
hashes_hold()
{
	[ -s "$1/sha256" ] && (cd "$1" && sha256sum --check --status --strict sha256 2>/dev/null)
}

write_hashes()
{
	(cd "$1" && find . -type f ! -name 'sha256*' -print0 | sort -z | xargs -0 sha256sum >sha256.new && mv sha256.new sha256)
}

guest_folder()
{
	local key
	key=$({ declare -f wanted_modules copy_modules make_initrd build_guest; cat "$vm_dir/guest/init" "$vm_dir/guest/modules"; } |
		sha256sum | cut -c1-16)
	echo "$vm_cache/guest-$key"
}

kmod_folder()
{
	local key
	key=$({ cat "$vm_guest/release"; cat "$kmod_dir"/Kbuild "$kmod_dir"/*.[ch]; } | sha256sum | cut -c1-16)
	echo "$vm_cache/kmod-$key"
}

# Folders that no checkout has used for a week.
drop_old()
{
	find "$vm_cache" -mindepth 1 -maxdepth 1 \( -name 'guest-*' -o -name 'kmod-*' -o -name 'peer-*' \) -mtime +7 -exec rm -rf {} +
	rm -rf "$vm_cache"/{initrd,unpacked,headers}.??????
}

# --- packages ---------------------------------------------------------------------------------------------------------

# depends_of PACKAGE PATTERN: the names among its dependencies that match, by the apt that "apt_options" makes.
depends_of()
{
	apt-cache "${apt_options[@]}" depends --no-recommends --no-suggests "$1" 2>/dev/null |
		sed -n 's/^ *|\?Depends: //p' | grep -E "$2" | sort -u
}

package_names()
{
	local image headers
	image=$(depends_of "${metapackages[0]}" '^linux-image-6\.12.*-amd64$') || return
	headers=$(depends_of "${metapackages[1]}" '^linux-headers-6\.12.*-amd64$') || return
	echo "$image"
	echo "$headers"
	depends_of "$headers" '^linux-(headers-.*-common|kbuild-.*)$'
}

# download FOLDER: with the apt that "apt_options" makes.
download()
{
	local names
	names=$(package_names) || return
	# shellcheck disable=SC2086 # a list of words
	(cd "$1" && apt-get -qq -o APT::Sandbox::User=root "${apt_options[@]}" download $names) &&
		[ "$(find "$1" -name '*.deb' | wc -l)" = 4 ]
}

# Security mirrors to try: the machine's own; the one that its own mirror of the main archive may have beside it; Debian's.
security_mirrors()
{
	local site release
	apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | sort -u |
		while read -r site release; do
			case $release,$site in
			"$security_suite",*) echo "1 $site" ;;
			bookworm,*/debian | bookworm,*/debian/) site=${site%/}; echo "2 ${site%/debian}/debian-security" ;;
			esac
		done | sort -u | cut -d' ' -f2
	echo "$public_security"
}

# An apt of our own, that knows one source only: the machine's sources and lists stay as they are.
own_apt()
{
	local mirror=$1 dir=$vm_cache/apt
	rm -rf "$dir"
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $security_suite main" >"$dir/sources.list"
	apt_options=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir" -o APT::Sandbox::User=root)
	apt-get -qq "${apt_options[@]}" update >/dev/null
}

fetch_packages()
{
	local new=$vm_cache/debs.new mirror apt_options=()
	command -v apt-get >/dev/null || fail "the guest's kernel comes from Debian's archive, but there is no apt-get"
	say "fetching Debian's 6.12 kernel (120 MB)"
	rm -rf "$new"
	mkdir -p "$new"
	if ! download "$new" 2>"$vm_cache/apt.log"; then	# its lists are missing, old, or know no security archive
		for mirror in $(security_mirrors | awk '!seen[$0]++'); do
			say "this machine's package lists do not lead to it; asking $mirror"
			rm -f "$new"/*.deb
			{ own_apt "$mirror" && download "$new"; } 2>>"$vm_cache/apt.log" && break
			mirror=
		done
		rm -rf "$vm_cache/apt"
		[ -n "$mirror" ] || { cat "$vm_cache/apt.log" >&2; fail "no kernel 6.12: $security_suite cannot be reached"; }
	fi
	write_hashes "$new"
	rm -rf "$vm_cache/debs" "$vm_cache/apt.log"
	mv "$new" "$vm_cache/debs"
}

# --- what the guest boots ---------------------------------------------------------------------------------------------

# wanted_modules ROOT RELEASE: paths of the modules that guest/modules names and of those that they need
wanted_modules()
{
	local name
	sed 's/#.*//; /^ *$/d' "$vm_dir/guest/modules" | while read -r name; do
		modprobe --dirname "$1" --set-version "$2" --show-depends "$name" ||
			fail "the kernel has no module $name (guest/modules)"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u
}

# Decompressed, because the guest is emulated and unpacking xz there costs more than the disk here.
copy_modules()
{
	local from=$1 release=$2 to=$3 path name
	depmod --basedir "$from" "$release"
	wanted_modules "$from" "$release" >"$from/wanted"
	mkdir -p "$to/lib/modules/$release"
	cp "$from/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$to/lib/modules/$release/"
	while read -r path; do
		name=${path#"$from"}
		mkdir -p "$to${name%/*}"
		case $name in
		*.xz) xz -dc "$path" >"$to${name%.xz}" ;;
		*) cp "$path" "$to$name" ;;
		esac
	done <"$from/wanted"
	depmod --basedir "$to" "$release"
}

make_initrd()
{
	local modules=$1 release=$2 out=$3 root path
	root=$(mktemp -d "$vm_cache/initrd.XXXXXX")
	mkdir -p "$root"/{bin,dev,proc,sys,mod,new}
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$vm_dir/guest/init" "$root/init"
	for path in $(for m in 9pnet_virtio 9p overlay; do
		modprobe --dirname "$modules" --set-version "$release" --show-depends $m
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'); do
		cp "$path" "$root/mod/"
		echo "${path##*/}" >>"$root/mod/order"
	done
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$out"
	rm -rf "$root"
}

build_guest()
{
	local new=$vm_guest.new root release
	hashes_hold "$vm_cache/debs" || fetch_packages
	say "unpacking the guest's kernel"
	rm -rf "$new"
	mkdir -p "$new"
	root=$(mktemp -d "$vm_cache/unpacked.XXXXXX")
	dpkg-deb -x "$vm_cache"/debs/linux-image-*.deb "$root"
	release=$(basename "$root"/lib/modules/*)
	cp "$root/boot/vmlinuz-$release" "$new/vmlinuz"
	copy_modules "$root" "$release" "$new/modules"
	make_initrd "$new/modules" "$release" "$new/initrd.gz"
	rm -rf "$root"
	echo "$release" >"$new/release"
	write_hashes "$new"
	rm -rf "$vm_guest"
	mv "$new" "$vm_guest"
}

# --- the kernel test device -------------------------------------------------------------------------------------------

# The headers are unpacked for the build only: they are 100 MB, and it is seldom.
build_kmod()
{
	local root headers deb
	hashes_hold "$vm_cache/debs" || { fetch_packages; build_guest; vm_kmod=$(kmod_folder); }
	say "building the kernel test device"
	root=$(mktemp -d "$vm_cache/headers.XXXXXX")
	for deb in "$vm_cache"/debs/linux-headers-*.deb "$vm_cache"/debs/linux-kbuild-*.deb; do dpkg-deb -x "$deb" "$root"; done
	headers=$(echo "$root"/usr/src/linux-headers-*-amd64)
	# The package names its common part by an absolute path.
	sed -i "s,^include /usr/src,include $root/usr/src," "$headers/Makefile"
	mkdir "$root/module"
	cp "$kmod_dir"/Kbuild "$kmod_dir"/*.[ch] "$root/module/"
	# A module's BTF needs pahole, which nothing else here does.
	make -s -C "$headers" M="$root/module" CONFIG_DEBUG_INFO_BTF_MODULES= modules >"$root/log" 2>&1 ||
		{ cat "$root/log" >&2; rm -rf "$root"; fail "the kernel test device does not compile"; }
	rm -rf "$vm_kmod"
	mkdir "$vm_kmod"
	strip -g -o "$vm_kmod/vfio_migtest.ko" "$root/module/vfio_migtest.ko"
	write_hashes "$vm_kmod"
	rm -rf "$root"
}

# Everything, in whatever state the cache is; one at a time. Sets vm_guest and vm_kmod.
prepare()
{
	local tool
	for tool in dpkg-deb modprobe depmod busybox cpio xz make gcc-12 flock; do
		command -v $tool >/dev/null || fail "there is no $tool: tools/packages install guest"
	done
	mkdir -p "$vm_cache"
	exec 9>"$vm_cache/lock"
	flock 9
	vm_guest=$(guest_folder)
	hashes_hold "$vm_guest" || build_guest
	vm_kmod=$(kmod_folder)
	hashes_hold "$vm_kmod" || build_kmod
	touch "$vm_guest" "$vm_kmod"
	drop_old
	exec 9>&-
}
