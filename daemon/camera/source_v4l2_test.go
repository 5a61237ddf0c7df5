package camera

import (
	"errors"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/testcard"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestV4L2_lateFrames(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = kernel
		env := sourceEnv{cfg: cfg.withDefaults(), pool: frame.NewPool(4), counters: &counters{}}
		v, err := openV4L2(env)
		if err != nil {
			t.Fatal(err)
		}
		defer v.close()
		f, err := v.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seq := f.Seq
		f.Release()
		time.Sleep(500 * time.Millisecond) // all four buffers are full, and the driver drops frames
		f, err = v.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if age := f.Arrived - f.Captured; age > v.interval || f.Seq < seq+5 || env.counters.dropped != f.Seq-seq-1 {
			t.Errorf("got frame %d after %d, %v old, %d dropped; want a fresh one, newer than the buffers",
				f.Seq, seq, age, env.counters.dropped)
		}
		f.Release()
		seq, env.counters.dropped = f.Seq, 0
		time.Sleep(v.interval * 5 / 2) // late, but with free buffers: the newest frame is fresh
		f, err = v.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if f.Seq != seq+2 || env.counters.dropped != 1 {
			t.Errorf("got frame %d after %d, %d dropped; want the newest of two", f.Seq, seq, env.counters.dropped)
		}
		f.Release()
		v.wake()
		if _, err := v.next(time.Second); !errors.Is(err, errWoken) {
			t.Errorf("after a wake: got %v, want %v", err, errWoken)
		}
	})
}

func TestV4L2_lateBrokenFrames(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.Truncate = 2 })
		cfg := small
		cfg.Kernel = kernel
		env := sourceEnv{cfg: cfg.withDefaults(), pool: frame.NewPool(4), counters: &counters{}}
		v, err := openV4L2(env)
		if err != nil {
			t.Fatal(err)
		}
		defer v.close()
		for i := range 10 {
			time.Sleep(v.interval * 5 / 2)
			before := kernel.Now()
			f, err := v.next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if f.Captured > before {
				t.Errorf("frame %d: got one captured %v after the call, want one from before", i, f.Captured-before)
			}
			f.Release()
		}
	})
}

func TestV4L2_count(t *testing.T) {
	for _, c := range []struct {
		name    string
		driver  []uint32
		want    []uint64
		dropped uint64
	}{
		{"in order", []uint32{0, 1, 2}, []uint64{1, 2, 3}, 0},
		{"a gap", []uint32{5, 6, 9}, []uint64{1, 2, 5}, 2},
		{"wraps around", []uint32{0xFFFFFFFE, 0xFFFFFFFF, 0, 2}, []uint64{1, 2, 3, 5}, 1},
		{"starts again", []uint32{70, 71, 0, 1}, []uint64{1, 2, 3, 4}, 0},
		{"does not count", []uint32{0, 0, 0}, []uint64{1, 2, 3}, 0},
		{"jumps", []uint32{0, 1 << 30, 1<<30 + 1}, []uint64{1, 2, 3}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &v4l2Source{sourceEnv: sourceEnv{counters: &counters{}}}
			for i, seq := range c.driver {
				if got := v.count(v4l2.Buffer{Sequence: seq}); got != c.want[i] {
					t.Errorf("driver's %d: got %d, want %d", seq, got, c.want[i])
				}
			}
			if v.counters.dropped != c.dropped {
				t.Errorf("got %d dropped, want %d", v.counters.dropped, c.dropped)
			}
		})
	}
}

func TestCapturedAt(t *testing.T) {
	now := time.Hour
	for stamp, want := range map[time.Duration]time.Duration{
		now: now, now - time.Second: now - time.Second, now + 1: now, 0: now, now - time.Minute: now,
	} {
		if got := capturedAt(stamp, now); got != want {
			t.Errorf("stamp %v at %v: got %v, want %v", stamp, now, got, want)
		}
	}
}

func TestV4L2_wrongSize(t *testing.T) {
	v := &v4l2Source{
		sourceEnv: sourceEnv{pool: frame.NewPool(1), counters: &counters{}},
		mode:      v4l2.Mode{Format: v4l2.MJPEG, Width: 320, Height: 200},
	}
	for _, c := range []struct {
		w, h int
		want defect
		ok   bool
	}{
		{320, 200, 0, true}, {320, 208, 0, true},
		{320, 216, defectWrongSize, false}, {304, 200, defectWrongSize, false},
	} {
		b, err := mjpeg.NewEncoder(50).EncodeYUYV(nil, make([]byte, 2*c.w*c.h), c.w, c.h, 0)
		if err != nil {
			t.Fatal(err)
		}
		f, got := v.take(v4l2.Buffer{Data: b})
		if (f != nil) != c.ok || got != c.want {
			t.Errorf("%dx%d: got a frame %v, %s; want %v, %s",
				c.w, c.h, f != nil, defectNames[got], c.ok, defectNames[c.want])
		}
	}
}

func TestV4L2_allocations(t *testing.T) {
	for _, cfg := range []Config{
		{Format: "mjpeg"}, {Format: "yuyv"}, {Format: "yuyv", Raw: "lz4"},
		{Format: "nv12"}, {Format: "nv12", Raw: "lz4"},
		{Format: "grey"}, {Format: "grey", Raw: "lz4"},
	} {
		faketime.Test(t, func(t *testing.T) {
			kernel := v4l2test.New()
			kernel.Plug(everyFormat).Script(func(f *v4l2test.Faults) { f.NoTables = 1 })
			cfg.Kernel, cfg.Width, cfg.Height = kernel, 320, 240
			c := New(cfg, nil)
			rd := c.Hub().Subscribe()
			defer rd.Close()
			s := newSupervisor(c)
			s.cfg, _ = c.config()
			src, err := openV4L2(sourceEnv{cfg: s.cfg, pool: c.pool, counters: &c.counters})
			if err != nil {
				t.Fatal(err)
			}
			defer src.close()
			if got := src.info().format; got != cfg.Format {
				t.Fatalf("got format %s, want %s", got, cfg.Format)
			}
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
				t.Errorf("%+v: got %v allocations per frame, want 0", cfg, n)
			}
		})
	}
}

// BenchmarkDevice720p measures the path from the driver's buffer to the
// readers: check, complete, copy, publish.
func BenchmarkDevice720p(b *testing.B) {
	const w, h = 1280, 720
	src := testcard.New("kitchen", w, h, 30).AppendFrame(nil, 1, 0, noon)
	c := New(Config{}, nil)
	s := newSupervisor(c)
	v := &v4l2Source{sourceEnv: sourceEnv{cfg: c.cfg, pool: c.pool, counters: &c.counters}}
	v.mode.Width, v.mode.Height = w, h
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		f, _ := v.takeJPEG(src)
		f.Seq, f.Arrived = n, v.cfg.now()
		s.publish(f)
	}
}
