package link

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vchat/daemon/identity"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// peer is one known device and the link to it.
type peer struct {
	Name   string
	ID     identity.ID
	links  *Links
	ctx    context.Context // set by Links.start
	cancel context.CancelCauseFunc
	wake   chan struct{}      // something has changed that decides on dialling
	wanted atomic.Bool        // a call waits for the link, or is on it
	door   gate               // connections that come from there, before the hello
	pace   pace               // of the messages that come from there
	bytes  transport.Counters // over all links there have been
	most   atomic.Uint64      // max_bitrate in bytes a second, the bits of a float64

	// telling is held while one link takes the place of another or of none and while the Handler is told so, so that what
	// it hears is in the order of what has happened. Peers of one name, one after the other, share it.
	telling *sync.Mutex

	mu       sync.Mutex
	book     book
	current  *Link         // the nominated one
	pending  []*Link       // agreed, and not chosen yet; oldest first
	racing   time.Duration // when (frame.Now) the last of pending was sent into a race with current
	ups      int           // how many links there have been
	pause    *backoff
	notUntil time.Time // an attempt before that would be too soon after what has failed
	failed   error     // why there is no link now
	failedAt time.Time
	told     map[string]bool // the failures that were logged since there was one
}

// Status is what there is to say about the link to a peer.
type Status struct {
	Up         bool
	Since      time.Time     // of Up, or of the last failure
	Reconnects int           // links after the first one
	Err        error         // why it is not up; nil before the first try
	RTT        time.Duration // of the last heartbeat
	RTTLeast   time.Duration // of the last heartbeats
	Offset     time.Duration // of the peer's CLOCK_MONOTONIC, above ours; as far as RTTLeast/2 from the truth
	Sent       uint64        // bytes, over all links since the start, with those of TLS
	Received   uint64
	Software   string // the peer's program and version
	Sending    Sending
	Receiving  Receiving
}

func newPeer(ls *Links, p Peer) *peer {
	return &peer{Name: p.Name, ID: p.ID, book: book{address: p.Address}, links: ls, wake: make(chan struct{}, 1),
		door: gate{max: maxGreeting}, telling: new(sync.Mutex), pause: newBackoff(100*time.Millisecond, 2*time.Second)}
}

func (p *peer) link() *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *peer) status() Status {
	p.mu.Lock()
	l, s := p.current, Status{Reconnects: max(0, p.ups-1), Err: p.failed, Since: p.failedAt,
		Sent: p.bytes.Out.Load(), Received: p.bytes.In.Load()}
	p.mu.Unlock()
	if l != nil {
		s.Up, s.Since, s.Err = true, l.began, nil
		s.RTT, s.RTTLeast, s.Offset = l.clock.measured()
		s.Software = l.theirs.Software
		s.Sending, s.Receiving = l.sent.sending(), l.received.receiving()
	}
	return s
}

// want says whether a call waits for the link or is on it: then it is watched closely, and dialled in haste.
func (p *peer) want(on bool) {
	if p.wanted.Swap(on) == on {
		return
	}
	if on {
		p.nudge()
		if l := p.link(); l != nil {
			l.probe()
		}
		return
	}
	p.poke()
}

// nudge dials at once, if there is anything to dial.
func (p *peer) nudge() {
	p.mu.Lock()
	p.notUntil = time.Time{}
	p.mu.Unlock()
	p.poke()
}

// moved hears that the network is not what it was: what is up may be dead, and what could not be reached may be there.
func (p *peer) moved() {
	if l := p.link(); l != nil {
		l.probe()
	}
	p.nudge()
}

func (p *peer) poke() {
	poke(p.wake)
}

// move makes the peer be looked for elsewhere from the next try on.
func (p *peer) move(address string) {
	p.mu.Lock()
	moved := p.book.address != address
	if moved {
		p.book = book{address: address}
	}
	p.mu.Unlock()
	if moved {
		p.nudge()
	}
}

// stop ends the peer's links and its dialling.
func (p *peer) stop(why error) {
	if p.cancel != nil {
		p.cancel(why)
	}
}

// patience is how much silence makes a link suspect: without a call it is not worth another connection, and pings are rare.
func (p *peer) patience() time.Duration {
	if p.wanted.Load() {
		return transport.StaleTimeout
	}
	return transport.DeadTimeout
}

// rhythm is the pause between two pings.
func (p *peer) rhythm() time.Duration {
	if p.wanted.Load() {
		return pingOften
	}
	return pingEvery
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
		p.notUntil = p.afterLoss(l, why)
	}
	p.forget(l)
	p.mu.Unlock()
	if was {
		p.fail(why)
		p.poke()
	}
	if l.nominated {
		p.links.cfg.Handler.Down(l, why)
	}
}

// afterLoss says when to dial again. The caller holds mu.
func (p *peer) afterLoss(l *Link, why error) time.Time {
	if errors.Is(why, ErrDead) {
		return time.Time{} // it was dialled already while it was suspect
	}
	if time.Since(l.began) > youngLink {
		p.pause.reset() // it was healthy
	}
	return time.Now().Add(p.pause.next())
}

// fail remembers why there is no link and logs each cause once.
func (p *peer) fail(err error) {
	if err == nil || errors.Is(err, errReplaced) || errors.Is(err, context.Canceled) || p.ctx.Err() != nil {
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
	why := cause(err)
	news := !p.told[why] && len(p.told) < maxCauses
	if news {
		if p.told == nil {
			p.told = map[string]bool{}
		}
		p.told[why] = true
	}
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

// maxCauses is how many lines one outage is worth.
const maxCauses = 8

// hopeless says that dialling again will not mend it, but a person.
func hopeless(err error) bool {
	return errors.Is(err, ErrWrongIdentity) || errors.Is(err, ErrRefused) || errors.Is(err, wire.ErrVersion)
}
