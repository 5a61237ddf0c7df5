package congestion

import (
	"time"

	"vchat/daemon/wire"
)

// window knows which frames are on the way and says when the next one may go, so that no queue fills: not the kernel's,
// nor that of a router on the way, which TCP alone would fill. It learns from the receiver's Feedback, and needs no common
// clock: a stamp of the other side is only ever compared with another one of it.
//
//	sent ──wait in queues──▶ first byte arrives ──transfer──▶ last byte arrives ──▶ Feedback is back
//	     └───────────── late, above the least ever ─────────────┘
//
// It is pure: the writer's goroutine tells it the time.
type window struct {
	flights  [maxFlights]flight // a ring
	first, n int

	way     least         // sent to first byte, on two clocks
	trip    least         // round trip without wait and transfer
	typical time.Duration // smoothed round trip, and how far it strays
	strays  time.Duration

	arrived time.Duration // the newest frame that arrived, on the receiver's clock
	known   bool          // it is

	delay lengthening

	losses losses
	lead   time.Duration // what it takes to make a frame smaller before it can be written
}

// maxFlights bounds what is on the way where a frame is small against what the link holds: a second at 30 fps.
const maxFlights = 32

type flight struct {
	seq    uint64
	sent   time.Duration
	ends   time.Duration // when it should have left the slowest part of the way, on our clock
	bytes  int
	shrunk bool // for the sake of the link
	alone  bool // nothing of ours was before it

	repeated uint32 // as losses had it when it was sent
}

// sample is what is learnt of one frame that arrived.
type sample struct {
	sent   time.Duration // when it was
	bytes  int
	busy   time.Duration // the time it occupied the link alone
	late   time.Duration // from sent to arrived, above the least that the way takes
	shrunk bool
	mended bool // something was lost meanwhile, and sent again
	moved  bool // the way has become longer: what was late before was not for want of room
}

const (
	// feedbackPatience is how long nothing is sent while the receiver owes us its word, though its kernel has all that was
	// sent. Then it gets another frame: its word may never come.
	feedbackPatience = time.Second
	// queueShare of the time between two frames may be left of the one before when the next is sent, so that the link
	// never runs dry.
	queueShare = 4
	// longestBusy is the most that is believed of a frame: the receiver can say anything, and sums of it must not overflow.
	longestBusy = time.Minute
)

// sent notes a frame that is about to be written. Slowness is what the link takes for a byte.
func (w *window) sent(seq uint64, bytes int, shrunk bool, now time.Duration, slowness seconds) {
	if w.n == maxFlights {
		w.first, w.n = (w.first+1)%maxFlights, w.n-1
	}
	begins := now
	if w.n > 0 {
		begins = max(begins, w.at(w.n-1).ends)
	}
	alone := w.n == 0 && w.known
	w.n++
	*w.at(w.n - 1) = flight{seq: seq, sent: now, ends: begins + slowness.of(bytes), bytes: bytes, shrunk: shrunk, alone: alone,
		repeated: w.losses.repeated}
	w.losses.sent(bytes)
}

func (w *window) at(i int) *flight { return &w.flights[(w.first+i)%maxFlights] }

// heard takes the receiver's word. It gives what is to be learnt of it; ok is false where that is nothing.
func (w *window) heard(f *wire.Feedback, now time.Duration, slowness seconds) (s sample, ok bool) {
	landed := 0
	for landed < w.n && w.at(landed).seq <= f.Seq {
		landed++
	}
	if landed == 0 {
		return sample{}, false // of a frame that we know of already, or never sent
	}
	last := *w.at(landed - 1)
	w.first, w.n = (w.first+landed)%maxFlights, w.n-landed

	first := f.Arrived - f.Transfer - last.sent
	way := w.way.add(first, now)
	moved := w.delay.heard(&last, first-way, now)
	if moved {
		w.way, w.trip, w.typical = least{}, least{}, 0
		way = w.way.add(first, now)
	}
	s = sample{moved: moved, sent: last.sent, bytes: last.bytes, shrunk: last.shrunk, mended: w.losses.mended(&last, w.trip.value()),
		late: max(0, f.Arrived-last.sent-way), busy: f.Transfer}
	if landed == 1 && w.known {
		s.busy = f.Arrived - max(last.sent+way, w.arrived)
	}
	s.busy = max(0, min(s.busy, s.late, longestBusy))
	w.arrived, w.known = f.Arrived, true
	w.returned(now - f.Arrived + way)
	w.trip.add(now-f.Arrived+way, now)

	ends := f.Arrived - way
	for i := range w.n {
		f := w.at(i)
		f.ends = max(f.sent, ends) + slowness.of(f.bytes)
		ends = f.ends
	}
	return s, true
}

// returned smooths the round trip as TCP does (RFC 6298, section 2).
func (w *window) returned(trip time.Duration) {
	if w.typical == 0 {
		w.typical, w.strays = trip, trip/2
		return
	}
	apart := max(trip-w.typical, w.typical-trip)
	w.strays += (apart - w.strays) / 4
	w.typical += (trip - w.typical) / 8
}

// open says whether the next frame may be sent, and where it may not, when to ask again if no Feedback comes before.
// Interval is the time between two frames of the camera.
func (w *window) open(now, interval time.Duration, slowness seconds, k Kernel) (ok bool, ask time.Duration) {
	if w.n == 0 {
		return true, 0
	}
	oldest, last := w.at(0), w.at(w.n-1)
	patience := oldest.sent + feedbackPatience
	if now >= patience && k.Unacked() > 0 {
		patience = now + feedbackPatience
	}
	overdue := oldest.ends + w.typical + 2*w.strays + interval/2
	left := interval/queueShare + min(w.lead, interval)
	switch {
	case now >= patience:
		w.n, w.known = 0, false
		return true, 0
	case w.n == maxFlights || !w.known || w.delay.suspected:
		return false, patience
	case now > overdue && !w.mending(k, slowness, left):
		return false, min(now+left, patience)
	}
	if ready := last.ends - left; now < ready {
		return false, min(ready, patience)
	}
	if slowness.of(k.Unsent()) > left {
		return false, now + left // it takes longer than was thought
	}
	return true, 0
}

// mending says that a frame is overdue because a part of it was lost, and not because the link is full: then little is in the
// network. What is sent meanwhile waits at the other end, and not on the way.
func (w *window) mending(k Kernel, slowness seconds, left time.Duration) bool {
	f := k.TCPInfo()
	return f.Recovering && !w.losses.many(f) && slowness.of(f.InFlight) < w.trip.value()+left
}

// Kernel tells what our kernel holds of what was written: not yet sent, and not yet arrived at the other kernel, in bytes.
type Kernel interface {
	Unsent() int
	Unacked() int
	TCPInfo() TCPInfo
	ResetBBR() // lets BBR search again for what the link carries
}

// least is the smallest value of the last ten to twenty seconds: two quartz clocks drift apart by a millisecond in that
// time, and a way that has become longer is known as such after it.
type least struct {
	now, before time.Duration
	since       time.Duration
	begun, full bool
}

const leastSpan = 10 * time.Second

func (l *least) add(v, now time.Duration) time.Duration {
	switch {
	case !l.begun:
		*l = least{now: v, since: now, begun: true}
	case now-l.since >= leastSpan:
		l.before, l.full = l.now, true
		l.now, l.since = v, now
	default:
		l.now = min(l.now, v)
	}
	return l.value()
}

// value is the smallest of them; 0 before the first.
func (l *least) value() time.Duration {
	if l.full {
		return min(l.now, l.before)
	}
	return l.now
}

// seconds is a time that a byte takes.
type seconds float64

func (s seconds) of(bytes int) time.Duration {
	return time.Duration(min(float64(s)*float64(bytes), 60) * float64(time.Second))
}
