package call

import (
	"maps"
	"slices"
	"time"
)

// MaxRing is the longest that a caller may let it ring.
const MaxRing = time.Hour

const (
	// defaultReach is Config.ReachTimeout where none is given.
	defaultReach = 10 * time.Second
	// guardRing ends a call that rings here although its caller should have given up. How long it rings is the
	// caller's choice; this is for a caller that has none, so it must outlast the longest.
	guardRing = MaxRing + time.Minute
	// inviteAgain is how long after a new link an unanswered caller may take to say that it still calls.
	inviteAgain = 2 * time.Second
)

// Config is what the calls go by. Config is copied: changes take effect through the event Configure.
type Config struct {
	Max          int           // calls at once; below 1 means 1
	RingTimeout  time.Duration // how long an outgoing call rings; below 1 ns means 30 s
	ResumeFor    time.Duration // how long a call survives without a link; 0: not at all
	ReachTimeout time.Duration // how long a call that is not answered waits for a link; below 1 ns means 10 s

	// DoNotDisturb turns new incoming calls away, those of AutoAnswer too. Calls that exist, and the invite of a peer
	// that is being called from here, are not touched.
	DoNotDisturb bool

	AutoAnswer map[string]bool // peers whose calls are answered at once
	Known      map[string]bool // peers there are; messages of others are ignored
}

func (cfg Config) normal() Config {
	cfg.Max = max(cfg.Max, 1)
	if cfg.RingTimeout <= 0 {
		cfg.RingTimeout = 30 * time.Second
	}
	cfg.RingTimeout = min(cfg.RingTimeout, MaxRing)
	cfg.ResumeFor = max(cfg.ResumeFor, 0)
	if cfg.ReachTimeout <= 0 {
		cfg.ReachTimeout = defaultReach
	}
	cfg.AutoAnswer = maps.Clone(cfg.AutoAnswer)
	cfg.Known = maps.Clone(cfg.Known)
	return cfg
}

// Calls holds the calls of this device. It is not safe for concurrent use: one goroutine owns it.
type Calls struct {
	cfg   Config
	calls []*live          // oldest first
	up    map[string]bool  // peers with a link
	gone  map[string][]end // the latest ended calls of each peer
	saved []Saved          // what the last Save was about

	actions []Action // of the step under way
}

// live is a call that has not ended.
type live struct {
	Call
	ids     []ID          // every id that means this call, smallest first; the first one is Call.ID
	ringFor time.Duration // outgoing: how long it may ring
	rang    bool          // outgoing: it has begun to ring there
	why     string        // why there is no link

	// When what runs out; zero where it does not run.
	ringBy   time.Time // the answer
	reachBy  time.Time // a link, while unanswered
	inviteBy time.Time // incoming: the caller's invite on the new link
	resumeBy time.Time // the peer's word, while resuming
}

// New makes the calls of a device that is in none.
func New(cfg Config) *Calls {
	return &Calls{cfg: cfg.normal(), up: map[string]bool{}, gone: map[string][]end{}}
}

// Step takes an event and gives what is to be done about it, in order. The error answers a user's command (Dial,
// Answer, Reject, Hangup) and is nil for every other event; there may be actions beside it. now never runs backwards.
func (c *Calls) Step(ev Event, now time.Time) ([]Action, error) {
	// What has run out is over before anything else happens, however late the Tick.
	c.expire(now)
	err := c.handle(ev, now)
	c.expire(now)
	return c.finish(), err
}

func (c *Calls) handle(ev Event, now time.Time) error {
	switch ev := ev.(type) {
	case Dial:
		return c.dial(ev, now)
	case Answer:
		return c.answer(ev.Peer, now)
	case Reject:
		return c.reject(ev.Peer, now)
	case Hangup:
		return c.hangup(ev.Peer, now)
	case LinkUp:
		c.linkUp(ev.Peer, now)
	case LinkDown:
		c.linkDown(ev, now)
	case Refused:
		c.refused(ev, now)
	case Configure:
		c.configure(ev.Config, now)
	default:
		c.receive(ev, now)
	}
	return nil
}

// finish gives the actions of the step that ends.
func (c *Calls) finish() []Action {
	if saved := c.Saved(); !slices.EqualFunc(saved, c.saved, Saved.equal) {
		c.saved = saved
		c.actions = append(c.actions, Save{})
	}
	actions := c.actions
	c.actions = nil
	return actions
}

// Deadline is when to Step(Tick{}) if nothing happens before; false means never. After a step it is in the future.
func (c *Calls) Deadline() (time.Time, bool) {
	var first time.Time
	for _, l := range c.calls {
		first = earlier(first, l.until())
	}
	return first, !first.IsZero()
}

// List gives the calls there are, oldest first.
func (c *Calls) List() []Call {
	list := make([]Call, len(c.calls))
	for i, l := range c.calls {
		list[i] = l.snapshot()
	}
	return list
}

// Get gives the call with a peer.
func (c *Calls) Get(peer string) (Call, bool) {
	if l := c.find(peer); l != nil {
		return l.snapshot(), true
	}
	return Call{}, false
}

func (c *Calls) find(peer string) *live {
	for _, l := range c.calls {
		if l.Peer == peer {
			return l
		}
	}
	return nil
}

func (c *Calls) expire(now time.Time) {
	for _, l := range slices.Clone(c.calls) {
		if until := l.until(); until.IsZero() || now.Before(until) {
			continue
		}
		switch over := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }; {
		case l.State == Resuming:
			c.end(l, LostTooLong, Local, l.why, now)
		case over(l.inviteBy):
			c.end(l, Cancelled, Remote, "", now)
		case over(l.reachBy) || !c.up[l.Peer]:
			c.end(l, Unreachable, Local, l.why, now)
		default:
			c.end(l, NoAnswer, Local, "", now)
		}
	}
}

// enter brings a call into a state and tells of it. Times that run are the caller's to set.
func (c *Calls) enter(l *live, state State, now time.Time) {
	l.State, l.Since = state, now
	c.changed(l)
}

func (c *Calls) changed(l *live) { c.actions = append(c.actions, Changed{l.snapshot()}) }

// send gives a message to the peer's link. Without one nothing is lost: see linkUp.
func (c *Calls) send(peer string, kind Kind, id ID) {
	if c.up[peer] {
		c.actions = append(c.actions, Send{Peer: peer, Kind: kind, ID: id})
	}
}

func (l *live) has(id ID) bool { return slices.Contains(l.ids, id) }

// maxIDs bounds the ids of one call. Glare makes two; each time that a peer loses its calls and dials again adds one.
const maxIDs = 4

// adopt makes an id mean this call too, and says whether the call is named otherwise now.
func (l *live) adopt(id ID) bool {
	at, known := slices.BinarySearchFunc(l.ids, id, ID.Compare)
	if known {
		return false
	}
	l.ids = slices.Insert(l.ids, at, id)
	l.ids = l.ids[:min(len(l.ids), maxIDs)]
	l.ID = l.ids[0]
	return at == 0
}

func (l *live) until() time.Time {
	return earlier(earlier(l.ringBy, l.reachBy), earlier(l.inviteBy, l.resumeBy))
}

func (l *live) snapshot() Call {
	s := l.Call
	s.Until = l.until()
	return s
}

// earlier gives the earlier of two times, of which a zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
