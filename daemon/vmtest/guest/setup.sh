#!/bin/bash
# Prepares the guest after its boot: test programs and units in their places, the two cameras' names.
set -euo pipefail
here=/mnt/host
install -m755 -t /usr/local/bin $here/uvcsim $here/framecheck
install -m644 -t /etc/systemd/system $here/guest/uvcsim@.service
modprobe vhci-hcd
systemctl daemon-reload
