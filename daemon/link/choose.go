package link

import (
	"fmt"
	"slices"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Which of several connections carries is one device's choice (PROTOCOL.md, section 3). A connection that has said hello
// beside a link was made because one of the two sides does not hear the other there, or because both dialled at the same
// moment:
//
//	none carries, or it is suspect here too ── the new one is taken: its hello has come through, and from the old one nothing
//	the link is young                       ── the new one goes: it is the other half of a simultaneous dial
//	else                                    ── both are pinged, and the first that answers is taken
//
// A slow network does not make links flap: what was sent on the old connection arrives before the new one's third round trip.

// offer is the chooser's decision on a connection that has agreed. The error ends it.
func (p *peer) offer(l *Link) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	now := p.link()
	switch {
	case now == nil, now.ctx.Err() != nil, now.conn.Stale():
		return p.take(l)
	case time.Since(now.began) < youngLink:
		return errReplaced
	}
	p.await(l)
	p.mu.Lock()
	p.racing = frame.Now()
	p.mu.Unlock()
	now.probe()
	l.probe()
	return nil
}

// answered hears of a pong for the ping that l has sent at t1: it may decide a race.
func (p *peer) answered(l *Link, t1 time.Duration) error {
	if !l.chooses() || !p.decides(l, t1) {
		return nil
	}
	p.telling.Lock()
	defer p.telling.Unlock()
	switch {
	case !p.decides(l, t1): // somebody else was faster
	case p.link() != l:
		return p.take(l)
	default:
		p.dismiss()
	}
	return nil
}

// decides says whether such an answer wins the race between current and pending.
func (p *peer) decides(l *Link, t1 time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.pending, l) || p.current == l && len(p.pending) > 0 && t1 >= p.racing
}

// take nominates l. The caller holds telling.
func (p *peer) take(l *Link) error {
	if !l.Send(&wire.Nominate{}) {
		return ErrSlow
	}
	if p.carry(l) {
		p.dismiss()
	}
	return nil
}

// adopt makes l, which the other side has nominated, the link to the peer.
func (p *peer) adopt(l *Link) {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.carry(l)
}

// carry lets l carry the link from now on, unless it has come to its end meanwhile. The caller holds telling.
func (p *peer) carry(l *Link) bool {
	if p.ctx.Err() != nil || l.ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	old := p.current
	p.current = l
	p.forget(l)
	p.ups++
	p.failed, p.told = nil, nil
	if p.book.last = l.Remote(); l.dialled {
		p.book.good = p.book.last
	}
	l.nominated = true
	p.mu.Unlock()
	l.stopWaiting()
	if old != nil {
		old.end(errReplaced)
	}
	p.poke()
	p.links.cfg.Log.Info("link up", "peer", p.Name, "address", l.Remote(), "dialled_by", l.dialledBy(), "software", l.theirs.Software)
	p.links.cfg.Handler.Up(l)
	return true
}

// await keeps a connection until one is chosen. Each side may have several under way; beyond maxGreeted the oldest goes.
func (p *peer) await(l *Link) {
	l.choice = time.AfterFunc(handshakeTime, func() {
		l.end(fmt.Errorf("%w: not chosen within %v", ErrDead, handshakeTime))
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = append(p.pending, l)
	if len(p.pending) > maxGreeted {
		p.pending[0].end(errReplaced)
		p.pending = slices.Delete(p.pending, 0, 1)
	}
}

// dismiss ends the connections that were not chosen. That is the chooser's part: what the other side ended by itself
// might be the one that was chosen just now.
func (p *peer) dismiss() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.pending {
		l.end(errReplaced)
	}
	p.pending = nil
}

// forget takes l off those that wait for a choice. The caller holds mu.
func (p *peer) forget(l *Link) {
	p.pending = slices.DeleteFunc(p.pending, func(x *Link) bool { return x == l })
}
