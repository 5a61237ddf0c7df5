package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/resolve"
)

// attempt is one walk through the addresses of a peer. One goroutine runs it, and starts one for each connection and one
// that looks up the name.
type attempt struct {
	peer    *peer
	tries   *atomic.Int32 // of all attempts: connections under way
	patient bool
	address string   // as configured
	waiting []string // to be tried, best first
	tried   []string
	failed  error
}

type found struct {
	addresses []string
	err       error
}

// run makes connections until all have ended, or ctx. It returns why there is no link. A connection that has said hello lives
// on: it is for the chooser to end it.
func (a *attempt) run(ctx context.Context) error {
	limit := hasteTime
	if a.patient {
		limit = 2 * handshakeTime // the first for the name
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	ended, agreed := make(chan error), make(chan struct{})
	enough := sync.OnceFunc(func() { close(agreed) })
	greeted := (<-chan struct{})(agreed)
	var looked <-chan found
	if a.patient {
		looked = a.look(ctx)
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for running := 0; looked != nil || running > 0 || len(a.waiting) > 0; {
		var start <-chan time.Time
		if len(a.waiting) > 0 {
			start = next.C
		}
		select {
		case f := <-looked:
			looked = nil
			a.learn(f)
		case <-start:
			running++
			address := a.waiting[0]
			a.waiting, a.tried = a.waiting[1:], append(a.tried, address)
			a.peer.links.work.Go(func() {
				err := a.try(ctx, address, enough)
				select {
				case ended <- err:
				case <-over:
				}
			})
			next.Reset(addressDelay)
		case err := <-ended:
			running--
			a.note(err)
			next.Reset(0)
		case <-greeted: // the peer is there
			greeted, looked, a.waiting = nil, nil, nil
		case <-ctx.Done():
			a.note(fmt.Errorf("connect to %s: %w", a.address, classify(ctx.Err())))
			return a.failed
		}
	}
	return a.failed
}

// look asks for the addresses each time: a peer at home changes its own with each DHCP lease.
func (a *attempt) look(ctx context.Context) <-chan found {
	answer := make(chan found, 1)
	a.peer.links.work.Go(func() {
		all, err := resolve.Addresses(ctx, a.peer.links.cfg.Lookup, a.address)
		answer <- found{all, err}
	})
	return answer
}

// learn takes the addresses that a name has now.
func (a *attempt) learn(f found) {
	if f.err != nil {
		a.note(f.err)
		return
	}
	p := a.peer
	p.mu.Lock()
	if p.book.address == a.address {
		p.book.known = f.addresses
	}
	p.mu.Unlock()
	for _, x := range f.addresses {
		if !slices.Contains(a.tried, x) && !slices.Contains(a.waiting, x) {
			a.waiting = append(a.waiting, x)
		}
	}
}

// note keeps the error that says best why there is no link: what will pass by itself at one address counts for more than
// a stranger who answers at another one.
func (a *attempt) note(err error) {
	if err != nil && (a.failed == nil || hopeless(a.failed) && !hopeless(err)) {
		a.failed = err
	}
}

// try makes one connection and serves it to its end. It calls agreed once that has said and heard hello.
func (a *attempt) try(ctx context.Context, address string, agreed func()) error {
	a.tries.Add(1)
	done := sync.OnceFunc(func() { a.tries.Add(-1) })
	defer done()
	where := a.address
	if address != where {
		where += " (" + address + ")"
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	conn, err := a.peer.links.cfg.Dial(ctx, "tcp", address)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // it names the address once more
		}
		return fmt.Errorf("connect to %s: %w", where, err)
	}
	return a.peer.links.serveDialled(ctx, a.peer, where, conn, func() { done(); agreed() })
}
