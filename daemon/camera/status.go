package camera

import (
	"slices"
	"sync"
	"time"

	"vchat/daemon/frame"
)

// State is what the camera is doing.
type State string

// States of a camera.
const (
	Idle      State = "idle"      // closed: no readers, or privacy
	Opening   State = "opening"   // being opened, or before the first frame
	Streaming State = "streaming" // frames arrive
	Lost      State = "lost"      // a fault that may pass by itself; retried
	Failed    State = "failed"    // a fault that needs a user to act; retried
)

// Status is a snapshot of the camera.
type Status struct {
	Device        string    // opened last, by its stable name, else as configured
	State         State     //
	Reason        string    // a sentence, with Lost and Failed; with Idle, the fault that the last readers met
	Headline      string    // Reason in a few words
	Privacy       bool      // the camera is closed and stays closed
	Warnings      []string  // sentences: where the open camera differs from its configuration
	Since         time.Time // of State, Reason and Privacy
	Format        string    // from the camera: mjpeg, yuyv, nv12 or grey; "" before the first open
	Width, Height int       // pixels, from the camera
	Rotate        int       // clockwise degrees for viewers of its frames; not for cards
	FPS           float64   // measured over the last seconds
	Frames        uint64    // published, without cards
	Dropped       uint64    // lost in the driver, or too old when they arrived
	Broken        uint64    // incomplete or damaged
	BrokenBy      map[string]uint64
	Restarted     uint64 // stream restarts, because of no frames
	Reopened      uint64 // opens after a fault
	USBResets     uint64 // resets of the USB device
}

// Status returns the present state and counters.
func (c *Camera) Status() Status {
	s := c.status.get()
	cfg, _ := c.config()
	c.counters.fill(&s, cfg.now())
	return s
}

// statusVar holds the rarely changing part of the status.
type statusVar struct {
	changed chan struct{} // capacity 1

	mu sync.Mutex
	s  Status
}

func (v *statusVar) init(device string) {
	v.changed = make(chan struct{}, 1)
	v.s = Status{Device: device, State: Idle, Since: time.Now()}
}

func (v *statusVar) get() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.s
}

// rotate returns Rotate without copying. It is called for each frame.
func (v *statusVar) rotate() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.s.Rotate
}

// set changes the status, and notifies the listener if it differs.
func (v *statusVar) set(change func(*Status)) {
	v.mu.Lock()
	before := v.s
	change(&v.s)
	stateDiffers := v.s.State != before.State || v.s.Reason != before.Reason || v.s.Privacy != before.Privacy
	if stateDiffers {
		v.s.Since = time.Now()
	}
	differs := stateDiffers || v.s.Rotate != before.Rotate || !slices.Equal(v.s.Warnings, before.Warnings) ||
		v.s.Device != before.Device || v.s.Format != before.Format ||
		v.s.Width != before.Width || v.s.Height != before.Height
	v.mu.Unlock()
	if differs {
		notify(v.changed)
	}
}

func (v *statusVar) setState(state State, headline, reason string) {
	v.set(func(s *Status) { s.State, s.Headline, s.Reason = state, headline, reason })
}

// defect is why a frame was not published.
type defect int

const (
	defectFlagged   defect = iota // V4L2_BUF_FLAG_ERROR, or no data
	defectTruncated               // the end is missing
	defectGarbled                 // not a JPEG, or a damaged one
	defectTooSmall                // too few bytes for the frame's size
	defectWrongSize               // larger than maxSide, or another size than the frames around it
	defectCount
)

// defectNames are the keys of BrokenBy.
var defectNames = [defectCount]string{"flagged", "truncated", "garbled", "tiny", "wrong size"}

// counters counts frames and recoveries.
type counters struct {
	meter frame.Meter

	mu        sync.Mutex
	frames    uint64
	dropped   uint64
	restarts  uint64
	reopens   uint64
	usbResets uint64
	broken    [defectCount]uint64
}

func (c *counters) countFrame(f *frame.Frame) {
	c.meter.Add(f.Arrived, f.Arrived-f.Captured, len(f.Data), f.Width, f.Height)
	c.mu.Lock()
	c.frames++
	c.mu.Unlock()
}

func (c *counters) countDropped(n uint64) {
	c.mu.Lock()
	c.dropped += n
	c.mu.Unlock()
}

func (c *counters) countBroken(d defect) {
	c.mu.Lock()
	c.broken[d]++
	c.mu.Unlock()
}

func (c *counters) totalBroken() (n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, count := range c.broken {
		n += count
	}
	return n
}

func (c *counters) countRestart() {
	c.mu.Lock()
	c.restarts++
	c.mu.Unlock()
}

func (c *counters) countReopen() {
	c.mu.Lock()
	c.reopens++
	c.mu.Unlock()
}

func (c *counters) countUSBReset() {
	c.mu.Lock()
	c.usbResets++
	c.mu.Unlock()
}

// fill copies the counters into s. now is CLOCK_MONOTONIC.
func (c *counters) fill(s *Status, now time.Duration) {
	s.FPS = c.meter.Rate(now).FPS
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Frames, s.Dropped, s.Restarted, s.Reopened, s.USBResets = c.frames, c.dropped, c.restarts, c.reopens, c.usbResets
	s.BrokenBy = make(map[string]uint64)
	for i, n := range c.broken {
		if s.Broken += n; n > 0 {
			s.BrokenBy[defectNames[i]] = n
		}
	}
}
