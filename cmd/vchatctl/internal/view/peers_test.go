package view

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

// idle starts a session of a device that waits for calls, with two peers.
func (r *rig) idle(opt Options) {
	r.t.Helper()
	r.device.Update(func(s *api.Status) {
		s.Peers = []api.Peer{{Name: "workshop", Link: api.Link{State: api.LinkUp}}, {Name: "attic"}}
	})
	opt.Follow = true
	r.start(opt)
	r.awaitText("workshop", func(o render.Overlay) string { return fmt.Sprint(o.Peers) })
}

// Each peer can be called with its digit, and with Tab and Enter, also one that
// is not reachable: the call waits for it.
func TestSession_Press_callsPeer(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []Input
		want string
	}{
		{"digit", []Input{{Key: KeyRune, Rune: '1'}}, "call workshop 0"},
		{"digit of one that is not reachable", []Input{{Key: KeyRune, Rune: '2'}}, "call attic 0"},
		{"Tab and Enter", []Input{{Key: KeyTab}, {Key: KeyEnter}}, "call workshop 0"},
		{"arrows and space", []Input{{Key: KeyDown}, {Key: KeyDown}, {Key: KeyRune, Rune: ' '}}, "call attic 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.idle(Options{})
			for _, in := range tt.keys {
				r.Press(in)
			}
			r.awaitCommand(tt.want)
		})
	}
}

// The peers are on the display without a movement before.
func TestRun_touchCallsPeer(t *testing.T) {
	const width = 640
	r, s := newRig(t), newScreen(width)
	r.idle(Options{})
	r.mu.Lock()
	r.awakeUntil = time.Now().Add(-time.Hour)
	r.mu.Unlock()
	done := r.show(s)
	x, y := r.placeOf(width, render.Target{Action: ActionCall, Peer: "workshop"})
	for range 3 { // the painter knows the controls of the display
		<-s.shown
		s.input <- Input{Resized: true}
	}
	time.Sleep(settleTime)
	for _, kind := range []PointerKind{PointerPress, PointerRelease} {
		s.input <- Input{Pointer: Pointer{Kind: kind, X: x, Y: y, Clicks: 1, Touch: true}}
	}
	r.awaitCommand("call workshop 0")
	// The second press of a double click is on nothing: the peers are gone.
	s.input <- Input{Pointer: Pointer{Kind: PointerPress, X: 1, Y: 1, Clicks: 2}}
	s.input <- Input{Pointer: Pointer{Kind: PointerRelease, X: 1, Y: 1}}
	s.input <- Input{Key: KeyRune, Rune: 'q'}
	if err := <-done; err != nil {
		t.Fatalf("Run: %v", err)
	}
	if r.Fullscreen() {
		t.Error("a double click on a peer covers the screen")
	}
}

// Peers have a control only where a call is allowed and would be shown.
func TestSession_peers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rights api.Rights
		feed   string
		want   []string
	}{
		{"any", api.Rights{}, "", []string{"workshop 1", "attic 2"}},
		{"a member of the group", api.Rights{Watch: true, Call: true}, "", []string{"workshop 1", "attic 2"}},
		{"may watch only", api.Rights{Watch: true}, "", nil},
		{"follows one peer", api.Rights{}, "attic", []string{"attic 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.idle(Options{Feed: tt.feed})
			r.mu.Lock()
			r.rights = tt.rights
			r.mu.Unlock()
			o := r.overlay()
			var got []string
			for _, p := range o.Peers {
				if p.CanCall {
					got = append(got, p.Name+" "+p.Key)
				}
			}
			if len(o.Peers) != 2 || !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want two peers and to call %q", o.Peers, tt.want)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			var focusable []string
			for _, c := range r.choices(time.Now()) {
				if c.Action == ActionCall {
					focusable = append(focusable, c.Peer)
				}
			}
			if len(focusable) != len(tt.want) {
				t.Errorf("Tab reaches %q, want %q", focusable, tt.want)
			}
		})
	}
}

// No digit calls a peer while a call comes in, is made, or goes
// on.
func TestSession_Press_digitInCall(t *testing.T) {
	for _, state := range []api.CallState{api.CallIncoming, api.CallCalling, api.CallActive} {
		r := newRig(t)
		r.idle(Options{})
		r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: state, Direction: api.DirectionIn})
		for range 1000 {
			if o := r.overlay(); len(o.Peers) == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		r.Press(Input{Key: KeyRune, Rune: '2'})
		r.Press(Input{Key: KeyRune, Rune: '?'})
		if got := r.device.Commands(); slices.Contains(got, "call attic 0") {
			t.Errorf("%s: got commands %q", state, got)
		}
	}
}

// Controls are off when there is nothing behind them.
func TestSession_controls(t *testing.T) {
	frame := DisplayedFrame{Received: time.Now().Add(time.Hour), Captured: time.Now().Add(time.Hour)}
	card := frame
	card.Card = true
	watch := api.Rights{Watch: true, Groups: map[string]string{"call": "family"}}
	active := &api.Call{ID: "1", Peer: "workshop", State: api.CallActive, HasFrames: true}
	for _, tt := range []struct {
		name   string
		call   *api.Call
		shown  DisplayedFrame
		rights api.Rights
		want   string // "-": off
	}{
		{"idle", nil, DisplayedFrame{}, api.Rights{}, "camera help"},
		{"idle, may watch only", nil, DisplayedFrame{}, watch, "-camera help"},
		{"calling", &api.Call{ID: "1", Peer: "workshop", State: api.CallCalling, Direction: api.DirectionOut},
			DisplayedFrame{}, api.Rights{}, "camera help hangup"},
		{"ringing", &api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn},
			DisplayedFrame{}, api.Rights{}, "decline answer"},
		{"ringing, may watch only",
			&api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn},
			DisplayedFrame{}, watch, "-camera help"},
		{"in a call", active, frame, api.Rights{}, "camera message own snapshot help hangup"},
		{"in a call without a frame", active, DisplayedFrame{}, api.Rights{},
			"camera message own -snapshot help hangup"},
		{"in a call with a card", active, card, api.Rights{}, "camera message own -snapshot help hangup"},
		{"in a call, may watch only", active, frame, watch, "-camera -message own snapshot help -hangup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.idle(Options{})
			if tt.call != nil {
				r.device.SetCall(*tt.call)
			}
			r.mu.Lock()
			r.noFullscreen = true
			r.mu.Unlock()
			got := ""
			for range 1000 {
				r.mu.Lock()
				r.rights = tt.rights
				r.mu.Unlock()
				r.Wake()
				got = ""
				for _, c := range r.Overlay(time.Now(), tt.shown, DisplayedFrame{}).Controls {
					if got != "" {
						got += " "
					}
					if c.Disabled {
						got += "-"
					}
					got += c.Action.String()
				}
				if got == tt.want {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("got controls %q, want %q", got, tt.want)
		})
	}
}

// endIncoming lets workshop call and the call end, and waits for the control
// that calls back.
func (r *rig) endIncoming(reason api.Reason, text, shown string) {
	r.t.Helper()
	c := api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn}
	r.device.SetCall(c)
	r.awaitText("workshop is calling", notice)
	c.State, c.Reason, c.ReasonText = api.CallEnded, reason, text
	r.device.SetCall(c)
	r.awaitText(shown, notice)
	r.awaitText("[Call back]", func(o render.Overlay) string {
		return fmt.Sprintf("[%s]", o.Controls[len(o.Controls)-1].Label)
	})
}

// For some seconds after a call, one control calls again.
func TestSession_callAgain(t *testing.T) {
	r := newRig(t)
	r.idle(Options{})
	r.endIncoming(api.ReasonCancelled, "workshop stopped calling", "Missed call")
	for range len(r.overlay().Controls) {
		r.Press(Input{Key: KeyTab})
		if r.focused() == (render.Target{Action: look.ActionCall, Peer: "workshop"}) {
			r.Press(Input{Key: KeyEnter})
			r.awaitCommand("call workshop 0")
			return
		}
	}
	t.Error("Tab does not reach it")
}

// After a call that this device declined, the control calls back.
func TestSession_callBack(t *testing.T) {
	r := newRig(t)
	r.idle(Options{})
	r.endIncoming(api.ReasonDeclined, "you declined workshop's call", "Call ended")
}

// The focus of a control does not outlast its call: the key Enter must not hang
// up the next one.
func TestSession_focusEndsWithCall(t *testing.T) {
	r := newRig(t)
	r.idle(Options{})
	c := api.Call{ID: "1", Peer: "workshop", State: api.CallCalling, Direction: api.DirectionOut}
	r.device.SetCall(c)
	r.awaitText("calling workshop", notice)
	r.Press(Input{Key: KeyBackTab})
	if got := r.focused(); got.Action != ActionHangUp {
		t.Fatalf("got focus %v, want hang up", got)
	}
	c.State, c.Reason = api.CallEnded, api.ReasonNoAnswer
	r.device.SetCall(c)
	r.awaitText("Call ended", notice)
	c = api.Call{ID: "2", Peer: "workshop", State: api.CallCalling, Direction: api.DirectionOut}
	r.device.SetCall(c)
	r.awaitText("calling workshop", notice)
	if got := r.focused(); got != (render.Target{}) {
		t.Errorf("got focus %v, want none", got)
	}
}
