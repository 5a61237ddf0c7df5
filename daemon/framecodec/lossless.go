package framecodec

import (
	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// lossless encodes raw frames: full, or as a delta, the difference to the
// previous one. Which is smaller depends on the scene: noise favours the delta,
// movement the full frame. Packing both would double the work, so a sample of
// both decides which to pack first. The other one is packed only if it could
// still be smaller.
//
//	sample ─▶ pack the likelier ─▶ as small as the other can be at best: done
//	                            └▶ else pack the other ─▶ the smaller of the two
type lossless struct {
	lz4         *wire.LZ4 // created with the first frame
	full, delta []byte    // packed
	diff        []byte    // the difference to base
	base        *frame.Frame
}

const (
	// sampleStripes of a frame are packed as a sample, spread over its height.
	sampleStripes = 4
	// maxStripe is the largest size of a stripe in bytes: half the window of
	// LZ4.
	maxStripe = 32 << 10
	// cheapRatio: if the first attempt packs a frame to less than a quarter,
	// the second one is cheap, because it stops at the same size.
	cheapRatio = 4
	// The best case is an eighth below the likely size, because a sample does
	// not represent the frame exactly.
	bestCaseNum, bestCaseDen = 7, 8
)

// encode packs a raw frame and fills in the codec and the base. A frame that
// LZ4 does not make smaller is stored.
func (l *lossless) encode(h *wire.Frame, f *frame.Frame, allowDelta bool) []byte {
	if l.lz4 == nil {
		l.lz4 = new(wire.LZ4)
	}
	raw := f.Data
	l.full = grow(l.full, wire.MaxLZ4Size(len(raw)))
	if !allowDelta || !l.isBaseOf(f) {
		if n, ok := l.lz4.Compress(l.full, raw); ok {
			h.Codec = wire.CodecYUYVLZ4
			return l.full[:n]
		}
		h.Codec = wire.CodecYUYV
		return raw
	}
	l.diff, l.delta = grow(l.diff, len(raw)), grow(l.delta, wire.MaxLZ4Size(len(raw)))
	full, delta := l.estimate(raw, 2*f.Width)
	data := raw
	h.Codec = wire.CodecYUYV
	packFull := func() {
		if n, ok := l.lz4.Compress(l.full[:min(len(l.full), len(data)-1)], raw); ok {
			h.Codec, h.Base, data = wire.CodecYUYVLZ4, 0, l.full[:n]
		}
	}
	packDelta := func() {
		wire.Difference(l.diff[:len(raw)], raw, l.base.Data)
		if n, ok := l.lz4.Compress(l.delta[:min(len(l.delta), len(data)-1)], l.diff[:len(raw)]); ok {
			h.Codec, h.Base, data = wire.CodecYUYVDelta, l.base.Seq, l.delta[:n]
		}
	}
	first, second, secondBest := packDelta, packFull, full.bestCase
	if full.likely < delta.likely {
		first, second, secondBest = packFull, packDelta, delta.bestCase
	}
	first()
	if secondBest < len(data) || len(data) < len(raw)/cheapRatio {
		second()
	}
	return data
}

// packedSize is an estimate of a size in bytes.
type packedSize struct{ likely, bestCase int }

// estimate packs stripes of the frame, and of its difference to the base. A row
// of the frame has rowBytes bytes.
func (l *lossless) estimate(raw []byte, rowBytes int) (full, delta packedSize) {
	n := min(maxStripe, len(raw)/sampleStripes) &^ 15
	if n == 0 {
		return
	}
	step := (len(raw) - n) / (sampleStripes - 1) &^ 15
	for i := range sampleStripes {
		from, to := i*step, i*step+n
		full.likely += l.pack(raw[from:to])
		wire.Difference(l.diff[:n], raw[from:to], l.base.Data[from:to])
		delta.likely += l.pack(l.diff[:n])
	}
	scale := func(sum int) int { return int(int64(sum) * int64(len(raw)) / int64(sampleStripes*n)) }
	full.likely, delta.likely = scale(full.likely), scale(delta.likely)
	// LZ4 cannot copy the first row of a stripe from a row above it.
	firstRows := scale(sampleStripes * min(rowBytes, n))
	full.bestCase = full.likely*bestCaseNum/bestCaseDen - firstRows
	delta.bestCase = delta.likely * bestCaseNum / bestCaseDen
	return full, delta
}

// pack returns the size of b as an LZ4 block.
func (l *lossless) pack(b []byte) int {
	if n, ok := l.lz4.Compress(l.delta, b); ok {
		return n
	}
	return len(b)
}

// isBaseOf reports whether f may be encoded as the difference to the base.
func (l *lossless) isBaseOf(f *frame.Frame) bool {
	b := l.base
	return b != nil && b.Seq < f.Seq && b.Width == f.Width && b.Height == f.Height && len(b.Data) == len(f.Data)
}

func (l *lossless) setBase(f *frame.Frame) {
	l.forgetBase()
	f.Retain()
	l.base = f
}

func (l *lossless) forgetBase() {
	if l.base != nil {
		l.base.Release()
		l.base = nil
	}
}

// grow returns a slice of at least n bytes: b if it is long enough.
func grow(b []byte, n int) []byte {
	if len(b) < n {
		return make([]byte, n)
	}
	return b
}
