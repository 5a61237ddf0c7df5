package v4l2

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// Config says which camera to open, and what is wished of it.
type Config struct {
	Kernel             Kernel            // nil: Linux
	Device             string            // "auto" or a path, as for Find
	Width, Height, FPS int               // wished; 0: the driver's choice
	Format             PixelFormat       // the one to try first; 0: MJPEG. Then YUYV, NV12, GREY
	Controls           map[string]string // by the names that v4l2-ctl prints; what fails is among Warnings
	Buffers            int               // 0: 4
}

// Mode is what the driver settled on, by its own word.
type Mode struct {
	Format            PixelFormat
	Width, Height     int     // pixels
	Stride, SizeImage int     // bytes; Stride is from row to row, of both planes if there are two; 0 for compressed frames
	FPS               float64 // frames a second; 0: the driver does not say
}

// Buffer is a frame in the driver's memory.
type Buffer struct {
	Data     []byte        // valid until Release or Close; empty if the driver gave nothing
	Sequence uint32        // of the driver: a gap means frames lost
	Time     time.Duration // of capture, CLOCK_MONOTONIC
	Error    bool          // flagged by the driver, or not of a size that can be: not to be shown
	index    uint32
}

// Camera is an open, streaming camera. One goroutine calls Next, Release and Restart and looks at what Next gives; Wake may be called
// from any goroutine, and Close too while no Buffer is held.
type Camera struct {
	kernel   Kernel
	device   Device
	handle   Handle
	mode     Mode
	fourcc   PixelFormat // of mode, as the driver names it
	warnings []error

	closing atomic.Bool // Close was called: the owner of mu is to give it up

	mu     sync.Mutex
	bufs   []mapped
	closed bool
	lost   error       // set: the descriptor is closed, and this is why
	arg    uapi.Buffer // of QBUF and DQBUF, kept here so that a frame costs no allocation
}

// mapped is one buffer. It is ours while held, the driver's while not.
type mapped struct {
	data []byte
	held bool
}

const (
	defaultBuffers = 4
	maxBuffers     = 32        // VIDEO_MAX_FRAME of videodev2.h
	maxSide        = 16384     // pixels; no camera is larger
	maxLength      = 256 << 20 // bytes of one buffer
	maxFruitless   = 16        // times that poll may promise a frame and DQBUF not give it
)

// Device is the camera that was found.
func (c *Camera) Device() Device { return c.device }

// Mode is what was negotiated.
func (c *Camera) Mode() Mode { return c.mode }

// Warnings are the wishes that the camera did not fulfil.
func (c *Camera) Warnings() []error { return c.warnings }

// Next waits for the next frame, for at most wait (0 or less: without limit).
//
// ErrTimeout: none came. ErrWoken: Wake was called. ErrClosed: Close was. ErrUnplugged, ErrFailed: the camera is lost; the descriptor
// is closed already, so that the kernel can give its number to the camera when it comes back, and only Release and Close are left to call.
func (c *Camera) Next(wait time.Duration) (Buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return Buffer{}, err
	}
	left, end := time.Duration(-1), time.Duration(0)
	if wait > 0 {
		end = c.kernel.Now() + wait
	}
	var err error
	for range maxFruitless {
		if wait > 0 {
			left = max(0, end-c.kernel.Now())
		}
		ev, perr := c.handle.Poll(left)
		switch {
		case perr != nil:
			return Buffer{}, c.lose("poll", perr)
		case ev&EventWake != 0:
			if c.closing.Load() {
				return Buffer{}, ErrClosed
			}
			return Buffer{}, ErrWoken
		case ev&EventHangup != 0:
			return Buffer{}, c.lose("poll", unix.ENODEV)
		case ev == 0:
			return Buffer{}, ErrTimeout
		}
		var b Buffer
		b, err = c.dequeue()
		switch {
		case err == nil:
			return b, nil
		case ev&EventError != 0:
			return Buffer{}, c.lose("DQBUF", brokenDown(c.device, "DQBUF", err))
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EIO):
			return Buffer{}, c.lose("DQBUF", err)
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		err = nonsense(c.device, "a frame that is there, and then is not")
	} else {
		err = brokenDown(c.device, "DQBUF", err)
	}
	return Buffer{}, c.lose("DQBUF", err)
}

// dequeue takes a frame, if there is one, and believes little of what is told about it.
func (c *Camera) dequeue() (Buffer, error) {
	c.arg = uapi.Buffer{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	if err := c.handle.DQBuf(&c.arg); err != nil {
		return Buffer{}, err
	}
	a := &c.arg
	if int(a.Index) >= len(c.bufs) || c.bufs[a.Index].held {
		return Buffer{}, nonsense(c.device, "a frame in buffer %d, which it does not have", a.Index)
	}
	m := &c.bufs[a.Index]
	m.held = true
	used := int(min(a.BytesUsed, uint32(len(m.data))))
	return Buffer{
		Data:     m.data[:used:used],
		Sequence: a.Sequence,
		Time:     c.stamp(a),
		Error:    a.Flags&uapi.BufFlagError != 0 || used == 0 || a.BytesUsed > uint32(len(m.data)) || used < c.mode.Bytes(),
		index:    a.Index,
	}, nil
}

// stamp is when the frame was taken. A driver that stamps by another clock, or with what cannot be, is overruled: the frame was
// taken just now.
func (c *Camera) stamp(a *uapi.Buffer) time.Duration {
	now := c.kernel.Now()
	if a.Flags&uapi.BufFlagTimestampMask != uapi.BufFlagTimestampMonotonic {
		return now
	}
	t := time.Duration(a.Timestamp.Nano())
	if t <= 0 || t > now {
		return now
	}
	return t
}

// Release gives a buffer of Next back to the driver. After a loss of the camera it frees the memory.
func (c *Camera) Release(b Buffer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if int(b.index) >= len(c.bufs) || !c.bufs[b.index].held {
		return errors.New("v4l2: release of a buffer that is not held")
	}
	c.bufs[b.index].held = false
	if c.lost != nil {
		c.unmap(false)
		return c.lost
	}
	if err := c.enqueue(b.index); err != nil {
		return c.lose("QBUF", err)
	}
	return nil
}

func (c *Camera) enqueue(index uint32) error {
	c.arg = uapi.Buffer{Index: index, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	return c.handle.QBuf(&c.arg)
}

// Wake makes the present Next, or the next one, return ErrWoken at once. From any goroutine.
func (c *Camera) Wake() { c.handle.Wake() }

// Restart stops the stream and starts it again, with the buffers that are not held: the first thing to try when frames stay away.
func (c *Camera) Restart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if err := c.handle.StreamOff(); err != nil {
		return c.lose("STREAMOFF", err)
	}
	return c.start()
}

// start hands the driver all buffers that are not held, and lets it stream.
func (c *Camera) start() error {
	for i := range c.bufs {
		if c.bufs[i].held {
			continue
		}
		if err := c.enqueue(uint32(i)); err != nil {
			return c.lose("QBUF", err)
		}
	}
	if err := c.handle.StreamOn(); err != nil {
		return c.lose("STREAMON", err)
	}
	return nil
}

func (c *Camera) usable() error {
	if c.closed || c.closing.Load() {
		return ErrClosed
	}
	return c.lost
}

// lose gives the camera up after a failed call: all that keeps the kernel's device alive is let go of at once, and that is the
// descriptor and every mapping. A held buffer stays mapped until it is released: its reader would die.
func (c *Camera) lose(doing string, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		err = diagnose(c.kernel, c.device, doing, err)
	}
	if errors.As(err, &f) && f.kind == ErrNoSpace {
		f.says += c.smaller()
	}
	c.lost = err
	c.shut(false)
	return err
}

// Close stops the stream and frees everything; data of a buffer still held must not be touched any more. A Next that waits in another
// goroutine returns ErrClosed first. Calling it again does nothing.
func (c *Camera) Close() error {
	c.closing.Store(true)
	c.handle.Wake()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.lost != nil {
		return c.unmap(true)
	}
	return c.shut(true)
}

// shut undoes what Open did, in the opposite order. Only what could not be given back is an error: the rest fails after an unplug.
func (c *Camera) shut(heldToo bool) error {
	_ = c.handle.StreamOff()
	err := c.unmap(heldToo)
	// Older kernels refuse to free mapped buffers; newer ones would keep held ones as orphans. Either way close does the rest.
	_ = c.handle.ReqBufs(&uapi.RequestBuffers{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP})
	return errors.Join(err, c.handle.Close())
}

func (c *Camera) unmap(heldToo bool) error {
	var all error
	for i := range c.bufs {
		b := &c.bufs[i]
		if b.data == nil || b.held && !heldToo {
			continue
		}
		all = errors.Join(all, c.handle.Unmap(b.data))
		b.data = nil
	}
	return all
}
