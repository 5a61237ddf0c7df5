package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"vchat/daemon/wire"
)

// peer is one known device and the link to it.
//
// keepDialling (one goroutine, only where there is an address) sleeps while a link is up, whoever dialled it.
type peer struct {
	Peer
	links  *Links
	ctx    context.Context // set by Links.start
	cancel context.CancelCauseFunc
	wake   chan struct{} // the link has gone, or somebody wants to talk

	mu       sync.Mutex
	current  *Link // the nominated one
	pending  *Link // agreed, and waiting for the other side to choose
	ups      int   // how many links there have been
	failed   error // why there is none now
	failedAt time.Time
	told     string // the failure that was logged last
}

// Status is what there is to say about the link to a peer.
type Status struct {
	Up         bool
	Since      time.Time // of Up, or of the last failure
	Reconnects int       // links after the first one
	Err        error     // why it is not up; nil before the first try
	RTT        time.Duration
	Software   string // the peer's program and version
	Sending    Sending
	Receiving  Receiving
}

func newPeer(ls *Links, p Peer) *peer {
	return &peer{Peer: p, links: ls, wake: make(chan struct{}, 1)}
}

func (p *peer) link() *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *peer) status() Status {
	p.mu.Lock()
	l, s := p.current, Status{Reconnects: max(0, p.ups-1), Err: p.failed, Since: p.failedAt}
	p.mu.Unlock()
	if l != nil {
		s.Up, s.Since, s.Err = true, l.began, nil
		s.RTT, s.Software = l.clock.rtt(), l.theirs.Software
		s.Sending, s.Receiving = l.sending(), l.receiving()
	}
	return s
}

func (p *peer) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// stop ends the peer's links and its dialling.
func (p *peer) stop(why error) {
	if p.cancel != nil {
		p.cancel(why)
	}
}

// keepDialling makes a link whenever there is none.
func (p *peer) keepDialling() {
	pause := newBackoff(100*time.Millisecond, 2*time.Second)
	for p.ctx.Err() == nil {
		if p.link() != nil {
			select {
			case <-p.wake:
			case <-p.ctx.Done():
			}
			continue
		}
		began, ups := time.Now(), p.upCount()
		err := p.dial()
		if p.ctx.Err() != nil {
			return
		}
		if p.upCount() != ups && time.Since(began) > youngLink {
			pause.reset() // it was healthy: try again soon
		}
		if p.link() != nil {
			continue // the other side's connection was chosen
		}
		p.fail(err)
		p.rest(pause)
	}
}

// rest waits for the next try, or until it is wanted at once.
func (p *peer) rest(pause *backoff) {
	t := time.NewTimer(pause.next())
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.wake:
	case <-p.ctx.Done():
	}
}

// dial makes one connection and serves it to its end.
func (p *peer) dial() error {
	// The address is resolved anew at each try: a peer at home changes it with each DHCP lease.
	ctx, cancel := context.WithTimeout(p.ctx, handshakeTime)
	defer cancel()
	conn, err := p.links.cfg.Dial(ctx, "tcp", p.Address)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // it names the address once more
		}
		return fmt.Errorf("connect to %s: %w", p.Address, err)
	}
	return p.links.serveDialled(p, conn)
}

// adopt makes l, which one side has nominated, the link to the peer.
func (p *peer) adopt(l *Link) {
	p.mu.Lock()
	old := p.current
	p.current = l
	if p.pending == l {
		p.pending = nil
	}
	p.ups++
	p.failed, p.told = nil, ""
	l.nominated = true
	p.mu.Unlock()
	l.stopWaiting()
	if old != nil {
		old.end(errReplaced)
	}
	p.links.cfg.Log.Info("link up", "peer", p.Name, "address", l.Remote(), "dialled_by", l.dialledBy(), "software", l.theirs.Software)
	p.links.cfg.Handler.Up(l)
}

// offer is the chooser's decision on a connection that has agreed: it is taken, unless it is the other half of a
// simultaneous dial.
func (p *peer) offer(l *Link) error {
	p.mu.Lock()
	young := p.current != nil && time.Since(p.current.began) < youngLink
	p.mu.Unlock()
	if young {
		return errReplaced
	}
	if !l.Send(&wire.Nominate{}) {
		return ErrSlow
	}
	p.adopt(l)
	return nil
}

// await keeps a connection until the other side has chosen. There is at most one such: a newer one ends the older.
func (p *peer) await(l *Link) {
	p.mu.Lock()
	old := p.pending
	p.pending = l
	p.mu.Unlock()
	if old != nil {
		old.end(errReplaced)
	}
	l.choice = time.AfterFunc(handshakeTime, func() {
		l.end(fmt.Errorf("%w: not nominated within %v", ErrDead, handshakeTime))
	})
}

// left is called when l has ended.
func (p *peer) left(l *Link, why error) {
	l.stopWaiting()
	p.mu.Lock()
	was := p.current == l
	if was {
		p.current = nil
	}
	if p.pending == l {
		p.pending = nil
	}
	p.mu.Unlock()
	if was {
		p.fail(why)
		if !l.dialled {
			p.nudge() // the other side's connection has gone: now it is our turn, too
		}
	}
	if l.nominated {
		p.links.cfg.Handler.Down(l, why)
	}
}

func (p *peer) upCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ups
}

// fail remembers why there is no link and logs each cause once.
func (p *peer) fail(err error) {
	if err == nil || errors.Is(err, errReplaced) || p.ctx.Err() != nil {
		return
	}
	refused := errors.Is(err, ErrWrongIdentity) || errors.Is(err, ErrRefused) || errors.Is(err, wire.ErrVersion)
	p.mu.Lock()
	if p.failed == nil {
		p.failedAt = time.Now()
	}
	p.failed = err
	news := cause(err) != p.told
	p.told = cause(err)
	p.mu.Unlock()
	if news {
		p.links.cfg.Log.Warn("no link", "peer", p.Name, "err", err)
	}
	if refused {
		p.links.cfg.Handler.Refused(p.Name, err)
	}
}
