package link_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// viewer keeps the frames it is given.
type viewer struct {
	*device
	seen map[uint64][]byte
}

func (a *viewer) Frame(l *link.Link, f *frame.Frame) {
	a.locked(func() { a.seen[f.Seq] = bytes.Clone(f.Data) })
	a.device.Frame(l, f)
}

// noisyCamera films a scene that only a delta can compress: random pixels with
// a little noise. It keeps what it has filmed.
type noisyCamera struct {
	hub    *frame.Hub
	pool   *frame.Pool
	seq    uint64
	filmed map[uint64][]byte
}

func newNoisyCamera() *noisyCamera {
	return &noisyCamera{hub: frame.NewHub(), pool: frame.NewPool(4), filmed: map[uint64][]byte{}}
}

// film publishes the next frame; a card is a tiny JPEG.
func (c *noisyCamera) film(w, h int, card bool) {
	f := c.pool.Get(2 * w * h)
	c.seq++
	rand.NewChaCha8([32]byte{}).Read(f.Data)
	r := rand.New(rand.NewPCG(c.seq, 1))
	for i := range f.Data {
		f.Data[i] += byte(r.IntN(4))
	}
	for i := range f.Data[:len(f.Data)/8] { // something moves
		f.Data[(i+int(c.seq)*64)%len(f.Data)] ^= 0x55
	}
	f.Seq, f.Format, f.Width, f.Height, f.Captured = c.seq, frame.YUYV, w, h, frame.Now()
	if card {
		f.Format, f.Card, f.Data = frame.JPEG, true, append(f.Data[:0], 0xff, 0xd8, 0xff, 0xd9)
	}
	c.filmed[c.seq] = bytes.Clone(f.Data)
	c.hub.Publish(f)
}

func TestLink_rawFramesArriveUnchanged(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := &viewer{tn.device("bob"), map[uint64][]byte{}}
		bob.handler = bob
		tn.start(alice, true, bob.device)
		tn.start(bob.device, false, alice)
		advance(3 * time.Second)
		c := newNoisyCamera()
		out := alice.links.Link("bob")
		out.Show(c.hub)
		advance(time.Millisecond)
		run := func(n int, every time.Duration) {
			for range n {
				c.film(320, 240, false)
				advance(every)
			}
		}
		arrived := func(what string, from, to uint64) {
			t.Helper()
			for seq := from; seq <= to; seq++ {
				if bob.seen[seq] == nil {
					t.Errorf("%s: got no frame %d", what, seq)
				}
			}
		}
		const (
			interval = 33 * time.Millisecond
			recovery = 100 // frames until raw ones are sent again
		)
		run(10, interval)
		arrived("at rest", 1, 10)
		tn.net.Stall(true)
		run(20, interval) // most are dropped, so the base of the next is not the one before
		tn.net.Stall(false)
		advance(time.Second)
		run(5, interval)
		arrived("after a stall", 30, 35)
		if n := len(bob.seen); n > 25 {
			t.Errorf("got %d frames of 35 despite a stall of 20, want at most 25", n)
		}
		run(recovery, interval) // as JPEGs, until the budget allows raw frames again
		c.film(160, 240, false)
		advance(interval)
		run(2, interval)
		c.film(320, 240, true)
		advance(interval)
		run(2, interval)
		arrived("after another size", 36+recovery, 38+recovery)
		arrived("after a card", 40+recovery, 41+recovery)
		bob.locked(func() { bob.wanted = link.WantsNothing })
		run(3, interval)
		bob.locked(func() { bob.wanted = link.WantsAll })
		run(3, interval)
		arrived("after a time without viewers", 46+recovery, 47+recovery)
		out.Show(nil)
		advance(interval)
		run(3, interval)
		out.Show(c.hub)
		advance(interval)
		run(3, interval)
		arrived("in another call", 50+recovery, 53+recovery)
		for seq, data := range bob.seen {
			if !bytes.Equal(data, c.filmed[seq]) && seq != 39+recovery && (seq < 30 || seq > 35+recovery) {
				t.Errorf("frame %d: got other data than was filmed", seq)
			}
		}
		if len(alice.down)+len(bob.down) != 0 {
			t.Errorf("got links down: %v, %v; want them up", alice.down, bob.down)
		}
	})
}

// nominated starts alice with a nominated link, and returns the peer's end of
// it for the test.
func (tn *testNet) nominated(t *testing.T, features ...string) (alice *viewer, s *rawPeer) {
	alice = &viewer{tn.device("alice"), map[uint64][]byte{}}
	alice.handler = alice
	bob := tn.arbiterFor("bob", alice.device)
	tn.start(alice.device, false, bob)
	s = tn.dialHello(t, "alice", bob, features...)
	s.send(&wire.Nominate{})
	advance(time.Millisecond)
	return alice, s
}

func TestLink_baseOfDelta(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4", "delta")
		c := newNoisyCamera()
		out := alice.links.Link("bob")
		frame := func(w, h int, card bool) {
			c.film(w, h, card)
			advance(time.Millisecond)
		}
		next := func(want wire.Codec, base uint64) {
			t.Helper()
			for {
				m, err := s.in.Next()
				if err != nil {
					t.Fatal(err)
				}
				if p, ok := m.(*wire.Frame); ok {
					if p.Seq != c.seq || p.Codec != want || p.Base != base {
						t.Fatalf("got frame %d as %v with base %d, want %d as %v with base %d",
							p.Seq, p.Codec, p.Base, c.seq, want, base)
					}
					s.sendFeedback(p)
					return
				}
			}
		}
		out.Show(c.hub)
		advance(time.Millisecond)
		frame(320, 240, false)
		next(wire.CodecYUYV, 0)
		frame(320, 240, false)
		next(wire.CodecYUYVDelta, 1)
		frame(320, 240, true)
		next(wire.CodecJPEG, 0)
		frame(320, 240, false)
		next(wire.CodecYUYVDelta, 2)
		s.send(&wire.Refresh{})
		advance(time.Millisecond)
		frame(320, 240, false)
		next(wire.CodecYUYV, 0)
		frame(320, 240, false)
		next(wire.CodecYUYVDelta, 5)
		frame(240, 320, false)
		next(wire.CodecYUYV, 0)
		frame(240, 320, false)
		next(wire.CodecYUYVDelta, 7)
		out.Show(nil)
		advance(time.Millisecond)
		frame(240, 320, false)
		out.Show(c.hub) // the newest frame is sent at once
		advance(time.Millisecond)
		next(wire.CodecYUYV, 0)
		frame(240, 320, false)
		next(wire.CodecYUYVDelta, 9)
		if c.hub.Readers() != 1 || s.Close() != nil {
			t.Error("got no reader, or no link; want both")
		}
		advance(time.Second)
		if n := c.hub.Readers(); n != 0 {
			t.Errorf("got %d readers without a link, want 0", n)
		}
	})
}

func TestLink_noDeltaWithoutFeature(t *testing.T) {
	for _, features := range [][]string{{"yuyv", "lz4"}, {"yuyv", "delta"}} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, s := tn.nominated(t, features...)
			c := newNoisyCamera()
			alice.links.Link("bob").Show(c.hub)
			advance(time.Millisecond)
			for got := 0; got < 4; {
				if c.seq == uint64(got) {
					c.film(64, 48, false)
				}
				m, err := s.in.Next()
				if err != nil {
					t.Fatal(err)
				}
				if p, ok := m.(*wire.Frame); ok {
					got++
					s.sendFeedback(p)
					if p.Codec != wire.CodecYUYV {
						t.Errorf("features %q: got frame %d as %v, want it stored", features, p.Seq, p.Codec)
					}
				}
			}
			s.send(&wire.Refresh{}) // has no effect
			_ = s.Close()
			advance(time.Second)
		})
	}
}

func TestLink_deltaWithoutBaseIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4", "delta")
		base := make([]byte, 64*48*2)
		rand.NewChaCha8([32]byte{}).Read(base)
		noise := make([]byte, len(base))
		var z wire.LZ4
		send := func(p wire.Frame, data []byte) {
			p.Width, p.Height, p.Size = 64, 48, len(data)
			_, _ = s.Write(append(wire.AppendFrame(nil, &p), data...))
			advance(time.Millisecond)
		}
		diff := func(raw, base []byte) []byte {
			d, to := make([]byte, len(raw)), make([]byte, len(raw))
			wire.Difference(d, raw, base)
			n, ok := z.Compress(to, d)
			if !ok {
				t.Fatal("the test's difference cannot be packed")
			}
			return to[:n]
		}
		second, third := bytes.Clone(base), bytes.Clone(base)
		second[7], third[1000] = 7, 99
		bad := []byte("not an LZ4 block, and not decoded")

		send(wire.Frame{Seq: 5, Codec: wire.CodecYUYVDelta, Base: 4}, bad) // no base yet
		send(wire.Frame{Seq: 10, Codec: wire.CodecYUYV}, base)
		send(wire.Frame{Seq: 11, Codec: wire.CodecYUYVDelta, Base: 9}, bad)
		send(wire.Frame{Seq: 12, Codec: wire.CodecYUYVDelta, Base: 11}, bad)
		send(wire.Frame{Seq: 9, Codec: wire.CodecYUYV}, noise) // too old, so no base
		send(wire.Frame{Seq: 13, Codec: wire.CodecYUYVDelta, Base: 10}, diff(second, base))
		send(wire.Frame{Seq: 14, Codec: wire.CodecYUYVDelta, Base: 10}, bad) // an old base
		send(wire.Frame{Seq: 15, Codec: wire.CodecYUYVDelta, Base: 13}, diff(third, second))
		for seq, want := range map[uint64][]byte{10: base, 13: second, 15: third} {
			if !bytes.Equal(alice.seen[seq], want) {
				t.Errorf("frame %d: got other data", seq)
			}
		}
		if len(alice.seen) != 3 {
			t.Errorf("got %d frames, want 3", len(alice.seen))
		}
		if r := alice.links.Status("bob").Receiving; r.Broken != 5 || r.Frames != 3 {
			t.Errorf("got %+v, want 5 broken and 3 frames", r)
		}
		send(wire.Frame{Seq: 16, Codec: wire.CodecYUYVDelta, Base: 15}, bad) // the base is right, so it is decoded
		advance(time.Second)
		var got []wire.Type
		for {
			m, err := s.in.Next()
			if err != nil {
				break
			}
			if m.Type() == wire.TypeRefresh || m.Type() == wire.TypeBye {
				got = append(got, m.Type())
			}
		}
		// A refresh for 5, one for 11 and 12, one for 14.
		want := []wire.Type{wire.TypeRefresh, wire.TypeRefresh, wire.TypeRefresh, wire.TypeBye}
		if !slices.Equal(got, want) {
			t.Errorf("alice sent %v, want %v", got, want)
		}
	})
}

func TestLink_refreshIsRepeatedAfterDiscard(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4", "delta")
		send := func(p wire.Frame) {
			p.Width, p.Height, p.Size = 8, 2, 32
			if p.Codec != wire.CodecYUYV {
				p.Size = 9
			}
			_, _ = s.Write(append(wire.AppendFrame(nil, &p), make([]byte, p.Size)...))
			advance(time.Millisecond)
		}
		send(wire.Frame{Seq: 2, Codec: wire.CodecYUYVDelta, Base: 1})
		alice.locked(func() { alice.wanted = link.WantsNothing }) // between two calls
		send(wire.Frame{Seq: 3, Codec: wire.CodecYUYV})
		alice.locked(func() { alice.wanted = link.WantsAll })
		send(wire.Frame{Seq: 4, Codec: wire.CodecYUYVDelta, Base: 3})
		send(wire.Frame{Seq: 5, Codec: wire.CodecYUYVDelta, Base: 4})
		send(wire.Frame{Seq: 6, Codec: wire.CodecYUYVLZ4}) // no LZ4 block: ends the link
		advance(time.Second)
		n := 0
		for {
			m, err := s.in.Next()
			if err != nil {
				break
			}
			if m.Type() == wire.TypeRefresh {
				n++
			}
		}
		if n != 2 {
			t.Errorf("got %d refreshes, want one for 2, and one for 4 and 5", n)
		}
	})
}

func TestLink_deltaWithoutFeatureEndsLink(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		_, s := tn.nominated(t, "yuyv", "lz4")
		p := wire.Frame{Seq: 2, Base: 1, Codec: wire.CodecYUYVDelta, Width: 8, Height: 2, Size: 9}
		_, _ = s.Write(append(wire.AppendFrame(nil, &p), make([]byte, p.Size)...))
		s.wantBye(wire.CodeProtocol)
	})
}
