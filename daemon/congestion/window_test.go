package congestion

import (
	"math/rand/v2"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// held is a kernel that holds so many bytes.
type held struct {
	notSent, notArrived int
	way                 TCPInfo
}

func (h held) Unsent() int      { return h.notSent }
func (h held) Unacked() int     { return h.notArrived }
func (h held) TCPInfo() TCPInfo { return h.way }
func (h held) ResetBBR()        {}

const (
	tick  = time.Second / 30
	milli = time.Millisecond
	// theirs is what the other side's clock is ahead.
	theirs = 100 * time.Hour
	// mbyte is the slowness of a link that carries a million bytes a second.
	mbyte = seconds(1e-6)
)

func feedback(seq uint64, at, took time.Duration) *wire.Feedback {
	return &wire.Feedback{Seq: seq, Arrived: at + theirs, Transfer: took}
}

func TestWindowOpensAsTheLinkIsFree(t *testing.T) {
	var w window
	open := func(now time.Duration, k Kernel) bool {
		ok, ask := w.open(now, tick, mbyte, k)
		if !ok && ask <= now {
			t.Errorf("closed at %v, to be asked again at %v", now, ask)
		}
		return ok
	}
	if !open(0, held{}) {
		t.Fatal("closed before the first frame")
	}
	w.sent(1, 20_000, false, 0, mbyte)
	if open(500*milli, held{}) {
		t.Error("open though nothing was ever heard of the first frame")
	}
	if s, ok := w.heard(feedback(1, 25*milli, 20*milli), 30*milli, mbyte); !ok || s.late != 20*milli || s.busy != 20*milli {
		t.Errorf("learnt %+v of a frame that took 20 ms", s)
	}
	if !open(31*milli, held{}) {
		t.Error("closed with nothing on the way")
	}
	w.sent(2, 20_000, false, 33*milli, mbyte)
	for _, tt := range []struct {
		at   time.Duration
		k    held
		want bool
	}{
		{40 * milli, held{}, false},                // the link is busy until 53 ms
		{50 * milli, held{}, true},                 // nearly done
		{50 * milli, held{notSent: 15_000}, false}, // but it is not
		{200 * milli, held{}, false},               // something is wrong
	} {
		if got := open(tt.at, tt.k); got != tt.want {
			t.Errorf("open at %v with %+v: %v, want %v", tt.at, tt.k, got, tt.want)
		}
	}
	w.lead = 10 * milli
	if !open(39*milli, held{}) {
		t.Error("closed, though what is sent next has to be made smaller until the link is free")
	}
	w.lead = 0
	w.sent(3, 20_000, false, 66*milli, mbyte)
	// Number 2 came 40 ms late, so number 3, whose own bytes took 20 ms, was held up by it and came 7 ms after its turn.
	w.heard(feedback(2, 33*milli+5*milli+60*milli, 60*milli), 110*milli, mbyte)
	if s, ok := w.heard(feedback(3, 118*milli, 20*milli), 125*milli, mbyte); !ok || s.busy != 20*milli || s.late != 47*milli {
		t.Errorf("learnt %+v, want 20 ms busy and 47 ms late", s)
	}
	if _, ok := w.heard(feedback(3, 118*milli, 20*milli), 126*milli, mbyte); ok {
		t.Error("the same word taught something twice")
	}
}

func TestPatienceIsForASilentReceiverNotForASlowLink(t *testing.T) {
	var w window
	w.sent(1, 100_000, false, 0, 0)
	for now := time.Duration(0); now < 20*time.Second; now += 100 * milli {
		if ok, _ := w.open(now, tick, 0, held{notArrived: 1}); ok {
			t.Fatalf("a second frame after %v, though the first is still on the way", now)
		}
	}
	if ok, _ := w.open(20*time.Second, tick, 0, held{}); !ok {
		t.Error("nothing is sent to a receiver that has it all and says nothing")
	}
}

// A liar among receivers, or one whose clock has jumped, harms nobody but itself, and itself not for ever.
func TestFeedbackOfAnyKindDoesNoHarm(t *testing.T) {
	for seed := range uint64(50) {
		var w window
		var r rate
		random := rand.New(rand.NewPCG(seed, 0))
		lie := func() time.Duration { return time.Duration(random.Int64() >> random.IntN(63)) }
		seq := uint64(0)
		for now := time.Duration(0); now < time.Minute; now += tick {
			ok, ask := w.open(now, tick, r.slowness(8), held{})
			switch {
			case ok:
				seq++
				w.sent(seq, 100_000, true, now, r.slowness(8))
			case ask <= now || ask > now+feedbackPatience:
				t.Fatalf("to be asked again after %v; want above 0, at most %v", ask-now, feedbackPatience)
			}
			if random.IntN(3) > 0 {
				continue
			}
			f := []wire.Feedback{
				{Seq: 1 << 63, Arrived: 1<<63 - 1, Transfer: 1<<63 - 1},
				{Seq: seq, Arrived: 0, Transfer: 1<<63 - 1},
				{Seq: seq, Arrived: 1<<63 - 1},
				{Seq: 0},
				{Seq: seq, Arrived: lie(), Transfer: lie()},
			}[random.IntN(5)]
			s, ok := w.heard(&f, now, r.slowness(8))
			if !ok {
				continue
			}
			r.heard(s, course{interval: tick, trip: w.trip.value(), asked: 3e6}, now)
			if a := r.slowness(8); s.busy < 0 || s.late < 0 || !(a >= 0 && a < 1) {
				t.Fatalf("learnt %+v of %+v, and that a byte takes %v s", s, f, a)
			}
			if !(r.limit >= 0 && r.limit < 1e9) || !(r.ceiling >= 0 && r.ceiling < 1e12) {
				t.Fatalf("limit %v, ceiling %v by %+v", r.limit, r.ceiling, f)
			}
		}
		if seq < 55 {
			t.Errorf("%d frames in a minute; one a second goes whatever is heard", seq)
		}
	}
}

func TestControlTakesNoMemory(t *testing.T) {
	var w window
	var r rate
	seq, now := uint64(0), time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		seq, now = seq+1, now+tick
		w.open(now, tick, r.slowness(8), held{})
		w.sent(seq, 100_000, true, now, r.slowness(8))
		if s, ok := w.heard(feedback(seq, now+50*milli, 30*milli), now+60*milli, r.slowness(8)); ok {
			r.heard(s, course{interval: tick, asked: 3e6}, now)
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
