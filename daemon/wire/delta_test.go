package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// slowDifference computes the difference byte by byte, as PROTOCOL.md defines
// it.
func slowDifference(raw, base []byte) []byte {
	var lower, upper []byte
	for at := 0; at < len(raw); at += 16 {
		g := min(16, len(raw)-at)
		d := func(i int) int { return (int(raw[at+i]) - int(base[at+i]) + 8 + 256) % 256 }
		for j := range g / 2 {
			lower = append(lower, byte(d(j)%16+16*(d(j+g/2)%16)))
			upper = append(upper, byte(d(j)/16+16*(d(j+g/2)/16)))
		}
	}
	return append(lower, upper...)
}

func checkDifference(t *testing.T, raw, base []byte) {
	t.Helper()
	diff, intact := guarded(t, len(raw))
	Difference(diff, raw, base)
	intact()
	if !bytes.Equal(diff, slowDifference(raw, base)) {
		t.Errorf("%d bytes: Difference does not match PROTOCOL.md", len(raw))
	}
	got, intact := guarded(t, len(raw))
	Restore(got, diff, base)
	intact()
	if !bytes.Equal(got, raw) {
		t.Errorf("%d bytes: Restore does not reverse Difference", len(raw))
	}
}

func TestDifference(t *testing.T) {
	var raw, base []byte // every pair of bytes
	for i := range 1 << 16 {
		raw, base = append(raw, byte(i)), append(base, byte(i>>8))
	}
	checkDifference(t, raw, base)
	r := rand.NewChaCha8([32]byte{2})
	for n := 0; n <= 68; n += 4 { // every length of the last group
		raw, base := make([]byte, n), make([]byte, n)
		r.Read(raw)
		r.Read(base)
		checkDifference(t, raw, base)
	}
}

func FuzzDifference(f *testing.F) {
	f.Add([]byte("0123456789abcdefghij"), []byte("0123456789abcdffghii"))
	f.Fuzz(func(t *testing.T, raw, base []byte) {
		n := min(len(raw), len(base)) &^ 3
		checkDifference(t, raw[:n], base[:n])
		Restore(make([]byte, n), raw[:n], base[:n]) // any bytes are a valid diff
	})
}

func TestCodec_Allowed_delta(t *testing.T) {
	for _, c := range []struct {
		features []string
		want     bool
	}{
		{[]string{FeatureYUYV, FeatureLZ4, FeatureDelta}, true},
		{[]string{FeatureYUYV, FeatureLZ4}, false},
		{[]string{FeatureYUYV, FeatureDelta}, false},
		{[]string{FeatureLZ4, FeatureDelta}, false},
	} {
		t.Run(strings.Join(c.features, " "), func(t *testing.T) {
			if got := CodecYUYVDelta.Allowed(c.features); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
	p := Frame{Seq: 3, Base: 3, Width: 8, Height: 2, Codec: CodecYUYVDelta, Size: 9}
	if err := p.Validate(); !errors.Is(err, ErrBadValue) {
		t.Errorf("difference to itself: got %v, want ErrBadValue", err)
	}
}

func BenchmarkDifference(b *testing.B) {
	raw, base := noise(1280*720*2), card(1280, 720)
	diff := make([]byte, len(raw))
	b.Run("Difference", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			Difference(diff, raw, base)
		}
	})
	b.Run("Restore", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			Restore(raw, diff, base)
		}
	})
}
