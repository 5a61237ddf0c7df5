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
// not below 10 KB. At half the width and height all sizes are a quarter, at
// three eighths a seventh.
func fakeRequantise(err error) requantiseFunc {
	return func(dst, src []byte, _ mjpeg.Info, limit, eighths int) ([]byte, float64, error) {
		full, least := len(src), 10_000
		full, least = full*eighths*eighths/64, least*eighths*eighths/64
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
		name    string
		at      time.Duration // seconds
		budget  int
		size    int
		eighths int
	}{
		{"coarser", 1, 30_000, 30_000, 8},
		{"as coarse as allowed", 2, 17_000, 17_000, 8},
		{"half the size", 3, 14_000, 14_000, 4},
		{"half the size, coarser", 4, 5_000, 5_000, 4},
		{"three eighths", 5, 4_000, 4_000, 3},
		{"as small as possible", 6, 1_000, 1_406, 3},
		{"three eighths, larger budget", 7, 5_000, 5_000, 3},
		{"1.4 times the budget that was too small for half", 8, 6_000, 6_000, 4},
		{"half the size, larger budget", 9, 18_000, 18_000, 4},
		{"1.4 times the budget that was too small", 9, 21_000, 21_000, 8},
		{"half the size again", 10, 12_000, 12_000, 4},
		{"retried in vain", 20, 12_000, 12_000, 4},
		{"retried at the limit", 23, 16_700, 16_700, 4},
		{"finer, but just retried", 24, 16_790, 16_790, 4},
		{"finer", 26, 20_000, 20_000, 8},
		{"both smaller sizes are skipped", 27, 3_000, 3_000, 3},
		{"the scene got simpler", 40, 4_190, 4_190, 3},
		{"half the size after a retry", 45, 5_000, 5_000, 4},
		{"and all of it at once", 46, 30_000, 30_000, 8},
	} {
		out, eighths, err := q.fit(data, step.budget, step.at*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != step.size || eighths != step.eighths {
			t.Errorf("%s: got %d bytes at %d/8; want %d at %d/8", step.name, len(out), eighths, step.size, step.eighths)
		}
	}
}

func TestFitter_irreducible(t *testing.T) {
	data := testJPEG(t)
	q := fitter{requantise: fakeRequantise(fmt.Errorf("%w: progressive", mjpeg.ErrUnsupported))}
	if out, eighths, err := q.fit(data, 1000, 0); err != nil || &out[0] != &data[0] || eighths != 8 {
		t.Errorf("got other data at %d/8, %v; want the frame itself", eighths, err)
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
