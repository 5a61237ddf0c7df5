package link

import (
	"context"
	"net"
	"time"

	"vchat/daemon/identity"
	"vchat/daemon/relay"
)

// attempt makes one connection and serves it to its end.
func (w *relayWaiter) attempt(ctx context.Context, a *relayAttempt, token identity.RelayToken, timeout time.Duration) {
	own := w.peer.links.cfg.Identity.ID()
	defer a.cancel()
	report := func(e relayEvent) {
		e.attempt, e.byUs = a, ctx.Err() != nil
		w.events <- e
	}
	dialling, cancel := context.WithTimeout(ctx, timeout)
	conn, err := relay.Connect(dialling, w.server.dial, w.server.address, token.String(), token.Side(own))
	cancel()
	if err != nil {
		report(relayEvent{state: relayEnded, err: err})
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	report(relayEvent{state: relayWaiting})
	if err := relay.Await(conn); err != nil {
		report(relayEvent{state: relayEnded, err: err})
		return
	}
	report(relayEvent{state: relayJoined})
	w.serveJoined(ctx, conn, func(e relayEvent) { stop(); report(e) })
}

// serveJoined serves a connection that the relay has joined with another one.
// Once the hellos are exchanged, the waiter has nothing to do with it.
func (w *relayWaiter) serveJoined(ctx context.Context, raw net.Conn, report func(relayEvent)) {
	p, ls := w.peer, w.peer.links
	via := route{PathRelay, w.server.address}
	linked := false
	onHello := func() {
		linked = true
		report(relayEvent{state: relayEnded, linked: true})
	}
	var err error
	if w.isClient() {
		err = ls.serveDialled(ctx, p, w.server.address, false, via, raw, func(*Link) { onHello() })
	} else {
		err = ls.serveFromRelay(ctx, p, raw, via, onHello)
	}
	if !linked {
		report(relayEvent{state: relayEnded, err: &joinedError{err}})
	}
}

// serveFromRelay admits what a relay has joined with us as if it had connected
// to our port.
func (ls *Links) serveFromRelay(ctx context.Context, p *peer, raw net.Conn, via route, onHello func()) error {
	select {
	case ls.served <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	v := newVisitor(originOf(raw.RemoteAddr()), func() { abort(raw) })
	ls.admission.enter(v)
	_ = raw.SetDeadline(time.Now().Add(via.handshakeTimeout()))
	return ls.serveAccepted(ctx, arrival{raw: raw, visitor: v, route: via, expects: p, onHello: onHello})
}
