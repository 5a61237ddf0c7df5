package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"vchat/daemon/api"
)

// awaitReaders waits until a feed of the device has this many readers.
func (r *rig) awaitReaders(feed string, want int) {
	r.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for ; r.device.Feed(feed).Readers() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: got %d readers, want %d", feed, r.device.Feed(feed).Readers(), want)
		}
	}
}

func TestFrame_newestOnce(t *testing.T) {
	r := serve(t, "workshop")
	r.awaitStatus()
	p := r.openPage("")
	first := p.request("workshop", 0)
	r.awaitReaders("workshop", 1)
	r.device.Publish("workshop", 41, false, []byte("one"))
	got := p.answer(first)
	if got.jpeg != "one" || got.Sequence != 41 || got.Number == 0 {
		t.Fatalf("got %+v; want frame 41", got)
	}
	if got.AgeMS < 0 || got.AgeMS > 20_000 {
		t.Errorf("age: got %v ms", got.AgeMS)
	}
	had := got.Number

	// A request waits for a newer frame.
	second, both := p.request("workshop", had), r.openPage("")
	bothID := both.request("workshop", had)
	select {
	case got := <-p.answers:
		t.Errorf("got frame %d again, want a newer one", got.Number)
	case <-time.After(50 * time.Millisecond):
	}
	for i := range 3 {
		r.device.Publish("workshop", uint64(42+i), i == 2, fmt.Appendf(nil, "%d", i))
	}
	p.answer(second)
	both.answer(bothID)
	// A late request gets only the newest frame, even if it is a card.
	var last answer
	for range 100 {
		if last = p.answer(p.request("workshop", had)); last.Sequence == 44 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if last.jpeg != "2" || !last.Card {
		t.Errorf("got %+v; want the card", last)
	}
	if n := r.device.Feed("workshop").Readers(); n != 1 {
		t.Errorf("got %d readers, want one for all requests", n)
	}
	// Without requests the feed is closed, and its last frame dropped.
	r.awaitReaders("workshop", 0)
	r.device.Publish("workshop", 50, false, []byte("new"))
	if got := p.answer(p.request("workshop", 0)); got.jpeg != "new" {
		t.Errorf("got %q, want the new frame", got.jpeg)
	}
}

func TestFrame_unknownFeed(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	p := r.openPage("")
	for _, feed := range []string{"nobody", "../id", "", "attic"} { // attic: a peer without a call
		t.Run(feed, func(t *testing.T) {
			if got := p.answer(p.request(feed, 0)); !strings.Contains(got.Error, "no such feed") || got.jpeg != "" {
				t.Errorf("got %+v, want the error", got)
			}
		})
	}
}

// A page that is hidden cancels its requests, and the camera closes.
func TestFrame_cancel(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	p := r.openPage("")
	id := p.request("workshop", 0)
	r.awaitReaders("workshop", 1)
	p.send(request{ID: id, Cancel: true})
	r.awaitReaders("workshop", 0)
	// So does one that is closed.
	p.request("workshop", 0)
	r.awaitReaders("workshop", 1)
	p.socket.Close()
	r.awaitReaders("workshop", 0)
}

// A page in a call gets its first frame with its first state, unless it is
// hidden. The feed is open since the page has been loaded.
func TestLive_pushesFirstFrame(t *testing.T) {
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive, Since: time.Now()})
	r.awaitStatus()
	hidden := r.openPage("0&push=0")
	hidden.awaitState("a call", func(s state) bool { return s.Call == "active" })
	if n := r.device.Feed("workshop").Readers(); n != 0 {
		t.Errorf("a hidden page: got %d readers, want none", n)
	}
	r.text(r.do("GET", "", "", nil))
	r.awaitReaders("workshop", 1)
	p := r.openPage("0&push=1")
	var first stateMessage
	if err := json.Unmarshal(p.next("state"), &first); err != nil {
		t.Fatal(err)
	}
	if first.Pushes != "workshop" {
		t.Errorf("got a push of %q, want workshop", first.Pushes)
	}
	r.device.Publish("workshop", 7, false, []byte("seven"))
	if got := p.answer(pushed); got.jpeg != "seven" || got.Sequence != 7 {
		t.Errorf("got %+v, want frame 7", got)
	}
	// A page that has become hidden cancels it.
	r.awaitReaders("workshop", 0)
	p = r.openPage("0&push=1")
	r.awaitReaders("workshop", 1)
	p.send(request{ID: pushed, Cancel: true})
	r.awaitReaders("workshop", 0)
}

// The camera of this device is not opened unasked.
func TestLive_pushesNoOwnFrame(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	r.text(r.do("GET", "", "", nil))
	p := r.openPage("0&push=1")
	var first stateMessage
	if err := json.Unmarshal(p.next("state"), &first); err != nil {
		t.Fatal(err)
	}
	if n := r.device.Feed(api.Self).Readers(); first.Pushes != "" || n != 0 {
		t.Errorf("got a push of %q and %d readers, want none", first.Pushes, n)
	}
}

// Answering a call opens the feed of the peer before the page requests it.
func TestCommands_answerOpensFeed(t *testing.T) {
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "7", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn})
	if res := r.do("POST", "answer", `{"peer": "workshop"}`, nil); res.StatusCode != 204 {
		t.Fatalf("got %d", res.StatusCode)
	}
	r.awaitReaders("workshop", 1)
	r.awaitReaders("workshop", 0)
}

// The connection of a page that does what no page does is closed.
func TestLive_wrongRequests(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	many := make([]string, 0, maxRequests+2)
	for id := range maxRequests + 2 {
		many = append(many, fmt.Sprintf(`{"id": %d, "feed": "workshop", "after": 0}`, id))
	}
	for name, messages := range map[string][]string{
		"no JSON":           {"frame"},
		"negative number":   {`{"id": 1, "feed": "workshop", "after": -1}`},
		"number as text":    {`{"id": 1, "feed": "workshop", "after": "1"}`},
		"same id":           {many[1], many[1]},
		"id of the server":  {many[0]},
		"too many requests": many[1:],
		"too long":          {`{"id": 1, "feed": "` + strings.Repeat("a", maxBody) + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := r.openPage("")
			for _, m := range messages {
				if err := websocket.Message.Send(p.socket, m); err != nil {
					break
				}
			}
			select {
			case <-p.closed:
			case <-time.After(20 * time.Second):
				t.Error("the connection is still open")
			}
		})
	}
}

func TestLive_maxPages(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	var pages []*testPage
	for range maxPages {
		p := r.openPage("")
		p.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
		pages = append(pages, p)
	}
	more := r.openPage("")
	if got := more.next("refused"); !strings.Contains(string(got), tooManyPages) {
		t.Errorf("page %d: got %s, want %q", maxPages+1, got, tooManyPages)
	}
	<-more.closed
	pages[0].socket.Close()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := <-r.openPage("").messages; m.Type == "state" {
			break
		} else if time.Now().After(until) {
			t.Fatalf("after one was closed: got %+v, want a state", m)
		}
	}
}

func TestSnapshot(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	r.device.Publish("workshop", 1, false, []byte("frame"))
	if res := r.do("GET", "snapshot/workshop", "", nil); res.StatusCode != 200 || r.text(res) != "frame" {
		t.Errorf("got %d, want 200 and the frame", res.StatusCode)
	}
	r.device.Publish("workshop", 2, true, []byte("card"))
	res := r.do("GET", "snapshot/workshop", "", nil)
	if got := r.text(res); res.StatusCode != 503 || !strings.Contains(got, "no picture from workshop") {
		t.Errorf("card: got %d %q, want 503", res.StatusCode, got)
	}
}
