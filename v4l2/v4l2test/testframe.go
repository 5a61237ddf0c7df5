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

// stampMagic starts the 16-byte stamp of every frame: magic, sequence number,
// CLOCK_MONOTONIC nanoseconds, little-endian. A JPEG has it in a comment after
// the SOI marker, a raw frame in its first bytes.
const stampMagic = "VCT1"

const stampSize = 16

// draw writes a frame to dst, truncated to its size, and returns the length.
// Raw frames are grey with a stamp, and zeros as row padding.
func (s *stream) draw(dst []byte, seq uint32, at time.Duration, noTables bool) int {
	stride, rows := s.layout()
	if rows == 0 {
		w, h := s.width, s.height
		if s.node != nil && s.node.cam.faults.FrameSize[0] != 0 {
			w, h = s.node.cam.faults.FrameSize[0], s.node.cam.faults.FrameSize[1]
		}
		n := copy(dst, testJPEG(w, h, noTables))
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

// Stamp returns the sequence number and the capture time in a frame. It reports
// false if the frame has no stamp.
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
	noTables      bool
}

var jpegCache sync.Map // frameKey to []byte, because encoding is slow

// testJPEG returns a JPEG with an empty stamp. With noTables it has no Huffman
// tables, as from many cheap cameras.
func testJPEG(width, height int, noTables bool) []byte {
	key := frameKey{width, height, noTables}
	if p, ok := jpegCache.Load(key); ok {
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
	if noTables {
		rest = withoutTables(rest)
	}
	p = append(p, rest...)
	jpegCache.Store(key, p)
	return p
}

// withoutTables returns segments, the bytes after SOI, without DHT segments.
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
