package camera

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/v4l2/v4l2test"
)

var sizes = [][2]int{{16, 16}, {17, 16}, {16, 33}, {31, 400}, {176, 48}, {177, 99}, {320, 240}, {400, 17}, {640, 480}, {1000, 333},
	{720, 1280}, {maxSide, 90}, {90, maxSide}}

// noon is a time of day on the cards of the tests.
var noon = time.Date(2026, 11, 22, 14, 3, 22, 470e6, time.UTC)

func TestTestCardIsReadableAtAnySize(t *testing.T) {
	for i, s := range sizes {
		rates := []int{30}
		if i < 4 {
			rates = []int{1, 30, maxFPS}
		}
		for _, fps := range rates {
			c := newTestCard("Küche 2", s[0], s[1], fps)
			for _, seq := range []uint64{0, 2*uint64(fps) - 1, 1<<64 - 1} {
				b := c.append(nil, seq, 12345*time.Hour, noon)
				if len(b) > c.most {
					t.Errorf("%v: %d bytes, at most %d were announced", s, len(b), c.most)
				}
				info, err := mjpeg.Check(b)
				if err != nil || info.Width != s[0] || info.Height != s[1] || info.End != len(b) {
					t.Fatalf("%v, %d/s: %+v, %v", s, fps, info, err)
				}
				readable(t, b, s[0], s[1])
				if got, at, ok := ParseStamp(b); !ok || got != seq || at != 12345*time.Hour {
					t.Errorf("%v: stamp %d, %v, %v; want %d", s, got, at, ok, seq)
				}
			}
		}
	}
}

// libjpeg is who most others read with. It complains on standard error, and -strict makes that an error.
func TestTestCardIsReadableByLibjpeg(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	for _, s := range sizes {
		name := filepath.Join(t.TempDir(), "card.jpg")
		for kind, b := range map[string][]byte{
			"test card": newTestCard("kitchen", s[0], s[1], 30).append(nil, 7, 1, noon),
			"card":      card{name: "kitchen", headline: unplug.headline, since: noon}.paint(s[0], s[1]),
		} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(djpeg, "-pnm", "-outfile", os.DevNull, name)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s of %v: %v %s", kind, s, err, out)
			}
		}
	}
}

// Every digit, colon and the runner must change the frame where they are, and nothing else may.
func TestTestCardChangesWhereItShould(t *testing.T) {
	const w, h = 640, 480
	c, l := newTestCard("kitchen", w, h, 30), plan(w, h)
	decode := func(seq uint64, wall time.Time) *image.YCbCr {
		img, err := jpeg.Decode(bytes.NewReader(c.append(nil, seq, 0, wall)))
		if err != nil {
			t.Fatal(err)
		}
		return img.(*image.YCbCr)
	}
	changed := func(a, b *image.YCbCr) (tiles map[image.Point]bool) {
		tiles = make(map[image.Point]bool)
		for y := range h {
			for x := range w {
				if a.Y[a.YOffset(x, y)] != b.Y[b.YOffset(x, y)] {
					tiles[image.Pt(x/16, y/16)] = true
				}
			}
		}
		return tiles
	}
	field := func(f field) image.Rectangle {
		return image.Rect(f.left, f.top, f.left+f.width(), f.top+f.rows)
	}
	clock, number := field(l.clock), field(l.number)
	track := image.Rect(0, l.track.top, l.cols, l.track.top+l.track.rows)
	base := decode(60, noon) // the runner is at its start every 60 frames
	for _, c := range []struct {
		name    string
		other   *image.YCbCr
		allowed []image.Rectangle
		least   int
	}{
		{"nothing", decode(60, noon), nil, 0},
		{"the clock", decode(60, noon.Add(10*time.Millisecond)), []image.Rectangle{clock}, 1},
		{"all of the clock", decode(60, noon.Add(9*time.Hour+48*time.Minute+36*time.Second+460*time.Millisecond)), []image.Rectangle{clock}, 8},
		{"the number", decode(120, noon), []image.Rectangle{number}, 2},
		{"the runner", decode(90, noon), []image.Rectangle{number, track}, 10},
	} {
		tiles := changed(base, c.other)
		if len(tiles) < c.least {
			t.Errorf("%s: %d tiles have changed", c.name, len(tiles))
		}
		for p := range tiles {
			in := false
			for _, r := range c.allowed {
				in = in || p.In(r)
			}
			if !in {
				t.Errorf("%s: tile %v has changed", c.name, p)
			}
		}
	}
}

func TestLayoutsDoNotOverlap(t *testing.T) {
	for w := 16; w <= 2000; w += 37 {
		for h := 16; h <= 2000; h += 41 {
			l := plan(w, h)
			row := 0
			if l.diameter > 0 {
				row = l.top
			}
			for _, b := range l.bands {
				if b.kind == trackBand {
					row = l.track.top
				}
				if b.top != row || b.rows < 0 {
					t.Fatalf("%dx%d: band %d begins at %d, want %d: %+v", w, h, b.kind, b.top, row, l)
				}
				row += b.rows
			}
			if row > l.rows || l.number.text == 0 {
				t.Fatalf("%dx%d: %d rows used: %+v", w, h, row, l)
			}
			for _, f := range []field{l.clock, l.number} {
				if f.text > 0 && (f.left < 0 || f.left+f.width() > l.cols || f.top+f.rows > l.track.top) {
					t.Fatalf("%dx%d: a field sticks out: %+v", w, h, l)
				}
			}
		}
	}
}

func TestForeignCommentsAreNotStamps(t *testing.T) {
	e := mjpeg.NewEncoder(50)
	for _, text := range []string{"", "hello", strings.Repeat("x", stampLen), stampSeq + strings.Repeat("7", 19) + "x" + stampCaptured + strings.Repeat("7", 20)} {
		if _, _, ok := ParseStamp(e.AppendTiledHeader(nil, 16, 16, []byte(text))); ok {
			t.Errorf("%q is taken for a stamp", text)
		}
	}
}

func TestTestCameraKeepsItsRateWithoutDrift(t *testing.T) {
	for _, fps := range []int{1, 7, 30, 240} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				r := run(t, v4l2test.New(), Config{Device: "test", Width: 64, Height: 48, FPS: fps})
				defer r.stop()
				rd := r.Hub().Subscribe()
				defer rd.Close()
				first := r.frame(rd)
				_, began, _ := ParseStamp(first.data)
				n := 10 * fps
				for i := 1; i <= n; i++ {
					p := r.frame(rd)
					seq, at, ok := ParseStamp(p.data)
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
		k := newKeeper(c)
		k.cfg, _ = c.config()
		s := openPattern(source{cfg: k.cfg, pool: c.pool, tally: &c.tally})
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
			k := newKeeper(c)
			k.cfg, _ = c.config()
			s, err := openDevice(source{cfg: k.cfg, pool: c.pool, tally: &c.tally})
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

func TestCardsAreReadableAtAnySize(t *testing.T) {
	for _, s := range sizes {
		readable(t, card{name: "kitchen", headline: unplug.headline, since: noon}.paint(s[0], s[1]), s[0], s[1])
		readable(t, card{strings.Repeat("Küche ", 20), "Камера ☂ 📷", strings.Repeat("/dev/video0: ☂ ", 99), noon}.paint(s[0], s[1]), s[0], s[1])
	}
}

func BenchmarkTestCamera720p(b *testing.B) {
	t := newTestCard("kitchen", 1280, 720, 30)
	pool, hub := frame.NewPool(4), frame.NewHub()
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		f := pool.Get(t.most)
		f.Data = t.append(f.Data[:0], n, frame.Now(), time.Now())
		b.SetBytes(int64(len(f.Data)))
		hub.Publish(f)
	}
}

// BenchmarkDevice720p is the way from the driver's buffer to the readers: check, complete, copy, publish.
func BenchmarkDevice720p(b *testing.B) {
	const w, h = 1280, 720
	src := newTestCard("kitchen", w, h, 30).append(nil, 1, 0, noon)
	c := New(Config{}, nil)
	k := newKeeper(c)
	d := &device{source: source{cfg: c.cfg, pool: c.pool, tally: &c.tally}}
	d.mode.Width, d.mode.Height = w, h
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		f, _ := d.takeJPEG(src)
		f.Seq, f.Arrived = n, d.cfg.now()
		k.publish(f)
	}
}
