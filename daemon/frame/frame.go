// Package frame carries frames from whoever makes them to everybody who looks at them.
//
//	                         ┌─▶ Reader ─▶ link to a peer
//	camera ─▶ Pool ─▶ Hub ───┼─▶ Reader ─▶ viewer
//	(or a peer's link)       └─▶ Reader ─▶ viewer
//
// It promises three things. A frame is copied once, into a pooled buffer, and shared by reference from there on.
// The newest frame wins: each reader has a single slot, so a slow reader loses its own frames, which are counted,
// and delays nobody. Once warm, nothing is allocated per frame.
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

// Format says what the bytes of a frame are.
type Format uint8

const (
	JPEG Format = 1 // one complete JPEG frame, with its Huffman tables
	YUYV Format = 2 // packed 4:2:2, two bytes a pixel, rows without padding
)

func (f Format) String() string {
	switch f {
	case JPEG:
		return "mjpeg"
	case YUYV:
		return "yuyv"
	}
	return "unknown"
}

// Frame is one frame. Between Hub.Publish and the last Release its fields and bytes are read only.
type Frame struct {
	Seq           uint64        // counts the frames of the feed's source; a gap is a lost frame
	Captured      time.Duration // when the camera took it, on this device's CLOCK_MONOTONIC (see Now)
	Arrived       time.Duration // when it was here as a whole, on the same clock
	Format        Format
	Card          bool // not a frame of the camera but a card that says why there is none
	Rotate        int  // degrees clockwise that it is to be shown with: 0, 90, 180, 270
	Width, Height int  // pixels, before that
	Data          []byte

	pool *Pool
	refs atomic.Int32
}

// Now reads CLOCK_MONOTONIC, the clock in which V4L2 stamps its buffers. It is read some ten times for each frame, so the
// scheduler is not told of the system call: it would wake its monitor thread. Package time has the same clock for less, but
// tells only differences, and another time to tests with a clock of their own.
func Now() time.Duration {
	var ts unix.Timespec
	// It cannot fail for this clock: clock_gettime(2) knows only EINVAL and EFAULT.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// Wall turns an instant on CLOCK_MONOTONIC into the time of day.
func Wall(mono time.Duration) time.Time { return time.Now().Add(mono - Now()) }

// Retain adds a reference for another owner.
func (f *Frame) Retain() { f.refs.Add(1) }

// Release gives one reference back. After the last one the frame is used again for another frame.
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

// Pool lends frames. It is safe for concurrent use; the zero value keeps nothing, so use NewPool.
type Pool struct {
	mu   sync.Mutex
	idle []*Frame // most recently used last: its memory is still in the cache
}

// NewPool makes a pool that keeps at most idle frames for later.
func NewPool(idle int) *Pool { return &Pool{idle: make([]*Frame, 0, idle)} }

// Get lends a frame whose Data has n bytes of undefined content, with one reference.
func (p *Pool) Get(n int) *Frame {
	p.mu.Lock()
	var f *Frame
	if k := len(p.idle); k > 0 {
		f, p.idle = p.idle[k-1], p.idle[:k-1]
	}
	p.mu.Unlock()
	if f == nil {
		f = &Frame{pool: p}
	}
	data := f.Data
	if cap(data) < n {
		// Room for the next, somewhat larger frame: MJPEG sizes vary by some ten percent from one to the next.
		data = make([]byte, n+n/4)
	}
	f.Seq, f.Captured, f.Arrived, f.Format, f.Card, f.Rotate, f.Width, f.Height = 0, 0, 0, 0, false, 0, 0, 0
	f.Data = data[:n]
	f.refs.Store(1)
	return f
}

func (p *Pool) put(f *Frame) {
	p.mu.Lock()
	if len(p.idle) < cap(p.idle) {
		p.idle = append(p.idle, f)
	}
	p.mu.Unlock()
}
