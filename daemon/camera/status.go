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
	Idle      State = "idle"      // closed, because nobody looks
	Opening   State = "opening"   // being opened, or no picture yet
	Streaming State = "streaming" // frames come
	Lost      State = "lost"      // a fault that may pass by itself; it is tried again and again
	Failed    State = "failed"    // a fault that somebody has to see to; it is tried again and again
)

// Status is the camera as it is now.
type Status struct {
	Device        string    // what was opened last, by its stable name, else what is configured
	State         State     //
	Reason        string    // in words, with Lost and Failed; with Idle, why there was no picture when somebody looked last
	Headline      string    // the same in a few words
	Privacy       bool      // the camera is closed and stays so
	Warnings      []string  // what the open camera does not do as it is configured, in words
	Since         time.Time // of State, Reason and Privacy
	Format        string    // mjpeg, yuyv, nv12 or grey, as the camera gives it; "" before the first open
	Width, Height int       // pixels, likewise
	Rotate        int       // degrees clockwise that its frames are to be shown with; cards are not
	FPS           float64   // measured over the last seconds
	Frames        uint64    // published, without cards
	Dropped       uint64    // that were lost before they came here, by the camera's own count, or were late
	Broken        uint64    // that came, but not as a whole frame
	BrokenBy      map[string]uint64
	Restarted     uint64 // times that its stream was restarted because of silence
	Reopened      uint64 // times that it was opened again after a fault
	USBResets     uint64 // times that its USB device was reset because nothing else had helped
}

// Status says how the camera is.
func (c *Camera) Status() Status {
	s := c.status.get()
	cfg, _ := c.config()
	c.counters.fill(&s, cfg.now())
	return s
}

// statusVar is the part of the status that changes rarely, with a bell.
type statusVar struct {
	changed chan struct{}

	mu sync.Mutex
	s  Status
}

func (b *statusVar) init(device string) {
	b.changed = make(chan struct{}, 1)
	b.s = Status{Device: device, State: Idle, Since: time.Now()}
}

func (b *statusVar) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s
}

// rotate is asked for each frame.
func (b *statusVar) rotate() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s.Rotate
}

// set changes the status and rings if that made a difference.
func (b *statusVar) set(change func(*Status)) {
	b.mu.Lock()
	before := b.s
	change(&b.s)
	if b.s.State != before.State || b.s.Reason != before.Reason || b.s.Privacy != before.Privacy {
		b.s.Since = time.Now()
	}
	differs := b.s.State != before.State || b.s.Reason != before.Reason || b.s.Privacy != before.Privacy || b.s.Rotate != before.Rotate ||
		!slices.Equal(b.s.Warnings, before.Warnings) || b.s.Device != before.Device ||
		b.s.Format != before.Format || b.s.Width != before.Width || b.s.Height != before.Height
	b.mu.Unlock()
	if differs {
		signal(b.changed)
	}
}

func (b *statusVar) state(s State, headline, reason string) {
	b.set(func(st *Status) { st.State, st.Headline, st.Reason = s, headline, reason })
}

// defect is why a frame was not published.
type defect int

const (
	flagged   defect = iota // by the driver
	truncated               // no end
	garbled                 // not a JPEG, or one that is damaged
	tiny                    // too few bytes for its size
	missized                // not of the negotiated size
	defectCount
)

var defectNames = [defectCount]string{"flagged", "truncated", "garbled", "tiny", "wrong size"}

// counters counts frames.
type counters struct {
	meter frame.Meter

	mu        sync.Mutex
	frames    uint64
	dropped   uint64
	restarted uint64
	reopened  uint64
	resets    uint64
	broken    [defectCount]uint64
}

func (t *counters) good(f *frame.Frame) {
	t.meter.Add(f.Arrived, f.Arrived-f.Captured, len(f.Data), f.Width, f.Height)
	t.mu.Lock()
	t.frames++
	t.mu.Unlock()
}

func (t *counters) drop(n uint64) {
	t.mu.Lock()
	t.dropped += n
	t.mu.Unlock()
}

func (t *counters) brokenOne(why defect) {
	t.mu.Lock()
	t.broken[why]++
	t.mu.Unlock()
}

func (t *counters) allBroken() (n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, count := range t.broken {
		n += count
	}
	return n
}

func (t *counters) restart() {
	t.mu.Lock()
	t.restarted++
	t.mu.Unlock()
}

func (t *counters) reopen() {
	t.mu.Lock()
	t.reopened++
	t.mu.Unlock()
}

func (t *counters) reset() {
	t.mu.Lock()
	t.resets++
	t.mu.Unlock()
}

func (t *counters) fill(s *Status, now time.Duration) {
	s.FPS = t.meter.Rate(now).FPS
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Frames, s.Dropped, s.Restarted, s.Reopened, s.USBResets = t.frames, t.dropped, t.restarted, t.reopened, t.resets
	s.BrokenBy = make(map[string]uint64)
	for i, n := range t.broken {
		if s.Broken += n; n > 0 {
			s.BrokenBy[defectNames[i]] = n
		}
	}
}
