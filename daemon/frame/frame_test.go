package frame

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func publish(h *Hub, p *Pool, seq uint64) *Frame {
	f := p.Get(100)
	f.Seq = seq
	h.Publish(f)
	return f
}

func TestHub_newestWinsAndDropsAreCounted(t *testing.T) {
	p, h := NewPool(8), NewHub()
	slow, quick := h.Subscribe(), h.Subscribe()
	defer slow.Close()
	defer quick.Close()
	for i := range uint64(5) {
		publish(h, p, i)
		f, err := quick.Next(context.Background())
		if err != nil || f.Seq != i {
			t.Fatalf("quick reader: got %v, %v; want frame %d", f, err, i)
		}
		f.Release()
	}
	f := slow.Take()
	if f == nil || f.Seq != 4 {
		t.Fatalf("slow reader: got %+v, want the newest, 4", f)
	}
	f.Release()
	if slow.Dropped() != 4 || quick.Dropped() != 0 {
		t.Errorf("dropped: slow %d, want 4; quick %d, want 0", slow.Dropped(), quick.Dropped())
	}
	if slow.Take() != nil {
		t.Error("Take: got the same frame twice, want nil")
	}
}

func TestFrame_returnsToItsPoolOnce(t *testing.T) {
	p, h := NewPool(8), NewHub()
	r := h.Subscribe()
	f := publish(h, p, 1)
	if got := r.Take(); got != f {
		t.Fatalf("got %p, want the published frame %p", got, f)
	}
	publish(h, p, 2) // the hub releases 1, the reader still holds it
	if g := p.Get(10); g == f {
		t.Fatal("Get: got a frame that a reader still holds, want another")
	}
	f.Release()
	if g := p.Get(10); g != f {
		t.Errorf("after the last release got %p, want the same frame %p", g, f)
	}
	r.Close()
	defer func() {
		if recover() == nil {
			t.Error("releasing a frame too often: got no panic, want one")
		}
	}()
	f.Release()
	f.Release()
}

func TestHub_lateReaderGetsNewestUnlessForgotten(t *testing.T) {
	p, h := NewPool(2), NewHub()
	publish(h, p, 7)
	r := h.Subscribe()
	f := r.Take()
	if f == nil || f.Seq != 7 {
		t.Fatalf("late reader got %v, want frame 7", f)
	}
	f.Release()
	r.Close()
	h.Forget()
	r = h.Subscribe()
	defer r.Close()
	if f := r.Take(); f != nil {
		t.Errorf("after Forget: got frame %d, want none", f.Seq)
	}
}

func TestHub_endWakesReadersWithReason(t *testing.T) {
	why := errors.New("hung up")
	h := NewHub()
	r := h.Subscribe()
	defer r.Close()
	done := make(chan error)
	go func() { _, err := r.Next(context.Background()); done <- err }()
	h.End(why)
	err := <-done
	if !errors.Is(err, ErrEnded) || !errors.Is(err, why) {
		t.Errorf("got %v, want ErrEnded that wraps %v", err, why)
	}
	f := NewPool(1).Get(1)
	h.Publish(f) // must neither panic nor reach a reader
	late := h.Subscribe()
	defer late.Close()
	if _, err := late.Next(context.Background()); !errors.Is(err, ErrEnded) {
		t.Errorf("late reader of an ended feed: got %v, want ErrEnded", err)
	}
}

func TestReader_nextEndsWithContextAndClose(t *testing.T) {
	h := NewHub()
	r := h.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { _, err := r.Next(ctx); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: got %v, want context.Canceled", err)
	}
	go func() { _, err := r.Next(context.Background()); done <- err }()
	r.Close()
	if err := <-done; !errors.Is(err, ErrEnded) {
		t.Errorf("after Close: got %v, want ErrEnded", err)
	}
}

func TestHub_changedNotifiesOfReaders(t *testing.T) {
	h := NewHub()
	r := h.Subscribe()
	<-h.Changed()
	if n := h.Readers(); n != 1 {
		t.Errorf("got %d readers, want 1", n)
	}
	r.Close()
	r.Close()
	<-h.Changed()
	if n := h.Readers(); n != 0 {
		t.Errorf("got %d readers, want 0", n)
	}
}

func TestHub_manyReadersOneWriter(t *testing.T) {
	p, h := NewPool(16), NewHub()
	const last = 2000
	var wg sync.WaitGroup
	for range 8 {
		r := h.Subscribe()
		wg.Go(func() {
			defer r.Close()
			var before uint64
			for before < last {
				f, err := r.Next(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if f.Seq <= before {
					t.Errorf("got frame %d after frame %d, want a newer one", f.Seq, before)
				}
				if len(f.Data) != 100 || f.Data[0] != byte(f.Seq) {
					t.Errorf("frame %d was overwritten while the reader held it", f.Seq)
				}
				before = f.Seq
				f.Release()
			}
		})
	}
	for i := uint64(1); i <= last; i++ {
		f := p.Get(100)
		f.Seq, f.Data[0] = i, byte(i)
		h.Publish(f)
	}
	wg.Wait()
}

func TestNow_isKernelMonotonicClock(t *testing.T) {
	kernel := func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ts.Nano())
	}
	before, now, after := kernel(), Now(), kernel()
	if now < before || now > after {
		t.Errorf("got %v, want between the kernel's %v and %v", now, before, after)
	}
	a := Now()
	w := Wall(a)
	if b := Now(); b < a {
		t.Errorf("got %v after %v, want no step back", b, a)
	}
	if d := time.Since(w); d < 0 {
		t.Errorf("got a wall time %v in the future, want one in the past", -d)
	}
}

func BenchmarkPublishToFourReaders(b *testing.B) {
	p, h := NewPool(8), NewHub()
	var rs []*Reader
	for range 4 {
		rs = append(rs, h.Subscribe())
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		publish(h, p, uint64(i))
		for _, r := range rs[:3] { // the fourth never takes a frame
			f := r.Take()
			f.Release()
		}
	}
}

func TestHub_publishAllocatesNothing(t *testing.T) {
	p, h := NewPool(8), NewHub()
	r := h.Subscribe()
	defer r.Close()
	publish(h, p, 0)
	publish(h, p, 1)
	publish(h, p, 2)
	if n := testing.AllocsPerRun(100, func() { publish(h, p, 3); r.Take().Release() }); n != 0 {
		t.Errorf("got %v allocations a frame, want 0", n)
	}
}

// BenchmarkNow compares the raw system call with one that the scheduler sees.
func BenchmarkNow(b *testing.B) {
	b.Run("raw", func(b *testing.B) {
		for b.Loop() {
			_ = Now()
		}
	})
	b.Run("syscall", func(b *testing.B) {
		for b.Loop() {
			var ts unix.Timespec
			if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
				b.Fatal(err)
			}
		}
	})
}
