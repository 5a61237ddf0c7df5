package wire

import (
	"fmt"
	"slices"
	"time"
)

// Frame is what goes before a frame's data. A link carries the frames of one call, so it names none.
// A Reader reuses it: it is good until the next call of Next.
type Frame struct {
	Seq           uint64        // grows from frame to frame; a gap is frames that were left out
	Captured      time.Duration // when it was taken, on the sender's CLOCK_MONOTONIC; not negative
	Width, Height uint16        // pixels; from 1, and with YUYV the width is even
	Codec         Codec
	Flags         FrameFlags
	Size          int    // bytes of data that follow: from 1 to MaxFrame
	Base          uint64 // with YUYVDelta: the Seq, below this one's, of the frame that this one is the difference to; else 0
}

// Codec says what a frame's data is.
type Codec uint8

// The codecs of version 1. A device sends only what the other side's Hello takes: see Allowed.
const (
	CodecJPEG      Codec = 1 // one whole JPEG frame
	CodecYUYV      Codec = 2 // packed 4:2:2, two bytes a pixel, rows without padding
	CodecYUYVLZ4   Codec = 3 // the same as one LZ4 block, and shorter than it
	CodecYUYVDelta Codec = 4 // the same of its Difference to the frame Base
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

// Allowed says whether frames of this codec may be sent where these features were agreed (see Features).
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

// FrameFlags are bits. Those that are not listed are kept as they are, and are to be ignored.
type FrameFlags uint8

// Card marks a frame that is not from the camera: a card that says why there is none.
const FlagCard FrameFlags = 1

// Feedback is what the receiver of frames tells their sender. A Reader reuses it: it is good until the next call of
// Next.
type Feedback struct {
	Seq      uint64        // of the newest frame that arrived whole
	Frames   uint64        // arrived whole, since the link is up
	Bytes    uint64        // of their data
	Lost     uint64        // sequence numbers that were left out between them
	Delay    time.Duration // from capture to arrival of the newest, as the receiver reckons; 0 where it cannot tell
	Arrived  time.Duration // when the newest was whole, on the CLOCK_MONOTONIC of who sends this
	Transfer time.Duration // from its first byte to its last; 0 where it cannot tell
}

// Refresh asks the sender of frames for a raw one that stands alone, for a difference came whose base is not here.
type Refresh struct{}

func (*Frame) Type() Type    { return TypeFrame }
func (*Feedback) Type() Type { return TypeFeedback }
func (*Refresh) Type() Type  { return TypeRefresh }

func (*Refresh) validate() error            { return nil }
func (*Refresh) appendTo(dst []byte) []byte { return dst }
func (*Refresh) decode(*decoder)            {}

// RawSize is what the frame is in bytes where it is not compressed: two a pixel.
func (m *Frame) RawSize() int { return int(m.Width) * int(m.Height) * 2 }

// Check holds a frame to the rules of its fields. Whoever sends one asks before AppendFrame.
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
			return fmt.Errorf("%w: frame %d as the difference to %d, which does not come before it", ErrBadValue, m.Seq, m.Base)
		}
		return m.checkRaw()
	case CodecYUYV, CodecYUYVLZ4:
		return m.checkRaw()
	}
	// A codec is sent only where both sides have its feature, so that a receiver knows all it can meet.
	return fmt.Errorf("%w: %v", ErrBadValue, m.Codec)
}

func (m *Frame) checkRaw() error {
	// In 64 bits, for 65535x65535 does not fit an int where that has 32.
	raw := int64(m.Width) * int64(m.Height) * 2
	switch {
	case m.Width%2 != 0:
		return fmt.Errorf("%w: %v frame of odd width %d", ErrBadValue, m.Codec, m.Width)
	case raw > MaxFrame:
		return fmt.Errorf("%w: %v frame of %dx%d, at most %d bytes unpacked", ErrTooLong, m.Codec, m.Width, m.Height, MaxFrame)
	case m.Codec == CodecYUYV && int64(m.Size) != raw:
		return fmt.Errorf("%w: %dx%d %v frame of %d bytes instead of %d", ErrBadValue, m.Width, m.Height, m.Codec, m.Size, raw)
	case m.Codec != CodecYUYV && int64(m.Size) >= raw:
		return fmt.Errorf("%w: %dx%d %v frame of %d bytes, not shorter than %d", ErrBadValue, m.Width, m.Height, m.Codec, m.Size, raw)
	}
	return nil
}

// frameFields is the size of a frame's payload before its data; a difference has its base besides.
const (
	frameFields = 28
	frameCodec  = 20 // where among them the codec is
	baseField   = 8
)

func (c Codec) fields() int {
	if c == CodecYUYVDelta {
		return frameFields + baseField
	}
	return frameFields
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
