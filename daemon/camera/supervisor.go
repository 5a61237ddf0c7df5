package camera

import (
	"context"
	"errors"
	"time"

	"vchat/daemon/frame"
	"vchat/v4l2"
)

const (
	linger      = 500 * time.Millisecond // open after the last reader has left: viewers come and go
	patience    = 2 * time.Second        // without a frame after an idle camera was opened, and without a card
	firstWait   = 3 * time.Second        // for the first frame, before it counts as silence
	leastSilent = time.Second
	cardEvery   = time.Second
	healthy     = 5 * time.Second // of frames: the next fault is a new one
	settle      = time.Second     // for udev to give a new camera its group
	comeBack    = 5 * time.Second // for a camera after a reset of its USB device
)

// supervisor is what Run runs. It alone publishes.
type supervisor struct {
	*Camera
	ctx     context.Context
	cfg     Config
	version int
	device  string    // that is open or was so just now; "" if it could not be opened
	left    time.Time // when the last reader left; zero while there are some
	last    uint64    // the newest sequence number of the feed

	tries    int           // in vain, since it was healthy
	recovery recovery      // out of a silence
	step     int           // of the pauses between them, which begin anew when something happens to a camera
	watch    *v4l2.Watcher // while a V4L2 camera is wanted, unless there is none to be had
	stirred  time.Time     // when it told of something last
	base     uint64        // what the stream's numbers are more than the feed's
	size     [2]int        // of the frames, and so of the cards
	outage   outage
	warnings warnings
	waiting  *time.Timer
}

func newSupervisor(c *Camera) *supervisor {
	k := &supervisor{Camera: c, waiting: time.NewTimer(time.Hour)}
	k.waiting.Stop()
	return k
}

// keep is idle until somebody looks, then keeps the camera while somebody does, over and over.
func (k *supervisor) keep(ctx context.Context) {
	k.ctx = ctx
	for ctx.Err() == nil {
		if k.hub.Readers() == 0 {
			k.idle()
			continue
		}
		if k.isPrivate() {
			k.privacyLoop()
			continue
		}
		k.cfg, k.version = k.config()
		k.begin()
		for k.wanted() {
			if err := k.once(); err != nil && !k.isPrivate() {
				k.fault(err)
				k.escalate(err)
				k.pause()
			}
		}
		k.unwatch()
	}
	k.setIdle()
}

// idle waits until something changes, with the camera closed.
func (k *supervisor) idle() {
	k.hub.Forget() // nobody is to take it for a live frame later
	k.counters.meter.Reset()
	k.setIdle()
	select {
	case <-k.kick:
	case <-k.ctx.Done():
	}
}

// setIdle says that the camera is closed. What was wrong when somebody looked last stays to be read.
func (k *supervisor) setIdle() {
	k.status.set(func(s *Status) {
		s.State, s.Warnings = Idle, nil
		if o := k.outage.cause; o == nil || o == starting || o == hidden {
			s.Headline, s.Reason = "", ""
		}
	})
}

// privacyLoop keeps the camera closed while privacy is on and somebody looks.
func (k *supervisor) privacyLoop() {
	k.cfg, k.version = k.config()
	if k.size == [2]int{} { // it has never been open
		k.size = [2]int{k.cfg.Width, k.cfg.Height}
	}
	k.showPrivacyCard()
	for k.isPrivate() && k.hub.Readers() > 0 && k.ctx.Err() == nil {
		k.waiting.Reset(k.untilCard(cardEvery))
		select {
		case <-k.kick:
		case <-k.ctx.Done():
		case <-k.waiting.C:
		}
		k.waiting.Stop()
		k.refreshCard()
	}
}

// showPrivacyCard shows the card of privacy from now on.
func (k *supervisor) showPrivacyCard() {
	now := time.Now()
	if k.outage.cause != hidden {
		k.hub.Forget() // the last frame is not for whoever comes now
		k.outage = outage{cause: hidden, reason: "the camera was switched off with vchatctl privacy on", begun: now, since: now, again: now}
		k.status.set(func(s *Status) { s.State, s.Headline, s.Reason, s.Warnings = Idle, "", "", nil })
	}
	k.refreshCard()
}

// begin starts afresh, after idleness or with a new configuration.
func (k *supervisor) begin() {
	k.tries, k.step, k.left, k.recovery = 0, 0, time.Time{}, recovery{}
	if k.cfg.isV4L2() {
		var err error
		if k.watch, err = v4l2.Watch(k.cfg.Kernel); err != nil {
			k.log.Warn("a camera that is plugged in will be noticed later than it could be", "err", err)
		}
	}
	k.size = [2]int{k.cfg.Width, k.cfg.Height}
	now := time.Now()
	k.outage = outage{cause: starting, begun: now, since: now, again: now.Add(patience)}
	k.status.set(func(s *Status) { s.Device, s.State, s.Headline, s.Reason = k.cfg.Device, Opening, "", "" })
}

func (k *supervisor) unwatch() {
	if k.watch != nil {
		_ = k.watch.Close() // why it ended early is of no use any more
		k.watch = nil
	}
}

// wanted says whether the camera should be open: somebody looks, or did so a moment ago, and the configuration is the same.
func (k *supervisor) wanted() bool {
	if k.current() != k.version || k.ctx.Err() != nil {
		return false
	}
	if k.hub.Readers() > 0 {
		k.left = time.Time{}
		return true
	}
	if k.left.IsZero() {
		k.left = time.Now()
	}
	if t := k.lastStir(); t.After(k.left) { // one came and went so quickly that it was never seen here
		k.left = t
	}
	return time.Since(k.left) < linger
}

// once opens the camera and reads it until it is not wanted any more, or something is wrong.
func (k *supervisor) once() error {
	closed, ok := k.admit()
	if !ok {
		return nil
	}
	defer closed()
	k.device = ""
	s, err := k.open()
	if err != nil {
		return err
	}
	defer s.close()
	k.opened(s.about())
	k.attach(s)
	defer k.attach(nil)
	return k.read(s)
}

// open opens the camera without losing sight of the card: some drivers take seconds.
func (k *supervisor) open() (stream, error) {
	type result struct {
		s   stream
		err error
	}
	cfg, _ := k.config() // not k.cfg: controls may have been set by hand since, which is no reason to begin anew
	src := source{cfg: cfg, log: k.log, pool: k.pool, counters: &k.counters}
	opened := make(chan result, 1)
	go func() {
		s, err := src.open()
		opened <- result{s, err}
	}()
	r := await(k, opened)
	return r.s, r.err
}

// await waits for what the kernel takes its time for, and cannot be made to leave.
func await[T any](k *supervisor, done <-chan T) T {
	for {
		k.waiting.Reset(k.untilCard(time.Hour))
		select {
		case r := <-done:
			k.waiting.Stop()
			return r
		case <-k.kick:
			if k.isPrivate() {
				k.showPrivacyCard()
			}
		case <-k.waiting.C:
			k.refreshCard()
		}
	}
}

func (k *supervisor) opened(a about) {
	if k.tries > 0 {
		k.counters.reopen()
	}
	if a.width > 0 && a.height > 0 {
		k.size = [2]int{a.width, a.height}
	}
	k.device, k.base = a.device, k.last
	k.counters.meter.Reset()
	k.status.set(func(s *Status) { s.Device, s.Format, s.Width, s.Height = a.device, a.format, a.width, a.height })
	k.warn(a)
}

// read publishes frames until the camera is not wanted any more (nil), or there is an error. Silence is answered by a
// restart first, and by an error after as long again.
func (k *supervisor) read(s stream) error {
	quiet := leastSilent
	if fps := s.about().fps; fps > 0 {
		quiet = max(quiet, time.Duration(5*float64(time.Second)/fps))
	}
	limit := max(firstWait, quiet)
	first, newest := time.Time{}, time.Now()
	for k.wanted() {
		f, err := s.next(k.atMost(time.Until(newest.Add(limit))))
		switch {
		case err == nil:
			k.publish(f)
			newest = time.Now()
			if first.IsZero() {
				first = newest
			}
			if newest.Sub(first) >= healthy {
				k.tries, k.step, k.recovery = 0, 0, recovery{}
				k.warnIfSlow(s)
			}
			limit = quiet
		case errors.Is(err, errWoken):
		case !errors.Is(err, errTimeout):
			return err
		case time.Since(newest) >= limit:
			if err := k.restart(s); err != nil {
				return err
			}
			first, newest, limit = time.Time{}, time.Now(), quiet
		}
		k.refreshCard()
	}
	return nil
}

// publish gives a frame to the readers and ends the outage, if there is one.
func (k *supervisor) publish(f *frame.Frame) {
	if k.base+f.Seq <= k.last { // cards have taken numbers meanwhile
		k.base = k.last + 1 - f.Seq
	}
	f.Seq += k.base
	k.last = f.Seq
	f.Rotate = k.status.rotate()
	k.counters.good(f)
	if k.outage.cause != nil || k.size != [2]int{f.Width, f.Height} {
		k.recovered(f)
	}
	k.hub.Publish(f)
}

// pause waits before the next try, less long if something happens to a camera, or it is not wanted any more.
func (k *supervisor) pause() {
	var stir <-chan struct{}
	if k.watch != nil {
		stir = k.watch.Changed()
	}
	end := time.Now().Add(k.outage.cause.pauseAfter(k.step, stir != nil))
	k.tries++
	k.step++
	for k.wanted() && time.Now().Before(end) {
		k.waiting.Reset(k.atMost(time.Until(end)))
		select {
		case <-k.kick:
		case <-k.ctx.Done():
		case <-k.waiting.C:
		case <-stir:
			// The name under by-id comes some moments after the node, so the next tries follow quickly.
			k.step, k.stirred, end = 0, time.Now(), time.Time{}
		}
		k.waiting.Stop()
		k.refreshCard()
	}
}

// atMost shortens a wait so that neither the card nor the end of the linger is missed. It is above 0.
func (k *supervisor) atMost(d time.Duration) time.Duration {
	if !k.left.IsZero() {
		d = min(d, time.Until(k.left.Add(linger)))
	}
	return k.untilCard(d)
}

// untilCard shortens a wait that the end of the linger does not end, so that the card is not missed. It is above 0.
func (k *supervisor) untilCard(d time.Duration) time.Duration {
	if k.outage.cause != nil {
		d = min(d, time.Until(k.outage.again))
	}
	return max(d, time.Millisecond)
}
