package daemon

import (
	"context"
	"testing"

	"vchat/daemon/api"
	"vchat/daemon/identity"
	"vchat/daemon/pairing"
)

// A device that dials becomes a responder only for the device that it has
// reached there, with a smaller id, and never beside a session of its own.
func TestMayReveal_whileDialling(t *testing.T) {
	d := &Daemon{identity: newIdentity(t)}
	smaller, larger := identity.ID{}, identity.ID{}
	for i := range larger {
		larger[i] = 0xff
	}
	h, again := &pairHost{d: d, id: smaller}, &pairHost{d: d, id: smaller}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		from   *pairHost
		change func(*pairAttempt)
		want   pairing.Reason
	}{
		"reached":            {h, func(*pairAttempt) {}, 0},
		"same session":       {h, func(p *pairAttempt) { p.yielded = h }, 0},
		"second session":     {h, func(p *pairAttempt) { p.yielded = again }, pairing.Busy},
		"not reached yet":    {h, func(p *pairAttempt) { p.dialled = identity.ID{1} }, pairing.Busy},
		"own session":        {h, func(p *pairAttempt) { p.asking = true }, pairing.Busy},
		"after the nonce":    {h, func(p *pairAttempt) { p.claimed = true }, pairing.Busy},
		"cancelled":          {h, func(p *pairAttempt) { p.ctx = cancelled }, pairing.Busy},
		"larger id":          {&pairHost{d: d, id: larger}, func(p *pairAttempt) { p.dialled = larger }, pairing.Busy},
		"of another device":  {&pairHost{d: d, id: identity.ID{0: 0, 31: 1}}, func(*pairAttempt) {}, pairing.Busy},
		"another one waited": {h, func(p *pairAttempt) { p.request.Wait, p.only = true, "X" }, pairing.Busy},
		"waits":              {&pairHost{d: d, id: larger}, func(p *pairAttempt) { p.request.Wait = true }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPairAttempt(api.PairRequest{Address: "192.0.2.1:7450"})
			p.ctx, p.dialled = t.Context(), smaller
			tt.change(p)
			ps := &pairings{current: p}
			if got := ps.mayReveal(tt.from); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// A session as initiator does not begin beside one as responder.
func TestBeginAsking(t *testing.T) {
	ps := &pairings{}
	p := newPairAttempt(api.PairRequest{})
	ps.current = p
	if !ps.beginAsking(p, identity.ID{1}) || p.dialled != (identity.ID{1}) {
		t.Error("the first session does not begin")
	}
	ps.endAsking(p)
	h := &pairHost{}
	p.yielded = h
	if ps.beginAsking(p, identity.ID{1}) {
		t.Error("a session begins beside that of the other device")
	}
	ps.unyield(&pairHost{})
	if p.yielded != h {
		t.Error("another session has ended that one")
	}
	ps.unyield(h)
	if !ps.beginAsking(p, identity.ID{1}) {
		t.Error("no session begins after that of the other device")
	}
	ps.endAsking(p)
	p.claimed = true
	if ps.beginAsking(p, identity.ID{1}) {
		t.Error("a session begins after the nonce was sent")
	}
}

func newIdentity(t *testing.T) *identity.Identity {
	t.Helper()
	id, err := identity.LoadOrCreate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return id
}
