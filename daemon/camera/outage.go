package camera

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"vchat/daemon/frame"
	"vchat/daemon/testcard"
	"vchat/v4l2"
)

// outage is a time without frames, and its card.
type outage struct {
	cause    *cause    // nil: no outage
	reason   string    // a sentence for the card and the status
	err      string    // for the log
	logged   bool      // as "camera lost"
	begun    time.Time // of the outage
	since    time.Time // of this cause
	card     []byte    // JPEG; nil: not painted yet
	nextCard time.Time // when to publish the card next
}

// endOutage sets the state to Streaming, with the size of f.
func (s *supervisor) endOutage(f *frame.Frame) {
	if o := s.outage; o.logged {
		after := time.Since(o.begun).Round(time.Millisecond)
		s.log.Info("camera recovered", "device", logDevice(s.device), "after", after)
	}
	s.outage = outage{}
	s.size = [2]int{f.Width, f.Height}
	s.status.set(func(st *Status) {
		st.State, st.Headline, st.Reason, st.Width, st.Height = Streaming, "", "", f.Width, f.Height
	})
}

// reportFault shows err in the status, in the log and on the card. It logs each
// cause once.
func (s *supervisor) reportFault(err error) {
	c := classify(err, s.outage.cause)
	switch {
	case c == causeStarting, s.isLate(c, err):
		s.showStarting()
		return
	case s.transient(c):
		return
	case c == s.outage.cause: // the text may change: another program may use the camera by now
		if text := explain(err); text != s.outage.reason && classify(err, nil) == c {
			s.outage.reason, s.outage.err, s.outage.card = text, err.Error(), nil
			s.status.setState(c.state, c.headline, text)
		}
		return
	}
	s.status.setState(c.state, c.headline, explain(err))
	now := time.Now()
	begun := s.outage.begun
	if s.outage.cause == nil {
		begun = now
	}
	s.outage = outage{cause: c, reason: explain(err), err: err.Error(), logged: s.outage.logged, begun: begun,
		since: now, nextCard: now}
	if s.faultQuota(c).allow(now) {
		s.logFault()
	}
	s.refreshCard()
}

// lineQuota limits the log lines of one kind. Some cameras and commands fail
// all the time, and work in between: the log gets quotaBurst lines, then one
// per quotaPause.
type lineQuota struct {
	limiter *rate.Limiter
	omitted int // since the last line
}

func newLineQuota() *lineQuota {
	return &lineQuota{limiter: rate.NewLimiter(rate.Every(quotaPause), quotaBurst)}
}

// allow reports whether to log now, and counts if not.
func (q *lineQuota) allow(now time.Time) bool {
	if q.limiter.AllowN(now, 1) {
		return true
	}
	q.omitted++
	return false
}

// addOmitted adds the number of omitted lines, if any, to the attributes of
// one.
func (q *lineQuota) addOmitted(attrs []any) []any {
	if q.omitted > 0 {
		attrs = append(attrs, "omitted", q.omitted)
	}
	q.omitted = 0
	return attrs
}

// faultQuota returns the quota of a cause.
func (s *supervisor) faultQuota(c *cause) *lineQuota {
	if s.faultQuotas[c] == nil {
		s.faultQuotas[c] = newLineQuota()
	}
	return s.faultQuotas[c]
}

// logDevice returns the camera for the log.
func (s *supervisor) logDevice() string { return logDevice(cmp.Or(s.device, s.cfg.Device)) }

// logFault logs the outage.
func (s *supervisor) logFault() {
	o := &s.outage
	level := slog.LevelWarn
	if o.cause.routine {
		level = slog.LevelInfo
	}
	attrs := []any{"device", s.logDevice(), "cause", o.cause.name, "err", o.err}
	s.log.Log(s.ctx, level, "camera lost", s.faultQuota(o.cause).addOmitted(attrs)...)
	o.logged = true
}

// logStep logs a step of the recovery, if the outage was logged.
func (s *supervisor) logStep(level slog.Level, text string, attrs ...any) {
	if s.outage.logged {
		s.log.Log(s.ctx, level, text, attrs...)
	}
}

const (
	quotaBurst       = 10
	quotaPause       = time.Hour
	lastingFaultTime = 5 * time.Minute // an outage of this length is logged in any case
)

// showStarting makes an outage one of a camera that is starting: udev has not
// set the group of its node yet, or the system is still looking for cameras.
func (s *supervisor) showStarting() {
	o, now := &s.outage, time.Now()
	if o.cause == causeStarting {
		return
	}
	if o.cause == nil {
		o.begun = now
	}
	*o = outage{cause: causeStarting, logged: o.logged, begun: o.begun, since: now, nextCard: now}
	s.status.setState(Opening, "", "")
}

// lateTime is how long a camera may be late at boot. Then vchatd is often
// earlier than the USB bus, and than udev, which gives nodes to their group.
const lateTime = 10 * time.Second

// isLate reports whether a fault can mean that the system is still starting: no
// camera just after the start, or one that still belongs to root. The age of
// its node does not tell: the kernel makes nodes long before udev runs.
func (s *supervisor) isLate(c *cause, err error) bool {
	now := time.Now()
	if !errors.Is(err, v4l2.ErrNoGroup) {
		s.noGroupSince = time.Time{}
		return c == causeNotFound && s.outage.cause == causeStarting && now.Sub(s.started) < lateTime
	}
	if s.noGroupSince.IsZero() {
		s.noGroupSince = now
	}
	return c == causeNoPermission && now.Sub(s.noGroupSince) < lateTime
}

// transient reports whether a fault is part of a camera's return: a USB reset
// removes the node for some seconds.
func (s *supervisor) transient(c *cause) bool {
	afterReset := time.Since(s.recovery.resetAt) < resetGrace
	return (c == causeUnplugged || c == causeNotFound) && s.outage.cause != nil && afterReset
}

// refreshCard publishes the card once per cardInterval during an outage. So new
// readers get one, and links see that the feed is alive.
func (s *supervisor) refreshCard() {
	o := &s.outage
	if o.cause == nil || time.Now().Before(o.nextCard) {
		return
	}
	lost := o.cause.state == Lost || o.cause.state == Failed
	if lost && !o.logged && time.Since(o.begun) >= lastingFaultTime {
		s.faultQuota(o.cause).omitted-- // this one
		s.logFault()
	}
	if o.card == nil {
		card := testcard.Card{Name: s.cfg.Name, Headline: o.cause.headline, Reason: o.reason, Since: o.since}
		o.card = card.JPEG(s.size[0], s.size[1])
	}
	f := s.pool.Get(len(o.card))
	copy(f.Data, o.card)
	s.lastSeq++
	f.Seq, f.Format, f.Card, f.Width, f.Height = s.lastSeq, frame.JPEG, true, s.size[0], s.size[1]
	f.Captured = s.cfg.now()
	f.Arrived = f.Captured
	s.hub.Publish(f)
	o.nextCard = time.Now().Add(cardInterval)
}
