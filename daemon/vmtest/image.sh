#!/bin/bash
# Builds the kernel, the initrd and the disk of the test VM: an ext4 image of
# Debian, in ${VCHAT_VM_DIR:-~/.cache/vchat-vm}.
#
#   image.sh             builds the image unless it exists
#   FORCE=1 image.sh     builds the image in any case
#
# The image depends only on this file. It contains no programs of this project:
# the guest gets them by a shared directory.
#
# The host needs Debian's package index (apt-get update), the tools below, and
# root or a user who may create user namespaces. The script installs nothing on
# the host: it only unpacks the kernel package.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
dir=${VCHAT_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/vchat-vm}

# v4l-utils: checks the camera without code of this project.
# kbd: chvt, which switches consoles.
# magic-wormhole-transit-relay: the relay of packaging/examples.
packages=systemd,systemd-sysv,udev,dbus,iproute2,kmod,kbd,procps,nftables,v4l-utils,magic-wormhole-transit-relay
# The image gets only these modules and those they need. All modules of a Debian
# kernel have 400 MB.
modules="virtio_pci virtio_blk virtio_rng virtio_console ext4 9p 9pnet_virtio uvcvideo vivid vhci-hcd veth
  nf_tables nft_ct nft_reject_inet sch_netem sch_tbf virtio-gpu bochs evdev uinput"

log() { printf '%(%H:%M:%S)T image: %s\n' -1 "$*"; }
fail() { printf 'image.sh: %s\n' "$*" >&2; exit 1; }

# with_modules prints the files of the named modules and of those they need, in
# load order.
with_modules() {
	local m
	for m in "$@"; do modprobe -d "$dir/kernel" -S "$(<"$dir/kernel/version")" --show-depends "$m"; done |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

need() { # COMMAND PACKAGE
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || missing+=("$2")
}

check_tools() {
	missing=()
	need mmdebstrap mmdebstrap; need mkfs.ext4 e2fsprogs; need modprobe kmod; need depmod kmod
	need busybox busybox-static; need cpio cpio; need dpkg-deb dpkg; need apt-get apt
	[ ${#missing[@]} = 0 ] || fail "missing tools: apt-get install ${missing[*]}"
}

build_kernel() {
	local package version
	# linux-image-amd64 depends on the newest kernel. Debian's "cloud" kernel has
	# no camera drivers.
	package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
	[ -n "$package" ] || fail "no linux-image-amd64 in the package index: apt-get update"
	version=${package#linux-image-}
	log "kernel $version"
	rm -rf "$dir/kernel"; mkdir -p "$dir/kernel"
	# apt downloads as another user and warns if that user may not write here.
	# The warning does not matter: print it only after a failure.
	(cd "$dir/kernel" && apt-get -qq download "$package" 2>"$dir/apt.log") ||
		{ cat "$dir/apt.log" >&2; fail "download of $package failed"; }
	dpkg-deb -x "$dir/kernel/$package"_*.deb "$dir/kernel"
	rm "$dir/kernel/$package"_*.deb
	depmod -b "$dir/kernel" "$version"
	echo "$version" >"$dir/kernel/version"
	cp "$dir/kernel/boot/vmlinuz-$version" "$dir/vmlinuz"
}

build_initrd() {
	log initrd
	local t n=0 f
	t=$(mktemp -d)
	mkdir -p "$t"/{bin,dev,proc,sys,root,modules}
	cp "$(command -v busybox)" "$t/bin/busybox"
	for f in $(with_modules virtio_pci virtio_blk ext4); do
		n=$((n + 1)); cp "$f" "$t/modules/$(printf %02d $n).ko"
	done
	cat >"$t/init" <<-'INIT'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
		for m in /modules/*.ko; do $b insmod $m; done
		i=0; while [ ! -b /dev/vda ] && [ $i -lt 200 ]; do $b usleep 50000; i=$((i+1)); done
		$b mount -t ext4 -o noatime /dev/vda /root || exec $b sh
		$b mount --move /dev /root/dev; $b umount /sys; $b umount /proc
		exec $b switch_root /root /sbin/init
	INIT
	chmod +x "$t/init"
	(cd "$t" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initrd.img"
	rm -rf "$t"
}

build_disk() {
	local release sources
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	sources=/etc/apt/sources.list.d/debian.sources
	[ -e $sources ] || sources=/etc/apt/sources.list
	log "Debian $release"
	# A hook makes the image: without root, files have their owners only there.
	mmdebstrap --quiet --variant=minbase --include="$packages" --format=null \
		--customize-hook="'$self' configure-root \"\$1\" && '$self' make-ext4 \"\$1\"" \
		"$release" /dev/null "$sources" >"$dir/mmdebstrap.log" 2>&1 ||
		{ tail -20 "$dir/mmdebstrap.log" >&2; fail "mmdebstrap failed; see $dir/mmdebstrap.log"; }
	mv "$dir/disk.img.new" "$dir/disk.img"
}

# configure_root turns a minimal Debian into the guest: it adds modules, the
# shared directory, the agent and a user.
configure_root() {
	local r=$1 version f
	version=$(<"$dir/kernel/version")
	mkdir -p "$r/lib/modules/$version"
	# shellcheck disable=SC2086
	for f in $(with_modules $modules); do
		install -D -m644 "$f" "$r/${f#"$dir/kernel/"}"
	done
	cp "$dir/kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$r/lib/modules/$version/"
	depmod -b "$r" "$version"

	echo vm >"$r/etc/hostname"
	printf '127.0.0.1 localhost vm\n' >"$r/etc/hosts"
	# Only TestScreen loads these drivers: drawing the console would slow the
	# other tests down.
	printf 'blacklist virtio-gpu\nblacklist bochs\n' >"$r/etc/modprobe.d/screen.conf"
	: >"$r/etc/fstab" # the initrd mounts the disk; an entry would make the boot wait for udev
	mkdir -p "$r/mnt/host" "$r/etc/systemd/system/multi-user.target.wants" "$r/var/log/journal"
	cat >"$r/etc/systemd/system/mnt-host.mount" <<-'UNIT'
		[Unit]
		Description=directory of programs of the host
		[Mount]
		What=host
		Where=/mnt/host
		Type=9p
		Options=ro,trans=virtio,version=9p2000.L,msize=262144,cache=none
	UNIT
	cat >"$r/etc/systemd/system/agent.service" <<-'UNIT'
		[Unit]
		Description=runs commands for the host
		RequiresMountsFor=/mnt/host
		[Service]
		ExecStart=/mnt/host/vmagent agent
		[Install]
		WantedBy=multi-user.target
	UNIT
	ln -s ../agent.service "$r/etc/systemd/system/multi-user.target.wants/agent.service"
	# An ordinary user who may use cameras.
	chroot "$r" useradd --create-home --groups video --shell /bin/bash tester
	chroot "$r" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer systemd-timesyncd.service getty@tty1.service serial-getty@ttyS0.service \
		dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
		modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service
	rm -rf "$r"/var/lib/apt/lists/* "$r"/var/cache/apt/*.bin "$r"/var/cache/apt/archives/*.deb \
		"$r"/usr/share/doc/* "$r"/usr/share/man/* "$r"/usr/share/locale/*
}

# make_ext4 makes the disk in a mount namespace of its own, because mmdebstrap
# has /proc, /sys and /dev mounted in the tree.
make_ext4() {
	if [ -e "$1/proc/self" ]; then exec unshare --mount "$self" make-ext4-unmounted "$1"; fi
	rm -f "$dir/disk.img.new"; truncate -s 1200M "$dir/disk.img.new"
	mkfs.ext4 -q -F -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -d "$1" "$dir/disk.img.new"
}

main() {
	PATH=$PATH:/usr/sbin:/sbin
	check_tools
	mkdir -p "$dir"
	exec 9>"$dir/lock"; flock 9 # concurrent test runs build the image once
	local want; want=$(sha256sum <"$self")
	if [ "${FORCE:-0}" = 0 ] && [ -e "$dir/built-by" ] && [ "$(<"$dir/built-by")" = "$want" ]; then return; fi
	rm -f "$dir/built-by"
	build_kernel; build_initrd; build_disk
	echo "$want" >"$dir/built-by"
	log "done in $SECONDS s, $(du -h "$dir/disk.img" | cut -f1) in $dir"
}

export VCHAT_VM_DIR=$dir # for the hooks, which run this file
case ${1-} in
"") main ;;
configure-root) configure_root "$2" ;;
make-ext4) make_ext4 "$2" ;;
make-ext4-unmounted)
	awk -v r="$2/" 'index($2, r) == 1 { print $2 }' /proc/mounts | sort -r | while read -r m; do umount "$m"; done
	make_ext4 "$2" ;;
*) fail "unknown argument $1" ;;
esac
