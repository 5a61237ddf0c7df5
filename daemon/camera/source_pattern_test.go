package camera

import (
	"fmt"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/frame"
	"vchat/daemon/testcard"
	"vchat/v4l2/v4l2test"
)

// noon is the time of day on the frames of the tests.
var noon = time.Date(2026, 11, 22, 14, 3, 22, 470e6, time.UTC)

func TestPattern_rate(t *testing.T) {
	for _, fps := range []int{1, 7, 30, 240} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				r := run(t, v4l2test.New(), Config{Device: "test", Width: 64, Height: 48, FPS: fps})
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				first := r.frame(rd)
				_, began, _ := teststamp.Parse(first.data)
				n := 10 * fps
				for i := 1; i <= n; i++ {
					p := r.frame(rd)
					seq, at, ok := teststamp.Parse(p.data)
					if !ok || seq != uint64(i+1) || p.seq != first.seq+uint64(i) || at != p.captured {
						t.Fatalf("frame %d: got stamp %d, %v; want %d, %v", i, seq, at, i+1, p.captured)
					}
					want := time.Duration(i) * time.Second / time.Duration(fps)
					if (at - began - want).Abs() > time.Microsecond {
						t.Fatalf("frame %d: got %v after the first, want %v", i, at-began, want)
					}
				}
				if s := r.Status(); s.State != Streaming || s.Dropped != 0 || s.Frames != uint64(n+1) {
					t.Errorf("got status %+v, want %d frames, none dropped", s, n+1)
				}
			})
		})
	}
}

func TestPattern_allocations(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		c := New(Config{Device: "test", Width: 320, Height: 240}, nil)
		rd := c.Hub().Subscribe()
		defer rd.Close()
		s := newSupervisor(c)
		s.cfg, _ = c.config()
		src := openPattern(sourceEnv{cfg: s.cfg, pool: c.pool, counters: &c.counters, patterns: &s.patterns})
		s.opened(src.info())
		one := func() {
			f, err := src.next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			s.publish(f)
			rd.Take().Release()
		}
		one()
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("got %v allocations per frame, want 0", n)
		}
	})
}

func BenchmarkTestCamera720p(b *testing.B) {
	t := testcard.New("kitchen", 1280, 720, 30)
	pool, hub := frame.NewPool(4), frame.NewHub()
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		f := pool.Get(t.MaxLen())
		f.Data = t.AppendFrame(f.Data[:0], n, frame.Now(), time.Now())
		b.SetBytes(int64(len(f.Data)))
		hub.Publish(f)
	}
}

// A call does not wait for the painting of a pattern that was shown before.
func TestPatternCache(t *testing.T) {
	var c patternCache
	cfg := Config{Name: "kitchen", Width: 64, Height: 48, FPS: 30}
	first := c.get(cfg)
	if c.get(cfg) != first {
		t.Error("the same pattern was painted again")
	}
	for _, other := range []Config{
		{Name: "cottage", Width: 64, Height: 48, FPS: 30}, {Name: "kitchen", Width: 80, Height: 48, FPS: 30},
		{Name: "kitchen", Width: 64, Height: 64, FPS: 30}, {Name: "kitchen", Width: 64, Height: 48, FPS: 10},
	} {
		if before := c.pattern; c.get(other) == before {
			t.Errorf("%+v: got the pattern before", other)
		}
	}
}
