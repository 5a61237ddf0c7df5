package congestion

import (
	"math/rand/v2"
	"slices"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// simPath is a simulated network: a bottleneck behind a token bucket.
type simPath struct {
	capacity   func(t time.Duration) float64       // Mbit/s
	bucket     int                                 // bytes that pass at once after a pause
	delay      time.Duration                       // one-way, in each direction
	extraDelay func(t time.Duration) time.Duration // on top of delay, in both directions
	jitter     time.Duration                       // at most, in each direction
	loss       float64                             // of packets of 1448 bytes; each costs a round trip
	backDelay  func(t time.Duration) time.Duration // of feedback, on top of all
	notReading func(t time.Duration) bool          // the receiver reads nothing
	relayed    bool                                // a relay has acknowledged all that the bottleneck has not
	direct     bool                                // with relayed: the Controller does not know of the relay
	bbr        *simBBR                             // how the kernel paces; nil: no pacing
}

// The camera of the simulations delivers 25 Mbit/s: 30 frames a second of 105
// KB, which can be reduced to 4 KB.
const (
	simFPS      = 30
	simFullSize = 105_000
	simMinSize  = 4_000
)

const (
	simStep        = 250 * time.Microsecond
	simClockOffset = 7777 * time.Second // of the receiver's clock
)

// simFrame is a frame on its way.
type simFrame struct {
	seq             uint64
	captured        time.Duration
	bytes, unpassed int           // in all, and not yet through the bottleneck
	firstByte       time.Duration // when the first byte arrives; 0: not yet
	complete        time.Duration // when the last byte arrives
	recovery        time.Duration // until a lost packet of it is retransmitted
}

// simFeedback is a Feedback on its way to the sender.
type simFeedback struct {
	at       time.Duration
	feedback wire.Feedback
}

// arrival is a frame as a viewer sees it.
type arrival struct {
	at    time.Duration
	delay time.Duration // since capture
	bytes int
}

// simulation runs a camera and a Controller over a path. It is the Controller's
// Socket.
type simulation struct {
	path    simPath
	random  *rand.Rand
	control *Controller
	now     time.Duration
	delay   time.Duration // one-way, now
	tokens  float64

	slot        *simFrame       // the camera's newest frame, not taken yet
	sending     []*simFrame     // before the bottleneck
	passed      []*simFrame     // behind it, not read by the receiver
	feedbacks   []simFeedback   // on their way back
	retransmits []time.Duration // when the kernel will retransmit packets
	info        TCPInfo
	arrivals    []arrival
}

func (s *simulation) TCPInfo() TCPInfo { return s.info }

func (s *simulation) ResetBBR() {
	if s.path.bbr != nil {
		s.path.bbr.reset(2 * s.delay)
	}
}

func (s *simulation) Unacked() (bytes int) {
	if s.path.relayed {
		return 0
	}
	return s.queued()
}

// queued returns the bytes before the bottleneck.
func (s *simulation) queued() (bytes int) {
	for _, f := range s.sending {
		bytes += f.unpassed
	}
	return bytes
}

// Unsent returns what the kernel holds back by pacing. Without pacing all of it
// is in the network.
func (s *simulation) Unsent() int {
	if b := s.path.bbr; b == nil || b.pacing > s.path.capacity(s.now)*1e6/8 {
		return 0
	}
	return s.Unacked()
}

// simulate runs a Controller over p and returns the frames that arrive.
func simulate(p simPath, until time.Duration) []arrival {
	s := &simulation{path: p, random: rand.New(rand.NewPCG(1, 2)), tokens: float64(p.bucket)}
	s.control = New(s)
	if p.relayed && !p.direct {
		s.control = NewRelayed(s)
	}
	interval := time.Second / simFPS
	seq, nextFrame := uint64(0), time.Duration(0)
	for ; s.now < until; s.now += simStep {
		if s.delay = p.delay; p.extraDelay != nil {
			s.delay += p.extraDelay(s.now)
		}
		for len(s.retransmits) > 0 && s.retransmits[0] <= s.now {
			s.info.Retransmitted, s.retransmits = s.info.Retransmitted+1, s.retransmits[1:]
		}
		if s.now >= nextFrame {
			seq++
			s.slot = &simFrame{seq: seq, captured: s.now, bytes: simFullSize * (95 + s.random.IntN(11)) / 100}
			nextFrame += interval
		}
		for len(s.feedbacks) > 0 && s.feedbacks[0].at <= s.now {
			s.control.OnFeedback(s.now, &s.feedbacks[0].feedback)
			s.feedbacks = s.feedbacks[1:]
		}
		if ok, _ := s.control.CanSend(s.now); ok && s.slot != nil {
			s.send(s.slot)
			s.slot = nil
		}
		s.pass()
		for len(s.passed) > 0 && s.passed[0].complete <= s.now && (p.notReading == nil || !p.notReading(s.now)) {
			s.arrive(s.passed[0])
			s.passed = s.passed[1:]
		}
	}
	return s.arrivals
}

// send encodes a frame and hands it to the kernel.
func (s *simulation) send(f *simFrame) {
	source := &frame.Frame{Meta: frame.Meta{Seq: f.seq, Captured: time.Hour + f.captured, Format: frame.JPEG}}
	s.control.OnFrame(source)
	budget, _ := s.control.Budget(source)
	full := f.bytes
	if budget > 0 && f.bytes > budget {
		f.bytes = max(budget, simMinSize)
	}
	s.control.OnSent(s.now, SentFrame{Seq: f.seq, Bytes: f.bytes, FullBytes: full, Budget: budget})
	f.unpassed = f.bytes
	for range f.bytes / 1448 {
		if s.random.Float64() < s.path.loss {
			f.recovery += 2 * s.delay
			s.retransmits = append(s.retransmits, s.now+2*s.delay)
			break
		}
	}
	s.sending = append(s.sending, f)
}

// pass lets a step's bytes through the bottleneck.
func (s *simulation) pass() {
	s.info.Recovering, s.info.InFlight = false, s.Unacked()
	for _, f := range s.passed {
		s.info.Recovering = s.info.Recovering || f.recovery > 0
	}
	perStep := s.path.capacity(s.now) * 1e6 / 8 * simStep.Seconds()
	s.tokens = min(s.tokens+perStep, float64(s.path.bucket)+perStep)
	allowed := s.tokens
	if b := s.path.bbr; b != nil {
		b.onStep(s.now)
		s.info.PacingRate = b.pacing
		allowed = min(allowed, b.allowed())
	}
	for len(s.sending) > 0 && allowed >= 1 {
		f := s.sending[0]
		if f.firstByte == 0 {
			f.firstByte = s.now + s.delay
		}
		n := min(int(allowed), f.unpassed)
		f.unpassed -= n
		allowed -= float64(n)
		s.tokens -= float64(n)
		if b := s.path.bbr; b != nil {
			b.onSent(n, s.now, 2*s.delay, s.Unacked() == 0)
		}
		if f.unpassed > 0 {
			break
		}
		s.sending = s.sending[1:]
		s.passed = append(s.passed, f)
		f.complete = s.now + s.delay + f.recovery + s.jitter()
		if k := len(s.passed); k > 1 {
			f.complete = max(f.complete, s.passed[k-2].complete) // TCP keeps the order
		}
	}
}

// arrive shows a frame to the viewer and sends its feedback.
func (s *simulation) arrive(f *simFrame) {
	s.arrivals = append(s.arrivals, arrival{s.now, s.now - f.captured, f.bytes})
	back := s.delay + s.jitter()
	if s.path.backDelay != nil {
		back += s.path.backDelay(s.now)
	}
	at := s.now + back
	if n := len(s.feedbacks); n > 0 {
		at = max(at, s.feedbacks[n-1].at)
	}
	s.feedbacks = append(s.feedbacks, simFeedback{at,
		wire.Feedback{Seq: f.seq, Arrived: s.now + simClockOffset, Transfer: max(0, s.now-f.firstByte)}})
}

func (s *simulation) jitter() time.Duration {
	if s.path.jitter == 0 {
		return 0
	}
	return time.Duration(s.random.Int64N(int64(s.path.jitter)))
}

// summary describes what a viewer has seen in a span of time.
type summary struct {
	fps      float64
	p50, p99 time.Duration // of the delay
	bytes    int           // of a frame, mean
}

func summarize(all []arrival, from, to time.Duration) (s summary) {
	var delays []time.Duration
	for _, a := range all {
		if a.at >= from && a.at < to {
			delays = append(delays, a.delay)
			s.bytes += a.bytes
		}
	}
	n := len(delays)
	if n == 0 {
		return s
	}
	slices.Sort(delays)
	return summary{float64(n) / (to - from).Seconds(), delays[n/2], delays[n*99/100], s.bytes / n}
}

// constant is a capacity that does not change.
func constant(mbit float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return mbit }
}
