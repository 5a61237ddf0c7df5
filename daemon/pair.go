package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/identity"
	"vchat/daemon/pairing"
)

// The pairings of this device. There is one at a time; it lives as long as the
// request of its client:
//
//	Pair ─┬─ wait ───── a connection reveals ──┐
//	      │                                    ├──▶ comparing ─▶ confirmed ─▶ paired
//	      └─ address ── dials until the other ─┤
//	                    device waits           │
//	AcceptPairing ───── that device reveals ───┘
//	         and that one, if both dial each other: see mayReveal
//	every state ──▶ failed: the client is gone, refused, lost, timed out
//
// While there is none, the request of another device is refused, and it dials
// again. pairRequests decides whether the request is shown. Accepting it waits
// for that device alone, so that no other can take its place.
const (
	pairPort       = "7450"
	pairTimeout    = 2 * time.Minute // until the other device is there
	maxPairTimeout = time.Hour
	acceptTimeout  = 20 * time.Second // until an accepted device is back; it dials again every pairRetry
)

// pairings holds the pairing in progress. It is safe for concurrent use. mu is
// not held together with that of Daemon.
type pairings struct {
	mu       sync.Mutex
	current  *pairAttempt // nil: none
	requests pairRequests // while current is nil
	timer    *time.Timer  // for the end of the request that is shown; nil until there was one
	stopped  bool         // the timer does not start again
}

// pairAttempt is one pairing. Its changing fields are guarded by pairings.mu.
type pairAttempt struct {
	request  api.PairRequest
	name     string               // wanted for the other device; "" for the one that it claims
	only     string               // id of the device that it waits for; "": any
	ctx      context.Context      // ends with the client, or when the pairing is refused before there is a code
	cancel   context.CancelFunc   //
	updates  chan api.Pairing     // every state, for the client; never full
	result   chan error           // of the session of a responder that has revealed its nonce
	view     api.Pairing          // the present state
	answers  chan<- pairing.Event // of the session with a code; nil until then
	claimed  bool                 // a responder has revealed its nonce
	dialled  identity.ID          // of the device at the address; zero: not reached yet
	asking   bool                 // a session as initiator runs, or was the last one
	revealed chan struct{}        // closed with claimed, by a responder
	yielded  *pairHost            // a responder's session for which it does not dial; nil: none
	seen     *api.Device          // the request is its name; nil: an address
	keep     string               // address to keep for calls; "": none
}

// view returns the pairing in progress, the request of another device, or nil.
func (ps *pairings) view() *api.Pairing {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	switch {
	case ps.current != nil:
		v := ps.current.view
		return &v
	case ps.requests.shown != nil && time.Now().Before(ps.requests.deadline()):
		v := *ps.requests.shown
		return &v
	}
	return nil
}

// Pair implements control.Backend.
func (d *Daemon) Pair(ctx context.Context, r api.PairRequest, report func(api.Event)) error {
	p, err := d.beginPairing(ctx, r)
	if err != nil {
		return err
	}
	d.followPairing(p, report)
	return nil
}

// AcceptPairing implements control.Backend.
func (d *Daemon) AcceptPairing(ctx context.Context, r api.PairAccept, report func(api.Event)) error {
	p, err := d.acceptPairing(ctx, r)
	if err != nil {
		return err
	}
	d.followPairing(p, report)
	return nil
}

// followPairing carries out a pairing and reports its states.
func (d *Daemon) followPairing(p *pairAttempt, report func(api.Event)) {
	defer p.cancel()
	result := make(chan error, 1)
	go func() { result <- d.runPairing(p) }()
	for {
		select {
		case v := <-p.updates:
			report(api.Event{Time: time.Now(), Event: api.EventPairing, Pairing: &v})
		case err := <-result:
			last := d.endPairing(p, err)
			for len(p.updates) > 0 {
				v := <-p.updates
				report(api.Event{Time: time.Now(), Event: api.EventPairing, Pairing: &v})
			}
			report(api.Event{Time: time.Now(), Event: api.EventPairing, Pairing: &last})
			return
		}
	}
}

// beginPairing checks the request and makes it the pairing in progress.
func (d *Daemon) beginPairing(ctx context.Context, r api.PairRequest) (*pairAttempt, error) {
	if r.Wait == (r.Address != "") {
		return nil, &api.Error{Kind: api.BadValue, Message: "a pairing needs an address or wait, and not both"}
	}
	p := newPairAttempt(r)
	first := api.Pairing{State: api.PairingWaiting}
	if !r.Wait {
		seen, err := d.seenAs(r.Address)
		if err != nil {
			return nil, err
		}
		if p.seen = seen; seen != nil {
			p.request.Address = seen.Addresses[0]
		} else {
			p.request.Address = withPort(r.Address)
			p.keep = p.request.Address
		}
		if err := config.CheckPeerAddress(p.request.Address); err != nil {
			return nil, &api.Error{Kind: api.BadValue, Message: "the address " + err.Error()}
		}
		first = api.Pairing{State: api.PairingDialling, Address: p.request.Address}
	} else if d.Addr() == nil {
		return nil, &api.Error{Kind: api.Conflict, Message: "this device does not listen for peers",
			Hint: "set listen in the configuration file and restart vchatd, or dial from this device"}
	}
	if r.TimeoutMS < 0 || r.TimeoutMS > maxPairTimeout.Milliseconds() {
		return nil, &api.Error{Kind: api.BadValue,
			Message: fmt.Sprintf("the timeout must be at most %v", maxPairTimeout)}
	}
	if err := checkWantedName(r.Name); err != nil {
		return nil, err
	}
	ps := &d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if err := d.startPairing(ctx, p); err != nil {
		return nil, err
	}
	ps.requests.take("")
	d.publishPairing(p, first)
	return p, nil
}

// acceptPairing makes the request that is shown the pairing in progress.
func (d *Daemon) acceptPairing(ctx context.Context, r api.PairAccept) (*pairAttempt, error) {
	if err := checkWantedName(r.Name); err != nil {
		return nil, err
	}
	if r.ID == "" {
		return nil, &api.Error{Kind: api.BadValue, Message: "the id of the device is missing"}
	}
	p := newPairAttempt(api.PairRequest{Wait: true, Name: r.Name, TimeoutMS: acceptTimeout.Milliseconds(),
		AutoAnswer: r.AutoAnswer})
	p.only = r.ID
	ps := &d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if err := d.startPairing(ctx, p); err != nil {
		return nil, err
	}
	v := ps.requests.take(r.ID)
	if v == nil {
		p.cancel()
		ps.current = nil
		return nil, &api.Error{Kind: api.Conflict, Message: "that device does not ask for a pairing any more",
			Hint: askAgainHint}
	}
	d.publishPairing(p, api.Pairing{State: api.PairingWaiting, Address: v.Address, Claimed: v.Claimed, ID: v.ID})
	return p, nil
}

const askAgainHint = "begin again on the other device: vchatctl pair ADDRESS, with the address of this one"

func newPairAttempt(r api.PairRequest) *pairAttempt {
	return &pairAttempt{request: r, name: r.Name, updates: make(chan api.Pairing, 16), result: make(chan error, 1),
		revealed: make(chan struct{})}
}

// checkWantedName checks a name for the other device; "" is none.
func checkWantedName(name string) error {
	if name == "" {
		return nil
	}
	if err := config.CheckPeerName(name); err != nil {
		return &api.Error{Kind: api.BadValue, Message: err.Error()}
	}
	return nil
}

// startPairing makes p the pairing in progress, if there is none. The caller
// holds pairings.mu.
func (d *Daemon) startPairing(ctx context.Context, p *pairAttempt) error {
	if d.pairings.current != nil {
		return &api.Error{Kind: api.Conflict, Message: "this device is pairing already",
			Hint: "end that first: vchatctl pair --refuse"}
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	d.pairings.current = p
	return nil
}

// withPort returns an address with the default port if it has none.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	if host := strings.Trim(address, "[]"); host != "" {
		return net.JoinHostPort(host, pairPort)
	}
	return address
}

// publishPairing changes the state of p. The caller holds pairings.mu.
func (d *Daemon) publishPairing(p *pairAttempt, v api.Pairing) {
	p.view = v
	select {
	case p.updates <- v:
	default: // the client does not read
	}
	d.announcePairing(v)
}

func (d *Daemon) announcePairing(v api.Pairing) {
	d.events.Publish(api.Event{Event: api.EventPairing, Pairing: &v})
	notify(d.statusDirty)
}

// runPairing pairs with the other device. It returns when nothing of the
// pairing runs any more.
func (d *Daemon) runPairing(p *pairAttempt) error {
	timeout := pairTimeout
	if p.request.TimeoutMS > 0 {
		timeout = time.Duration(p.request.TimeoutMS) * time.Millisecond
	}
	if !p.request.Wait {
		err := d.dialForPairing(p, timeout)
		if p.close(&d.pairings) {
			return <-p.result
		}
		return err
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case err := <-p.result:
		return err
	case <-t.C:
	case <-p.ctx.Done():
	}
	switch {
	case p.close(&d.pairings): // the session ends by itself, and with p.ctx
		return <-p.result
	case p.ctx.Err() != nil:
		return &pairing.EndError{Reason: pairing.Cancelled}
	}
	if p.only != "" {
		return &api.Error{Kind: api.PeerNoAnswer, Message: "the other device does not ask any more; nothing was kept",
			Hint: askAgainHint}
	}
	return &api.Error{Kind: api.PeerNoAnswer, Message: fmt.Sprintf("no device asked for a pairing within %v", timeout),
		Hint: "run on the other device: vchatctl pair ADDRESS, with the address of this one"}
}

// close makes it too late for a responder's session to begin. It reports
// whether there is one, which sends its result.
func (p *pairAttempt) close(ps *pairings) (claimed bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	claimed, p.claimed = p.claimed, true
	return claimed
}

// endPairing publishes and returns the result.
func (d *Daemon) endPairing(p *pairAttempt, err error) api.Pairing {
	ps := &d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	v := p.view
	v.State, v.Reason, v.NameError, v.Suggested = api.PairingPaired, "", nil, ""
	if err != nil {
		v.State, v.Error = api.PairingFailed, pairError(err, p.request.Address)
		d.log.Info("pairing failed", "address", v.Address, "id", v.ID, "err", v.Error.Message)
	}
	ps.current = nil
	d.announcePairing(v)
	return v
}

// ConfirmPairing implements control.Backend.
func (d *Daemon) ConfirmPairing(r api.PairConfirm) (api.Pairing, error) {
	ps := &d.pairings
	ps.mu.Lock()
	p := ps.current
	if p == nil || p.view.State != api.PairingComparing {
		ps.mu.Unlock()
		return api.Pairing{}, errNoPairing()
	}
	v := p.view
	ps.mu.Unlock()
	if digits(r.Code) != digits(v.Code) {
		_, _ = d.RefusePairing(api.PairRefuse{})
		return api.Pairing{}, &api.Error{Kind: api.PeerIdentity, Message: "code mismatch: this device shows " + v.Code,
			Hint: "nothing was kept; if the code was mistyped, pair again"}
	}
	if id, err := identity.ParseID(v.ID); err == nil && (r.Name != "" || v.NameError != nil) {
		if v.Peer, v.Known, v.NameError = d.nameForPairing(id, v.Claimed, r.Name); v.NameError != nil {
			return api.Pairing{}, v.NameError
		}
		v.Suggested = ""
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.current != p || p.view.State != api.PairingComparing {
		return api.Pairing{}, errNoPairing()
	}
	select {
	case p.answers <- pairing.Agree{}:
	default: // refused before
		return api.Pairing{}, errNoPairing()
	}
	v.State = api.PairingConfirmed
	d.publishPairing(p, v)
	return v, nil
}

// RefusePairing implements control.Backend.
func (d *Daemon) RefusePairing(r api.PairRefuse) (api.Pairing, error) {
	ps := &d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.current
	if p == nil {
		return d.refuseRequest(r.ID)
	}
	if r.ID != "" && r.ID != p.view.ID {
		return api.Pairing{}, errNoPairing()
	}
	if p.view.State == api.PairingComparing {
		select {
		case p.answers <- pairing.Reject{Reason: pairing.Refused}:
		default: // refused before
		}
	} else {
		p.cancel()
	}
	return p.view, nil
}

func errNoPairing() error {
	return &api.Error{Kind: api.Conflict, Message: "no pairing waits for an answer",
		Hint: "begin one: vchatctl pair ADDRESS here, vchatctl pair --wait on the other device"}
}

// digits returns the digits of a code, which people write in groups.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, code)
}

// nameForPairing returns the name that a device gets here, and whether it is a
// peer already. The error says why it must be given another one.
func (d *Daemon) nameForPairing(id identity.ID, claimed, wanted string) (name string, known bool, e *api.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for other, p := range d.cfg.Peers {
		if p.ID != id.String() {
			continue
		}
		if wanted != "" && wanted != other {
			return "", true, &api.Error{Kind: api.BadValue,
				Message: fmt.Sprintf("that device is already the peer %s", other),
				Hint:    fmt.Sprintf("pair without --name, or forget it first: vchatctl unpair %s", other)}
		}
		return other, true, nil
	}
	name = wanted
	if name == "" {
		name = config.PeerNameOf(claimed)
	}
	if err := config.CheckPeerName(name); err != nil {
		message := err.Error()
		if wanted == "" {
			message = fmt.Sprintf("the other device has no usable name: %q", claimed)
		}
		return "", false, &api.Error{Kind: api.BadValue, Message: message, Hint: nameHint}
	}
	for other := range d.cfg.Peers {
		if strings.EqualFold(other, name) {
			return "", false, &api.Error{Kind: api.BadValue, Message: fmt.Sprintf("another peer is named %s", other),
				Hint: nameHint}
		}
	}
	return name, false, nil
}

// willAutoAnswer reports whether this device will answer the calls of a device
// automatically, once paired with it. A peer of the configuration file stays as
// it is there.
func (d *Daemon) willAutoAnswer(id identity.ID, wanted bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, p := range d.cfg.Peers {
		if p.ID == id.String() {
			_, paired := d.paired[name]
			return p.AutoAnswer || wanted && paired
		}
	}
	return wanted
}

const nameHint = "give it a name with --name"

// freeName returns a name that is possible for a device which claims one.
func (d *Daemon) freeName(claimed string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := config.PeerNameOf(claimed)
	if config.CheckPeerName(name) != nil {
		name = "device"
	}
	taken := map[string]bool{}
	for other := range d.cfg.Peers {
		taken[strings.ToLower(other)] = true
	}
	return freeName(name, taken)
}

// pairError returns the *api.Error for the end of a pairing.
func pairError(err error, address string) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	end, ok := errors.AsType[*pairing.EndError](err)
	switch {
	case errors.Is(err, pairing.ErrLost):
		return &api.Error{Kind: api.PeerUnreachable, Message: "connection to the other device lost; nothing was kept",
			Hint: "pair again"}
	case !ok:
		return &api.Error{Kind: api.PeerUnreachable, Message: err.Error(),
			Hint: "check the address, and that vchatd runs there"}
	case end.ByPeer:
		return refusedByPeer(end)
	}
	switch end.Reason {
	case pairing.Refused:
		return &api.Error{Kind: api.PeerIdentity, Message: "pairing refused here; nothing was kept"}
	case pairing.Cancelled:
		return &api.Error{Kind: api.PeerDeclined, Message: "pairing cancelled here; nothing was kept"}
	case pairing.TimedOut:
		return &api.Error{Kind: api.PeerNoAnswer, Message: "not confirmed on both devices in time; nothing was kept",
			Hint: "pair again"}
	case pairing.Mismatch:
		return &api.Error{Kind: api.PeerIdentity, Message: "the other device broke its commitment; nothing was kept",
			Hint: "another device may be between the two: pair on a network that you trust"}
	case pairing.SelfPairing:
		return &api.Error{Kind: api.BadValue, Message: fmt.Sprintf("%s is this device itself, or has its id", address),
			Hint: "give the address of the other device; if its card was cloned, run vchatd new-id there"}
	case pairing.NotKept:
		return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("the key was not kept: %v", err)}
	}
	return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("pairing failed: %v; nothing was kept", err)}
}

func refusedByPeer(end *pairing.EndError) *api.Error {
	switch end.Reason {
	case pairing.NotWaiting:
		return &api.Error{Kind: api.PeerNoAnswer, Message: "the other device did not accept; nothing was kept",
			Hint: "accept it on the screen of the other device, or run there: vchatctl pair --wait"}
	case pairing.Busy:
		return &api.Error{Kind: api.PeerBusy, Message: "the other device is pairing with another one",
			Hint: "if it does not end, run there: vchatctl pair --refuse"}
	case pairing.Refused:
		return &api.Error{Kind: api.PeerDeclined, Message: "the other device refused; nothing was kept"}
	case pairing.Cancelled:
		return &api.Error{Kind: api.PeerDeclined, Message: "the other device cancelled; nothing was kept"}
	case pairing.TimedOut:
		return &api.Error{Kind: api.PeerNoAnswer, Message: "not confirmed on both devices in time; nothing was kept",
			Hint: "pair again"}
	case pairing.SelfPairing:
		return &api.Error{Kind: api.BadValue, Message: "the other device has the id of this one",
			Hint: "was a card cloned? run vchatd new-id on one of the two"}
	}
	return &api.Error{Kind: api.Internal, Message: fmt.Sprintf("%v; nothing was kept", end)}
}
