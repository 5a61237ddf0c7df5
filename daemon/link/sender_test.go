package link_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/link"
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
