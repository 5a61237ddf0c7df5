package link

import (
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// controller decides when the next frame is sent and how many bytes it may have. It belongs to the writing goroutine, which
// gives it the time.
type controller struct {
	kernel  kernel
	window  window
	rate    rate
	pulse   pulse
	paced   paced
	natural natural

	most    float64       // max_bitrate in bytes a second; 0: there is none
	paid    time.Duration // max_bitrate is kept for what was sent, if nothing more is sent until then
	blocked limit
	bound   bool // frames like the latest have to be made smaller
}

// limit is what holds a frame up, or makes it smaller.
type limit uint8

const (
	noLimit limit = iota
	linkLimit
	maxBitrateLimit
)

// sentFrame describes a frame that is about to be written.
type sentFrame struct {
	seq      uint64
	bytes    int // of its data
	full     int // bytes that it would have without a budget
	budget   int // bytes that it was allowed to have; 0: any number
	raw      bool
	card     bool
	encoding time.Duration // how long it took to encode it
}

func newController(k kernel) *controller { return &controller{kernel: k} }

// setMaxRate sets max_bitrate, in bytes a second; 0: there is none.
func (c *controller) setMaxRate(most float64) { c.most = most }

// onFrame learns the camera's interval from a frame that was taken.
func (c *controller) onFrame(f *frame.Frame) { c.pulse.saw(f) }

// onNewSource forgets the last frame: the next one is another camera's.
func (c *controller) onNewSource() { c.pulse.pause() }

// canSend reports whether a frame may be sent now, and if not, when to ask again.
func (c *controller) canSend(now time.Duration) (ok bool, retryAt time.Duration) {
	if now < c.paid && c.most > 0 {
		c.blocked = maxBitrateLimit
		return false, c.paid
	}
	if ok, retryAt = c.window.open(now, c.pulse.interval(), c.rate.slowness(len(c.rate.recent)), c.kernel); !ok {
		c.blocked = linkLimit
	}
	return ok, retryAt
}

// blockedBy returns why canSend reported false.
func (c *controller) blockedBy() limit { return c.blocked }

// budget returns how many bytes the next frame may have, and why no more; 0: any number.
func (c *controller) budget() (bytes int, by limit) {
	interval := c.pulse.interval()
	if bytes = c.rate.room(interval); bytes > 0 {
		by = linkLimit
	}
	if c.most > 0 {
		if capped := int(min(max(1, c.most*interval.Seconds()), wire.MaxFrame)); bytes == 0 || capped < bytes {
			bytes, by = capped, maxBitrateLimit
		}
	}
	return bytes, by
}

// onSent notes a frame that is about to be written.
func (c *controller) onSent(now time.Duration, f sentFrame) {
	c.window.lead += (f.encoding - c.window.lead) / 8
	if c.bound = false; !f.card {
		c.natural.saw(f.full, now)
		c.bound = f.budget > 0 && c.natural.most() > f.budget
	}
	// One that is as it came, and much smaller than it may be, says nothing of what would be if it were as large.
	shrunk := c.bound && (f.raw || f.bytes < f.full || f.bytes > f.budget-f.budget/4)
	c.window.sent(f.seq, f.bytes, shrunk, now, c.rate.slowness(len(c.rate.recent)))
	if c.most > 0 {
		c.paid = max(c.paid, now-c.pulse.interval()) + seconds(1/c.most).of(f.bytes)
	}
}

// onFeedback takes the receiver's word, which came at an instant.
func (c *controller) onFeedback(at time.Duration, f *wire.Feedback) {
	var way flow
	if c.bound || c.window.trip.value() > nearby {
		if way = c.kernel.flow(); way.stale(c.window.trip.value()) {
			way = flow{}
		} else {
			c.window.losses.resent(way.repeated, at)
		}
	}
	s, ok := c.window.heard(f, at, c.rate.slowness(len(c.rate.recent)))
	if !ok {
		return
	}
	if c.paced.holds(s, way, c.window.losses.crowded(), at) {
		c.kernel.restart()
	}
	interval := c.pulse.interval()
	c.rate.heard(s, course{interval: interval, trip: c.window.trip.value(),
		asked: float64(c.natural.most()) / min(interval, longestSpan).Seconds()}, at)
}

// nearby is a round trip so short that nobody needs to know why it was longer, where frames go as they come.
const nearby = 5 * time.Millisecond

// constrained reports whether frames like the latest have to be made smaller.
func (c *controller) constrained() bool { return c.bound }

// capacity returns what the link is taken to carry, in Mbit/s.
func (c *controller) capacity() float64 { return c.rate.carries() }
