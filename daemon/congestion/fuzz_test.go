package congestion

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// FuzzController runs a script of events with a hostile receiver: any Feedback
// that the wire format allows, in any order, and any answers of the kernel. It
// checks each output. Then the receiver turns honest, and the frames must be
// back in full size.
//
// An event has 17 bytes: a kind and two numbers.
func FuzzController(f *testing.F) {
	event := func(kind byte, a, b uint64) []byte {
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{kind}, a), b)
	}
	join := func(events ...[]byte) (all []byte) {
		for _, e := range events {
			all = append(all, e...)
		}
		return all
	}
	send, pass := event(0, 100e3, 0), event(1, 33e6, 0)
	f.Add(join(send, pass, event(2, math.MaxInt64, 0), send, pass, event(2, 0, math.MaxInt64)))
	f.Add(join(send, pass, event(2, 0, 0), send, pass, event(2, math.MaxInt64, 0)))
	f.Add(join(send, pass, event(3, 40e6, 30e6), send, pass, event(3, 1e12, 30e6), send, pass))
	f.Add(join(event(4, 1<<20, 1<<30), send, send, pass, event(5, 1<<40, 3), event(6, 1e12, 7), pass, send))
	f.Fuzz(func(t *testing.T, script []byte) {
		s := newScripted(t)
		for n := 0; len(script) >= 17 && n < 400; n, script = n+1, script[17:] {
			s.event(script[0], binary.BigEndian.Uint64(script[1:]), binary.BigEndian.Uint64(script[9:]))
			s.check()
		}
		s.recover()
	})
}

// scripted is a controller with its clock and the frames that were sent.
type scripted struct {
	t        *testing.T
	control  *Controller
	socket   fakeSocket
	now      time.Duration
	seq      uint64
	captured time.Duration
}

func newScripted(t *testing.T) *scripted {
	s := &scripted{t: t, now: time.Hour}
	s.control = New(s)
	return s
}

func (s *scripted) Unsent() int      { return s.socket.unsent }
func (s *scripted) Unacked() int     { return s.socket.unacked }
func (s *scripted) TCPInfo() TCPInfo { return s.socket.info }
func (s *scripted) ResetBBR()        {}

func (s *scripted) event(kind byte, a, b uint64) {
	// The wire format allows no negative time.
	positive := func(v uint64) time.Duration { return time.Duration(v &^ (1 << 63)) }
	switch kind % 7 {
	case 0:
		s.send(int(a%wire.MaxFrame)+1, b%16 == 1)
	case 1:
		s.now += positive(a) % (20 * time.Second)
	case 2:
		s.feedback(s.seq, positive(a), positive(b))
	case 3: // an almost honest one
		s.feedback(s.seq-a>>60, s.now+positive(a)%time.Minute, positive(b)%time.Second)
	case 4:
		s.socket.unsent, s.socket.unacked = int(a&0x7fffffff), int(b&0x7fffffff)
	case 5:
		s.socket.info = TCPInfo{Retransmitted: uint32(a), Lost: int(a >> 32 & 0xffff), Recovering: b&1 != 0,
			InFlight: int(a >> 40), PacingRate: float64(b >> 20), MinRTT: time.Duration(b >> 34)}
	case 6: // another camera, or its clock jumps
		s.control.OnNewSource()
		s.captured = positive(a)
		s.seq += b % 1000
	}
}

// send sends a frame of full bytes, or of its budget, if the controller allows.
func (s *scripted) send(full int, card bool) (sent bool) {
	if ok, _ := s.control.CanSend(s.now); !ok {
		return false
	}
	s.seq++
	s.captured += time.Second / 30
	f := &frame.Frame{Meta: frame.Meta{Seq: s.seq, Captured: s.captured, Card: card}}
	s.control.OnFrame(f)
	budget, _ := s.control.Budget(f)
	bytes := full
	if budget > 0 {
		bytes = min(full, budget)
	}
	s.control.OnSent(s.now, SentFrame{Seq: s.seq, Bytes: bytes, FullBytes: full, Budget: budget, Card: card,
		EncodeTime: time.Millisecond})
	return true
}

func (s *scripted) feedback(seq uint64, arrived, transfer time.Duration) {
	s.control.OnFeedback(s.now, &wire.Feedback{Seq: seq, Arrived: arrived, Transfer: transfer})
}

// check checks all outputs.
func (s *scripted) check() {
	s.t.Helper()
	budget, reason := s.control.Budget(&frame.Frame{})
	const least = 133 // bytes: minTargetRate in a frame interval of the fastest camera
	if budget < 0 || budget > 0 && budget < least || (budget > 0) != (reason != Unlimited) {
		s.t.Fatalf("got a budget of %d bytes, reason %d", budget, reason)
	}
	if c := s.control.Capacity(); math.IsNaN(c) || math.IsInf(c, 0) || c < 0 {
		s.t.Fatalf("got a capacity of %v Mbit/s", c)
	}
	if r := s.control.rate.target; math.IsNaN(r) || math.IsInf(r, 0) || r < 0 {
		s.t.Fatalf("got a target of %v bytes a second", r)
	}
	// Asking again at retryAt must lead to a frame within feedbackTimeout if
	// the peer's kernel acknowledges, even if no Feedback arrives any more.
	probe, socket := *s.control, fakeSocket{}
	probe.socket = socket
	for now, steps := s.now, 0; ; steps++ {
		ok, retryAt := probe.CanSend(now)
		if ok {
			break
		}
		if retryAt <= now {
			s.t.Fatalf("got retryAt %v, want later than %v", retryAt, now)
		}
		if now = retryAt; now > s.now+feedbackTimeout || steps > 10000 {
			s.t.Fatalf("no frame for %v and %d attempts", now-s.now, steps)
		}
	}
}

// recover plays an honest receiver on a fast path. A minFilter forgets what it
// was reported after twice its span.
func (s *scripted) recover() {
	s.t.Helper()
	const full, delay, offset = 100e3, 5 * time.Millisecond, 77 * time.Hour
	s.socket = fakeSocket{}
	s.control.OnNewSource()
	sent, late := 0, s.now+2*minFilterSpan+3*time.Second
	for end := late + time.Second; s.now < end; s.now += time.Second/30 - 2*delay {
		if s.send(full, false) {
			if s.now > late {
				sent++
			}
			at := s.now + delay
			s.now += 2 * delay
			s.feedback(s.seq, at+time.Millisecond+offset, time.Millisecond)
		} else {
			s.now += 2 * delay
		}
	}
	budget, _ := s.control.Budget(&frame.Frame{})
	if sent < 28 || budget > 0 && budget < full {
		s.t.Fatalf("after the receiver is honest again: got %d frames a second, budget %d; want 28 in full size",
			sent, budget)
	}
}
