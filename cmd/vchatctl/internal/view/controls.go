package view

import (
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

// control returns the control of an action. The caller holds s.mu.
func (s *Session) control(a Action, style render.Style) render.Control {
	return render.Control{Target: render.Target{Action: a}, Icon: a.Icon(), Label: a.Label(), Key: a.Key(),
		Style:   style,
		Focused: s.focus == render.Target{Action: a}}
}

// callControl returns the control that calls a peer. The caller holds s.mu.
func (s *Session) callControl(peer string) render.Control {
	c := s.control(ActionCall, render.StylePlain)
	c.Peer, c.Key = peer, ""
	c.Focused = c.Target == s.focus
	return c
}

// mayCall reports whether the user may act in calls, as far as is known. The
// caller holds s.mu.
func (s *Session) mayCall() bool { return CallsDenied(s.rights) == "" }

// canCall reports whether the user can call a peer and then sees it. The caller
// holds s.mu.
func (s *Session) canCall(peer string) bool {
	return s.device.daemonUp && s.mayCall() && (s.opt.Feed == "" || s.opt.Feed == peer)
}

// CallsDenied returns why a user with these rights may not act in calls, or "".
// Unknown rights deny nothing: the daemon decides.
func CallsDenied(r api.Rights) string {
	switch group := r.Groups["call"]; {
	case !r.Watch || r.Call:
		return ""
	case group == "":
		return "You may only watch: calls are for root."
	default:
		return "You may only watch: calls are for the group " + group + "."
	}
}

// peers returns the peers of an idle display, each with the control that calls
// it. They are on no other display. The caller holds s.mu.
func (s *Session) peers(now time.Time) (list []render.Peer) {
	if !s.isIdle(now) {
		return nil
	}
	for _, p := range s.device.status.Peers {
		peer := render.Peer{Name: p.Name, Reachable: p.Link.State == api.LinkUp}
		if s.canCall(p.Name) {
			c := s.callControl(p.Name)
			peer.CanCall, peer.Focused = true, c.Focused
			if n := len(list); n < maxPeerKeys {
				peer.Key = string(rune('1' + n))
			}
		}
		list = append(list, peer)
	}
	return list
}

// maxPeerKeys is how many peers a digit can call.
const maxPeerKeys = 9

// isIdle reports whether the display waits for calls and shows nothing else.
// The caller holds s.mu.
func (s *Session) isIdle(now time.Time) bool {
	feed, _ := s.feed.current()
	_, pairing := NewPairing(s.device.status.Pairing, s.rights)
	return feed == "" && s.device.daemonUp && len(s.device.status.Calls) == 0 && !pairing && !s.endShown(now)
}

// endShown reports whether an idle display shows how a call ended. The caller
// holds s.mu.
func (s *Session) endShown(now time.Time) bool {
	return s.ended != nil && now.Sub(s.endedAt) < endedDuration
}

// choices returns everything that the keyboard's focus can reach. The caller
// holds s.mu.
func (s *Session) choices(now time.Time) []render.Control {
	list := s.readyMessages()
	for _, p := range s.peers(now) {
		if p.CanCall {
			list = append(list, s.callControl(p.Name))
		}
	}
	return append(list, s.controls(now)...)
}

// readyMessages returns the controls of the ready messages, which an empty
// message offers. The caller holds s.mu.
func (s *Session) readyMessages() (list []render.Control) {
	if !s.typing || len(s.typed) > 0 && s.readyKey == 0 {
		return nil
	}
	for _, a := range look.ReadyMessages {
		c := s.control(a, render.StylePlain)
		if s.readyKey != 0 && c.Key == string(s.readyKey) {
			c.Style = render.StyleOn
		}
		list = append(list, c)
	}
	return list
}

// controls returns the controls of the present state. The caller holds s.mu.
func (s *Session) controls(now time.Time) []render.Control {
	feed, _ := s.feed.current()
	var list []render.Control
	add := func(a Action, style render.Style) *render.Control {
		list = append(list, s.control(a, style))
		return &list[len(list)-1]
	}
	if s.typing {
		add(ActionDiscard, render.StylePlain)
		add(ActionSend, render.StyleAccept)
		return list
	}
	if !s.device.daemonUp {
		return nil
	}
	may := s.mayCall()
	if s.device.caller() != "" && may {
		add(ActionDecline, render.StyleDecline)
		add(ActionAnswer, render.StyleAccept)
		return list
	}
	if p, ok := NewPairing(s.device.status.Pairing, s.rights); ok {
		if p.No != "" {
			add(ActionRefuse, render.StyleDecline)
		}
		if p.Yes != "" {
			add(ActionAccept, render.StyleAccept)
		}
		if len(list) > 0 {
			return list
		}
	}
	call := s.shownCall(feed)
	camera := add(ActionCamera, render.StylePlain)
	camera.Disabled = !may
	if s.device.status.Privacy {
		camera.Icon, camera.Label, camera.Style = look.IconCameraOff, "Camera off", render.StyleOn
	}
	inCall := call != nil && answered(call.State)
	if inCall {
		add(ActionMessage, render.StylePlain).Disabled = !may
	}
	if feed != "" && feed != api.Self {
		c := add(ActionOwn, render.StylePlain)
		if c.Disabled = !s.callAnswered(); s.showOwn && !c.Disabled {
			c.Style = render.StyleOn
		}
	}
	if feed != "" {
		add(ActionSnapshot, render.StylePlain).Disabled = !s.picture
	}
	if !s.noFullscreen {
		if c := add(ActionFullscreen, render.StylePlain); s.fullscreen {
			c.Icon = look.IconLeaveFullscreen
		}
	}
	if c := add(ActionHelp, render.StylePlain); s.showHelp {
		c.Style = render.StyleOn
	}
	if call != nil {
		add(ActionHangUp, render.StyleDecline).Disabled = !may
	} else if feed == "" && s.endShown(now) && s.canCall(s.ended.Peer) {
		c := s.callControl(s.ended.Peer)
		c.Label, c.Style = "Call again", render.StyleAccept
		if s.ended.Direction == api.DirectionIn && s.ended.Answered.IsZero() {
			c.Label = "Call back"
		}
		list = append(list, c)
	}
	return list
}

// shownCall returns the call that is shown or being made, or nil. The caller
// holds s.mu.
func (s *Session) shownCall(feed string) *api.Call {
	if c := s.device.call(feed); c != nil {
		return c
	}
	for i := range s.device.status.Calls {
		if c := &s.device.status.Calls[i]; c.State != api.CallIncoming {
			return c
		}
	}
	return nil
}

// controlsShown reports whether the controls are on the display. The caller
// holds s.mu.
func (s *Session) controlsShown(now time.Time) bool {
	return s.controlsStay() || now.Before(s.awakeUntil.Add(fadeDuration))
}

// controlsStay reports whether the controls do not fade: while a call comes in
// or is being made, and while the user types. The caller holds s.mu.
func (s *Session) controlsStay() bool {
	feed, _ := s.feed.current()
	_, pairing := NewPairing(s.device.status.Pairing, s.rights)
	calling := feed == "" && (s.shownCall(feed) != nil || s.endShown(time.Now()))
	return s.typing || s.showHelp || calling || pairing || s.device.caller() != ""
}

// fade returns render.Overlay.Fade. The caller holds s.mu.
func (s *Session) fade(now time.Time) int {
	past := now.Sub(s.awakeUntil)
	if past < 0 || s.controlsStay() {
		return 0
	}
	return min(3, 1+int(past/tickInterval))
}

// moveFocus moves the keyboard's focus to the next control, or to the previous
// one.
func (s *Session) moveFocus(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	controls := s.choices(time.Now())
	at := -1
	for i := range controls {
		if controls[i].Target == s.focus {
			at = i
		}
	}
	if at < 0 && by < 0 {
		at = 0
	}
	for range controls {
		at = (at + by + len(controls)) % len(controls)
		if !controls[at].Disabled {
			s.focus, s.focusGiven = controls[at].Target, time.Time{}
			s.awakeUntil = time.Now().Add(focusDuration)
			return
		}
	}
}

// focusAnswer gives the focus to ActionAnswer when another peer than before
// calls. In a call it does not: the key Enter then writes a message. A focus
// that was for another caller ends. The caller holds s.mu.
func (s *Session) focusAnswer(before string) {
	caller := s.device.caller()
	if caller == before {
		return
	}
	if a := s.focus.Action; a == ActionAnswer || a == ActionDecline {
		s.focus = render.Target{}
	}
	if caller == "" || s.callAnswered() {
		return
	}
	s.focus, s.focusGiven = render.Target{Action: ActionAnswer}, time.Now()
}

// focused returns what the control that has the keyboard's focus does, or
// nothing. A control that is no longer shown loses the focus: users must not
// hang up with a control that has faded.
func (s *Session) focused() render.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.focusShown() {
		s.focus = render.Target{}
	}
	return s.focus
}

// focusShown reports whether a control that is shown has the keyboard's focus.
// The caller holds s.mu.
func (s *Session) focusShown() bool {
	now := time.Now()
	shown := s.controlsShown(now)
	for _, c := range s.choices(now) {
		if c.Target == s.focus && !c.Disabled {
			return shown || c.Action == ActionCall // peers are always shown
		}
	}
	return false
}
