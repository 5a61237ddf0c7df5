package call

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRingTimeout(t *testing.T) {
	t.Run("from ringing", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.after(20*time.Second, GotRinging{"bob", id(1)})
		d.expect(d.after(29*time.Second, Tick{}), "-")
		d.expect(d.after(time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("from dialling without ringing", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(30*time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("of the caller, up to an hour", func(t *testing.T) {
		for timeout, want := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Second: time.Second,
			9 * time.Hour: time.Hour} {
			d := newDevice(t, config())
			d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1), RingTimeout: timeout}, GotRinging{"bob", id(1)})
			if until, _ := d.Deadline(); !until.Equal(t0.Add(want)) {
				t.Errorf("timeout %v: got deadline after %v, want %v", timeout, until.Sub(t0), want)
			}
		}
	})
	t.Run("not extended by a new link", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotRinging{"bob", id(1)})
		for range 7 {
			d.after(4*time.Second, LinkDown{"bob", nil})
			d.expect(d.do(LinkUp{"bob"}), "send invite 01")
			d.expect(d.do(GotRinging{"bob", id(1)}), "ringing 01")
		}
		d.expect(d.after(2*time.Second, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("incoming without end", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)})
		d.expect(d.after(time.Hour, Tick{}), "-")
		d.expect(d.after(time.Minute, Tick{}), "send end 01 no_answer, ended 01 no_answer local")
	})
	t.Run("before a late answer", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(time.Minute, GotAccept{"bob", id(1)}),
			"send end 01 no_answer, ended 01 no_answer local, send end 01 no_answer")
	})
}

func TestUnreachable(t *testing.T) {
	t.Run("no link", func(t *testing.T) {
		d := newDevice(t, config())
		d.expect(d.do(Dial{Peer: "bob", ID: id(1)}), "calling 01")
		// Failed attempts set the reason and do not extend the time.
		d.after(6*time.Second, LinkDown{"bob", errors.New("connection refused")})
		d.now = d.now.Add(4 * time.Second)
		actions, _ := d.Step(Tick{}, d.now)
		d.expect(format(actions, nil), "ended 01 unreachable local")
		if got := actions[0].(Changed).Call.Text; got != "connection refused" {
			t.Errorf("got text %q, want connection refused", got)
		}
		// If the peer connects after all, it learns that the call was
		// cancelled.
		d.expect(d.do(LinkUp{"bob"}), "send end 01 cancelled")
	})
	t.Run("link in time", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(1)})
		d.expect(d.after(9*time.Second, LinkUp{"bob"}), "send invite 01")
		d.expect(d.after(2*time.Second, Tick{}), "-")
	})
	t.Run("lost while ringing there", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotRinging{"bob", id(1)})
		d.expect(d.do(LinkDown{"bob", nil}), "calling 01")
		d.expect(d.after(10*time.Second, Tick{}), "ended 01 unreachable local")
	})
	t.Run("lost while ringing here", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil})
		d.expect(d.after(10*time.Second, Tick{}), "ended 01 unreachable local")
	})
	t.Run("ring timeout without a link", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(1), RingTimeout: time.Second})
		d.expect(d.after(time.Second, Tick{}), "ended 01 unreachable local")
	})
}

func TestInviteTimeout(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil}, LinkUp{"bob"})
	d.expect(d.after(1900*time.Millisecond, Tick{}), "-")
	d.expect(d.after(100*time.Millisecond, Tick{}), "send end 01 cancelled, ended 01 cancelled remote")

	d = newDevice(t, config())
	d.do(LinkUp{"bob"}, GotInvite{"bob", id(1)}, LinkDown{"bob", nil}, LinkUp{"bob"})
	d.expect(d.after(time.Second, GotInvite{"bob", id(1)}), "send ringing 01")
	d.expect(d.after(5*time.Second, Tick{}), "-")
}

// A message that crosses the End does not revive a denied call.
func TestDenyCall(t *testing.T) {
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
	t.Run("link restored", func(t *testing.T) {
		d := active(t)
		answered := d.now
		d.expect(d.after(time.Minute, LinkDown{"bob", nil}), "resuming 01, save")
		d.expect(d.after(time.Minute, LinkUp{"bob"}), "send resume 01")
		d.expect(d.do(GotResume{"bob", id(1)}), "active 01, save")
		want := Call{ID: id(1), Peer: "bob", Direction: Out, State: Active, Since: d.now, Started: t0,
			Answered: answered}
		if got, _ := d.Get("bob"); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if until, ok := d.Deadline(); ok {
			t.Errorf("active call: got deadline %v, want none", until)
		}
	})
	t.Run("link not restored", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", errors.New("heartbeat lost")})
		d.expect(d.after(10*time.Minute-1, Tick{}), "-")
		d.expect(d.after(1, Tick{}), "ended 01 lost_too_long local, save")
		d.expect(d.do(LinkUp{"bob"}), "send end 01 lost_too_long")
	})
	t.Run("not extended by unconfirmed links", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		for range 9 {
			d.after(time.Minute, LinkUp{"bob"})
			d.expect(d.do(LinkDown{"bob", nil}), "-")
		}
		d.expect(d.after(time.Minute, Tick{}), "ended 01 lost_too_long local, save")
	})
	t.Run("resume_for 0", func(t *testing.T) {
		cfg := config()
		cfg.ResumeFor = 0
		d := newDevice(t, cfg)
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)}, GotAccept{"bob", id(1)})
		d.expect(d.do(LinkDown{"bob", nil}), "resuming 01, ended 01 lost_too_long local, save")
	})
	t.Run("hung up here", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		d.expect(d.do(Hangup{}), "ended 01 hung_up local, save")
		d.expect(d.do(LinkUp{"bob"}), "send end 01 hung_up")
		d.expect(d.do(GotResume{"bob", id(1)}), "send end 01 hung_up")
	})
	t.Run("hung up here, called again", func(t *testing.T) {
		// The old call must end at the peer before the new Invite arrives, or
		// the peer mistakes the Invite for glare.
		d := active(t)
		d.do(LinkDown{"bob", nil}, Hangup{}, Dial{Peer: "bob", ID: id(2)})
		d.expect(d.do(LinkUp{"bob"}), "send end 01 hung_up, send invite 02")
		d.expect(d.do(GotResume{"bob", id(1)}), "send end 01 hung_up")
		d.expect(d.do(GotAccept{"bob", id(2)}), "active 02, save")
	})
	t.Run("peer lost the call", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil}, LinkUp{"bob"})
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(1), Reason: UnknownCall}), "ended 01 unknown_call remote, save")
		d.expect(d.do(LinkUp{"bob"}), "-")
	})
	t.Run("peer lost the call and dials", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil}, LinkUp{"bob"})
		d.expect(d.do(GotInvite{"bob", id(9)}), "active 01, send accept 09, save")
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(9), Reason: HungUp}),
			"send end 01 hung_up, ended 01 hung_up remote, save")
	})
	t.Run("another device at the peer's address", func(t *testing.T) {
		d := active(t)
		d.do(LinkDown{"bob", nil})
		d.expect(d.do(Refused{Peer: "bob", WrongIdentity: true, Text: "it is eve"}), "-")
	})
	t.Run("End not resent after an hour", func(t *testing.T) {
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

	// The caller gives up before we do.
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
		t.Errorf("got calls %v after a refused one, want none", list)
	}

	// An outgoing call is not affected, even if the peer dials at the same
	// moment.
	d.do(Dial{Peer: "bob", ID: id(5)})
	d.expect(d.do(GotInvite{"bob", id(3)}), "active 03, send accept 03, save")

	// A ringing call continues.
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
	// A call that rings does not count, one that was dialled does.
	d.expect(d.do(GotInvite{"carol", id(2)}), "send carol ringing 02, incoming carol 02")
	d.expect(d.do(GotInvite{"bob", id(3)}), "send accept 03, active 03, save")
	d.do(Hangup{"bob"}, Dial{Peer: "carol", ID: id(4)})
	d.expect(d.after(time.Minute, GotInvite{"bob", id(5)}), "send end 05 busy, ended 05 busy local")
}

func TestBusy(t *testing.T) {
	cfg := config()
	cfg.Known["dave"] = true
	cfg.Max = 2
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"}, LinkUp{"carol"}, LinkUp{"dave"})
	d.do(GotInvite{"carol", id(2)}, Answer{})
	d.expect(d.do(Dial{Peer: "bob", ID: id(1)}), "send invite 01, calling 01")
	d.expect(d.do(Dial{Peer: "dave", ID: id(3)}), "error: call limit reached")
	d.expect(d.do(GotInvite{"dave", id(4)}), "send dave end 04 busy, ended dave 04 busy local")
	d.expect(d.do(Hangup{}), "error: more than one call; name the peer")
	if list := d.List(); len(list) != 2 || list[0].Peer != "carol" || list[1].Peer != "bob" {
		t.Errorf("got calls %v, want those with carol and bob", list)
	}

	// A refused call is not remembered: once there are fewer calls than Max, it
	// rings.
	d.do(Hangup{"carol"})
	d.expect(d.do(GotInvite{"dave", id(4)}), "send dave ringing 04, incoming dave 04")
	d.expect(d.do(Reject{"bob"}), "error: no such call")
	d.expect(d.do(Answer{"eve"}), "error: unknown peer")
}

// A call that rings here takes no line.
func TestIncoming_takesNoLine(t *testing.T) {
	newRinging := func(t *testing.T) *device {
		cfg := config()
		cfg.Known["dave"] = true
		d := newDevice(t, cfg)
		d.do(LinkUp{"bob"}, LinkUp{"carol"}, LinkUp{"dave"})
		d.expect(d.do(GotInvite{"bob", id(1)}), "send ringing 01, incoming 01")
		d.expect(d.do(GotInvite{"carol", id(2)}), "send carol ringing 02, incoming carol 02")
		return d
	}
	t.Run("choose who is answered", func(t *testing.T) {
		d := newRinging(t)
		d.expect(d.do(Answer{}), "error: more than one call; name the peer")
		d.expect(d.do(Reject{}), "error: more than one call; name the peer")
		d.expect(d.do(Hangup{}), "error: more than one call; name the peer")
		d.expect(d.do(Answer{"carol"}), "send carol accept 02, active carol 02, save")
		// The other one rings on, and can be answered once the line is free.
		d.expect(d.do(Answer{"bob"}), "error: call limit reached")
		d.expect(d.do(Dial{Peer: "bob", ID: id(3)}), "error: call limit reached")
		d.expect(d.do(Hangup{}), "send carol end 02 hung_up, ended carol 02 hung_up local, save")
		d.expect(d.do(Answer{}), "send accept 01, active 01, save")
	})
	t.Run("call another one", func(t *testing.T) {
		d := newRinging(t)
		d.expect(d.do(Dial{Peer: "dave", ID: id(3)}), "send dave invite 03, calling dave 03")
		d.expect(d.do(GotAccept{"dave", id(3)}), "active dave 03, save")
		d.expect(d.do(GotEnd{Peer: "bob", ID: id(1)}), "ended 01 failed remote")
		d.expect(d.do(GotInvite{"bob", id(4)}), "send end 04 busy, ended 04 busy local")
		if c, _ := d.Get("dave"); c.State != Active {
			t.Errorf("got state %q of the call with dave, want active", c.State)
		}
	})
	t.Run("hang up the call, not the ring", func(t *testing.T) {
		d := newRinging(t)
		d.do(Dial{Peer: "dave", ID: id(3)})
		d.expect(d.do(Hangup{}), "send dave end 03 cancelled, ended dave 03 cancelled local")
		d.expect(d.do(Hangup{"bob"}), "send end 01 declined, ended 01 declined local")
		d.expect(d.do(Hangup{}), "send carol end 02 declined, ended carol 02 declined local")
	})
}

// A peer that is not answered waits longer and longer.
func TestPause(t *testing.T) {
	n := byte(0)
	invite := func() Event { n++; return GotInvite{"bob", id(n)} }
	cancel := func() Event { return GotEnd{Peer: "bob", ID: id(n), Reason: Cancelled} }
	rings := func() string { return fmt.Sprintf("send ringing %02x, incoming %02x", n, n) }
	start := func(t *testing.T, cfg Config) *device {
		n = 0
		d := newDevice(t, cfg)
		d.do(LinkUp{"bob"}, LinkUp{"carol"})
		return d
	}
	t.Run("rings and cancels", func(t *testing.T) {
		d := start(t, config())
		for _, pause := range []time.Duration{0, 2 * time.Second, 10 * time.Second, time.Minute, time.Minute} {
			d.expect(d.do(invite()), rings())
			d.do(cancel())
			if pause == 0 {
				continue
			}
			d.expect(d.do(invite()), fmt.Sprintf("send end %02x busy, paused %v", n, pause))
			d.expect(d.do(invite()), fmt.Sprintf("send end %02x busy", n))
			d.expect(d.after(pause-1, invite()), fmt.Sprintf("send end %02x busy", n))
			d.now = d.now.Add(1)
		}
	})
	t.Run("text for the caller", func(t *testing.T) {
		d := start(t, config())
		d.do(invite(), Reject{}, invite(), Reject{})
		d.now = d.now.Add(500 * time.Millisecond)
		actions, _ := d.Step(invite(), d.now)
		want := Send{"bob", SendEnd, id(n), Busy, "called too often; try again in 2 s"}
		if actions[0] != want {
			t.Errorf("got %+v, want %+v", actions[0], want)
		}
	})
	t.Run("rejected", func(t *testing.T) {
		d := start(t, config())
		for _, pause := range []time.Duration{0, 2 * time.Second, 10 * time.Second, time.Minute} {
			d.expect(d.after(pause, invite()), rings())
			d.do(Reject{})
		}
		d.expect(d.do(invite()), "send end 05 busy, paused 1m0s")
	})
	t.Run("another call instead of the ringing one", func(t *testing.T) {
		d := start(t, config())
		d.do(invite())
		d.expect(d.do(invite()), "ended 01 cancelled remote, send ringing 02, incoming 02")
		d.expect(d.do(invite()), "ended 02 cancelled remote, send end 03 busy, paused 2s")
	})
	t.Run("another peer rings meanwhile", func(t *testing.T) {
		d := start(t, config())
		d.do(invite(), Reject{}, invite(), Reject{}, invite())
		d.expect(d.do(GotInvite{"carol", id(200)}), "send carol ringing c8, incoming carol c8")
	})
	for name, forget := range map[string][]Event{
		"called":   {Dial{Peer: "bob", ID: id(100)}, Hangup{}},
		"answered": {GotInvite{"bob", id(100)}, Answer{}, GotEnd{Peer: "bob", ID: id(100), Reason: HungUp}},
		"rings here, called": {GotInvite{"bob", id(100)}, Dial{Peer: "bob", ID: id(101)},
			GotEnd{Peer: "bob", ID: id(100), Reason: HungUp}},
	} {
		t.Run("forgotten: "+name, func(t *testing.T) {
			d := start(t, config())
			d.do(invite(), cancel(), invite(), cancel())
			d.now = d.now.Add(2 * time.Second)
			d.do(forget...)
			d.expect(d.do(invite()), rings())
			d.do(cancel())
			d.expect(d.do(invite()), rings())
		})
	}
	t.Run("forgotten: long ago", func(t *testing.T) {
		d := start(t, config())
		for range 4 {
			d.do(invite(), Reject{})
			d.now = d.now.Add(time.Minute)
		}
		d.expect(d.after(10*time.Minute, invite()), rings())
		d.do(cancel())
		d.expect(d.do(invite()), rings())
	})
	t.Run("automatically answered", func(t *testing.T) {
		cfg := config()
		cfg.AutoAnswer = map[string]bool{"bob": true}
		d := start(t, cfg)
		answered := func() string { return fmt.Sprintf("send accept %02x, active %02x, save", n, n) }
		for range freeShort + 2 { // the last two count
			d.expect(d.do(invite()), answered())
			d.after(time.Second, GotEnd{Peer: "bob", ID: id(n), Reason: HungUp})
		}
		d.expect(d.do(invite()), "send end 0d busy, paused 2s")
		d.after(2*time.Second, invite())
		d.after(minTalk, GotEnd{Peer: "bob", ID: id(n), Reason: HungUp})
		d.expect(d.do(invite()), answered())
		for range 2 {
			d.do(Hangup{}, invite())
		}
		d.expect(d.do(invite()), fmt.Sprintf("send end %02x busy", n))
		d.expect(d.after(2*time.Second, invite()), answered())
	})
	t.Run("busy", func(t *testing.T) {
		d := start(t, config())
		d.do(Dial{Peer: "carol", ID: id(100)}, GotAccept{"carol", id(100)})
		for _, pause := range []time.Duration{0, 2 * time.Second, 10 * time.Second, 10 * time.Second} {
			d.now = d.now.Add(pause)
			d.expect(d.do(invite()), fmt.Sprintf("send end %02x busy, ended %02x busy local", n, n))
		}
		d.expect(d.do(invite()), "send end 05 busy, paused 10s")
		d.do(Hangup{})
		d.expect(d.after(10*time.Second, invite()), rings())
	})
	t.Run("do not disturb", func(t *testing.T) {
		cfg := config()
		cfg.DoNotDisturb = true
		d := start(t, cfg)
		d.do(invite(), invite())
		d.expect(d.do(invite()), "send end 03 do_not_disturb, paused 2s")
	})
	t.Run("unknown peer", func(t *testing.T) {
		d := start(t, config())
		d.do(invite(), Reject{}, Configure{configWithoutBob()})
		if len(d.unanswered) != 0 {
			t.Errorf("got counts %v of peers that are not known, want none", d.unanswered)
		}
	})
}

func TestGlare(t *testing.T) {
	t.Run("invites cross", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)})
		d.expect(d.do(GotInvite{"bob", id(3)}), "active 03, send accept 03, save")
		d.expect(d.do(GotAccept{"bob", id(5)}), "-")
		if c, _ := d.Get("bob"); c.Direction != Out {
			t.Errorf("got direction %q, want out", c.Direction)
		}
	})
	t.Run("own Invite not sent yet", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(Dial{Peer: "bob", ID: id(5)})
		d.expect(d.do(LinkUp{"bob"}), "send invite 05")
		d.expect(d.do(GotInvite{"bob", id(7)}), "active 05, send accept 07, save")
	})
	t.Run("End for either id", func(t *testing.T) {
		for _, ended := range []ID{id(3), id(5)} {
			d := newDevice(t, config())
			d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)}, GotInvite{"bob", id(3)})
			other := map[ID]string{id(3): "05", id(5): "03"}[ended]
			d.expect(d.do(GotEnd{Peer: "bob", ID: ended, Reason: HungUp}),
				"send end "+other+" hung_up, ended 03 hung_up remote, save")
		}
	})
	t.Run("hung up here", func(t *testing.T) {
		d := newDevice(t, config())
		d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(5)}, GotInvite{"bob", id(3)})
		d.expect(d.do(Hangup{}), "send end 03 hung_up, send end 05 hung_up, ended 03 hung_up local, save")
	})
}

func TestConfigure(t *testing.T) {
	cfg := config()
	cfg.Max = 2
	d := newDevice(t, cfg)
	d.do(LinkUp{"bob"}, LinkUp{"carol"}, Dial{Peer: "bob", ID: id(1)}, GotAccept{"bob", id(1)},
		Dial{Peer: "carol", ID: id(2)})
	// Existing calls continue with a lower Max and another ResumeFor.
	d.expect(d.do(Configure{config()}), "-")
	// The call with a removed peer ends and is not remembered.
	d.expect(d.do(Configure{configWithoutBob()}), "send end 01 hung_up, ended 01 hung_up local, save")
	d.expect(d.do(GotResume{"bob", id(1)}), "-")
	d.expect(d.do(Dial{Peer: "bob", ID: id(3)}), "error: unknown peer")
	// The peer is known again, with the same link.
	d.do(Configure{cfg})
	d.expect(d.do(Dial{Peer: "bob", ID: id(3)}), "send invite 03, calling 03")

	// Configure copies the maps.
	cfg.Known["mallory"] = true
	d.expect(d.do(Dial{Peer: "mallory", ID: id(4)}), "error: unknown peer")
}

func TestGotEnd_reason(t *testing.T) {
	for _, test := range []struct{ sent, want Reason }{
		{Busy, Busy}, {77, 77}, {0, Failed}, {Unreachable, Failed}, {WrongIdentity, Failed}, {255, Failed},
	} {
		t.Run(fmt.Sprint(uint8(test.sent)), func(t *testing.T) {
			d := newDevice(t, config())
			d.do(LinkUp{"bob"}, Dial{Peer: "bob", ID: id(1)})
			actions, _ := d.Step(GotEnd{"bob", id(1), test.sent, strings.Repeat("é", 400)}, d.now)
			ended := actions[len(actions)-1].(Changed).Call
			if ended.Reason != test.want || ended.EndedBy != Remote {
				t.Errorf("got reason %q by %s, want %q by remote", ended.Reason, ended.EndedBy, test.want)
			}
			if ended.Text != strings.Repeat("é", 256) {
				t.Errorf("got a text of %d bytes, want 512", len(ended.Text))
			}
		})
	}
}

func TestMemoryBound(t *testing.T) {
	d := newDevice(t, config())
	d.do(LinkUp{"bob"})
	for i := range 1000 {
		d.do(GotInvite{"bob", ID{1, byte(i), byte(i >> 8)}}, GotEnd{Peer: "bob", ID: ID{1, byte(i), byte(i >> 8)}})
	}
	d.after(time.Minute, GotInvite{"bob", id(9)})
	d.do(Answer{})
	for i := range 1000 {
		d.do(GotInvite{"bob", ID{2, byte(i), byte(i >> 8)}}, GotResume{"bob", ID{3, byte(i), byte(i >> 8)}})
	}
	if got := len(d.ended["bob"]); got > maxEnds {
		t.Errorf("got %d ends, want at most %d", got, maxEnds)
	}
	if got := len(d.Saved()[0].IDs); got > maxIDs {
		t.Errorf("got %d ids, want at most %d", got, maxIDs)
	}
}
