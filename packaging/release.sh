#!/bin/bash
# Builds a release: both programs for three architectures with a list of the
# modules inside (SBOM, CycloneDX), a Debian package for each architecture, the
# changes of this version, and the checksums of all of it.
#
#	packaging/release.sh FOLDER
#
# It needs Go, gzip and the Go module proxy, but neither root nor Debian. The same
# source gives the same bytes in every folder, for every user and umask.
#
# The version is daemon/api.Version. CHANGELOG.md must begin with it and with the
# date of the release, which is the time of all files in the packages, unless
# SOURCE_DATE_EPOCH is set.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: packaging/release.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'release.sh: %s\n' "$*" >&2; exit 1; }

umask 022
export LC_ALL=C TZ=UTC
# All that changes what the compiler writes. GOARM=6: one package for the Pi Zero
# and everything newer.
GOTOOLCHAIN=$(<packaging/release-go)
export GOTOOLCHAIN GOOS=linux GOAMD64=v1 GOARM64=v8.0 GOARM=6 CGO_ENABLED=0 \
	GOFLAGS="-trimpath -buildvcs=false" GOWORK=off GOEXPERIMENT='' GOFIPS140=off
host=$(go env GOHOSTARCH)

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root     # the package's files
result=$tmp/result # the release
mkdir -p "$tmp/bin" "$result"

build_tools() {
	GOARCH=$host go build -C packaging/deb -o "$tmp/bin/" github.com/goreleaser/nfpm/v2/cmd/nfpm
	GOARCH=$host go build -C packaging/sbom -o "$tmp/bin/" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
}

# build_programs ARCH builds both programs as one file: apart they take 7 MB more.
build_programs() {
	mkdir -p "$tmp/$1"
	GOARCH=$1 go build -tags onefile -ldflags '-s -w -buildid=' -o "$tmp/$1/vchatd" ./cmd/vchatctl
	ln -sf vchatd "$tmp/$1/vchatctl"
}

# debian_arch ARCH prints Debian's name of a Go architecture.
debian_arch() { if [ "$1" = arm ]; then echo armhf; else echo "$1"; fi; }

# add FILE PATH adds a file to the package.
add() {
	mkdir -p "$root/$(dirname "$2")"
	cp -P "$1" "$root/$2"
}

# add_gz FILE PATH adds a compressed file, without its name and time.
add_gz() {
	mkdir -p "$root/$(dirname "$2")"
	gzip -9n <"$1" >"$root/$2"
}

# licences prints the licence of vchat and those of the modules in its programs.
licences() {
	local path version dir file
	printf 'vchat, Copyright the vchat authors\n\nLicence: Apache-2.0, see /usr/share/common-licenses/Apache-2.0\n\n'
	printf 'The programs contain the Go modules below and the Go standard library.\n'
	{
		GOARCH=amd64 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' \
			./cmd/vchatd ./cmd/vchatctl | sort -u
		echo "Go ${GOTOOLCHAIN#go} $(go env GOROOT)"
	} | while read -r path version dir; do
		[ -n "$(find "$dir" -maxdepth 1 -iname 'LICEN[CS]E*')" ] || fail "no licence in $dir"
		printf '\n\n---- %s %s\n\n' "$path" "$version"
		while read -r file; do
			# Debian has the full text of this one.
			if grep -q 'Version 2.0, January 2004' "$file"; then
				printf 'Licence: Apache-2.0, see /usr/share/common-licenses/Apache-2.0\n'
			else
				tr -d '\r' <"$file"
			fi
		done < <(find "$dir" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \) | sort)
	done
}

# debian_changelog prints an entry in Debian's form for each release.
debian_changelog() {
	local line
	while read -r line; do
		[[ $line =~ ^'## '([^ ]+)' ('([0-9-]+)')'$ ]] || continue
		printf 'vchat (%s-1) stable; urgency=medium\n\n' "${BASH_REMATCH[1]}"
		printf '  * Release %s: changelog.gz beside this file lists what is new.\n\n' "${BASH_REMATCH[1]}"
		printf ' -- %s  %s\n\n' "$maintainer" "$(date -R -d "${BASH_REMATCH[2]}")"
	done <CHANGELOG.md
}

# add_docs adds the documents. Their links fit the source tree; in the package all
# of them lie in one folder, without the guide for contributors.
add_docs() {
	local doc=usr/share/doc/vchat file
	add README.md "$doc/README.md"
	for file in .github/SECURITY.md daemon/wire/PROTOCOL.md packaging/openapi.json packaging/doc/*; do
		add "$file" "$doc/${file##*/}"
	done
	sed -i -E '/\]\(\.github\/CONTRIBUTING\.md\)/d
		s|\]\((\.\./)*(packaging/doc/\|\.github/\|daemon/wire/)|](|g
		s|\]\((\.\./)*(packaging/)?(examples/\|openapi\.json)|](\3|g
		s|\]\((\.\./)*CHANGELOG\.md\)|](changelog.gz)|g' "$root/$doc"/*.md
	add_gz CHANGELOG.md "$doc/changelog.gz"
	debian_changelog >"$tmp/changelog"
	add_gz "$tmp/changelog" "$doc/changelog.Debian.gz"
	licences >"$tmp/copyright"
	add "$tmp/copyright" "$doc/copyright"
	if [ -d packaging/examples ]; then cp -r packaging/examples "$root/$doc/"; fi
}

# add_shared adds what is equal in the packages of all architectures.
add_shared() {
	local unit page vchatctl=$tmp/$host/vchatctl
	add packaging/vchat.yaml etc/vchat.yaml
	for unit in packaging/*.{service,socket}; do add "$unit" "usr/lib/systemd/system/${unit##*/}"; done
	add packaging/vchat.sysusers usr/lib/sysusers.d/vchat.conf
	if [ -e packaging/vchat.tmpfiles ]; then add packaging/vchat.tmpfiles usr/lib/tmpfiles.d/vchat.conf; fi
	add packaging/60-vchat.rules usr/lib/udev/rules.d/60-vchat.rules
	add packaging/vchat.desktop usr/share/applications/vchat.desktop
	add cmd/vchatctl/internal/view/web/static/icon.svg usr/share/icons/hicolor/scalable/apps/vchat.svg
	add cmd/vchatctl/internal/view/window/icon.png usr/share/icons/hicolor/48x48/apps/vchat.png
	for page in packaging/man/*.[1578]; do
		if [ -e "$page" ]; then add_gz "$page" "usr/share/man/man${page##*.}/${page##*/}.gz"; fi
	done
	"$vchatctl" completion bash >"$tmp/completion.bash"
	"$vchatctl" completion zsh >"$tmp/completion.zsh"
	"$vchatctl" completion fish >"$tmp/completion.fish"
	add "$tmp/completion.bash" usr/share/bash-completion/completions/vchatctl
	add "$tmp/completion.zsh" usr/share/zsh/vendor-completions/_vchatctl
	add "$tmp/completion.fish" usr/share/fish/vendor_completions.d/vchatctl.fish
	add packaging/deb/lintian-overrides usr/share/lintian/overrides/vchat
	add_docs
}

# contents prints the package's files for nfpm. Their modes do not depend on the
# umask of the user who unpacked the source.
contents() {
	local file mode type
	echo 'contents:'
	while read -r file; do
		mode=0644 type=
		if [ -x "$root/$file" ]; then mode=0755; fi
		if [[ $file == etc/* ]]; then type='type: config, '; fi
		printf -- '- {src: "%s", dst: "/%s", %sfile_info: {mode: %s}}\n' "$root/$file" "$file" "$type" "$mode"
	done < <(cd "$root" && find . -type f -printf '%P\n' | sort)
	echo '- {src: vchatd, dst: /usr/bin/vchatctl, type: symlink}'
}

# scripts writes the maintainer scripts, with the names of the units that start by
# themselves: the daemon and the sockets. The kiosk is the owner's choice.
scripts() {
	local units script
	units=$(cd packaging && echo vchatd.service *.socket)
	mkdir -p "$tmp/scripts"
	for script in postinst prerm postrm; do
		sed "s/@UNITS@/$units/" "packaging/deb/$script" >"$tmp/scripts/$script"
	done
}

# package ARCH
package() {
	add "$tmp/$1/vchatd" usr/bin/vchatd
	{ cat packaging/deb/nfpm.yaml; contents; } >"$tmp/nfpm.yaml"
	(cd "$tmp" && arch=$(debian_arch "$1") version=$version maintainer=$maintainer \
		bin/nfpm package --config nfpm.yaml --packager deb --target "$result/" >/dev/null)
}

# publish ARCH adds the file with both programs and what is inside it.
publish() {
	local name=vchatd_${version}_linux_$(debian_arch "$1")
	cp "$tmp/$1/vchatd" "$result/$name"
	"$tmp/bin/cyclonedx-gomod" bin -json -std -noserial -notimestamp -version "$version" \
		-output "$result/$name.cdx.json" "$tmp/$1/vchatd" 2>/dev/null
}

build_tools
for arch in "$host" amd64 arm64 arm; do build_programs "$arch"; done

version=$("$tmp/$host/vchatctl" --version | sed -n '1s/^vchatctl //p')
[[ $(grep -m1 '^## ' CHANGELOG.md) =~ ^'## '([^ ]+)' ('([0-9-]+)')'$ && ${BASH_REMATCH[1]} = "$version" ]] ||
	fail "CHANGELOG.md must begin with the heading \"## $version (YEAR-MONTH-DAY)\""
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(date -d "${BASH_REMATCH[2]}" +%s)}
maintainer='vchat maintainers <maintainers@users.noreply.r-seed-eceabab3.example>'

add_shared
scripts
for arch in amd64 arm64 arm; do package "$arch"; publish "$arch"; done
awk '/^## / { n++ } n == 1' CHANGELOG.md >"$result/changes_$version.md"
(cd "$result" && sha256sum -- * >"$tmp/SHA256SUMS")
mv "$tmp/SHA256SUMS" "$result/"
cp "$result"/* "$out/"
ls -l "$out"
