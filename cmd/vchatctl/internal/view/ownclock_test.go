package view

import (
	"testing"
	"time"

	"vchat/daemon/api"
)

// The daemon started in 1970, and NTP has set the clock since.
func TestOnOwnClock(t *testing.T) {
	const ago = 130 * time.Second
	at1970 := time.Unix(20, 0)
	link := api.Link{State: api.LinkDown, Since: at1970, SinceMS: ago.Milliseconds()}
	camera := api.Camera{State: api.CameraLost, Since: at1970, SinceMS: ago.Milliseconds()}
	newCall := func() *api.Call {
		return &api.Call{
			Peer: "workshop", State: api.CallActive, Since: at1970, SinceMS: ago.Milliseconds(), Link: new(link),
			Answered:   at1970.Add(-time.Second),
			PeerCamera: &api.PeerCamera{State: "lost", Since: at1970, SinceMS: ago.Milliseconds()},
		}
	}
	check := func(what string, since time.Time) {
		t.Helper()
		if got := time.Since(since); got < ago || got > ago+time.Minute {
			t.Errorf("%s: got %v ago, want %v", what, got, ago)
		}
	}
	checkCall := func(c *api.Call) {
		t.Helper()
		check("call", c.Since)
		check("answer of the call", c.Answered)
		if got := c.Since.Sub(c.Answered); got != time.Second {
			t.Errorf("got the answer %v before the state, want 1 s", got)
		}
		check("link of the call", c.Link.Since)
		check("camera of the peer", c.PeerCamera.Since)
	}
	d := deviceState{daemonUp: true}
	d.apply(api.Event{Event: api.EventState, Status: &api.Status{
		Camera: camera, Calls: []api.Call{*newCall()}, Peers: []api.Peer{{Link: link}},
	}})
	check("camera", d.status.Camera.Since)
	check("link", d.status.Peers[0].Link.Since)
	checkCall(&d.status.Calls[0])
	d.apply(api.Event{Event: api.EventCamera, Camera: new(camera)})
	check("camera", d.status.Camera.Since)
	d.apply(api.Event{Event: api.EventLink, Peer: "workshop", Link: new(link)})
	check("link", d.status.Calls[0].Link.Since)
	d.apply(api.Event{Event: api.EventCall, Call: newCall()})
	checkCall(&d.status.Calls[0])
	if got := d.staleReason("workshop", time.Now()); got != "connection to workshop lost 2 min ago; reconnecting" {
		t.Errorf("got %q, want 2 min", got)
	}

	unknown := api.Status{Camera: api.Camera{State: api.CameraLost}}
	OnOwnClock(&unknown, time.Now())
	if !unknown.Camera.Since.IsZero() {
		t.Error("got a time for a state whose begin is unknown")
	}
}
