package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"slices"
	"testing"
)

// referenceReader reads a scan bit by bit, as in the standard's figures.
type referenceReader struct {
	b   []byte
	bit int // in b
}

func (r *referenceReader) take(n int) (v int, ok bool) {
	for range n {
		if r.bit/8 >= len(r.b) {
			return 0, false
		}
		v = v<<1 | int(r.b[r.bit/8]>>(7-r.bit%8)&1)
		r.bit++
	}
	return v, true
}

// symbol reads a code of the table raw, which is as in DHT. Figure F.16.
func (r *referenceReader) symbol(raw []byte) (s int, ok bool) {
	code, first, k := 0, 0, 16
	for _, n := range raw[:16] {
		bit, ok := r.take(1)
		if !ok {
			return 0, false
		}
		code = code<<1 | bit
		if code-first < int(n) {
			return int(raw[k+code-first]), true
		}
		k += int(n)
		first = (first + int(n)) << 1
	}
	return 0, false
}

// value reads a number of size bits, Figure F.12.
func (r *referenceReader) value(size int) (v int, ok bool) {
	v, ok = r.take(size)
	if size > 0 && v < 1<<(size-1) {
		v += 1 - 1<<size
	}
	return v, ok
}

// block reads a block. weight is the sum of the magnitudes of its dequantised
// coefficients.
func (r *referenceReader) block(h *header, c *component, pred *int) (weight int, ok bool) {
	size, ok := r.symbol(h.dc[c.dc].raw[:h.dc[c.dc].n])
	diff, ok2 := r.value(min(size, 16))
	if !ok || !ok2 || size > 11 {
		return 0, false
	}
	*pred += diff
	weight = max(*pred, -*pred) * int(h.steps[c.quant][0])
	if *pred < -1024 || *pred > 1023 {
		weight = 1 << 30
	}
	for k := 1; k < 64; k++ {
		s, ok := r.symbol(h.ac[c.ac].raw[:h.ac[c.ac].n])
		if !ok || s&15 > 10 || s&15 == 0 && s != 0xF0 && s != 0 {
			return 0, false
		}
		if s == 0 { // EOB
			break
		}
		if k += s >> 4; k > 63 && s != 0xF0 {
			return 0, false
		}
		v, ok := r.value(s & 15)
		if !ok {
			return 0, false
		}
		weight += max(v, -v) * int(h.steps[c.quant][k&63])
	}
	return weight, true
}

// conforms reports whether b, whose header is valid, is a complete baseline
// scan. sane reports whether all blocks are within the range of decoders'
// integers.
func conforms(b []byte) (good, sane bool) {
	var h header
	if h.parse(b) != nil || !h.singleScan() || h.n == 4 {
		return false, false
	}
	sane = true
	mcus, rest := h.across*h.down, b[h.data:]
	interval := h.interval
	if interval == 0 {
		interval = mcus
	}
	for m := 0; m < mcus; m += interval {
		if m > 0 { // rest begins with a marker
			if len(rest) < 2 || rest[1] != mRST0+byte((m/interval-1)&7) {
				return false, false
			}
			rest = rest[2:]
		}
		var r referenceReader
		for len(rest) > 0 && (rest[0] != 0xFF || len(rest) > 1 && rest[1] == 0) {
			r.b = append(r.b, rest[0])
			if rest[0] == 0xFF {
				rest = rest[1:]
			}
			rest = rest[1:]
		}
		for len(rest) > 1 && rest[0] == 0xFF && rest[1] == 0xFF {
			rest = rest[1:]
		}
		var pred [3]int
		for range min(interval, mcus-m) {
			for _, i := range h.blocks[:h.perMCU] {
				weight, ok := r.block(&h, &h.comps[i], &pred[i])
				if !ok {
					return false, false
				}
				sane = sane && weight < maxDC
			}
		}
	}
	return true, sane
}

// Decode accepts whatever the standard and image/jpeg accept, and decodes it to
// the same frame. For any input it neither panics nor contradicts itself.
func FuzzDecode(f *testing.F) {
	for name, b := range testFrames(f) {
		if w, s := conforms(b); !w || !s {
			f.Fatal("the reference reader rejects ", name)
		}
		f.Add(b)
	}
	f.Add(stdFrame(f))
	f.Add(slices.Concat(tiledFrame(f)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		soft := Decoder{Deblock: true}
		if d.header.parse(b) == nil && int64(d.header.width)*int64(d.header.height) > 1<<18 {
			return
		}
		var missing error
		for _, scale := range []int{8, 4, 2, 1} {
			p, err := d.Decode(b, scale)
			switch {
			case p == nil && err == nil, p != nil && err != nil && !errors.Is(err, ErrTruncated):
				t.Fatalf("at 1/%d: got planes %v with %v", scale, p != nil, err)
			case p == nil && scale != 1:
				continue
			case p == nil:
				return // TestDecode_invalidFrame has invalid headers
			case scale != 8 && (err == nil) != (missing == nil):
				t.Fatalf("at 1/%d: got %v, and at a smaller size %v", scale, err, missing)
			}
			missing = err
			if _, err := soft.Decode(b, scale); (err == nil) != (missing == nil) {
				t.Fatalf("at 1/%d: got %v, and %v without blocks", scale, missing, err)
			}
			dst := make([]byte, 4*p.W*p.H)
			p.PutBGRX(dst, 4*p.W)
			p.PutRGB565(dst, 2*p.W)
		}
		good, sane := conforms(b)
		if good && missing != nil {
			t.Fatalf("got %v, want no error: the scan conforms", missing)
		}
		if !good || !sane || d.needsResampling() {
			return
		}
		if img, err := jpeg.Decode(bytes.NewReader(b)); err == nil {
			if _, rgb := img.(*image.RGBA); rgb {
				return
			}
			if most := maxImageDiff(t, &d.planes, img); most > 2 {
				t.Fatalf("got samples that differ by %d from image/jpeg's, want at most 2", most)
			}
		}
	})
}
