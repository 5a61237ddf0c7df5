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

// readers waits until so many read a feed of the device.
func (r *rig) readers(feed string, want int) {
	r.t.Helper()
	for until := time.Now().Add(20 * time.Second); r.device.Feed(feed).Readers() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatalf("%d read %s, want %d", r.device.Feed(feed).Readers(), feed, want)
		}
	}
}

// ask asks for a frame, and gives what becomes of it.
func (r *rig) ask(feed string, after int) <-chan *http.Response {
	got := make(chan *http.Response, 1)
	go func() { got <- r.do("GET", fmt.Sprintf("frame/%s?after=%d", feed, after), "", nil) }()
	return got
}

func TestEachFrameIsGivenOnceAndTheNewestFirst(t *testing.T) {
	r := serve(t, "workshop")
	r.heard()
	first := r.ask("workshop", 0)
	r.readers("workshop", 1)
	r.device.Publish("workshop", 41, false, []byte("one"))
	res := <-first
	if got := r.text(res); got != "one" || res.Header.Get("Content-Type") != "image/jpeg" || res.Header.Get(api.HeaderSequence) != "41" {
		t.Fatalf("got %q, %v", got, res.Header)
	}
	age, err := strconv.ParseFloat(res.Header.Get(api.HeaderAge), 64)
	if err != nil || age < 0 || age > 20_000 {
		t.Errorf("it is %v ms old: %v", age, err)
	}
	had, _ := strconv.Atoi(res.Header.Get(headerNumber))

	// It waits for one that it does not have.
	second, both := r.ask("workshop", had), r.ask("workshop", had)
	select {
	case <-second:
		t.Error("it is given one that it has")
	case <-time.After(50 * time.Millisecond):
	}
	for i := range 3 {
		r.device.Publish("workshop", uint64(42+i), i == 2, fmt.Appendf(nil, "%d", i))
	}
	r.text(<-both)
	// Who asks late gets the newest alone, card or not.
	var last *http.Response
	for range 100 {
		if last = <-r.ask("workshop", had); last.Header.Get(api.HeaderSequence) == "44" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := r.text(last); got != "2" || last.Header.Get(api.HeaderCard) != "1" {
		t.Errorf("got %q, %v", got, last.Header)
	}
	r.text(<-second)
	if n := r.device.Feed("workshop").Readers(); n != 1 {
		t.Errorf("%d read it, want one for all requests", n)
	}
	// Nobody asks any more: the feed is read no more, and what was seen is forgotten.
	r.readers("workshop", 0)
	r.device.Publish("workshop", 50, false, []byte("new"))
	if got := r.text(<-r.ask("workshop", 0)); got != "new" {
		t.Errorf("got %q", got)
	}
}

func TestFeedsThatAreNoneAreRefused(t *testing.T) {
	r := serve(t, "")
	r.heard()
	for path, want := range map[string]int{
		"frame/nobody?after=0":      404,
		"frame/..%2Fid?after=0":     404,
		"frame/attic?after=0":       404, // it is known, but there is no call with it
		"frame/workshop":            400,
		"frame/workshop?after=-1":   400,
		"frame/workshop?after=1e3":  400,
		"frame/workshop.jpg?after=": 400,
		"snapshot/nobody":           404,
	} {
		if res := r.do("GET", path, "", nil); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestSnapshot(t *testing.T) {
	r := serve(t, "")
	r.heard()
	r.device.Publish("workshop", 1, false, []byte("frame"))
	if res := r.do("GET", "snapshot/workshop", "", nil); res.StatusCode != 200 || r.text(res) != "frame" {
		t.Errorf("%d", res.StatusCode)
	}
	r.device.Publish("workshop", 2, true, []byte("card"))
	res := r.do("GET", "snapshot/workshop", "", nil)
	if got := r.text(res); res.StatusCode != 503 || !strings.Contains(got, "the camera of workshop gives none") {
		t.Errorf("a card is given for a frame: %d %q", res.StatusCode, got)
	}
}

func TestHowAFrameIsToBeTurnedIsPassedOn(t *testing.T) {
	h := http.Header{}
	describe(h, &client.Frame{Rotate: 90, Age: 1500 * time.Microsecond}, time.Millisecond)
	if h.Get(api.HeaderRotate) != "90" || h.Get(api.HeaderAge) != "2.500" || h.Get(api.HeaderCard) != "" {
		t.Errorf("%v", h)
	}
}
