package web

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
	"vchat/daemon/client"
)

const (
	retryInterval = 500 * time.Millisecond // after the daemon was lost
	statusTimeout = 5 * time.Second        // for the daemon to return its status
	maxMessages   = 50                     // kept for a page that is opened or reloaded
)

// message is a chat message.
type message struct {
	number   int64 // counts from 1
	received time.Time
	Peer     string `json:"peer"` // the other side
	Mine     bool   `json:"mine"` // sent from this device
	Text     string `json:"text"`
}

// watcher follows the daemon and keeps the state for the pages. It takes an
// event only as a sign of a change and then fetches the whole status. Events
// are rare, so that is cheap, and the state cannot go out of step.
type watcher struct {
	client *client.Client

	mu        sync.Mutex
	device    deviceInfo
	hasStatus bool // the daemon has answered at least once
	messages  []message
	changed   chan struct{} // closed, and replaced, on a change
}

func newWatcher(c *client.Client, o Options) *watcher {
	return &watcher{client: c, device: deviceInfo{requestedFeed: o.Feed, command: o.Command},
		changed: make(chan struct{})}
}

// run follows the daemon, across its restarts, until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for {
		err := w.readEvents(ctx)
		if ctx.Err() != nil {
			return
		}
		w.update(func() {
			if w.device.daemonErr == nil {
				w.device.daemonLostAt = time.Now()
			}
			w.device.daemonErr = err
		})
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) readEvents(ctx context.Context) error {
	events, err := w.client.Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	if rights, err := w.client.Rights(ctx); err == nil { // else an older daemon: the page tries
		w.mu.Lock()
		w.device.rights = rights
		w.mu.Unlock()
	}
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		if e.Event == api.EventViewer {
			continue
		}
		s, err := w.fetchStatus(ctx)
		if err != nil {
			return err
		}
		w.update(func() { w.apply(e, s) })
	}
}

func (w *watcher) fetchStatus(ctx context.Context) (api.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s, err := w.client.Status(ctx)
	view.OnOwnClock(&s, time.Now())
	return s, err
}

func (w *watcher) apply(e api.Event, s api.Status) {
	w.device.status, w.hasStatus = s, true
	w.device.daemonErr = nil
	switch {
	case e.Event == api.EventCall && e.Call != nil && e.Call.State == api.CallEnded:
		w.device.lastCall, w.device.lastCallAt = e.Call, time.Now()
	case e.Event == api.EventText:
		w.addMessage(message{received: time.Now(), Peer: e.Peer, Mine: e.From == api.SideLocal, Text: e.Text})
	}
	w.device.shownFeed = w.device.selectFeed()
}

func (w *watcher) addMessage(m message) {
	m.number = 1
	if k := len(w.messages); k > 0 {
		m.number = w.messages[k-1].number + 1
	}
	w.messages = append(w.messages, m)
	if len(w.messages) > maxMessages {
		w.messages = append([]message(nil), w.messages[1:]...)
	}
}

// update changes the state and wakes the pages.
func (w *watcher) update(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

// hasFeed reports whether a feed belongs to this device or a configured peer.
func (w *watcher) hasFeed(feed string) bool {
	if feed == api.Self {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.device.status.Peers {
		if p.Name == feed {
			return true
		}
	}
	return false
}

// openFeed returns the feed that a page shows at once, or "". It is no feed of
// this device's camera, unless the user has named it.
func (w *watcher) openFeed() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hasStatus || w.device.daemonErr != nil {
		return ""
	}
	if s := newState(&w.device); s.Live && (s.Feed != api.Self || s.Asked) {
		return s.Feed
	}
	return ""
}

// current returns the state as JSON, the messages after a number, and a channel
// that is closed on the next change. state is nil until the daemon has answered
// or failed to.
func (w *watcher) current(after int64) (state []byte, messages []message, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.messages {
		if m.number > after {
			messages = append(messages, m)
		}
	}
	if w.hasStatus || w.device.daemonErr != nil {
		state, _ = json.Marshal(newState(&w.device)) // cannot fail: it holds strings, numbers and lists
	}
	return state, messages, w.changed
}
