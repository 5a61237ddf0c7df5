package link

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"vchat/daemon/identity"
)

// MismatchError means that a device that should be a peer has another key. It
// matches ErrWrongIdentity.
type MismatchError struct {
	Expected identity.ID // of the peer
	Got      identity.ID
	Address  string // of the device
	Certain  bool   // we have dialled the device, or it came from an address of the peer
	Note     string // more about the device; may be empty
}

func (e *MismatchError) Error() string {
	text := fmt.Sprintf("%v: expected %s, got %s at %s", ErrWrongIdentity, e.Expected, e.Got, e.Address)
	if e.Note != "" {
		text += "; " + e.Note
	}
	return text
}

func (e *MismatchError) Unwrap() error { return ErrWrongIdentity }

// mismatchMemory is how long a device with another key counts after it has
// connected. It dials every permanentRetry at least.
const mismatchMemory = 2 * permanentRetry

// mismatch is the last device that has connected under the name of a peer with
// another key.
type mismatch struct {
	err *MismatchError // nil: none
	at  time.Time
}

// peerNamed returns the peer that a device with an unknown key seems to be, by
// its name. certain means that its address is the peer's, or that the peer's
// address is unknown: then nothing better can be had. A name alone is no
// reason to end a call, because any stranger may claim it.
func (ls *Links) peerNamed(name string, from net.Addr) (p *peer, certain bool) {
	p = ls.peer(name)
	if p == nil {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.book.hosts()
	host, err := netip.ParseAddrPort(from.String())
	return p, len(known) == 0 && p.book.configured == "" || err == nil && slices.Contains(known, host.Addr().Unmap())
}

// RefusedLately returns why a peer that is not dialled was refused, or refused
// us, when it has dialled us in the last seconds; nil if it was not.
func (ls *Links) RefusedLately(peer string) error {
	p := ls.peer(peer)
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.book.configured != "" || p.current != nil: // an attempt decides
	case p.mismatch.err != nil && p.mismatch.err.Certain && time.Since(p.mismatch.at) < mismatchMemory:
		return p.mismatch.err
	case isPermanent(p.lastErr) && time.Since(p.refusedAt) < mismatchMemory:
		return p.lastErr
	}
	return nil
}

// hosts returns the known addresses of a peer without their ports.
func (b *addressBook) hosts() (all []netip.Addr) {
	for _, a := range append([]string{b.lastRemote, b.lastGood}, b.resolved...) {
		if ap, err := netip.ParseAddrPort(a); err == nil {
			all = append(all, ap.Addr().Unmap())
		}
	}
	return all
}

// onMismatch records that a device with another key uses the name of p.
func (p *peer) onMismatch(m mismatch) {
	p.mu.Lock()
	before := p.mismatch
	isBetter := before.err == nil || m.err.Certain || !before.err.Certain || time.Since(before.at) >= mismatchMemory
	if p.current != nil || !isBetter {
		p.mu.Unlock()
		return
	}
	p.mismatch = m
	p.mu.Unlock()
	if m.err.Certain {
		p.links.cfg.Handler.Refused(p.Name, m.err)
	}
}

// whyDown returns why there is no link. A device with another key explains more
// than its silence where it was. The caller holds mu.
func (p *peer) whyDown() error {
	m := p.mismatch
	if m.err == nil || time.Since(m.at) >= mismatchMemory {
		return p.lastErr
	}
	if !isPermanent(p.lastErr) || m.err.Certain && m.at.After(p.refusedAt) {
		return m.err
	}
	return p.lastErr
}
