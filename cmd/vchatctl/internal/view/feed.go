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
	retryEvery = 250 * time.Millisecond // a daemon that is started again is back within a second
	patience   = 30 * time.Second       // for such a daemon, if nobody said to wait for ever: that is to be noticed
	settling   = 2 * time.Second        // for a daemon to have its calls back after that
)

// feed is a source that outlives the streams it reads: it opens the feed that is wanted again and again. Next is for one
// goroutine, look for any.
type feed struct {
	ctx    context.Context
	client *client.Client
	want   func() string // the name of the feed, or "": none at present
	stay   bool          // nothing but ctx ends it

	patience time.Duration

	changed chan struct{}

	mu    sync.Mutex
	open  *client.Feed
	name  string    // of the feed that is open, or was
	since time.Time // of the name: frames that came before are of another feed
}

func newFeed(ctx context.Context, c *client.Client, want func() string, stay bool) *feed {
	return &feed{ctx: ctx, client: c, want: want, stay: stay, patience: patience, changed: make(chan struct{}, 1)}
}

// Next gives the next frame. Its errors are those that mend themselves by no waiting, and the cause of ctx.
func (f *feed) Next() (client.Frame, error) {
	for {
		f.mu.Lock()
		open := f.open
		f.mu.Unlock()
		if open == nil {
			if err := f.begin(); err != nil {
				return client.Frame{}, err
			}
			continue
		}
		p, err := open.Next()
		if err == nil {
			return p, nil
		}
		f.end()
		if errors.Is(err, client.ErrProtocol) {
			return client.Frame{}, err
		}
	}
}

// begin opens the feed that is wanted, as soon as that works.
func (f *feed) begin() error {
	var lost, back time.Time // the daemon
	for {
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
		name, first := f.turn()
		if name == "" {
			f.pause(time.Hour)
			continue
		}
		open, err := f.client.Feed(f.ctx, name)
		if err == nil {
			f.mu.Lock()
			f.open = open
			f.mu.Unlock()
			f.look() // it may have changed meanwhile
			return nil
		}
		switch {
		case f.ctx.Err() != nil || name != f.want():
			continue
		case away(err):
			if lost.IsZero() {
				lost = time.Now()
			}
			back = time.Time{}
			if !f.stay && (first || time.Since(lost) > f.patience) {
				return err
			}
		default:
			if back.IsZero() {
				back = time.Now()
			}
			returned := !lost.IsZero() && time.Since(back) < settling
			if !returned && (!f.stay || errors.Is(err, client.ErrPermission)) {
				return err
			}
		}
		f.pause(retryEvery)
	}
}

// away says that the daemon is not to be reached, which a restart of it mends.
func away(err error) bool {
	var refused *api.Error
	return errors.Is(err, client.ErrUnreachable) || errors.As(err, &refused) && refused.Kind == api.ShuttingDown
}

// turn turns to the feed that is wanted; first says that there was none yet.
func (f *feed) turn() (name string, first bool) {
	name = f.want()
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

// look leaves a feed that is not wanted any more.
func (f *feed) look() {
	name := f.want()
	f.mu.Lock()
	if f.open != nil && (f.name != name || f.ctx.Err() != nil) {
		f.open.Close()
	}
	f.mu.Unlock()
	poke(f.changed)
}

func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open.Close()
	f.open = nil
}

// showing is the feed whose frames Next gives, and since when.
func (f *feed) showing() (name string, since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name, f.since
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
