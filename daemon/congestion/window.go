package congestion

import (
	"time"

	"vchat/daemon/wire"
)

// window holds the frames in flight and decides when the next one may be sent:
// when the previous frame has almost left the bottleneck of the path. So no
// queue builds up in the kernel or a router; TCP alone would fill one.
//
//	frame 1 ──────█████████████████▶ through the bottleneck
//	frame 2 ────────────────────█████████████████▶
//	                            ▲
//	                            CanSend: a quarter of a frame interval
//	                            before frame 1 is through
type window struct {
	inFlight [maxInFlight]inFlightFrame // a ring
	first, n int

	path    minFilter // one-way delay until the first byte, on two clocks
	baseRTT minFilter // round trip without queues and transfer
	srtt    time.Duration
	rttvar  time.Duration
	route   routeChange
	loss    loss

	lastArrival time.Duration // of a frame's last byte, on the receiver's clock
	hasArrival  bool

	relayed bool // what the kernel has sent may wait in a relay

	encodeTime time.Duration // smoothed; a frame is taken this much earlier
}

// maxInFlight is about a second of frames at 30 fps. So many are in flight only
// if the round trip is long and the link is fast.
const maxInFlight = 32

// inFlightFrame is a frame without feedback.
type inFlightFrame struct {
	seq     uint64
	sentAt  time.Duration
	endsAt  time.Duration // when it should have left the bottleneck, on our clock
	bytes   int
	reduced bool // it uses the whole budget, so it shows what the link can carry
	alone   bool // nothing else was in flight when it was sent

	retransmitted uint32 // the count in loss when the frame was sent
}

// sample is what the feedback for one frame has shown.
type sample struct {
	sentAt       time.Duration
	bytes        int
	transferTime time.Duration // how long it occupied the link
	delay        time.Duration // from sent to the last byte, above the least one-way delay
	reduced      bool
	recovered    bool // a packet was lost at random and retransmitted
	rerouted     bool // the path has become longer: the delays before were not queues
}

const (
	// feedbackTimeout is how long to wait for feedback that is missing although
	// the peer's kernel has acknowledged everything. After that one frame is
	// sent, in case the feedback never comes.
	feedbackTimeout = time.Second
	// relayedTimeout is the same by a relay, where acknowledgements say nothing
	// and a frame may be on its way for that long.
	relayedTimeout = 5 * time.Second
	// queueFraction: the next frame is sent a quarter of the frame interval
	// before the previous one should leave the bottleneck, so that the link
	// never runs dry.
	queueFraction = 4
	// maxTransferTime bounds the times that a receiver reports, so that no sum
	// overflows.
	maxTransferTime = time.Minute
)

// onSent notes a frame that is about to be written. It forgets the oldest when
// the ring is full.
func (w *window) onSent(seq uint64, bytes int, reduced bool, now time.Duration, cost secondsPerByte) {
	if w.n == maxInFlight {
		w.first, w.n = (w.first+1)%maxInFlight, w.n-1
	}
	startsAt := now
	if w.n > 0 {
		startsAt = max(startsAt, w.at(w.n-1).endsAt)
	}
	alone := w.n == 0 && w.hasArrival
	w.n++
	*w.at(w.n - 1) = inFlightFrame{seq: seq, sentAt: now, endsAt: startsAt + cost.of(bytes), bytes: bytes,
		reduced: reduced, alone: alone, retransmitted: w.loss.retransmitted}
	w.loss.onSent(bytes)
}

// at returns the i-th frame in flight, the oldest first.
func (w *window) at(i int) *inFlightFrame { return &w.inFlight[(w.first+i)%maxInFlight] }

// onFeedback removes the frames that have arrived, and measures the newest of
// them; ok is false if the feedback is about no frame in flight.
func (w *window) onFeedback(f *wire.Feedback, now time.Duration, cost secondsPerByte) (s sample, ok bool) {
	arrived := 0
	for arrived < w.n && w.at(arrived).seq <= f.Seq {
		arrived++
	}
	if arrived == 0 {
		return sample{}, false
	}
	last := *w.at(arrived - 1)
	w.first, w.n = (w.first+arrived)%maxInFlight, w.n-arrived

	firstByte := f.Arrived - f.Transfer - last.sentAt
	path := w.path.add(firstByte, now)
	rerouted := w.route.onFeedback(&last, firstByte-path, now)
	if rerouted {
		w.path, w.baseRTT, w.srtt = minFilter{}, minFilter{}, 0
		path = w.path.add(firstByte, now)
	}
	s = sample{sentAt: last.sentAt, bytes: last.bytes, reduced: last.reduced, rerouted: rerouted,
		recovered: w.loss.recovered(&last, w.baseRTT.value()),
		delay:     max(0, f.Arrived-last.sentAt-path), transferTime: f.Transfer}
	if arrived == 1 && w.hasArrival {
		// It occupied the link from the moment the previous frame had left it.
		s.transferTime = f.Arrived - max(last.sentAt+path, w.lastArrival)
	}
	s.transferTime = max(0, min(s.transferTime, s.delay, maxTransferTime))
	w.lastArrival, w.hasArrival = f.Arrived, true
	rtt := now - f.Arrived + path
	w.smoothRTT(rtt)
	w.baseRTT.add(rtt, now)
	w.reschedule(f.Arrived-path, cost)
	return s, true
}

// smoothRTT smooths the round trip as TCP does (RFC 6298, section 2).
func (w *window) smoothRTT(rtt time.Duration) {
	if w.srtt == 0 {
		w.srtt, w.rttvar = rtt, rtt/2
		return
	}
	w.rttvar += (max(rtt-w.srtt, w.srtt-rtt) - w.rttvar) / 4
	w.srtt += (rtt - w.srtt) / 8
}

// reschedule estimates again when the frames in flight leave the bottleneck.
// The frame before them left it at freeAt.
func (w *window) reschedule(freeAt time.Duration, cost secondsPerByte) {
	for i := range w.n {
		f := w.at(i)
		f.endsAt = max(f.sentAt, freeAt) + cost.of(f.bytes)
		freeAt = f.endsAt
	}
}

// canSend reports whether the next frame may be sent. If not, retryAt is when
// to ask again unless a Feedback arrives first.
func (w *window) canSend(now, interval time.Duration, cost secondsPerByte, k Socket) (ok bool, retryAt time.Duration) {
	if w.n == 0 {
		return true, 0
	}
	oldest, last := w.at(0), w.at(w.n-1)
	timeout := oldest.sentAt + feedbackTimeout
	switch {
	case w.relayed:
		timeout = oldest.sentAt + relayedTimeout
	case now >= timeout && k.Unacked() > 0:
		timeout = now + feedbackTimeout // the link is slow; the receiver is not silent
	}
	feedbackDue := oldest.endsAt + w.srtt + 2*w.rttvar + interval/2
	queue := interval/queueFraction + min(w.encodeTime, interval)
	switch {
	case now >= timeout:
		w.n, w.hasArrival = 0, false
		return true, 0
	case w.n == maxInFlight || !w.hasArrival || w.route.suspected:
		return false, timeout
	case now > feedbackDue && !w.recovering(k, cost, queue):
		return false, min(now+queue, timeout)
	}
	if ready := last.endsAt - queue; now < ready {
		return false, min(ready, timeout)
	}
	if cost.of(k.Unsent()) > queue {
		return false, now + queue // the kernel is slower than estimated
	}
	return true, 0
}

// recovering reports whether feedback is overdue because TCP is retransmitting
// a packet that was lost at random. Then little is in flight; on a full link
// much is. Frames that are sent meanwhile wait in the peer's kernel.
func (w *window) recovering(k Socket, cost secondsPerByte, queue time.Duration) bool {
	if w.relayed {
		return false // the loss is on the way to the relay; the queue may be behind it
	}
	i := k.TCPInfo()
	return i.Recovering && !w.loss.congestionBurst(i) && cost.of(i.InFlight) < w.baseRTT.value()+queue
}

// minFilter is the minimum of the last ten to twenty seconds. Two quartz clocks
// drift apart by a millisecond in that time, and a longer path is recognised
// after it at the latest.
type minFilter struct {
	current, previous    time.Duration // minima of the span that began at since, and of the one before
	since                time.Duration
	started, hasPrevious bool
}

const minFilterSpan = 10 * time.Second

// add returns the minimum, v included.
func (m *minFilter) add(v, now time.Duration) time.Duration {
	switch {
	case !m.started:
		*m = minFilter{current: v, since: now, started: true}
	case now-m.since >= minFilterSpan:
		m.previous, m.hasPrevious = m.current, true
		m.current, m.since = v, now
	default:
		m.current = min(m.current, v)
	}
	return m.value()
}

// value returns the minimum; 0 before the first add.
func (m *minFilter) value() time.Duration {
	if m.hasPrevious {
		return min(m.current, m.previous)
	}
	return m.current
}

// secondsPerByte is how long a byte occupies the link: the inverse of the
// capacity.
type secondsPerByte float64

// of returns how long bytes occupy the link, at most maxTransferTime.
func (c secondsPerByte) of(bytes int) time.Duration {
	return time.Duration(min(float64(c)*float64(bytes), maxTransferTime.Seconds()) * float64(time.Second))
}
