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

// numberSource is a source of frames that hold a number. It reuses its memory.
type numberSource struct {
	numbers chan uint64
	buf     [8]byte
}

func (s *numberSource) Next() (client.Frame, error) {
	n, ok := <-s.numbers
	if !ok {
		return client.Frame{}, io.EOF
	}
	return client.Frame{Seq: n, Data: fmt.Appendf(s.buf[:0], "%d", n), Age: time.Millisecond}, nil
}

func TestNewest_Next(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		src := &numberSource{numbers: make(chan uint64)}
		n := ReadNewest(src)
		for i := uint64(1); i <= 5; i++ {
			src.numbers <- i
			synctest.Wait()
		}
		p, err := n.Next(t.Context())
		if err != nil || p.Seq != 5 || string(p.Data) != "5" {
			t.Fatalf("got %+v, %v; want frame 5", p, err)
		}
		time.Sleep(time.Second)
		if got, want := p.Age(), time.Second+time.Millisecond; got != want {
			t.Errorf("age: got %v, want %v", got, want)
		}
		for i := uint64(6); i <= 9; i++ {
			src.numbers <- i
			synctest.Wait()
		}
		if string(p.Data) != "5" {
			t.Errorf("taken frame: got %s, want it unchanged", p.Data)
		}
		if frames, bytes := n.Totals(); frames != 9 || bytes != 9 {
			t.Errorf("totals: got %d frames, %d bytes; want 9 and 9", frames, bytes)
		}
		close(src.numbers)
		n.Wait()
		if p, err := n.Next(t.Context()); err != nil || p.Seq != 9 {
			t.Errorf("last: got %+v, %v; want frame 9", p, err)
		}
		if _, err := n.Next(t.Context()); err != io.EOF {
			t.Errorf("after the last: got %v, want EOF", err)
		}
		select {
		case <-n.Ready():
		default:
			t.Error("Ready does not report the end")
		}
	})
}

func TestNewest_Next_endsWithItsContext(t *testing.T) {
	src := &numberSource{numbers: make(chan uint64)}
	n := ReadNewest(src)
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := n.Next(ctx); err != cause {
		t.Errorf("got %v, want %v", err, cause)
	}
	close(src.numbers)
	n.Wait()
}

func TestNewest_allocations(t *testing.T) {
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
		t.Errorf("got %v allocations, want none", got)
	}
}

func TestOutput_writeEndsWithContext(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	w.Fd() // makes it blocking, like standard output
	ctx, cancel := context.WithCancel(t.Context())
	out := Interruptible(ctx, w)
	defer out.Close()
	wrote := make(chan error, 1)
	go func() { _, err := out.Write(make([]byte, 1<<20)); wrote <- err }()
	cancel()
	if err := <-wrote; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if flags, err := unix.FcntlInt(w.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("original pipe: got flags %#x, %v; want it blocking", flags, err)
	}
	go io.Copy(io.Discard, r)
	out.Finish(time.Minute)
	if _, err := out.Write([]byte("goodbye")); err != nil {
		t.Errorf("after Finish: %v", err)
	}
}
