package framecodec

import (
	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// A raw frame travels as it is or as the difference to the one before, whichever is smaller. To pack both would be twice
// the work, so that a sample of both says which to begin with; the other one is packed too where it could still be smaller.
//
//	sample ─▶ the likelier one, whole ─▶ not above what the other can be at best: done
//	                                  └▶ else the other, whole ─▶ the smaller of the two
const (
	stripes   = 4        // of a frame are sampled, spread over it
	stripeMax = 32 << 10 // bytes of each; half of how far LZ4 looks back

	// Where a frame is packed to less than a quarter, the other try is given up after as little output, and is cheap.
	cheap = 4
)

// lossless packs a raw frame, and writes into p how. It is stored where that is not worth it.
func (k *packer) lossless(p *wire.Frame, f *frame.Frame, agreed []string) []byte {
	if k.lz4 == nil {
		k.lz4 = new(wire.LZ4)
	}
	raw := f.Data
	k.whole = grown(k.whole, wire.MaxLZ4Size(len(raw)))
	if !k.follows(f, agreed) {
		if n, ok := k.lz4.Compress(k.whole, raw); ok {
			p.Codec = wire.CodecYUYVLZ4
			return k.whole[:n]
		}
		p.Codec = wire.CodecYUYV
		return raw
	}
	k.diff, k.apart = grown(k.diff, len(raw)), grown(k.apart, wire.MaxLZ4Size(len(raw)))
	whole, apart := k.guess(raw, 2*f.Width)
	data := raw
	p.Codec = wire.CodecYUYV
	tryWhole := func() {
		if n, ok := k.lz4.Compress(k.whole[:min(len(k.whole), len(data)-1)], raw); ok {
			p.Codec, data = wire.CodecYUYVLZ4, k.whole[:n]
		}
	}
	tryApart := func() {
		wire.Difference(k.diff[:len(raw)], raw, k.base.Data)
		if n, ok := k.lz4.Compress(k.apart[:min(len(k.apart), len(data)-1)], k.diff[:len(raw)]); ok {
			p.Codec, p.Base, data = wire.CodecYUYVDelta, k.base.Seq, k.apart[:n]
		}
	}
	first, second, best := tryApart, tryWhole, whole.best
	if whole.likely < apart.likely {
		first, second, best = tryWhole, tryApart, apart.best
	}
	first()
	if best < len(data) || len(data) < len(raw)/cheap {
		second()
	}
	return data
}

// size is what a frame may be packed to, in bytes.
type size struct{ likely, best int }

// guess packs stripes of the frame, whose rows have so many bytes, and of its difference to the base.
func (k *packer) guess(raw []byte, row int) (whole, apart size) {
	n := min(stripeMax, len(raw)/stripes) &^ 15
	if n == 0 {
		return
	}
	step := (len(raw) - n) / (stripes - 1) &^ 15
	for i := range stripes {
		from, to := i*step, i*step+n
		whole.likely += k.packs(raw[from:to])
		wire.Difference(k.diff[:n], raw[from:to], k.base.Data[from:to])
		apart.likely += k.packs(k.diff[:n])
	}
	scale := func(sum int) int { return int(int64(sum) * int64(len(raw)) / int64(stripes*n)) }
	whole.likely, apart.likely = scale(whole.likely), scale(apart.likely)
	// A stripe is not the frame, and the first row of one has none above it to repeat.
	whole.best, apart.best = whole.likely*7/8-scale(stripes*min(row, n)), apart.likely*7/8
	return whole, apart
}

// packs says what so many bytes are packed to.
func (k *packer) packs(b []byte) int {
	if n, ok := k.lz4.Compress(k.apart, b); ok {
		return n
	}
	return len(b)
}

// follows says whether f may be sent as the difference to the base.
func (k *packer) follows(f *frame.Frame, agreed []string) bool {
	b := k.base
	return b != nil && b.Seq < f.Seq && b.Width == f.Width && b.Height == f.Height && len(b.Data) == len(f.Data) &&
		wire.CodecYUYVDelta.Allowed(agreed)
}

// sent makes a frame that was written the base of the next one, if it is raw.
func (k *packer) sent(p *wire.Frame, f *frame.Frame) {
	if p.Codec != wire.CodecJPEG {
		k.forget()
		f.Retain()
		k.base = f
	}
}

// forget makes the next raw frame one that stands alone.
func (k *packer) forget() {
	if k.base != nil {
		k.base.Release()
		k.base = nil
	}
}

func grown(b []byte, n int) []byte {
	if len(b) < n {
		return make([]byte, n)
	}
	return b
}
