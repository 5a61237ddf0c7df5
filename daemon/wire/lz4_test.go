package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

const canary = 0xa5

// guarded gives n bytes with a canary on both sides, and a check that nobody wrote there.
func guarded(t testing.TB, n int) (room []byte, intact func()) {
	const wide = 256
	all := bytes.Repeat([]byte{canary}, wide+n+wide)
	return all[wide : wide+n], func() {
		t.Helper()
		for _, side := range [][]byte{all[:wide], all[wide+n:]} {
			for _, b := range side {
				if b != canary {
					t.Fatal("written outside the room")
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

// card is a YUYV frame of flat fields, as a test card is.
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
		room int
		ok   bool
	}{
		{"card", card(1280, 720), 1280 * 720 * 2, true},
		{"flat", make([]byte, 1<<20), 1 << 20, true},
		{"noise is sent stored", noise(1 << 20), 1 << 20, false},
		{"noise, though there is room for all of it", noise(1 << 20), 1 << 21, false},
		{"no room", card(1280, 720), 100, false},
		{"no room at all", card(1280, 720), 0, false},
		{"nearly noise is not worth it", append(noise(97_000), make([]byte, 3000)...), 200_000, false},
		{"somewhat less noise is", append(noise(90_000), make([]byte, 10_000)...), 200_000, true},
		{"one pixel pair", []byte{1, 2, 3, 4}, 100, false},
		{"nothing", nil, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var z LZ4
			packed, intact := guarded(t, c.room)
			for range 2 { // the second time with tables that were used
				n, ok := z.Compress(packed, c.raw)
				intact()
				if ok != c.ok {
					t.Fatalf("packed: %v, %d of %d bytes; want %v", ok, n, len(c.raw), c.ok)
				}
				if !ok {
					continue
				}
				if n > MaxLZ4Size(len(c.raw)) {
					t.Errorf("%d of %d bytes are above 95 %%", n, len(c.raw))
				}
				raw, intact := guarded(t, len(c.raw))
				if err := z.Decompress(raw, packed[:n]); err != nil {
					t.Fatal(err)
				}
				intact()
				if !bytes.Equal(raw, c.raw) {
					t.Error("unpacked to something else")
				}
			}
		})
	}
}

func TestDecompressRefuses(t *testing.T) {
	var z LZ4
	raw := card(64, 64)
	packed := make([]byte, len(raw))
	n, ok := z.Compress(packed, raw)
	if !ok {
		t.Fatal("a card does not pack")
	}
	packed = packed[:n]
	for _, c := range []struct {
		name string
		room int
		src  []byte
	}{
		{"nothing", len(raw), nil},
		{"cut off", len(raw), packed[:n-1]},
		{"half", len(raw), packed[:n/2]},
		{"more than asked for", len(raw) - 1, packed},
		{"less than asked for", len(raw) + 1, packed},
		{"twice", len(raw), append(packed[:n:n], packed...)},
		{"noise", len(raw), noise(n)},
		{"a length without end", len(raw), bytes.Repeat([]byte{0xff}, n)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst, intact := guarded(t, c.room)
			if err := z.Decompress(dst, c.src); !errors.Is(err, ErrBadData) || !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, want ErrBadData", err)
			}
			intact()
		})
	}
}

func TestLZ4Room(t *testing.T) {
	// The largest frame there can be, on a machine of 32 bits too.
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
		b.Fatal("a card does not pack")
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
