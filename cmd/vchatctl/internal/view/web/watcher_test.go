package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"vchat/daemon/api"
	"vchat/daemon/control/controltest"
)

// awaitStatus waits until the server has the status of the device.
func (r *rig) awaitStatus() {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for ; !r.server.watcher.hasFeed("workshop"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("the server does not get the status")
		}
	}
}

// testPage is the connection of a page.
type testPage struct {
	t        *testing.T
	socket   *websocket.Conn
	lastID   int64
	messages chan testMessage // of the types state, chat and refused
	answers  chan answer
	closed   chan struct{}
}

// testMessage is a message to the page.
type testMessage struct {
	Type string
	data []byte
}

// answer is the answer to a request: a frame or an error.
type answer struct {
	frameHeader
	jpeg  string
	Error string `json:"error"`
}

// openPage connects as a page does that has the messages up to after.
func (r *rig) openPage(after string) *testPage {
	r.t.Helper()
	url := "ws" + strings.TrimPrefix(r.server.URL(), "http") + "live?after=" + after
	origin := "http://" + r.server.listener.Addr().String()
	socket, err := websocket.Dial(url, "", origin)
	if err != nil {
		r.t.Fatal(err)
	}
	p := &testPage{
		t: r.t, socket: socket,
		messages: make(chan testMessage, 100), answers: make(chan answer, 100), closed: make(chan struct{}),
	}
	go p.read()
	r.t.Cleanup(func() { socket.Close(); <-p.closed })
	return p
}

// read reads messages until the connection ends.
func (p *testPage) read() {
	defer close(p.closed)
	defer close(p.messages)
	for {
		var data []byte
		if websocket.Message.Receive(p.socket, &data) != nil {
			return
		}
		line, jpeg, isFrame := bytes.Cut(data, []byte("\n"))
		var m struct {
			Type string
			answer
		}
		if err := json.Unmarshal(line, &m); err != nil {
			p.t.Errorf("got message %q: %v", data, err)
		}
		if m.jpeg = string(jpeg); isFrame || m.Type == "failed" {
			p.answers <- m.answer
		} else {
			p.messages <- testMessage{m.Type, data}
		}
	}
}

func (p *testPage) send(r request) {
	p.t.Helper()
	if err := websocket.JSON.Send(p.socket, r); err != nil {
		p.t.Fatal(err)
	}
}

// request requests a frame and returns the number of the request.
func (p *testPage) request(feed string, after uint64) int64 {
	p.t.Helper()
	p.lastID++
	p.send(request{ID: p.lastID, Feed: feed, After: after})
	return p.lastID
}

// answer waits for the answer to a request.
func (p *testPage) answer(id int64) answer {
	p.t.Helper()
	select {
	case a := <-p.answers:
		if a.ID != id {
			p.t.Fatalf("got the answer to request %d, want %d", a.ID, id)
		}
		return a
	case <-time.After(20 * time.Second):
		p.t.Fatalf("no answer to request %d", id)
	}
	return answer{}
}

// next returns the next message of a type.
func (p *testPage) next(kind string) []byte {
	p.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case m, ok := <-p.messages:
			if !ok {
				p.t.Fatalf("connection ended before a %s message", kind)
			}
			if m.Type == kind {
				return m.data
			}
		case <-timeout:
			p.t.Fatalf("no %s message", kind)
		}
	}
}

// awaitState waits for a state for which ok returns true.
func (p *testPage) awaitState(what string, ok func(state) bool) state {
	p.t.Helper()
	for range 50 {
		data := p.next("state")
		var update struct {
			Now   int64
			State state
		}
		if err := json.Unmarshal(data, &update); err != nil {
			p.t.Fatal(err)
		}
		if update.Now < 0 || update.Now > time.Since(serverStart).Milliseconds() {
			p.t.Errorf("got time %d in %s, want that of the server", update.Now, data)
		}
		if ok(update.State) {
			return update.State
		}
	}
	p.t.Fatalf("never got a state with %s", what)
	return state{}
}

func TestEvents_state(t *testing.T) {
	r := serve(t, "")
	l := r.openPage("")
	s := l.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
	if s.Feed != api.Self || !s.Live || s.Summary != "No call." || len(s.Peers) != 2 ||
		s.Peers[0].Status != "not reachable" {
		t.Errorf("got %+v, want no call and attic not reachable", s)
	}
	call := api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn}
	r.device.SetCall(call)
	l.awaitState("an incoming call", func(s state) bool {
		return len(s.Ringing) == 1 && s.Ringing[0].Peer == "workshop" && s.Summary == "workshop is calling."
	})
	call.State = api.CallActive
	r.device.SetCall(call)
	l.awaitState("the feed of the peer", func(s state) bool {
		return s.Feed == "workshop" && s.Live && s.Call == "active"
	})
	call.PeerCamera = &api.PeerCamera{State: "lost", Reason: "no camera is connected", Since: time.Now()}
	r.device.SetCall(call)
	l.awaitState("the peer's camera lost", func(s state) bool {
		return s.Reason != nil && s.Reason.Text == "workshop: no camera is connected"
	})
	call.State, call.Reason, call.EndedBy = api.CallEnded, api.ReasonHungUp, api.SideRemote
	call.ReasonText = "workshop hung up"
	r.device.SetCall(call)
	l.awaitState("no call", func(s state) bool {
		return s.Feed == api.Self && s.Summary == "Call ended: workshop hung up."
	})
}

func TestEvents_messagesOnce(t *testing.T) {
	r := serve(t, "")
	l := r.openPage("")
	l.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
	say := func(from api.Side, text string) {
		r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: from, Text: text})
	}
	want := func(l *testPage, mine bool, text string) string {
		t.Helper()
		data := l.next("chat")
		var got chatMessage
		err := json.Unmarshal([]byte(data), &got)
		if err != nil || got.Text != text || got.Mine != mine || got.Peer != "workshop" {
			t.Errorf("got %s (%v), want message %q", data, err, text)
		}
		return strconv.FormatInt(got.Number, 10)
	}
	say(api.SideRemote, "<img src=x onerror=alert(1)>\n\ndata: x")
	say(api.SideLocal, "two")
	want(l, false, "<img src=x onerror=alert(1)>\n\ndata: x")
	id := want(l, true, "two")
	// A page that reconnects gets what it has missed.
	say(api.SideRemote, "three")
	want(l, false, "three")
	want(r.openPage(id), false, "three")
	// A new page gets the last maxMessages.
	for range maxMessages {
		say(api.SideRemote, "many")
	}
	for range maxMessages {
		want(l, false, "many")
	}
	want(r.openPage(""), false, "many")
}

func TestServer_survivesRestartOfDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control.sock")
	d := controltest.New()
	up := func() (down func()) {
		ctx, cancel := context.WithCancel(context.Background())
		wait, err := controltest.Serve(ctx, d, socket)
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		return func() {
			cancel()
			if err := wait(); err != nil {
				t.Error(err)
			}
		}
	}
	down := up()
	r := &rig{t: t, device: d, server: start(t, socket, ""), http: &http.Client{}}
	t.Cleanup(r.http.CloseIdleConnections)
	d.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive})
	l := r.openPage("")
	l.awaitState("the call", func(s state) bool { return s.DaemonUp && s.Feed == "workshop" })
	down()
	s := l.awaitState("the daemon down", func(s state) bool { return !s.DaemonUp })
	if s.Feed != "workshop" || s.Reason == nil || s.Reason.Since == nil || s.Reason.Text != "vchatd stopped" ||
		len(s.Peers) != 0 {
		t.Errorf("got %+v, want the feed of workshop and the reason", s)
	}
	res := r.do("POST", "hangup", "{}", nil)
	if body := r.text(res); res.StatusCode != 503 || !strings.Contains(body, "vchatd does not answer") {
		t.Errorf("command without a daemon: got %d %s, want 503", res.StatusCode, body)
	}
	down = up()
	defer down()
	l.awaitState("the daemon back", func(s state) bool { return s.DaemonUp && s.Feed == "workshop" && s.Reason == nil })
}
