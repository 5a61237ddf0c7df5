package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/client"
	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// film is a source that gives what is sent to it, in memory that it uses again.
type film struct {
	frames chan uint64
	buf    [8]byte
}

func (r *film) Next() (client.Frame, error) {
	n, ok := <-r.frames
	if !ok {
		return client.Frame{}, io.EOF
	}
	return client.Frame{Seq: n, Data: fmt.Appendf(r.buf[:0], "%d", n), Age: time.Millisecond}, nil
}

func TestTheNewestFrameIsShownAndTheOthersCounted(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		src := &film{frames: make(chan uint64)}
		n := Follow(src)
		for i := uint64(1); i <= 5; i++ {
			src.frames <- i
			synctest.Wait()
		}
		p, err := n.Next(t.Context())
		if err != nil || p.Seq != 5 || string(p.Data) != "5" {
			t.Fatalf("got %+v, %v; want frame 5", p, err)
		}
		time.Sleep(time.Second)
		if got, want := p.Age(), time.Second+time.Millisecond; got != want {
			t.Errorf("it is %v old, want %v", got, want)
		}
		for i := uint64(6); i <= 9; i++ {
			src.frames <- i
			synctest.Wait()
		}
		if string(p.Data) != "5" {
			t.Errorf("the frame that was taken has become %s", p.Data)
		}
		if received, dropped := n.Counts(); received != 9 || dropped != 7 {
			t.Errorf("received %d, dropped %d; want 9 and 7", received, dropped)
		}
		close(src.frames)
		n.Wait()
		if p, err := n.Next(t.Context()); err != nil || p.Seq != 9 {
			t.Errorf("last: got %+v, %v", p, err)
		}
		if _, err := n.Next(t.Context()); err != io.EOF {
			t.Errorf("after the last: %v", err)
		}
		select {
		case <-n.Ready():
		default:
			t.Error("who waits for Ready does not see the end")
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	src := &film{frames: make(chan uint64)}
	n := Follow(src)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := n.Next(ctx); err != why {
		t.Errorf("got %v", err)
	}
	close(src.frames)
	n.Wait()
}

func TestOnceWarmAFrameTakesNoMemory(t *testing.T) {
	n := &Newest{ready: make(chan struct{}, 1)}
	f := client.Frame{Data: make([]byte, 1000)}
	round := func() {
		n.put(f)
		n.put(f)
		if _, err := n.Take(); err != nil {
			t.Fatal(err)
		}
		n.put(f)
		if _, err := n.Take(); err != nil {
			t.Fatal(err)
		}
	}
	round()
	if got := testing.AllocsPerRun(100, round); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestAWriteEndsWithItsContext(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.Fd() // blocking, as standard output is
	ctx, cancel := context.WithCancel(t.Context())
	out := Interruptible(ctx, w)
	defer out.Close()
	wrote := make(chan error, 1)
	go func() { _, err := out.Write(make([]byte, 1<<20)); wrote <- err }()
	cancel()
	if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if flags, err := unix.FcntlInt(w.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("the pipe itself has become non-blocking: %#x, %v", flags, err)
	}
	go io.Copy(io.Discard, r)
	out.Finish(time.Minute)
	if _, err := out.Write([]byte("goodbye")); err != nil {
		t.Errorf("after Finish: %v", err)
	}
}
