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

// noon is a time of day on the cards of the tests.
var noon = time.Date(2026, 11, 22, 14, 3, 22, 470e6, time.UTC)

func TestTestCameraKeepsItsRateWithoutDrift(t *testing.T) {
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
						t.Fatalf("frame %d: stamp %d, %v; feed's %d, captured %v", i, seq, at, p.seq, p.captured)
					}
					if want := time.Duration(i) * time.Second / time.Duration(fps); at-began-want > time.Microsecond || want-at+began > time.Microsecond {
						t.Fatalf("frame %d after %v, want %v", i, at-began, want)
					}
				}
				if s := r.Status(); s.State != Streaming || s.Dropped != 0 || s.Frames != uint64(n+1) {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

func TestPacerSkipsWhatIsLate(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := newPacer(10)
		for _, step := range []struct {
			busy    time.Duration
			skipped uint64
			at      time.Duration // when the slot is given, from the start on
		}{
			{0, 0, 0}, {30 * time.Millisecond, 0, 100 * time.Millisecond}, {150 * time.Millisecond, 0, 250 * time.Millisecond},
			{0, 0, 300 * time.Millisecond}, {1050 * time.Millisecond, 9, 1350 * time.Millisecond}, {0, 0, 1400 * time.Millisecond},
		} {
			time.Sleep(step.busy)
			skipped, err := p.wait(time.Minute)
			if at := time.Since(p.start); err != nil || skipped != step.skipped || at != step.at {
				t.Errorf("after %v: at %v, %d skipped, %v; want %v, %d", step.busy, at, skipped, err, step.at, step.skipped)
			}
		}
		if _, err := p.wait(time.Millisecond); err != errTimeout {
			t.Errorf("got %v, want a timeout", err)
		}
		p.wake()
		if _, err := p.wait(time.Minute); err != errWoken {
			t.Errorf("got %v after a wake", err)
		}
		if p.due(1<<40) < p.due(1<<40-1) {
			t.Error("the times overflow")
		}
	})
}

func TestTestCameraAllocatesNothingOnceWarm(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		c := New(Config{Device: "test", Width: 320, Height: 240}, nil)
		rd := c.Hub().Subscribe()
		defer rd.Close()
		k := newSupervisor(c)
		k.cfg, _ = c.config()
		s := openPattern(source{cfg: k.cfg, pool: c.pool, counters: &c.counters})
		k.opened(s.about())
		one := func() {
			f, err := s.next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			k.publish(f)
			rd.Take().Release()
		}
		one()
		one()
		if n := testing.AllocsPerRun(100, one); n != 0 {
			t.Errorf("%v allocations per frame", n)
		}
	})
}

func TestDevicePathAllocatesNothingOnceWarm(t *testing.T) {
	for _, cfg := range []Config{
		{Format: "mjpeg"}, {Format: "yuyv"}, {Format: "yuyv", Raw: "lz4"}, {Format: "nv12"}, {Format: "nv12", Raw: "lz4"},
		{Format: "grey"}, {Format: "grey", Raw: "lz4"},
	} {
		faketime.Test(t, func(t *testing.T) {
			kernel := v4l2test.New()
			kernel.Plug(everyFormat).Script(func(f *v4l2test.Faults) { f.NoTables = 1 })
			cfg.Kernel, cfg.Width, cfg.Height = kernel, 320, 240
			c := New(cfg, nil)
			rd := c.Hub().Subscribe()
			defer rd.Close()
			k := newSupervisor(c)
			k.cfg, _ = c.config()
			s, err := openDevice(source{cfg: k.cfg, pool: c.pool, counters: &c.counters})
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if got := s.about().format; got != cfg.Format {
				t.Fatalf("it gives %s, want %s", got, cfg.Format)
			}
			k.opened(s.about())
			one := func() {
				f, err := s.next(time.Second)
				if err != nil {
					t.Fatal(err)
				}
				k.publish(f)
				rd.Take().Release()
			}
			one()
			one()
			if n := testing.AllocsPerRun(100, one); n != 0 {
				t.Errorf("%+v: %v allocations per frame", cfg, n)
			}
		})
	}
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

// BenchmarkDevice720p is the way from the driver's buffer to the readers: check, complete, copy, publish.
func BenchmarkDevice720p(b *testing.B) {
	const w, h = 1280, 720
	src := testcard.New("kitchen", w, h, 30).AppendFrame(nil, 1, 0, noon)
	c := New(Config{}, nil)
	k := newSupervisor(c)
	d := &device{source: source{cfg: c.cfg, pool: c.pool, counters: &c.counters}}
	d.mode.Width, d.mode.Height = w, h
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		f, _ := d.takeJPEG(src)
		f.Seq, f.Arrived = n, d.cfg.now()
		k.publish(f)
	}
}
