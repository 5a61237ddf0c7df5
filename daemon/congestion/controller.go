package congestion

import (
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Controller decides when the next frame is sent and how many bytes it may have. It belongs to the writing goroutine, which
// gives it the time.
type Controller struct {
	kernel  Kernel
	window  window
	rate    rate
	pulse   pulse
	paced   paced
	natural natural

	most    float64       // max_bitrate in bytes a second; 0: there is none
	paid    time.Duration // max_bitrate is kept for what was sent, if nothing more is sent until then
	blocked Reason
	bound   bool // frames like the latest have to be made smaller
}

// Reason is what delays a frame or makes it smaller.
type Reason uint8

// The reasons. The zero Reason is none.
const (
	Unlimited Reason = iota
	LimitedByNetwork
	LimitedByMaxBitrate
)

// SentFrame describes a frame that is about to be written.
type SentFrame struct {
	Seq        uint64
	Bytes      int // of its data
	FullBytes  int // bytes that it would have without a budget
	Budget     int // bytes that it was allowed to have; 0: any number
	Raw        bool
	Card       bool
	EncodeTime time.Duration // how long it took to encode it
}

func New(k Kernel) *Controller { return &Controller{kernel: k} }

// SetMaxRate sets max_bitrate, in bytes a second; 0: there is none.
func (c *Controller) SetMaxRate(most float64) { c.most = most }

// OnFrame learns the camera's interval from a frame that was taken.
func (c *Controller) OnFrame(f *frame.Frame) { c.pulse.saw(f) }

// OnNewSource forgets the last frame: the next one is another camera's.
func (c *Controller) OnNewSource() { c.pulse.pause() }

// CanSend reports whether a frame may be sent now, and if not, when to ask again.
func (c *Controller) CanSend(now time.Duration) (ok bool, retryAt time.Duration) {
	if now < c.paid && c.most > 0 {
		c.blocked = LimitedByMaxBitrate
		return false, c.paid
	}
	if ok, retryAt = c.window.open(now, c.pulse.interval(), c.rate.slowness(len(c.rate.recent)), c.kernel); !ok {
		c.blocked = LimitedByNetwork
	}
	return ok, retryAt
}

// BlockedBy returns why CanSend reported false.
func (c *Controller) BlockedBy() Reason { return c.blocked }

// Budget returns how many bytes the next frame may have, and why no more; 0: any number.
func (c *Controller) Budget(f *frame.Frame) (bytes int, reason Reason) {
	if f.Card {
		return 0, Unlimited // its text must stay readable, and there is one a second
	}
	interval := c.pulse.interval()
	if bytes = c.rate.room(interval); bytes > 0 {
		reason = LimitedByNetwork
	}
	if c.most > 0 {
		if capped := int(min(max(1, c.most*interval.Seconds()), wire.MaxFrame)); bytes == 0 || capped < bytes {
			bytes, reason = capped, LimitedByMaxBitrate
		}
	}
	return bytes, reason
}

// OnSent notes a frame that is about to be written.
func (c *Controller) OnSent(now time.Duration, f SentFrame) {
	c.window.lead += (f.EncodeTime - c.window.lead) / 8
	if c.bound = false; !f.Card {
		c.natural.saw(f.FullBytes, now)
		c.bound = f.Budget > 0 && c.natural.most() > f.Budget
	}
	// One that is as it came, and much smaller than it may be, says nothing of what would be if it were as large.
	shrunk := c.bound && (f.Raw || f.Bytes < f.FullBytes || f.Bytes > f.Budget-f.Budget/4)
	c.window.sent(f.Seq, f.Bytes, shrunk, now, c.rate.slowness(len(c.rate.recent)))
	if c.most > 0 {
		c.paid = max(c.paid, now-c.pulse.interval()) + seconds(1/c.most).of(f.Bytes)
	}
}

// OnFeedback takes the receiver's word, which came at an instant.
func (c *Controller) OnFeedback(at time.Duration, f *wire.Feedback) {
	var way TCPInfo
	if c.bound || c.window.trip.value() > nearby {
		if way = c.kernel.TCPInfo(); way.stale(c.window.trip.value()) {
			way = TCPInfo{}
		} else {
			c.window.losses.resent(way.Retransmitted, at)
		}
	}
	s, ok := c.window.heard(f, at, c.rate.slowness(len(c.rate.recent)))
	if !ok {
		return
	}
	if c.paced.holds(s, way, c.window.losses.crowded(), at) {
		c.kernel.ResetBBR()
	}
	interval := c.pulse.interval()
	c.rate.heard(s, course{interval: interval, trip: c.window.trip.value(),
		asked: float64(c.natural.most()) / min(interval, longestSpan).Seconds()}, at)
}

// nearby is a round trip so short that nobody needs to know why it was longer, where frames go as they come.
const nearby = 5 * time.Millisecond

// Constrained reports whether frames like the latest have to be made smaller.
func (c *Controller) Constrained() bool { return c.bound }

// Capacity returns what the link is taken to carry, in Mbit/s.
func (c *Controller) Capacity() float64 { return c.rate.carries() }
