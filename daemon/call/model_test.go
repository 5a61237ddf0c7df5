package call

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The model has two devices, one link that is cut and restored, and messages in
// flight in each direction. A link is reliable and ordered while it exists. A
// cut loses the messages in flight. Each side detects it at its own time, or
// only by the next link.

var (
	modelDepth = flag.Int("model.depth", 9, "steps of the exhaustive model test")
	modelSeeds = flag.Uint64("model.seeds", 3000, "runs of the random model test")
)

type world struct {
	now   time.Time
	link  int // the current link; 0: none
	links int // number of links so far
	sides [2]*side
	// mayEnd is true if an event other than a link event may have ended a call.
	mayEnd bool
}

type side struct {
	*Calls
	peer  string
	link  int      // the link that is up for this side; 0: none
	queue []queued // sent to this side
	ids   []ID     // for Dial, first to last
}

type queued struct {
	link int
	ev   Event
}

func modelConfig(peer string) Config {
	cfg := config()
	cfg.Known = map[string]bool{peer: true}
	return cfg
}

func newWorld(ids [2][]ID) *world {
	w := &world{now: t0}
	for i, peer := range []string{"b", "a"} {
		w.sides[i] = &side{Calls: New(modelConfig(peer)), peer: peer, ids: ids[i]}
	}
	return w
}

func (w *world) clone() *world {
	c := *w
	for i, s := range w.sides {
		n := *s
		n.queue, n.Calls = slices.Clone(s.queue), s.Calls.clone()
		c.sides[i] = &n
	}
	return &c
}

func (c *Calls) clone() *Calls {
	n := *c
	n.up, n.ended, n.calls = maps.Clone(c.up), map[string][]end{}, nil
	n.unanswered = maps.Clone(c.unanswered)
	for peer, ends := range c.ended {
		n.ended[peer] = slices.Clone(ends)
	}
	for _, l := range c.calls {
		copied := *l
		copied.ids = slices.Clone(l.ids)
		n.calls = append(n.calls, &copied)
	}
	return &n
}

// key returns equal strings for worlds that behave equally: its times are
// relative.
func (w *world) key() string {
	var b strings.Builder
	fmt.Fprint(&b, w.link, w.mayEnd)
	left := func(t time.Time) time.Duration {
		if t.IsZero() {
			return -1
		}
		return t.Sub(w.now)
	}
	for _, s := range w.sides {
		fmt.Fprint(&b, "|", s.link == w.link, s.link != 0, len(s.ids))
		for _, q := range s.queue {
			fmt.Fprintf(&b, " %T%v", q.ev, q.ev)
		}
		for _, l := range s.calls {
			fmt.Fprint(&b, " ", l.ids, l.State, l.hasRung, l.byUser, left(l.ringDeadline), left(l.reachDeadline),
				left(l.inviteDeadline), left(l.resumeDeadline))
		}
		u := s.unanswered[s.peer]
		fmt.Fprint(&b, " ", u.count, u.short, max(-forgetAfter, left(u.until)))
		for _, e := range s.ended[s.peer] {
			fmt.Fprint(&b, " ", e.id, e.reason, e.acknowledged, w.now.Sub(e.at) < resendEndFor)
		}
	}
	return b.String()
}

func (w *world) step(i int, ev Event) {
	s := w.sides[i]
	actions, _ := s.Step(ev, w.now)
	w.transmit(i, actions)
}

func (w *world) transmit(i int, actions []Action) {
	s, other := w.sides[i], w.sides[1-i]
	for _, a := range actions {
		m, ok := a.(Send)
		if !ok || s.link == 0 || s.link != w.link {
			continue
		}
		var ev Event
		switch from := other.peer; m.Kind {
		case SendInvite:
			ev = GotInvite{from, m.ID}
		case SendRinging:
			ev = GotRinging{from, m.ID}
		case SendAccept:
			ev = GotAccept{from, m.ID}
		case SendResume:
			ev = GotResume{from, m.ID}
		case SendEnd:
			ev = GotEnd{from, m.ID, m.Reason, m.Text}
		}
		other.queue = append(other.queue, queued{s.link, ev})
	}
}

// move is an event of the model. It returns false if it is not possible.
type move struct {
	name string
	do   func(w *world, i int) bool
}

var linkMoves = []move{
	{"deliver", func(w *world, i int) bool {
		s := w.sides[i]
		if s.link == 0 || len(s.queue) == 0 || s.queue[0].link != s.link {
			return false // a side receives nothing before its link is up
		}
		ev := s.queue[0].ev
		s.queue = slices.Clone(s.queue[1:])
		w.step(i, ev)
		return true
	}},
	{"cut", func(w *world, i int) bool {
		if i != 0 || w.link == 0 {
			return false
		}
		w.cut()
		return true
	}},
	{"notice", func(w *world, i int) bool {
		s := w.sides[i]
		if s.link == 0 || s.link == w.link {
			return false
		}
		s.link = 0
		w.step(i, LinkDown{Peer: s.peer})
		return true
	}},
	{"up", func(w *world, i int) bool {
		if w.link == 0 {
			w.links++
			w.link = w.links
		}
		s := w.sides[i]
		if s.link == w.link {
			return false
		}
		s.link = w.link
		w.step(i, LinkUp{s.peer})
		return true
	}},
}

var userMoves = []move{
	{"dial", func(w *world, i int) bool {
		s := w.sides[i]
		if c, ok := s.Get(s.peer); (ok && c.State != Incoming) || len(s.ids) == 0 {
			return false
		}
		ev := Dial{Peer: s.peer, ID: s.ids[0]}
		s.ids = s.ids[1:]
		w.step(i, ev)
		return true
	}},
	{"answer", func(w *world, i int) bool {
		if c, _ := w.sides[i].Get(w.sides[i].peer); c.State != Incoming {
			return false
		}
		w.step(i, Answer{})
		return true
	}},
	{"hangup", func(w *world, i int) bool {
		if len(w.sides[i].List()) == 0 {
			return false
		}
		w.mayEnd = true
		w.step(i, Hangup{})
		return true
	}},
}

var otherMoves = []move{
	{"wait", func(w *world, i int) bool {
		next := w.deadline()
		if i != 0 || next.IsZero() {
			return false
		}
		w.mayEnd = true
		w.pass(next)
		return true
	}},
	{"restart", func(w *world, i int) bool {
		c, _ := w.sides[i].Get(w.sides[i].peer)
		w.mayEnd = w.mayEnd || c.State == Calling || c.State == Ringing // unanswered calls are not saved
		w.restart(i, w.sides[i].Saved())
		return true
	}},
	{"restart from nothing", func(w *world, i int) bool {
		if len(w.sides[i].Saved()) == 0 {
			return false
		}
		w.mayEnd = true
		w.restart(i, nil)
		return true
	}},
}

func (w *world) cut() {
	w.link = 0
	for _, s := range w.sides {
		s.queue = nil
	}
}

func (w *world) restart(i int, saved []Saved) {
	w.cut()
	s := w.sides[i]
	s.link = 0
	s.Calls = New(modelConfig(s.peer))
	text, err := json.Marshal(saved)
	if err != nil {
		panic(err)
	}
	var read []Saved
	if err := json.Unmarshal(text, &read); err != nil {
		panic(err)
	}
	w.transmit(i, s.Restore(read, w.now))
}

func (w *world) deadline() time.Time {
	var next time.Time
	for _, s := range w.sides {
		if t, ok := s.Deadline(); ok {
			next = earliest(next, t)
		}
	}
	return next
}

func (w *world) pass(to time.Time) {
	w.now = to
	for i := range w.sides {
		w.step(i, Tick{})
	}
}

// deliverAll restores the link and delivers all messages.
func (w *world) deliverAll(t *testing.T) {
	for range 2 { // the second side may create the link of the first
		for i := range w.sides {
			linkMoves[3].do(w, i)
		}
	}
	for n := 0; linkMoves[0].do(w, 0) || linkMoves[0].do(w, 1); n++ {
		if n > 1000 {
			t.Fatal("got messages without end, want both sides to settle")
		}
	}
}

// settle keeps the link and checks that the two sides agree: in the call,
// ringing, or no call.
func (w *world) settle(t *testing.T) error {
	w.deliverAll(t)
	for until := w.now.Add(3 * time.Second); ; w.deliverAll(t) {
		next := w.deadline()
		if next.IsZero() || next.After(until) {
			break
		}
		w.pass(next)
	}
	states := w.agreed()
	switch states {
	case "active active":
	case "ringing incoming", "incoming ringing":
		// Answered it becomes active; unanswered it ends on both sides.
		unanswered := w.clone()
		for range 10 {
			if next := unanswered.deadline(); !next.IsZero() {
				unanswered.pass(next)
			}
			unanswered.deliverAll(t)
		}
		if got := unanswered.agreed(); got != "- -" {
			return fmt.Errorf("ringing, unanswered: got %s, want no call", got)
		}
		for i := range w.sides {
			userMoves[1].do(w, i)
		}
		w.deliverAll(t)
		if got := w.agreed(); got != "active active" {
			return fmt.Errorf("ringing, answered: got %s, want active", got)
		}
	case "- -":
		dialled := len(w.sides[0].ids) < modelDials || len(w.sides[1].ids) < modelDials
		if dialled && !w.mayEnd {
			return fmt.Errorf("the call is lost, but no side ended it")
		}
	default:
		return fmt.Errorf("the sides disagree: %s", states)
	}
	return nil
}

// agreed returns the states of both sides, with the ids if they differ.
func (w *world) agreed() string {
	var states []string
	var ids []ID
	for _, s := range w.sides {
		c, ok := s.Get(s.peer)
		if !ok {
			states = append(states, "-")
			continue
		}
		states, ids = append(states, string(c.State)), append(ids, c.ID)
	}
	result := strings.Join(states, " ")
	if len(ids) == 2 && ids[0] != ids[1] {
		result += fmt.Sprintf(" under two ids %x %x", ids[0][:1], ids[1][:1])
	}
	return result
}

// modelDials is how often each side may dial.
const modelDials = 2

// In the first call side 0 has the smaller id, in the second one side 1.
var modelIDs = [2][]ID{{id(0x10), id(0x40)}, {id(0x20), id(0x30)}}

// TestModelExhaustive tries every sequence of moves up to a depth. It visits
// worlds with equal behaviour once.
func TestModelExhaustive(t *testing.T) {
	type node struct {
		w    *world
		path string
	}
	moves := slices.Concat(linkMoves, userMoves, otherMoves)
	first := newWorld(modelIDs)
	seen := map[string]bool{first.key(): true}
	front := []node{{first, ""}}
	for depth := 1; depth <= *modelDepth; depth++ {
		var next []node
		for _, n := range front {
			for _, m := range moves {
				for i := range n.w.sides {
					w := n.w.clone()
					if !m.do(w, i) {
						continue
					}
					key := w.key()
					if seen[key] {
						continue
					}
					seen[key] = true
					path := fmt.Sprintf("%s %s(%c)", n.path, m.name, 'a'+i)
					if err := w.clone().settle(t); err != nil {
						t.Fatalf("%v after%s", err, path)
					}
					next = append(next, node{w, path})
				}
			}
		}
		front = next
	}
	t.Logf("%d worlds", len(seen))
}

// TestModelRandom tries long random sequences.
func TestModelRandom(t *testing.T) {
	frequent := slices.Concat(linkMoves, linkMoves, linkMoves, userMoves)
	for seed := range *modelSeeds {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWorld([2][]ID{randomIDs(r), randomIDs(r)})
		moves := frequent
		if seed%2 == 0 {
			moves = slices.Concat(frequent, otherMoves)
		}
		var path []string
		for range 60 {
			m, i := moves[r.IntN(len(moves))], r.IntN(2)
			if m.do(w, i) {
				path = append(path, fmt.Sprintf("%s(%c)", m.name, 'a'+i))
			}
			if w.now = w.now.Add(time.Duration(r.IntN(300)) * time.Millisecond); seed%2 == 0 {
				w.pass(w.now)
			}
		}
		w.mayEnd = true // almost certain by now
		if err := w.settle(t); err != nil {
			t.Fatalf("seed %d: %v after %s", seed, err, strings.Join(path, " "))
		}
	}
}

func randomIDs(r *rand.Rand) []ID {
	ids := make([]ID, 20)
	for i := range ids {
		for at := range ids[i] {
			ids[i][at] = byte(r.Uint32())
		}
	}
	return ids
}
