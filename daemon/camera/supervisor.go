package camera

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"vchat/daemon/frame"
	"vchat/v4l2"
)

const (
	closeDelay        = 500 * time.Millisecond // after the last reader has left: viewers come and go
	startCardDelay    = 2 * time.Second        // without a frame after the open, before a card is shown
	firstFrameTimeout = 3 * time.Second        // some cameras take long for their first frame
	maxFirstTimeout   = 30 * time.Second       // of a command that has been too slow before
	minFrameTimeout   = time.Second
	cardInterval      = time.Second
	healthyAfter      = 5 * time.Second // of frames; a later fault is a new one
	resetGrace        = 5 * time.Second // a camera needs seconds to return after a USB reset
)

// supervisor is the loop of Run. It alone opens, reads and closes the camera,
// and publishes.
type supervisor struct {
	*Camera
	ctx          context.Context
	started      time.Time // of Run
	cfg          Config
	configured   int       // version of cfg
	device       string    // that is open or was open last; "" if the last open failed
	lastReaderAt time.Time // when the last reader left; zero while there are readers
	lastSeq      uint64    // of the feed
	seqOffset    uint64    // feed's sequence number minus the source's
	size         [2]int    // of the frames, and so of the cards
	outage       outage
	noGroupSince time.Time // since when the node belongs to root; zero: it does not
	recovery     recovery
	faultQuotas  map[*cause]*lineQuota
	warnings     warnings
	patterns     patternCache
	failures     int           // failed tries since the camera was healthy
	backoff      int           // failed tries since then or since the last device event
	fullSizeWait time.Duration // of a stream at a reduced size, before the next try of the full one
	watcher      *v4l2.Watcher // of /dev while a V4L2 camera is used; may be nil
	timer        *time.Timer
}

func newSupervisor(c *Camera) *supervisor {
	s := &supervisor{Camera: c, started: time.Now(), timer: time.NewTimer(time.Hour),
		faultQuotas: map[*cause]*lineQuota{}, warnings: newWarnings()}
	s.timer.Stop()
	return s
}

// run alternates between idle and an open camera until ctx ends.
func (s *supervisor) run(ctx context.Context) {
	s.ctx = ctx
	for ctx.Err() == nil {
		if s.hub.Readers() == 0 {
			s.idle()
			continue
		}
		if s.isPrivate() {
			s.privacyLoop()
			continue
		}
		s.start()
		for s.wanted() {
			if err := s.openAndRead(); err != nil && !s.isPrivate() {
				s.reportFault(err)
				s.escalate(err)
				s.pause()
			}
		}
		s.closeWatcher()
	}
	s.setIdle()
}

// idle waits for a change while the camera is closed.
func (s *supervisor) idle() {
	s.hub.Forget() // a later reader must not take the last frame for a live one
	s.counters.meter.Reset()
	s.setIdle()
	select {
	case <-s.wakeup:
	case <-s.ctx.Done():
	}
}

// setIdle sets the state to Idle. It keeps the reason of an outage for status.
func (s *supervisor) setIdle() {
	s.status.set(func(st *Status) {
		st.State, st.Warnings = Idle, nil
		if c := s.outage.cause; c == nil || c == causeStarting || c == causePrivacy {
			st.Headline, st.Reason = "", ""
		}
	})
}

// privacyLoop shows the privacy card while privacy is on and there are readers.
func (s *supervisor) privacyLoop() {
	s.cfg, s.configured = s.config()
	if s.size == [2]int{} { // the camera was never open
		s.size = [2]int{s.cfg.Width, s.cfg.Height}
	}
	s.showPrivacyCard()
	for s.isPrivate() && s.hub.Readers() > 0 && s.ctx.Err() == nil {
		s.timer.Reset(s.untilCard(cardInterval))
		select {
		case <-s.wakeup:
		case <-s.ctx.Done():
		case <-s.timer.C:
		}
		s.timer.Stop()
		s.refreshCard()
	}
}

// showPrivacyCard publishes the privacy card and makes it the outage.
func (s *supervisor) showPrivacyCard() {
	now := time.Now()
	if s.outage.cause != causePrivacy {
		s.hub.Forget() // a new reader must not get the last frame
		reason := cmp.Or(s.cfg.Name, "this device") + " has turned the camera off"
		s.outage = outage{cause: causePrivacy, reason: reason, begun: now, since: now, nextCard: now}
		s.status.set(func(st *Status) { st.State, st.Headline, st.Reason, st.Warnings = Idle, "", "", nil })
	}
	s.refreshCard()
}

// start resets everything for a first open, or for a new configuration.
func (s *supervisor) start() {
	s.cfg, s.configured = s.config()
	s.failures, s.backoff, s.lastReaderAt, s.recovery = 0, 0, time.Time{}, recovery{}
	s.fullSizeWait = minFullSizeWait
	if s.cfg.isV4L2() {
		var err error
		if s.watcher, err = v4l2.Watch(s.cfg.Kernel); err != nil {
			s.log.Warn("camera hotplug detection failed", "device", s.logDevice(), "err", err)
		}
	}
	s.size = [2]int{s.cfg.Width, s.cfg.Height}
	now := time.Now()
	s.outage = outage{cause: causeStarting, begun: now, since: now, nextCard: now.Add(startCardDelay)}
	s.status.set(func(st *Status) { st.Device, st.State, st.Headline, st.Reason = s.cfg.Device, Opening, "", "" })
}

func (s *supervisor) closeWatcher() {
	if s.watcher != nil {
		_ = s.watcher.Close() // its error no longer matters
		s.watcher = nil
	}
}

// wanted reports whether the camera should be open: it has readers, or had some
// within closeDelay, and the configuration is unchanged.
func (s *supervisor) wanted() bool {
	if s.configVersion() != s.configured || s.ctx.Err() != nil {
		return false
	}
	if s.hub.Readers() > 0 {
		s.lastReaderAt = time.Time{}
		return true
	}
	if s.lastReaderAt.IsZero() {
		s.lastReaderAt = time.Now()
	}
	if t := s.readersChangedAt(); t.After(s.lastReaderAt) { // a reader came and left between two checks
		s.lastReaderAt = t
	}
	return time.Since(s.lastReaderAt) < closeDelay
}

// openAndRead opens the camera and reads from it until it is no longer wanted
// (nil) or fails.
func (s *supervisor) openAndRead() error {
	closed, ok := s.beginOpen()
	if !ok {
		return nil
	}
	defer closed()
	s.device = ""
	src, err := s.open()
	if err != nil {
		return err
	}
	defer src.close()
	s.opened(src.info())
	s.setReading(src)
	defer s.setReading(nil)
	return s.read(src)
}

// open opens the source. Meanwhile it refreshes the card: some drivers take
// seconds.
func (s *supervisor) open() (source, error) {
	type result struct {
		src source
		err error
	}
	cfg, _ := s.config() // not s.cfg: controls may have been set by hand since start
	env := sourceEnv{cfg: cfg, log: s.log, pool: s.pool, counters: &s.counters,
		messages: &s.messages, patterns: &s.patterns, warn: s.setWarning}
	opened := make(chan result, 1)
	go func() {
		src, err := env.open()
		opened <- result{src, err}
	}()
	r := await(s, opened)
	return r.src, r.err
}

// await waits for a kernel call that cannot be interrupted, and refreshes the
// card.
func await[T any](s *supervisor, done <-chan T) T {
	for {
		s.timer.Reset(s.untilCard(time.Hour))
		select {
		case r := <-done:
			s.timer.Stop()
			return r
		case <-s.wakeup:
			if s.isPrivate() {
				s.showPrivacyCard()
			}
		case <-s.timer.C:
			s.refreshCard()
		}
	}
}

func (s *supervisor) opened(info sourceInfo) {
	if s.failures > 0 {
		s.counters.countReopen()
	}
	if info.width > 0 && info.height > 0 {
		s.size = [2]int{info.width, info.height}
	}
	s.device, s.seqOffset = info.device, s.lastSeq
	s.counters.meter.Reset()
	s.status.set(func(st *Status) {
		st.Device, st.Format, st.Width, st.Height = info.device, info.format, info.width, info.height
	})
	s.setWarnings(info)
}

// A camera that starts only at a smaller size is opened again after
// minFullSizeWait, then after twice as long each time: the error may have been
// a passing one, or another camera has left the USB bus. Each try interrupts
// the stream for a moment.
const (
	minFullSizeWait = 5 * time.Second
	maxFullSizeWait = time.Hour
)

// retryFullSize reports whether it is time to open a camera with a reduced size
// again.
func (s *supervisor) retryFullSize(reduced bool, opened time.Time) bool {
	if !reduced || time.Since(opened) < s.fullSizeWait {
		return false
	}
	s.fullSizeWait = min(2*s.fullSizeWait, maxFullSizeWait)
	return true
}

// read publishes frames until the camera is no longer wanted or worth another
// open (nil), or fails. If there are no frames for a while, it restarts the
// stream. If there are none for as long again, it returns an error.
func (s *supervisor) read(src source) error {
	intervals, seq := newIntervalMeter(src.info().fps), uint64(0)
	limit := max(s.firstFrameTimeout(), frameTimeout(&intervals))
	reduced, opened := src.info().reduced, time.Now()
	first, newest := time.Time{}, opened
	for s.wanted() && !s.retryFullSize(reduced, opened) {
		f, err := src.next(s.untilCheck(time.Until(newest.Add(limit))))
		switch {
		case err == nil:
			intervals.add(f.Arrived, f.Seq-seq)
			seq = f.Seq
			s.publish(f)
			newest = time.Now()
			if first.IsZero() {
				first = newest
			}
			if newest.Sub(first) >= healthyAfter {
				s.failures, s.backoff, s.recovery = 0, 0, recovery{}
				s.checkRate(src)
			}
			if limit = frameTimeout(&intervals); !intervals.known() {
				limit = max(s.firstFrameTimeout(), limit)
			}
		case errors.Is(err, errWoken):
		case !errors.Is(err, errTimeout):
			return err
		case time.Since(newest) >= limit:
			if first.IsZero() {
				s.recovery.slowStarts++
			}
			if err := s.restartStream(src); err != nil {
				return err
			}
			first, newest, limit = time.Time{}, time.Now(), frameTimeout(&intervals)
		}
		s.refreshCard()
	}
	return nil
}

// firstFrameTimeout returns how long the first frame may take. It doubles with
// each start of a command in vain: on a busy machine a command may need longer,
// and a further start makes it no faster.
func (s *supervisor) firstFrameTimeout() time.Duration {
	if !strings.HasPrefix(s.cfg.Device, "exec:") {
		return firstFrameTimeout
	}
	return min(firstFrameTimeout<<min(s.recovery.slowStarts, 10), maxFirstTimeout)
}

// frameTimeout returns how long no frame may arrive. The measured rate counts.
// The promised one does until it is known.
func frameTimeout(m *intervalMeter) time.Duration {
	return max(minFrameTimeout, 5*m.interval())
}

// publish numbers a frame, ends the outage and publishes the frame.
func (s *supervisor) publish(f *frame.Frame) {
	if s.seqOffset+f.Seq <= s.lastSeq { // cards have used the next numbers
		s.seqOffset = s.lastSeq + 1 - f.Seq
	}
	f.Seq += s.seqOffset
	s.lastSeq = f.Seq
	f.Rotate = s.status.rotate()
	s.counters.countFrame(f)
	if s.outage.cause != nil || s.size != [2]int{f.Width, f.Height} {
		s.endOutage(f)
	}
	s.hub.Publish(f)
}

// pause waits before the next try. It returns early on a device event, and when
// the camera is no longer wanted.
func (s *supervisor) pause() {
	var events <-chan struct{}
	if s.watcher != nil {
		events = s.watcher.Changed()
	}
	end := time.Now().Add(s.outage.cause.pause(s.backoff, events != nil))
	s.failures++
	s.backoff++
	for s.wanted() && time.Now().Before(end) {
		s.timer.Reset(s.untilCheck(time.Until(end)))
		select {
		case <-s.wakeup:
		case <-s.ctx.Done():
		case <-s.timer.C:
		case <-events:
			// The link in by-id follows the node by some moments: retry
			// quickly.
			s.backoff, end = 0, time.Time{}
		}
		s.timer.Stop()
		s.refreshCard()
	}
}

// untilCheck shortens a wait to the next card and to the end of closeDelay. It
// returns more than 0.
func (s *supervisor) untilCheck(d time.Duration) time.Duration {
	if !s.lastReaderAt.IsZero() {
		d = min(d, time.Until(s.lastReaderAt.Add(closeDelay)))
	}
	return s.untilCard(d)
}

// untilCard shortens a wait to the next card. It returns more than 0.
func (s *supervisor) untilCard(d time.Duration) time.Duration {
	if s.outage.cause != nil {
		d = min(d, time.Until(s.outage.nextCard))
	}
	return max(d, time.Millisecond)
}
