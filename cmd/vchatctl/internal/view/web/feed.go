package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	frameTimeout = 10 * time.Second // of a request for a frame; the page then asks again
	feedLinger   = 2 * time.Second  // how long a feed without requests stays open
)

// Headers of a frame in addition to those of the API.
const (
	headerFrameNumber = "X-Frame"     // counts the frames of this server; the page returns it as after=N
	headerWaited      = "X-Waited-Ms" // how long the request waited for the frame, which is not part of its age
)

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

// frame responds with the newest frame that the page does not have yet. If none
// comes within frameTimeout, it responds with 204.
func (s *Server) frame(w http.ResponseWriter, r *http.Request) {
	requested, name := time.Now(), r.PathValue("feed")
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	if err != nil {
		http.Error(w, "after must be a number", http.StatusBadRequest)
		return
	}
	if !s.watcher.hasFeed(name) {
		writeError(w, &api.Error{Kind: api.NoSuchFeed, Message: "no such feed"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), frameTimeout)
	defer cancel()
	p, err := s.feeds.next(ctx, name, after)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		writeError(w, err)
	default:
		writeFrame(w, p, time.Since(requested))
	}
}

func writeFrame(w http.ResponseWriter, p *frame, waited time.Duration) {
	h := w.Header()
	h.Set(headerFrameNumber, strconv.FormatUint(p.number, 10))
	h.Set(headerWaited, millis(waited))
	setFrameHeaders(h, &p.Frame, time.Since(p.received))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = w.Write(p.Data) // fails only if the page has gone
}

// setFrameHeaders sets the headers of a frame that arrived sinceReceived ago.
func setFrameHeaders(h http.Header, f *client.Frame, sinceReceived time.Duration) {
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(f.Data)))
	h.Set(api.HeaderSequence, strconv.FormatUint(f.Seq, 10))
	h.Set(api.HeaderAge, millis(f.Age+sinceReceived))
	if f.Card {
		h.Set(api.HeaderCard, "1")
	}
	if f.Rotate != 0 {
		h.Set(api.HeaderRotate, strconv.Itoa(f.Rotate))
	}
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}
