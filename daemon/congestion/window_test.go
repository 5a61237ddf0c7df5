package congestion

import (
	"math/rand/v2"
	"testing"
	"time"

	"vchat/daemon/wire"
)

// fakeSocket is a kernel that reports constants.
type fakeSocket struct {
	unsent, unacked int
	info            TCPInfo
}

func (s fakeSocket) Unsent() int      { return s.unsent }
func (s fakeSocket) Unacked() int     { return s.unacked }
func (s fakeSocket) TCPInfo() TCPInfo { return s.info }
func (s fakeSocket) ResetBBR()        {}

const (
	testInterval = time.Second / 30
	ms           = time.Millisecond
	// clockOffset is how far the receiver's clock is ahead.
	clockOffset = 100 * time.Hour
	// costOfMegabyte is the cost of a byte on a link that carries a million
	// bytes a second.
	costOfMegabyte = secondsPerByte(1e-6)
)

func feedback(seq uint64, at, took time.Duration) *wire.Feedback {
	return &wire.Feedback{Seq: seq, Arrived: at + clockOffset, Transfer: took}
}

func TestWindow_canSendAsLinkDrains(t *testing.T) {
	var w window
	canSend := func(now time.Duration, k Socket) bool {
		ok, retryAt := w.canSend(now, testInterval, costOfMegabyte, k)
		if !ok && retryAt <= now {
			t.Errorf("at %v: got retryAt %v, want a later time", now, retryAt)
		}
		return ok
	}
	if !canSend(0, fakeSocket{}) {
		t.Fatal("got closed before the first frame, want open")
	}
	w.onSent(1, 20_000, false, 0, costOfMegabyte)
	if canSend(500*ms, fakeSocket{}) {
		t.Error("got open without any feedback for the first frame, want closed")
	}
	s, ok := w.onFeedback(feedback(1, 25*ms, 20*ms), 30*ms, costOfMegabyte)
	if !ok || s.delay != 20*ms || s.transferTime != 20*ms {
		t.Errorf("got %+v for a frame that took 20 ms, want delay and transferTime 20 ms", s)
	}
	if !canSend(31*ms, fakeSocket{}) {
		t.Error("got closed with nothing in flight, want open")
	}
	w.onSent(2, 20_000, false, 33*ms, costOfMegabyte)
	for _, tt := range []struct {
		name   string
		at     time.Duration
		socket fakeSocket
		want   bool
	}{
		{"link is occupied until 53 ms", 40 * ms, fakeSocket{}, false},
		{"frame has almost left", 50 * ms, fakeSocket{}, true},
		{"kernel has not sent it", 50 * ms, fakeSocket{unsent: 15_000}, false},
		{"feedback is overdue", 200 * ms, fakeSocket{}, false},
	} {
		if got := canSend(tt.at, tt.socket); got != tt.want {
			t.Errorf("%s: at %v got open %v, want %v", tt.name, tt.at, got, tt.want)
		}
	}
	w.encodeTime = 10 * ms
	if !canSend(39*ms, fakeSocket{}) {
		t.Error("got closed, want open early enough to encode the next frame")
	}
	w.encodeTime = 0
	w.onSent(3, 20_000, false, 66*ms, costOfMegabyte)
	// Frame 2 is delayed by 60 ms, so frame 3, which takes 20 ms, waits for it
	// and arrives 27 ms after its turn.
	w.onFeedback(feedback(2, 33*ms+5*ms+60*ms, 60*ms), 110*ms, costOfMegabyte)
	s, ok = w.onFeedback(feedback(3, 118*ms, 20*ms), 125*ms, costOfMegabyte)
	if !ok || s.transferTime != 20*ms || s.delay != 47*ms {
		t.Errorf("got %+v, want transferTime 20 ms and delay 47 ms", s)
	}
	if _, ok := w.onFeedback(feedback(3, 118*ms, 20*ms), 126*ms, costOfMegabyte); ok {
		t.Error("got a sample from a repeated feedback, want none")
	}
}

func TestWindow_timeoutIsForSilentReceiver(t *testing.T) {
	var w window
	w.onSent(1, 100_000, false, 0, 0)
	for now := time.Duration(0); now < 20*time.Second; now += 100 * ms {
		if ok, _ := w.canSend(now, testInterval, 0, fakeSocket{unacked: 1}); ok {
			t.Fatalf("got open after %v while the first frame is in flight, want closed", now)
		}
	}
	if ok, _ := w.canSend(20*time.Second, testInterval, 0, fakeSocket{}); !ok {
		t.Error("got closed for a receiver that has everything and is silent, want open")
	}
}

// A receiver that lies, or whose clock jumps, harms only itself, and not for
// long.
func TestWindow_survivesAnyFeedback(t *testing.T) {
	for seed := range uint64(50) {
		var w window
		var r rate
		random := rand.New(rand.NewPCG(seed, 0))
		anyTime := func() time.Duration { return time.Duration(random.Int64() >> random.IntN(63)) }
		seq := uint64(0)
		for now := time.Duration(0); now < time.Minute; now += testInterval {
			ok, retryAt := w.canSend(now, testInterval, r.cost(), fakeSocket{})
			switch {
			case ok:
				seq++
				w.onSent(seq, 100_000, true, now, r.cost())
			case retryAt <= now || retryAt > now+feedbackTimeout:
				t.Fatalf("got retryAt in %v, want above 0 and at most %v", retryAt-now, feedbackTimeout)
			}
			if random.IntN(3) > 0 {
				continue
			}
			f := []wire.Feedback{
				{Seq: 1 << 63, Arrived: 1<<63 - 1, Transfer: 1<<63 - 1},
				{Seq: seq, Arrived: 0, Transfer: 1<<63 - 1},
				{Seq: seq, Arrived: 1<<63 - 1},
				{Seq: 0},
				{Seq: seq, Arrived: anyTime(), Transfer: anyTime()},
			}[random.IntN(5)]
			s, ok := w.onFeedback(&f, now, r.cost())
			if !ok {
				continue
			}
			r.onSample(s, conditions{interval: testInterval, baseRTT: w.baseRTT.value(), demand: 3e6}, now)
			if c := r.cost(); s.transferTime < 0 || s.delay < 0 || !(c >= 0 && c < 1) {
				t.Fatalf("got %+v by %+v, and a cost of %v s a byte", s, f, c)
			}
			if !(r.target >= 0 && r.target < 1e9) || !(r.capacity >= 0 && r.capacity < 1e12) {
				t.Fatalf("got target %v and capacity %v by %+v", r.target, r.capacity, f)
			}
		}
		if seq < 55 {
			t.Errorf("got %d frames in a minute, want at least one a second with any feedback", seq)
		}
	}
}

func TestWindow_continuesWhileTCPRecovers(t *testing.T) {
	var w window
	w.onSent(1, 20_000, false, 0, costOfMegabyte)
	w.onFeedback(feedback(1, 40*ms, 20*ms), 60*ms, costOfMegabyte)
	w.onSent(2, 20_000, false, 66*ms, costOfMegabyte)
	for _, tt := range []struct {
		name string
		info TCPInfo
		want bool
	}{
		{"nothing is lost", TCPInfo{}, false},
		{"loss with little in flight", TCPInfo{Recovering: true, InFlight: 10_000}, true},
		{"congestion loss", TCPInfo{Recovering: true, InFlight: 10_000, Retransmitted: 2, Lost: 3}, false},
		{"loss on a full link", TCPInfo{Recovering: true, InFlight: 100_000}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ok, retryAt := w.canSend(300*ms, testInterval, costOfMegabyte, fakeSocket{info: tt.info})
			if ok != tt.want || !ok && retryAt <= 300*ms {
				t.Errorf("got open %v, retryAt %v; want open %v", ok, retryAt, tt.want)
			}
		})
	}
}
