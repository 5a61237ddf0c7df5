package v4l2test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"sync"
	"time"
)

// stampMagic begins the 16 bytes that every frame carries: magic, sequence number, CLOCK_MONOTONIC nanoseconds, little-endian; in
// a JPEG comment right behind the start mark, in a raw frame as its first bytes.
const stampMagic = "VCT1"

const stampSize = 16

// draw puts a frame into dst, as much of it as there is room for, and returns its length. Raw ones are grey but for the stamp; what
// pads their rows is not.
func (s *stream) draw(dst []byte, seq uint32, at time.Duration, bare bool) int {
	stride, rows := s.raw()
	if rows == 0 {
		n := copy(dst, frame(s.width, s.height, bare))
		putStamp(dst[6:], seq, at)
		return n
	}
	dst = dst[:min(len(dst), stride*rows)]
	for i := range dst {
		dst[i] = 128
	}
	for i := stride; s.padding > 0 && i <= len(dst); i += stride {
		clear(dst[i-s.padding : i])
	}
	putStamp(dst, seq, at)
	return len(dst)
}

func putStamp(b []byte, seq uint32, at time.Duration) {
	copy(b, stampMagic)
	binary.LittleEndian.PutUint32(b[4:], seq)
	binary.LittleEndian.PutUint64(b[8:], uint64(at))
}

// Stamp reads sequence number and capture time out of a frame; false if it carries none.
func Stamp(b []byte) (seq uint32, at time.Duration, ok bool) {
	if len(b) > 6 && b[0] == 0xff && b[1] == 0xd8 {
		b = b[6:]
	}
	if len(b) < stampSize || string(b[:4]) != stampMagic {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint32(b[4:]), time.Duration(binary.LittleEndian.Uint64(b[8:])), true
}

type frameKey struct {
	width, height int
	bare          bool
}

var frames sync.Map // frameKey to []byte: encoding is the only dear thing here

// frame is a JPEG with room for a stamp; a bare one is without Huffman tables, as many cheap cameras send them.
func frame(width, height int, bare bool) []byte {
	key := frameKey{width, height, bare}
	if p, ok := frames.Load(key); ok {
		return p.([]byte)
	}
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for y := range height {
		for x := range width {
			img.Y[y*img.YStride+x] = byte(16 + 200*(x/16)/(width/16+1)) // vertical bars, 16 pixels wide
		}
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(fmt.Sprintf("v4l2test: encode %dx%d: %v", width, height, err))
	}
	p := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, 2 + stampSize}, make([]byte, stampSize)...)
	rest := b.Bytes()[2:]
	if bare {
		rest = withoutTables(rest)
	}
	p = append(p, rest...)
	frames.Store(key, p)
	return p
}

// withoutTables leaves the DHT segments out, from behind the start mark up to the scan.
func withoutTables(segments []byte) []byte {
	const dht, sos = 0xc4, 0xda
	var out []byte
	for segments[1] != sos {
		n := 2 + int(binary.BigEndian.Uint16(segments[2:]))
		if segments[1] != dht {
			out = append(out, segments[:n]...)
		}
		segments = segments[n:]
	}
	return append(out, segments...)
}
