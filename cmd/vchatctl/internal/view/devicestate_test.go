package view

import (
	"fmt"
	"testing"
	"time"

	"vchat/daemon/api"
)

func TestDeviceState_staleReason(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	before := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	withCall := func(c api.Call) deviceState {
		c.Peer = "workshop"
		calls := []api.Call{{Peer: "attic", State: api.CallIncoming}, c}
		return deviceState{daemonUp: true, since: before(60), status: api.Status{Calls: calls}}
	}
	peerCamera := func(c api.PeerCamera) deviceState {
		return withCall(api.Call{
			State: api.CallActive, HasFrames: true, Link: &api.Link{State: api.LinkUp}, PeerCamera: &c,
		})
	}
	localCamera := func(c api.Camera) deviceState {
		c.Device = "/dev/video0"
		return deviceState{daemonUp: true, status: api.Status{Camera: c}}
	}
	linkDown := &api.Link{State: api.LinkDown, Since: before(130)}
	for _, tt := range []struct {
		name   string
		device deviceState
		feed   string
		want   string
	}{
		{"no daemon yet", deviceState{}, "workshop", "waiting for vchatd"},
		{"daemon stopped", deviceState{since: before(4)}, "workshop",
			"vchatd stopped 4 s ago; waiting for it to restart"},
		{"no call", deviceState{daemonUp: true}, "workshop", "you are not in a call with workshop"},
		{"calling", withCall(api.Call{State: api.CallCalling}), "workshop", "calling workshop"},
		{"ringing", withCall(api.Call{State: api.CallRinging}), "workshop", "ringing at workshop"},
		{"incoming", withCall(api.Call{State: api.CallIncoming}), "workshop", "workshop is calling"},
		{"resuming", withCall(api.Call{State: api.CallResuming, Since: before(7)}), "workshop",
			"connection to workshop lost 7 s ago; reconnecting"},
		{"link down", withCall(api.Call{State: api.CallActive, Link: linkDown}), "workshop",
			"connection to workshop lost 2 min ago; reconnecting"},
		{"no frame yet", withCall(api.Call{State: api.CallActive}), "workshop",
			"waiting for the first frame from workshop"},
		{"peer camera streams", peerCamera(api.PeerCamera{State: "streaming"}), "workshop", "no picture from workshop"},
		{"peer camera unknown", peerCamera(api.PeerCamera{State: "unknown"}), "workshop", "no picture from workshop"},
		{"peer privacy", peerCamera(api.PeerCamera{State: "privacy", Since: before(9)}), "workshop",
			"workshop has turned the camera off"},
		{"peer camera opens", peerCamera(api.PeerCamera{State: "opening"}), "workshop",
			"workshop's camera is starting"},
		{"peer camera unplugged",
			peerCamera(api.PeerCamera{State: "lost", Since: before(12), Reason: "the camera was unplugged or failed"}),
			"workshop", "workshop's camera was unplugged or failed 12 s ago"},
		{"peer camera in use",
			peerCamera(api.PeerCamera{State: "lost", Since: before(12),
				Reason: "the camera is in use by zoom (pid 123)"}),
			"workshop", "workshop's camera is in use by zoom (pid 123)"},
		{"no camera there",
			peerCamera(api.PeerCamera{State: "lost", Since: before(12), Reason: "no camera is connected"}),
			"workshop", "workshop: no camera is connected"},
		{"peer camera lost, reason unknown", peerCamera(api.PeerCamera{State: "lost", Since: before(12)}),
			"workshop", "workshop's camera was lost 12 s ago"},
		{"peer camera failed",
			peerCamera(api.PeerCamera{State: "failed", Since: before(7200)}),
			"workshop", "workshop's camera failed 2 h ago"},
		{"camera idle", localCamera(api.Camera{State: api.CameraIdle}), api.Self, "the camera is starting"},
		{"camera opens", localCamera(api.Camera{State: api.CameraOpening}), api.Self, "the camera is starting"},
		{"camera streams", localCamera(api.Camera{State: api.CameraStreaming}), api.Self, "no picture from the camera"},
		{"camera lost",
			localCamera(api.Camera{State: api.CameraLost, Since: before(3), Reason: "the camera is in use by ffmpeg"}),
			api.Self, "the camera is in use by ffmpeg"},
		{"privacy", deviceState{daemonUp: true, status: api.Status{Privacy: true}}, api.Self,
			"the camera is turned off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.device.staleReason(tt.feed, now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The rows are one sequence of events: each builds on the state before.
func TestDeviceState_apply(t *testing.T) {
	var d deviceState
	yes := true
	call := func(id, peer string, s api.CallState) api.Event {
		return api.Event{Event: api.EventCall, Peer: peer, Call: &api.Call{ID: id, Peer: peer, State: s}}
	}
	first := &api.Status{Calls: []api.Call{{ID: "1", Peer: "attic", State: api.CallIncoming}}}
	linkDown := &api.Link{State: api.LinkDown}
	for _, tt := range []struct {
		name              string
		event             api.Event
		connected, caller string
		calls             int
	}{
		{"first state", api.Event{Event: api.EventState, Status: first}, "", "attic", 1},
		{"answered", call("1", "attic", api.CallActive), "attic", "", 1},
		{"second call", call("2", "workshop", api.CallIncoming), "attic", "workshop", 2},
		{"end of an older call", call("9", "attic", api.CallEnded), "attic", "workshop", 2},
		{"end", call("1", "attic", api.CallEnded), "", "workshop", 1},
		{"id of the other side", call("3", "workshop", api.CallResuming), "workshop", "", 1},
		{"link down", api.Event{Event: api.EventLink, Peer: "workshop", Link: linkDown}, "workshop", "", 1},
		{"camera", api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraLost}}, "workshop", "", 1},
		{"privacy", api.Event{Event: api.EventPrivacy, Privacy: &yes}, "workshop", "", 1},
		{"unknown event", api.Event{Event: "of another version"}, "workshop", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.apply(tt.event)
			if got := d.connectedPeer(); got != tt.connected {
				t.Errorf("connected peer: got %q, want %q", got, tt.connected)
			}
			if got := d.caller(); got != tt.caller {
				t.Errorf("caller: got %q, want %q", got, tt.caller)
			}
			if got := len(d.status.Calls); got != tt.calls {
				t.Errorf("got %d calls, want %d", got, tt.calls)
			}
		})
	}
	if got := d.call("workshop").Link.State; got != api.LinkDown {
		t.Errorf("link: got %q, want %q", got, api.LinkDown)
	}
	if got := d.status.Camera.State; got != api.CameraLost {
		t.Errorf("camera: got %q, want %q", got, api.CameraLost)
	}
	if !d.status.Privacy {
		t.Error("privacy: got off, want on")
	}
	if got := d.ended["attic"].ID; got != "1" {
		t.Errorf("ended call with attic: got %q, want 1", got)
	}
}

func TestFormatAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 1900 * time.Millisecond: "1 s", 99 * time.Second: "99 s", 100 * time.Second: "1 min",
		2 * time.Hour: "2 h", 50 * time.Hour: "2 days",
	} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			if got := formatAge(d); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
