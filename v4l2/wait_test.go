package v4l2

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWaiter(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(r.Fd())
	x, err := newWaiter()
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if err := x.add(fd); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, wait time.Duration, events uint32) {
		t.Helper()
		seen, err := x.wait(wait)
		var got uint32
		for _, s := range seen {
			if int(s.Fd) == fd {
				got |= s.Events
			}
		}
		if err != nil || got != events {
			t.Errorf("%s: got events %#x, %v; want %#x", what, got, err, events)
		}
	}
	expect("empty, no wait", 0, 0)
	expect("empty, timeout", time.Millisecond, 0)
	go func() {
		time.Sleep(time.Millisecond)
		w.WriteString("x")
	}()
	expect("data arrives", -1, unix.EPOLLIN)
	expect("data still there", time.Hour, unix.EPOLLIN)
	expect("data there, very short wait", time.Nanosecond, unix.EPOLLIN)
	if n := testing.AllocsPerRun(100, func() { _, _ = x.wait(time.Hour) }); n > 0 {
		t.Errorf("got %v allocations per wait, want 0", n)
	}
	x.drop(fd)
	expect("dropped", time.Millisecond, 0)
	if err := x.add(fd); err != nil {
		t.Error(err)
	}
	expect("added again", -1, unix.EPOLLIN)
	w.Close()
	expect("hung up", -1, unix.EPOLLIN|unix.EPOLLHUP)
}
