package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

const canary = 0xa5

// guarded returns a buffer of n bytes between canaries, and a function that
// checks them.
func guarded(t testing.TB, n int) (buf []byte, intact func()) {
	const margin = 256
	all := bytes.Repeat([]byte{canary}, margin+n+margin)
	return all[margin : margin+n], func() {
		t.Helper()
		for _, side := range [][]byte{all[:margin], all[margin+n:]} {
			for _, b := range side {
				if b != canary {
					t.Fatal("got bytes written outside the buffer, want none")
				}
			}
		}
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

// card returns a YUYV frame of flat areas, like a test card.
func card(width, height int) []byte {
	b := make([]byte, 0, width*height*2)
	for i := range width * height / 2 {
		y := byte(i % width / 40 * 16)
		b = append(b, y, 128, y, 90)
	}
	return b
}

func TestLZ4(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  []byte
		size int // of the buffer
		ok   bool
	}{
		{"card", card(1280, 720), 1280 * 720 * 2, true},
		{"flat", make([]byte, 1<<20), 1 << 20, true},
		{"noise", noise(1 << 20), 1 << 20, false},
		{"noise, large buffer", noise(1 << 20), 1 << 21, false},
		{"small buffer", card(1280, 720), 100, false},
		{"empty buffer", card(1280, 720), 0, false},
		{"97 % noise", append(noise(97_000), make([]byte, 3000)...), 200_000, false},
		{"90 % noise", append(noise(90_000), make([]byte, 10_000)...), 200_000, true},
		{"one pixel pair", []byte{1, 2, 3, 4}, 100, false},
		{"empty", nil, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var z LZ4
			packed, intact := guarded(t, c.size)
			for range 2 { // the second time with used tables
				n, ok := z.Compress(packed, c.raw)
				intact()
				if ok != c.ok {
					t.Fatalf("got %v, %d of %d bytes; want %v", ok, n, len(c.raw), c.ok)
				}
				if !ok {
					continue
				}
				if n > MaxLZ4Size(len(c.raw)) {
					t.Errorf("got %d of %d bytes, want at most 95 %%", n, len(c.raw))
				}
				raw, intact := guarded(t, len(c.raw))
				if err := z.Decompress(raw, packed[:n]); err != nil {
					t.Fatal(err)
				}
				intact()
				if !bytes.Equal(raw, c.raw) {
					t.Error("Decompress: got other bytes than were compressed")
				}
			}
		})
	}
}

func TestLZ4_Decompress_invalid(t *testing.T) {
	var z LZ4
	raw := card(64, 64)
	packed := make([]byte, len(raw))
	n, ok := z.Compress(packed, raw)
	if !ok {
		t.Fatal("Compress of a card failed")
	}
	packed = packed[:n]
	for _, c := range []struct {
		name string
		size int // of the buffer
		src  []byte
	}{
		{"empty", len(raw), nil},
		{"truncated", len(raw), packed[:n-1]},
		{"half", len(raw), packed[:n/2]},
		{"longer than the buffer", len(raw) - 1, packed},
		{"shorter than the buffer", len(raw) + 1, packed},
		{"twice", len(raw), append(packed[:n:n], packed...)},
		{"noise", len(raw), noise(n)},
		{"endless length", len(raw), bytes.Repeat([]byte{0xff}, n)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst, intact := guarded(t, c.size)
			if err := z.Decompress(dst, c.src); !errors.Is(err, ErrBadData) || !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, want ErrBadData", err)
			}
			intact()
		})
	}
}

func TestMaxLZ4Size(t *testing.T) {
	// MaxFrame must not overflow a 32-bit int.
	for n, want := range map[int]int{0: 0, 1: 0, 100: 95, MaxFrame: 15938355} {
		if got := MaxLZ4Size(n); got != want {
			t.Errorf("MaxLZ4Size(%d) = %d, want %d", n, got, want)
		}
	}
}

func BenchmarkLZ4(b *testing.B) {
	raw := card(1280, 720)
	packed := make([]byte, MaxLZ4Size(len(raw)))
	var z LZ4
	n, ok := z.Compress(packed, raw)
	if !ok {
		b.Fatal("Compress of a card failed")
	}
	b.Run("Compress", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			z.Compress(packed, raw)
		}
	})
	b.Run("Decompress", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			if err := z.Decompress(raw, packed[:n]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
