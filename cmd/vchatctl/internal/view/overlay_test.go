package view

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 7 * time.Second: "0:07", 187 * time.Second: "3:07", 3723 * time.Second: "1:02:03",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestOverlay_states(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	if o := r.overlay(); o.State != look.Idle || o.Clock == "" || o.Name == "" {
		t.Errorf("idle: got %+v, want the device's name and the time", o)
	}
	r.device.SetCall(api.Call{ID: "2", Peer: "workshop", State: api.CallCalling, Direction: api.DirectionOut})
	r.awaitText("calling workshop", notice)
	if o := r.overlay(); o.State != look.Calling || o.Name != "workshop" || o.Waiting == 0 || len(o.Controls) == 0 {
		t.Errorf("calling: got %+v, want the peer, dots and controls", o)
	}
	r.device.SetCall(api.Call{ID: "2", Peer: "workshop", State: api.CallEnded, ReasonText: "workshop declined"})
	r.awaitText("Call ended|workshop declined", notice)
}

func TestPress_movesOwnPicture(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	r.awaitText("no picture", notice)
	r.press("p")
	for _, tt := range []struct {
		key  Key
		want render.Corner
	}{{KeyUp, render.UpperRight}, {KeyLeft, render.UpperLeft}, {KeyDown, render.LowerLeft},
		{KeyRight, render.LowerRight}} {
		if r.Press(Input{Key: tt.key}); r.overlay().PIPAt != tt.want {
			t.Errorf("key %d: got corner %d, want %d", tt.key, r.overlay().PIPAt, tt.want)
		}
	}
}

// An idle viewer follows the links of peers without a call, and peers that come
// with a new configuration.
func TestOverlay_peers(t *testing.T) {
	r := newRig(t)
	peers := func(o render.Overlay) string {
		text := ""
		for _, p := range o.Peers {
			text += fmt.Sprintf("[%s %v]", p.Name, p.Reachable)
		}
		return text
	}
	r.device.Update(func(s *api.Status) {
		s.Peers = []api.Peer{{Name: "workshop", Link: api.Link{State: api.LinkUp}}}
	})
	r.start(Options{Follow: true})
	r.awaitText("[workshop true]", peers)
	r.device.Events.Publish(api.Event{Event: api.EventLink, Peer: "workshop", Link: &api.Link{State: api.LinkDown}})
	r.awaitText("[workshop false]", peers)
	r.device.Update(func(s *api.Status) {
		s.Peers = []api.Peer{{Name: "garden", Link: api.Link{State: api.LinkUp}}}
	})
	r.device.Events.Publish(api.Event{Event: api.EventConfig, Text: "configuration reloaded"})
	r.awaitText("[garden true]", peers)
}

// A call to a peer without a link is no interrupted call: it says that the peer
// is not reachable.
func TestOverlay_notReachable(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("|waiting for calls", notice)
	r.device.SetCall(api.Call{ID: "2", Peer: "workshop", State: api.CallCalling, Direction: api.DirectionOut,
		Link: &api.Link{State: api.LinkDown}})
	r.awaitText("|workshop is not reachable; still trying", notice)
	if o := r.overlay(); o.State != look.Calling || o.Name != "workshop" {
		t.Errorf("got %v with %q, want %v with workshop", o.State, o.Name, look.Calling)
	}
}

func TestOverlay_missedCall(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("|waiting for calls", notice)
	r.device.SetCall(api.Call{ID: "2", Peer: "workshop", State: api.CallEnded, Direction: api.DirectionIn,
		Reason: api.ReasonCancelled, ReasonText: "workshop stopped calling"})
	r.awaitText("Missed call|workshop stopped calling", notice)
	later := r.Overlay(time.Now().Add(endedDuration+time.Second), DisplayedFrame{}, DisplayedFrame{})
	if want := "missed call from workshop at "; !strings.HasPrefix(later.Notice, want) {
		t.Errorf("later: got %q, want it to begin with %q", later.Notice, want)
	}
	r.device.SetCall(api.Call{ID: "3", Peer: "workshop", State: api.CallEnded, Direction: api.DirectionIn,
		Reason: api.ReasonDeclined, ReasonText: "you declined workshop's call"})
	r.awaitText("Call ended|you declined workshop's call", notice)
}

// A card of the daemon is replaced by its words, and the own one by an icon.
func TestOverlay_card(t *testing.T) {
	r := newRig(t)
	r.device.Update(func(s *api.Status) { s.Privacy = true })
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive, Direction: api.DirectionOut,
		PeerCamera: &api.PeerCamera{State: "privacy"}})
	r.start(Options{Feed: "workshop"})
	r.awaitText("Camera off|workshop has turned the camera off", notice)
	r.press("p")
	card := DisplayedFrame{Captured: time.Now(), Received: time.Now().Add(time.Minute), W: 64, H: 48, Card: true}
	o := r.Overlay(time.Now(), card, card)
	if !o.Blank || o.Name != "workshop" || o.Headline != "Camera off" {
		t.Errorf("got %+v, want the peer and the reason instead of the card", o)
	}
	if o.PIPText != "Camera off" {
		t.Errorf("own picture: got %q, want that the camera is off", o.PIPText)
	}
}

func TestSession_sentence(t *testing.T) {
	s := &Session{}
	s.device.status.Peers = []api.Peer{{Name: "bob"}}
	for text, want := range map[string]string{
		"": "", "waiting for calls": "Waiting for calls", "bob hung up": "bob hung up",
		"bob's camera is starting": "bob's camera is starting", "vchatd stopped": "vchatd stopped", "état": "État",
	} {
		if got := s.sentence(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Who is not seen by the peer knows it, also when the controls have faded.
func TestOverlay_unseen(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Follow: true})
	unseen := func(o render.Overlay) string { return "[" + o.Unseen + "]" }
	r.awaitText("no picture", notice)
	r.awaitText("[]", unseen)
	r.device.Events.Publish(api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraLost,
		Reason: "the camera was unplugged", Since: time.Now().Add(-5500 * time.Millisecond), SinceMS: 5500}})
	r.awaitText("[your camera was unplugged ", unseen)
	r.device.Events.Publish(api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraFailed,
		Reason: "no such camera"}})
	r.awaitText("[your camera: no such camera]", unseen)
	r.device.Events.Publish(api.Event{Event: api.EventPrivacy, Privacy: new(true)})
	r.awaitText("[your camera is off]", unseen)
	r.device.Events.Publish(api.Event{Event: api.EventPrivacy, Privacy: new(false)})
	r.device.Events.Publish(api.Event{Event: api.EventCamera, Camera: &api.Camera{State: api.CameraStreaming}})
	r.awaitText("[]", unseen)
}

// An idle device says that its camera is off.
func TestOverlay_unseenIdle(t *testing.T) {
	r := newRig(t)
	r.device.Update(func(s *api.Status) { s.Privacy = true })
	r.start(Options{Follow: true})
	r.awaitText("your camera is off", func(o render.Overlay) string { return o.Unseen })
}
