#!/bin/bash
# Prepares the guest after its boot: installs the test programs and the units of
# the cameras.
set -euo pipefail
here=/mnt/host
install -m755 -t /usr/local/bin $here/uvcsim $here/inputsim $here/framecheck
install -m644 -t /etc/systemd/system $here/guest/uvcsim@.service
modprobe vhci-hcd
systemctl daemon-reload
