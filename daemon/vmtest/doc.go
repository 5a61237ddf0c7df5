// Package vmtest tests vchat where its unit tests cannot: on a real kernel's camera driver, under a real systemd, over a
// real network that can be cut. Its tests are behind the build tag vm:
//
//	go test -tags vm -timeout 60m ./daemon/vmtest
//
// They boot one virtual machine for all tests, in software emulation (no KVM, no root, no camera needed; an amd64 Debian
// host with its package index). What is missing on the host is a failure that names the package to install. image.sh
// makes the machine's disk, once, in ${VCHAT_VM_DIR:-~/.cache/vchat-vm}; VCHAT_VM_KEEP=1 keeps the guest's console log
// and the folder of programs.
//
//	host                          guest: Debian, its kernel, systemd
//	                             ┌──────────────────────────────────────────────────────────────┐
//	go test ─── virtio serial ───┤ vmagent (package agent): runs what the tests ask for          │
//	   │                         │                                                               │
//	   └─ a folder, by 9p ───────┤ /mnt/host: vchatd, vchatctl, the packaged unit, test programs │
//	                             │                                                               │
//	                             │   uvcsim@alice     uvcsim@bob       (cameras: user programs)  │
//	                             │       │ USB/IP         │                                      │
//	                             │   vhci_hcd ── uvcvideo (kernel)                               │
//	                             │       │                │                                      │
//	                             │  /dev/videoN      /dev/videoM                                 │
//	                             │  ┌────┴─────────┐ ┌────┴─────────┐   one network namespace    │
//	                             │  │ vchatd       │ │ vchatd-bob   │   for each daemon, one     │
//	                             │  │ 10.7.0.1 veth┼─┼veth 10.7.0.2 │   veth cable between them  │
//	                             │  └──────────────┘ └────┬─────────┘                            │
//	                             │     vchatctl view --to pipe | framecheck                      │
//	                             └──────────────────────────────────────────────────────────────┘
//
// The camera (uvcsim) puts a sequence number and the time into each frame, from which the checker (framecheck) makes
// the frame again: every byte that arrives is compared with what was sent, and loss, order and delay are counted on
// one clock. Rates are compared with what the camera itself sent in the same time, never with a number: the emulation is
// some seven times slower than the machine that it runs on.
//
// The screen's test loads the drivers of two display adapters and looks at what they put out from the emulator's side (QMP),
// where it also presses keys; the viewer runs on the guest's console 1.
//
// The machine writes to a throwaway layer over its disk and has no way out: no network card. It ends with the test
// process, however that ends.
package vmtest
