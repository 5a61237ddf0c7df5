package framecodec

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// fakeRequantise returns a requantiseFunc that cuts a frame to the limit, but
// not below 10 KB. At half the width and height all sizes are a quarter.
func fakeRequantise(err error) requantiseFunc {
	return func(dst, src []byte, _ mjpeg.Info, limit int, half bool) ([]byte, float64, error) {
		full, least := len(src), 10_000
		if half {
			full, least = full/4, least/4
		}
		n := min(full, max(least, limit))
		return append(dst, src[:n]...), float64(full) / float64(n) / 2, err
	}
}

// testJPEG returns a JPEG of 100,000 bytes.
func testJPEG(t *testing.T) []byte {
	t.Helper()
	b, err := mjpeg.NewEncoder(80).EncodeYUYV(nil, make([]byte, 2*640*480), 640, 480, 2*640)
	if err != nil {
		t.Fatal(err)
	}
	// Padding behind the end is allowed, see mjpeg.Check.
	return append(b, make([]byte, 100_000-len(b))...)
}

func TestFitter_qualityThenSize(t *testing.T) {
	data := testJPEG(t)
	q := fitter{requantise: fakeRequantise(nil)}
	for _, step := range []struct { // each step continues from the previous one
		name   string
		at     time.Duration // seconds
		budget int
		size   int
		halved bool
	}{
		{"coarser", 1, 30_000, 30_000, false},
		{"as coarse as allowed", 2, 17_000, 17_000, false},
		{"half the size", 3, 14_000, 14_000, true},
		{"half the size, coarser", 4, 5_000, 5_000, true},
		{"as small as possible", 5, 1_000, 2_500, true},
		{"half the size, larger budget", 6, 18_000, 18_000, true},
		{"1.4 times the budget that was too small", 7, 21_000, 21_000, false},
		{"half the size again", 8, 12_000, 12_000, true},
		{"retried in vain", 20, 12_000, 12_000, true},
		{"retried at the limit", 23, 16_700, 16_700, true},
		{"finer, but just retried", 24, 16_790, 16_790, true},
		{"finer", 26, 20_000, 20_000, false},
	} {
		out, halved, err := q.fit(data, step.budget, step.at*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != step.size || halved != step.halved {
			t.Errorf("%s: got %d bytes, halved %v; want %d, %v", step.name, len(out), halved, step.size, step.halved)
		}
	}
}

func TestFitter_irreducible(t *testing.T) {
	data := testJPEG(t)
	q := fitter{requantise: fakeRequantise(fmt.Errorf("%w: progressive", mjpeg.ErrUnsupported))}
	if out, halved, err := q.fit(data, 1000, 0); err != nil || &out[0] != &data[0] || halved {
		t.Errorf("got other data, halved %v, %v; want the frame itself", halved, err)
	}
}

// A damaged frame is not sent as if it could not be reduced.
func TestEncoder_damagedFrame(t *testing.T) {
	e := NewEncoder(nil)
	yuyv := make([]byte, 2*160*120)
	for i := range yuyv {
		yuyv[i] = byte(i * i >> 3)
	}
	good, err := mjpeg.NewEncoder(90).EncodeYUYV(nil, yuyv, 160, 120, 0)
	if err != nil {
		t.Fatal(err)
	}
	cut := append(bytes.Clone(good[:len(good)*3/4]), 0xFF, 0xD9)
	flipped := bytes.Clone(good)
	flipped[bytes.Index(good, []byte{0xFF, 0xDB})+5] = 0 // a quantisation step
	for name, data := range map[string][]byte{"cut off": cut, "step 0": flipped, "no JPEG": []byte("no JPEG")} {
		t.Run(name, func(t *testing.T) {
			f := &frame.Frame{Data: data, Meta: frame.Meta{Format: frame.JPEG, Width: 160, Height: 120}}
			if enc, err := e.Encode(f, len(data)-1, 0); !errors.Is(err, ErrBroken) {
				t.Errorf("got %d bytes, %v; want ErrBroken", len(enc.Data), err)
			}
			if enc, err := e.Encode(f, len(data), 0); err != nil || !bytes.Equal(enc.Data, data) {
				t.Errorf("with enough bytes: got %d bytes, %v; want the frame", len(enc.Data), err)
			}
		})
	}
}
