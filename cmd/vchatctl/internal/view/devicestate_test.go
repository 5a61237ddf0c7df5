package view

import (
	"testing"
	"time"

	"vchat/daemon/api"
)

func TestWhyThereIsNoFrame(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	before := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	in := func(c api.Call) deviceState {
		c.Peer = "workshop"
		return deviceState{up: true, since: before(60), status: api.Status{Calls: []api.Call{{Peer: "attic", State: api.CallIncoming}, c}}}
	}
	there := func(c api.PeerCamera) deviceState {
		return in(api.Call{State: api.CallActive, HasFrames: true, Link: &api.Link{State: api.LinkUp}, PeerCamera: &c})
	}
	here := func(c api.Camera) deviceState {
		c.Device = "/dev/video0"
		return deviceState{up: true, status: api.Status{Camera: c}}
	}
	for _, tt := range []struct {
		device deviceState
		feed   string
		want   string
	}{
		{deviceState{}, "workshop", "waiting for vchatd"},
		{deviceState{since: before(4)}, "workshop", "vchatd ended 4 s ago, waiting for it"},
		{deviceState{up: true}, "workshop", "there is no call with workshop"},
		{in(api.Call{State: api.CallCalling}), "workshop", "calling workshop"},
		{in(api.Call{State: api.CallRinging}), "workshop", "it rings at workshop"},
		{in(api.Call{State: api.CallIncoming}), "workshop", "workshop is calling"},
		{in(api.Call{State: api.CallResuming, Since: before(7)}), "workshop", "link lost 7 s ago, reconnecting"},
		{in(api.Call{State: api.CallActive, Link: &api.Link{State: api.LinkDown, Since: before(130)}}), "workshop", "link lost 2 min ago, reconnecting"},
		{in(api.Call{State: api.CallActive}), "workshop", "waiting for the first frame of workshop"},
		{there(api.PeerCamera{State: "streaming"}), "workshop", "nothing comes from workshop"},
		{there(api.PeerCamera{State: "unknown"}), "workshop", "nothing comes from workshop"},
		{there(api.PeerCamera{State: "privacy", Since: before(9)}), "workshop", "workshop has privacy on"},
		{there(api.PeerCamera{State: "opening"}), "workshop", "workshop's camera is starting"},
		{there(api.PeerCamera{State: "lost", Since: before(12), Reason: "the camera is gone; it was unplugged, or it broke down"}), "workshop",
			"workshop's camera was unplugged 12 s ago"},
		{there(api.PeerCamera{State: "lost", Reason: "the camera sends no frames"}), "workshop", "workshop's camera was lost: the camera sends no frames"},
		{there(api.PeerCamera{State: "failed", Since: before(7200), Reason: "no usable format"}), "workshop", "workshop's camera has failed 2 h ago: no usable format"},
		{here(api.Camera{State: api.CameraIdle}), api.Self, "the camera is starting"},
		{here(api.Camera{State: api.CameraOpening}), api.Self, "the camera is starting"},
		{here(api.Camera{State: api.CameraStreaming}), api.Self, "the camera sends no frames"},
		{here(api.Camera{State: api.CameraLost, Since: before(3), Reason: "/dev/video0: in use by ffmpeg"}), api.Self, "the camera was lost 3 s ago: in use by ffmpeg"},
		{deviceState{up: true, status: api.Status{Privacy: true}}, api.Self, "privacy is on: the camera is closed"},
	} {
		if got := tt.device.staleReason(tt.feed, now); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.feed, got, tt.want)
		}
	}
}

// TestWhatIsKnown goes through events and looks at what they leave.
func TestWhatIsKnown(t *testing.T) {
	var k deviceState
	yes := true
	call := func(id, peer string, s api.CallState) api.Event {
		return api.Event{Event: api.EventCall, Peer: peer, Call: &api.Call{ID: id, Peer: peer, State: s}}
	}
	for _, tt := range []struct {
		event            api.Event
		connected, rings string
		calls            int
	}{
		{api.Event{Event: api.EventState, Status: &api.Status{Calls: []api.Call{{ID: "1", Peer: "attic", State: api.CallIncoming}}}}, "", "attic", 1},
		{call("1", "attic", api.CallActive), "attic", "", 1},
		{call("2", "workshop", api.CallIncoming), "attic", "workshop", 2},
		{call("9", "attic", api.CallEnded), "attic", "workshop", 2}, // another one, long over
		{call("1", "attic", api.CallEnded), "", "workshop", 1},
		{call("3", "workshop", api.CallResuming), "workshop", "", 1}, // by the other's id
		{api.Event{Event: api.EventLink, Peer: "workshop", Link: &api.Link{State: api.LinkDown}}, "workshop", "", 1},
		{api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraLost}}, "workshop", "", 1},
		{api.Event{Event: api.EventPrivacy, Privacy: &yes}, "workshop", "", 1},
		{api.Event{Event: "of another version"}, "workshop", "", 1},
	} {
		k.hear(tt.event)
		if k.connected() != tt.connected || k.rings() != tt.rings || len(k.status.Calls) != tt.calls {
			t.Errorf("after %+v: in a call with %q, %q rings, %d calls", tt.event, k.connected(), k.rings(), len(k.status.Calls))
		}
	}
	if k.call("workshop").Link.State != api.LinkDown || k.status.Camera.State != api.CameraLost || !k.status.Privacy || k.ended["attic"].ID != "1" {
		t.Errorf("it knows %+v", k)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 1900 * time.Millisecond: "1 s", 99 * time.Second: "99 s", 100 * time.Second: "1 min",
		2 * time.Hour: "2 h", 50 * time.Hour: "2 days"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
