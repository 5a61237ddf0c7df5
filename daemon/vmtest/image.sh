#!/bin/bash
# Builds what the test VM boots from: kernel, initrd and an ext4 image of Debian, in ${VCHAT_VM_DIR:-~/.cache/vchat-vm}.
#
#   image.sh             builds what is missing; once built, it only looks and ends
#   FORCE=1 image.sh     builds all of it again
#
# Nothing of this project is in the image (programs reach the guest by a shared folder when it boots), so it is built
# once and changes only with this file. The host needs Debian's package index (apt-get update) and the tools below, and
# root or a user that may have a user namespace. Nothing is installed on the host: the kernel package is only unpacked.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
dir=${VCHAT_VM_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/vchat-vm}

# v4l-utils: a second opinion on the camera that is not our own code.
# kbd: chvt, which switches from console to console.
packages=systemd,systemd-sysv,udev,dbus,iproute2,kmod,kbd,procps,nftables,v4l-utils
# Only these and what they depend on are copied: a whole Debian kernel package unpacks to 400 MB.
modules="virtio_pci virtio_blk virtio_rng virtio_console ext4 9p 9pnet_virtio uvcvideo vivid vhci-hcd veth
  nf_tables nft_ct nft_reject_inet sch_netem sch_tbf virtio-gpu bochs"

say() { printf '%(%H:%M:%S)T image: %s\n' -1 "$*"; }
fail() { printf 'image.sh: %s\n' "$*" >&2; exit 1; }

# with_modules lists the files of the named modules and of all they need, in the order in which they load.
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
	# linux-image-amd64 only names the newest kernel; Debian's "cloud" kernel has no camera drivers.
	package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
	[ -n "$package" ] || fail "no linux-image-amd64 in the package index: apt-get update"
	version=${package#linux-image-}
	say "kernel $version"
	rm -rf "$dir/kernel"; mkdir -p "$dir/kernel"
	# apt drops root for downloads and complains where its user may not write: the message is noise.
	(cd "$dir/kernel" && apt-get -qq download "$package" 2>"$dir/apt.log") || { cat "$dir/apt.log" >&2; fail "download of $package"; }
	dpkg-deb -x "$dir/kernel/$package"_*.deb "$dir/kernel"
	rm "$dir/kernel/$package"_*.deb
	depmod -b "$dir/kernel" "$version"
	echo "$version" >"$dir/kernel/version"
	cp "$dir/kernel/boot/vmlinuz-$version" "$dir/vmlinuz"
}

build_initrd() {
	say initrd
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
	say "Debian $release"
	# The image is made in a hook, because only there the files have their owners when we are not root.
	mmdebstrap --quiet --variant=minbase --include="$packages" --format=null \
		--customize-hook="'$self' configure-root \"\$1\" && '$self' make-ext4 \"\$1\"" \
		"$release" /dev/null "$sources" >"$dir/mmdebstrap.log" 2>&1 ||
		{ tail -20 "$dir/mmdebstrap.log" >&2; fail "mmdebstrap (whole log: $dir/mmdebstrap.log)"; }
	mv "$dir/disk.img.new" "$dir/disk.img"
}

# configure_root turns a bare Debian into the guest: modules, the shared folder, the agent, users.
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
	# Only the tests of the screen load them: a console that draws costs the others time.
	printf 'blacklist virtio-gpu\nblacklist bochs\n' >"$r/etc/modprobe.d/screen.conf"
	: >"$r/etc/fstab" # the initrd has mounted everything; an entry would make the boot wait for udev
	mkdir -p "$r/mnt/host" "$r/etc/systemd/system/multi-user.target.wants" "$r/var/log/journal"
	cat >"$r/etc/systemd/system/mnt-host.mount" <<-'UNIT'
		[Unit]
		Description=the host's folder of programs under test
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
	# An ordinary person at the machine: may use cameras, is nobody special otherwise.
	chroot "$r" useradd --create-home --groups video --shell /bin/bash tester
	chroot "$r" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer systemd-timesyncd.service getty@tty1.service serial-getty@ttyS0.service \
		dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
		modprobe@dm_mod.service modprobe@drm.service modprobe@efi_pstore.service
	rm -rf "$r"/var/lib/apt/lists/* "$r"/var/cache/apt/*.bin "$r"/var/cache/apt/archives/*.deb \
		"$r"/usr/share/doc/* "$r"/usr/share/man/* "$r"/usr/share/locale/*
}

# make_ext4 works on its own view of the mounts, since mmdebstrap has /proc, /sys and /dev in the tree at this moment.
make_ext4() {
	if [ -e "$1/proc/self" ]; then exec unshare --mount "$self" make-ext4-unmounted "$1"; fi
	rm -f "$dir/disk.img.new"; truncate -s 1200M "$dir/disk.img.new"
	mkfs.ext4 -q -F -O ^has_journal,^metadata_csum -E lazy_itable_init=1 -m 0 -d "$1" "$dir/disk.img.new"
}

main() {
	PATH=$PATH:/usr/sbin:/sbin
	check_tools
	mkdir -p "$dir"
	exec 9>"$dir/lock"; flock 9 # two test runs at once build it once
	local want; want=$(sha256sum <"$self")
	if [ "${FORCE:-0}" = 0 ] && [ -e "$dir/built-by" ] && [ "$(<"$dir/built-by")" = "$want" ]; then return; fi
	rm -f "$dir/built-by"
	build_kernel; build_initrd; build_disk
	echo "$want" >"$dir/built-by"
	say "done in $SECONDS s, $(du -h "$dir/disk.img" | cut -f1) in $dir"
}

export VCHAT_VM_DIR=$dir # for the hooks below, which are this file again
case ${1-} in
"") main ;;
configure-root) configure_root "$2" ;;
make-ext4) make_ext4 "$2" ;;
make-ext4-unmounted)
	awk -v r="$2/" 'index($2, r) == 1 { print $2 }' /proc/mounts | sort -r | while read -r m; do umount "$m"; done
	make_ext4 "$2" ;;
*) fail "unknown argument $1" ;;
esac
