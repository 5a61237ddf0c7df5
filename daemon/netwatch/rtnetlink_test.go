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

// recorded is what Linux 6.18 told while a veth was made, used and taken away. The attributes of interfaces are cut off.
var recorded = []struct {
	what, message string
	news          bool
}{
	{"a new interface", "20000000100000000000000000000000000001000300000002100000ffffffff", true},
	{"it goes up", "2000000010000000000000000000000000000100030000000310000001000000", true},
	{"it has a carrier", "2000000010000000000000000000000000000100030000004310010000000000", true},
	{"the same once more, as wireless ones do", "2000000010000000000000000000000000000100030000004310010000000000", false},
	{"an IPv4 address", "4c00000014000000d685036b0d2a00000218800003000000080001000a090001080002000a0900010700030076610000080008008000000014000600fffffffffffffffffc311700fc311700", true},
	{"a route of the table local", "3c00000018000006000000000000000002200000ff02fe020000000008000f00ff000000080001000a090001080007000a0900010800040003000000", false},
	{"the address's route", "3c00000018000006000000000000000002180000fe02fd010000000008000f00fe000000080001000a090000080007000a0900010800040003000000", true},
	{"it gets a lifetime", "4c00000014000000d685036b0e2a00000218000003000000080001000a090001080002000a09000107000300766100000800080000000000140006003200000064000000fc3117002e321700", false},
	{"another lifetime", "4c00000014000000d785036b0f2a00000218000003000000080001000a090001080002000a090001070003007661000008000800000000001400060096000000c8000000fc31170068321700", false},
	{"an IPv6 address", "500000001400000000000000000000000a4080fd0300000014000100fe8000000000000084cb88fffec87d1614000600ffffffffffffffffc9311700c9311700080008008000000005000b0003000000", true},
	{"a multicast route", "740000001800000400000000000000000a080000ff0200050000000008000f00ff00000014000100ff0000000000000000000000000000000800060000010000080004000300000024000c0000000000000000000000000000000000000000000000000000000000000000000500140000000000", false},
	{"a route by a gateway", "3c00000018000006d785036b102a000002100000fe0300010000000008000f00fe000000080001000a0a0000080005000a0900090800040003000000", true},
	{"the carrier goes", "2000000010000000000000000000000000000100030000000310000000000000", true},
	{"the address goes", "4c00000015000000db85036b7e2a00000218000003000000080001000a090001080002000a090001070003007661000008000800000000001400060092000000c4000000fc31170068321700", true},
	{"a route of the table local goes", "3c00000019000000000000000000000002200000ff02fe020000000008000f00ff000000080001000a090001080007000a0900010800040003000000", false},
	{"down", "2000000010000000000000000000000000000100030000000210000041000000", true},
}

func TestWhatTheKernelTellsIsNewsOnce(t *testing.T) {
	s := newSeen()
	var all []byte
	for _, r := range recorded {
		b, err := hex.DecodeString(r.message)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.news(b); got != r.news {
			t.Errorf("%s: news %v, want %v", r.what, got, r.news)
		}
		all = append(all, b...)
	}
	if !newSeen().news(all) {
		t.Error("all in one datagram is no news")
	}
	for n := range all {
		newSeen().news(all[:n]) // what is cut off must not be read
	}
}

func TestWhatIsSeenIsBounded(t *testing.T) {
	link, _ := hex.DecodeString(recorded[0].message)
	s := newSeen()
	for i := range 3 * maxSeen {
		link[20], link[21] = byte(i), byte(i>>8)
		s.news(link)
	}
	if n := len(s.interfaces); n > maxSeen {
		t.Errorf("%d interfaces are remembered", n)
	}
}

func FuzzNews(f *testing.F) {
	var all []byte
	for _, r := range recorded {
		b, _ := hex.DecodeString(r.message)
		f.Add(b)
		all = append(all, b...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		s := newSeen()
		s.news(b)
		if !bytes.Equal(before, b) {
			t.Error("the bytes were changed")
		}
		if n := len(s.interfaces) + len(s.addresses); n > len(b)/unix.SizeofNlMsghdr {
			t.Errorf("%d things were seen in %d bytes", n, len(b))
		}
	})
}

// In a network namespace of one thread, whose loopback goes up and down.
func TestTheKernelIsHeard(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended, socket := make(chan struct{}, 1), make(chan error, 1), make(chan int, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread goes with the goroutine
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
		t.Skipf("no network namespace of its own: %v", <-ended)
	}
	defer unix.Close(fd)
	flip := time.NewTicker(10 * time.Millisecond) // more than once, for the watch may not have begun
	defer flip.Stop()
	for heard, up := false, false; !heard; {
		select {
		case <-changed:
			heard = true
		case err := <-ended:
			t.Fatalf("the watch ended: %v", err)
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
		t.Errorf("at its end: %v", err)
	}
}
