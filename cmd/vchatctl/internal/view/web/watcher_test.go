package web

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// eventReader reads the events as a page does.
type eventReader struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (r *rig) openEvents(lastID string) *eventReader {
	r.t.Helper()
	return r.openEventsAt("events", lastID)
}

func (r *rig) openEventsAt(path, lastID string) *eventReader {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), "GET", r.server.URL()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	res, err := (&http.Client{Transport: r.http.Transport}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { res.Body.Close() })
	return &eventReader{r.t, bufio.NewScanner(res.Body)}
}

// next returns the data and the id of the next event of a kind.
func (e *eventReader) next(kind string) (data, id string) {
	e.t.Helper()
	event := ""
	for e.lines.Scan() {
		name, value, _ := strings.Cut(e.lines.Text(), ": ")
		switch {
		case name == "event":
			event, id = value, ""
		case name == "id":
			id = value
		case name == "data" && event == kind:
			return value, id
		}
	}
	e.t.Fatalf("stream ended before a %s event: %v", kind, e.lines.Err())
	return "", ""
}

// awaitState waits for a state for which ok returns true.
func (e *eventReader) awaitState(what string, ok func(state) bool) state {
	e.t.Helper()
	for range 50 {
		data, _ := e.next("state")
		var update struct {
			Now   int64
			State state
		}
		if err := json.Unmarshal([]byte(data), &update); err != nil {
			e.t.Fatal(err)
		}
		if update.Now == 0 {
			e.t.Errorf("got no time in %s", data)
		}
		if ok(update.State) {
			return update.State
		}
	}
	e.t.Fatalf("never got a state with %s", what)
	return state{}
}

func TestEvents_state(t *testing.T) {
	r := serve(t, "")
	l := r.openEvents("")
	s := l.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
	if s.Feed != api.Self || !s.Live || s.Summary != "No call." || len(s.Peers) != 2 ||
		s.Peers[0].Status != "not reachable: connection refused" {
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
		return s.Reason != nil && s.Reason.Text == "workshop's camera was lost" && s.Reason.Since > 0 &&
			s.Reason.After == " ago: no camera is connected"
	})
	call.State, call.Reason, call.EndedBy = api.CallEnded, api.ReasonHungUp, api.SideRemote
	r.device.SetCall(call)
	l.awaitState("no call", func(s state) bool {
		return s.Feed == api.Self && s.Summary == "Call ended: workshop hung up."
	})
}

func TestEvents_messagesOnce(t *testing.T) {
	r := serve(t, "")
	l := r.openEvents("")
	l.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
	say := func(from api.Side, text string) {
		r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: from, Text: text})
	}
	want := func(l *eventReader, mine bool, text string) string {
		t.Helper()
		data, id := l.next("chat")
		var got message
		err := json.Unmarshal([]byte(data), &got)
		if err != nil || got.Text != text || got.Mine != mine || got.Peer != "workshop" || got.At == 0 {
			t.Errorf("got %s (%v), want message %q", data, err, text)
		}
		return id
	}
	say(api.SideRemote, "<img src=x onerror=alert(1)>\n\ndata: x")
	say(api.SideLocal, "two")
	want(l, false, "<img src=x onerror=alert(1)>\n\ndata: x")
	id := want(l, true, "two")
	// A page that reconnects gets what it has missed.
	say(api.SideRemote, "three")
	want(l, false, "three")
	want(r.openEvents(id), false, "three")
	want(r.openEventsAt("events?after="+id, ""), false, "three")
	// A new page gets the last maxMessages.
	for range maxMessages {
		say(api.SideRemote, "many")
	}
	for range maxMessages {
		want(l, false, "many")
	}
	want(r.openEvents(""), false, "many")
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
	l := r.openEvents("")
	l.awaitState("the call", func(s state) bool { return s.DaemonUp && s.Feed == "workshop" })
	down()
	s := l.awaitState("the daemon down", func(s state) bool { return !s.DaemonUp })
	if s.Feed != "workshop" || s.Reason == nil || s.Reason.Since == 0 || s.Reason.Text != "vchatd stopped" ||
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
