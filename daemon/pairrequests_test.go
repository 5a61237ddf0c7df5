package daemon

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vchat/daemon/api"
)

// requestsAt is a pairRequests at a time of its own.
type requestsAt struct {
	pairRequests
	now time.Time
}

func newRequestsAt() *requestsAt { return &requestsAt{now: time.Unix(1e9, 0)} }

// ask adds a request of a device, and reports whether it is shown from now on.
func (r *requestsAt) ask(id, host string) bool {
	r.expire(r.now)
	return r.add(api.Pairing{State: api.PairingRequested, ID: id, Address: host}, r.now)
}

// pass lets time pass, in which the devices with these ids repeat their
// requests.
func (r *requestsAt) pass(d time.Duration, host string, ids ...string) {
	for end := r.now.Add(d); r.now.Before(end); r.now = r.now.Add(2 * time.Second) {
		for _, id := range ids {
			r.ask(id, host)
		}
	}
}

func (r *requestsAt) shownID() string {
	if r.shown == nil {
		return ""
	}
	return r.shown.ID
}

func TestPairRequests_oneAtATime(t *testing.T) {
	r := newRequestsAt()
	if !r.ask("kitchen", "10.0.0.1") {
		t.Fatal("got no request shown, want the first")
	}
	if r.ask("kitchen", "10.0.0.1") || r.ask("hall", "10.0.0.2") {
		t.Error("got another one shown, want it shown once and the second left out")
	}
	r.pass(requestGone, "10.0.0.2", "hall")
	r.pass(4*time.Second, "10.0.0.2", "hall")
	if got := r.shownID(); got != "hall" {
		t.Errorf("got %q shown after kitchen has given up, want hall", got)
	}
	if v := r.take("kitchen"); v != nil {
		t.Errorf("got %+v taken, want none: hall is shown now", v)
	}
	if v := r.take("hall"); v == nil || r.shown != nil {
		t.Errorf("got %+v taken and %v left, want hall and none", v, r.shown)
	}
}

func TestPairRequests_notForever(t *testing.T) {
	r := newRequestsAt()
	r.pass(requestShown-4*time.Second, "10.0.0.1", "mallory")
	if r.shownID() != "mallory" {
		t.Fatal("got nothing shown")
	}
	r.pass(8*time.Second, "10.0.0.1", "mallory")
	if r.shown != nil {
		t.Errorf("got %+v shown for more than %v", r.shown, requestShown)
	}
	r.pass(requestQuiet-20*time.Second, "10.0.0.1", "mallory", "eve")
	if r.shown != nil {
		t.Errorf("got %q shown within %v after it", r.shownID(), requestQuiet)
	}
	if r.wasRefused("mallory", r.now) {
		t.Error("got it refused, want it only not shown: no user has refused it")
	}
	if !r.ask("kitchen", "10.0.0.2") {
		t.Error("got nothing shown of another origin")
	}
}

func TestPairRequests_refuse(t *testing.T) {
	r := newRequestsAt()
	r.ask("mallory", "10.0.0.1")
	if r.refuse("eve", r.now) != nil || r.refuse("", r.now) == nil || r.shown != nil {
		t.Fatal("got the wrong request refused")
	}
	if !r.wasRefused("mallory", r.now) || r.wasRefused("eve", r.now) {
		t.Error("got the wrong device refused")
	}
	if r.ask("eve", "10.0.0.1") {
		t.Error("got another request of the same origin shown")
	}
	if !r.ask("kitchen", "10.0.0.2") {
		t.Fatal("got no request of another origin shown")
	}
	r.refuse("kitchen", r.now)
	if r.ask("hall", "10.0.0.3") {
		t.Error("got a request shown after two refusals, want quiet")
	}
	r.now = r.now.Add(requestQuiet)
	if r.wasRefused("mallory", r.now) || !r.ask("mallory", "10.0.0.1") {
		t.Errorf("got it still refused after %v", requestQuiet)
	}
}

// A flood shows few requests, and keeps none from being shown later.
func TestPairRequests_flood(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name string
		host func(i int) string
		most int // shown in ten minutes
	}{
		{"one address", func(int) string { return "192.0.2.7" }, originBurst + 6},
		{"one IPv6 network", func(i int) string { return fmt.Sprintf("2001:db8::%x:%x", i>>16, i&0xffff) },
			originBurst +
				6},
		{"a /24", func(i int) string { return fmt.Sprintf("192.0.2.%d", i%256) }, allBurst + 10},
		{"anywhere", func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, allBurst + 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, shown := newRequestsAt(), 0
			for i := range 60_000 { // 100 a second
				if r.ask(fmt.Sprint(random.Uint64()), tt.host(i)) {
					shown++
				}
				r.now = r.now.Add(10 * time.Millisecond)
			}
			if shown < 1 || shown > tt.most {
				t.Errorf("got %d requests shown, want 1 to %d", shown, tt.most)
			}
			if n := len(r.origins) + len(r.quiet) + len(r.refused); n > 64 {
				t.Errorf("got %d origins and ids remembered, want few", n)
			}
			r.pass(2*requestGone, "10.0.0.1") // without requests
			r.now = r.now.Add(allEvery)
			if !r.ask("kitchen", "10.0.0.1") {
				t.Error("got nothing shown of a device that asks after the flood")
			}
		})
	}
}

func TestRequestOrigin(t *testing.T) {
	for _, tt := range [][2]string{
		{"10.0.0.1", "10.0.0.1"}, {"::ffff:10.0.0.1", "10.0.0.1"}, {"2001:db8::1", "2001:db8::/64"},
		{"fe80::1%eth0", "fe80::/64"}, {"", ""},
	} {
		if got := requestOrigin(tt[0]); got != tt[1] {
			t.Errorf("%s: got %s, want %s", tt[0], got, tt[1])
		}
	}
}
