package netwatch

import (
	"bytes"
	"context"
	"encoding/hex"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recordedMessages are those of Linux 6.18 while a veth was created, used and
// deleted. The attributes of interfaces are cut off.
var recordedMessages = []struct {
	name, message string
	changed       bool
}{
	{"new interface", "20000000100000000000000000000000000001000300000002100000ffffffff", true},
	{"interface up", "2000000010000000000000000000000000000100030000000310000001000000", true},
	{"carrier", "2000000010000000000000000000000000000100030000004310010000000000", true},
	{"repeated, as wireless interfaces do", "2000000010000000000000000000000000000100030000004310010000000000", false},
	{"new IPv4 address",
		"4c00000014000000d685036b0d2a00000218800003000000080001000a090001080002000a0900010700030076610000" +
			"080008008000000014000600fffffffffffffffffc311700fc311700", true},
	{"new route in table local",
		"3c00000018000006000000000000000002200000ff02fe020000000008000f00ff000000080001000a09000108000700" +
			"0a0900010800040003000000", false},
	{"route of the address",
		"3c00000018000006000000000000000002180000fe02fd010000000008000f00fe000000080001000a09000008000700" +
			"0a0900010800040003000000", true},
	{"address gets a lifetime",
		"4c00000014000000d685036b0e2a00000218000003000000080001000a090001080002000a0900010700030076610000" +
			"0800080000000000140006003200000064000000fc3117002e321700", false},
	{"another lifetime",
		"4c00000014000000d785036b0f2a00000218000003000000080001000a090001080002000a0900010700030076610000" +
			"08000800000000001400060096000000c8000000fc31170068321700", false},
	{"new IPv6 address",
		"500000001400000000000000000000000a4080fd0300000014000100fe8000000000000084cb88fffec87d1614000600" +
			"ffffffffffffffffc9311700c9311700080008008000000005000b0003000000", true},
	{"multicast route",
		"740000001800000400000000000000000a080000ff0200050000000008000f00ff00000014000100ff00000000000000" +
			"00000000000000000800060000010000080004000300000024000c000000000000000000000000000000000000000000" +
			"0000000000000000000000000500140000000000", false},
	{"route through a gateway",
		"3c00000018000006d785036b102a000002100000fe0300010000000008000f00fe000000080001000a0a000008000500" +
			"0a0900090800040003000000", true},
	{"carrier lost", "2000000010000000000000000000000000000100030000000310000000000000", true},
	{"address removed",
		"4c00000015000000db85036b7e2a00000218000003000000080001000a090001080002000a0900010700030076610000" +
			"08000800000000001400060092000000c4000000fc31170068321700", true},
	{"route in table local removed",
		"3c00000019000000000000000000000002200000ff02fe020000000008000f00ff000000080001000a09000108000700" +
			"0a0900010800040003000000", false},
	{"interface down", "2000000010000000000000000000000000000100030000000210000041000000", true},
}

func TestTracker_update(t *testing.T) {
	state := newTracker()
	var all []byte
	for _, r := range recordedMessages {
		b, err := hex.DecodeString(r.message)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(r.name, func(t *testing.T) {
			if got := state.update(b); got != r.changed {
				t.Errorf("got changed %v, want %v", got, r.changed)
			}
		})
		all = append(all, b...)
	}
	if !newTracker().update(all) {
		t.Error("all messages in one datagram: got changed false, want true")
	}
	for n := range all {
		newTracker().update(all[:n]) // must not read past the end
	}
}

func TestTracker_limit(t *testing.T) {
	link, _ := hex.DecodeString(recordedMessages[0].message)
	state := newTracker()
	for i := range 3 * maxTracked {
		link[20], link[21] = byte(i), byte(i>>8)
		state.update(link)
	}
	if n := len(state.interfaces); n > maxTracked {
		t.Errorf("got %d interfaces, want at most %d", n, maxTracked)
	}
}

func FuzzTracker(f *testing.F) {
	var all []byte
	for _, r := range recordedMessages {
		b, _ := hex.DecodeString(r.message)
		f.Add(b)
		all = append(all, b...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		state := newTracker()
		state.update(b)
		if !bytes.Equal(before, b) {
			t.Error("update modified its input")
		}
		if n := len(state.interfaces) + len(state.addresses); n > len(b)/unix.SizeofNlMsghdr {
			t.Errorf("got %d entries from %d bytes, want at most one a message", n, len(b))
		}
	})
}

// The loopback interface of a new network namespace goes up and down.
func TestWatch_kernel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended, socket := make(chan struct{}, 1), make(chan error, 1), make(chan int, 1)
	go func() {
		runtime.LockOSThread() // stays locked: the namespace ends with the thread
		fd, err := -1, unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		}
		socket <- fd
		if err == nil {
			err = Watch(ctx, func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			})
		}
		ended <- err
	}()
	fd := <-socket
	if fd < 0 {
		cancel()
		t.Skipf("cannot create a network namespace: %v", <-ended)
	}
	defer unix.Close(fd)
	flip := time.NewTicker(10 * time.Millisecond) // Watch may not have started yet
	defer flip.Stop()
	for reported, up := false, false; !reported; {
		select {
		case <-changed:
			reported = true
		case err := <-ended:
			t.Fatalf("Watch: got error %v, want none yet", err)
		case <-flip.C:
			up = !up
			lo, err := unix.NewIfreq("lo")
			if err != nil {
				t.Fatal(err)
			}
			if up {
				lo.SetUint16(unix.IFF_UP)
			}
			if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after cancel: got %v, want nil", err)
	}
}
