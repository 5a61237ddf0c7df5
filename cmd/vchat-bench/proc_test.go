package main

import (
	"os"
	"testing"
	"time"
)

func TestProcFiles(t *testing.T) {
	stat := []byte("77 (a) b (c) S 12 77 77 0 -1 4194560 1 2 3 4 730 4305 5 6 20 0 9 0 100 200 300\n")
	if user, system, err := ticks(stat); user != 730 || system != 4305 || err != nil {
		t.Errorf("ticks: got %d, %d, %v, want 730, 4305", user, system, err)
	}
	if p := parent(stat); p != 12 {
		t.Errorf("parent: got %d, want 12", p)
	}
	for _, bad := range []string{"", "77 (x", "77 (x) S 1 2", "77 (x) S 1 2 3 4 5 6 7 8 9 10 a b c"} {
		if _, _, err := ticks([]byte(bad)); err == nil {
			t.Errorf("%q: got no error, want one", bad)
		}
	}
	file := []byte("Name:\tx\nVmHWM:\t    4100 kB\nVmRSS:\t 4000 kB\n" +
		"voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\nodd:\n")
	for name, want := range map[string]uint64{"VmHWM": 4100, "VmRSS": 4000, "voluntary_ctxt_switches": 12,
		"nonvoluntary_ctxt_switches": 3, "odd": 0, "none": 0} {
		if got := status(file, name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

func TestUsage_since(t *testing.T) {
	before := usage{cpu: time.Second, user: 10, system: 90, switches: map[int]uint64{1: 100, 2: 50}}
	after := usage{cpu: 3 * time.Second, user: 40, system: 100, switches: map[int]uint64{1: 110, 3: 7}}
	user, system, switches := after.since(before)
	if user != 1500*time.Millisecond || system != 500*time.Millisecond || switches != 17 {
		t.Errorf("got %v, %v, %d, want 1.5s, 0.5s, 17", user, system, switches)
	}
	after.user, after.system = 10, 90 // less than a tick
	if user, system, _ := after.since(before); user+system != 2*time.Second {
		t.Errorf("got %v, %v, want a sum of 2s", user, system)
	}
}

// The test reads its own process.
func TestUsageOf_self(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for x := 0; ; x++ {
		after, err := usageOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if user, system, _ := after.since(before); user+system > 2*time.Millisecond {
			break
		}
	}
	if now, peak, err := memoryOf(os.Getpid()); err != nil || now == 0 || peak < now {
		t.Errorf("got memory %d, peak %d, %v", now, peak, err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if pid := find(os.Getppid(), exe); pid != os.Getpid() {
		t.Errorf("found process %d, and this is %d", pid, os.Getpid())
	}
	if pid := find(os.Getpid(), "/no/such"); pid != 0 {
		t.Errorf("found process %d", pid)
	}
}
