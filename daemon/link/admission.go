package link

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The way of an accepted connection until its key turns out to be a peer's:
//
//	accept ─▶ waiting ── ClientHello, and its turn ──▶ handshake ──▶ a peer
//	              │                                        │
//	              │ evicted, silent, garbage               ├──▶ refused: reads its Bye
//	              ▼                                        ▼
//	           closed                                   closed
//
// Each of the three rooms is bounded. Strangers cannot keep a peer out, because
//
//   - a peer proves in its ClientHello that it had a link, or knows both ids,
//     and then has rooms and turns that strangers do not have
//     (acquaintance.go),
//   - addresses of which a peer is known have rooms and turns of their own,
//   - a full waiting room evicts at random in the most crowded group of
//     origins: one house or provider prefix only displaces itself. A peer sends
//     its ClientHello with the last packet of TCP's handshake, so it waits for
//     milliseconds, however far away it is,
//   - turns are given to the groups of origins in equal shares, first to those
//     that have not wasted a turn lately. They are limited to a share of one
//     core,
//   - who has had a turn stays for maxHandshaking divided by the rate of turns:
//     half a second at least, for the round trip.
const (
	maxWaiting     = 96   // in each lane
	maxHandshaking = 192  // the same
	maxRefused     = 32   // the same
	maxServed      = 1024 // connections in the rooms, and evicted ones whose goroutine has not ended

	handshakeShare = 0.2 // of a core, for each lane
	maxTurnRate    = 400 // a second
	minTurnRate    = 10
	turnBurst      = 8

	wastedMemory = time.Minute // how long a wasted turn counts
	maxWasted    = 4096        // origins with one
	knownPerPeer = 8           // addresses that are remembered
	shedBatch    = 8           // evicted when the process has no descriptors left
)

// visitor is an accepted connection without a known key.
type visitor struct {
	origin origin
	number uint64 // in the order of moving to the room
	room   *room
	lane   *lane
	ready  bool          // its ClientHello has arrived
	wasted bool          // when it got its turn, its origin had wasted one
	turn   chan struct{} // closed when the handshake may begin
	gone   chan struct{} // closed when it was evicted
	abort  func()        // closes the connection
}

func newVisitor(from origin, abort func()) *visitor {
	return &visitor{origin: from, turn: make(chan struct{}), gone: make(chan struct{}), abort: abort}
}

func (v *visitor) from() origin { return v.origin }

// room is a bounded set of visitors, sorted by origin.
type room []*visitor

// lane is what either strangers, or known addresses, or connections with one
// kind of proof have for themselves.
type lane struct {
	waiting, handshaking, refused room
	turns                         *rate.Limiter
}

// admission decides which connections without a known key are served. It is
// safe for concurrent use.
type admission struct {
	mu               sync.Mutex
	strangers, known lane
	proven           [2]lane             // for proofOfIDs and proofOfPeer
	peers            map[string][]origin // where each peer came from, or is configured; newest first
	wasted           map[origin]time.Time
	timer            *time.Timer // gives the next turns; nil: no connection waits for one
	random           func(n int) int
	moves            uint64 // between rooms
	counts           Visitors
}

// Visitors counts accepted connections whose key is not a peer's, or is not
// known yet.
type Visitors struct {
	Now      int    // connections in the rooms
	Accepted uint64 // connections
	Evicted  uint64 // closed to make room
	Refused  uint64 // with a key that is unknown here
}

// newAdmission returns an admission with a number of turns a second, for each
// lane.
func newAdmission(turnRate float64) *admission {
	newLane := func() lane { return lane{turns: rate.NewLimiter(rate.Limit(turnRate), turnBurst)} }
	return &admission{strangers: newLane(), known: newLane(),
		proven: [...]lane{newLane(), newLane()},
		peers:  map[string][]origin{},
		wasted: map[origin]time.Time{}, random: rand.IntN}
}

// setTurnRate changes the number of turns. It is called before the first
// visitor.
func (a *admission) setTurnRate(turnRate float64) {
	for _, l := range a.lanes() {
		l.turns.SetLimit(rate.Limit(turnRate))
	}
}

// turnRate returns the number of handshakes a second that take handshakeShare
// of a core.
func turnRate(cost time.Duration) float64 {
	return min(max(handshakeShare/max(cost.Seconds(), 1e-6), minTurnRate), maxTurnRate)
}

// enter lets v in, and evicts another visitor if there are too many. It returns
// how long v may take for its ClientHello.
func (a *admission) enter(v *visitor) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Accepted++
	v.lane = &a.strangers
	if a.isKnown(v.origin) {
		v.lane = &a.known
	}
	a.wait(v)
	if len(v.lane.waiting) > maxWaiting/2 {
		return crowdedHelloTimeout
	}
	return handshakeTimeout
}

// wait moves v to the waiting room of its lane. The caller holds mu.
func (a *admission) wait(v *visitor) {
	a.move(v, &v.lane.waiting)
	if len(v.lane.waiting) > maxWaiting {
		a.evictFrom(v.lane.waiting)
	}
}

// await waits until v may begin its handshake. It returns false if v was
// evicted, or ctx has ended.
func (a *admission) await(ctx context.Context, v *visitor, proven proof) bool {
	a.mu.Lock()
	v.ready = true
	if proven != proofOfNothing && v.room != nil {
		v.lane = &a.proven[proven-proofOfIDs]
		a.wait(v)
	}
	a.giveTurns(time.Now())
	a.mu.Unlock()
	select {
	case <-v.turn:
		return true
	case <-v.gone:
		return false
	case <-ctx.Done():
		return false
	}
}

// giveTurns begins as many handshakes as the rate allows. The caller holds mu.
func (a *admission) giveTurns(now time.Time) {
	waits := false
	for _, l := range a.lanes() {
		waits = l.giveTurns(a, now) || waits
	}
	if waits {
		pause := time.Duration(float64(time.Second) / float64(a.known.turns.Limit()))
		if a.timer == nil {
			a.timer = time.AfterFunc(pause, func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.timer = nil
				a.giveTurns(time.Now())
			})
		}
	}
}

func (a *admission) lanes() [4]*lane {
	return [...]*lane{&a.strangers, &a.known, &a.proven[0], &a.proven[1]}
}

// giveTurns reports whether there are more that wait for a turn.
func (l *lane) giveTurns(a *admission, now time.Time) bool {
	for {
		var first, others []*visitor
		for _, v := range l.waiting {
			v.wasted = a.hasWasted(v.origin, now)
			switch {
			case v.ready && !v.wasted:
				first = append(first, v)
			case v.ready:
				others = append(others, v)
			}
		}
		if first == nil {
			first = others
		}
		if first == nil {
			return false
		}
		if !l.turns.AllowN(now, 1) {
			return true
		}
		fair := fairChoice(first, a.random)
		v := fair[a.random(len(fair))]
		a.move(v, &l.handshaking)
		if len(l.handshaking) > maxHandshaking {
			a.evict(l.slowest(v))
		}
		close(v.turn)
	}
}

// slowest returns the visitor to evict in favour of another one: of those that
// had wasted a turn before, or else of all, the oldest in the most crowded
// group. The random choice of the waiting room would be wrong here: turns are
// limited, so each visitor has the same time for its round trip.
func (l *lane) slowest(except *visitor) *visitor {
	var again, all []*visitor
	for _, v := range l.handshaking {
		if v == except {
			continue
		}
		all = append(all, v)
		if v.wasted {
			again = append(again, v)
		}
	}
	if again != nil {
		all = again
	}
	return oldest(mostCrowded(all))
}

func oldest(all []*visitor) *visitor {
	return slices.MinFunc(all, func(a, b *visitor) int { return cmp.Compare(a.number, b.number) })
}

// refuse moves v, whose key is unknown, to those that only read their Bye.
func (a *admission) refuse(v *visitor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.Refused++
	if v.room == nil { // evicted
		return
	}
	a.move(v, &v.lane.refused)
	if len(v.lane.refused) > maxRefused {
		a.evict(oldest(mostCrowded(v.lane.refused)))
	}
}

// pass removes v, whose key is that of a peer.
func (a *admission) pass(v *visitor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.wasted, v.origin)
	a.move(v, nil)
}

// leave removes v, which has ended, unless it has left already.
func (a *admission) leave(v *visitor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(v, time.Now())
}

// shed evicts some strangers: the process has no descriptors left.
func (a *admission) shed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range shedBatch {
		for _, r := range []room{a.strangers.waiting, a.strangers.handshaking, a.known.waiting} {
			if len(r) > 0 {
				a.evictFrom(r)
				break
			}
		}
	}
}

// evictFrom closes a random visitor of the most crowded origins. The caller
// holds mu.
func (a *admission) evictFrom(r room) {
	crowd := mostCrowded(r)
	a.evict(crowd[a.random(len(crowd))])
}

// evict closes a visitor. The caller holds mu.
func (a *admission) evict(v *visitor) {
	a.counts.Evicted++
	a.remove(v, time.Now())
	close(v.gone)
	v.abort()
}

// remove takes v out of its room. The caller holds mu.
func (a *admission) remove(v *visitor, now time.Time) {
	if (v.room == &v.lane.handshaking || v.room == &v.lane.refused) && !a.isKnown(v.origin) {
		if len(a.wasted) >= maxWasted {
			for o := range a.wasted { // a random one
				delete(a.wasted, o)
				break
			}
		}
		a.wasted[v.origin] = now
	}
	a.move(v, nil)
}

func (a *admission) hasWasted(o origin, now time.Time) bool {
	at, ok := a.wasted[o]
	return ok && now.Sub(at) < wastedMemory
}

// move moves v to another room; nil: to none. The caller holds mu.
func (a *admission) move(v *visitor, to *room) {
	a.moves++
	v.number = a.moves
	if v.room != nil {
		i := slices.Index(*v.room, v)
		*v.room = slices.Delete(*v.room, i, i+1)
	}
	if v.room = to; to != nil {
		*to = insertByOrigin(*to, v)
	}
}

// know remembers where a peer is: it came from there, or its configured address
// leads there.
func (a *admission) know(peer string, from ...origin) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range from {
		list := slices.DeleteFunc(a.peers[peer], func(x origin) bool { return x == o })
		list = slices.Insert(list, 0, o)
		a.peers[peer] = list[:min(len(list), knownPerPeer)]
	}
}

// forget drops what is remembered of a peer.
func (a *admission) forget(peer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.peers, peer)
}

func (a *admission) isKnown(o origin) bool {
	for _, list := range a.peers {
		if slices.Contains(list, o) {
			return true
		}
	}
	return false
}

// visitors returns the counters.
func (a *admission) visitors() Visitors {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.counts
	for _, l := range a.lanes() {
		n.Now += len(l.waiting) + len(l.handshaking) + len(l.refused)
	}
	return n
}

// greeting limits the accepted connections of one peer before its hello. When
// there are too many, it closes the oldest. It is safe for concurrent use.
type greeting struct {
	mu    sync.Mutex
	conns []net.Conn // oldest first
}

func (g *greeting) enter(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns = append(g.conns, c); len(g.conns) > maxGreeting {
		_ = g.conns[0].Close()
		g.conns = slices.Delete(g.conns, 0, 1)
	}
}

func (g *greeting) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = slices.DeleteFunc(g.conns, func(x net.Conn) bool { return x == c })
}
