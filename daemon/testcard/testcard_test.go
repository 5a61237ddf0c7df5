package testcard

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/mjpeg"
)

// sizes are frame sizes in pixels: small, odd, wide, high and common ones.
var sizes = [][2]int{
	{16, 16}, {17, 16}, {16, 33}, {31, 400}, {176, 48}, {177, 99}, {320, 240}, {400, 17}, {640, 480}, {1000, 333},
	{720, 1280}, {8192, 90}, {90, 8192},
}

// noon is the time of day that the tests show.
var noon = time.Date(2026, 11, 22, 14, 3, 22, 470e6, time.UTC)

func TestPattern_anySize(t *testing.T) {
	for i, size := range sizes {
		rates := []int{30}
		if i < 4 {
			rates = []int{1, 30, 240}
		}
		for _, fps := range rates {
			t.Run(fmt.Sprintf("%dx%d %d fps", size[0], size[1], fps), func(t *testing.T) {
				p := New("Küche 2", size[0], size[1], fps)
				for _, seq := range []uint64{0, 2*uint64(fps) - 1, 1<<64 - 1} {
					b := p.AppendFrame(nil, seq, 12345*time.Hour, noon)
					if len(b) > p.MaxLen() {
						t.Errorf("got %d bytes, want at most MaxLen, %d", len(b), p.MaxLen())
					}
					info, err := mjpeg.Check(b)
					if err != nil || info.Width != size[0] || info.Height != size[1] || info.End != len(b) {
						t.Fatalf("got %+v, %v; want one complete frame of that size", info, err)
					}
					checkJPEG(t, b, size[0], size[1])
					if got, at, ok := teststamp.Parse(b); !ok || got != seq || at != 12345*time.Hour {
						t.Errorf("got stamp %d, %v, %v; want %d, %v", got, at, ok, seq, 12345*time.Hour)
					}
				}
			})
		}
	}
}

// Most viewers use libjpeg. It prints its warnings to standard error.
func TestLibjpegWarnings(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	for _, size := range sizes {
		for kind, b := range map[string][]byte{
			"pattern": New("kitchen", size[0], size[1], 30).AppendFrame(nil, 7, 1, noon),
			"card":    Card{Name: "kitchen", Headline: "Camera unplugged", Since: noon}.JPEG(size[0], size[1]),
		} {
			t.Run(fmt.Sprintf("%s %dx%d", kind, size[0], size[1]), func(t *testing.T) {
				name := filepath.Join(t.TempDir(), "frame.jpg")
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(djpeg, "-pnm", "-outfile", os.DevNull, name)
				if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
					t.Errorf("djpeg: got %v, output %q; want no output", err, out)
				}
			})
		}
	}
}

// Digits, colons and the runner change the frame at their place and nowhere
// else.
func TestPattern_changes(t *testing.T) {
	const w, h = 640, 480
	pattern, l := New("kitchen", w, h, 30), plan(w, h)
	decode := func(seq uint64, wall time.Time) *image.YCbCr {
		img, err := jpeg.Decode(bytes.NewReader(pattern.AppendFrame(nil, seq, 0, wall)))
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
	// The runner starts again every 60 frames. Every digit of later differs
	// from noon.
	base := decode(60, noon)
	later := noon.Add(9*time.Hour + 48*time.Minute + 36*time.Second + 460*time.Millisecond)
	for _, tt := range []struct {
		name     string
		other    *image.YCbCr
		allowed  []image.Rectangle
		minTiles int
	}{
		{"nothing", decode(60, noon), nil, 0},
		{"the clock", decode(60, noon.Add(10*time.Millisecond)), []image.Rectangle{clock}, 1},
		{"every digit of the clock", decode(60, later), []image.Rectangle{clock}, 8},
		{"the number", decode(120, noon), []image.Rectangle{number}, 2},
		{"the runner", decode(90, noon), []image.Rectangle{number, track}, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tiles := changed(base, tt.other)
			if len(tiles) < tt.minTiles {
				t.Errorf("got %d changed tiles, want at least %d", len(tiles), tt.minTiles)
			}
			for p := range tiles {
				if !slices.ContainsFunc(tt.allowed, func(r image.Rectangle) bool { return p.In(r) }) {
					t.Errorf("tile %v: got a change, want none outside %v", p, tt.allowed)
				}
			}
		})
	}
}

func TestPlan_overlap(t *testing.T) {
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
					t.Fatalf("%dx%d: band %d: got top %d, want %d: %+v", w, h, b.kind, b.top, row, l)
				}
				row += b.rows
			}
			if row > l.rows || l.number.text == 0 {
				t.Fatalf("%dx%d: got %d rows, want at most %d, with a number: %+v", w, h, row, l.rows, l)
			}
			for _, f := range []field{l.clock, l.number} {
				if f.text > 0 && (f.left < 0 || f.left+f.width() > l.cols || f.top+f.rows > l.track.top) {
					t.Fatalf("%dx%d: got a field outside the frame: %+v", w, h, l)
				}
			}
		}
	}
}

func TestCard_anySize(t *testing.T) {
	for _, card := range []Card{
		{Name: "kitchen", Headline: "Camera unplugged", Since: noon},
		{strings.Repeat("Küche ", 20), "Камера ☂ 📷", strings.Repeat("/dev/video0: ☂ ", 99), noon},
	} {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s %dx%d", card.Headline, size[0], size[1]), func(t *testing.T) {
				checkJPEG(t, card.JPEG(size[0], size[1]), size[0], size[1])
			})
		}
	}
}

// checkJPEG fails the test unless image/jpeg decodes b with the wanted size.
func checkJPEG(t *testing.T, b []byte, width, height int) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Errorf("decode the frame: %v", err)
		return
	}
	if got := img.Bounds().Size(); got.X != width || got.Y != height {
		t.Errorf("got a frame of %v, want %dx%d", got, width, height)
	}
}
