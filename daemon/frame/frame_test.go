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

func TestNewestWinsAndLossIsCounted(t *testing.T) {
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
		t.Error("the same frame was taken twice")
	}
}

func TestFrameReturnsToItsPoolOnce(t *testing.T) {
	p, h := NewPool(8), NewHub()
	r := h.Subscribe()
	f := publish(h, p, 1)
	if got := r.Take(); got != f {
		t.Fatal("not the frame that was published")
	}
	publish(h, p, 2) // the hub lets go of 1, the reader still holds it
	if g := p.Get(10); g == f {
		t.Fatal("a frame that a reader holds was lent again")
	}
	f.Release()
	if g := p.Get(10); g != f {
		t.Error("the frame was not lent again after its last release")
	}
	r.Close()
	defer func() {
		if recover() == nil {
			t.Error("releasing a frame too often went unnoticed")
		}
	}()
	f.Release()
	f.Release()
}

func TestLateReaderSeesTheNewestButNotAForgottenOne(t *testing.T) {
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
		t.Errorf("a forgotten frame was handed out: %d", f.Seq)
	}
}

func TestEndWakesReadersWithTheReason(t *testing.T) {
	why := errors.New("hung up")
	h := NewHub()
	r := h.Subscribe()
	defer r.Close()
	done := make(chan error)
	go func() { _, err := r.Next(context.Background()); done <- err }()
	h.End(why)
	err := <-done
	if !errors.Is(err, ErrEnded) || !errors.Is(err, why) {
		t.Errorf("got %v, want ErrEnded because of %v", err, why)
	}
	f := NewPool(1).Get(1)
	h.Publish(f) // must not panic or be handed out
	late := h.Subscribe()
	defer late.Close()
	if _, err := late.Next(context.Background()); !errors.Is(err, ErrEnded) {
		t.Errorf("late reader of an ended feed: %v", err)
	}
}

func TestNextEndsWithItsContextAndWithClose(t *testing.T) {
	h := NewHub()
	r := h.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { _, err := r.Next(ctx); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	go func() { _, err := r.Next(context.Background()); done <- err }()
	r.Close()
	if err := <-done; !errors.Is(err, ErrEnded) {
		t.Errorf("after Close: %v", err)
	}
}

func TestChangedTellsOfReaders(t *testing.T) {
	h := NewHub()
	r := h.Subscribe()
	<-h.Changed()
	if n := h.Readers(); n != 1 {
		t.Errorf("%d readers, want 1", n)
	}
	r.Close()
	r.Close()
	<-h.Changed()
	if n := h.Readers(); n != 0 {
		t.Errorf("%d readers, want 0", n)
	}
}

func TestManyReadersAndOneWriter(t *testing.T) {
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
					t.Errorf("frame %d after %d", f.Seq, before)
				}
				if len(f.Data) != 100 || f.Data[0] != byte(f.Seq) {
					t.Errorf("frame %d was overwritten while it was held", f.Seq)
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

func TestNowIsTheKernelsMonotonicClock(t *testing.T) {
	kernel := func() time.Duration {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ts.Nano())
	}
	before, now, after := kernel(), Now(), kernel()
	if now < before || now > after {
		t.Errorf("it is %v, and the kernel's clock went from %v to %v", now, before, after)
	}
	a := Now()
	w := Wall(a)
	if b := Now(); b < a {
		t.Errorf("the clock went back from %v to %v", a, b)
	}
	if d := time.Since(w); d < 0 {
		t.Errorf("an instant in the past is shown %v ahead", -d)
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
		for _, r := range rs[:3] { // the fourth never looks
			f := r.Take()
			f.Release()
		}
	}
}

func TestPublishAllocatesNothingOnceWarm(t *testing.T) {
	p, h := NewPool(8), NewHub()
	r := h.Subscribe()
	defer r.Close()
	publish(h, p, 0)
	publish(h, p, 1)
	publish(h, p, 2)
	if n := testing.AllocsPerRun(100, func() { publish(h, p, 3); r.Take().Release() }); n != 0 {
		t.Errorf("%v allocations per frame", n)
	}
}
