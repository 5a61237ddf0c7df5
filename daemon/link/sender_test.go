package link_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// film publishes raw frames of noise at a rate for a while, in fake time. It
// returns the next number.
func film(h *frame.Hub, p *frame.Pool, fps int, bytes int, from uint64, span time.Duration) (next uint64) {
	interval := time.Second / time.Duration(fps)
	for at := time.Duration(0); at < span; at += interval {
		f := p.Get(bytes)
		for i := range f.Data {
			f.Data[i] = byte(rand.Uint32())
		}
		f.Seq, f.Format, f.Width, f.Height = from, frame.YUYV, bytes/200, 100
		f.Captured = time.Hour + time.Duration(from)*interval
		h.Publish(f)
		from++
		advance(interval)
	}
	return from
}

func TestSender_keepsMaxBitrate(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		configure := func(mbit float64) {
			peer := link.Peer{Name: "bob", Address: "bob", ID: bob.id.ID(), MaxBitrate: mbit}
			alice.links.Configure("alice", []link.Peer{peer})
		}
		configure(1)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		next := film(hub, pool, 50, 20_000, 1, 8*time.Second)
		s := alice.links.Status("bob").Sending
		if !s.Reduced || s.Why != "max_bitrate" || s.Dropped != s.Drops.MaxBitrate+s.Drops.Link {
			t.Errorf("got %+v, want frames reduced because of max_bitrate", s)
		}
		if n := s.Feedback.Bytes; n < 800_000 || n > 1_030_000 {
			t.Errorf("got %d bytes in 8 s, want 1 Mbit/s", n)
		}
		configure(0)
		film(hub, pool, 50, 20_000, next, 12*time.Second)
		if s := alice.links.Status("bob").Sending; s.Reduced || s.Why != "" {
			t.Errorf("got %+v without max_bitrate, want full quality", s)
		}
		if alice.qualityChanges != 2 {
			t.Errorf("got %d calls of Handler.Quality, want 2", alice.qualityChanges)
		}
	})
}

func TestSender_feedbackForEachFrameUpTo50ASecond(t *testing.T) {
	for _, tt := range []struct{ fps, min, max int }{{10, 10, 10}, {30, 30, 30}, {200, 45, 51}} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice := tn.device("alice")
			bob := tn.arbiterFor("bob", alice)
			tn.start(alice, false, bob)
			s := tn.dialHello(t, "alice", bob, "yuyv")
			s.send(&wire.Nominate{})
			count := make(chan int)
			go func() {
				n := 0
				for {
					m, err := s.in.Next()
					if err != nil {
						count <- n
						return
					}
					if _, ok := m.(*wire.Feedback); ok {
						n++
					}
				}
			}()
			advance(time.Second)
			for seq := range uint64(tt.fps) {
				p := wire.Frame{Seq: seq + 1, Width: 10, Height: 10, Codec: wire.CodecYUYV, Size: 200}
				_, _ = s.Write(append(wire.AppendFrame(nil, &p), make([]byte, 200)...))
				advance(time.Second / time.Duration(tt.fps))
			}
			advance(100 * time.Millisecond)
			_ = s.Close()
			if n := <-count; n < tt.min || n > tt.max {
				t.Errorf("got %d feedbacks for %d frames in a second, want %d to %d", n, tt.fps, tt.min, tt.max)
			}
		})
	}
}

// Damaged frames that must be reduced are dropped and counted. They do not slow
// down the others.
func TestSender_damagedFrames(t *testing.T) {
	yuyv := make([]byte, 2*320*240)
	for i := range yuyv {
		yuyv[i] = byte(rand.Uint32())
	}
	good, err := mjpeg.NewEncoder(90).EncodeYUYV(nil, yuyv, 320, 240, 0)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append(bytes.Clone(good[:len(good)*3/4]), 0xFF, 0xD9)
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		peer := link.Peer{Name: "bob", Address: "bob", ID: bob.id.ID(), MaxBitrate: 2}
		alice.links.Configure("alice", []link.Peer{peer})
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		for seq := range uint64(200) {
			data := good
			if seq%5 == 4 {
				data = damaged
			}
			f := pool.Get(len(data))
			copy(f.Data, data)
			f.Seq, f.Format, f.Width, f.Height = seq+1, frame.JPEG, 320, 240
			f.Captured = time.Hour + time.Duration(seq)*50*time.Millisecond
			hub.Publish(f)
			advance(50 * time.Millisecond)
		}
		s := alice.links.Status("bob").Sending
		if s.Drops.Broken < 35 || s.Drops.Broken > 40 || s.Frames < 150 {
			t.Errorf("got %d frames sent, drops %+v; want about 160 of 200 sent, 40 broken", s.Frames, s.Drops)
		}
		if strings.Contains(s.Why, "cannot be reduced") {
			t.Errorf("got %q for frames that can be reduced", s.Why)
		}
	})
}
