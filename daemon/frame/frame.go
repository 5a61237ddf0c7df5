// Package frame passes frames from one source to any number of readers.
//
//	                         ┌─▶ Reader ─▶ link to a peer
//	camera ─▶ Pool ─▶ Hub ───┼─▶ Reader ─▶ viewer
//	(or a peer's link)       └─▶ Reader ─▶ viewer
//
// Guarantees:
//
//   - A frame is copied once, into a pooled buffer, and shared by reference
//     after that.
//   - The newest frame wins. Each reader has one slot. A slow reader loses its
//     own frames, which are counted, and delays no other reader.
//   - Steady state allocates nothing per frame.
//
// The package starts no goroutine.
package frame

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Format is the encoding of a frame's bytes.
type Format uint8

// The formats of frames.
const (
	JPEG Format = 1 // one complete JPEG image with its Huffman tables
	YUYV Format = 2 // packed 4:2:2, two bytes a pixel, rows without padding
)

// String returns the format's name in the configuration and in the API.
func (f Format) String() string {
	switch f {
	case JPEG:
		return "mjpeg"
	case YUYV:
		return "yuyv"
	}
	return "unknown"
}

// Meta is everything about a frame except its bytes.
type Meta struct {
	Seq      uint64        // counts the frames of the source; a gap is a lost frame
	Captured time.Duration // capture time on this device's CLOCK_MONOTONIC, see Now
	Arrived  time.Duration // when its last byte arrived, on the same clock
	Format   Format
	Card     bool // a status card, not a frame of the camera
	Rotate   int  // degrees clockwise to turn it for display: 0, 90, 180, 270

	Width, Height int // pixels, before rotation
}

// Frame is one frame. Between Hub.Publish and the last Release, its fields and
// bytes must not be changed.
type Frame struct {
	Meta
	Data []byte

	pool *Pool
	refs atomic.Int32
}

// Now returns the time of CLOCK_MONOTONIC, the clock of V4L2's buffer
// timestamps. It is called about ten times per frame. The raw system call does
// not wake the scheduler's monitor thread: see BenchmarkNow. Package time reads
// the same clock, but exposes only differences, and returns fake time in tests.
func Now() time.Duration {
	var ts unix.Timespec
	// It cannot fail: clock_gettime(2) returns only EINVAL and EFAULT.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// Wall converts a time of CLOCK_MONOTONIC to the time of day.
func Wall(mono time.Duration) time.Time { return time.Now().Add(mono - Now()) }

// Retain adds a reference.
func (f *Frame) Retain() { f.refs.Add(1) }

// Release drops a reference. The last one returns the frame to its pool.
// It panics if the frame was released more often than retained.
func (f *Frame) Release() {
	switch n := f.refs.Add(-1); {
	case n == 0:
		if f.pool != nil {
			f.pool.put(f)
		}
	case n < 0:
		panic("frame: released more often than retained")
	}
}

// Pool reuses frames and their buffers. It is safe for concurrent use. The zero
// value works but keeps no frames.
type Pool struct {
	budget *Budget // nil: none

	mu     sync.Mutex
	idle   []*Frame // most recently used last: its memory may still be in the cache
	closed bool
}

// NewPool returns a pool that keeps at most idle unused frames.
func NewPool(idle int) *Pool { return &Pool{idle: make([]*Frame, 0, idle)} }

// Get returns a frame with one reference. Its Data has n bytes of undefined
// content, its Meta is zero. A pool with a budget needs TryGet.
func (p *Pool) Get(n int) *Frame {
	f := p.take(n)
	if f == nil {
		f = &Frame{pool: p}
	}
	if cap(f.Data) < n {
		f.Data = make([]byte, capacity(n))
	}
	return f.reset(n)
}

// TryGet is Get, but returns nil if the budget has no room for the frame.
func (p *Pool) TryGet(n int) *Frame {
	f := p.take(n)
	if f != nil && cap(f.Data) >= n {
		return f.reset(n)
	}
	if f != nil {
		p.free(f)
	}
	size := capacity(n)
	for !p.budget.take(size) {
		if f = p.take(0); f == nil {
			return nil
		}
		p.free(f)
	}
	return (&Frame{pool: p, Data: make([]byte, size)}).reset(n)
}

// Close frees the idle frames. Those in use are freed when they are released.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, f := range idle {
		p.free(f)
	}
}

// take removes the most recently used idle frame that has room for n bytes, or
// else the most recent one. It returns nil if there is none.
func (p *Pool) take(n int) *Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := len(p.idle) - 1
	if k < 0 {
		return nil
	}
	i := k
	for i > 0 && cap(p.idle[i].Data) < n {
		i--
	}
	if cap(p.idle[i].Data) < n {
		i = k
	}
	f := p.idle[i]
	p.idle = append(p.idle[:i], p.idle[i+1:]...)
	return f
}

// maxSpare is the most that a buffer is larger than its frame, in bytes.
const maxSpare = 256 << 10

// capacity returns the size of a new buffer for n bytes: MJPEG sizes vary by
// about ten percent between frames.
func capacity(n int) int { return n + min(n/4, maxSpare) }

func (f *Frame) reset(n int) *Frame {
	f.Meta = Meta{}
	f.Data = f.Data[:n]
	f.refs.Store(1)
	return f
}

// free gives up the buffer of an unused frame.
func (p *Pool) free(f *Frame) {
	n := cap(f.Data)
	f.Data = nil
	if p.budget != nil {
		p.budget.give(n)
	}
}

func (p *Pool) put(f *Frame) {
	if p.budget != nil && p.budget.crowded() {
		p.free(f)
		return
	}
	p.mu.Lock()
	kept := !p.closed && len(p.idle) < cap(p.idle)
	if kept {
		p.idle = append(p.idle, f)
	}
	p.mu.Unlock()
	if !kept {
		p.free(f)
	}
}
