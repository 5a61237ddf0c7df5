package web

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/client"
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
		Device: "/dev/video0", State: api.CameraLost, Reason: "no camera is connected", Since: at,
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
			shown{"self", "No call.", true, &reason{Text: "no camera is connected"}}},
		{"privacy", deviceInfo{status: api.Status{Privacy: true, Camera: api.Camera{State: api.CameraIdle}}},
			shown{"self", "No call.", true, &reason{Text: "the camera is turned off"}}},
		{"peer without a call", deviceInfo{requestedFeed: "workshop", status: api.Status{Camera: streaming}},
			shown{"workshop", "No call with workshop.", false, &reason{Text: "you are not in a call with workshop"}}},
		{"call with another peer",
			deviceInfo{requestedFeed: "attic", status: api.Status{Calls: call(api.CallActive, nil)}},
			shown{"attic", "In a call with workshop.", false, &reason{Text: "you are not in a call with attic"}}},
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
				&reason{Text: "workshop: in use by zoom"}}},
		{"peer camera streams", deviceInfo{status: api.Status{Calls: call(api.CallActive, camera("streaming", ""))}},
			shown{"workshop", "In a call with workshop.", true, nil}},
		{"connection lost", deviceInfo{status: api.Status{Calls: call(api.CallResuming, nil)}},
			shown{"workshop", "In a call with workshop: connection lost, reconnecting.", true,
				&reason{"connection to workshop lost", new(int64(5000)), " ago; reconnecting"}}},
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
				ReasonText: "workshop declined your call",
			},
			status: api.Status{Camera: streaming},
		}, shown{"self", "Call ended: workshop declined your call.", true, nil}},
		{"unreachable", deviceInfo{
			lastCall: &api.Call{
				Peer: "workshop", Reason: api.ReasonUnreachable,
				ReasonText: "cannot reach workshop: connection refused",
			},
			status: api.Status{Camera: streaming},
		}, shown{"self", "Call ended: cannot reach workshop.", true, nil}},
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

func TestNewState_mode(t *testing.T) {
	call := func(c api.Call) api.Status {
		c.Peer = "workshop"
		return api.Status{Name: "kitchen", Calls: []api.Call{c}}
	}
	down := &api.Link{State: api.LinkDown}
	at := serverStart.Add(3 * time.Second)
	type shown struct {
		Mode     mode
		Peer     string
		Answered *int64
	}
	for _, tt := range []struct {
		name   string
		device deviceInfo
		want   shown
	}{
		{"idle", deviceInfo{}, shown{Mode: modeIdle}},
		{"calling", deviceInfo{status: call(api.Call{State: api.CallCalling})}, shown{modeCalling, "workshop", nil}},
		{"ringing there", deviceInfo{status: call(api.Call{State: api.CallRinging})},
			shown{modeCalling, "workshop", nil}},
		{"ringing here", deviceInfo{status: call(api.Call{State: api.CallIncoming})}, shown{Mode: modeRinging}},
		{"in a call", deviceInfo{status: call(api.Call{State: api.CallActive, Answered: at})},
			shown{modeInCall, "workshop", new(int64(3000))}},
		{"in a call, another feed",
			deviceInfo{requestedFeed: api.Self, status: call(api.Call{State: api.CallActive, Answered: at})},
			shown{modeInCall, "workshop", new(int64(3000))}},
		{"link lost", deviceInfo{status: call(api.Call{State: api.CallActive, Link: down})},
			shown{modeReconnecting, "workshop", nil}},
		{"resuming", deviceInfo{status: call(api.Call{State: api.CallResuming})},
			shown{modeReconnecting, "workshop", nil}},
		{"camera off there", deviceInfo{status: call(api.Call{State: api.CallActive,
			PeerCamera: &api.PeerCamera{State: "privacy"}})}, shown{modeCameraOff, "workshop", nil}},
		{"no daemon", deviceInfo{daemonErr: errors.New("gone"), status: call(api.Call{State: api.CallActive})},
			shown{Mode: modeProblem}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newState(&tt.device)
			if diff := cmp.Diff(tt.want, shown{s.Mode, s.Peer, s.Answered}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewState_rights(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rights api.Rights
		want   string
	}{
		{"unknown", api.Rights{}, ""},
		{"may call", api.Rights{Watch: true, Call: true}, ""},
		{"may watch", api.Rights{Watch: true, Groups: map[string]string{"call": "vchat"}},
			"You may only watch: calls are for the group vchat."},
		{"without groups", api.Rights{Watch: true}, "You may only watch: calls are for root."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := newState(&deviceInfo{rights: tt.rights}).Denied; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNewState_mayNotWatch(t *testing.T) {
	err := fmt.Errorf("%w: connect", client.ErrPermission)
	s := newState(&deviceInfo{daemonErr: err, daemonLostAt: time.Now()})
	if want := "You may not use vchatd."; s.Summary != want || s.Reason == nil || s.Reason.Since != nil {
		t.Errorf("got summary %q, reason %+v; want %q, and no time", s.Summary, s.Reason, want)
	}
}

// In a call, the place of the own picture says why there is none.
func TestState_ownCamera(t *testing.T) {
	calls := []api.Call{{Peer: "workshop", State: api.CallActive}}
	for _, tt := range []struct {
		camera api.Camera
		want   string
	}{
		{api.Camera{State: api.CameraLost, Reason: "no camera is connected"}, "no camera is connected"},
		{api.Camera{State: api.CameraFailed, Reason: "the camera is in use by zoom"}, "the camera is in use by zoom"},
		{api.Camera{State: api.CameraOpening}, ""},
		{api.Camera{State: api.CameraStreaming}, ""},
	} {
		t.Run(string(tt.camera.State), func(t *testing.T) {
			s := newState(&deviceInfo{status: api.Status{Camera: tt.camera, Calls: calls}})
			if s.Own != tt.want {
				t.Errorf("got %q, want %q", s.Own, tt.want)
			}
		})
	}
}
