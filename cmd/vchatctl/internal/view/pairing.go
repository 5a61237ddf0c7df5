package view

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"vchat/daemon/api"
)

// Pairing is what a viewer shows of a pairing. Its names are claims of the
// other device, so they are in quotes.
type Pairing struct {
	Title string // who wants what
	Code  string // to compare; "": none yet
	Text  string // below: what there is to decide, or what it waits for
	Yes   string // what the key y does, such as "accept"; "": nothing
	No    string // what the key n does
}

// NewPairing returns what to show of the pairing of a status or an event. It
// reports false if nothing waits for a user. rights are those of the viewer; a
// zero value is unknown rights.
func NewPairing(p *api.Pairing, rights api.Rights) (shown Pairing, ok bool) {
	if p == nil {
		return Pairing{}, false
	}
	who := "a device"
	if p.Claimed != "" {
		who = fmt.Sprintf("%q", shorten(p.Claimed))
	}
	from := p.Address
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	switch p.State {
	case api.PairingRequested:
		shown = Pairing{Title: who + " wants to pair", Text: "from " + from, Yes: "accept", No: "refuse"}
	case api.PairingWaiting:
		if p.ID == "" { // a user waits for any device
			return Pairing{}, false
		}
		shown = Pairing{Title: "pairing with " + who, Text: "accepted; waiting until it is back", No: "cancel"}
	case api.PairingComparing:
		shown = Pairing{Title: "pairing with " + who, Code: p.Code,
			Text: fmt.Sprintf("same code on %s (%s)?%s", who, from, nameText(p)), Yes: "yes", No: "no"}
	case api.PairingConfirmed:
		shown = Pairing{Title: "pairing with " + who, Code: p.Code,
			Text: "confirmed here; waiting for " + who, No: "cancel"}
	default:
		return Pairing{}, false
	}
	if rights.Watch && !rights.Pair {
		shown.Yes, shown.No = "", ""
		shown.Text += "; " + whoMayPair(rights.Groups)
	}
	return shown, true
}

// maxShownName is how many characters of a claimed name a viewer shows: the
// rest is room for what matters.
const maxShownName = 24

func shorten(name string) string {
	if r := []rune(name); len(r) > maxShownName {
		return string(r[:maxShownName-1]) + "…"
	}
	return name
}

// nameText returns what the other device will be called here, if that is not
// what it calls itself.
func nameText(p *api.Pairing) string {
	name := cmp.Or(p.Peer, p.Suggested)
	switch {
	case p.Known:
		return fmt.Sprintf(" It is the peer %s already.", name)
	case name != p.Claimed && name != "":
		return fmt.Sprintf(" It will be called %s here.", name)
	}
	return ""
}

// whoMayPair returns which users may answer a pairing.
func whoMayPair(groups map[string]string) string {
	var names []string
	for _, right := range []string{"pair", "administer"} {
		if g := groups[right]; g != "" {
			names = append(names, g)
		}
	}
	if len(names) == 0 {
		return "only root may answer"
	}
	return "only the group " + strings.Join(names, " or ") + " may answer"
}

// keys returns the keys as a text.
func (p *Pairing) keys() string {
	var keys []string
	if p.Yes != "" {
		keys = append(keys, "y "+p.Yes)
	}
	if p.No != "" {
		keys = append(keys, "n "+p.No)
	}
	return strings.Join(keys, " · ")
}

// PairKeyDelay is how long an answer to a pairing has no effect after what it
// answers has changed, and after a key: a user who holds y to accept a device
// must not confirm its code unseen.
const PairKeyDelay = time.Second

// answerPairing handles the keys y and n.
func (s *Session) answerPairing(yes bool) {
	s.mu.Lock()
	p, now := s.device.status.Pairing, time.Now()
	shown, ok := NewPairing(p, s.rights)
	ok = ok && s.device.daemonUp
	early := now.Sub(s.device.pairingSince) < PairKeyDelay || now.Sub(s.pairKeyAt) < PairKeyDelay
	s.pairKeyAt = now
	s.mu.Unlock()
	switch {
	case !ok || early:
	case yes && shown.Yes != "" && p.State == api.PairingRequested:
		s.goGuarded(func() { s.acceptPairing(p.ID) })
	case yes && shown.Yes != "":
		s.runCommand("pairing", func(ctx context.Context) error {
			_, err := s.client.ConfirmPairing(ctx, api.PairConfirm{Code: p.Code, Name: p.Suggested})
			return err
		})
	case !yes && shown.No != "":
		s.runCommand("pairing", func(ctx context.Context) error {
			_, err := s.client.RefusePairing(ctx, api.PairRefuse{ID: p.ID})
			return err
		})
	}
}

// acceptPairing accepts a device, and keeps the pairing until it or the session
// ends. The events of the device show its progress.
func (s *Session) acceptPairing(id string) {
	events, err := s.client.AcceptPairing(s.ctx, api.PairAccept{ID: id})
	if err != nil {
		if s.ctx.Err() == nil {
			s.addLine(fmt.Sprintf("pairing: %v", err))
		}
		return
	}
	defer context.AfterFunc(s.ctx, events.Close)()
	defer events.Close()
	for err == nil {
		_, err = events.Next()
	}
}

// pairingEnded shows how a pairing ended that was shown before.
func (s *Session) pairingEnded(p *api.Pairing) {
	switch {
	case p.State == api.PairingPaired:
		s.addLine("paired with " + p.Peer)
	case p.State == api.PairingFailed && p.Error != nil:
		s.addLine("pairing: " + p.Error.Message)
	}
}
