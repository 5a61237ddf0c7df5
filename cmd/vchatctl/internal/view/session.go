package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// ErrInterrupted is why a session has ended when Ctrl-C was pressed, or a window closed.
var ErrInterrupted = errors.New("interrupted")

// ErrFault is why a session has ended when this program has a fault. The display is given back all the same.
var ErrFault = errors.New("a fault of this program")

var errEnough = errors.New("the user has seen enough")

// Over is why a session has ended when its call has.
type Over struct {
	Feed string
	Call api.Call // as it ended; State is "" if that is not known
}

func (o *Over) Error() string { return "the feed of " + o.Feed + " is over" }

// Options say what a session shows.
type Options struct {
	Feed   string // api.Self or a peer; with Follow "" is whoever is in a call
	Follow bool   // waits for calls, and for the daemon, for ever
	Turn   bool   // to the peer whose call is answered here: Feed was not chosen

	Patience time.Duration // for a daemon that is gone, without Follow; 0: half a minute, as for one that is started again

	Figures bool // are shown from the beginning

	// Events are those of a call that was made just now: its end may be among them already. The session closes them.
	Events *client.Events
}

// Session is one user who looks at a feed. Its methods are safe for concurrent use.
type Session struct {
	client *client.Client
	opt    Options
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	feed    *feed
	newest  *Newest
	changed chan struct{} // something else than a frame is new

	mu     sync.Mutex
	device deviceState
	feedOf string // what is wanted, without Follow
	lines  []line
	info   bool
	typing bool
	typed  []rune
	pip    *pip // the own picture, if it is wanted
	rate   rate
}

// Start begins a session. Without Follow the feed has to be there: the errors are those of client.Client.Feed. The caller
// closes the session.
func Start(ctx context.Context, c *client.Client, opt Options) (*Session, error) {
	s := &Session{client: c, opt: opt, feedOf: opt.Feed, info: opt.Figures, changed: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.feed = newFeed(s.ctx, c, s.wanted, opt.Follow)
	s.feed.patience = cmp.Or(opt.Patience, patience)
	if !opt.Follow {
		if err := s.feed.begin(); err != nil {
			s.cancel(nil)
			if opt.Events != nil {
				opt.Events.Close()
			}
			return nil, err
		}
	}
	s.newest = Follow(source{s})
	s.goes(s.listen)
	s.goes(func() {
		<-s.ctx.Done()
		s.feed.look()
	})
	return s, nil
}

// Close ends the session and waits until nothing of it runs.
func (s *Session) Close() {
	s.end(nil)
	s.newest.Wait()
	s.wg.Wait()
	s.mu.Lock()
	pip := s.pip
	s.mu.Unlock()
	if pip != nil {
		pip.close()
	}
}

// Newest gives the frames.
func (s *Session) Newest() *Newest { return s.newest }

// Changed receives a value when Words may have changed by other than time.
func (s *Session) Changed() <-chan struct{} { return s.changed }

// Context ends with the session, and Err says why.
func (s *Session) Context() context.Context { return s.ctx }

// Err is why the session has ended: nil if its user had enough, ErrInterrupted, *Over, the cause of its context, or an
// error of the daemon.
func (s *Session) Err() error {
	if err := context.Cause(s.ctx); err != errEnough {
		return err
	}
	return nil
}

// goes starts a goroutine.
func (s *Session) goes(f func()) {
	s.wg.Go(func() {
		defer s.guard()
		f()
	})
}

// guard is deferred by goroutines: a fault in one of them ends the session, and not the program with the terminal raw.
func (s *Session) guard() {
	if fault := recover(); fault != nil {
		s.end(fmt.Errorf("%w: %v\n%s", ErrFault, fault, debug.Stack()))
	}
}

func (s *Session) end(err error) { s.cancel(cmp.Or(err, errEnough)) }

// source is the session's feed as Newest reads it. Its end is that of the session.
type source struct{ *Session }

func (s source) Next() (client.Frame, error) {
	defer s.guard()
	f, err := s.feed.Next()
	if err == nil {
		return f, nil
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Kind == api.NoSuchFeed {
		err = s.over()
	}
	s.end(err)
	return client.Frame{}, context.Cause(s.ctx)
}

// callEnded ends a session whose call has ended, or tells why it has.
func (s *Session) callEnded(c api.Call) {
	if s.opt.Follow && (c.EndedBy != api.SideLocal || c.Reason != api.ReasonHungUp) {
		s.say(fmt.Sprintf("%s: %s", c.Peer, cmp.Or(c.ReasonText, string(c.Reason))))
	}
	s.mu.Lock()
	over := !s.opt.Follow && s.feedOf == c.Peer && s.device.call(c.Peer) == nil
	s.mu.Unlock()
	if over {
		s.end(&Over{Feed: c.Peer, Call: c})
	}
}

// over waits for the events to tell how the call has ended, which come on a connection of their own.
func (s *Session) over() *Over {
	o := &Over{Feed: s.wanted()}
	for range 10 {
		s.mu.Lock()
		o.Call = s.device.ended[o.Feed]
		s.mu.Unlock()
		if o.Call.State != "" {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.ctx.Done():
			return o
		}
	}
	return o
}

// wanted is the feed to be shown now, or "".
func (s *Session) wanted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.opt.Follow:
		return s.feedOf
	case s.opt.Feed == api.Self:
		return api.Self
	case s.opt.Feed == "":
		return s.device.connected()
	}
	if c := s.device.call(s.opt.Feed); c != nil && answered(c.State) {
		return s.opt.Feed
	}
	return ""
}

// listen hears what happens on the device, as long as the session lasts.
func (s *Session) listen() {
	for events := s.opt.Events; s.ctx.Err() == nil; events = nil {
		if err := s.hear(events); errors.Is(err, client.ErrPermission) || errors.Is(err, client.ErrProtocol) {
			s.end(err)
		}
		s.mu.Lock()
		if s.device.up {
			s.device.up, s.device.since = false, time.Now()
		}
		s.mu.Unlock()
		poke(s.changed)
		select {
		case <-time.After(retryEvery):
		case <-s.ctx.Done():
		}
	}
}

// hear hears until the events end. It opens them if there are none, for then they begin with the present state.
func (s *Session) hear(events *client.Events) error {
	if events == nil {
		var err error
		if events, err = s.client.Events(s.ctx); err != nil {
			return err
		}
	} else if status, err := s.client.Status(s.ctx); err == nil {
		s.mu.Lock()
		s.device.up, s.device.since, s.device.status = true, time.Now(), status
		s.mu.Unlock()
	}
	defer context.AfterFunc(s.ctx, events.Close)()
	defer events.Close()
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		s.mu.Lock()
		if !s.device.up {
			s.device.up, s.device.since = true, time.Now()
		}
		s.device.hear(e)
		s.mu.Unlock()
		if c := e.Call; c != nil && c.State == api.CallEnded {
			s.callEnded(*c)
		}
		if e.Event == api.EventText {
			who := e.Peer
			if e.From == api.SideLocal {
				who = "you"
			}
			s.say(fmt.Sprintf("%s: %s", who, e.Text))
		}
		s.feed.look()
		poke(s.changed)
	}
}
