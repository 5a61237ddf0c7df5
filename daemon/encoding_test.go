package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"vchat/config"
	"vchat/daemon/control"
	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/mjpeg"
)

// rawFeed is a device in a call with bob, who sends raw frames or cards.
type rawFeed struct {
	*Daemon
	hub  *frame.Hub
	pool *frame.Pool
	log  strings.Builder
}

func newRawFeed(t *testing.T) *rawFeed {
	t.Helper()
	cfg := config.Default()
	cfg.StateDir = t.TempDir()
	bob, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Peers = map[string]config.Peer{"bob": {Name: "bob", ID: bob.ID().String()}}
	r := &rawFeed{hub: frame.NewHub(), pool: frame.NewPool(8)}
	d, err := New(cfg, slog.New(slog.NewTextHandler(&r.log, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newCallSession()
	s.hub = r.hub
	d.sessions["bob"] = s
	r.Daemon = d
	return r
}

func (r *rawFeed) publish(seq uint64) {
	f := r.pool.Get(2 * 160 * 120)
	clear(f.Data)
	f.Data[0] = byte(seq)
	f.Seq, f.Captured, f.Format, f.Width, f.Height = seq, frame.Now(), frame.YUYV, 160, 120
	r.hub.Publish(f)
}

func (r *rawFeed) watch(t *testing.T) control.Viewer {
	t.Helper()
	v, err := r.Watch("bob")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func next(t *testing.T, v control.Viewer) *frame.Frame {
	t.Helper()
	f, err := v.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEncoding_shared(t *testing.T) {
	r := newRawFeed(t)
	var viewers []control.Viewer
	for range 8 {
		viewers = append(viewers, r.watch(t))
	}
	for seq := range uint64(5) {
		r.publish(seq)
		shared := next(t, viewers[0])
		info, err := mjpeg.Check(shared.Data)
		if err != nil || info.Width != 160 || info.Height != 120 || shared.Seq != seq {
			t.Fatalf("frame %d: got frame %d, %+v, %v", seq, shared.Seq, info, err)
		}
		for i, v := range viewers[1:] {
			f := next(t, v)
			if f != shared {
				t.Errorf("frame %d: viewer %d got a JPEG of its own, want the shared one", seq, i+1)
			}
			f.Release()
		}
		shared.Release()
	}
	f, g := next(t, r.watch(t)), next(t, r.watch(t))
	if f != g || f.Seq != 4 {
		t.Errorf("late viewers: got frames %d and %d, want the same JPEG of frame 4", f.Seq, g.Seq)
	}
}

func TestEncoding_concurrent(t *testing.T) {
	r := newRawFeed(t)
	const last = 300
	var mu sync.Mutex
	encoded := map[*frame.Frame]uint64{} // no viewer releases its frames before the end
	var all sync.WaitGroup
	for range 6 {
		v := r.watch(t)
		all.Go(func() {
			for before := uint64(0); before < last; {
				f, err := v.Next(context.Background())
				if err != nil || f.Seq <= before {
					t.Errorf("got frame %+v, %v after frame %d", f, err, before)
					return
				}
				before = f.Seq
				mu.Lock()
				encoded[f] = f.Seq
				mu.Unlock()
			}
		})
	}
	for seq := uint64(1); seq <= last; seq++ {
		r.publish(seq)
	}
	all.Wait()
	// The hub hands a frame to one reader after the other. Meanwhile another
	// viewer may still encode the frame before it.
	if n := len(encoded); n > last+last/10 {
		t.Errorf("got %d JPEGs of %d frames", n, last)
	}
}

func TestEncoding_withoutViewers(t *testing.T) {
	r := newRawFeed(t)
	one, other := r.watch(t), r.watch(t)
	r.publish(1)
	next(t, one).Release()
	one.Close()
	e := r.encodings[r.hub]
	if e == nil || e.viewers != 1 || e.newest == nil {
		t.Fatalf("with one viewer left: got %+v, want a JPEG", e)
	}
	kept := e.newest
	other.Close()
	other.Close()
	if len(r.encodings) != 0 || e.newest != nil {
		t.Error("got a JPEG kept without viewers")
	}
	if f := r.Daemon.pool.Get(1); f != kept {
		t.Error("the last JPEG was not released")
	}
	r.publish(2)
	if e.newest != nil {
		t.Error("got a frame encoded without viewers")
	}
}

func TestEncoding_cardReplacesRawFrame(t *testing.T) {
	r := newRawFeed(t)
	v := r.watch(t).(*viewer)
	r.publish(1)
	old := v.sub.Take()
	card := r.pool.Get(4)
	card.Seq, card.Format, card.Card = 2, frame.JPEG, true
	r.hub.Publish(card)
	f, err := v.encoding.jpeg(v, old)
	if err != nil || !f.Card || v.Dropped() != 1 {
		t.Errorf("got %+v, %v, %d dropped; want the card and one dropped", f, err, v.Dropped())
	}
}

func TestEncoding_errorLoggedOnce(t *testing.T) {
	r := newRawFeed(t)
	one, other := r.watch(t), r.watch(t)
	for seq := range uint64(3) {
		f := r.pool.Get(10)
		f.Seq, f.Format, f.Width, f.Height = seq, frame.YUYV, 160, 120
		r.hub.Publish(f)
		for _, v := range []control.Viewer{one, other} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if f, err := v.Next(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, %v, want context.Canceled", f, err)
			}
		}
	}
	if n := strings.Count(r.log.String(), "raw frame not encoded"); n != 1 {
		t.Errorf("got the warning %d times, want once:\n%s", n, r.log.String())
	}
}

func TestEncoding_allocations(t *testing.T) {
	r := newRawFeed(t)
	one, other := r.watch(t), r.watch(t)
	seq := uint64(0)
	show := func() {
		seq++
		r.publish(seq)
		next(t, one).Release()
		next(t, other).Release()
	}
	for range 4 {
		show()
	}
	if n := testing.AllocsPerRun(50, show); n != 0 {
		t.Errorf("got %v allocations per frame, want 0", n)
	}
}
