package link_test

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// publishRaw publishes a raw frame. Noise cannot be compressed, so it travels
// stored.
func publishRaw(h *frame.Hub, p *frame.Pool, seq uint64, w, ht int, noise bool) {
	f := p.Get(2 * w * ht)
	for i := range f.Data {
		f.Data[i] = byte(i / 100)
		if noise {
			f.Data[i] = byte(rand.Uint32())
		}
	}
	f.Seq, f.Format, f.Width, f.Height, f.Captured = seq, frame.YUYV, w, ht, frame.Now()
	h.Publish(f)
}

// publishJPEG publishes a JPEG with the width claim in its Meta, and returns
// its size. A frame with an odd number is a card.
func publishJPEG(t *testing.T, h *frame.Hub, p *frame.Pool, seq uint64, w, ht int, claim int) int {
	t.Helper()
	b, err := mjpeg.NewEncoder(80).EncodeYUYV(nil, make([]byte, 2*w*ht), w, ht, 2*w)
	if err != nil {
		t.Fatal(err)
	}
	f := p.Get(len(b))
	copy(f.Data, b)
	f.Seq, f.Format, f.Card, f.Width, f.Height, f.Captured = seq, frame.JPEG, seq%2 == 1, claim, ht, frame.Now()
	h.Publish(f)
	return len(b)
}

func TestLink_framesArrive(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		size := publishJPEG(t, hub, pool, 1, 64, 48, 64)
		advance(time.Second)
		publishJPEG(t, hub, pool, 2, 64, 48, 32) // not the width of the JPEG: must not be shown
		advance(time.Second)
		publishRaw(hub, pool, 5, 64, 48, false)
		advance(time.Second)
		publishRaw(hub, pool, 6, 64, 48, true)
		advance(time.Second)
		want := []string{
			"1 mjpeg 64x48 " + strconv.Itoa(size) + " bytes card=true",
			"5 yuyv 64x48 6144 bytes card=false",
			"6 yuyv 64x48 6144 bytes card=false",
		}
		if !reflect.DeepEqual(bob.frames, want) {
			t.Errorf("bob: got %q, want %q", bob.frames, want)
		}
		r, s := bob.links.Status("alice").Receiving, alice.links.Status("bob").Sending
		if r.Frames != 3 || r.Broken != 1 || r.Lost != 3 || s.Frames != 4 {
			t.Errorf("got %+v and %+v, want 3 frames, 1 broken, 3 lost, 4 sent", r, s)
		}
		advance(time.Second)
		if f := alice.links.Status("bob").Sending.Feedback; f.Frames != 3 || f.Seq != 6 || f.Lost != 3 {
			t.Errorf("got feedback %+v, want 3 frames up to 6 and 3 lost", f)
		}
		alice.links.Link("bob").Show(nil)
		advance(time.Second)
		if n := hub.Readers(); n != 0 {
			t.Errorf("got %d readers after Show(nil), want 0", n)
		}
	})
}

func TestLink_stalledPeerLosesFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		tn.net.Stall(true)
		for seq := range uint64(40) { // 200 KB each; the network in memory holds 256 KB
			publishRaw(hub, pool, seq, 400, 250, true)
			advance(50 * time.Millisecond)
		}
		tn.net.Stall(false)
		advance(400 * time.Millisecond)
		if len(alice.down) != 0 {
			t.Fatalf("got link down: %v, want it up", alice.down)
		}
		if n := len(bob.frames); n == 0 || n > 4 || bob.frames[n-1] != "39 yuyv 400x250 200000 bytes card=false" {
			t.Errorf("bob: got %q, want at most 4, the newest last", bob.frames)
		}
		if s := alice.links.Status("bob").Sending; s.Dropped < 35 {
			t.Errorf("got %d frames dropped, want at least 35 of 40", s.Dropped)
		}
	})
}
