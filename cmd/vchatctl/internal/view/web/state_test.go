package web

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
)

func TestPresent(t *testing.T) {
	at := time.UnixMilli(1_795_000_000_000)
	peers := []api.Peer{{Name: "attic", Link: api.Link{State: api.LinkDown}}, {Name: "workshop", Link: api.Link{State: api.LinkUp}}}
	call := func(state api.CallState, change func(*api.Call)) []api.Call {
		c := api.Call{Peer: "workshop", State: state, Since: at}
		if change != nil {
			change(&c)
		}
		return []api.Call{c}
	}
	camera := func(state, reason string) func(*api.Call) {
		return func(c *api.Call) { c.PeerCamera = &api.PeerCamera{State: state, Reason: reason, Since: at} }
	}
	streaming := api.Camera{State: api.CameraStreaming}
	type shown struct {
		Feed, Words string
		Live        bool
		Why         *why
	}
	for _, c := range []struct {
		what  string
		scene scene
		want  shown
	}{
		{"nothing", scene{status: api.Status{Camera: streaming}}, shown{"self", "No call.", true, nil}},
		{"its own camera is gone", scene{status: api.Status{Camera: api.Camera{Device: "/dev/video0", State: api.CameraLost, Reason: "/dev/video0: no such device", Since: at}}},
			shown{"self", "No call.", true, &why{"the camera was lost", at.UnixMilli(), " ago: no such device"}}},
		{"privacy", scene{status: api.Status{Privacy: true, Camera: api.Camera{State: api.CameraIdle}}},
			shown{"self", "No call.", true, &why{Text: "privacy is on: the camera is closed"}}},
		{"a peer without a call", scene{asked: "workshop", status: api.Status{Camera: streaming}},
			shown{"workshop", "No call with workshop.", false, &why{Text: "there is no call with workshop"}}},
		{"a call elsewhere", scene{asked: "attic", status: api.Status{Calls: call(api.CallActive, nil)}},
			shown{"attic", "In a call with workshop.", false, &why{Text: "there is no call with attic"}}},
		{"calling", scene{asked: "workshop", status: api.Status{Calls: call(api.CallCalling, nil)}},
			shown{"workshop", "Calling workshop.", false, &why{Text: "calling workshop"}}},
		{"it rings there", scene{status: api.Status{Calls: call(api.CallRinging, nil), Camera: streaming}},
			shown{"self", "It rings at workshop.", true, nil}},
		{"in a call, privacy here", scene{status: api.Status{Privacy: true, Calls: call(api.CallActive, nil)}},
			shown{"workshop", "In a call with workshop. Privacy is on: the camera of this device is closed.", true, nil}},
		{"privacy there", scene{status: api.Status{Calls: call(api.CallActive, camera("privacy", ""))}},
			shown{"workshop", "In a call with workshop.", true, &why{Text: "workshop has privacy on"}}},
		{"no camera there", scene{status: api.Status{Calls: call(api.CallActive, camera("lost", "the camera was unplugged"))}},
			shown{"workshop", "In a call with workshop.", true, &why{"workshop's camera was unplugged", at.UnixMilli(), " ago"}}},
		{"its camera has failed, nobody knows when", scene{status: api.Status{Calls: call(api.CallActive, func(c *api.Call) {
			c.PeerCamera = &api.PeerCamera{State: "failed", Reason: "in use by zoom"}
		})}}, shown{"workshop", "In a call with workshop.", true, &why{Text: "workshop's camera has failed: in use by zoom"}}},
		{"all is well there", scene{status: api.Status{Calls: call(api.CallActive, camera("streaming", ""))}},
			shown{"workshop", "In a call with workshop.", true, nil}},
		{"no link", scene{status: api.Status{Calls: call(api.CallResuming, nil)}},
			shown{"workshop", "In a call with workshop, whose link is lost: reconnecting.", true, &why{"link lost", at.UnixMilli(), " ago, reconnecting"}}},
		{"no daemon", scene{before: "workshop", gone: errors.New("gone"), since: at, status: api.Status{Calls: call(api.CallActive, nil)}},
			shown{"workshop", "The daemon of this device, vchatd, is not reached. It is tried again and again.", false, &why{"vchatd ended", at.UnixMilli(), " ago, waiting for it"}}},
		{"two calls, and the second one was shown", scene{before: "workshop", status: api.Status{Calls: append([]api.Call{{Peer: "attic", State: api.CallActive}}, call(api.CallActive, nil)...)}},
			shown{"workshop", "In a call with attic. In a call with workshop.", true, nil}},
		{"declined", scene{last: &api.Call{Peer: "workshop", State: api.CallEnded, Reason: api.ReasonDeclined, EndedBy: api.SideRemote}, status: api.Status{Camera: streaming}},
			shown{"self", "No call: workshop has declined.", true, nil}},
		{"unreachable", scene{last: &api.Call{Peer: "workshop", Reason: api.ReasonUnreachable, ReasonText: "unreachable: connection refused"}, status: api.Status{Camera: streaming}},
			shown{"self", "No call: workshop cannot be reached (connection refused).", true, nil}},
	} {
		c.scene.status.Name, c.scene.status.Peers = "kitchen", peers
		p := present(&c.scene)
		if diff := cmp.Diff(c.want, shown{p.Feed, p.Words, p.Live, p.Why}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}
