package testcard

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/mjpeg"
)

var sizes = [][2]int{{16, 16}, {17, 16}, {16, 33}, {31, 400}, {176, 48}, {177, 99}, {320, 240}, {400, 17}, {640, 480}, {1000, 333},
	{720, 1280}, {8192, 90}, {90, 8192}}

// noon is a time of day on the cards of the tests.
var noon = time.Date(2026, 11, 22, 14, 3, 22, 470e6, time.UTC)

func TestTestCardIsReadableAtAnySize(t *testing.T) {
	for i, s := range sizes {
		rates := []int{30}
		if i < 4 {
			rates = []int{1, 30, 240}
		}
		for _, fps := range rates {
			c := New("Küche 2", s[0], s[1], fps)
			for _, seq := range []uint64{0, 2*uint64(fps) - 1, 1<<64 - 1} {
				b := c.AppendFrame(nil, seq, 12345*time.Hour, noon)
				if len(b) > c.MaxLen() {
					t.Errorf("%v: %d bytes, at most %d were announced", s, len(b), c.MaxLen())
				}
				info, err := mjpeg.Check(b)
				if err != nil || info.Width != s[0] || info.Height != s[1] || info.End != len(b) {
					t.Fatalf("%v, %d/s: %+v, %v", s, fps, info, err)
				}
				readable(t, b, s[0], s[1])
				if got, at, ok := teststamp.Parse(b); !ok || got != seq || at != 12345*time.Hour {
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
			"test card": New("kitchen", s[0], s[1], 30).AppendFrame(nil, 7, 1, noon),
			"card":      Card{Name: "kitchen", Headline: "Camera unplugged", Since: noon}.JPEG(s[0], s[1]),
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
	c, l := New("kitchen", w, h, 30), plan(w, h)
	decode := func(seq uint64, wall time.Time) *image.YCbCr {
		img, err := jpeg.Decode(bytes.NewReader(c.AppendFrame(nil, seq, 0, wall)))
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

func TestCardsAreReadableAtAnySize(t *testing.T) {
	for _, s := range sizes {
		readable(t, Card{Name: "kitchen", Headline: "Camera unplugged", Since: noon}.JPEG(s[0], s[1]), s[0], s[1])
		readable(t, Card{strings.Repeat("Küche ", 20), "Камера ☂ 📷", strings.Repeat("/dev/video0: ☂ ", 99), noon}.JPEG(s[0], s[1]), s[0], s[1])
	}
}

// readable fails unless b is a JPEG of that size, also to image/jpeg.
func readable(t *testing.T, b []byte, width, height int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Errorf("unreadable frame: %v", err)
		return
	}
	if got := img.Bounds().Size(); got.X != width || got.Y != height {
		t.Errorf("a frame of %v, want %dx%d", got, width, height)
	}
}
