package call

import (
	"testing"
	"time"
)

// FuzzSteps feeds any events in any order, late and repeated messages of three peers among them.
func FuzzSteps(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 0, 0, 1, 1, 8, 0, 1, 2, 9, 0, 1, 3})
	f.Add([]byte{4, 0, 0, 0, 7, 0, 1, 1, 1, 0, 0, 1, 5, 0, 0, 1, 4, 0, 0, 200, 10, 0, 1, 0, 3, 0, 0, 0})
	f.Add([]byte{0, 1, 2, 0, 4, 1, 0, 0, 7, 1, 1, 0, 11, 1, 1, 1, 12, 0, 7, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		cfg := fuzzConfig(0)
		c, now, most := New(cfg), t0, cfg.Max
		for ; len(script) >= 4; script = script[4:] {
			ev := fuzzEvent(script[0], script[1], script[2])
			if conf, ok := ev.(Configure); ok {
				cfg = conf.Config
				// Calls that are there stay when fewer are allowed.
				most = max(cfg.Max, len(c.List()))
			}
			// Up to a quarter of an hour at once: longer than anything but the guard of a ring takes.
			now = now.Add(time.Duration(script[3]) * time.Duration(script[3]) * 15 * time.Millisecond)
			before := c.clone()
			actions, err := c.Step(ev, now)
			check(t, c, cfg, most, ev, before, actions, err, now)
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

func check(t *testing.T, c *Calls, cfg Config, most int, ev Event, before *Calls, actions []Action, err error, now time.Time) {
	t.Helper()
	list := c.List()
	if len(list) > most {
		t.Fatalf("%T: %d calls, at most %d are allowed", ev, len(list), most)
	}
	if until, ok := c.Deadline(); ok && !until.After(now) {
		t.Fatalf("%T: the deadline %v is not in the future of %v", ev, until, now)
	}
	command := false
	switch ev.(type) {
	case Dial, Answer, Reject, Hangup:
		command = true
	}
	if err != nil && !command {
		t.Fatalf("%T gives the error %v", ev, err)
	}
	peers := map[string]bool{}
	for _, l := range list {
		switch {
		case l.State == Ended:
			t.Fatalf("%T: an ended call is listed", ev)
		case peers[l.Peer]:
			t.Fatalf("%T: two calls with %s", ev, l.Peer)
		case !cfg.Known[l.Peer]:
			t.Fatalf("%T: a call with %s, who is not known", ev, l.Peer)
		case (l.State == Active || l.State == Ringing) && !c.up[l.Peer]:
			t.Fatalf("%T: %s without a link", ev, l.State)
		case l.State != Active && l.Until.IsZero():
			t.Fatalf("%T: %s for ever", ev, l.State)
		}
		peers[l.Peer] = true
		// Nobody but this side's people puts its camera into a call.
		was, _ := before.Get(l.Peer)
		talks := l.State == Active || l.State == Resuming
		if talks && (was.State == "" || was.State == Incoming) && !command && !cfg.AutoAnswer[l.Peer] {
			t.Fatalf("%T by %s took a call that was %q", ev, l.Peer, was.State)
		}
	}
	for i, a := range actions {
		switch a := a.(type) {
		case Send:
			if !c.up[a.Peer] && before.up[a.Peer] == c.up[a.Peer] {
				t.Fatalf("%T: a message without a link: %v", ev, a)
			}
			if (a.Kind == SendEnd) == (a.Reason == 0 || a.Reason >= 128) {
				t.Fatalf("%T: sends %v", ev, a)
			}
		case Save:
			if i != len(actions)-1 {
				t.Fatalf("%T: Save is not the last action", ev)
			}
		}
	}
	for peer, ends := range c.gone {
		if len(ends) > maxEnds || !cfg.Known[peer] {
			t.Fatalf("%T: %d ends of %s are remembered", ev, len(ends), peer)
		}
	}
}
