package v4l2

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// Config is the camera to open and the requested mode.
type Config struct {
	Kernel             Kernel            // nil: Linux
	Device             string            // "auto" or a path, as for Find
	Width, Height, FPS int               // requested: pixels and frames a second; 0: the driver's choice
	Format             PixelFormat       // tried first; 0: MJPEG. Then MJPEG, YUYV, NV12, GREY
	Controls           map[string]string // values by v4l2-ctl's control names; failures are in Warnings
	Buffers            int               // 1 to 32; 0: 4

	// ControlsOf has more values, by the StableName of the camera that is
	// opened. Controls wins. A control that the camera lacks is no warning.
	ControlsOf map[string]map[string]string
}

// Mode is the mode that the driver reports after negotiation.
type Mode struct {
	Format        PixelFormat
	Width, Height int     // pixels, 1 to 16384
	Stride        int     // bytes from row to row, the same in both planes of NV12; 0 for compressed frames
	SizeImage     int     // bytes, as the driver reports it: the largest frame
	FPS           float64 // frames a second; 0: unknown
}

// Buffer is a frame in the driver's memory.
type Buffer struct {
	Data     []byte        // valid until Release or Close; may be empty
	Sequence uint32        // the driver's number of the frame; a gap means lost frames
	Time     time.Duration // CLOCK_MONOTONIC time of capture
	Arrival  bool          // Time is the time of DQBUF, because the driver's time stamp is not plausible
	Error    bool          // flagged by the driver, empty, or too short for a raw frame: do not show it
	index    uint32
}

// Camera is an open, streaming camera. One goroutine calls Next, Release,
// Restart, LowRateReason and StampWarning and reads the frames. Wake may be
// called from any goroutine. So may Close, while no Buffer is held.
type Camera struct {
	kernel   Kernel
	device   Device
	handle   Handle
	mode     Mode
	fourcc   PixelFormat // the driver's name of mode.Format, MJPEG or JPEG
	warnings []error

	triedSmaller bool // than mode, in vain, by Open
	reduced      bool // Open could only start a smaller size

	closing atomic.Bool // Close was called: the holder of mu must return

	mu     sync.Mutex
	bufs   []mappedBuffer
	closed bool
	lost   error       // not nil: the cause why the descriptor is closed
	arg    uapi.Buffer // argument of QBUF and DQBUF, reused to avoid an allocation per frame
	clock  captureClock
}

// mappedBuffer is one buffer. The driver owns it unless it is held.
type mappedBuffer struct {
	data []byte
	held bool
}

const (
	defaultBuffers = 4
	maxBuffers     = 32        // VIDEO_MAX_FRAME of videodev2.h
	maxSide        = 16384     // pixels; larger values are invalid
	maxLength      = 256 << 20 // bytes of one buffer; larger values are invalid
	// maxEmptyDequeues is how often DQBUF may fail in a row although poll
	// reported a frame.
	maxEmptyDequeues = 16
)

// Device returns the camera that Open found.
func (c *Camera) Device() Device { return c.device }

// Mode returns the negotiated mode.
func (c *Camera) Mode() Mode { return c.mode }

// Warnings returns the settings of Config that the camera did not apply, in
// words for users.
func (c *Camera) Warnings() []error { return c.warnings }

// Next waits up to wait for the next frame; 0 or less means no limit. Pass each
// frame to Release.
//
// Errors: ErrTimeout; ErrWoken after Wake; ErrClosed after Close; ErrUnplugged
// or ErrFailed if the camera is lost. A lost camera's descriptor is closed at
// once, so that the kernel can reuse its number. Only Release and Close remain
// to be called.
func (c *Camera) Next(wait time.Duration) (Buffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkUsable(); err != nil {
		return Buffer{}, err
	}
	left, end := time.Duration(-1), time.Duration(0)
	if wait > 0 {
		end = c.kernel.Now() + wait
	}
	var err error
	for range maxEmptyDequeues {
		if wait > 0 {
			left = max(0, end-c.kernel.Now())
		}
		ev, perr := c.handle.Poll(left)
		switch {
		case perr != nil:
			return Buffer{}, c.fail("poll", perr)
		case ev&EventWake != 0:
			if c.closing.Load() {
				return Buffer{}, ErrClosed
			}
			return Buffer{}, ErrWoken
		case ev&EventHangup != 0:
			return Buffer{}, c.fail("poll", unix.ENODEV)
		case ev == 0:
			return Buffer{}, ErrTimeout
		}
		var b Buffer
		b, err = c.dequeue()
		switch {
		case err == nil:
			return b, nil
		case ev&EventError != 0:
			return Buffer{}, c.fail("DQBUF", lostError(c.device, "DQBUF", err))
		case !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EIO):
			return Buffer{}, c.fail("DQBUF", err)
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		err = invalidAnswer(c.device, "poll reports a frame, DQBUF has none")
	} else {
		err = lostError(c.device, "DQBUF", err)
	}
	return Buffer{}, c.fail("DQBUF", err)
}

// dequeue takes a filled buffer and checks what the driver reports about it.
func (c *Camera) dequeue() (Buffer, error) {
	c.arg = uapi.Buffer{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	if err := c.handle.DQBuf(&c.arg); err != nil {
		return Buffer{}, err
	}
	a := &c.arg
	if a.Index >= uint32(len(c.bufs)) || c.bufs[a.Index].held { // not int(a.Index), which is negative on arm
		return Buffer{}, invalidAnswer(c.device, "a frame in buffer %d, which is not queued", a.Index)
	}
	m := &c.bufs[a.Index]
	m.held = true
	used := int(min(a.BytesUsed, uint32(len(m.data))))
	at := c.clock.at(time.Duration(a.Timestamp.Nano()),
		a.Flags&uapi.BufFlagTimestampMask == uapi.BufFlagTimestampMonotonic, c.kernel.Now())
	badSize := used == 0 || a.BytesUsed > uint32(len(m.data)) || used < c.mode.Bytes()
	return Buffer{
		Data:     m.data[:used:used],
		Sequence: a.Sequence,
		Time:     at,
		Arrival:  c.clock.fault != "",
		Error:    a.Flags&uapi.BufFlagError != 0 || badSize,
		index:    a.Index,
	}, nil
}

// Reduced reports whether the camera could only start at a smaller size than it
// offers: its bandwidth may be back later.
func (c *Camera) Reduced() bool { return c.reduced }

// StampWarning returns a sentence if the driver's time stamps are not plausible
// and Buffer.Time is the time of arrival, else "". Call it from the goroutine
// that calls Next.
func (c *Camera) StampWarning() string {
	if fault := c.clock.warning(); fault != "" {
		return "the driver's time stamps " + fault + "; using the time of arrival"
	}
	return ""
}

// Release returns a buffer of Next to the driver. If the camera is lost,
// Release unmaps the buffer and returns the cause. The other errors are
// ErrClosed, and one without kind for a buffer that is not held.
func (c *Camera) Release(b Buffer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if b.index >= uint32(len(c.bufs)) || !c.bufs[b.index].held {
		return errors.New("v4l2: release of a buffer that is not held")
	}
	c.bufs[b.index].held = false
	if c.lost != nil {
		c.unmap(false)
		return c.lost
	}
	if err := c.enqueue(b.index); err != nil {
		return c.fail("QBUF", err)
	}
	return nil
}

func (c *Camera) enqueue(index uint32) error {
	c.arg = uapi.Buffer{Index: index, Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP}
	return c.handle.QBuf(&c.arg)
}

// Wake makes the current Next, or else the next one, return ErrWoken. Several
// calls wake Next once.
func (c *Camera) Wake() { c.handle.Wake() }

// Restart stops and starts the stream. Held buffers stay held. It is the first
// thing to try if no frames arrive. The errors are those of Next; after a
// failure the camera is lost.
func (c *Camera) Restart() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.checkUsable(); err != nil {
		return err
	}
	if err := c.handle.StreamOff(); err != nil {
		return c.fail("STREAMOFF", err)
	}
	if err := c.enqueueAll(); err != nil {
		return c.fail("QBUF", err)
	}
	if err := c.streamOn(); err != nil {
		return c.fail("STREAMON", err)
	}
	return nil
}

// enqueueAll queues all buffers that are not held.
func (c *Camera) enqueueAll() error {
	for i := range c.bufs {
		if c.bufs[i].held {
			continue
		}
		if err := c.enqueue(uint32(i)); err != nil {
			return diagnose(c.kernel, c.device, "QBUF", err)
		}
	}
	return nil
}

func (c *Camera) streamOn() error {
	if err := c.handle.StreamOn(); err != nil {
		return diagnose(c.kernel, c.device, "STREAMON", err)
	}
	c.clock.arrival = c.kernel.Now() // the first frame cannot be older
	return nil
}

func (c *Camera) checkUsable() error {
	if c.closed || c.closing.Load() {
		return ErrClosed
	}
	return c.lost
}

// fail marks the camera as lost and returns the error of the failed call. It
// closes the descriptor and all mappings at once, because they keep the
// kernel's device alive. Held buffers stay mapped until Release: their reader
// would get SIGBUS.
func (c *Camera) fail(op string, err error) error {
	var f *cameraError
	if !errors.As(err, &f) {
		err = diagnose(c.kernel, c.device, op, err)
	}
	if errors.As(err, &f) && f.kind == ErrNoSpace {
		f.message += c.smallerMode()
	}
	c.lost = err
	c.tearDown(false)
	return err
}

// Close stops the stream and frees all buffers, held ones included: do not read
// their Data any more. A Next in another goroutine returns ErrClosed. A second
// Close does nothing and returns nil.
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
	return c.tearDown(true)
}

// tearDown undoes Open in reverse order. It reports only failures to unmap or
// close: the other calls fail after every unplug.
func (c *Camera) tearDown(includeHeld bool) error {
	_ = c.handle.StreamOff()
	err := c.unmap(includeHeld)
	// Before Linux 4.20 this fails while buffers are mapped; later kernels
	// orphan them. In both cases close frees them.
	_ = c.handle.ReqBufs(&uapi.RequestBuffers{Type: uapi.BufTypeVideoCapture, Memory: uapi.MemoryMMAP})
	return errors.Join(err, c.handle.Close())
}

func (c *Camera) unmap(includeHeld bool) error {
	var all error
	for i := range c.bufs {
		b := &c.bufs[i]
		if b.data == nil || b.held && !includeHeld {
			continue
		}
		all = errors.Join(all, c.handle.Unmap(b.data))
		b.data = nil
	}
	return all
}
