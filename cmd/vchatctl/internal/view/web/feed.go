package web

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"vchat/daemon/client"
)

const feedLinger = 2 * time.Second // how long a feed without requests stays open

// feeds holds the feeds that pages request. It reads each from the daemon once
// for all requests. Its methods are safe for concurrent use.
type feeds struct {
	client *client.Client
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	byName map[string]*feed
}

func newFeeds(c *client.Client) *feeds {
	ctx, cancel := context.WithCancel(context.Background())
	return &feeds{client: c, ctx: ctx, cancel: cancel, byName: map[string]*feed{}}
}

// close stops reading and waits for it. No request may be in progress.
func (fs *feeds) close() {
	fs.cancel()
	fs.wg.Wait()
}

// feed is one feed. feeds.mu guards its fields.
type feed struct {
	requests int // in progress
	cancel   context.CancelFunc
	idle     *time.Timer // stops reading after feedLinger
	newest   *frame
	number   uint64        // of newest
	err      error         // why reading ended
	changed  chan struct{} // closed, and replaced, on a change
}

// frame is immutable, because several requests may write it at once.
type frame struct {
	client.Frame
	number   uint64
	received time.Time
}

// next returns the newest frame, and waits until its number is above after. It
// returns the error of ctx or of the feed.
func (fs *feeds) next(ctx context.Context, name string, after uint64) (*frame, error) {
	for {
		p, err := fs.wait(ctx, name, after)
		// The feed was being closed as idle when this request came: try again.
		if errors.Is(err, context.Canceled) && ctx.Err() == nil && fs.ctx.Err() == nil {
			continue
		}
		return p, err
	}
}

// prepare opens a feed that is about to be requested: its first frame is then
// there with the request.
func (fs *feeds) prepare(name string) { fs.release(fs.acquire(name)) }

func (fs *feeds) wait(ctx context.Context, name string, after uint64) (*frame, error) {
	f := fs.acquire(name)
	defer fs.release(f)
	for {
		fs.mu.Lock()
		p, err, changed := f.newest, f.err, f.changed
		fs.mu.Unlock()
		if p != nil && p.number > after {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// acquire returns a feed for a request, and starts reading it if necessary.
func (fs *feeds) acquire(name string) *feed {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byName[name]
	if f == nil {
		f = &feed{}
		fs.byName[name] = f
	}
	f.requests++
	if f.idle != nil {
		f.idle.Stop()
		f.idle = nil
	}
	if f.cancel == nil {
		ctx, cancel := context.WithCancel(fs.ctx)
		f.cancel, f.err, f.changed = cancel, nil, make(chan struct{})
		fs.wg.Go(func() { fs.read(ctx, cancel, name, f) })
	}
	return f
}

// release ends a request. feedLinger after the last one, reading stops.
func (fs *feeds) release(f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.requests--; f.requests > 0 || f.cancel == nil {
		return
	}
	f.idle = time.AfterFunc(feedLinger, func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if f.requests == 0 && f.cancel != nil {
			f.cancel()
		}
	})
}

// read keeps the newest frame of a feed until the feed or ctx ends. It then
// drops the frame: it would be old for the next request.
func (fs *feeds) read(ctx context.Context, cancel context.CancelFunc, name string, f *feed) {
	defer cancel()
	err := fs.readStream(ctx, name, f)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.err, f.newest, f.cancel = err, nil, nil
	if f.idle != nil {
		f.idle.Stop()
		f.idle = nil
	}
	close(f.changed)
}

func (fs *feeds) readStream(ctx context.Context, name string, f *feed) error {
	src, err := fs.client.Feed(ctx, name)
	if err != nil {
		return err
	}
	defer src.Close()
	for {
		got, err := src.Next()
		if err == io.EOF {
			return errFeedEnded
		}
		if err != nil {
			return err
		}
		p := &frame{Frame: got, received: time.Now()}
		p.Data = append([]byte(nil), got.Data...) // the source reuses its memory
		fs.mu.Lock()
		f.number++
		p.number = f.number
		f.newest = p
		close(f.changed)
		f.changed = make(chan struct{})
		fs.mu.Unlock()
	}
}

// errFeedEnded reports that a feed ended because the call or the daemon did.
var errFeedEnded = errors.New("the feed has ended")
