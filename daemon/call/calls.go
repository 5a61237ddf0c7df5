package call

import (
	"maps"
	"slices"
	"time"
)

// MaxRing is the longest ring timeout.
const MaxRing = time.Hour

const (
	// defaultReachTimeout is the default of Config.ReachTimeout.
	defaultReachTimeout = 10 * time.Second
	// maxIncomingRing ends a call that still rings here when the caller must
	// have given up. The caller chooses the ring timeout, so this is above its
	// maximum.
	maxIncomingRing = MaxRing + time.Minute
	// inviteTimeout is how long a caller may take to repeat Invite on a new
	// link.
	inviteTimeout = 2 * time.Second
)

// Config configures Calls, which copies it. To change it, use the event
// Configure.
type Config struct {
	Max          int           // calls at once, without those that ring here; below 1: 1
	RingTimeout  time.Duration // of an outgoing call, at most MaxRing; 0 or less: 30 s
	ResumeFor    time.Duration // how long a call survives without a link; 0: not at all
	ReachTimeout time.Duration // how long an unanswered call waits for a link; 0 or less: 10 s

	// DoNotDisturb refuses new incoming calls, even from AutoAnswer peers. It
	// does not affect existing calls, nor the invite of a peer that is being
	// called.
	DoNotDisturb bool

	AutoAnswer map[string]bool // peers whose calls are answered automatically
	Known      map[string]bool // known peers; messages of others are ignored
}

func (cfg Config) normalized() Config {
	cfg.Max = max(cfg.Max, 1)
	if cfg.RingTimeout <= 0 {
		cfg.RingTimeout = 30 * time.Second
	}
	cfg.RingTimeout = min(cfg.RingTimeout, MaxRing)
	cfg.ResumeFor = max(cfg.ResumeFor, 0)
	if cfg.ReachTimeout <= 0 {
		cfg.ReachTimeout = defaultReachTimeout
	}
	cfg.AutoAnswer = maps.Clone(cfg.AutoAnswer)
	cfg.Known = maps.Clone(cfg.Known)
	return cfg
}

// Calls is the set of calls of this device. It is not safe for concurrent use:
// one goroutine owns it.
type Calls struct {
	cfg   Config
	calls []*live          // oldest first
	up    map[string]bool  // peers with a link
	ended map[string][]end // the latest ended calls of each peer
	saved []Saved          // as of the last Save

	unanswered map[string]unanswered // by peer

	actions []Action // of the current step
}

// live is a call that has not ended.
type live struct {
	Call
	ids         []ID          // every id of this call, smallest first; the first one is Call.ID
	ringTimeout time.Duration // outgoing
	hasRung     bool          // outgoing: it has already rung at the peer
	byUser      bool          // incoming: the user has answered it
	linkErr     string        // why there is no link

	// Timers; zero if stopped.
	ringDeadline   time.Time // for the answer
	reachDeadline  time.Time // for a link, while unanswered
	inviteDeadline time.Time // incoming: for the caller's Invite on a new link
	resumeDeadline time.Time // for a message of the peer, while resuming
}

// New returns the calls of a device, initially none.
func New(cfg Config) *Calls {
	return &Calls{cfg: cfg.normalized(), up: map[string]bool{}, ended: map[string][]end{},
		unanswered: map[string]unanswered{}}
}

// Step processes an event and returns the actions to perform, in order. The
// error is the result of a command (Dial, Answer, Reject, Hangup), and nil for
// other events. There may be actions along with an error. now must not
// decrease.
func (c *Calls) Step(ev Event, now time.Time) ([]Action, error) {
	// Timeouts come first, however late the Tick is.
	c.expire(now)
	err := c.handle(ev, now)
	c.expire(now)
	return c.takeActions(), err
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

// takeActions returns the actions of the current step.
func (c *Calls) takeActions() []Action {
	if saved := c.Saved(); !slices.EqualFunc(saved, c.saved, Saved.equal) {
		c.saved = saved
		c.actions = append(c.actions, Save{})
	}
	actions := c.actions
	c.actions = nil
	return actions
}

// Deadline returns when to call Step(Tick{}) unless another event comes first;
// ok is false if never. After a step the deadline is in the future.
func (c *Calls) Deadline() (at time.Time, ok bool) {
	var first time.Time
	for _, l := range c.calls {
		first = earliest(first, l.until())
	}
	return first, !first.IsZero()
}

// List returns the current calls, oldest first.
func (c *Calls) List() []Call {
	list := make([]Call, len(c.calls))
	for i, l := range c.calls {
		list[i] = l.snapshot()
	}
	return list
}

// Get returns the call with a peer.
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

// full reports whether the limit of calls is reached. A call that rings here
// does not count: no peer can keep this device from calling, or another peer
// from ringing.
func (c *Calls) full() bool {
	n := 0
	for _, l := range c.calls {
		if l.State != Incoming {
			n++
		}
	}
	return n >= c.cfg.Max
}

func (c *Calls) expire(now time.Time) {
	for _, l := range slices.Clone(c.calls) {
		if until := l.until(); until.IsZero() || now.Before(until) {
			continue
		}
		switch expired := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }; {
		case l.State == Resuming:
			c.end(l, LostTooLong, Local, l.linkErr, now)
		case expired(l.inviteDeadline):
			c.end(l, Cancelled, Remote, "", now)
		case expired(l.reachDeadline) || !c.up[l.Peer]:
			c.end(l, Unreachable, Local, l.linkErr, now)
		default:
			c.end(l, NoAnswer, Local, "", now)
		}
	}
}

// enter changes the state of a call and reports it. The caller sets the timers.
func (c *Calls) enter(l *live, state State, now time.Time) {
	l.State, l.Since = state, now
	c.changed(l)
}

func (c *Calls) changed(l *live) { c.actions = append(c.actions, Changed{l.snapshot()}) }

// send sends a message over the link. Without a link it does nothing: linkUp
// sends the state.
func (c *Calls) send(peer string, kind Kind, id ID) {
	if c.up[peer] {
		c.actions = append(c.actions, Send{Peer: peer, Kind: kind, ID: id})
	}
}

func (l *live) has(id ID) bool { return slices.Contains(l.ids, id) }

// maxIDs bounds the ids of a call. Glare causes two. Each time the peer loses
// its calls and dials again, there is one more.
const maxIDs = 4

// adopt adds an id to this call. It reports whether Call.ID has changed.
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
	return earliest(earliest(l.ringDeadline, l.reachDeadline), earliest(l.inviteDeadline, l.resumeDeadline))
}

func (l *live) snapshot() Call {
	s := l.Call
	s.Until = l.until()
	return s
}

// earliest returns the earlier of two times; zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
