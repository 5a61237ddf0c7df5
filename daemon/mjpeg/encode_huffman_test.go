package mjpeg

import (
	"math"
	"math/rand/v2"
	"testing"
)

// frequencies are kinds of statistics; Fibonacci's numbers make the deepest trees.
func frequencies() map[string]*[256]uint32 {
	rng := rand.New(rand.NewPCG(7, 8))
	m := map[string]*[256]uint32{"one": {5: 7}, "two": {5: 1, 9: 100}, "equal": {}, "fibonacci": {}, "random": {}, "steep": {}, "large": {}}
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

func TestCodesFitTheirStatistics(t *testing.T) {
	var table codeTable
	for name, freq := range frequencies() {
		table.make(freq)
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
		table.each(func(symbol byte, code uint32, bits int) {
			coded[symbol] = bits
			kraft += math.Exp2(-float64(bits))
			behind += float64(freq[symbol]) * float64(symbol&15)
			if code == 1<<bits-1 {
				t.Errorf("%s: symbol %d has the code of all ones", name, symbol)
			}
			last = code
		})
		if len(coded) != used || table.n != used {
			t.Errorf("%s: %d symbols have a code, %d occur; the last code is %b", name, len(coded), used, last)
		}
		for s, f := range freq {
			if bits := coded[byte(s)]; f > 0 && (bits < 1 || bits > 16) {
				t.Errorf("%s: symbol %d has %d bits", name, s, bits)
			}
		}
		if kraft >= 1 {
			t.Errorf("%s: the codes' lengths are impossible: %v", name, kraft)
		}
		// Huffman's codes are within a bit of the entropy; the limit of 16 bits costs Fibonacci's little.
		if got := float64(table.cost(freq)) - behind; got < entropy-1 || got > entropy+total {
			t.Errorf("%s: %.0f bits, the entropy is %.0f", name, got, entropy)
		}
	}
}

// What codeTable makes huffDecoder reads.
func TestMadeCodesAreDecoded(t *testing.T) {
	var table codeTable
	var d huffDecoder
	for name, freq := range frequencies() {
		table.make(freq)
		raw := table.appendTo(nil, 0)[1:]
		if !d.set(raw, maxACBits) {
			t.Errorf("%s: refused", name)
			continue
		}
		table.each(func(symbol byte, code uint32, bits int) {
			if int(symbol&15) > maxACBits {
				return
			}
			acc := uint64(code) << (64 - bits)
			e := d.look[acc>>(64-lookBits)]
			if e == 0 {
				e = d.long(acc)
			}
			if run := byte(e >> 8 & 15); run != symbol>>4 {
				t.Errorf("%s: symbol %02X is decoded as run %d", name, symbol, run)
			}
			length := int(e & 0xFF)
			if e&special == 0 {
				length -= int(symbol & 15)
			}
			if length != bits {
				t.Errorf("%s: symbol %02X has %d bits, decoded %d", name, symbol, bits, length)
			}
		})
	}
}

func TestImpossibleTablesAreRefused(t *testing.T) {
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
		if d.set(raw, maxACBits) {
			t.Errorf("%s: accepted", name)
		}
		if d.n != 0 {
			t.Errorf("%s: the decoder keeps it", name)
		}
	}
	if !d.set(counts(0, 2), maxACBits) || !d.set(make([]byte, 16), maxACBits) {
		t.Error("possible tables are refused")
	}
}
