package wire

import "encoding/binary"

// A frame of a camera differs from the one before by sensor noise nearly everywhere: a few steps up or down. LZ4 finds
// nothing in it, for it has no code for a byte that is merely small. So the difference is taken with bias in the middle
// of a half-byte, and the lower and the upper half-bytes are gathered apart: noise below eight steps leaves all upper ones
// zero. Bytes are paired eight apart, which is luma with luma and chroma with chroma.
const (
	bias  = 8
	group = 16

	biases = 0x0808080808080808
	lows   = 0x0f0f0f0f0f0f0f0f
	tops   = 0x8080808080808080
)

// Difference writes into dst what is to be packed of raw as YUYVDelta: its difference to base. All three have the length
// of one raw frame, which is a multiple of 4; dst must overlap neither.
func Difference(dst, raw, base []byte) {
	n := len(raw)
	base, lower, upper := base[:n], dst[:n/2], dst[n/2:n]
	at := 0
	for ; at+group <= n; at += group {
		r, b := raw[at:at+group], base[at:at+group]
		d0 := addBytes(subBytes(binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(b)), biases)
		d1 := addBytes(subBytes(binary.LittleEndian.Uint64(r[8:]), binary.LittleEndian.Uint64(b[8:])), biases)
		binary.LittleEndian.PutUint64(lower[at/2:at/2+8], d0&lows|d1&lows<<4)
		binary.LittleEndian.PutUint64(upper[at/2:at/2+8], d0>>4&lows|d1&^lows)
	}
	for j, half := at, (n-at)/2; j < at+half; j++ {
		d0, d1 := raw[j]-base[j]+bias, raw[j+half]-base[j+half]+bias
		lower[at/2+j-at], upper[at/2+j-at] = d0&15|d1<<4, d0>>4|d1&^15
	}
}

// Restore turns Difference back: it writes into dst the frame whose difference to base is diff. All three have the
// length of one raw frame; dst must overlap neither. Any bytes are the difference of some frame.
func Restore(dst, diff, base []byte) {
	n := len(dst)
	base, lower, upper := base[:n], diff[:n/2], diff[n/2:n]
	at := 0
	for ; at+group <= n; at += group {
		l, u := binary.LittleEndian.Uint64(lower[at/2:at/2+8]), binary.LittleEndian.Uint64(upper[at/2:at/2+8])
		d, b := dst[at:at+group], base[at:at+group]
		d0, d1 := l&lows|u&lows<<4, l>>4&lows|u&^lows
		binary.LittleEndian.PutUint64(d, subBytes(addBytes(d0, binary.LittleEndian.Uint64(b)), biases))
		binary.LittleEndian.PutUint64(d[8:], subBytes(addBytes(d1, binary.LittleEndian.Uint64(b[8:])), biases))
	}
	for j, half := at, (n-at)/2; j < at+half; j++ {
		l, u := lower[at/2+j-at], upper[at/2+j-at]
		dst[j], dst[j+half] = (l&15|u<<4)+base[j]-bias, (l>>4|u&^15)+base[j+half]-bias
	}
}

// addBytes adds eight bytes to eight others, each for itself: the topmost bits are kept out of the carry.
func addBytes(x, y uint64) uint64 { return (x&^tops + y&^tops) ^ (x^y)&tops }

// subBytes subtracts eight bytes from eight others, each for itself.
func subBytes(x, y uint64) uint64 { return (x | tops - y&^tops) ^ (x^^y)&tops }
