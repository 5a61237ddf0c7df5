package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vchat/daemon/identity"
)

// A found address is one that a device on the network has announced for a peer.
// Any host can announce anything, so it never replaces a configured address,
// and its errors count for nothing but a failed dial:
//
//   - Each address has a back-off of its own.
//   - During a call only one attempt in fullEvery tries all of them. Those in
//     between try the one that was good before.
//   - A device with another key there is no reason to refuse the peer, or to
//     end a call. It gets no Bye: it may be an innocent third device.
const (
	maxFound          = 8
	foundPause        = time.Second      // the first of the back-off
	maxFoundPause     = 30 * time.Second // the longest
	maxFoundCallPause = 2 * time.Second  // the longest during a call
	foundInterval     = 2 * time.Second  // between two announcements that end the pause of a peer
	foundGrace        = time.Second      // for found addresses when the configured ones have failed for good
)

// errNotFoundThere means that a found address was wrong.
var errNotFoundThere = errors.New("peer is not where it was announced")

// foundAddress is an address with its back-off.
type foundAddress struct {
	address  string
	pause    *backoff
	failedAt time.Time
	wait     time.Duration // since failedAt
}

func (f *foundAddress) due(inCall bool) time.Time {
	wait := f.wait
	if inCall {
		wait = min(wait, maxFoundCallPause)
	}
	return f.failedAt.Add(wait)
}

// setFound changes the found addresses. It reports whether there is a new one.
// Those of a device that is gone stay: it may be silent for a while.
func (b *addressBook) setFound(addresses []string) (isNew bool) {
	if len(addresses) == 0 {
		return false
	}
	old := b.found
	b.found = nil
	for _, a := range addresses[:min(len(addresses), maxFound)] {
		if i := slices.IndexFunc(old, func(f *foundAddress) bool { return f.address == a }); i >= 0 {
			b.found = append(b.found, old[i])
			continue
		}
		b.found = append(b.found, &foundAddress{address: a, pause: newBackoff(foundPause, maxFoundPause)})
		isNew = true
	}
	return isNew
}

// foundCandidates returns the found addresses for an attempt, best first.
func (b *addressBook) foundCandidates(now time.Time, full, inCall bool) (all []string) {
	if b.foundGood != "" && inCall {
		all = append(all, b.foundGood)
	}
	for _, f := range b.found {
		if full && f.address != b.foundGood && !f.due(inCall).After(now) {
			all = append(all, f.address)
		} else if full && f.address == b.foundGood && !inCall && !f.due(false).After(now) {
			all = append([]string{f.address}, all...)
		}
	}
	return all
}

// foundAll returns the found addresses, whatever their back-off.
func (b *addressBook) foundAll() (all []string) {
	for _, f := range b.found {
		all = append(all, f.address)
	}
	return all
}

// foundDue returns when the first found address may be dialled.
func (b *addressBook) foundDue(inCall bool) (at time.Time) {
	if b.foundGood != "" && inCall {
		return time.Time{}
	}
	for i, f := range b.found {
		if due := f.due(inCall); i == 0 || due.Before(at) {
			at = due
		}
	}
	return at
}

// isFound reports whether an address was only announced.
func (b *addressBook) isFound(address string) bool {
	return !slices.Contains(b.resolved, address) && (address == b.foundGood ||
		slices.ContainsFunc(b.found, func(f *foundAddress) bool { return f.address == address }))
}

// foundResult records the result of dialling a found address.
func (b *addressBook) foundResult(address string, good bool) {
	for _, f := range b.found {
		switch {
		case f.address != address:
		case good:
			f.pause.reset()
			f.wait = 0
		default:
			f.failedAt, f.wait = time.Now(), f.pause.next()
		}
	}
}

// resetFound ends the back-offs: the network has changed, or a call begins.
func (b *addressBook) resetFound() {
	for _, f := range b.found {
		f.pause.reset()
		f.wait = 0
	}
}

// SetFound sets the addresses that are announced for the peer with an id, each
// "IP:port", at most 8. An unknown id is ignored.
func (ls *Links) SetFound(id identity.ID, addresses []string) {
	if p := ls.peerByID(id); p != nil {
		p.setFound(addresses)
	}
}

func (p *peer) setFound(addresses []string) {
	p.mu.Lock()
	now := time.Now()
	if p.book.setFound(addresses) && now.Sub(p.foundAt) >= foundInterval {
		p.retryAt, p.foundAt = time.Time{}, now
	}
	p.mu.Unlock()
	p.wakeDialer()
}

// connectFound is connect for a found address.
func (a *attempt) connectFound(ctx context.Context, address string, onHello func()) error {
	p := a.peer
	good := false // its error is then the end of the link
	err := a.connect(ctx, address, true, func() {
		good = true
		p.mu.Lock()
		p.book.foundResult(address, true)
		p.mu.Unlock()
		onHello()
	})
	if !good && !errors.Is(ctx.Err(), context.Canceled) {
		p.mu.Lock()
		p.book.foundResult(address, false)
		p.mu.Unlock()
	}
	if bye := (*ByeError)(nil); good || err == nil || errors.As(err, &bye) {
		return err // from the peer itself
	}
	return &foundError{err}
}

// foundError hides what kind of error a found address has.
type foundError struct{ err error }

func (e *foundError) Error() string        { return fmt.Sprintf("%v: %v", errNotFoundThere, e.err) }
func (e *foundError) Is(target error) bool { return target == errNotFoundThere }
