package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
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

// requestFrame requests a frame in the background.
func (r *rig) requestFrame(feed string, after int) <-chan *http.Response {
	got := make(chan *http.Response, 1)
	go func() { got <- r.do("GET", fmt.Sprintf("frame/%s?after=%d", feed, after), "", nil) }()
	return got
}

func TestFrame_newestOnce(t *testing.T) {
	r := serve(t, "workshop")
	r.awaitStatus()
	first := r.requestFrame("workshop", 0)
	r.awaitReaders("workshop", 1)
	r.device.Publish("workshop", 41, false, []byte("one"))
	res := <-first
	if got := r.text(res); got != "one" || res.Header.Get("Content-Type") != "image/jpeg" ||
		res.Header.Get(api.HeaderSequence) != "41" {
		t.Fatalf("got %q, %v; want frame 41", got, res.Header)
	}
	age, err := strconv.ParseFloat(res.Header.Get(api.HeaderAge), 64)
	if err != nil || age < 0 || age > 20_000 {
		t.Errorf("age: got %v ms, %v", age, err)
	}
	had, _ := strconv.Atoi(res.Header.Get(headerFrameNumber))

	// A request waits for a newer frame.
	second, both := r.requestFrame("workshop", had), r.requestFrame("workshop", had)
	select {
	case <-second:
		t.Error("got the same frame again")
	case <-time.After(50 * time.Millisecond):
	}
	for i := range 3 {
		r.device.Publish("workshop", uint64(42+i), i == 2, fmt.Appendf(nil, "%d", i))
	}
	r.text(<-both)
	// A late request gets only the newest frame, even if it is a card.
	var last *http.Response
	for range 100 {
		if last = <-r.requestFrame("workshop", had); last.Header.Get(api.HeaderSequence) == "44" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := r.text(last); got != "2" || last.Header.Get(api.HeaderCard) != "1" {
		t.Errorf("got %q, %v; want the card", got, last.Header)
	}
	r.text(<-second)
	if n := r.device.Feed("workshop").Readers(); n != 1 {
		t.Errorf("got %d readers, want one for all requests", n)
	}
	// Without requests the feed is closed, and its last frame dropped.
	r.awaitReaders("workshop", 0)
	r.device.Publish("workshop", 50, false, []byte("new"))
	if got := r.text(<-r.requestFrame("workshop", 0)); got != "new" {
		t.Errorf("got %q, want the new frame", got)
	}
}

func TestFrame_errors(t *testing.T) {
	r := serve(t, "")
	r.awaitStatus()
	for path, want := range map[string]int{
		"frame/nobody?after=0":      404,
		"frame/..%2Fid?after=0":     404,
		"frame/attic?after=0":       404, // a peer without a call
		"frame/workshop":            400,
		"frame/workshop?after=-1":   400,
		"frame/workshop?after=1e3":  400,
		"frame/workshop.jpg?after=": 400,
		"snapshot/nobody":           404,
	} {
		t.Run(path, func(t *testing.T) {
			if res := r.do("GET", path, "", nil); res.StatusCode != want {
				t.Errorf("got %d, want %d", res.StatusCode, want)
			}
		})
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

func TestSetFrameHeaders(t *testing.T) {
	h := http.Header{}
	setFrameHeaders(h, &client.Frame{Rotate: 90, Age: 1500 * time.Microsecond}, time.Millisecond)
	if h.Get(api.HeaderRotate) != "90" || h.Get(api.HeaderAge) != "2.500" || h.Get(api.HeaderCard) != "" {
		t.Errorf("got %v, want rotation 90, age 2.500 and no card", h)
	}
}
