// Package testframe makes the JPEG frames of the emulated camera. A receiver
// can make each frame again and compare every byte.
//
// A frame is one of Variants stills with a bar that moves from still to still,
// and a stamp in a JPEG COM segment after SOI. The sequence number selects the
// still. Everything but the stamp depends only on size and sequence number. The
// stamp has a checksum. So a received frame is unchanged exactly if Frame makes
// the same bytes from its stamp.
package testframe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"sync"
)

// Variants is the number of different stills of each size.
const Variants = 6

// quality and the noise of encode give frames of about 20 KB at 1280x720. That
// is little for a camera. But a link between two daemons in software emulation
// has capacity to spare with it, so the sender does not reduce the quality.
const quality = 55

// ErrNoStamp is the error for bytes that are not a frame of this package.
var ErrNoStamp = errors.New("no stamp of the emulated camera")

// A Stamp identifies a frame.
type Stamp struct {
	Camera   uint32 // number of the camera
	Sequence uint32 // number of the frame, from 0 at the start of the camera program
	Time     int64  // start of sending: CLOCK_MONOTONIC in nanoseconds
}

const (
	magic    = "VCSM"
	bodySize = len(magic) + 4 + 4 + 8 + 4
	// StampSize is the length of the COM segment in bytes: marker, length,
	// body.
	StampSize = 2 + 2 + bodySize
)

func (s Stamp) segment() []byte {
	b := make([]byte, 0, StampSize)
	b = append(b, 0xff, 0xfe)
	b = binary.BigEndian.AppendUint16(b, uint16(2+bodySize))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, s.Camera)
	b = binary.BigEndian.AppendUint32(b, s.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Time))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// ParseStamp returns the stamp of a frame. The stamp may be anywhere in the
// first 4 KB. The error is ErrNoStamp.
func ParseStamp(jpg []byte) (Stamp, error) {
	i := bytes.Index(jpg[:min(len(jpg), 4096)], []byte("\xff\xfe\x00\x1a"+magic))
	if i < 0 || len(jpg) < i+StampSize {
		return Stamp{}, ErrNoStamp
	}
	seg := jpg[i : i+StampSize]
	if crc32.ChecksumIEEE(seg[:StampSize-4]) != binary.BigEndian.Uint32(seg[StampSize-4:]) {
		return Stamp{}, fmt.Errorf("%w: checksum of the stamp", ErrNoStamp)
	}
	return Stamp{
		Camera:   binary.BigEndian.Uint32(seg[8:]),
		Sequence: binary.BigEndian.Uint32(seg[12:]),
		Time:     int64(binary.BigEndian.Uint64(seg[16:])),
	}, nil
}

// A Source makes the frames of one size. It is safe for concurrent use.
type Source struct {
	stills [Variants]func() []byte // each is encoded at its first use
}

// New returns the source of frames of w by h pixels.
func New(w, h int) *Source {
	s := &Source{}
	for k := range s.stills {
		s.stills[k] = sync.OnceValue(func() []byte { return encode(w, h, k) })
	}
	return s
}

// Frame appends the frame with this stamp to dst and returns the result.
func (s *Source) Frame(dst []byte, st Stamp) []byte {
	still := s.stills[st.Sequence%Variants]()
	dst = append(dst, still[:2]...)
	dst = append(dst, st.segment()...)
	return append(dst, still[2:]...)
}

// encode returns still k: a gradient with noise, and a bright bar at a position
// that depends on k.
func encode(w, h, k int) []byte {
	m := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	bar := k * (w - w/10) / (Variants - 1)
	noise := uint32(k*7919 + 1)
	for y := range h {
		row := m.Y[y*m.YStride:][:w]
		for x := range row {
			noise = noise*1664525 + 1013904223
			row[x] = uint8(x*200/w + y*40/h + int(noise>>29))
		}
		if y > h/3 && y < h*2/3 {
			for x := bar; x < bar+w/10; x++ {
				row[x] = 235
			}
		}
	}
	for i := range m.Cb {
		m.Cb[i] = uint8(64 + i%m.CStride*128/m.CStride)
		m.Cr[i] = uint8(192 - i/m.CStride*128/h)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // impossible: writing to a bytes.Buffer never fails
	}
	return b.Bytes()
}
