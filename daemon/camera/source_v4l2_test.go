package camera

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
		if age := f.Arrived - f.Captured; age > v.interval.interval() || f.Seq < seq+5 ||
			env.counters.dropped != f.Seq-seq-1 {
			t.Errorf("got frame %d after %d, %v old, %d dropped; want a fresh one, newer than the buffers",
				f.Seq, seq, age, env.counters.dropped)
		}
		f.Release()
		seq, env.counters.dropped = f.Seq, 0
		time.Sleep(time.Second / 30 * 27 / 10) // late, but with free buffers: the newest frame is fresh
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
			time.Sleep(v.interval.interval() * 5 / 2)
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

func TestV4L2_frameSize(t *testing.T) {
	for _, c := range []struct {
		w, h int
		want defect // of the first frame; 0: none
		ok   bool   // after a while
	}{
		{320, 200, 0, true}, {320, 208, 0, true}, {320, 100, defectWrongSize, true}, {640, 480, defectWrongSize, true},
		{8208, 8, defectWrongSize, false},
	} {
		b, err := mjpeg.NewEncoder(50).EncodeYUYV(nil, make([]byte, 2*c.w*c.h), c.w, c.h, 0)
		if err != nil {
			t.Fatal(err)
		}
		faketime.Test(t, func(t *testing.T) {
			cfg := Config{Kernel: v4l2test.New()}
			v := &v4l2Source{
				sourceEnv: sourceEnv{cfg: cfg, pool: frame.NewPool(1), counters: &counters{}},
				mode:      v4l2.Mode{Format: v4l2.MJPEG, Width: 320, Height: 200},
			}
			v.sizes.negotiated = [2]int{320, 200}
			if f, got := v.take(v4l2.Buffer{Data: b}); got != c.want || (f != nil) != (c.want == 0) {
				t.Errorf("%dx%d: got a frame %v, %s; want %s",
					c.w, c.h, f != nil, defectNames[got], defectNames[c.want])
			}
			time.Sleep(sizeTrustTime)
			f, got := v.take(v4l2.Buffer{Data: b})
			if (f != nil) != c.ok || f != nil && (f.Width != c.w || f.Height != c.h) {
				t.Errorf("%dx%d: got a frame %v, %s; want %v", c.w, c.h, f != nil, defectNames[got], c.ok)
			}
		})
	}
}

func TestSizeWatch_accept(t *testing.T) {
	good, odd, odder := [2]int{1280, 720}, [2]int{640, 480}, [2]int{1280, 360}
	broken := [2]int{}
	for _, c := range []struct {
		name     string
		interval time.Duration
		frames   [][2]int // the last one counts
		want     bool
	}{
		{"first frame", 33, [][2]int{odd}, false},
		{"always", 33, [][2]int{odd, odd, odd, odd, odd, odd, odd, odd, odd, odd}, true},
		{"always, one frame a second", 1000, [][2]int{odd, odd}, true},
		{"for a moment", 33, [][2]int{good, odd, odd, odd}, false},
		{"with others between", 200, [][2]int{odd, good, odd, good, odd, good, odd}, false},
		{"with broken ones between", 200, [][2]int{odd, broken, odd, broken, odd, broken, odd}, false},
		{"two sizes in turn", 200, [][2]int{odd, odder, odd, odder, odd}, false},
		{"changes", 200, [][2]int{odd, odd, odd, odder, odder, odder}, true},
		{"back to the negotiated one", 200, [][2]int{odd, odd, odd, good}, true},
		{"once trusted", 200, [][2]int{odd, odd, odd, good, odd}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sizeWatch{negotiated: good}
			var got bool
			for i, f := range c.frames {
				if f == broken {
					w.reject()
					continue
				}
				got = w.accept(f[0], f[1], time.Hour+time.Duration(i)*c.interval*time.Millisecond)
			}
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestSizeWatch(t *testing.T) {
	const one, two = "640x480 instead of the negotiated 1280x720", "1280x360 instead of the negotiated 1280x720"
	for _, c := range []struct {
		name   string
		frames [][3]int // time in seconds, width, height
		want   []string // part of the text after each; "": none
	}{
		{"as negotiated", [][3]int{{0, 1280, 720}, {1, 1280, 720}}, []string{"", ""}},
		{"rounded up to blocks", [][3]int{{0, 1280, 720}, {1, 1280, 720}}, []string{"", ""}},
		{"other size", [][3]int{{0, 640, 480}, {9, 640, 480}}, []string{one, one}},
		{"other size later", [][3]int{{0, 1280, 720}, {9, 1280, 360}}, []string{"", two}},
		{"changes", [][3]int{{0, 640, 480}, {9, 1280, 360}, {18, 1280, 720}}, []string{one, two, ""}},
		{"changes with each frame",
			[][3]int{{0, 640, 480}, {1, 1280, 360}, {2, 640, 480}, {6, 1280, 360}, {7, 640, 480}},
			[]string{one, one, one, two, two}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := sizeWatch{negotiated: [2]int{1280, 720}}
			for i, f := range c.frames {
				got := w.observe(f[1], f[2], time.Duration(f[0])*time.Second)
				if (got == "") != (c.want[i] == "") || !strings.Contains(got, c.want[i]) {
					t.Errorf("frame %d: got %q, want %q", i, got, c.want[i])
				}
			}
		})
	}
}

// A camera whose full size does not start streams at a smaller one. It returns
// to the full size once that starts again, without an outage.
func TestV4L2_returnsToFullSize(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		format := v4l2test.Format{FourCC: v4l2.MJPEG, Sizes: [][2]int{{320, 240}, {160, 120}}}
		cam := kernel.Plug(v4l2test.Device{Formats: []v4l2test.Format{format}})
		cam.Script(func(f *v4l2test.Faults) { f.StreamOn, f.StreamOnAbove = unix.EIO, 160*120 })
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		if p := r.frame(rd); p.width != 160 || p.height != 120 {
			t.Errorf("while the full size fails: got %dx%d, want 160x120", p.width, p.height)
		}
		end := time.Now().Add(12 * time.Second) // one try has failed
		p := r.next(rd, "the end", func(*frame.Frame) bool { return time.Now().After(end) })
		if p.width != 160 || p.height != 120 {
			t.Errorf("after %v: got %dx%d, want 160x120", minFullSizeWait, p.width, p.height)
		}
		cam.Script(func(f *v4l2test.Faults) { f.StreamOn = nil })
		r.next(rd, "full size", func(f *frame.Frame) bool { return f.Width == 320 && f.Height == 240 })
		if s := r.state(Streaming); len(s.Warnings) > 0 {
			t.Errorf("after the fault: got warnings %q, want none", s.Warnings)
		}
		if log := r.log.String(); strings.Contains(log, "camera lost") {
			t.Errorf("got an outage in the log, want none:\n%s", log)
		}
	})
}

// The header of a JPEG frame counts, whatever was negotiated. The warning names
// both sizes, once in the log.
func TestV4L2_otherFrameSize(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		r := run(t, kernel, small)
		defer r.stop()
		rd := r.Hub().Subscribe()
		defer rd.Close()
		for _, size := range [][2]int{{320, 240}, {320, 120}, {304, 224}, {320, 240}} {
			cam.Script(func(f *v4l2test.Faults) { f.FrameSize = size })
			end := time.Now().Add(12 * time.Second)
			p := r.next(rd, "the end", func(f *frame.Frame) bool { return time.Now().After(end) })
			if p.width != size[0] || p.height != size[1] {
				t.Errorf("got a frame of %dx%d, want %v", p.width, p.height, size)
			}
			s := r.state(Streaming)
			want := fmt.Sprintf("%dx%d instead of the negotiated 320x240", size[0], size[1])
			odd := size != [2]int{320, 240}
			if odd != (len(s.Warnings) == 1) || odd && !strings.Contains(s.Warnings[0], want) {
				t.Errorf("%v: got warnings %q, want %q", size, s.Warnings, want)
			}
			if s.Width != size[0] || s.Height != size[1] || s.Broken > 30 || s.Restarted > 0 {
				t.Errorf("got status %+v, want %v, few broken frames, and no restart", s, size)
			}
		}
		if n := strings.Count(r.log.String(), "instead of the negotiated"); n != 1 {
			t.Errorf("got %d lines about the size, want 1:\n%s", n, r.log)
		}
	})
}

// Implausible time stamps are replaced, which is said once. Frames stay fresh.
func TestV4L2_timeStamps(t *testing.T) {
	for _, c := range []struct {
		name  string
		stamp func(time.Duration) time.Duration
		want  string // part of the warning; "": none
	}{
		{"constant", func(time.Duration) time.Duration { return time.Second }, "using the time of arrival"},
		{"6 s old", func(at time.Duration) time.Duration { return at - 6*time.Second }, "are 6s old"},
		{"time of day", func(at time.Duration) time.Duration { return at + 400_000*time.Hour }, "another clock"},
		{"jumps", func(at time.Duration) time.Duration {
			return at + []time.Duration{-5 * time.Second, 0, 5 * time.Second}[int(at/time.Second)%3]
		}, "using the time of arrival"},
		{"300 ms old", func(at time.Duration) time.Duration { return at - 300*time.Millisecond }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				kernel := v4l2test.New()
				kernel.Plug(v4l2test.Device{}).Script(func(f *v4l2test.Faults) { f.Stamp = c.stamp })
				r := run(t, kernel, small)
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				first := r.frame(rd)
				last := first
				for range 300 {
					p := r.frame(rd)
					if age := p.at - p.captured; p.captured <= last.captured || age < 0 || age > time.Second {
						t.Fatalf("got a frame %v old, captured %v after the one before", age, p.captured-last.captured)
					}
					last = p
				}
				took, frames := (last.captured - first.captured).Seconds(), float64(last.seq-first.seq)
				if want := frames / 30; took < want-0.2 || took > want+0.5 {
					t.Errorf("got %.2f s for %v frames, want %.2f", took, frames, want)
				}
				s := r.state(Streaming)
				if (c.want != "") != (len(s.Warnings) == 1) ||
					c.want != "" && !strings.Contains(s.Warnings[0], c.want) {
					t.Errorf("got warnings %q, want %q", s.Warnings, c.want)
				}
				if n := strings.Count(r.log.String(), "time stamps"); n > 1 || (n == 1) != (c.want != "") {
					t.Errorf("got %d lines about time stamps:\n%s", n, r.log)
				}
			})
		})
	}
}

// otherFormats are formats without a word in the configuration.
var otherFormats = map[string]v4l2.PixelFormat{"uyvy": v4l2.UYVY, "yv12": v4l2.YV12, "rgb3": v4l2.RGB24}

func TestV4L2_allocations(t *testing.T) {
	for _, cfg := range []Config{
		{Format: "mjpeg"}, {Format: "yuyv"}, {Format: "yuyv", Raw: "lz4"},
		{Format: "nv12"}, {Format: "nv12", Raw: "lz4"},
		{Format: "grey"}, {Format: "grey", Raw: "lz4"},
		{Format: "uyvy"}, {Format: "uyvy", Raw: "lz4"},
		{Format: "yv12"}, {Format: "yv12", Raw: "lz4"},
		{Format: "rgb3"},
	} {
		faketime.Test(t, func(t *testing.T) {
			kernel := v4l2test.New()
			device := everyFormat
			if f, ok := otherFormats[cfg.Format]; ok { // auto selects it
				format := v4l2test.Format{FourCC: f, Sizes: [][2]int{{320, 240}}, Padding: 8}
				device = v4l2test.Device{Formats: []v4l2test.Format{format}}
			}
			kernel.Plug(device).Script(func(f *v4l2test.Faults) { f.NoTables = 1 })
			cfg.Kernel, cfg.Width, cfg.Height = kernel, 320, 240
			c := New(cfg, slog.New(slog.DiscardHandler))
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
