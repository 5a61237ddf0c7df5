#!/bin/bash
# Installs vchat like its package, for two devices on one machine. alice is the
# packaged unit and bob is a copy of it. Drop-ins contain all differences. A
# veth pair connects their network namespaces.
set -euo pipefail
here=/mnt/host

install -m755 -t /usr/bin $here/vchatd $here/vchatctl
install -m644 $here/packaging/vchatd.service /etc/systemd/system/vchatd.service
install -m644 $here/packaging/vchatd.service /etc/systemd/system/vchatd-bob.service
install -m644 -t /etc/systemd/system $here/packaging/vchatd.socket $here/packaging/vchat-camera.socket \
	$here/packaging/vchat-camera@.service $here/packaging/vchat-view.service
install -m644 -t /usr/lib/udev/rules.d $here/packaging/*.rules
for f in "$here"/packaging/*sysusers*; do [ ! -e "$f" ] || systemd-sysusers "$f"; done
for f in "$here"/packaging/*tmpfiles*; do [ ! -e "$f" ] || systemd-tmpfiles --create "$f"; done
# The users of these groups may use vchatctl. A packaged sysusers file may already
# have created them.
for group in vchat vchat-pair vchat-admin; do getent group $group >/dev/null || groupadd --system $group; done
usermod --append --groups vchat,vchat-admin tester

install -D -m644 $here/guest/alice.conf /etc/systemd/system/vchatd.service.d/vm.conf
install -D -m644 $here/guest/bob.conf /etc/systemd/system/vchatd-bob.service.d/vm.conf
systemctl daemon-reload
udevadm control --reload

ip netns add alice
ip netns add bob
ip link add cable netns alice type veth peer name cable netns bob
for side in alice/10.7.0.1 bob/10.7.0.2; do
	ip -n "${side%/*}" link set lo up
	ip -n "${side%/*}" addr add "${side#*/}/24" dev cable
	ip -n "${side%/*}" link set cable up
done
