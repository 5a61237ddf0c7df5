package link

import (
	"errors"
	"slices"

	"vchat/daemon/socks"
)

// ErrNotAtRelay means that this device waits at a relay for the peer.
var ErrNotAtRelay = errors.New("the other device is not at the relay")

// RelayStatus describes a relay of the list.
type RelayStatus struct {
	Address string // HOST:PORT
	Err     error  // why it cannot be used; nil: it can, or was not tried yet
}

// SetRelays sets the relays, HOST:PORT each, and the proxy for all of them, or
// nil. Links stay up. A relay that could not be used is tried again at once: a
// user who reloads the configuration may have mended it.
func (ls *Links) SetRelays(addresses []string, proxy *socks.Proxy) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	old := ls.relays
	ls.relays = nil
	retry := false
	for _, address := range addresses {
		i := slices.IndexFunc(old, func(s *relayServer) bool { return s.address == address && s.proxy.Equal(proxy) })
		if i >= 0 {
			ls.relays = append(ls.relays, old[i])
			if old[i].lastErr() != nil {
				old[i].onNetworkChange()
				retry = true
			}
			continue
		}
		ls.relays = append(ls.relays, newRelayServer(ls, address, proxy))
	}
	for _, p := range ls.peers {
		if p.ctx != nil && !ls.over {
			p.startWaiters()
			if retry {
				p.refreshWaiters()
			}
		}
	}
}

// Relays returns the relays of the list.
func (ls *Links) Relays() (all []RelayStatus) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, s := range ls.relays {
		all = append(all, RelayStatus{s.address, s.lastErr()})
	}
	return all
}

// startWaiters makes the waiters those of the list of relays. The caller holds
// links.mu.
func (p *peer) startWaiters() {
	p.waitersMu.Lock()
	defer p.waitersMu.Unlock()
	old := p.waiters
	p.waiters = nil
	for _, s := range p.links.relays {
		for _, introduce := range []bool{false, true} {
			i := slices.IndexFunc(old, func(w *relayWaiter) bool { return w.server == s && w.introduce == introduce })
			if i >= 0 {
				p.waiters = append(p.waiters, old[i])
				continue
			}
			w := newRelayWaiter(p, s, introduce)
			p.waiters = append(p.waiters, w)
			p.links.work.Go(w.run)
		}
	}
	for _, w := range old {
		if !slices.Contains(p.waiters, w) {
			w.cancel()
		}
	}
}

// refreshWaiters makes the waiters connect anew: the network has changed.
func (p *peer) refreshWaiters() {
	p.waitersMu.Lock()
	defer p.waitersMu.Unlock()
	for _, w := range p.waiters {
		w.mu.Lock()
		w.refresh = true
		w.mu.Unlock()
		notify(w.wake)
	}
}

// wakeWaiters makes all waiters check the state.
func (ls *Links) wakeWaiters() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, p := range ls.peers {
		p.wakeWaiters()
	}
}

func (p *peer) wakeWaiters() {
	p.waitersMu.Lock()
	defer p.waitersMu.Unlock()
	for _, w := range p.waiters {
		notify(w.wake)
	}
}

// whyNotByRelay returns why there is no link by a relay; nil without relays.
// The peer may be at a relay that cannot be used, so both are named.
func (p *peer) whyNotByRelay() error {
	p.waitersMu.Lock()
	defer p.waitersMu.Unlock()
	var waits, unusable error
	for _, w := range p.waiters {
		err := w.server.lastErr()
		switch {
		case err == nil:
			waits = ErrNotAtRelay
		case unusable == nil:
			unusable = &relayError{w.server.address, err}
		}
	}
	switch {
	case waits == nil:
		return unusable
	case unusable == nil:
		return waits
	}
	return &noWayError{waits, unusable}
}

// whyNotByRelayEither adds to err why there is no link by a relay, if that may
// be an answer to it. err may be nil.
func (p *peer) whyNotByRelayEither(err error) error {
	relay := p.whyNotByRelay()
	switch {
	case err == nil:
		return relay
	case relay == nil, isPermanent(err):
		return err
	}
	return &noWayError{err, relay}
}

// noWayError says why a peer is not reached by either of two ways.
type noWayError struct{ first, second error }

func (e *noWayError) Error() string   { return e.first.Error() + "; " + e.second.Error() }
func (e *noWayError) Unwrap() []error { return []error{e.first, e.second} }

// relayError is an error of a relay.
type relayError struct {
	relay string
	err   error
}

func (e *relayError) Error() string { return "relay " + e.relay + ": " + e.err.Error() }
func (e *relayError) Unwrap() error { return e.err }
