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

// raw publishes a raw frame; noise cannot be compressed, and so travels stored.
func raw(h *frame.Hub, p *frame.Pool, seq uint64, w, ht int, noise bool) {
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

func coded(t *testing.T, h *frame.Hub, p *frame.Pool, seq uint64, w, ht int, claim int) int {
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

func TestFramesTravel(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		size := coded(t, hub, pool, 1, 64, 48, 64)
		advance(time.Second)
		coded(t, hub, pool, 2, 64, 48, 32) // says another width than the JPEG itself: must not be shown
		advance(time.Second)
		raw(hub, pool, 5, 64, 48, false)
		advance(time.Second)
		raw(hub, pool, 6, 64, 48, true)
		advance(time.Second)
		want := []string{
			"1 mjpeg 64x48 " + strconv.Itoa(size) + " bytes card=true",
			"5 yuyv 64x48 6144 bytes card=false",
			"6 yuyv 64x48 6144 bytes card=false",
		}
		if !reflect.DeepEqual(bob.frames, want) {
			t.Errorf("bob saw %q, want %q", bob.frames, want)
		}
		r, s := bob.links.Status("alice").Receiving, alice.links.Status("bob").Sending
		if r.Frames != 3 || r.Broken != 1 || r.Lost != 3 || s.Frames != 4 {
			t.Errorf("counted %+v and %+v; want 3 frames, 1 broken, 3 lost, 4 sent", r, s)
		}
		advance(time.Second)
		if f := alice.links.Status("bob").Sending.Feedback; f.Frames != 3 || f.Seq != 6 || f.Lost != 3 {
			t.Errorf("feedback %+v, want 3 frames up to 6 with 3 lost", f)
		}
		alice.links.Link("bob").Show(nil)
		advance(time.Second)
		if n := hub.Readers(); n != 0 {
			t.Errorf("%d readers after the frames were stopped", n)
		}
	})
}

func TestAStalledPeerLosesFramesAndDelaysNobody(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		tn.net.Stall(true)
		for seq := range uint64(40) { // 40 times 200 KB in two seconds: the pipe takes 256 KB
			raw(hub, pool, seq, 400, 250, true)
			advance(50 * time.Millisecond)
		}
		tn.net.Stall(false)
		advance(400 * time.Millisecond)
		if len(alice.down) != 0 {
			t.Fatalf("the link ended: %v", alice.down)
		}
		if n := len(bob.frames); n == 0 || n > 4 || bob.frames[n-1] != "39 yuyv 400x250 200000 bytes card=false" {
			t.Errorf("bob saw %q; want few, and the newest last", bob.frames)
		}
		if s := alice.links.Status("bob").Sending; s.Dropped < 35 {
			t.Errorf("%d frames counted as dropped, want most of 40", s.Dropped)
		}
	})
}
