package wire

import (
	"fmt"
	"slices"
	"time"
)

// Frame is the header of a video frame; the data follows it. The frames of a
// link belong to its one call, so a Frame does not name the call. It is valid
// until the next call of Reader.Next.
type Frame struct {
	Seq           uint64        // increases from frame to frame; a gap means dropped frames
	Captured      time.Duration // capture time, on the sender's CLOCK_MONOTONIC; ≥ 0
	Width, Height uint16        // pixels, ≥ 1; the width of a raw frame is even
	Codec         Codec
	Flags         FrameFlags
	Size          int    // bytes of data that follow: 1 to MaxFrame
	Base          uint64 // with CodecYUYVDelta the Seq of the base, below Seq; else 0
}

// Codec is the encoding of a frame's data.
type Codec uint8

// The codecs of version 1. A device sends only those that the features in force
// allow: see Codec.Allowed.
const (
	CodecJPEG      Codec = 1 // one whole JPEG image
	CodecYUYV      Codec = 2 // packed 4:2:2, two bytes per pixel, rows without padding
	CodecYUYVLZ4   Codec = 3 // the same as one LZ4 block, smaller than YUYV
	CodecYUYVDelta Codec = 4 // one LZ4 block of the Difference to the frame Base
)

func (c Codec) String() string {
	switch c {
	case CodecJPEG:
		return "jpeg"
	case CodecYUYV:
		return "yuyv"
	case CodecYUYVLZ4:
		return "yuyv+lz4"
	case CodecYUYVDelta:
		return "yuyv+delta"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// Allowed reports whether frames of this codec may be sent with these features
// in force (see CommonFeatures).
func (c Codec) Allowed(features []string) bool {
	switch c {
	case CodecJPEG:
		return slices.Contains(features, FeatureJPEG)
	case CodecYUYV:
		return slices.Contains(features, FeatureYUYV)
	case CodecYUYVLZ4:
		return CodecYUYV.Allowed(features) && slices.Contains(features, FeatureLZ4)
	case CodecYUYVDelta:
		return CodecYUYVLZ4.Allowed(features) && slices.Contains(features, FeatureDelta)
	}
	return false
}

// FrameFlags is a set of bits. A Reader keeps unknown bits; ignore them.
type FrameFlags uint8

// FlagCard marks a card that says why there is no picture, not a frame of the
// camera.
const FlagCard FrameFlags = 1

// Feedback is the report of the receiver of frames to their sender. It is valid
// until the next call of Reader.Next.
type Feedback struct {
	Seq      uint64        // of the newest complete frame
	Frames   uint64        // complete frames since the link came up
	Bytes    uint64        // of their data
	Lost     uint64        // missing sequence numbers between them
	Delay    time.Duration // of the newest, from capture to arrival, as the receiver estimates; 0 if unknown
	Arrived  time.Duration // when the newest was complete, on the CLOCK_MONOTONIC of the sender of Feedback
	Transfer time.Duration // of the newest, from its first byte to its last; 0 if unknown
}

// Refresh requests a full raw frame: the receiver does not have the base of a
// difference.
type Refresh struct{}

// Type implements Message.
func (*Frame) Type() Type { return TypeFrame }

// Type implements Message.
func (*Feedback) Type() Type { return TypeFeedback }

// Type implements Message.
func (*Refresh) Type() Type { return TypeRefresh }

func (*Refresh) validate() error            { return nil }
func (*Refresh) appendTo(dst []byte) []byte { return dst }
func (*Refresh) decode(*decoder)            {}

// RawSize returns the size of the decompressed raw frame in bytes: two per
// pixel.
func (m *Frame) RawSize() int { return int(m.Width) * int(m.Height) * 2 }

// Validate checks the fields of a frame. The error wraps ErrProtocol. Call it
// before AppendFrame.
func (m *Frame) Validate() error { return m.validate() }

func (m *Frame) validate() error {
	if err := checkTime("capture time", m.Captured); err != nil {
		return err
	}
	if m.Size < 1 {
		return fmt.Errorf("%w: frame of %d bytes", ErrBadValue, m.Size)
	}
	if m.Size > MaxFrame {
		return fmt.Errorf("%w: frame of %d bytes, at most %d", ErrTooLong, m.Size, MaxFrame)
	}
	if m.Width == 0 || m.Height == 0 {
		return fmt.Errorf("%w: frame of %dx%d", ErrBadValue, m.Width, m.Height)
	}
	switch m.Codec {
	case CodecJPEG:
		return nil
	case CodecYUYVDelta:
		if m.Base >= m.Seq {
			return fmt.Errorf("%w: frame %d with base %d, which is not before it", ErrBadValue, m.Seq, m.Base)
		}
		return m.checkRaw()
	case CodecYUYV, CodecYUYVLZ4:
		return m.checkRaw()
	}
	// A codec is only sent if its feature is in force, so a receiver knows
	// every codec it can get.
	return fmt.Errorf("%w: %v", ErrBadValue, m.Codec)
}

func (m *Frame) checkRaw() error {
	// 64 bits: 65535x65535 does not fit a 32-bit int.
	raw := int64(m.Width) * int64(m.Height) * 2
	switch {
	case m.Width%2 != 0:
		return fmt.Errorf("%w: %v frame with odd width %d", ErrBadValue, m.Codec, m.Width)
	case raw > MaxFrame:
		return fmt.Errorf("%w: %v frame of %dx%d, at most %d bytes decompressed", ErrTooLong, m.Codec, m.Width,
			m.Height, MaxFrame)
	case m.Codec == CodecYUYV && int64(m.Size) != raw:
		return fmt.Errorf("%w: %dx%d %v frame of %d bytes, want %d", ErrBadValue, m.Width, m.Height, m.Codec, m.Size,
			raw)
	case m.Codec != CodecYUYV && int64(m.Size) >= raw:
		return fmt.Errorf("%w: %dx%d %v frame of %d bytes, not shorter than %d", ErrBadValue, m.Width, m.Height,
			m.Codec, m.Size, raw)
	}
	return nil
}

const (
	frameHeaderSize  = 28 // payload before base and data
	frameCodecOffset = 20
	baseSize         = 8
)

// headerSize returns the bytes of the payload before the data.
func (c Codec) headerSize() int {
	if c == CodecYUYVDelta {
		return frameHeaderSize + baseSize
	}
	return frameHeaderSize
}

func (m *Frame) appendTo(dst []byte) []byte {
	dst = appendTime(appendU64(dst, m.Seq), m.Captured)
	dst = appendU16(appendU16(dst, m.Width), m.Height)
	dst = append(dst, byte(m.Codec), byte(m.Flags), 0, 0)
	dst = appendU32(dst, uint32(m.Size))
	if m.Codec == CodecYUYVDelta {
		dst = appendU64(dst, m.Base)
	}
	return dst
}

func (m *Frame) decode(f *decoder) {
	m.Seq, m.Captured = f.u64(), f.time()
	m.Width, m.Height = f.u16(), f.u16()
	m.Codec, m.Flags = Codec(f.u8()), FrameFlags(f.u8())
	f.u16() // reserved
	size := f.u32()
	if size > MaxFrame {
		f.fail(fmt.Errorf("%w: frame of %d bytes, at most %d", ErrTooLong, size, MaxFrame))
		return
	}
	m.Size, m.Base = int(size), 0
	if m.Codec == CodecYUYVDelta {
		m.Base = f.u64()
	}
}

func (m *Feedback) validate() error {
	if err := checkTime("delay", m.Delay); err != nil {
		return err
	}
	if err := checkTime("time", m.Arrived); err != nil {
		return err
	}
	return checkTime("transfer time", m.Transfer)
}

func (m *Feedback) appendTo(dst []byte) []byte {
	dst = appendU64(appendU64(appendU64(appendU64(dst, m.Seq), m.Frames), m.Bytes), m.Lost)
	return appendTime(appendTime(appendTime(dst, m.Delay), m.Arrived), m.Transfer)
}

func (m *Feedback) decode(f *decoder) {
	m.Seq, m.Frames, m.Bytes, m.Lost = f.u64(), f.u64(), f.u64(), f.u64()
	m.Delay, m.Arrived, m.Transfer = f.time(), f.time(), f.time()
}
