package terminal

import "testing"

func TestPaletteIndex_isNearest(t *testing.T) {
	levels := [...]int{0, 95, 135, 175, 215, 255}
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				p := rgb{uint8(r), uint8(g), uint8(b)}
				best := 1 << 30
				for i := range 216 {
					best = min(best, distance(p, levels[i/36], levels[i/6%6], levels[i%6]))
				}
				for i := range 24 {
					best = min(best, distance(p, 8+10*i, 8+10*i, 8+10*i))
				}
				n, got := int(paletteIndex(p)), 0
				if n >= 232 {
					got = distance(p, 8+10*(n-232), 8+10*(n-232), 8+10*(n-232))
				} else {
					n -= 16
					got = distance(p, levels[n/36], levels[n/6%6], levels[n%6])
				}
				if got != best {
					t.Fatalf("%v: got color %d at distance %d, want distance %d", p, n, got, best)
				}
			}
		}
	}
}
