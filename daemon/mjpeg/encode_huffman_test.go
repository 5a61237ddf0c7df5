package mjpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// frequencies are several distributions of symbols. Fibonacci numbers give the
// deepest trees.
func frequencies() map[string]*[256]uint32 {
	rng := rand.New(rand.NewPCG(7, 8))
	m := map[string]*[256]uint32{
		"one": {5: 7}, "two": {5: 1, 9: 100}, "equal": {}, "fibonacci": {}, "random": {}, "steep": {}, "large": {},
	}
	a, b := uint32(1), uint32(1)
	for i := range 162 {
		m["equal"][i] = 1
		m["random"][i] = uint32(rng.IntN(1000))
		m["steep"][i] = uint32(1e6 * math.Exp(-float64(i)/4))
		m["large"][i] = 1 << 17
		if i < 36 {
			m["fibonacci"][i] = a
			a, b = b, a+b
		}
	}
	return m
}

func TestCodeTable_optimal(t *testing.T) {
	var table codeTable
	for name, freq := range frequencies() {
		t.Run(name, func(t *testing.T) {
			table.build(freq)
			used, total, kraft, last := 0, 0.0, 0.0, uint32(0)
			entropy := 0.0
			for _, f := range freq {
				total += float64(f)
			}
			for _, f := range freq {
				if f > 0 {
					used++
					entropy -= float64(f) * math.Log2(float64(f)/total)
				}
			}
			coded, behind := map[byte]int{}, 0.0
			table.eachCode(func(symbol byte, code uint32, bits int) {
				coded[symbol] = bits
				kraft += math.Exp2(-float64(bits))
				behind += float64(freq[symbol]) * float64(symbol&15)
				if code == 1<<bits-1 {
					t.Errorf("got the code of all ones for symbol %d", symbol)
				}
				last = code
			})
			if len(coded) != used || table.n != used {
				t.Errorf("got codes for %d symbols, want %d; the last code is %b", len(coded), used, last)
			}
			for s, f := range freq {
				if bits := coded[byte(s)]; f > 0 && (bits < 1 || bits > 16) {
					t.Errorf("symbol %d: got a code of %d bits, want 1 to 16", s, bits)
				}
			}
			if kraft >= 1 {
				t.Errorf("got a Kraft sum of %v, want less than 1", kraft)
			}
			// Huffman codes are within one bit of the entropy. The limit of 16
			// bits costs Fibonacci's little.
			if got := float64(table.cost(freq)) - behind; got < entropy-1 || got > entropy+total {
				t.Errorf("got %.0f bits, want %.0f and up to one more a symbol", got, entropy)
			}
		})
	}
}

// huffDecoder decodes the tables of codeTable.
func TestHuffDecoder_builtTables(t *testing.T) {
	var table codeTable
	var d huffDecoder
	for name, freq := range frequencies() {
		t.Run(name, func(t *testing.T) {
			table.build(freq)
			raw := table.appendDHT(nil, 0)[1:]
			if !d.set(raw, maxACBits) {
				t.Fatal("got false for a valid table, want true")
			}
			table.eachCode(func(symbol byte, code uint32, bits int) {
				if int(symbol&15) > maxACBits {
					return
				}
				acc := uint64(code) << (64 - bits)
				e := d.look[acc>>(64-lookBits)]
				if e == 0 {
					e = d.longCode(acc)
				}
				if run := byte(e >> 8 & 15); run != symbol>>4 {
					t.Errorf("symbol %02X: got run %d", symbol, run)
				}
				length := int(e & 0xFF)
				if e&specialEntry == 0 {
					length -= int(symbol & 15)
				}
				if length != bits {
					t.Errorf("symbol %02X: got %d bits, want %d", symbol, length, bits)
				}
			})
		})
	}
}

func TestHuffDecoder_invalidTable(t *testing.T) {
	var d huffDecoder
	counts := func(at, n byte) []byte {
		b := make([]byte, 16+int(n))
		b[at] = n
		return b
	}
	for name, raw := range map[string][]byte{
		"three codes of one bit":   counts(0, 3),
		"five codes of two bits":   counts(1, 5),
		"fewer symbols than codes": counts(3, 7)[:20],
		"more symbols than codes":  append(counts(3, 7), 1),
	} {
		t.Run(name, func(t *testing.T) {
			if d.set(raw, maxACBits) {
				t.Error("got true, want false")
			}
			if d.n != 0 {
				t.Errorf("got %d bytes of the table kept, want none", d.n)
			}
		})
	}
	if !d.set(counts(0, 2), maxACBits) || !d.set(make([]byte, 16), maxACBits) {
		t.Error("got false for valid tables, want true")
	}
}
