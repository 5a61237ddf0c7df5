package v4l2test

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
)

// stream is the capture queue of a node. Kernel.mu protects it.
type stream struct {
	node    *node
	owner   *handle // of the buffers
	pollers []*handle

	format        v4l2.PixelFormat
	width, height int
	padding       int
	rate          int // frames a second; 0: the driver reports none

	bufs   []buffer
	queued []int // indexes of empty buffers, in order
	done   []int // indexes of filled buffers, in order
	on     bool
	due    time.Duration // capture time of the next frame
	seq    uint32        // its sequence number
}

type buffer struct {
	mem   []byte // as mapped; nil: not mapped
	state bufferState
	used  uint32
	flags uint32
	seq   uint32
	stamp time.Duration
}

type bufferState int

const (
	dequeued bufferState = iota
	queued
	done
)

const (
	maxBuffers  = 32
	bufferAlign = 4096
)

func newStream(n *node) *stream {
	s := &stream{node: n}
	if d := n.cam.device; len(d.Formats) > 0 {
		f := d.Formats[0]
		s.format, s.width, s.height, s.padding = f.FourCC, f.Sizes[0][0], f.Sizes[0][1], f.Padding
	}
	if r := n.cam.device.Rates; len(r) > 0 {
		s.rate = r[0]
	}
	return s
}

func (s *stream) sizeImage() int {
	if n := s.node.cam.faults.SizeImage; n != 0 {
		return int(n)
	}
	if stride, rows := s.layout(); rows > 0 {
		return stride * rows
	}
	return s.width * s.height * 2 // as most UVC cameras report for MJPEG
}

// layout returns the bytes of a row and the number of rows of all planes; 0 for
// compressed frames.
func (s *stream) layout() (stride, rows int) {
	switch s.format {
	case v4l2.YUYV, v4l2.UYVY, v4l2.YVYU, v4l2.VYUY:
		return 2*s.width + s.padding, s.height
	case v4l2.NV12, v4l2.NV21, v4l2.YU12, v4l2.YV12: // two rows of a half chroma plane count as one
		return s.width + s.padding, s.height + (s.height+1)/2
	case v4l2.NV16, v4l2.NV61, v4l2.YUV422P:
		return s.width + s.padding, 2 * s.height
	case v4l2.RGB24, v4l2.BGR24:
		return 3*s.width + s.padding, s.height
	case v4l2.GREY:
		return s.width + s.padding, s.height
	}
	return 0, 0
}

// notify makes all Polls check their events again.
func (s *stream) notify() {
	for _, h := range s.pollers {
		h.wake()
	}
}

func (s *stream) interval() time.Duration {
	rate := s.rate
	if rate == 0 {
		rate = 30
	}
	d := time.Second / time.Duration(rate)
	if s.node.cam.faults.Dark {
		d *= 2
	}
	return d
}

// setFormat applies a requested format like a driver: it replaces an unknown
// format by the first one, an unknown size by the nearest one.
func (s *stream) setFormat(pix uapi.PixFormat) {
	d, f := s.node.cam.device, s.node.cam.faults
	format := d.Formats[0]
	for _, x := range d.Formats {
		if uint32(x.FourCC) == pix.PixelFormat {
			format = x
		}
	}
	s.format, s.padding = format.FourCC, format.Padding
	best := math.MaxInt
	for _, size := range format.Sizes {
		w, h := int(pix.Width), int(pix.Height)
		if off := abs(size[0]*size[1] - w*h); off < best {
			s.width, s.height, best = size[0], size[1], off
		}
	}
	if f.SizeIfUnknown[0] != 0 && best != 0 {
		s.width, s.height = f.SizeIfUnknown[0], f.SizeIfUnknown[1]
	}
	if f.Size[0] != 0 {
		s.width, s.height = f.Size[0], f.Size[1]
	}
	if f.Format != 0 {
		s.format = f.Format
	}
}

func (s *stream) pix() uapi.PixFormat {
	p := uapi.PixFormat{
		Width: uint32(s.width), Height: uint32(s.height), PixelFormat: uint32(s.format), Field: 1,
		SizeImage: uint32(s.sizeImage()),
	}
	stride, _ := s.layout()
	p.BytesPerLine = uint32(stride)
	if reported := s.node.cam.faults.Stride; reported != 0 {
		p.BytesPerLine = reported
	}
	return p
}

func (s *stream) setRate(t uapi.Fract) {
	if t.Numerator == 0 || t.Denominator == 0 {
		return
	}
	want, best := float64(t.Numerator)/float64(t.Denominator), math.Inf(1)
	for _, r := range s.node.cam.device.Rates {
		if off := math.Abs(1/float64(r) - want); off < best {
			s.rate, best = r, off
		}
	}
}

func (s *stream) start() {
	s.draw(make([]byte, s.length()), 0, 0, false) // fill the cache of encoded frames now
	s.on = true
	s.seq = 0
	s.due = s.node.kernel.Now() + s.interval()
}

// stop dequeues all buffers.
func (s *stream) stop() {
	s.on, s.queued, s.done = false, s.queued[:0], s.done[:0]
	for i := range s.bufs {
		s.bufs[i].state = dequeued
	}
	s.notify()
}

// advance captures all frames due until now. A frame without a free buffer is
// lost and leaves a gap in the sequence numbers.
func (s *stream) advance(now time.Duration) {
	if !s.on || s.node.gone {
		return
	}
	for s.due <= now {
		if len(s.queued) == 0 || s.node.cam.faults.Freeze { // skip all lost frames in one step
			n := (now-s.due)/s.interval() + 1
			s.seq += uint32(n)
			s.due += n * s.interval()
			return
		}
		s.capture(s.queued[0])
		s.done = append(s.done, s.queued[0])
		s.queued = append(s.queued[:0], s.queued[1:]...)
		s.seq++
		s.due += s.interval()
	}
}

// capture writes the next frame to buffer i.
func (s *stream) capture(i int) {
	b, f := &s.bufs[i], s.node.cam.faults
	hit := func(n int) bool { return n > 0 && s.seq%uint32(n) == 0 }
	b.state, b.seq, b.stamp = done, s.seq, s.due.Truncate(time.Microsecond) // the resolution of v4l2_buffer
	b.flags = uapi.BufFlagTimestampMonotonic
	b.used = uint32(s.draw(b.mem, s.seq, b.stamp, hit(f.NoTables)))
	if hit(f.FlagError) {
		b.flags |= uapi.BufFlagError
	}
	if hit(f.Truncate) {
		b.used /= 2
	}
	if hit(f.Garbage) {
		for k := uint32(0); k < b.used; k += 7 {
			b.mem[k] ^= 0x5a
		}
	}
	if hit(f.Empty) {
		b.used = 0
	}
	if f.BytesUsed != 0 {
		b.used = f.BytesUsed
	}
	if f.OtherClock {
		b.flags &^= uapi.BufFlagTimestampMask
		b.stamp = time.Second
	}
	if f.FutureClock {
		b.stamp += time.Hour
	}
	if f.Stamp != nil {
		b.stamp = f.Stamp(b.stamp)
	}
}

// report writes the state of buffer i to a, for QUERYBUF and DQBUF.
func (s *stream) report(a *uapi.Buffer, i int) {
	b := &s.bufs[i]
	a.Index, a.BytesUsed, a.Sequence, a.Memory = uint32(i), b.used, b.seq, uapi.MemoryMMAP
	a.Flags = b.flags
	a.Timestamp = unix.NsecToTimeval(int64(b.stamp))
	a.Length = s.length()
	a.Offset = uint32(i) * s.length()
	if b.mem != nil {
		a.Flags |= uapi.BufFlagMapped
	}
}

// length returns the bytes of a mapped buffer.
func (s *stream) length() uint32 {
	return uint32(s.sizeImage()+bufferAlign-1) &^ (bufferAlign - 1)
}

// poison overwrites the first and the last bytes of a buffer that the program
// must not read any more.
func poison(b []byte) {
	const poisonByte = 0xdb
	for i := range min(len(b), 64) {
		b[i], b[len(b)-1-i] = poisonByte, poisonByte
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
