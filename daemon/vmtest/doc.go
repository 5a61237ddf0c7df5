// Package vmtest tests vchat in a virtual machine, with what unit tests lack: a
// kernel's camera driver, systemd, and a network that can fail.
//
// Its tests have the build tag vm:
//
//	go test -tags vm -timeout 60m ./daemon/vmtest
//
// They share one virtual machine in software emulation. The host is an amd64
// Debian with its package index. It needs no KVM, no root and no camera. If a
// program is missing on the host, the error names the package to install.
//
// Environment:
//   - VCHAT_VM_DIR is the directory of the machine's disk, by default
//     ~/.cache/vchat-vm. image.sh builds the disk once.
//   - VCHAT_VM_KEEP=1 keeps the guest's console log, the programs and the
//     screenshots.
//   - VCHAT_RELEASE is a folder with the packages of packaging/release.sh.
//     Without it, TestPackage runs that script.
//   - VCHAT_VM_POWERCUTS=1 runs TestPowerCuts, too.
//   - VCHAT_TEST_SEED repeats a test with random delays.
//
// Guarantees:
//   - The disk does not change: the machine writes to a temporary overlay.
//   - The machine has no network card, but for TestPowerCuts.
//   - It ends with the test process, even if that is killed.
//
// Two devices, alice and bob, run in the guest, each in a network namespace. A
// veth pair is the cable between them.
//
//	host                       guest: Debian, its kernel, systemd
//	                          ┌───────────────────────────────────────────┐
//	go test ── virtio serial ─┤ vmagent (package agent): runs commands    │
//	   │                      │                                           │
//	   └─ directory, by 9p ───┤ /mnt/host: vchatd, vchatctl, test         │
//	                          │            programs, the packaged unit    │
//	                          │                                           │
//	                          │  uvcsim@alice       uvcsim@bob    (user   │
//	                          │      │   USB/IP         │      programs)  │
//	                          │  vhci_hcd ────────── uvcvideo    (kernel) │
//	                          │      │                  │                 │
//	                          │ /dev/videoN         /dev/videoM           │
//	                          │ ┌────┴───────────┐ ┌────┴───────────┐     │
//	                          │ │ vchatd         │ │ vchatd-bob     │     │
//	                          │ │ 10.7.0.1  veth ┼─┼ veth  10.7.0.2 │     │
//	                          │ └────────────────┘ └────┬───────────┘     │
//	                          │       vchatctl view --to pipe | framecheck│
//	                          └───────────────────────────────────────────┘
//
// The camera (uvcsim) puts a sequence number and the time into each frame. The
// checker (framecheck) makes the same frame again from them and compares every
// byte. It also counts lost, repeated and reordered frames and their delay, on
// one clock. The tests compare frame rates with what the camera has sent, never
// with a constant: emulation is about seven times slower than the host.
//
// TestPackage installs the Debian package in a second machine, whose disk is a
// copy that survives a reboot. TestPowerCuts does so, too, with the commands of
// the README. That machine has a cable to the first one, and loses its power:
// the emulator is killed, and what the file system had not written is lost.
//
// TestScreen loads the drivers of two display adapters. It checks their output
// by screenshots of the emulator (QMP) and presses keys of its keyboard. The
// viewer runs on console 1 of the guest. TestTouch does so with touch screens
// and a mouse that inputsim makes with the kernel's uinput driver.
package vmtest
