package wire

import "encoding/binary"

// A frame of a camera differs from the one before by sensor noise nearly everywhere: a few steps up or down. LZ4 finds
// nothing in it, for it has no code for a byte that is merely small. So the difference is taken with bias in the middle
// of a half-byte, and the lower and the upper half-bytes are gathered apart: noise below eight steps leaves all upper ones
// zero. Bytes are paired eight apart, which is luma with luma and chroma with chroma.
const (
	bias      = 8
	groupSize = 16

	biasBytes  = 0x0808080808080808
	lowNibbles = 0x0f0f0f0f0f0f0f0f
	highBits   = 0x8080808080808080
)

// Difference writes into dst what is to be packed of raw as YUYVDelta: its difference to base. All three have the length
// of one raw frame, which is a multiple of 4; dst must overlap neither.
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

// Restore turns Difference back: it writes into dst the frame whose difference to base is diff. All three have the
// length of one raw frame; dst must overlap neither. Any bytes are the difference of some frame.
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

// addBytes adds eight bytes to eight others, each for itself: the topmost bits are kept out of the carry.
func addBytes(x, y uint64) uint64 { return (x&^highBits + y&^highBits) ^ (x^y)&highBits }

// subBytes subtracts eight bytes from eight others, each for itself.
func subBytes(x, y uint64) uint64 { return (x | highBits - y&^highBits) ^ (x^^y)&highBits }
