package web

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
)

func TestNewState(t *testing.T) {
	at := serverStart.Add(5 * time.Second)
	peers := []api.Peer{
		{Name: "attic", Link: api.Link{State: api.LinkDown}},
		{Name: "workshop", Link: api.Link{State: api.LinkUp}},
	}
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
	failedCamera := func(c *api.Call) { c.PeerCamera = &api.PeerCamera{State: "failed", Reason: "in use by zoom"} }
	lostCamera := api.Camera{
		Device: "/dev/video0", State: api.CameraLost, Reason: "/dev/video0: no such device", Since: at,
	}
	streaming := api.Camera{State: api.CameraStreaming}
	twoCalls := append([]api.Call{{Peer: "attic", State: api.CallActive}}, call(api.CallActive, nil)...)
	type shown struct {
		Feed, Summary string
		Live          bool
		Reason        *reason
	}
	for _, tt := range []struct {
		name   string
		device deviceInfo
		want   shown
	}{
		{"no call", deviceInfo{status: api.Status{Camera: streaming}},
			shown{"self", "No call.", true, nil}},
		{"camera lost", deviceInfo{status: api.Status{Camera: lostCamera}},
			shown{"self", "No call.", true, &reason{"the camera was lost", new(int64(5000)), " ago: no such device"}}},
		{"privacy", deviceInfo{status: api.Status{Privacy: true, Camera: api.Camera{State: api.CameraIdle}}},
			shown{"self", "No call.", true, &reason{Text: "privacy is on: the camera is closed"}}},
		{"peer without a call", deviceInfo{requestedFeed: "workshop", status: api.Status{Camera: streaming}},
			shown{"workshop", "No call with workshop.", false, &reason{Text: "no call with workshop"}}},
		{"call with another peer",
			deviceInfo{requestedFeed: "attic", status: api.Status{Calls: call(api.CallActive, nil)}},
			shown{"attic", "In a call with workshop.", false, &reason{Text: "no call with attic"}}},
		{"calling", deviceInfo{requestedFeed: "workshop", status: api.Status{Calls: call(api.CallCalling, nil)}},
			shown{"workshop", "Calling workshop.", false, &reason{Text: "calling workshop"}}},
		{"ringing", deviceInfo{status: api.Status{Calls: call(api.CallRinging, nil), Camera: streaming}},
			shown{"self", "Ringing at workshop.", true, nil}},
		{"privacy in a call", deviceInfo{status: api.Status{Privacy: true, Calls: call(api.CallActive, nil)}},
			shown{"workshop", "In a call with workshop. Privacy is on: this device's camera is closed.", true, nil}},
		{"camera failed in a call", deviceInfo{status: api.Status{
			Camera: api.Camera{State: api.CameraFailed, Reason: "no usable format"}, Calls: call(api.CallActive, nil),
		}}, shown{"workshop", "In a call with workshop. No picture from this device: no usable format.", true, nil}},
		{"privacy of the peer", deviceInfo{status: api.Status{Calls: call(api.CallActive, camera("privacy", ""))}},
			shown{"workshop", "In a call with workshop.", true, &reason{Text: "workshop has turned the camera off"}}},
		{"peer camera unplugged",
			deviceInfo{status: api.Status{Calls: call(api.CallActive, camera("lost", "the camera was unplugged"))}},
			shown{"workshop", "In a call with workshop.", true,
				&reason{"workshop's camera was unplugged", new(int64(5000)), " ago"}}},
		{"peer camera failed, time unknown", deviceInfo{status: api.Status{Calls: call(api.CallActive, failedCamera)}},
			shown{"workshop", "In a call with workshop.", true,
				&reason{Text: "workshop's camera failed: in use by zoom"}}},
		{"peer camera streams", deviceInfo{status: api.Status{Calls: call(api.CallActive, camera("streaming", ""))}},
			shown{"workshop", "In a call with workshop.", true, nil}},
		{"connection lost", deviceInfo{status: api.Status{Calls: call(api.CallResuming, nil)}},
			shown{"workshop", "In a call with workshop: connection lost, reconnecting.", true,
				&reason{"connection lost", new(int64(5000)), " ago; reconnecting"}}},
		{"no daemon", deviceInfo{
			shownFeed: "workshop", daemonErr: errors.New("gone"), daemonLostAt: at,
			status: api.Status{Calls: call(api.CallActive, nil)},
		}, shown{"workshop", "vchatd does not answer. Trying again.", false,
			&reason{"vchatd stopped", new(int64(5000)), " ago; waiting for it to restart"}}},
		{"two calls keep the shown feed", deviceInfo{shownFeed: "workshop", status: api.Status{Calls: twoCalls}},
			shown{"workshop", "In a call with attic. In a call with workshop.", true, nil}},
		{"declined", deviceInfo{
			lastCall: &api.Call{
				Peer: "workshop", State: api.CallEnded, Reason: api.ReasonDeclined, EndedBy: api.SideRemote,
			},
			status: api.Status{Camera: streaming},
		}, shown{"self", "Call ended: workshop declined.", true, nil}},
		{"unreachable", deviceInfo{
			lastCall: &api.Call{
				Peer: "workshop", Reason: api.ReasonUnreachable, ReasonText: "unreachable: connection refused",
			},
			status: api.Status{Camera: streaming},
		}, shown{"self", "Call ended: workshop cannot be reached (connection refused).", true, nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.device.status.Name, tt.device.status.Peers = "kitchen", peers
			s := newState(&tt.device)
			if diff := cmp.Diff(tt.want, shown{s.Feed, s.Summary, s.Live, s.Reason}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewState_pairing(t *testing.T) {
	requested := &api.Pairing{State: api.PairingRequested, ID: "CCCCC", Claimed: "<b>cellar", Address: "10.0.0.9"}
	comparing := &api.Pairing{State: api.PairingComparing, ID: "CCCCC", Claimed: "cellar", Address: "10.0.0.9:1",
		Code: "482 913", NameError: &api.Error{}, Suggested: "cellar-2"}
	for _, tt := range []struct {
		name   string
		status api.Status
		rights api.Rights
		want   *pairing
	}{
		{"none", api.Status{}, api.Rights{}, nil},
		{"requested", api.Status{Pairing: requested}, api.Rights{}, &pairing{State: "requested", ID: "CCCCC",
			Title: `"<b>cellar" wants to pair`, Text: "from 10.0.0.9", Yes: "accept", No: "refuse"}},
		{"do not disturb", api.Status{Pairing: requested, DoNotDisturb: true}, api.Rights{}, nil},
		{"without the right", api.Status{Pairing: requested},
			api.Rights{Watch: true, Groups: map[string]string{"administer": "staff"}}, &pairing{State: "requested",
				ID: "CCCCC", Title: `"<b>cellar" wants to pair`,
				Text: "from 10.0.0.9; only the group staff may answer"}},
		{"comparing", api.Status{Pairing: comparing, DoNotDisturb: true}, api.Rights{}, &pairing{State: "comparing",
			ID: "CCCCC", Name: "cellar-2", Title: `pairing with "cellar"`, Code: "482 913",
			Text: `same code on "cellar" (10.0.0.9)? It will be called cellar-2 here.`,
			Yes:  "yes", No: "no"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := newState(&deviceInfo{status: tt.status, rights: tt.rights}).Pairing
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
