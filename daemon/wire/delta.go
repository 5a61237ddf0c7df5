package wire

import "encoding/binary"

// Sensor noise changes nearly every byte of a camera's frame by a few steps.
// LZ4 cannot compress this, because it has no code for small bytes. So the
// difference has a bias in the middle of a half-byte, and the lower and the
// upper half-bytes are stored separately: noise below eight steps leaves all
// upper half-bytes zero. Bytes are paired eight apart: luma with luma, chroma
// with chroma.
const (
	bias      = 8
	groupSize = 16

	biasBytes  = 0x0808080808080808
	lowNibbles = 0x0f0f0f0f0f0f0f0f
	highBits   = 0x8080808080808080
)

// Difference writes the difference of raw to base into dst, ready to be
// compressed as YUYVDelta. All three have the length of a raw frame, a multiple
// of 4. dst must not overlap the others.
func Difference(dst, raw, base []byte) {
	n := len(raw)
	base, lower, upper := base[:n], dst[:n/2], dst[n/2:n]
	at := 0
	for ; at+groupSize <= n; at += groupSize {
		r, b := raw[at:at+groupSize], base[at:at+groupSize]
		d0 := addBytes(subBytes(binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(b)), biasBytes)
		d1 := addBytes(subBytes(binary.LittleEndian.Uint64(r[8:]), binary.LittleEndian.Uint64(b[8:])), biasBytes)
		binary.LittleEndian.PutUint64(lower[at/2:at/2+8], d0&lowNibbles|d1&lowNibbles<<4)
		binary.LittleEndian.PutUint64(upper[at/2:at/2+8], d0>>4&lowNibbles|d1&^lowNibbles)
	}
	for j, half := at, (n-at)/2; j < at+half; j++ {
		d0, d1 := raw[j]-base[j]+bias, raw[j+half]-base[j+half]+bias
		lower[at/2+j-at], upper[at/2+j-at] = d0&15|d1<<4, d0>>4|d1&^15
	}
}

// Restore reverses Difference: it writes the frame that differs from base by
// diff into dst. All three have the length of a raw frame. dst must not overlap
// the others. Any bytes are a valid diff.
func Restore(dst, diff, base []byte) {
	n := len(dst)
	base, lower, upper := base[:n], diff[:n/2], diff[n/2:n]
	at := 0
	for ; at+groupSize <= n; at += groupSize {
		l, u := binary.LittleEndian.Uint64(lower[at/2:at/2+8]), binary.LittleEndian.Uint64(upper[at/2:at/2+8])
		d, b := dst[at:at+groupSize], base[at:at+groupSize]
		d0, d1 := l&lowNibbles|u&lowNibbles<<4, l>>4&lowNibbles|u&^lowNibbles
		binary.LittleEndian.PutUint64(d, subBytes(addBytes(d0, binary.LittleEndian.Uint64(b)), biasBytes))
		binary.LittleEndian.PutUint64(d[8:], subBytes(addBytes(d1, binary.LittleEndian.Uint64(b[8:])), biasBytes))
	}
	for j, half := at, (n-at)/2; j < at+half; j++ {
		l, u := lower[at/2+j-at], upper[at/2+j-at]
		dst[j], dst[j+half] = (l&15|u<<4)+base[j]-bias, (l>>4|u&^15)+base[j+half]-bias
	}
}

// addBytes adds eight pairs of bytes. Masking the high bits stops the carry.
func addBytes(x, y uint64) uint64 { return (x&^highBits + y&^highBits) ^ (x^y)&highBits }

// subBytes subtracts eight pairs of bytes.
func subBytes(x, y uint64) uint64 { return (x | highBits - y&^highBits) ^ (x^^y)&highBits }
