package call

import (
	"testing"
	"time"
)

// FuzzSteps processes arbitrary events in any order, with delayed and repeated
// messages of three peers.
func FuzzSteps(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 0, 1, 1, 8, 0, 1, 2, 9, 0, 1, 3})
	f.Add([]byte{4, 0, 0, 0, 7, 0, 1, 1, 1, 0, 0, 1, 5, 0, 0, 1, 4, 0, 0, 200, 10, 0, 1, 0, 3, 0, 0, 0})
	f.Add([]byte{0, 1, 2, 0, 4, 1, 0, 0, 7, 1, 1, 0, 11, 1, 1, 1, 12, 0, 7, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		cfg := fuzzConfig(0)
		c, now, limit := New(cfg), t0, cfg.Max
		for ; len(script) >= 4; script = script[4:] {
			ev := fuzzEvent(script[0], script[1], script[2])
			if conf, ok := ev.(Configure); ok {
				cfg = conf.Config
				// Existing calls stay if the limit decreases.
				limit = max(cfg.Max, taken(c.List()))
			}
			// Up to a quarter of an hour, which is longer than all timers
			// except maxIncomingRing.
			now = now.Add(time.Duration(script[3]) * time.Duration(script[3]) * 15 * time.Millisecond)
			before := c.clone()
			actions, err := c.Step(ev, now)
			checkInvariants(t, c, cfg, limit, ev, before, actions, err, now)
		}
	})
}

func fuzzConfig(bits byte) Config {
	cfg := Config{
		Max: 1 + int(bits&1), ResumeFor: 10 * time.Minute * time.Duration(bits>>1&1), DoNotDisturb: bits&4 != 0,
		Known: map[string]bool{"a": true, "b": true, "c": bits&8 == 0}, AutoAnswer: map[string]bool{"b": bits&16 != 0},
	}
	return cfg
}

func fuzzEvent(kind, who, what byte) Event {
	peer := []string{"a", "b", "c", ""}[who%4]
	n := id(what % 8)
	switch kind % 14 {
	case 0:
		return Dial{Peer: peer, ID: n, RingTimeout: time.Duration(who) * time.Second}
	case 1:
		return Answer{peer}
	case 2:
		return Reject{peer}
	case 3:
		return Hangup{peer}
	case 4:
		return LinkUp{peer}
	case 5:
		return LinkDown{Peer: peer}
	case 6:
		return Refused{Peer: peer, WrongIdentity: what&1 != 0}
	case 7:
		return GotInvite{peer, n}
	case 8:
		return GotRinging{peer, n}
	case 9:
		return GotAccept{peer, n}
	case 10:
		return GotResume{peer, n}
	case 11:
		return GotEnd{peer, n, Reason(what), "text"}
	case 12:
		return Configure{fuzzConfig(what)}
	}
	return Tick{}
}

func checkInvariants(t *testing.T, c *Calls, cfg Config, limit int, ev Event, before *Calls, actions []Action,
	err error, now time.Time) {
	t.Helper()
	list := c.List()
	if n := taken(list); n > limit {
		t.Fatalf("%T: got %d calls that do not ring here, want at most %d", ev, n, limit)
	}
	if until, ok := c.Deadline(); ok && !until.After(now) {
		t.Fatalf("%T: got deadline %v, want after %v", ev, until, now)
	}
	command := false
	switch ev.(type) {
	case Dial, Answer, Reject, Hangup:
		command = true
	}
	if err != nil && !command {
		t.Fatalf("%T: got error %v, want nil", ev, err)
	}
	peers := map[string]bool{}
	for _, l := range list {
		switch {
		case l.State == Ended:
			t.Fatalf("%T: List contains an ended call", ev)
		case peers[l.Peer]:
			t.Fatalf("%T: two calls with %s", ev, l.Peer)
		case !cfg.Known[l.Peer]:
			t.Fatalf("%T: call with unknown peer %s", ev, l.Peer)
		case (l.State == Active || l.State == Ringing) && !c.up[l.Peer]:
			t.Fatalf("%T: %s without a link", ev, l.State)
		case l.State != Active && l.Until.IsZero():
			t.Fatalf("%T: %s without a timeout", ev, l.State)
		}
		peers[l.Peer] = true
		if u := c.unanswered[l.Peer]; l.State == Incoming && l.Started.Equal(now) && now.Before(u.until) {
			t.Fatalf("%T: %s rings during its pause", ev, l.Peer)
		}
		// Only a local event answers a call.
		was, _ := before.Get(l.Peer)
		inCall := l.State == Active || l.State == Resuming
		if inCall && (was.State == "" || was.State == Incoming) && !command && !cfg.AutoAnswer[l.Peer] {
			t.Fatalf("%T of %s answered a call that was %q", ev, l.Peer, was.State)
		}
	}
	for i, a := range actions {
		switch a := a.(type) {
		case Send:
			if !c.up[a.Peer] && before.up[a.Peer] == c.up[a.Peer] {
				t.Fatalf("%T: message without a link: %v", ev, a)
			}
			if (a.Kind == SendEnd) == (a.Reason == 0 || a.Reason >= 128) {
				t.Fatalf("%T: invalid reason: %v", ev, a)
			}
		case Save:
			if i != len(actions)-1 {
				t.Fatalf("%T: Save is not the last action", ev)
			}
		}
	}
	checkOthers(t, ev, before, c, now)
	for peer, u := range c.unanswered {
		if !cfg.Known[peer] || u.count+u.short < 1 || u.count > len(pauses) ||
			u.short > freeShort || u.until.Sub(now) > pauses[len(pauses)-1] {
			t.Fatalf("%T: got %+v for %s", ev, u, peer)
		}
	}
	for peer, ends := range c.ended {
		if len(ends) > maxEnds || !cfg.Known[peer] {
			t.Fatalf("%T: got %d ends of %s, want at most maxEnds of a known peer", ev, len(ends), peer)
		}
	}
}

// taken returns the number of calls that count for Config.Max.
func taken(list []Call) (n int) {
	for _, l := range list {
		if l.State != Incoming {
			n++
		}
	}
	return n
}

// checkOthers checks that a message of one peer leaves the calls with the
// others alone.
func checkOthers(t *testing.T, ev Event, before, after *Calls, now time.Time) {
	t.Helper()
	sender := ""
	switch ev := ev.(type) {
	case GotInvite:
		sender = ev.Peer
	case GotRinging:
		sender = ev.Peer
	case GotAccept:
		sender = ev.Peer
	case GotResume:
		sender = ev.Peer
	case GotEnd:
		sender = ev.Peer
	default:
		return
	}
	for _, was := range before.List() {
		got, ok := after.Get(was.Peer)
		if was.Peer != sender && ok && got != was {
			t.Fatalf("%T of %s changed the call with %s from %+v to %+v", ev, sender, was.Peer, was, got)
		}
		// A call whose time is over ends with any event.
		if !ok && was.Peer != sender && (was.Until.IsZero() || now.Before(was.Until)) {
			t.Fatalf("%T of %s ended the call with %s", ev, sender, was.Peer)
		}
	}
}
