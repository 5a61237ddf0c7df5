#!/bin/bash
# Builds a release and checks its Debian packages.
#
#	packaging/deb/check.sh              all checks
#	packaging/deb/check.sh CHECK…       these only
#	FOLDER=/tmp/release packaging/deb/check.sh …
#	                                    the packages in this folder; built if it is empty
#
# Checks: lint, docs, size, chroot, foreign, same. lint and docs need no root. The
# others need root, Debian with its package index, and the mounts of a kernel.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repo=$PWD
export PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8
fail() { printf 'check.sh: %s\n' "$*" >&2; exit 1; }

scratch=$(mktemp -d)
handlers=() # of binfmt_misc, registered here
clean_up() {
	local handler
	for handler in "${handlers[@]}"; do echo -1 >"/proc/sys/fs/binfmt_misc/$handler" || true; done
	rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
out=${FOLDER:-$scratch/release}

# install_tools installs the Debian packages that are missing.
install_tools() {
	local package missing=()
	for package in arch-test desktop-file-utils lintian mandoc mmdebstrap qemu-user-static; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || fail "missing tools: apt-get install ${missing[*]}"
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

package() { echo "$out"/vchat_*_"$1".deb; } # ARCH

# check_lint has lintian find no error, with no override but the one for static
# programs, mandoc no fault in the man pages, and the desktop entry is valid.
check_lint() {
	local page
	[ "$(grep -v '^#' packaging/deb/lintian-overrides)" = 'vchat: statically-linked-binary' ] || fail 'another lintian override'
	lintian --allow-root --fail-on error --tag-display-limit 0 "$out"/*.deb
	dpkg-deb -x "$(package amd64)" "$scratch/lint"
	desktop-file-validate "$scratch/lint/usr/share/applications/vchat.desktop"
	while read -r page; do
		zcat "$page" | mandoc -Tlint -Wwarning || fail "mandoc finds faults in ${page##*/}"
	done < <(find "$scratch/lint/usr/share/man" -name '*.gz' 2>/dev/null)
}

# check_docs finds the target of each link between the installed documents.
check_docs() {
	local doc link bad=0
	dpkg-deb -x "$(package amd64)" "$scratch/docs"
	cd "$scratch/docs/usr/share/doc/vchat"
	for doc in *.md; do
		while read -r link; do
			[ -e "${link%%#*}" ] || { echo "$doc: link to nowhere: $link"; bad=1; }
		done < <(grep -oE '\]\([^)]+\)' "$doc" | sed 's/^](//; s/)$//' | grep -vE '^(#|https?:)')
	done
	cd "$repo"
	[ $bad = 0 ] || fail 'broken links in the installed documents'
}

# check_size prints the size of the programs, which are one file and a link.
check_size() {
	local arch dir bytes
	for arch in amd64 arm64 armhf; do
		dir=$scratch/size-$arch
		dpkg-deb -x "$(package "$arch")" "$dir"
		bytes=$(find "$dir/usr/bin" -type f -exec cat {} + | wc -c)
		printf '%-6s programs %s bytes, package %s bytes\n' "$arch" "$bytes" "$(stat -c %s "$(package "$arch")")"
		[ "$bytes" -le 18874368 ] || fail "the programs have more than 18 MiB"
	done
}

# check_same builds the release again: from a copy of the source without its
# history, as another user, with another umask, locale, time zone and home.
check_same() {
	local copy="$scratch/another folder/src"
	mkdir -p "$copy" "$scratch/home"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
	GOPATH=$(go env GOPATH) GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE) HOME=$scratch/home \
		LC_ALL=C.UTF-8 TZ=Pacific/Apia GOAMD64=v3 GOARM=7 GOFLAGS=-tags=other \
		unshare --user --map-user=1234 --map-group=1234 bash -c 'umask 077; chmod -R go= "$0"; "$0/packaging/release.sh" "$1" >/dev/null' \
		"$copy" "$scratch/again"
	diff -r "$out" "$scratch/again" || fail 'two builds differ'
	echo 'two builds are equal'
}

# debian_into FOLDER ARCH [OPTION…] makes a Debian whose init system does not run.
# The options are those of mmdebstrap.
debian_into() {
	local sources=/etc/apt/sources.list.d/debian.sources mirror
	[ -e $sources ] || sources=/etc/apt/sources.list
	# The first mirror, which has the release. The others have later changes to it.
	mirror=$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb .*[ ](https?:[^ ]+) .*/\1/p' $sources | head -n 1)
	mmdebstrap --quiet --mode=root --architectures="$2" --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr "${@:3}" \
		"$(. /etc/os-release && echo "$VERSION_CODENAME")" "$1" "$mirror" >"$1.log" 2>&1 ||
		{ tail -20 "$1.log" >&2; fail "mmdebstrap for $2 failed"; }
	# Nothing may start here.
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
	chmod 755 "$1/usr/sbin/policy-rc.d"
}

# in_root FOLDER COMMAND… runs a command in the Debian there.
in_root() {
	local root=$1
	shift
	env -i PATH=/usr/bin:/usr/sbin:/bin:/sbin HOME=/root DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# quietly FOLDER COMMAND… runs dpkg and fails if it or a maintainer script says
# more than dpkg always says.
quietly() {
	local text
	text=$(in_root "$@" 2>&1) || { echo "$text"; fail "failed: ${*:2}"; }
	grep -vE '^(Selecting previously|\(Reading database|Preparing to|Unpacking|Setting up|Removing|Purging|Processing triggers|dpkg: warning: downgrading|Configuration file|Installing new version|Keeping old| ==> )' <<<"$text" |
		grep -v '^$' && fail "superfluous output of ${*:2}"
	return 0
}

# files FOLDER lists all files with owner, mode and, for the users, content. It
# omits what dpkg keeps about itself.
files() {
	(cd "$1" && find . -xdev -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o \
		-path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -path ./var/cache/ldconfig -prune -o -path './tmp/*' -prune -o \
		-path './etc/*-' -prune -o -path ./etc/.pwd.lock -prune -o -printf '%p %y %m %u %g %l\n' | sort &&
		sha256sum etc/passwd etc/group etc/shadow etc/gshadow)
}

# next_version makes a package of a later version whose configuration file differs.
next_version() {
	dpkg-deb -R "$1" "$scratch/next"
	sed -i 's/^Version: .*/&+next/' "$scratch/next/DEBIAN/control"
	echo '# a new line of the next version' >>"$scratch/next/etc/vchat.yaml"
	dpkg-deb -Zgzip -z1 --root-owner-group -b "$scratch/next" "$2" >/dev/null
}

# check_chroot installs, upgrades, downgrades, removes and purges the package in a
# Debian whose systemd does not run.
check_chroot() {
	local root=$scratch/chroot links=etc/systemd/system/multi-user.target.wants option
	debian_into "$root" amd64 --variant=essential --include=systemd,passwd
	cp "$(package amd64)" "$root/tmp/vchat.deb"
	next_version "$(package amd64)" "$root/tmp/next.deb"
	files "$root" >"$scratch/before"

	quietly "$root" dpkg -i /tmp/vchat.deb
	in_root "$root" id vchat
	in_root "$root" getent group vchat-admin >/dev/null || fail 'no group vchat-admin'
	in_root "$root" getent group vchat-pair >/dev/null || fail 'no group vchat-pair'
	[ -L "$root/$links/vchatd.service" ] || fail 'vchatd is not enabled'
	[ ! -e "$root/$links/vchat-view.service" ] || fail 'the kiosk is enabled'
	in_root "$root" vchatd check-config
	[ "$(in_root "$root" vchatctl --version)" = "vchatctl $(version)" ] || fail 'vchatctl has another version than the package'
	in_root "$root" bash -n /usr/share/bash-completion/completions/vchatctl
	in_root "$root" dpkg --verify vchat
	in_root "$root" dpkg -L vchat | while read -r file; do stat -c '%U:%G %a %F %n' "$root/$file"; done |
		grep -vE '^root:root (755 directory|755 regular file /.*/usr/bin/.*|777 symbolic link /.*/usr/bin/vchatctl$|(644|755) regular file .*/examples/.*|644 regular file) ?' &&
		fail 'owners or modes'

	quietly "$root" dpkg -i /tmp/vchat.deb # again

	# What the owner changed stays, by either option.
	echo 'name: mine' >"$root/etc/vchat.yaml"
	mkdir -p "$root/var/lib/vchat"
	echo secret >"$root/var/lib/vchat/file"
	in_root "$root" systemctl disable -q vchatd.service
	for option in confdef confold; do
		quietly "$root" dpkg --force-$option --force-confold -i /tmp/next.deb
		[ "$(<"$root/etc/vchat.yaml")" = 'name: mine' ] || fail "an upgrade with $option replaced the configuration"
		[ ! -e "$root/$links/vchatd.service" ] || fail 'an upgrade enabled vchatd again'
		quietly "$root" dpkg --force-$option --force-confold -i /tmp/vchat.deb # downgrade
	done
	quietly "$root" dpkg --force-confnew --force-confask -i /tmp/next.deb
	grep -q 'of the next version' "$root/etc/vchat.yaml" || fail 'confnew kept the old configuration'
	in_root "$root" systemctl enable -q vchatd.service vchat-view.service

	quietly "$root" dpkg -r vchat
	[ -e "$root/var/lib/vchat/file" ] && [ -e "$root/etc/vchat.yaml" ] || fail 'removing lost state or configuration'
	[ ! -e "$root/usr/bin/vchatd" ] || fail 'removing left programs'
	quietly "$root" dpkg -i /tmp/vchat.deb
	quietly "$root" dpkg -P vchat
	files "$root" >"$scratch/after"
	diff "$scratch/before" "$scratch/after" || fail 'purge leaves something'
	echo 'installed, upgraded, downgraded, removed, purged: nothing is left'
}

version() { dpkg-deb -f "$(package amd64)" Version | sed 's/-[^-]*$//'; }

# register ARCH lets the kernel run programs of another machine by qemu.
register() {
	local dir=/proc/sys/fs/binfmt_misc name=qemu-$1
	[ -e $dir/register ] || mount -t binfmt_misc binfmt_misc $dir || fail 'cannot mount binfmt_misc'
	[ ! -e "$dir/$name" ] || return 0
	cat "/usr/lib/binfmt.d/$name.conf" >$dir/register || fail "cannot register $name"
	handlers+=("$name")
}

# foreign ARCH CPU installs and runs the package of another architecture in its
# Debian. That is only unpacked: emulation would take minutes to configure it.
foreign() {
	local root=$scratch/$1
	debian_into "$root" "$1" --variant=extract --include='?essential' --include=systemd-standalone-sysusers,passwd
	cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
	cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
	touch "$root/etc/shadow" "$root/etc/gshadow" "$root/var/lib/dpkg/status"
	cp "$(package "$1")" "$root/tmp/vchat.deb"
	files "$root" >"$root.before"
	in_root "$root" dpkg --force-depends -i /tmp/vchat.deb # dpkg knows nothing that is installed
	in_root "$root" id vchat
	in_root "$root" env QEMU_CPU="$2" vchatctl version
	in_root "$root" env QEMU_CPU="$2" vchatd check-config
	# On a slow host an emulated call needs more than 5 s to begin.
	in_root "$root" env QEMU_CPU="$2" vchatd demo --for 5s || in_root "$root" env QEMU_CPU="$2" vchatd demo --for 1m |
		tail -n 3
	in_root "$root" dpkg -P vchat
	files "$root" >"$root.after"
	diff "$root.before" "$root.after" || fail "$1: purge leaves something"
	echo "$1: installed, run, purged"
}

check_foreign() {
	local arm64
	register aarch64
	register arm
	foreign arm64 cortex-a53 >"$scratch/arm64.out" 2>&1 &
	arm64=$!
	foreign armhf arm1176 # the processor of a Raspberry Pi Zero
	wait $arm64 || { cat "$scratch/arm64.out"; fail arm64; }
	cat "$scratch/arm64.out"
}

all=(lint docs size chroot foreign same)
[ $# -gt 0 ] || set -- "${all[@]}"
install_tools
[ -e "$out/SHA256SUMS" ] || packaging/release.sh "$out"
(cd "$out" && sha256sum --quiet -c SHA256SUMS)
for check; do
	start=$SECONDS
	"check_$check"
	printf -- '--- %s: %d s\n' "$check" $((SECONDS - start))
done
