package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	tryAgain  = 500 * time.Millisecond // after the daemon was lost
	askWithin = 5 * time.Second        // for the daemon to tell its state
	keepAlive = 15 * time.Second       // between two signs of life, so that a page which has gone is noticed
	keepLines = 50                     // of what was said, for a page that is opened or loaded again
)

// line is one that was said.
type line struct {
	number int64
	At     int64  `json:"at"`   // milliseconds since the epoch, by this device's clock
	Peer   string `json:"peer"` // with whom
	Mine   bool   `json:"mine"` // it was said on this device
	Text   string `json:"text"`
}

// news keeps what pages are told. An event of the daemon is taken as a sign that its state has changed, and the state is asked
// for as a whole: so nothing is put together wrongly from parts, and it costs little, as events are rare.
type news struct {
	client *client.Client

	mu      sync.Mutex
	scene   scene
	known   bool // the scene has a status
	lines   []line
	changed chan struct{} // closed when one of the above has
}

func newNews(c *client.Client, feed string) *news {
	return &news{client: c, scene: scene{asked: feed}, changed: make(chan struct{})}
}

// follow follows the daemon over its restarts, until ctx ends.
func (n *news) follow(ctx context.Context) {
	for {
		err := n.attend(ctx)
		if ctx.Err() != nil {
			return
		}
		n.change(func() {
			if n.scene.gone == nil {
				n.scene.since = time.Now()
			}
			n.scene.gone = err
		})
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
			return
		}
	}
}

func (n *news) attend(ctx context.Context) error {
	events, err := n.client.Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		if e.Event == api.EventViewer {
			continue
		}
		s, err := n.ask(ctx)
		if err != nil {
			return err
		}
		n.change(func() { n.learn(e, s) })
	}
}

func (n *news) ask(ctx context.Context) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return n.client.Status(ctx)
}

func (n *news) learn(e api.Event, s api.Status) {
	n.scene.status, n.known = s, true
	n.scene.gone = nil
	switch {
	case e.Event == api.EventCall && e.Call != nil && e.Call.State == api.CallEnded:
		n.scene.last = e.Call
	case e.Event == api.EventText:
		n.said(line{At: e.Time.UnixMilli(), Peer: e.Peer, Mine: e.From == api.SideLocal, Text: e.Text})
	}
	n.scene.before = shown(&n.scene)
}

func (n *news) said(l line) {
	l.number = 1
	if k := len(n.lines); k > 0 {
		l.number = n.lines[k-1].number + 1
	}
	n.lines = append(n.lines, l)
	if len(n.lines) > keepLines {
		n.lines = append([]line(nil), n.lines[1:]...)
	}
}

func (n *news) change(do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
	close(n.changed)
	n.changed = make(chan struct{})
}

// knows says whether there is a feed of that name, as far as is known.
func (n *news) knows(feed string) bool {
	if feed == api.Self {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.scene.status.Peers {
		if p.Name == feed {
			return true
		}
	}
	return false
}

// latest gives the present state, the lines after that number, and what is closed when there is something new. Before the
// daemon was heard of for the first time there is no state.
func (n *news) latest(after int64) (body []byte, lines []line, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.lines {
		if l.number > after {
			lines = append(lines, l)
		}
	}
	if n.known || n.scene.gone != nil {
		body, _ = json.Marshal(present(&n.scene)) // it cannot fail: strings, numbers and lists of them
	}
	return body, lines, n.changed
}

// events tells a page of the state whenever that has changed, and of each line that is said, as server-sent events. A page
// that has lost its connection gets the lines which it has missed.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	// Browsers send the header when they try again by themselves, the page the other. Without either it is the beginning.
	last, _ := strconv.ParseInt(cmp.Or(r.Header.Get("Last-Event-ID"), r.FormValue("after")), 10, 64)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	send := func(format string, args ...any) error {
		err := rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
		return err
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	told := ""
	err := send("retry: 1000\n\n")
	for err == nil {
		body, lines, changed := s.news.latest(last)
		// The page learns the time here, for the ages in the state: its clock may be another one, through ssh -L.
		if string(body) != told {
			told = string(body)
			err = send("event: state\ndata: {\"now\": %d, \"state\": %s}\n\n", time.Now().UnixMilli(), body)
		}
		for _, l := range lines {
			text, _ := json.Marshal(l)
			err = errors.Join(err, send("event: said\nid: %d\ndata: %s\n\n", l.number, text))
			last = l.number
		}
		if err = errors.Join(err, rc.Flush()); err != nil {
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			err = send(": still here\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
