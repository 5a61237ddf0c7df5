package framecodec

import (
	"errors"
	"testing"
	"time"

	"vchat/daemon/mjpeg"
)

// squeeze is a shrinker for which a frame of full size gets coarser as there is less room, and cannot get below 10 KB;
// of half the size all is a quarter.
type squeeze struct{ err error }

func (q squeeze) Shrink(dst, src []byte, info mjpeg.Info, limit int, half bool) ([]byte, float64, error) {
	whole, least := len(src), 10_000
	if half {
		whole, least = whole/4, least/4
	}
	n := min(whole, max(least, limit))
	return append(dst, src[:n]...), float64(whole) / float64(n) / 2, q.err
}

func kitchen(t *testing.T) []byte {
	t.Helper()
	b, err := mjpeg.NewEncoder(80).EncodeYUYV(nil, make([]byte, 2*640*480), 640, 480, 2*640)
	if err != nil {
		t.Fatal(err)
	}
	// Padding behind the end is no fault (see mjpeg.Check), and makes it as large as a frame of a room.
	return append(b, make([]byte, 100_000-len(b))...)
}

func TestQualityThenSize(t *testing.T) {
	data := kitchen(t)
	q := quality{shrinker: squeeze{}}
	for _, tt := range []struct {
		name string
		at   time.Duration
		room int
		size int
		half bool
	}{
		{"coarser", 1, 30_000, 30_000, false},
		{"as coarse as may be", 2, 17_000, 17_000, false},
		{"half the size", 3, 14_000, 14_000, true},
		{"half the size, coarser", 4, 5_000, 5_000, true},
		{"as small as can be", 5, 1_000, 2_500, true},
		{"half the size, with room", 6, 18_000, 18_000, true},
		{"more room than where the full size was given up", 7, 21_000, 21_000, false},
		{"half the size again", 8, 12_000, 12_000, true},
		{"tried again after a while, in vain", 20, 12_000, 12_000, true},
		{"once more, at the brink", 23, 16_700, 16_700, true},
		{"clearly finer, but just tried", 24, 16_790, 16_790, true},
		{"clearly finer", 26, 20_000, 20_000, false},
	} {
		out, half := q.fit(data, tt.room, tt.at*time.Second)
		if len(out) != tt.size || half != tt.half {
			t.Errorf("%s: %d bytes, half %v; want %d, %v", tt.name, len(out), half, tt.size, tt.half)
		}
	}
}

func TestWhatCannotBeMadeSmallerGoesAsItIs(t *testing.T) {
	data := kitchen(t)
	for name, q := range map[string]*quality{
		"no shrinker": {},
		"refused":     {shrinker: squeeze{errors.New("progressive")}},
	} {
		if out, half := q.fit(data, 1000, 0); &out[0] != &data[0] || half {
			t.Errorf("%s: not the frame itself", name)
		}
	}
	q := quality{shrinker: squeeze{}}
	if out, _ := q.fit([]byte("no JPEG"), 3, 0); string(out) != "no JPEG" {
		t.Errorf("%q", out)
	}
}
