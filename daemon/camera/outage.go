package camera

import (
	"log/slog"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/testcard"
)

// outage is why there is no picture, and the card that says so.
type outage struct {
	cause  *cause    // nil: all is well
	reason string    // in words
	begun  time.Time // of the outage
	since  time.Time // of this cause of it
	card   []byte    // nil: not made yet
	again  time.Time // when the card is to be shown next
}

// recovered says that frames come, and of what size.
func (k *supervisor) recovered(f *frame.Frame) {
	if o := k.outage; o.cause != nil && o.cause != starting {
		k.log.Info("camera is back", "after", time.Since(o.begun).Round(time.Millisecond))
	}
	k.outage = outage{}
	k.size = [2]int{f.Width, f.Height}
	k.status.set(func(s *Status) {
		s.State, s.Headline, s.Reason, s.Width, s.Height = Streaming, "", "", f.Width, f.Height
	})
}

// fault says what is wrong, in the status, in the log and on a card, once for each cause.
func (k *supervisor) fault(err error) {
	c := causeOf(err, k.outage.cause)
	switch {
	case k.settling(c):
		return
	case c == k.outage.cause: // said already, but another program may hold it by now
		if text := err.Error(); text != k.outage.reason && causeOf(err, nil) == c {
			k.outage.reason, k.outage.card = text, nil
			k.status.state(c.state, c.headline, text)
		}
		return
	}
	k.status.state(c.state, c.headline, err.Error())
	level := slog.LevelWarn
	if c.quiet {
		level = slog.LevelInfo
	}
	k.log.Log(k.ctx, level, "camera lost", "cause", c.headline, "err", err)
	now := time.Now()
	begun := k.outage.begun
	if k.outage.cause == nil {
		begun = now
	}
	k.outage = outage{cause: c, reason: err.Error(), begun: begun, since: now, again: now}
	k.refreshCard()
}

// settling says that a fault is only the way in which a camera comes: it does not belong to the group video yet, which udev
// sees to some moments after the kernel has made the node; or its node is not there, because we have just reset its device.
func (k *supervisor) settling(c *cause) bool {
	before, reset := k.outage.cause, time.Since(k.recovery.resetAt) < comeBack
	switch c {
	case denied:
		return (before == unplug || before == missing || before != nil && reset) && time.Since(k.stirred) < settle
	case unplug, missing:
		return before != nil && reset
	}
	return false
}

// refreshCard publishes the card if there is an outage and it is time to: late readers and links see that it is live.
func (k *supervisor) refreshCard() {
	o := &k.outage
	if o.cause == nil || time.Now().Before(o.again) {
		return
	}
	if o.card == nil {
		o.card = testcard.Card{Name: k.cfg.Name, Headline: o.cause.headline, Reason: o.reason, Since: o.since}.JPEG(k.size[0], k.size[1])
	}
	f := k.pool.Get(len(o.card))
	copy(f.Data, o.card)
	k.last++
	f.Seq, f.Format, f.Card, f.Width, f.Height = k.last, frame.JPEG, true, k.size[0], k.size[1]
	f.Captured = k.cfg.now()
	f.Arrived = f.Captured
	k.hub.Publish(f)
	o.again = time.Now().Add(cardEvery)
}
