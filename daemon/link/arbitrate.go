package link

import (
	"fmt"
	"slices"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// The arbiter, which is the device with the smaller id, decides which of
// several connections becomes the link (PROTOCOL.md, section 3). A second
// connection appears when one side receives nothing on the first, or when both
// sides dial at once:
//
//	no link, or a stale one ── nominate the new one: its hello has arrived
//	link on a worse path    ── nominate the new one (path.go)
//	link on a better path   ── close the new one
//	link younger than 1 s   ── close the new one: both sides have dialled
//	otherwise               ── ping both, nominate the first that answers
//
// A slow network does not cause flapping: what was sent on the old connection
// arrives before the third round trip of the new.

// arbitrate decides about l, which has exchanged hellos. An error ends l.
func (p *peer) arbitrate(l *Link) error {
	p.switching.Lock()
	defer p.switching.Unlock()
	current := p.link()
	switch {
	case current == nil, current.ctx.Err() != nil, current.conn.Stale():
		return p.nominate(l)
	case l.route.path < current.route.path:
		return p.nominate(l)
	case l.route.path > current.route.path, time.Since(current.since) < simultaneousDial:
		return errReplaced
	}
	p.waitForNomination(l)
	p.mu.Lock()
	p.raceStart = frame.Now()
	p.mu.Unlock()
	current.probe()
	l.probe()
	return nil
}

// onPong handles the answer to the ping that l has sent at t1. It may end a
// race.
func (p *peer) onPong(l *Link, t1 time.Duration) error {
	if !l.isArbiter() || !p.winsRace(l, t1) {
		return nil
	}
	p.switching.Lock()
	defer p.switching.Unlock()
	switch {
	case !p.winsRace(l, t1): // another connection was faster
	case p.link() != l:
		return p.nominate(l)
	default:
		p.closeLosers()
	}
	return nil
}

// winsRace reports whether l's answer to a ping sent at t1 makes it win against
// the other connections.
func (p *peer) winsRace(l *Link, t1 time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.pending, l) || p.current == l && len(p.pending) > 0 && t1 >= p.raceStart
}

// nominate makes l the link, as the arbiter. The caller holds switching.
func (p *peer) nominate(l *Link) error {
	if !l.Send(&wire.Nominate{}) {
		return ErrSlow
	}
	if p.activate(l) {
		p.closeLosers()
	}
	return nil
}

// onNominated makes l the link, as the arbiter has decided.
func (p *peer) onNominated(l *Link) {
	p.switching.Lock()
	defer p.switching.Unlock()
	p.activate(l)
}

// activate makes l the link. It returns false if l has ended in the meantime.
// The caller holds switching.
func (p *peer) activate(l *Link) bool {
	if p.ctx.Err() != nil || l.ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	old := p.current
	p.current = l
	p.noteInstance()
	p.removePending(l)
	p.linkCount++
	p.lastErr, p.mismatch = nil, mismatch{}
	isNew := p.outage.end(time.Now())
	isMove := old != nil && old.route.path != l.route.path
	if isMove && l.route.path < old.route.path && old.ctx.Err() == nil {
		l.previous, l.before = old, old
	}
	switch {
	case l.route.path != PathDirect:
	case !l.dialled:
		p.book.lastRemote = l.Remote()
	case p.book.isFound(l.Remote()):
		p.book.foundGood, p.book.lastRemote = l.Remote(), l.Remote()
	default:
		p.book.lastGood, p.book.lastRemote = l.Remote(), l.Remote()
	}
	if l.route.path == PathDirect {
		p.directErr = nil
	}
	l.nominated = true
	p.mu.Unlock()
	l.stopNominationTimer()
	if l.route.path == PathDirect { // that of a relay or proxy is the address of strangers, too
		p.links.admission.know(p.Name, originOf(l.conn.RemoteAddr()))
	}
	if old != nil {
		old.draining.Store(l.previous == old)
		old.end(errReplaced)
	}
	p.wakeDialer()
	switch {
	case isNew:
		p.links.cfg.Log.Info("link up", append([]any{"peer", p.Name}, l.logAttrs()...)...)
	case isMove:
		p.moves.Do(func() {
			p.links.cfg.Log.Info("link moved", append([]any{"peer", p.Name, "from", old.route.path},
				l.logAttrs()...)...)
		})
	}
	p.links.cfg.Handler.Up(l)
	return true
}

// waitForNomination keeps a connection until one is nominated. Each side may
// have several; beyond maxPending the oldest is closed.
func (p *peer) waitForNomination(l *Link) {
	l.nominationTimer = time.AfterFunc(handshakeTimeout, func() {
		l.end(fmt.Errorf("%w: not nominated within %v", ErrDead, handshakeTimeout))
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, l)
	if len(p.pending) > maxPending {
		p.pending[0].end(errReplaced)
		p.pending = slices.Delete(p.pending, 0, 1)
	}
}

// closeLosers ends the connections that were not nominated. Only the arbiter
// calls it: the peer might close the one that was just nominated.
func (p *peer) closeLosers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.pending {
		l.end(errReplaced)
	}
	p.pending = nil
}

// removePending removes l from the pending connections. The caller holds mu.
func (p *peer) removePending(l *Link) {
	p.pending = slices.DeleteFunc(p.pending, func(x *Link) bool { return x == l })
}
