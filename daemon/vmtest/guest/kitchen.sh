#!/bin/bash
# kitchen.sh ADDRESS PACKAGE: makes a clean Debian the one of a newcomer, with a
# name, a network, a USB camera and a download. All of it survives a reboot.
set -euo pipefail
here=/mnt/host

# Left by what made the image: it keeps new services from starting.
rm -f /usr/sbin/policy-rc.d

echo kitchen >/etc/hostname
hostname kitchen
printf '127.0.0.1 localhost\n127.0.1.1 kitchen\n' >/etc/hosts
printf '[Match]\nName=eth0\n[Network]\nAddress=%s/24\n' "$1" >/etc/systemd/network/cable.network
systemctl -q enable --now systemd-networkd

bash $here/guest/setup.sh
echo vhci-hcd >/etc/modules-load.d/camera.conf
ln -s /etc/systemd/system/uvcsim@.service /etc/systemd/system/multi-user.target.wants/uvcsim@kitchen.service
systemctl start uvcsim@kitchen

cp "$2" /home/tester/
