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

// heard waits until the server has heard of the device.
func (r *rig) heard() {
	r.t.Helper()
	for until := time.Now().Add(20 * time.Second); !r.server.news.knows("workshop"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatal("it does not hear of the device")
		}
	}
}

// listener is a page that listens.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (r *rig) listen(lastID string) *listener {
	r.t.Helper()
	return r.listenAt("events", lastID)
}

func (r *rig) listenAt(path, lastID string) *listener {
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
	return &listener{r.t, bufio.NewScanner(res.Body)}
}

// next gives the next event of a kind, with its id.
func (l *listener) next(kind string) (data, id string) {
	l.t.Helper()
	event := ""
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch {
		case name == "event":
			event, id = value, ""
		case name == "id":
			id = value
		case name == "data" && event == kind:
			return value, id
		}
	}
	l.t.Fatalf("the stream ends before a %s comes: %v", kind, l.lines.Err())
	return "", ""
}

// state waits for a state that is as it must be.
func (l *listener) state(what string, ok func(state) bool) state {
	l.t.Helper()
	for range 50 {
		data, _ := l.next("state")
		var told struct {
			Now   int64
			State state
		}
		if err := json.Unmarshal([]byte(data), &told); err != nil {
			l.t.Fatal(err)
		}
		if told.Now == 0 {
			l.t.Errorf("no time: %s", data)
		}
		if ok(told.State) {
			return told.State
		}
	}
	l.t.Fatalf("never: %s", what)
	return state{}
}

func TestAPageIsToldWhatGoesOn(t *testing.T) {
	r := serve(t, "")
	l := r.listen("")
	s := l.state("the beginning", func(s state) bool { return s.Reached })
	if s.Feed != api.Self || !s.Live || s.Words != "No call." || len(s.Peers) != 2 || s.Peers[0].Words != "not reachable: connection refused" {
		t.Errorf("%+v", s)
	}
	call := api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn}
	r.device.SetCall(call)
	l.state("it rings", func(s state) bool {
		return len(s.Ringing) == 1 && s.Ringing[0].Peer == "workshop" && s.Words == "workshop is calling."
	})
	call.State = api.CallActive
	r.device.SetCall(call)
	l.state("the peer is shown", func(s state) bool { return s.Feed == "workshop" && s.Live && s.Call == "active" })
	call.PeerCamera = &api.PeerCamera{State: "lost", Reason: "no camera is connected", Since: time.Now()}
	r.device.SetCall(call)
	l.state("its camera is gone", func(s state) bool {
		return s.Why != nil && s.Why.Text == "workshop's camera was lost" && s.Why.Since > 0 && s.Why.After == " ago: no camera is connected"
	})
	call.State, call.Reason, call.EndedBy = api.CallEnded, api.ReasonHungUp, api.SideRemote
	r.device.SetCall(call)
	l.state("the end", func(s state) bool { return s.Feed == api.Self && s.Words == "No call: workshop has hung up." })
}

func TestLinesAreToldOnce(t *testing.T) {
	r := serve(t, "")
	l := r.listen("")
	l.state("the beginning", func(s state) bool { return s.Reached })
	say := func(from api.Side, text string) {
		r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: from, Text: text})
	}
	want := func(l *listener, mine bool, text string) string {
		t.Helper()
		data, id := l.next("said")
		var got line
		if err := json.Unmarshal([]byte(data), &got); err != nil || got.Text != text || got.Mine != mine || got.Peer != "workshop" || got.At == 0 {
			t.Errorf("told %s (%v), want %q", data, err, text)
		}
		return id
	}
	say(api.SideRemote, "<img src=x onerror=alert(1)>\n\ndata: x")
	say(api.SideLocal, "two")
	want(l, false, "<img src=x onerror=alert(1)>\n\ndata: x")
	id := want(l, true, "two")
	// A page that has lost its connection meanwhile.
	say(api.SideRemote, "three")
	want(l, false, "three")
	want(r.listen(id), false, "three")
	want(r.listenAt("events?after="+id, ""), false, "three")
	// One that is new, and gets no more than there is room for.
	for range keepLines {
		say(api.SideRemote, "many")
	}
	for range keepLines {
		want(l, false, "many")
	}
	want(r.listen(""), false, "many")
}

func TestTheDaemonIsOutlived(t *testing.T) {
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
	l := r.listen("")
	l.state("the call", func(s state) bool { return s.Reached && s.Feed == "workshop" })
	down()
	s := l.state("the daemon is gone", func(s state) bool { return !s.Reached })
	if s.Feed != "workshop" || s.Why == nil || s.Why.Since == 0 || s.Why.Text != "vchatd ended" || len(s.Peers) != 0 {
		t.Errorf("%+v", s)
	}
	res := r.do("POST", "hangup", "{}", nil)
	if body := r.text(res); res.StatusCode != 503 || !strings.Contains(body, "vchatd does not answer") {
		t.Errorf("a command meanwhile: %d %s", res.StatusCode, body)
	}
	down = up()
	defer down()
	l.state("it is back", func(s state) bool { return s.Reached && s.Feed == "workshop" && s.Why == nil })
}
