package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

// ErrInterrupted ends a session when the user presses Ctrl-C or closes the
// window.
var ErrInterrupted = errors.New("interrupted")

// ErrInternal ends a session when one of its goroutines panics. The display can
// then still be restored.
var ErrInternal = errors.New("internal error")

var errQuit = errors.New("the user quit")

// EndedError ends a session when its call ends.
type EndedError struct {
	Feed string
	Call api.Call // as it ended; State is "" if that is not known
}

func (e *EndedError) Error() string { return "the call with " + e.Feed + " has ended" }

// Options say what a session shows.
type Options struct {
	Feed           string // api.Self or a peer; with Follow, "" is the peer of any call
	Follow         bool   // wait for calls and for the daemon without a limit
	SwitchToCaller bool   // without Follow: show the peer when its call is answered
	ShowStats      bool   // from the start
	Raw            bool   // show the blocks of coarse frames as they were sent

	// RestartTimeout is how long to wait for a stopped daemon without Follow.
	// 0 means 30 seconds.
	RestartTimeout time.Duration

	// Events is a stream opened before the call was made, so that it includes
	// the end of the call. nil: Start opens one. The session closes it.
	Events *client.Events
}

// Session is one user who watches a feed. Its methods are safe for concurrent
// use.
type Session struct {
	client *client.Client
	opt    Options
	ctx    context.Context
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	feed    *feed
	newest  *Newest
	changed chan struct{}

	mu        sync.Mutex
	device    deviceState
	feedName  string // the wanted feed, without Options.Follow
	lines     []line
	showStats bool
	stats     frameStats
	typing    bool
	typed     []rune
	readyKey  rune       // the key that chose the ready message in typed; 0: none
	pip       *pip       // nil: hidden
	showOwn   bool       // show the picture-in-picture while there is a call
	rights    api.Rights // zero: unknown
	pairKeyAt time.Time  // the last answer to a pairing

	fullscreen   bool
	noFullscreen bool // the display cannot
	showHelp     bool
	focus        render.Target // of the control that has the keyboard's focus; zero: none
	focusGiven   time.Time     // when a caller gave the focus to ActionAnswer
	awakeUntil   time.Time     // until then the controls of a call are shown
	keysUntil    time.Time     // until then they show their keys
	pipAt        render.Corner
	peerPage     int       // how often the user asked for other peers
	picture      bool      // a frame of the feed is shown
	ended        *api.Call // the last call that was shown; nil: none, or long ago
	endedAt      time.Time
}

// Start starts a session. Without Options.Follow it first opens the feed, and
// returns the errors of client.Client.Feed. The caller closes the session.
func Start(ctx context.Context, c *client.Client, opt Options) (*Session, error) {
	s := &Session{client: c, opt: opt, feedName: opt.Feed, showStats: opt.ShowStats, changed: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.feed = newFeed(s.ctx, c, s.wantedFeed, opt.Follow)
	s.feed.restartTimeout = cmp.Or(opt.RestartTimeout, restartTimeout)
	if !opt.Follow {
		if err := s.feed.reopen(); err != nil {
			s.cancel(nil)
			if opt.Events != nil {
				opt.Events.Close()
			}
			return nil, err
		}
	}
	s.keysUntil = time.Now().Add(controlsDuration)
	s.awakeUntil = s.keysUntil
	s.newest = ReadNewest(source{s})
	s.goGuarded(s.readEvents)
	s.goGuarded(func() {
		<-s.ctx.Done()
		s.feed.recheck()
	})
	return s, nil
}

// Close ends the session and waits for its goroutines.
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

// Newest returns the frames of the session.
func (s *Session) Newest() *Newest { return s.newest }

// Changed receives a value when Overlay may return something else, other than
// by the passing of time.
func (s *Session) Changed() <-chan struct{} { return s.changed }

// Context returns a context that ends with the session. See Err for the cause.
func (s *Session) Context() context.Context { return s.ctx }

// Err returns why the session ended: nil if the user quit, ErrInterrupted,
// ErrInternal, *EndedError, the cause of its context, or an error of the
// daemon.
func (s *Session) Err() error {
	if err := context.Cause(s.ctx); err != errQuit {
		return err
	}
	return nil
}

// goGuarded runs f in a goroutine that recovers from panics.
func (s *Session) goGuarded(f func()) {
	s.wg.Go(func() {
		defer s.recoverPanic()
		f()
	})
}

// recoverPanic ends the session after a panic. Goroutines defer it: a panic
// must not end the program while the terminal is in raw mode.
func (s *Session) recoverPanic() {
	if v := recover(); v != nil {
		s.end(fmt.Errorf("%w: %v\n%s", ErrInternal, v, debug.Stack()))
	}
}

func (s *Session) end(err error) { s.cancel(cmp.Or(err, errQuit)) }

// source is the feed as Newest reads it. When the feed ends, so does the
// session.
type source struct{ *Session }

func (s source) Next() (client.Frame, error) {
	defer s.recoverPanic()
	f, err := s.feed.Next()
	if err == nil {
		return f, nil
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.Kind == api.NoSuchFeed {
		err = s.endedError()
	}
	s.end(err)
	return client.Frame{}, context.Cause(s.ctx)
}

// callEnded shows why a call ended, or ends the session with it.
func (s *Session) callEnded(c api.Call) {
	s.mu.Lock()
	idle := s.shownCall("") == nil
	if idle {
		s.ended, s.endedAt = &c, time.Now()
		s.typing = false // no peer would get the message
		s.focus = render.Target{}
	}
	s.mu.Unlock()
	if s.opt.Follow && !idle {
		text := CardText(&c)
		if !c.Answered.IsZero() { // else it is not taken for the end of the call that is shown
			text = "call with " + c.Peer + " ended: " + text
		}
		s.addLine(text)
	}
	s.mu.Lock()
	ended := !s.opt.Follow && s.feedName == c.Peer && s.device.call(c.Peer) == nil
	s.mu.Unlock()
	if ended {
		s.end(&EndedError{Feed: c.Peer, Call: c})
	}
}

// endedError waits up to 500 ms for the event that says how the call ended: it
// arrives on another connection than the frames.
func (s *Session) endedError() *EndedError {
	e := &EndedError{Feed: s.wantedFeed()}
	for range 10 {
		s.mu.Lock()
		e.Call = s.device.ended[e.Feed]
		s.mu.Unlock()
		if e.Call.State != "" {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.ctx.Done():
			return e
		}
	}
	return e
}

// wantedFeed returns the feed to show now, or "" if there is none.
func (s *Session) wantedFeed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.opt.Follow:
		return s.feedName
	case s.opt.Feed == api.Self:
		return api.Self
	case s.opt.Feed == "":
		return s.device.connectedPeer()
	}
	if c := s.device.call(s.opt.Feed); c != nil && answered(c.State) {
		return s.opt.Feed
	}
	return ""
}

// readEvents follows the events of the device, across restarts of the daemon.
func (s *Session) readEvents() {
	for events := s.opt.Events; s.ctx.Err() == nil; events = nil {
		err := s.readEventStream(events)
		if errors.Is(err, client.ErrPermission) || errors.Is(err, client.ErrProtocol) {
			s.end(err)
		}
		s.mu.Lock()
		s.device.setDaemonUp(false)
		s.mu.Unlock()
		s.updatePIP()
		notify(s.changed)
		select {
		case <-time.After(retryInterval):
		case <-s.ctx.Done():
		}
	}
}

// readEventStream reads a stream of events until it ends. If events is nil, it
// opens one, which starts with the present state.
func (s *Session) readEventStream(events *client.Events) error {
	if events == nil {
		var err error
		if events, err = s.client.Events(s.ctx); err != nil {
			return err
		}
	} else if status, err := s.client.Status(s.ctx); err == nil {
		s.mu.Lock()
		s.device.setDaemonUp(true)
		OnOwnClock(&status, time.Now())
		s.device.status = status
		s.mu.Unlock()
	}
	defer context.AfterFunc(s.ctx, events.Close)()
	defer events.Close()
	if rights, err := s.client.Rights(s.ctx); err == nil { // else an older daemon: the viewer tries
		s.mu.Lock()
		s.rights = rights
		s.mu.Unlock()
	}
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		s.mu.Lock()
		_, pairing := NewPairing(s.device.status.Pairing, s.rights)
		s.device.setDaemonUp(true)
		caller := s.device.caller()
		s.device.apply(e)
		s.focusAnswer(caller)
		s.mu.Unlock()
		if pairing && e.Pairing != nil {
			s.pairingEnded(e.Pairing)
		}
		if c := e.Call; c != nil && c.State == api.CallEnded {
			s.callEnded(*c)
		}
		if e.Event == api.EventText {
			sender := e.Peer
			if e.From == api.SideLocal {
				sender = "you"
			}
			s.addLine(fmt.Sprintf("%s: %s", sender, e.Text))
		}
		if e.Event == api.EventConfig {
			s.refreshPeers()
		}
		s.feed.recheck()
		s.updatePIP()
		notify(s.changed)
	}
}

// refreshPeers reads the name and the peers again: a new configuration may have
// others, and no event says which.
func (s *Session) refreshPeers() {
	status, err := s.client.Status(s.ctx)
	if err != nil {
		return // the stream ends too, or the peers stay as they were
	}
	OnOwnClock(&status, time.Now())
	s.mu.Lock()
	s.device.status.Name, s.device.status.Peers = status.Name, status.Peers
	s.mu.Unlock()
}
