package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

// peer is one known device and the link to it.
//
// keepDialling (one goroutine) sleeps where there is no address, and while a link is up, whoever dialled it.
type peer struct {
	Name   string
	ID     identity.ID
	links  *Links
	ctx    context.Context // set by Links.start
	cancel context.CancelCauseFunc
	wake   chan struct{} // the link has gone, the address is another, or somebody wants to talk
	door   gate          // connections that come from there, before the hello
	pace   pace          // of the messages that come from there
	most   atomic.Uint64 // max_bitrate in bytes a second, the bits of a float64

	// telling is held while one link takes the place of another or of none and while the Handler is told so, so that what
	// it hears is in the order of what has happened. Peers of one name, one after the other, share it.
	telling *sync.Mutex

	mu       sync.Mutex
	address  string
	current  *Link   // the nominated one
	pending  []*Link // agreed, and waiting for the other side to choose; oldest first
	ups      int     // how many links there have been
	failed   error   // why there is none now
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
	return &peer{Name: p.Name, ID: p.ID, address: p.Address, links: ls, wake: make(chan struct{}, 1), door: gate{max: maxGreeting},
		telling: new(sync.Mutex)}
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

// move makes the peer be looked for elsewhere from the next try on.
func (p *peer) move(address string) {
	p.mu.Lock()
	moved := p.address != address
	p.address = address
	p.mu.Unlock()
	if moved {
		p.nudge()
	}
}

// wanted gives the address to dial; "" while there is nothing to dial.
func (p *peer) wanted() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		return ""
	}
	return p.address
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
		address := p.wanted()
		if address == "" {
			select {
			case <-p.wake:
			case <-p.ctx.Done():
			}
			continue
		}
		began, ups := time.Now(), p.upCount()
		err := p.dial(address)
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
		if hopeless(err) {
			p.rest(rareDial/2 + rand.N(rareDial/2))
		} else {
			p.rest(pause.next())
		}
	}
}

// rest waits for the next try, or until it is wanted at once.
func (p *peer) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.wake:
	case <-p.ctx.Done():
	}
}

// dial makes one connection and serves it to its end.
func (p *peer) dial(address string) error {
	// The address is resolved anew at each try: a peer at home changes it with each DHCP lease.
	ctx, cancel := context.WithTimeout(p.ctx, handshakeTime)
	defer cancel()
	conn, err := p.links.cfg.Dial(ctx, "tcp", locate(ctx, avahiSocket, address))
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // it names the address once more
		}
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	return p.links.serveDialled(p, address, conn)
}

// adopt makes l, which the other side has nominated, the link to the peer.
func (p *peer) adopt(l *Link) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.carry(l)
}

// offer is the chooser's decision on a connection that has agreed: it is taken, unless it is the other half of a
// simultaneous dial.
func (p *peer) offer(l *Link) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	if now := p.link(); now != nil && now.ctx.Err() == nil && time.Since(now.began) < youngLink {
		return errReplaced
	}
	if !l.Send(&wire.Nominate{}) {
		return ErrSlow
	}
	p.carry(l)
	return nil
}

// carry lets l carry the link from now on. The caller holds telling.
func (p *peer) carry(l *Link) {
	if p.ctx.Err() != nil || l.ctx.Err() != nil {
		return // it has come to its end meanwhile
	}
	p.mu.Lock()
	old := p.current
	p.current = l
	p.forget(l)
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

// await keeps a connection until the other side has chosen. Two of them are what a simultaneous dial gives, and the choice
// may be either; a third one ends the oldest.
func (p *peer) await(l *Link) {
	l.choice = time.AfterFunc(handshakeTime, func() {
		l.end(fmt.Errorf("%w: not nominated within %v", ErrDead, handshakeTime))
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, l)
	if len(p.pending) > 2 {
		p.pending[0].end(errReplaced)
		p.pending = slices.Delete(p.pending, 0, 1)
	}
}

// forget takes l off those that wait for the other side's choice. The caller holds mu.
func (p *peer) forget(l *Link) {
	p.pending = slices.DeleteFunc(p.pending, func(x *Link) bool { return x == l })
}

// left is called when l has ended.
func (p *peer) left(l *Link, why error) {
	l.stopWaiting()
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	was := p.current == l
	if was {
		p.current = nil
	}
	p.forget(l)
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
	p.mu.Lock()
	if p.current != nil {
		p.mu.Unlock()
		return // another connection that came to nothing
	}
	if p.failed == nil {
		p.failedAt = time.Now()
	}
	p.failed = err
	news := cause(err) != p.told
	p.told = cause(err)
	p.mu.Unlock()
	if news {
		level := slog.LevelWarn
		if bye := (*ByeError)(nil); errors.As(err, &bye) && bye.Code == wire.CodeShutdown {
			level = slog.LevelInfo // it went in order
		}
		p.links.cfg.Log.Log(p.ctx, level, "no link", "peer", p.Name, "err", err)
	}
	if hopeless(err) {
		p.links.cfg.Handler.Refused(p.Name, err)
	}
}

// hopeless says that dialling again will not mend it, but a person.
func hopeless(err error) bool {
	return errors.Is(err, ErrWrongIdentity) || errors.Is(err, ErrRefused) || errors.Is(err, wire.ErrVersion)
}

// rareDial is the longest pause after a hopeless try.
const rareDial = 10 * time.Second
