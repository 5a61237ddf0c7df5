package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/websocket"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// pushed is the id of the request that the server makes for a page, so that the
// first frame comes with the first state.
const pushed = 0

const (
	maxPages          = 6                // open at the same time
	maxRequests       = 8                // for frames, in progress on one page; it makes three
	frameTimeout      = 10 * time.Second // of a request for a frame; the page then asks again
	keepAliveInterval = 15 * time.Second // finds pages that have gone
)

// tooManyPages is what a page shows that is one too many.
const tooManyPages = "Too many open pages: close one."

// request is a message of the page. It asks for the newest frame of a feed, or
// cancels that request.
type request struct {
	ID     int64  `json:"id"` // from 1
	Feed   string `json:"feed,omitempty"`
	After  uint64 `json:"after"` // wait for a frame with a higher number
	Cancel bool   `json:"cancel,omitempty"`
}

// Messages to the page. Their kind is in the field type.
type (
	// stateMessage has the present state, after each change.
	stateMessage struct {
		Type  string          `json:"type"` // state
		Now   int64           `json:"now"`  // by the server's clock; see serverTime
		State json.RawMessage `json:"state"`
		// Pushes is the feed whose frame follows as the answer to request
		// pushed, which the page has not made.
		Pushes string `json:"pushes,omitempty"`
	}
	// chatMessage has a chat message, once.
	chatMessage struct {
		Type   string `json:"type"`   // chat
		Number int64  `json:"number"` // the page returns the last one as after=N when it reconnects
		AgeMS  int64  `json:"age_ms"`
		message
	}
	// refusedMessage says why the page cannot be served. The server then closes
	// the connection.
	refusedMessage struct {
		Type string `json:"type"` // refused
		Text string `json:"text"`
	}
	// failedMessage answers a request without a frame.
	failedMessage struct {
		Type  string `json:"type"`            // failed
		ID    int64  `json:"id"`              // of the request
		Error string `json:"error,omitempty"` // absent: no new frame within frameTimeout
	}
	// keepAlive has no further fields.
	keepAliveMessage struct {
		Type string `json:"type"` // keep-alive
	}
	// frameHeader answers a request. In a binary message, it is the first line,
	// as JSON. The frame follows.
	frameHeader struct {
		ID       int64   `json:"id"`     // of the request
		Number   uint64  `json:"number"` // counts the frames of this feed on this server
		Sequence uint64  `json:"sequence"`
		AgeMS    float64 `json:"age_ms"`
		WaitedMS float64 `json:"waited_ms"` // how long the request waited for the frame, which is not part of its age
		Card     bool    `json:"card,omitempty"`
		Rotate   int     `json:"rotate,omitempty"` // degrees clockwise to show it at
	}
)

// livePage is a page that is open in a browser.
type livePage struct {
	server *Server
	socket *websocket.Conn
	wg     sync.WaitGroup

	writing sync.Mutex // held for a message

	mu       sync.Mutex
	requests map[int64]context.CancelFunc
}

// live serves the one connection of a page: the state, the messages and the
// frames that it requests. It is a WebSocket. Of other connections, a browser
// opens only six to a host, for all pages together.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "this address is for a WebSocket", http.StatusBadRequest)
		return
	}
	// Without the parameter, the page gets all messages.
	after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64)
	push := r.FormValue("push") == "1"
	s.pages.Add(1)
	defer s.pages.Done()
	websocket.Server{Handler: func(c *websocket.Conn) {
		p := &livePage{server: s, socket: c, requests: map[int64]context.CancelFunc{}}
		if s.openPages.Add(1) > maxPages {
			_ = p.sendJSON(refusedMessage{"refused", tooManyPages}) // fails only if the page has gone
			_ = c.Close()
		} else {
			p.serve(r.Context(), after, push)
		}
		s.openPages.Add(-1)
	}}.ServeHTTP(w, r)
}

// serve serves the page until it has gone or ctx ends. With push, the page gets
// its first frame unasked.
func (p *livePage) serve(ctx context.Context, after int64, push bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer p.wg.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = p.socket.Close() })()
	p.socket.MaxPayloadBytes = maxBody
	p.wg.Go(func() {
		defer cancel()
		p.sendEvents(ctx, after, push)
	})
	for {
		var text string
		if err := websocket.Message.Receive(p.socket, &text); err != nil {
			return
		}
		var r request
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.ID == pushed && !r.Cancel || !p.handle(ctx, r) {
			return
		}
	}
}

// handle starts or cancels a request. It reports false for one that no page
// makes.
func (p *livePage) handle(ctx context.Context, r request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.requests[r.ID]
	if r.Cancel {
		if old != nil {
			old()
		}
		return true
	}
	if old != nil || len(p.requests) == maxRequests {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, frameTimeout)
	p.requests[r.ID] = cancel
	p.wg.Go(func() {
		defer cancel()
		err := p.sendFrame(ctx, r)
		p.mu.Lock()
		delete(p.requests, r.ID)
		p.mu.Unlock()
		if err != nil {
			_ = p.socket.Close() // ends serve
		}
	})
	return true
}

// sendFrame answers a request with the newest frame that the page does not have
// yet. It returns an error if the page has gone.
func (p *livePage) sendFrame(ctx context.Context, r request) error {
	requested := time.Now()
	if !p.server.watcher.hasFeed(r.Feed) {
		return p.sendJSON(failedMessage{"failed", r.ID, "no such feed"})
	}
	f, err := p.server.feeds.next(ctx, r.Feed, r.After)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.sendJSON(failedMessage{"failed", r.ID, ""})
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return p.sendJSON(failedMessage{"failed", r.ID, publicError(err).Message})
	}
	waited := time.Since(requested)
	return p.send(func() any {
		h, _ := json.Marshal(frameHeader{
			r.ID, f.number, f.Seq, millis(f.Age + time.Since(f.received)), millis(waited), f.Card, f.Rotate,
		})
		return append(append(h, '\n'), f.Data...)
	})
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// sendEvents sends the state after each change, and each message once. After a
// lost connection a page gets the messages that it has missed.
func (p *livePage) sendEvents(ctx context.Context, after int64, push bool) {
	tick := time.NewTicker(keepAliveInterval)
	defer tick.Stop()
	sent := ""
	var err error
	for err == nil {
		state, messages, changed := p.server.watcher.current(after)
		if string(state) != sent {
			sent = string(state)
			m := stateMessage{"state", serverTime(time.Now()), state, ""}
			if push {
				m.Pushes, push = p.server.watcher.openFeed(), false
			}
			err = p.sendJSON(m)
			if m.Pushes != "" {
				p.handle(ctx, request{ID: pushed, Feed: m.Pushes})
			}
		}
		for _, m := range messages {
			err = errors.Join(err, p.sendJSON(chatMessage{"chat", m.number, time.Since(m.received).Milliseconds(), m}))
			after = m.number
		}
		if err != nil {
			return
		}
		select {
		case <-changed:
		case <-tick.C:
			err = p.sendJSON(keepAliveMessage{"keep-alive"})
		case <-ctx.Done():
			return
		}
	}
}

func (p *livePage) sendJSON(v any) error {
	return p.send(func() any {
		text, _ := json.Marshal(v) // cannot fail: it holds strings, numbers and lists
		return string(text)
	})
}

// send sends a message: a string as text, bytes as binary. build is called once
// the messages before are sent.
func (p *livePage) send(build func() any) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := p.socket.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return websocket.Message.Send(p.socket, build())
}

// publicError returns the error that a page may see. It passes on errors of the
// daemon, without the hint, which is for a shell.
func publicError(err error) *api.Error {
	var e *api.Error
	switch {
	case errors.As(err, &e):
		return &api.Error{Kind: e.Kind, Message: e.Message}
	case errors.Is(err, errFeedEnded):
		return &api.Error{Kind: api.ShuttingDown, Message: err.Error()}
	case errors.Is(err, client.ErrPermission):
		return &api.Error{Kind: api.ShuttingDown, Message: "this user is not allowed to use vchatd"}
	}
	return &api.Error{Kind: api.ShuttingDown, Message: "vchatd does not answer"}
}
