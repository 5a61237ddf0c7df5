package call

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestRingTimeout(t *testing.T) {
	t.Run("counts from when it rings", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.after(20*time.Second, GotRinging{"bob", id(1)})
		d.expect(d.after(29*time.Second, Tick{}), "-")
		d.expect(d.after(time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("counts from the dial where nothing is heard", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(30*time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("is the caller's choice, up to an hour", func(t *testing.T) {
		for ask, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second, 9 * time.Hour: time.Hour} {
			d := newDevice(t, config())
			d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1), RingTimeout: ask}, GotRinging{"bob", id(1)})
			if until, _ := d.Deadline(); !until.Equal(t0.Add(want)) {
				t.Errorf("asked for %v, rings until %v", ask, until.Sub(t0))
			}
		}
	})
	t.Run("does not begin again with each link", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotRinging{"bob", id(1)})
		for range 7 {
			d.after(4*time.Second, LinkDown{"bob", nil})
			d.expect(d.do(LinkUp{"bob"}), "send invite 01")
			d.expect(d.do(GotRinging{"bob", id(1)}), "ringing 01")
		}
		d.expect(d.after(2*time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("a caller that never gives up", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)})
		d.expect(d.after(time.Hour, Tick{}), "-")
		d.expect(d.after(time.Minute, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("is over before a late answer", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(time.Minute, GotAccept{"bob", id(1)}),
			"send end 01 no_answer, ended 01 no_answer local, send end 01 no_answer")
	})
}

func TestUnreachable(t *testing.T) {
	t.Run("never a link", func(t *testing.T) {
		d := newDevice(t, config())
		d.expect(d.do(Dial{Peer: "bob", ID: id(1)}), "calling 01")
		// Attempts that fail give the reason, not more time.
		d.after(6*time.Second, LinkDown{"bob", errors.New("connection refused")})
		d.now = d.now.Add(4 * time.Second)
		actions, _ := d.Step(Tick{}, d.now)
		d.expect(words(actions, nil), "ended 01 unreachable local")
		if got := actions[0].(Changed).Call.Text; got != "connection refused" {
			t.Errorf("the end says %q", got)
		}
		// Should it reach us after all, it is told that the call was cancelled.
		d.expect(d.do(LinkUp{"bob"}), "send end 01 cancelled")
	})
	t.Run("a link in time", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(9*time.Second, LinkUp{"bob"}), "send invite 01")
		d.expect(d.after(2*time.Second, Tick{}), "-")
	})
	t.Run("lost while it rings there", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotRinging{"bob", id(1)})
		d.expect(d.do(LinkDown{"bob", nil}), "calling 01")
		d.expect(d.after(10*time.Second, Tick{}), "ended 01 unreachable local")
	})
	t.Run("lost while it rings here", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil})
		d.expect(d.after(10*time.Second, Tick{}), "ended 01 unreachable local")
	})
	t.Run("rings no longer than asked without a link", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(1), RingTimeout: time.Second})
		d.expect(d.after(time.Second, Tick{}), "ended 01 unreachable local")
	})
}

func TestCallerSilentOnNewLink(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil}, LinkUp{"bob"})
	d.expect(d.after(1900*time.Millisecond, Tick{}), "-")
	d.expect(d.after(100*time.Millisecond, Tick{}), "send end 01 cancelled, ended 01 cancelled remote")

	d = newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil}, LinkUp{"bob"})
	d.expect(d.after(time.Second, GotInvite{"bob", id(1)}), "send ringing 01")
	d.expect(d.after(5*time.Second, Tick{}), "-")
}

// A call that was said not to exist does not come back by a message that crossed that.
func TestDisowned(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"})
	d.expect(d.do(GotRinging{"bob", id(1)}), "send end 01 unknown_call")
	d.expect(d.do(Dial{Peer: "bob", ID: id(4)}), "send invite 04, calling 04")
	d.expect(d.do(GotAccept{"bob", id(1)}), "send end 01 unknown_call")
	d.expect(d.do(LinkUp{"bob"}), "send end 01 unknown_call, send invite 04")
}

func TestResume(t *testing.T) {
	active := func(t *testing.T) *device {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(time.Second, GotAccept{"bob", id(1)}), "active 01, save")
		return d
	}
	t.Run("the link comes back", func(t *testing.T) {
		d := active(t)
		answered := d.now
		d.expect(d.after(time.Minute, LinkDown{"bob", nil}), "resuming 01, save")
		d.expect(d.after(time.Minute, LinkUp{"bob"}), "send resume 01")
		d.expect(d.do(GotResume{"bob", id(1)}), "active 01, save")
		want := Call{ID: id(1), Peer: "bob", Direction: Out, State: Active, Since: d.now, Started: t0, Answered: answered}
		if got, _ := d.Get("bob"); got != want {
			t.Errorf("the call is %+v, want %+v", got, want)
		}
		if until, ok := d.Deadline(); ok {
			t.Errorf("an active call has a deadline, %v", until)
		}
	})
	t.Run("the link does not come back", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", errors.New("heartbeat lost")})
		d.expect(d.after(10*time.Minute-1, Tick{}), "-")
		d.expect(d.after(1, Tick{}), "ended 01 lost_too_long local, save")
		d.expect(d.do(LinkUp{"bob"}), "send end 01 lost_too_long")
	})
	t.Run("links on which the peer says nothing win no time", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		for range 9 {
			d.after(time.Minute, LinkUp{"bob"})
			d.expect(d.do(LinkDown{"bob", nil}), "-")
		}
		d.expect(d.after(time.Minute, Tick{}), "ended 01 lost_too_long local, save")
	})
	t.Run("not at all where resume_for is 0", func(t *testing.T) {
		cfg := config()
		cfg.ResumeFor = 0
		d := newDevice(t, cfg)
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotAccept{"bob", id(1)})
		d.expect(d.do(LinkDown{"bob", nil}), "resuming 01, ended 01 lost_too_long local, save")
	})
	t.Run("hung up here meanwhile", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		d.expect(d.do(Hangup{}), "ended 01 hung_up local, save")
		d.expect(d.do(LinkUp{"bob"}), "send end 01 hung_up")
		d.expect(d.do(GotResume{"bob", id(1)}), "send end 01 hung_up")
	})
	t.Run("hung up here meanwhile, and called again", func(t *testing.T) {
		// The old call must end there before the new one arrives, or that is taken for the old one.
		d := active(t)
		d.do(LinkDown{"bob", nil}, Hangup{}, Dial{Peer: "bob", ID: id(2)})
		d.expect(d.do(LinkUp{"bob"}), "send end 01 hung_up, send invite 02")
		d.expect(d.do(GotResume{"bob", id(1)}), "send end 01 hung_up")
		d.expect(d.do(GotAccept{"bob", id(2)}), "active 02, save")
	})
	t.Run("the peer was restarted and has forgotten", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil}, LinkUp{"bob"})
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(1), Reason: UnknownCall}), "ended 01 unknown_call remote, save")
		d.expect(d.do(LinkUp{"bob"}), "-")
	})
	t.Run("the peer was restarted, has forgotten, and calls", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil}, LinkUp{"bob"})
		d.expect(d.do(GotInvite{"bob", id(9)}), "active 01, send accept 09, save")
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(9), Reason: HungUp}), "send end 01 hung_up, ended 01 hung_up remote, save")
	})
	t.Run("a stranger at the peer's address", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		d.expect(d.do(Refused{Peer: "bob", WrongIdentity: true, Text: "it is eve"}), "-")
	})
	t.Run("ends are not said for ever", func(t *testing.T) {
		d := active(t)
		d.do(Hangup{}, LinkDown{"bob", nil})
		d.expect(d.after(2*time.Hour, LinkUp{"bob"}), "-")
		d.expect(d.do(GotResume{"bob", id(1)}), "send end 01 hung_up")
	})
}

func TestAnswerWithoutLink(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil})
	d.expect(d.do(Answer{}), "resuming 01, save")
	d.expect(d.after(time.Second, LinkUp{"bob"}), "send resume 01")
	d.expect(d.do(GotInvite{"bob", id(1)}), "active 01, send accept 01, save")

	// The caller has given up by the time that it would be resumed.
	d = newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil}, Answer{})
	d.expect(d.after(10*time.Second, Tick{}), "ended 01 lost_too_long local, save")
}

func TestDoNotDisturb(t *testing.T) {
	cfg := config()
	cfg.DoNotDisturb = true
	cfg.AutoAnswer = map[string]bool{"bob": true}
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"})
	d.expect(d.do(GotInvite{"bob", id(1)}), "send end 01 do_not_disturb, ended 01 do_not_disturb local")
	if list := d.List(); len(list) != 0 {
		t.Errorf("a call that was turned away is kept: %v", list)
	}

	// One's own calls are meant, also when the peer calls at the same moment.
	d.do(Dial{Peer: "bob", ID: id(5)})
	d.expect(d.do(GotInvite{"bob", id(3)}), "active 03, send accept 03, save")

	// What rings already goes on ringing.
	d = newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)})
	d.expect(d.do(Configure{cfg}), "-")
	d.do(LinkDown{"bob", nil}, LinkUp{"bob"})
	d.expect(d.do(GotInvite{"bob", id(1)}), "send ringing 01")
	d.expect(d.do(Answer{}), "send accept 01, active 01, save")
}

func TestAutoAnswer(t *testing.T) {
	cfg := config()
	cfg.AutoAnswer = map[string]bool{"bob": true}
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"}, LinkUp{"carol"})
	d.expect(d.do(GotInvite{"bob", id(1)}), "send accept 01, active 01, save")
	d.do(Hangup{})
	d.expect(d.do(GotInvite{"carol", id(2)}), "send carol ringing 02, incoming carol 02")
	// Auto-answer is for a device that is free.
	d.expect(d.do(GotInvite{"bob", id(3)}), "send end 03 busy, ended 03 busy local")
}

func TestBusy(t *testing.T) {
	cfg := config()
	cfg.Known["dave"] = true
	cfg.Max = 2
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"}, LinkUp{"carol"}, LinkUp{"dave"})
	d.expect(d.do(GotInvite{"carol", id(2)}), "send carol ringing 02, incoming carol 02")
	d.expect(d.do(Dial{Peer: "bob", ID: id(1)}), "send invite 01, calling 01")
	d.expect(d.do(Dial{Peer: "dave", ID: id(3)}), "error: no further call is allowed")
	d.expect(d.do(GotInvite{"dave", id(4)}), "send dave end 04 busy, ended dave 04 busy local")
	d.expect(d.do(Hangup{}), "error: more than one call: name the peer")
	d.expect(d.do(Answer{}), "send carol accept 02, active carol 02, save")
	if list := d.List(); len(list) != 2 || list[0].Peer != "carol" || list[1].Peer != "bob" {
		t.Errorf("the calls are %v, want carol's and then bob's", list)
	}

	// It was not held against the caller: free again, it rings.
	d.do(Hangup{"carol"})
	d.expect(d.do(GotInvite{"dave", id(4)}), "send dave ringing 04, incoming dave 04")
	d.expect(d.do(Reject{"bob"}), "error: no such call")
	d.expect(d.do(Answer{"eve"}), "error: unknown peer")
}

func TestGlare(t *testing.T) {
	t.Run("both invites cross", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)})
		d.expect(d.do(GotInvite{"bob", id(3)}), "active 03, send accept 03, save")
		d.expect(d.do(GotAccept{"bob", id(5)}), "-")
		if c, _ := d.Get("bob"); c.Direction != Out {
			t.Errorf("a call dialled on both sides is %q here", c.Direction)
		}
	})
	t.Run("ours was not sent yet", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(5)})
		d.expect(d.do(LinkUp{"bob"}), "send invite 05")
		d.expect(d.do(GotInvite{"bob", id(7)}), "active 05, send accept 07, save")
	})
	t.Run("an end for either id ends it", func(t *testing.T) {
		for _, ended := range []ID{id(3), id(5)} {
			d := newDevice(t, config())
			d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)}, GotInvite{"bob", id(3)})
			other := map[ID]string{id(3): "05", id(5): "03"}[ended]
			d.expect(d.do(GotEnd{Peer: "bob", ID: ended, Reason: HungUp}),
				"send end "+other+" hung_up, ended 03 hung_up remote, save")
		}
	})
	t.Run("hung up here, both ids end there", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)}, GotInvite{"bob", id(3)})
		d.expect(d.do(Hangup{}), "send end 03 hung_up, send end 05 hung_up, ended 03 hung_up local, save")
	})
}

func TestConfigure(t *testing.T) {
	cfg := config()
	cfg.Max = 2
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"}, LinkUp{"carol"}, Dial{Peer: "bob", ID: id(1)}, GotAccept{"bob", id(1)}, Dial{Peer: "carol", ID: id(2)})
	// Fewer calls at once, and another resume_for: the calls there are go on.
	d.expect(d.do(Configure{config()}), "-")
	// A peer less: its call ends, and nothing of it is remembered.
	d.expect(d.do(Configure{strangers()}), "send end 01 hung_up, ended 01 hung_up local, save")
	d.expect(d.do(GotResume{"bob", id(1)}), "-")
	d.expect(d.do(Dial{Peer: "bob", ID: id(3)}), "error: unknown peer")
	// Known again over a link that stayed.
	d.do(Configure{cfg})
	d.expect(d.do(Dial{Peer: "bob", ID: id(3)}), "send invite 03, calling 03")

	// The caller's maps stay the caller's.
	cfg.Known["mallory"] = true
	d.expect(d.do(Dial{Peer: "mallory", ID: id(4)}), "error: unknown peer")
}

func TestReasonsFromThePeer(t *testing.T) {
	for _, test := range []struct{ sent, want Reason }{
		{Busy, Busy}, {77, 77}, {0, Failed}, {Unreachable, Failed}, {WrongIdentity, Failed}, {255, Failed},
	} {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		actions, _ := d.Step(GotEnd{"bob", id(1), test.sent, strings.Repeat("é", 400)}, d.now)
		ended := actions[len(actions)-1].(Changed).Call
		if ended.Reason != test.want || ended.EndedBy != Remote {
			t.Errorf("reason %d from the peer is taken for %q by %s", test.sent, ended.Reason, ended.EndedBy)
		}
		if ended.Text != strings.Repeat("é", 256) {
			t.Errorf("a text of 800 bytes is kept with %d", len(ended.Text))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"})
	for i := range 1000 {
		d.do(GotInvite{"bob", ID{1, byte(i), byte(i >> 8)}}, GotEnd{Peer: "bob", ID: ID{1, byte(i), byte(i >> 8)}})
	}
	d.do(GotInvite{"bob", id(9)}, Answer{})
	for i := range 1000 {
		d.do(GotInvite{"bob", ID{2, byte(i), byte(i >> 8)}}, GotResume{"bob", ID{3, byte(i), byte(i >> 8)}})
	}
	if got := len(d.gone["bob"]); got > maxEnds {
		t.Errorf("%d ended calls are remembered", got)
	}
	if got := len(d.Saved()[0].IDs); got > maxIDs {
		t.Errorf("a call has %d ids", got)
	}
}
