// Package congestion decides when a frame is sent over a link, and how many
// bytes it may have. It keeps frames fresh: what a slow link cannot carry is
// never queued, neither here, nor in the kernel, nor in a router on the path.
//
// The receiver answers each frame with a wire.Feedback: when the last byte
// arrived, and how long the frame took from its first byte to its last. From
// these the Controller derives two times for each frame:
//
//	sent ──────────▶ first byte ───────────▶ last byte ──▶ Feedback
//	     │                      └─ transferTime ─┤
//	     └─ delay, minus the least one-way delay ┘
//
// transferTime is how long the frame occupied the link.
//
// The control law has two parts, each of which answers one question.
//
// Where is a frame dropped on a slow link? In the sender's subscription to the
// hub, which holds only the newest frame. The sender takes it when CanSend
// allows: when the previous frame has almost left the bottleneck (window.go).
// If the camera delivers another frame before that, it replaces the one that
// waits.
//
// What decides the quality? Budget: the target rate times the camera's frame
// interval (rate.go). The rate is lowered when frames are delayed or occupy the
// link for more than 95 % of the time, and raised when they occupy less than
// 70 %. The encoder fits the frame into the budget.
//
//	OnFrame    ──▶ frameInterval ──────────────────┐
//	                                               ▼
//	OnFeedback ──▶ window ──▶ sample ──▶ rate ──▶ Budget ◀── bitrateCap
//	                  ▲                                         │
//	OnSent     ───────┴──▶ CanSend ◀────────────────────────────┘
//	                  ▲
//	TCPInfo    ──▶ loss, bbrReset
//
// Three causes of delay do not lower the rate, because they are not queues: a
// packet that a radio link lost and TCP retransmitted (loss.go), a route that
// has become longer (routechange.go), and BBR's own pacing (bbr.go).
//
// Guarantees:
//
//   - The package is pure: it starts no goroutine, reads no clock, and asks the
//     kernel only through Socket.
//   - No common clock is needed: times of the receiver are only compared with
//     each other.
//   - No feedback, even from a broken or hostile receiver, can stop the frames
//     for longer than a second, or five by a relay, or overflow a sum.
//   - Nothing is allocated per frame.
//
// All instants are durations on one monotonic clock of the caller's choice. A
// Controller is not safe for concurrent use.
package congestion

import (
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Controller decides when the next frame is sent and how many bytes it may
// have. It belongs to the writing goroutine of one link.
type Controller struct {
	socket     Socket
	window     window
	rate       rate
	bitrateCap bitrateCap
	interval   frameInterval
	fullSize   fullSize
	bbr        bbrReset

	constrained bool // full-size frames exceed the budget
	blockedBy   Reason
}

// Socket is the kernel's view of the connection that the frames are written to.
type Socket interface {
	Unsent() int      // bytes the kernel has not sent yet
	Unacked() int     // bytes the other kernel has not acknowledged, including unsent ones
	TCPInfo() TCPInfo // what the kernel measures
	ResetBBR()        // makes BBR measure the path again
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
	Seq        uint64        // the one its Feedback will have
	Bytes      int           // of its data
	FullBytes  int           // of its data without a budget
	Budget     int           // in bytes, as Budget returned it; 0: unlimited
	Raw        bool          // not a JPEG of the camera
	Card       bool          // a status card, which is never reduced
	EncodeTime time.Duration // from the call of Budget until now
}

// minLossRTT is the base round trip below which TCP retransmits a lost packet
// so fast that full-size frames are not delayed. Then the controller saves the
// system call for TCPInfo: on a local network, feedback comes every few
// milliseconds.
const minLossRTT = 5 * time.Millisecond

// New returns a Controller for frames that are written to s. It does not know
// the path yet: the first frames are sent in full size.
func New(s Socket) *Controller { return &Controller{socket: s} }

// NewRelayed is New for a path by a relay. The relay acknowledges megabytes at
// once, so only feedback shows what has arrived.
func NewRelayed(s Socket) *Controller { return &Controller{socket: s, window: window{relayed: true}} }

// SetMaxRate sets max_bitrate, in bytes a second; 0: no limit.
func (c *Controller) SetMaxRate(bytesPerSecond float64) { c.bitrateCap.rate = bytesPerSecond }

// OnNewSource forgets the last frame: the next one comes from another camera.
func (c *Controller) OnNewSource() { c.interval.reset() }

// OnFrame measures the camera's frame interval. It is called with each frame
// that is taken from the hub.
func (c *Controller) OnFrame(f *frame.Frame) { c.interval.onFrame(f) }

// CanSend reports whether a frame may be sent now. If not, retryAt is when to
// ask again unless a Feedback arrives first; it is later than now.
func (c *Controller) CanSend(now time.Duration) (ok bool, retryAt time.Duration) {
	if !c.bitrateCap.canSend(now) {
		c.blockedBy = LimitedByMaxBitrate
		return false, c.bitrateCap.nextAt
	}
	if ok, retryAt = c.window.canSend(now, c.interval.estimate(), c.rate.cost(), c.socket); !ok {
		c.blockedBy = LimitedByNetwork
	}
	return ok, retryAt
}

// BlockedBy returns why CanSend last returned false.
func (c *Controller) BlockedBy() Reason { return c.blockedBy }

// Budget returns how many bytes of data f may have, and what sets that limit;
// 0: unlimited. A card is always unlimited: its text must stay readable, and
// there is only one a second.
func (c *Controller) Budget(f *frame.Frame) (bytes int, reason Reason) {
	if f.Card {
		return 0, Unlimited
	}
	interval := c.interval.estimate()
	if bytes = c.rate.frameBudget(interval); bytes > 0 {
		reason = LimitedByNetwork
	}
	if capped := c.bitrateCap.frameBudget(interval); capped > 0 && (bytes == 0 || capped < bytes) {
		bytes, reason = capped, LimitedByMaxBitrate
	}
	return bytes, reason
}

// OnSent notes a frame that is about to be written.
func (c *Controller) OnSent(now time.Duration, f SentFrame) {
	c.window.encodeTime += (f.EncodeTime - c.window.encodeTime) / 8
	if c.constrained = false; !f.Card {
		c.fullSize.onFrame(f.FullBytes, now)
		c.constrained = f.Budget > 0 && c.fullSize.max() > f.Budget
	}
	// A full-size frame far below the budget does not show whether the link
	// could carry a larger one.
	reduced := c.constrained && (f.Raw || f.Bytes < f.FullBytes || f.Bytes > f.Budget-f.Budget/4)
	c.window.onSent(f.Seq, f.Bytes, reduced, now, c.rate.cost())
	c.bitrateCap.onSent(f.Bytes, now, c.interval.estimate())
}

// OnFeedback adapts the window and the rate to a Feedback that arrived at now.
func (c *Controller) OnFeedback(now time.Duration, f *wire.Feedback) {
	var info TCPInfo
	if c.constrained || c.window.baseRTT.value() > minLossRTT {
		info = c.socket.TCPInfo()
		if c.window.relayed {
			info.MinRTT = 0 // to the relay only
		}
		if info.hasStaleMinRTT(c.window.baseRTT.value()) {
			info = TCPInfo{}
		} else {
			c.window.loss.onRetransmitted(info.Retransmitted, now)
		}
	}
	s, ok := c.window.onFeedback(f, now, c.rate.cost())
	if !ok {
		return
	}
	if c.bbr.pacingLimited(s, info, c.window.loss.congestionLoss(), now) {
		c.socket.ResetBBR()
	}
	interval := c.interval.estimate()
	c.rate.onSample(s, conditions{interval: interval, baseRTT: c.window.baseRTT.value(),
		demand: float64(c.fullSize.max()) / min(interval, maxFrameTime).Seconds()}, now)
}

// Constrained reports whether the camera's frames exceed the budget and must be
// reduced.
func (c *Controller) Constrained() bool { return c.constrained }

// Capacity returns the estimated capacity of the link, in Mbit/s. It is
// meaningful only while the network limits the frames.
func (c *Controller) Capacity() float64 { return c.rate.capacityMbit() }
