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

// audience keeps what it sees.
type audience struct {
	*device
	seen map[uint64][]byte
}

func (a *audience) Frame(l *link.Link, f *frame.Frame) {
	a.locked(func() { a.seen[f.Seq] = bytes.Clone(f.Data) })
	a.device.Frame(l, f)
}

// camera films a scene so rich that it can only be packed as the difference to the one before, with noise of a few
// steps, and remembers what it filmed.
type camera struct {
	hub    *frame.Hub
	pool   *frame.Pool
	seq    uint64
	filmed map[uint64][]byte
}

func newCamera() *camera {
	return &camera{hub: frame.NewHub(), pool: frame.NewPool(4), filmed: map[uint64][]byte{}}
}

func (c *camera) film(w, h int, card bool) {
	f := c.pool.Get(2 * w * h)
	c.seq++
	rand.NewChaCha8([32]byte{}).Read(f.Data)
	r := rand.New(rand.NewPCG(c.seq, 1))
	for i := range f.Data {
		f.Data[i] += byte(r.IntN(4))
	}
	for i := range f.Data[:len(f.Data)/8] { // somebody walks through
		f.Data[(i+int(c.seq)*64)%len(f.Data)] ^= 0x55
	}
	f.Seq, f.Format, f.Width, f.Height, f.Captured = c.seq, frame.YUYV, w, h, frame.Now()
	if card {
		f.Format, f.Card, f.Data = frame.JPEG, true, append(f.Data[:0], 0xff, 0xd8, 0xff, 0xd9)
	}
	c.filmed[c.seq] = bytes.Clone(f.Data)
	c.hub.Publish(f)
}

func TestRawFramesArriveByteForByte(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := &audience{tn.device("bob"), map[uint64][]byte{}}
		bob.handler = bob
		tn.start(alice, true, bob.device)
		tn.start(bob.device, false, alice)
		advance(3 * time.Second)
		c := newCamera()
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
					t.Errorf("%s: frame %d did not arrive", what, seq)
				}
			}
		}
		const frametime, calm = 33 * time.Millisecond, 100
		run(10, frametime)
		arrived("at rest", 1, 10)
		tn.net.Stall(true)
		run(20, frametime) // the newest wins, so that the base of the next is not the one filmed before it
		tn.net.Stall(false)
		advance(time.Second)
		run(5, frametime)
		arrived("after a jam", 30, 35)
		if n := len(bob.seen); n > 25 {
			t.Errorf("%d frames of 35 came through a jam that lasted for 20", n)
		}
		run(calm, frametime) // as JPEGs, until the link is trusted with raw frames again
		c.film(160, 240, false)
		advance(frametime)
		run(2, frametime)
		c.film(320, 240, true)
		advance(frametime)
		run(2, frametime)
		arrived("after another size", 36+calm, 38+calm)
		arrived("after a card", 40+calm, 41+calm)
		bob.locked(func() { bob.noFrames = true })
		run(3, frametime)
		bob.locked(func() { bob.noFrames = false })
		run(3, frametime)
		arrived("after nobody looked", 46+calm, 47+calm)
		out.Show(nil)
		advance(frametime)
		run(3, frametime)
		out.Show(c.hub)
		advance(frametime)
		run(3, frametime)
		arrived("in another call", 50+calm, 53+calm)
		for seq, data := range bob.seen {
			if !bytes.Equal(data, c.filmed[seq]) && seq != 39+calm && (seq < 30 || seq > 35+calm) {
				t.Errorf("frame %d is not the one that was filmed", seq)
			}
		}
		if len(alice.down)+len(bob.down) != 0 {
			t.Errorf("the link went down: %v, %v", alice.down, bob.down)
		}
	})
}

// nominated is a link of alice on which all that bob says is the test's.
func (tn *testNet) nominated(t *testing.T, features ...string) (alice *audience, s *rawPeer) {
	alice = &audience{tn.device("alice"), map[uint64][]byte{}}
	alice.handler = alice
	bob := tn.arbiterFor("bob", alice.device)
	tn.start(alice.device, false, bob)
	s = tn.dialHello(t, "alice", bob, features...)
	s.send(&wire.Nominate{})
	advance(time.Millisecond)
	return alice, s
}

func TestWhatADifferenceIsSentAgainst(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, s := tn.nominated(t, "yuyv", "lz4", "delta")
		c := newCamera()
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
						t.Fatalf("frame %d as %v to %d, want %d as %v to %d", p.Seq, p.Codec, p.Base, c.seq, want, base)
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
		out.Show(c.hub) // the newest comes at once
		advance(time.Millisecond)
		next(wire.CodecYUYV, 0)
		frame(240, 320, false)
		next(wire.CodecYUYVDelta, 9)
		if c.hub.Readers() != 1 || s.Close() != nil {
			t.Error("the link has gone")
		}
		advance(time.Second)
		if n := c.hub.Readers(); n != 0 {
			t.Errorf("%d readers without a link", n)
		}
	})
}

func TestWhoKnowsNoDifferencesGetsNone(t *testing.T) {
	for _, features := range [][]string{{"yuyv", "lz4"}, {"yuyv", "delta"}} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, s := tn.nominated(t, features...)
			c := newCamera()
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
						t.Errorf("with %q: frame %d as %v", features, p.Seq, p.Codec)
					}
				}
			}
			s.send(&wire.Refresh{}) // means nothing
			_ = s.Close()
			advance(time.Second)
		})
	}
}

func TestADifferenceToAFrameThatIsNotHeldIsThrownAway(t *testing.T) {
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
				t.Fatal("a difference that cannot be packed")
			}
			return to[:n]
		}
		second, third := bytes.Clone(base), bytes.Clone(base)
		second[7], third[1000] = 7, 99
		bad := []byte("what does not unpack, and is not looked at")

		send(wire.Frame{Seq: 5, Codec: wire.CodecYUYVDelta, Base: 4}, bad) // before any
		send(wire.Frame{Seq: 10, Codec: wire.CodecYUYV}, base)
		send(wire.Frame{Seq: 11, Codec: wire.CodecYUYVDelta, Base: 9}, bad)
		send(wire.Frame{Seq: 12, Codec: wire.CodecYUYVDelta, Base: 11}, bad)
		send(wire.Frame{Seq: 9, Codec: wire.CodecYUYV}, noise) // is late, and no base
		send(wire.Frame{Seq: 13, Codec: wire.CodecYUYVDelta, Base: 10}, diff(second, base))
		send(wire.Frame{Seq: 14, Codec: wire.CodecYUYVDelta, Base: 10}, bad) // no longer held
		send(wire.Frame{Seq: 15, Codec: wire.CodecYUYVDelta, Base: 13}, diff(third, second))
		for seq, want := range map[uint64][]byte{10: base, 13: second, 15: third} {
			if !bytes.Equal(alice.seen[seq], want) {
				t.Errorf("frame %d is another one", seq)
			}
		}
		if len(alice.seen) != 3 {
			t.Errorf("%d frames were shown, want 3", len(alice.seen))
		}
		if r := alice.links.Status("bob").Receiving; r.Broken != 5 || r.Frames != 3 {
			t.Errorf("counted %+v; want 5 broken", r)
		}
		send(wire.Frame{Seq: 16, Codec: wire.CodecYUYVDelta, Base: 15}, bad) // held, so that it is looked at
		advance(time.Second)
		var heard []wire.Type
		for {
			m, err := s.in.Next()
			if err != nil {
				break
			}
			if m.Type() == wire.TypeRefresh || m.Type() == wire.TypeBye {
				heard = append(heard, m.Type())
			}
		}
		// Once for 5, once for 11 and 12, once for 14.
		want := []wire.Type{wire.TypeRefresh, wire.TypeRefresh, wire.TypeRefresh, wire.TypeBye}
		if !slices.Equal(heard, want) {
			t.Errorf("alice said %v, want %v", heard, want)
		}
	})
}

func TestAFrameThatWasAskedForAndNotLookedAtIsAskedForAgain(t *testing.T) {
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
		alice.locked(func() { alice.noFrames = true }) // between two calls
		send(wire.Frame{Seq: 3, Codec: wire.CodecYUYV})
		alice.locked(func() { alice.noFrames = false })
		send(wire.Frame{Seq: 4, Codec: wire.CodecYUYVDelta, Base: 3})
		send(wire.Frame{Seq: 5, Codec: wire.CodecYUYVDelta, Base: 4})
		send(wire.Frame{Seq: 6, Codec: wire.CodecYUYVLZ4}) // does not unpack, and so ends the link
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
			t.Errorf("alice asked %d times, want once for 2, and once for 4 and 5", n)
		}
	})
}

func TestADifferenceThatWasNotAgreedOnEndsTheLink(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		_, s := tn.nominated(t, "yuyv", "lz4")
		p := wire.Frame{Seq: 2, Base: 1, Codec: wire.CodecYUYVDelta, Width: 8, Height: 2, Size: 9}
		_, _ = s.Write(append(wire.AppendFrame(nil, &p), make([]byte, p.Size)...))
		s.wantBye(wire.CodeProtocol)
	})
}
