package view

import (
	"context"
	"errors"
	"sync"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	retryInterval  = 250 * time.Millisecond // systemd restarts the daemon within a second
	restartTimeout = 30 * time.Second       // how long to wait for the daemon without Options.Follow
	restoreTimeout = 2 * time.Second        // how long a restarted daemon takes to restore its calls
)

// feed is a Source that reads the wanted feed and reopens it when the stream
// ends or another feed is wanted. Next is for one goroutine, recheck for any.
type feed struct {
	ctx        context.Context
	client     *client.Client
	wanted     func() string // name of the feed to read; "": none at present
	persistent bool          // only ctx ends it

	restartTimeout time.Duration

	changed chan struct{}

	mu    sync.Mutex
	open  *client.Feed
	name  string    // of the present or last feed
	since time.Time // of name: older frames belong to another feed
}

func newFeed(ctx context.Context, c *client.Client, wanted func() string, persistent bool) *feed {
	return &feed{
		ctx: ctx, client: c, wanted: wanted, persistent: persistent,
		restartTimeout: restartTimeout, changed: make(chan struct{}, 1),
	}
}

// Next returns the next frame. It returns only permanent errors, or the cause
// of ctx.
func (f *feed) Next() (client.Frame, error) {
	for {
		f.mu.Lock()
		open := f.open
		f.mu.Unlock()
		if open == nil {
			if err := f.reopen(); err != nil {
				return client.Frame{}, err
			}
			continue
		}
		p, err := open.Next()
		if err == nil {
			return p, nil
		}
		f.closeStream()
		if errors.Is(err, client.ErrProtocol) {
			return client.Frame{}, err
		}
	}
}

// reopen opens the wanted feed as soon as that is possible.
func (f *feed) reopen() error {
	var lost, back time.Time // when the daemon went away, and returned
	for {
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
		name, first := f.selectFeed()
		if name == "" {
			f.pause(time.Hour)
			continue
		}
		open, err := f.client.Feed(f.ctx, name)
		if err == nil {
			f.mu.Lock()
			f.open = open
			f.mu.Unlock()
			f.recheck() // another feed may be wanted by now
			return nil
		}
		switch {
		case f.ctx.Err() != nil || name != f.wanted():
			continue
		case daemonGone(err):
			if lost.IsZero() {
				lost = time.Now()
			}
			back = time.Time{}
			if !f.persistent && (first || time.Since(lost) > f.restartTimeout) {
				return err
			}
		default:
			if back.IsZero() {
				back = time.Now()
			}
			restoring := !lost.IsZero() && time.Since(back) < restoreTimeout
			if !restoring && (!f.persistent || errors.Is(err, client.ErrPermission)) {
				return err
			}
		}
		f.pause(retryInterval)
	}
}

// daemonGone reports whether an error goes away when the daemon is restarted.
func daemonGone(err error) bool {
	var refused *api.Error
	return errors.Is(err, client.ErrUnreachable) || errors.As(err, &refused) && refused.Kind == api.ShuttingDown
}

// selectFeed switches to the wanted feed. It reports whether it is the first.
func (f *feed) selectFeed() (name string, first bool) {
	name = f.wanted()
	f.mu.Lock()
	defer f.mu.Unlock()
	first = f.since.IsZero()
	if f.name != name {
		f.name, f.since = name, time.Now()
	}
	return name, first
}

func (f *feed) pause(d time.Duration) {
	select {
	case <-f.changed:
	case <-time.After(d):
	case <-f.ctx.Done():
	}
}

// recheck ends the open stream if its feed is no longer wanted.
func (f *feed) recheck() {
	name := f.wanted()
	f.mu.Lock()
	if f.open != nil && (f.name != name || f.ctx.Err() != nil) {
		f.open.Close()
	}
	f.mu.Unlock()
	notify(f.changed)
}

func (f *feed) closeStream() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open.Close()
	f.open = nil
}

// current returns the name of the feed that Next reads, and since when.
func (f *feed) current() (name string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name, f.since
}
