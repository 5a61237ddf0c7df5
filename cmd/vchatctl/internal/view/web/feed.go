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
	nextWithin = 10 * time.Second // of a request for a frame that does not come: the page asks again
	linger     = 2 * time.Second  // of a feed that nobody asks about any more
)

// The headers of a frame beyond those of the API.
const (
	headerNumber = "X-Frame"     // counts the frames of this server; what the page says it has, as after=N
	headerWaited = "X-Waited-Ms" // how long the request had to wait for it, which is no age
)

// feeds are the feeds of the daemon that pages look at, each read once for all of them.
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

// close ends the reading. Nobody may ask any more.
func (fs *feeds) close() {
	fs.cancel()
	fs.wg.Wait()
}

// feed is one that is read, or was until a moment ago. Its fields are guarded by feeds.mu.
type feed struct {
	asking  int // requests
	cancel  context.CancelFunc
	idle    *time.Timer
	newest  *frame
	number  uint64        // of newest
	err     error         // why it is read no more
	changed chan struct{} // closed when one of the above has changed
}

// frame is never changed: several requests may write it at once.
type frame struct {
	client.Frame
	number uint64
	came   time.Time
}

// next waits for a frame newer than the one of that number, and gives the newest. The error is that of ctx or of the feed.
func (fs *feeds) next(ctx context.Context, name string, after uint64) (*frame, error) {
	for {
		p, err := fs.wait(ctx, name, after)
		// It was about to be read no more when this request came.
		if errors.Is(err, context.Canceled) && ctx.Err() == nil && fs.ctx.Err() == nil {
			continue
		}
		return p, err
	}
}

func (fs *feeds) wait(ctx context.Context, name string, after uint64) (*frame, error) {
	f := fs.enter(name)
	defer fs.leave(f)
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

// enter finds a feed that is read, or begins to read it.
func (fs *feeds) enter(name string) *feed {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byName[name]
	if f == nil {
		f = &feed{}
		fs.byName[name] = f
	}
	f.asking++
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

// leave ends the reading a while after the last request.
func (fs *feeds) leave(f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.asking--; f.asking > 0 || f.cancel == nil {
		return
	}
	f.idle = time.AfterFunc(linger, func() {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if f.asking == 0 && f.cancel != nil {
			f.cancel()
		}
	})
}

// read keeps the newest frame of a feed until it ends or ctx does. What was read is forgotten then: the next who asks is
// not shown what was before.
func (fs *feeds) read(ctx context.Context, cancel context.CancelFunc, name string, f *feed) {
	defer cancel()
	err := fs.readUntil(ctx, name, f)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.err, f.newest, f.cancel = err, nil, nil
	if f.idle != nil {
		f.idle.Stop()
		f.idle = nil
	}
	close(f.changed)
}

func (fs *feeds) readUntil(ctx context.Context, name string, f *feed) error {
	src, err := fs.client.Feed(ctx, name)
	if err != nil {
		return err
	}
	defer src.Close()
	for {
		got, err := src.Next()
		if err == io.EOF {
			return errOver
		}
		if err != nil {
			return err
		}
		p := &frame{Frame: got, came: time.Now()}
		p.Data = append([]byte(nil), got.Data...) // the source uses its memory again
		fs.mu.Lock()
		f.number++
		p.number = f.number
		f.newest = p
		close(f.changed)
		f.changed = make(chan struct{})
		fs.mu.Unlock()
	}
}

// errOver is the end of a feed in order: of the call, or of the daemon.
var errOver = errors.New("the feed is over")

// frame answers with the newest frame of a feed that the page does not have yet, and waits for it if need be.
func (s *Server) frame(w http.ResponseWriter, r *http.Request) {
	asked, name := time.Now(), r.PathValue("feed")
	after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
	if err != nil {
		http.Error(w, "after= wants a number", http.StatusBadRequest)
		return
	}
	if !s.news.knows(name) {
		refuse(w, &api.Error{Kind: api.NoSuchFeed, Message: "there is no such feed"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), nextWithin)
	defer cancel()
	p, err := s.feeds.next(ctx, name, after)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		refuse(w, err)
	default:
		sendFrame(w, p, time.Since(asked))
	}
}

func sendFrame(w http.ResponseWriter, p *frame, waited time.Duration) {
	h := w.Header()
	h.Set(headerNumber, strconv.FormatUint(p.number, 10))
	h.Set(headerWaited, millis(waited))
	describe(h, &p.Frame, time.Since(p.came))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = w.Write(p.Data) // a page that has gone misses nothing
}

// describe puts into headers what is known of a frame that came so long ago.
func describe(h http.Header, f *client.Frame, since time.Duration) {
	h.Set("Content-Type", "image/jpeg")
	h.Set("Content-Length", strconv.Itoa(len(f.Data)))
	h.Set(api.HeaderSequence, strconv.FormatUint(f.Seq, 10))
	h.Set(api.HeaderAge, millis(f.Age+since))
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
