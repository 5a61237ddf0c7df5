package daemon_test

import (
	"path/filepath"
	"strings"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/pairing"
)

// strangers returns two running devices that do not know each other.
func strangers(t *testing.T) (kitchen, workshop *daemontest.Device) {
	kitchen, workshop = daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
	start(kitchen, workshop)
	return kitchen, workshop
}

// pairRequest is a request for a pairing, with its events.
type pairRequest struct {
	*client.Events
	t *testing.T
}

func pair(t *testing.T, d *daemontest.Device, r api.PairRequest) pairRequest {
	t.Helper()
	e, err := d.Client.Pair(ctx(t), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return pairRequest{e, t}
}

// until returns the next event of a state. It fails at the end of the pairing.
func (p pairRequest) until(state api.PairingState) api.Pairing {
	p.t.Helper()
	for {
		e, err := p.Next()
		switch {
		case err != nil:
			p.t.Fatalf("until %s: %v", state, err)
		case e.Pairing.State == state:
			return *e.Pairing
		case e.Pairing.State == api.PairingFailed:
			p.t.Fatalf("until %s: %+v", state, *e.Pairing.Error)
		}
	}
}

func (p pairRequest) fails(want api.Kind) {
	p.t.Helper()
	if v := p.until(api.PairingFailed); v.Error == nil || v.Error.Kind != want {
		p.t.Errorf("got %+v, want %s", v.Error, want)
	}
}

func confirm(t *testing.T, d *daemontest.Device, code string) {
	t.Helper()
	if _, err := d.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: code}); err != nil {
		t.Fatal(err)
	}
}

// keepsNothing checks that a device has kept no peer.
func keepsNothing(t *testing.T, all ...*daemontest.Device) {
	t.Helper()
	for _, d := range all {
		files, _ := filepath.Glob(filepath.Join(d.Config.StateDir, "peers", "*"))
		if s := d.Status(); len(files) > 0 || len(s.Peers) != len(d.Config.Peers) {
			t.Errorf("%s: got files %v and peers %+v, want nothing kept", d.Config.Name, files, s.Peers)
		}
	}
}

func TestPair_thenCall(t *testing.T) {
	kitchen, workshop := strangers(t)
	waits := pair(t, workshop, api.PairRequest{Wait: true, Name: "chef"})
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	ours, theirs := dials.until(api.PairingComparing), waits.until(api.PairingComparing)
	if ours.Code != theirs.Code || ours.Peer != "workshop" || theirs.Peer != "chef" || theirs.Claimed != "kitchen" ||
		ours.ID != workshop.ID.String() || theirs.ID != kitchen.ID.String() {
		t.Fatalf("got %+v and %+v, want one code, both names and both ids", ours, theirs)
	}
	keepsNothing(t, kitchen, workshop)
	confirm(t, workshop, theirs.Code)
	waits.until(api.PairingConfirmed)
	keepsNothing(t, kitchen, workshop)
	confirm(t, kitchen, strings.ReplaceAll(ours.Code, " ", ""))
	dials.until(api.PairingPaired)
	waits.until(api.PairingPaired)

	must(t)(workshop.Client.Call(ctx(t), api.CallRequest{Peer: "chef"}))
	kitchen.Wait("ringing call", daemontest.InCall(api.CallIncoming))
	must(t)(kitchen.Client.Answer(ctx(t), ""))
	kitchen.Wait("frames", daemontest.Seeing)
	workshop.Wait("frames", daemontest.Seeing)
	must(t)(kitchen.Client.Hangup(ctx(t), ""))

	kitchen.Stop()
	kitchen.Start()
	s := kitchen.Wait("link", func(s api.Status) bool {
		return len(s.Peers) == 1 && s.Peers[0].Link.State == api.LinkUp
	})
	if p := s.Peers[0]; p.Source != api.SourcePaired || p.Address != workshop.Config.Listen {
		t.Errorf("got peer %+v, want a paired one with its address", p)
	}
	if p := workshop.Status().Peers[0]; p.Address != "" {
		t.Errorf("got address %q at the device that waited, want none", p.Address)
	}
}

// The device that dials repeats its request until the other one waits. That one
// shows it, and does nothing else.
func TestPair_requestFirst(t *testing.T) {
	kitchen, workshop := strangers(t)
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	s := workshop.Wait("request", func(s api.Status) bool { return s.Pairing != nil })
	if p := s.Pairing; p.State != api.PairingRequested || p.Claimed != "kitchen" || p.ID != kitchen.ID.String() ||
		p.Code != "" {
		t.Errorf("got %+v, want the request of kitchen", p)
	}
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	confirm(t, kitchen, dials.until(api.PairingComparing).Code)
	confirm(t, workshop, waits.until(api.PairingComparing).Code)
	dials.until(api.PairingPaired)
	waits.until(api.PairingPaired)
}

func accept(t *testing.T, d *daemontest.Device, r api.PairAccept) pairRequest {
	t.Helper()
	e, err := d.Client.AcceptPairing(ctx(t), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return pairRequest{e, t}
}

// requestOf waits until a device shows the request of another one.
func requestOf(t *testing.T, d *daemontest.Device) api.Pairing {
	t.Helper()
	s := d.Wait("request", func(s api.Status) bool {
		return s.Pairing != nil && s.Pairing.State == api.PairingRequested
	})
	return *s.Pairing
}

// A request is accepted where it shows up. While the device that is accepted is
// not back, no other takes its place.
func TestPair_accept(t *testing.T) {
	kitchen, workshop := strangers(t)
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	request := requestOf(t, workshop)
	if _, err := workshop.Client.AcceptPairing(ctx(t), api.PairAccept{ID: workshop.ID.String()}); !isKind(err,
		api.Conflict) {
		t.Errorf("another id: got %v, want %s", err, api.Conflict)
	}
	if _, err := workshop.Client.AcceptPairing(ctx(t), api.PairAccept{}); !isKind(err, api.BadValue) {
		t.Errorf("no id: got %v, want %s", err, api.BadValue)
	}
	accepts := accept(t, workshop, api.PairAccept{ID: request.ID, Name: "chef"})
	if v := accepts.until(api.PairingWaiting); v.ID != request.ID || v.Claimed != "kitchen" ||
		v.Address != "127.0.0.1" {
		t.Errorf("got %+v, want who is accepted", v)
	}
	mallory := dialPairing(t, workshop)
	mallory.send(pairing.Request{Name: "kitchen"})
	if m := mallory.next(); m != (pairing.Refuse{Reason: pairing.Busy}) {
		t.Errorf("another device: got %v, want Busy", m)
	}
	ours, theirs := dials.until(api.PairingComparing), accepts.until(api.PairingComparing)
	if ours.Code != theirs.Code || theirs.Peer != "chef" {
		t.Fatalf("got %+v and %+v, want one code and the name", ours, theirs)
	}
	confirm(t, kitchen, ours.Code)
	confirm(t, workshop, theirs.Code)
	dials.until(api.PairingPaired)
	accepts.until(api.PairingPaired)
}

// A request that is refused where it shows up fails on the other device, and
// the clients that watch see its end.
func TestPair_refusedRequest(t *testing.T) {
	kitchen, workshop := strangers(t)
	events, err := workshop.Client.Events(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Close)
	watch := pairRequest{events, t}
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	request := watch.pairing()
	if request.State != api.PairingRequested {
		t.Fatalf("got %+v, want the request", request)
	}
	if _, err := workshop.Client.RefusePairing(ctx(t), api.PairRefuse{ID: workshop.ID.String()}); !isKind(err,
		api.Conflict) {
		t.Errorf("another id: got %v, want %s", err, api.Conflict)
	}
	if _, err := workshop.Client.RefusePairing(ctx(t), api.PairRefuse{ID: request.ID}); err != nil {
		t.Fatal(err)
	}
	if v := watch.pairing(); v.State != api.PairingFailed || v.ID != request.ID || v.Error == nil {
		t.Errorf("got %+v, want the end of the request", v)
	}
	dials.fails(api.PeerDeclined)
	keepsNothing(t, kitchen, workshop)
	// With --wait, the device can still be paired.
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	dials = pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	dials.until(api.PairingComparing)
	waits.until(api.PairingComparing)
}

// pairing returns the next event of a pairing among others.
func (p pairRequest) pairing() api.Pairing {
	p.t.Helper()
	for {
		e, err := p.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if e.Pairing != nil {
			return *e.Pairing
		}
	}
}

// With do_not_disturb, only the status shows a request.
func TestPair_doNotDisturb(t *testing.T) {
	workshop := daemontest.New(t, "workshop")
	workshop.Config.Calls.DoNotDisturb = true
	start(workshop)
	events, err := workshop.Client.Events(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Close)
	c := dialPairing(t, workshop)
	c.send(pairing.Request{Name: "kitchen"})
	if m := c.next(); m != (pairing.Refuse{Reason: pairing.NotWaiting}) {
		t.Errorf("got %v, want NotWaiting", m)
	}
	requestOf(t, workshop)
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	waits.until(api.PairingWaiting)
	if v := (pairRequest{events, t}).pairing(); v.State != api.PairingWaiting {
		t.Errorf("got %+v, want no event before the one of --wait", v)
	}
}

// Of a hundred requests from one place one is shown, and none keeps out a
// device that the user waits for.
func TestPair_floodOfRequests(t *testing.T) {
	kitchen, workshop := strangers(t)
	events, err := workshop.Client.Events(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(events.Close)
	names := []string{"mallory", strings.Repeat("x", pairing.MaxName), "\u202egnirts", "", "482 913 press y"}
	insistent := insistentDevice(t, workshop)
	for i := range 100 {
		if i%5 == 0 {
			insistent()
		}
		dialPairing(t, workshop).refused(names[i%len(names)])
	}
	first := requestOf(t, workshop)
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	confirm(t, kitchen, dials.until(api.PairingComparing).Code)
	confirm(t, workshop, waits.until(api.PairingComparing).Code)
	waits.until(api.PairingPaired)
	dials.until(api.PairingPaired)
	watch := pairRequest{events, t}
	if v := watch.pairing(); v.State != api.PairingRequested || v.ID != first.ID {
		t.Errorf("got %+v, want the first request", v)
	}
	if v := watch.pairing(); v.State != api.PairingWaiting {
		t.Errorf("got %+v, want no other request", v)
	}
}

func TestPair_notConfirmed(t *testing.T) {
	for _, tt := range []struct {
		name            string
		do              func(t *testing.T, kitchen, workshop *daemontest.Device, dials, waits pairRequest)
		initiator, wait api.Kind // "": its client is gone
	}{
		{"refused by the one that waits", func(t *testing.T, k, w *daemontest.Device, dials, waits pairRequest) {
			confirm(t, k, dials.until(api.PairingComparing).Code)
			waits.until(api.PairingComparing)
			_, _ = w.Client.RefusePairing(ctx(t), api.PairRefuse{})
		}, api.PeerDeclined, api.PeerIdentity},
		{"refused by the one that dials", func(t *testing.T, k, w *daemontest.Device, dials, waits pairRequest) {
			confirm(t, w, waits.until(api.PairingComparing).Code)
			dials.until(api.PairingComparing)
			_, _ = k.Client.RefusePairing(ctx(t), api.PairRefuse{})
		}, api.PeerIdentity, api.PeerDeclined},
		{"refused after it was confirmed", func(t *testing.T, k, _ *daemontest.Device, dials, waits pairRequest) {
			waits.until(api.PairingComparing)
			confirm(t, k, dials.until(api.PairingComparing).Code)
			_, _ = k.Client.RefusePairing(ctx(t), api.PairRefuse{})
		}, api.PeerDeclined, api.PeerDeclined},
		{"another code", func(t *testing.T, k, _ *daemontest.Device, dials, waits pairRequest) {
			waits.until(api.PairingComparing)
			code := []byte(dials.until(api.PairingComparing).Code)
			code[0] = '0' + (code[0]-'0'+1)%10
			_, err := k.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: string(code)})
			if !isKind(err, api.PeerIdentity) {
				t.Errorf("got %v, want %s", err, api.PeerIdentity)
			}
		}, api.PeerIdentity, api.PeerDeclined},
		{"client of the one that waits gone", func(t *testing.T, k, _ *daemontest.Device, dials, waits pairRequest) {
			waits.until(api.PairingComparing)
			confirm(t, k, dials.until(api.PairingComparing).Code)
			waits.Close()
		}, api.PeerDeclined, ""},
		{"client of the one that dials gone", func(_ *testing.T, _, _ *daemontest.Device, dials, waits pairRequest) {
			waits.until(api.PairingComparing)
			dials.until(api.PairingComparing)
			dials.Close()
		}, "", api.PeerDeclined},
		{"stopped", func(_ *testing.T, _, w *daemontest.Device, dials, waits pairRequest) {
			waits.until(api.PairingComparing)
			dials.until(api.PairingComparing)
			w.Stop()
			w.Start()
		}, api.PeerDeclined, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kitchen, workshop := strangers(t)
			waits := pair(t, workshop, api.PairRequest{Wait: true})
			dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
			tt.do(t, kitchen, workshop, dials, waits)
			if tt.initiator != "" {
				dials.fails(tt.initiator)
			}
			if tt.wait != "" {
				waits.fails(tt.wait)
			}
			for _, d := range []*daemontest.Device{kitchen, workshop} {
				d.Wait("end of the pairing", func(s api.Status) bool { return s.Pairing == nil })
			}
			keepsNothing(t, kitchen, workshop)
		})
	}
}

func TestPair_names(t *testing.T) {
	kitchen, workshop := daemontest.New(t, "kitchen"), daemontest.New(t, "Workshop 2")
	other := daemontest.New(t, "workshop-2")
	kitchen.Know(other, "", nil)
	start(kitchen, workshop)
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	v := dials.until(api.PairingComparing)
	if v.NameError == nil || v.Peer != "" {
		t.Fatalf("got %+v, want an error of the name", v)
	}
	if v.Suggested != "Workshop-2-2" {
		t.Errorf("got suggested name %q, want Workshop-2-2", v.Suggested)
	}
	for _, name := range []string{"", "WORKSHOP-2", "self", "a/b"} {
		_, err := kitchen.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: v.Code, Name: name})
		if !isKind(err, api.BadValue) {
			t.Errorf("name %q: got %v, want %s", name, err, api.BadValue)
		}
	}
	if _, err := kitchen.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: v.Code, Name: "shed"}); err != nil {
		t.Fatal(err)
	}
	confirm(t, workshop, waits.until(api.PairingComparing).Code)
	if p := dials.until(api.PairingPaired); p.Peer != "shed" {
		t.Errorf("got peer %q, want shed", p.Peer)
	}
	waits.until(api.PairingPaired)

	// Pairing again says so, and changes the address only.
	waits = pair(t, workshop, api.PairRequest{Wait: true})
	address := strings.Replace(workshop.Config.Listen, "127.0.0.1", "localhost", 1)
	dials = pair(t, kitchen, api.PairRequest{Address: address})
	if v = dials.until(api.PairingComparing); !v.Known || v.Peer != "shed" {
		t.Errorf("got %+v, want the known peer shed", v)
	}
	confirm(t, kitchen, v.Code)
	confirm(t, workshop, waits.until(api.PairingComparing).Code)
	dials.until(api.PairingPaired)
	kitchen.Wait("new address", func(s api.Status) bool {
		return len(s.Peers) == 2 && s.Peers[0].Name == "shed" && s.Peers[0].Address == address
	})
}

// A peer of the configuration file stays as it is there.
func TestPair_peerOfTheFile(t *testing.T) {
	kitchen, workshop := daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
	kitchen.Know(workshop, "192.0.2.1:7450", func(p *config.Peer) { p.Name = "bench" })
	start(kitchen, workshop)
	waits := pair(t, workshop, api.PairRequest{Wait: true})
	dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
	v := dials.until(api.PairingComparing)
	if !v.Known || v.Peer != "bench" {
		t.Errorf("got %+v, want the known peer bench", v)
	}
	confirm(t, kitchen, v.Code)
	confirm(t, workshop, waits.until(api.PairingComparing).Code)
	dials.until(api.PairingPaired)
	waits.until(api.PairingPaired)
	keepsNothing(t, kitchen)
	if p := workshop.Status().Peers; len(p) != 1 || p[0].Name != "kitchen" {
		t.Errorf("got %+v at workshop, want kitchen", p)
	}
}

func TestPair_refusedRequests(t *testing.T) {
	kitchen, workshop := strangers(t)
	kitchenWaits := pair(t, kitchen, api.PairRequest{Wait: true})
	kitchenWaits.until(api.PairingWaiting)
	for _, tt := range []struct {
		name string
		r    api.PairRequest
		want api.Kind
	}{
		{"neither", api.PairRequest{}, api.BadValue},
		{"both", api.PairRequest{Wait: true, Address: "localhost"}, api.BadValue},
		{"address", api.PairRequest{Address: "a b"}, api.BadValue},
		{"port", api.PairRequest{Address: "localhost:0"}, api.BadValue},
		{"name", api.PairRequest{Address: "localhost", Name: "self"}, api.BadValue},
		{"timeout", api.PairRequest{Wait: true, TimeoutMS: 1 << 40}, api.BadValue},
		{"second one", api.PairRequest{Wait: true}, api.Conflict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := kitchen.Client.Pair(ctx(t), tt.r); !isKind(err, tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	t.Run("itself", func(t *testing.T) {
		pair(t, workshop, api.PairRequest{Address: workshop.Config.Listen}).fails(api.BadValue)
	})
	t.Run("no listener", func(t *testing.T) {
		pair(t, workshop, api.PairRequest{Address: "127.0.0.1:1"}).fails(api.PeerUnreachable)
	})
	t.Run("no other device", func(t *testing.T) {
		pair(t, workshop, api.PairRequest{Wait: true, TimeoutMS: 50}).fails(api.PeerNoAnswer)
	})
	t.Run("not waiting there", func(t *testing.T) {
		_, _ = kitchen.Client.RefusePairing(ctx(t), api.PairRefuse{})
		kitchenWaits.fails(api.PeerDeclined)
		pair(t, workshop, api.PairRequest{Address: kitchen.Config.Listen, TimeoutMS: 50}).fails(api.PeerNoAnswer)
	})
	keepsNothing(t, kitchen, workshop)
}

// Each side decides whether it answers calls of the other one automatically. A
// later pairing does not take that back, and one that fails changes nothing.
func TestPair_autoAnswer(t *testing.T) {
	kitchen, workshop := strangers(t)
	round := func(r api.PairRequest, confirm bool) {
		t.Helper()
		r.Wait = true
		waits := pair(t, workshop, r)
		dials := pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen})
		code := waits.until(api.PairingComparing)
		if want := r.AutoAnswer || peerNamed(workshop.Status(), "kitchen").AutoAnswer; code.AutoAnswer != want {
			t.Errorf("got %+v, want auto_answer %v", code, want)
		}
		if v := dials.until(api.PairingComparing); v.AutoAnswer {
			t.Errorf("got %+v at the device that did not ask for it", v)
		}
		if _, err := kitchen.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: code.Code}); err != nil {
			t.Fatal(err)
		}
		if !confirm {
			if _, err := workshop.Client.RefusePairing(ctx(t), api.PairRefuse{}); err != nil {
				t.Fatal(err)
			}
			for e, err := dials.Next(); err == nil && e.Pairing.State != api.PairingFailed; e, err = dials.Next() {
			}
			for e, err := waits.Next(); err == nil && e.Pairing.State != api.PairingFailed; e, err = waits.Next() {
			}
			return
		}
		if _, err := workshop.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: code.Code}); err != nil {
			t.Fatal(err)
		}
		waits.until(api.PairingPaired)
		dials.until(api.PairingPaired)
	}
	autoAnswers := func() bool { return peerNamed(workshop.Status(), "kitchen").AutoAnswer }
	round(api.PairRequest{}, true)
	if autoAnswers() {
		t.Error("got automatic answers without asking for them")
	}
	round(api.PairRequest{AutoAnswer: true}, false)
	if autoAnswers() {
		t.Error("a refused pairing has set automatic answers")
	}
	round(api.PairRequest{AutoAnswer: true}, true)
	round(api.PairRequest{}, true)
	if !autoAnswers() {
		t.Error("got no automatic answers, want them from the second pairing on")
	}
	if peerNamed(kitchen.Status(), "workshop").AutoAnswer {
		t.Error("the other device answers automatically, too")
	}
}

// Two devices that dial each other pair: one of them becomes the responder.
func TestPair_bothDial(t *testing.T) {
	kitchen, workshop := strangers(t)
	requests := []pairRequest{
		pair(t, kitchen, api.PairRequest{Address: workshop.Config.Listen}),
		pair(t, workshop, api.PairRequest{Address: kitchen.Config.Listen, AutoAnswer: true}),
	}
	code := requests[0].until(api.PairingComparing).Code
	if other := requests[1].until(api.PairingComparing).Code; other != code {
		t.Errorf("got codes %q and %q, want the same", code, other)
	}
	for _, d := range []*daemontest.Device{kitchen, workshop} {
		if _, err := d.Client.ConfirmPairing(ctx(t), api.PairConfirm{Code: code}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range requests {
		r.until(api.PairingPaired)
	}
	s := kitchen.Wait("a link", linked("workshop"))
	if p := peerNamed(s, "workshop"); p.Address != workshop.Config.Listen || p.AutoAnswer {
		t.Errorf("got %+v, want the address that was dialled", p)
	}
	if p := peerNamed(workshop.Status(), "kitchen"); p.Address != kitchen.Config.Listen || !p.AutoAnswer {
		t.Errorf("got %+v, want the address that was dialled, and automatic answers", p)
	}
}
