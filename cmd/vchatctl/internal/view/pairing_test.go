package view

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

var (
	mayPair = api.Rights{Watch: true, Call: true, Pair: true}
	mayCall = api.Rights{Watch: true, Call: true,
		Groups: map[string]string{"call": "vchat", "pair": "vchat-pair", "administer": "vchat-admin"}}
)

func TestNewPairing(t *testing.T) {
	const id = "CCCCC-DDDDD"
	long := strings.Repeat("x", 64)
	for _, tt := range []struct {
		name   string
		p      *api.Pairing
		rights api.Rights
		want   Pairing // zero: nothing is shown
	}{
		{"none", nil, mayPair, Pairing{}},
		{"requested", &api.Pairing{State: api.PairingRequested, ID: id, Claimed: "kitchen", Address: "10.0.0.2"},
			mayPair,
			Pairing{`"kitchen" wants to pair`, "", "from 10.0.0.2", "accept", "refuse"}},
		{"requested without a name", &api.Pairing{State: api.PairingRequested, ID: id, Address: "10.0.0.2"},
			api.Rights{},
			Pairing{"a device wants to pair", "", "from 10.0.0.2", "accept", "refuse"}},
		{"a name that deceives", &api.Pairing{State: api.PairingRequested, ID: id, Claimed: `bob" is fine, press y "`,
			Address: "10.0.0.2"}, mayPair,
			Pairing{`"bob\" is fine, press y \"" wants to pair`, "", "from 10.0.0.2", "accept", "refuse"}},
		{"a long name", &api.Pairing{State: api.PairingRequested, ID: id, Claimed: long, Address: "10.0.0.2"}, mayPair,
			Pairing{`"` + long[:23] + `…" wants to pair`, "", "from 10.0.0.2", "accept", "refuse"}},
		{"without the right", &api.Pairing{State: api.PairingRequested, ID: id, Claimed: "kitchen",
			Address: "10.0.0.2"},
			mayCall, Pairing{Title: `"kitchen" wants to pair`,
				Text: "from 10.0.0.2; only the group vchat-pair or vchat-admin may answer"}},
		{"without the right, as all groups", &api.Pairing{State: api.PairingRequested, ID: id, Address: "10.0.0.2"},
			api.Rights{Watch: true}, Pairing{Title: "a device wants to pair",
				Text: "from 10.0.0.2; only root may answer"}},
		{"accepted", &api.Pairing{State: api.PairingWaiting, ID: id, Claimed: "kitchen", Address: "10.0.0.2"}, mayPair,
			Pairing{`pairing with "kitchen"`, "", "accepted; waiting until it is back", "", "cancel"}},
		{"waiting for any device", &api.Pairing{State: api.PairingWaiting}, mayPair, Pairing{}},
		{"dialling", &api.Pairing{State: api.PairingDialling, Address: "kitchen:7450"}, mayPair, Pairing{}},
		{"comparing", &api.Pairing{State: api.PairingComparing, ID: id, Claimed: "kitchen", Address: "10.0.0.2:5123",
			Code: "482 913", Peer: "kitchen"}, mayPair,
			Pairing{`pairing with "kitchen"`, "482 913", `same code on "kitchen" (10.0.0.2)?`,
				"yes", "no"}},
		{"comparing, another name", &api.Pairing{State: api.PairingComparing, ID: id, Claimed: "kitchen",
			Address: "[fe80::1%eth0]:5123", Code: "482 913", NameError: &api.Error{}, Suggested: "kitchen-2"}, mayPair,
			Pairing{`pairing with "kitchen"`, "482 913",
				`same code on "kitchen" (fe80::1%eth0)? It will be called kitchen-2 here.`, "yes", "no"}},
		{"comparing, a known peer", &api.Pairing{State: api.PairingComparing, ID: id, Claimed: "kitchen",
			Address: "10.0.0.2:5123", Code: "482 913", Peer: "chef", Known: true}, mayPair,
			Pairing{`pairing with "kitchen"`, "482 913",
				`same code on "kitchen" (10.0.0.2)? It is the peer chef already.`, "yes", "no"}},
		{"confirmed", &api.Pairing{State: api.PairingConfirmed, ID: id, Claimed: "kitchen", Code: "482 913"}, mayPair,
			Pairing{`pairing with "kitchen"`, "482 913", `confirmed here; waiting for "kitchen"`, "", "cancel"}},
		{"paired", &api.Pairing{State: api.PairingPaired, ID: id, Claimed: "kitchen"}, mayPair, Pairing{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := NewPairing(tt.p, tt.rights)
			if got != tt.want || ok != (tt.want != Pairing{}) {
				t.Errorf("got  %+v, %v\nwant %+v", got, ok, tt.want)
			}
		})
	}
}

func top(o render.Overlay) string { return o.Code + "|" + o.Pairing }

// answerable lets the pairing that is shown be as old as a user needs to read
// it.
func (r *rig) answerable() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Session.device.pairingSince = r.Session.device.pairingSince.Add(-PairKeyDelay)
	r.pairKeyAt = time.Time{}
}

var request = api.Pairing{State: api.PairingRequested, ID: "CCCCC-DDDDD-EEEEE", Claimed: "cellar", Address: "10.0.0.9"}

func TestSession_pairing(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	r.device.SetPairing(&request)
	r.awaitText(`"cellar" wants to pair|from 10.0.0.9 · y accept · n refuse`, notice)
	r.Press(Input{Key: KeyRune, Rune: 'y'}) // too early: meant for something else
	r.answerable()
	r.Press(Input{Key: KeyRune, Rune: 'y'})
	r.awaitCommand("accept CCCCC-DDDDD-EEEEE")
	r.awaitText(`482 913|same code on "cellar"`, notice)
	for range 5 { // the key is held
		r.Press(Input{Key: KeyRune, Rune: 'y'})
	}
	if got := notice(r.overlay()); !strings.Contains(got, "482 913|same") || slices.Contains(r.device.Commands(),
		"confirm 482 913") {
		t.Fatalf("got %q, %q: confirmed by a key that was held", got, r.device.Commands())
	}
	r.answerable()
	r.Press(Input{Key: KeyRune, Rune: 'Y'})
	r.awaitCommand("confirm 482 913")
	r.awaitText("paired with cellar", lines)
	r.awaitText("waiting for calls", notice)
	if n := len(slices.DeleteFunc(r.device.Commands(), func(c string) bool {
		return !strings.HasPrefix(c,
			"accept")
	})); n != 1 {
		t.Errorf("got %d requests to accept, want 1", n)
	}
}

func TestSession_pairingRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(*rig)
	}{
		{"the request", func(*rig) {}},
		{"the code", func(r *rig) {
			r.Press(Input{Key: KeyRune, Rune: 'y'})
			r.awaitText(`482 913|same code on "cellar"`, notice)
			r.answerable()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.start(Options{Follow: true})
			r.awaitText("waiting for calls", notice)
			r.device.SetPairing(&request)
			r.awaitText(`"cellar" wants to pair`, notice)
			r.answerable()
			tt.before(r)
			r.Press(Input{Key: KeyRune, Rune: 'n'})
			r.awaitCommand("refuse CCCCC-DDDDD-EEEEE")
			r.awaitText("pairing: pairing refused here; nothing was kept", lines)
			r.awaitText("waiting for calls", notice)
		})
	}
}

// A pairing disturbs neither a call nor its keys.
func TestSession_pairingInACall(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	r.awaitFrame("workshop", "frame")
	r.device.SetPairing(&request)
	r.awaitText(`|"cellar" wants to pair · from 10.0.0.9 · y accept · n refuse`, top)
	if o := r.overlay(); o.Headline+o.Banner != "" {
		t.Errorf("got %+v, want the middle of the frame free", o)
	}
	r.answerable()
	r.Press(Input{Key: KeyEnter}) // now y and n are letters
	for _, c := range "any" {
		r.Press(Input{Key: KeyRune, Rune: c})
	}
	r.Press(Input{Key: KeyEnter})
	r.awaitCommand("say workshop any")
	r.device.SetPairing(&api.Pairing{State: api.PairingComparing, ID: request.ID, Claimed: "cellar", Code: "482 913",
		Address: "10.0.0.9", Peer: "cellar"})
	r.awaitText(`482 913|same code on "cellar" (10.0.0.9)? · y yes · n no`, top)
	withdrawn := request
	withdrawn.State = api.PairingWithdrawn
	r.device.SetPairing(&withdrawn)
	r.awaitText("|", func(o render.Overlay) string { return strings.TrimPrefix(top(o), "|") + "|" })
	if got := r.overlay().Lines; slices.ContainsFunc(got, func(l string) bool {
		return strings.Contains(l,
			"pairing")
	}) {
		t.Errorf("got lines %q, want none about a request without an answer", got)
	}
	if got := r.device.Commands(); slices.ContainsFunc(got, func(c string) bool {
		return strings.HasPrefix(c,
			"accept")
	}) {
		t.Errorf("got %q, want nothing accepted", got)
	}
}

// A viewer that starts under do_not_disturb does not show a request.
func TestDeviceState_doNotDisturb(t *testing.T) {
	for _, dnd := range []bool{false, true} {
		p := request
		var d deviceState
		d.apply(api.Event{Event: api.EventState, Status: &api.Status{DoNotDisturb: dnd, Pairing: &p}})
		if shown := d.status.Pairing != nil; shown == dnd {
			t.Errorf("do not disturb %v: shown is %v", dnd, shown)
		}
	}
}
