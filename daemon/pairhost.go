package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/pairing"
	"vchat/daemon/resolve"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

const (
	pairDialTimeout = 5 * time.Second // for each of the name, one address, and TLS
	pairRetry       = 2 * time.Second // between two requests to a device that does not wait
	pairFailures    = 3               // connections in a row that may fail
	cancelTimeout   = time.Second     // for a cancelled session to end
	// pairDeadline ends a connection whose session hangs.
	pairDeadline = pairing.ExchangeTimeout + pairing.CompareTimeout + 3*pairing.DoneTimeout
)

// pairHost is this device in one session. It implements pairing.Host.
type pairHost struct {
	d               *Daemon
	attempt         *pairAttempt // nil for a responder before Reveal
	id              identity.ID  // of the other device
	address         string       // where it was dialled, or connects from
	answers         chan pairing.Event
	refused, passed func() // see link.Config
	claimed         string // name of the other device
	undo            func() // what Undo does; nil: nothing
	applied         bool   // the kept peer is effective
	initiator       bool
}

// servePairing serves a connection of another device that wants to pair.
func (d *Daemon) servePairing(ctx context.Context, conn *transport.Conn, id identity.ID, refused, passed func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &pairHost{d: d, id: id, address: conn.RemoteAddr().String(), answers: make(chan pairing.Event, 1)}
	h.refused, h.passed = refused, func() {
		passed()
		conn.SetHandshakeDeadline(time.Now().Add(pairDeadline))
		context.AfterFunc(h.attempt.ctx, func() { // it ends when the attempt does
			cancel()
			conn.SetFinalDeadline(time.Now().Add(cancelTimeout))
		})
	}
	err := d.pairOn(ctx, conn, h, false)
	d.pairings.unyield(h)
	if h.attempt != nil {
		h.attempt.result <- err
	}
}

// pairOn runs a session on a connection after its TLS handshake.
func (d *Daemon) pairOn(ctx context.Context, conn *transport.Conn, h *pairHost, initiator bool) error {
	exporter, err := pairing.Exporter(conn.ConnectionState())
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	s := pairing.New(pairing.Config{Initiator: initiator, Own: d.ID(), Peer: h.id, Exporter: exporter,
		Name: wire.Sanitize(d.Identity().Name, pairing.MaxName), Nonce: newNonce()})
	err = pairing.Run(ctx, s, conn, h, h.answers)
	if err != nil && initiator && !s.NonceSent() {
		err = &repeatable{err}
	}
	if err == nil {
		d.finishPairing(h)
	}
	return err
}

func newNonce() (n pairing.Hash) {
	_, _ = rand.Read(n[:]) // never fails
	return n
}

// repeatable marks the error of a session that has not sent its nonce: another
// session gives no device a second guess.
type repeatable struct{ error }

func (e *repeatable) Unwrap() error { return e.error }

// dialForPairing dials until the other device waits for a pairing, or until the
// timeout.
func (d *Daemon) dialForPairing(p *pairAttempt, timeout time.Duration) error {
	until := time.Now().Add(timeout)
	for failures := 0; ; {
		err := d.dialOnceForPairing(p)
		if p.ctx.Err() != nil && err != nil {
			return &pairing.EndError{Reason: pairing.Cancelled}
		}
		again, ok := errors.AsType[*repeatable](err)
		if !ok {
			return err
		}
		d.pairings.endAsking(p)
		end, _ := errors.AsType[*pairing.EndError](err)
		yields := errors.Is(err, errYielded)
		if yields || end != nil && end.ByPeer && (end.Reason == pairing.NotWaiting || end.Reason == pairing.Busy) {
			failures = 0
		} else if failures++; end != nil || failures == pairFailures {
			return again.error
		}
		pause := pairRetry + mathrand.N(pairRetry/4) // two devices that dial each other must not meet each time
		if !yields && time.Now().Add(pause).After(until) {
			return again.error
		}
		if !yields {
			d.showRetry(p, end, pairError(again.error, ""))
		}
		select {
		case <-time.After(pause):
		case <-p.revealed:
			return nil
		case <-p.ctx.Done():
		}
	}
}

// showRetry shows why the other device is dialled again.
func (d *Daemon) showRetry(p *pairAttempt, end *pairing.EndError, why *api.Error) {
	d.pairings.mu.Lock()
	defer d.pairings.mu.Unlock()
	v, reason := p.view, why.Message+"; "+why.Hint
	if end != nil && end.Reason == pairing.NotWaiting {
		reason = "waiting until the other device accepts; " + why.Hint
	}
	if v.Reason != reason {
		v.Reason = reason
		d.publishPairing(p, v)
	}
}

// dialOnceForPairing connects to the first address that answers, and runs a
// session there.
func (d *Daemon) dialOnceForPairing(p *pairAttempt) error {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	raw, address, err := d.dialForAttempt(ctx, p)
	if err != nil {
		return &repeatable{err}
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(pairDialTimeout))
	conn, err := transport.Client(ctx, raw, d.identity.PairingConfig())
	if err != nil && strings.Contains(err.Error(), noProtocolAlert) {
		return fmt.Errorf("%s does not support pairing: update vchat there", address)
	}
	if err != nil {
		return &repeatable{link.HandshakeError(address, err)}
	}
	id, err := identity.PeerID(conn.ConnectionState())
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	if p.seen != nil && id.String() != p.seen.ID {
		return fmt.Errorf("the device at %s is not the one that was announced there", address)
	}
	conn.SetHandshakeDeadline(time.Now().Add(pairDeadline))
	stop := context.AfterFunc(ctx, func() { conn.SetFinalDeadline(time.Now().Add(cancelTimeout)) })
	defer stop()
	if !d.pairings.beginAsking(p, id) {
		return &repeatable{errYielded}
	}
	h := &pairHost{d: d, attempt: p, id: id, address: address, answers: make(chan pairing.Event, 1), initiator: true}
	return d.pairOn(ctx, conn, h, true)
}

// errYielded means that the other device dials too, and its session goes on.
var errYielded = errors.New("the other device dials this one")

// beginAsking records the device at the address. It reports whether this device
// may begin a session as initiator there.
func (ps *pairings) beginAsking(p *pairAttempt, id identity.ID) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.dialled = id
	p.asking = p.yielded == nil && !p.claimed
	return p.asking
}

// endAsking is called after a session that may be repeated.
func (ps *pairings) endAsking(p *pairAttempt) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.asking = false
}

// unyield is called after a responder's session.
func (ps *pairings) unyield(h *pairHost) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.current; p != nil && p.yielded == h {
		p.yielded = nil
	}
}

// noProtocolAlert is how crypto/tls reports the alert of a server that does not
// speak the ALPN protocol (RFC 7301, section 3.2). Its type is not exported.
const noProtocolAlert = "no application protocol"

// dialForAttempt connects to the address of the request, or to one of the
// device that is on the network. It returns the address.
func (d *Daemon) dialForAttempt(ctx context.Context, p *pairAttempt) (net.Conn, string, error) {
	if p.seen == nil {
		conn, err := dialFirst(ctx, p.request.Address)
		return conn, p.request.Address, err
	}
	var first error
	for _, a := range p.seen.Addresses {
		conn, err := dialFirst(ctx, a)
		if err == nil {
			// A link-local address depends on the names of interfaces.
			if ap, err := netip.ParseAddrPort(a); err == nil && !ap.Addr().IsLinkLocalUnicast() {
				p.keep = a
			}
			return conn, a, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, "", first
}

// dialFirst connects to the first address that accepts a connection.
func dialFirst(ctx context.Context, address string) (net.Conn, error) {
	lookup, cancel := context.WithTimeout(ctx, pairDialTimeout)
	defer cancel()
	addresses, err := resolve.Addresses(lookup, resolve.Lookup, address)
	for _, a := range addresses {
		dialling, cancel := context.WithTimeout(ctx, pairDialTimeout)
		var conn net.Conn
		conn, err = transport.Dial(dialling, "tcp", a)
		cancel()
		if err == nil {
			return conn, nil
		}
		err = link.DialError(address, err)
	}
	return nil, err
}

// Admit implements pairing.Host.
func (h *pairHost) Admit(name string) pairing.Reason {
	h.claimed = strings.TrimSpace(wire.Sanitize(name, pairing.MaxName))
	h.d.mu.Lock()
	disturb := !h.d.cfg.Calls.DoNotDisturb
	h.d.mu.Unlock()
	ps := &h.d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	reason := ps.mayReveal(h)
	switch {
	case reason == pairing.NotWaiting:
		reason = h.d.onRequest(h, disturb)
	case reason == 0 && !ps.current.request.Wait:
		ps.current.yielded = h
	}
	if reason != 0 {
		h.refused()
	}
	return reason
}

// mayReveal returns why a responder cannot continue with the device; 0: it can.
// If both devices dial each other, the one with the larger id continues as
// responder (PROTOCOL.md, section 13). The caller holds mu.
func (ps *pairings) mayReveal(h *pairHost) pairing.Reason {
	switch p := ps.current; {
	case p == nil:
		return pairing.NotWaiting
	case p.claimed || p.ctx.Err() != nil || p.only != "" && p.only != h.id.String():
		return pairing.Busy
	case !p.request.Wait && !p.yields(h):
		return pairing.Busy
	}
	return 0
}

// yields reports whether a device that dials becomes the responder of the
// device that it dials. A session as initiator excludes that. The caller holds
// pairings.mu.
func (p *pairAttempt) yields(h *pairHost) bool {
	own := h.d.ID()
	return p.dialled == h.id && bytes.Compare(h.id[:], own[:]) < 0 && !p.asking && (p.yielded == nil || p.yielded == h)
}

// onRequest handles a request while this device does not wait for one, and
// returns the answer. It publishes an event only if the user may be disturbed.
// The caller holds pairings.mu.
func (d *Daemon) onRequest(h *pairHost, disturb bool) pairing.Reason {
	r, now := &d.pairings.requests, time.Now()
	if r.wasRefused(h.id.String(), now) {
		return pairing.Refused
	}
	d.endRequest(r.expire(now), api.PairingWithdrawn, nil)
	host, _, _ := net.SplitHostPort(h.address)
	v := api.Pairing{State: api.PairingRequested, Address: host, Claimed: h.claimed, ID: h.id.String()}
	if r.add(v, now) {
		d.log.Info("pairing requested", "from", host, "claimed_name", v.Claimed, "id", h.id,
			"hint", "to accept it, run vchatctl pair --accept")
		if disturb {
			d.announcePairing(v)
		}
		d.setRequestTimer(now)
	}
	return pairing.NotWaiting
}

// setRequestTimer sets the timer for the end of the request that is shown. The
// caller holds pairings.mu.
func (d *Daemon) setRequestTimer(now time.Time) {
	ps := &d.pairings
	in := ps.requests.deadline().Sub(now)
	switch {
	case ps.stopped:
	case ps.timer != nil:
		ps.timer.Reset(in)
	default:
		ps.timer = time.AfterFunc(in, func() {
			ps.mu.Lock()
			defer ps.mu.Unlock()
			now := time.Now()
			d.endRequest(ps.requests.expire(now), api.PairingWithdrawn, nil)
			if ps.requests.shown != nil { // it was repeated
				d.setRequestTimer(now)
			}
		})
	}
}

// stopRequests stops the timer of the requests.
func (ps *pairings) stopRequests() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.stopped = true
	if ps.timer != nil {
		ps.timer.Stop()
	}
}

// refuseRequest refuses the request that is shown. The caller holds
// pairings.mu.
func (d *Daemon) refuseRequest(id string) (api.Pairing, error) {
	v := d.pairings.requests.refuse(id, time.Now())
	if v == nil {
		return api.Pairing{}, errNoPairing()
	}
	d.log.Info("pairing refused", "from", v.Address, "claimed_name", v.Claimed, "id", v.ID)
	return d.endRequest(v, api.PairingFailed, pairError(&pairing.EndError{Reason: pairing.Refused}, "")), nil
}

// endRequest publishes the end of a request, unless it is nil, and returns it.
func (d *Daemon) endRequest(v *api.Pairing, state api.PairingState, err *api.Error) api.Pairing {
	if v == nil {
		return api.Pairing{}
	}
	v.State, v.Error = state, err
	d.announcePairing(*v)
	return *v
}

// Reveal implements pairing.Host. It makes this session that of the pairing.
func (h *pairHost) Reveal() pairing.Reason {
	ps := &h.d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if reason := ps.mayReveal(h); reason != 0 {
		h.refused()
		return reason
	}
	h.attempt = ps.current
	h.attempt.claimed = true
	close(h.attempt.revealed)
	h.passed()
	return 0
}

// Compare implements pairing.Host.
func (h *pairHost) Compare(code pairing.Code, name string) {
	claimed, p := strings.TrimSpace(wire.Sanitize(name, pairing.MaxName)), h.attempt
	v := api.Pairing{State: api.PairingComparing, Address: h.address, Claimed: claimed, ID: h.id.String(),
		Code: code.String()}
	v.Peer, v.Known, v.NameError = h.d.nameForPairing(h.id, claimed, p.name)
	if v.NameError != nil {
		v.Suggested = h.d.freeName(claimed)
	}
	v.AutoAnswer = h.d.willAutoAnswer(h.id, p.request.AutoAnswer)
	ps := &h.d.pairings
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.answers = h.answers
	h.d.publishPairing(p, v)
}

// Keep implements pairing.Host. At the initiator the peer becomes effective
// only at the end: until then the other device would refuse the link.
func (h *pairHost) Keep() error {
	d := h.d
	d.pairings.mu.Lock()
	v := h.attempt.view
	d.pairings.mu.Unlock()
	d.configMu.Lock()
	defer d.configMu.Unlock()
	old, known := d.store.Get(h.id)
	p := old
	p.Name, p.ID, p.Added = v.Peer, h.id, time.Time{}
	// A responder keeps no address: the one that a connection comes from is not
	// the one that the device listens on.
	if h.attempt.keep != "" {
		p.Address = h.attempt.keep
	}
	p.AutoAnswer = p.AutoAnswer || h.attempt.request.AutoAnswer
	err := d.keepPeer(p)
	if errors.Is(err, ErrKnownPeer) {
		return nil // the file has it
	}
	if err != nil {
		return err
	}
	h.undo = func() {
		var err error
		if known {
			_, err = d.store.Put(old)
		} else {
			_, err = d.store.Remove(h.id.String())
		}
		if err != nil {
			d.log.Error("peer of a failed pairing not forgotten", "peer", v.Peer, "id", h.id, "err", err)
		}
	}
	if !h.initiator {
		h.applied = true
		d.applyStores(fmt.Sprintf("peer %s paired", v.Peer))
	}
	return nil
}

// Undo implements pairing.Host.
func (h *pairHost) Undo() {
	if h.undo == nil {
		return
	}
	h.d.configMu.Lock()
	defer h.d.configMu.Unlock()
	h.undo()
	h.undo = nil
	if h.applied {
		h.d.applyStores("pairing undone")
	}
}

// finishPairing makes the kept peer effective.
func (d *Daemon) finishPairing(h *pairHost) {
	d.pairings.mu.Lock()
	v := h.attempt.view
	d.pairings.mu.Unlock()
	d.log.Info("peer paired", "peer", v.Peer, "id", h.id, "address", h.attempt.keep)
	if h.undo == nil || h.applied {
		return
	}
	d.configMu.Lock()
	defer d.configMu.Unlock()
	d.applyStores(fmt.Sprintf("peer %s paired", v.Peer))
}
