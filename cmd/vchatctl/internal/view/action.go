package view

import (
	"context"
	"errors"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

// Action is what a user can do. Keys, clicks and touches all become one.
type Action = look.Action

// The actions.
const (
	ActionAnswer     = look.ActionAnswer
	ActionDecline    = look.ActionDecline
	ActionHangUp     = look.ActionHangUp
	ActionCamera     = look.ActionCamera
	ActionMessage    = look.ActionMessage
	ActionSend       = look.ActionSend
	ActionDiscard    = look.ActionDiscard
	ActionSnapshot   = look.ActionSnapshot
	ActionFullscreen = look.ActionFullscreen
	ActionOwn        = look.ActionOwn
	ActionStatistics = look.ActionStatistics
	ActionHelp       = look.ActionHelp
	ActionAccept     = look.ActionAccept
	ActionRefuse     = look.ActionRefuse
	ActionCall       = look.ActionCall
	ActionMore       = look.ActionMore
	ActionQuit       = look.ActionQuit
)

// actionKeys are the actions of the characters, in lower case.
var actionKeys = map[rune]Action{
	'a': ActionAnswer, 'd': ActionDecline, 'h': ActionHangUp, 'c': ActionCamera, 's': ActionSnapshot,
	'f': ActionFullscreen, 'p': ActionOwn, 'i': ActionStatistics, '?': ActionHelp, 'y': ActionAccept,
	'n': ActionRefuse, 'q': ActionQuit, 'm': ActionMore,
}

// Do carries out an action. An action that makes no sense at present, such as
// an answer without a caller, does nothing. Errors of the daemon are shown.
func (s *Session) Do(a Action) {
	defer notify(s.changed)
	switch a {
	case ActionAnswer:
		s.runCommand("answer", s.answer)
	case ActionDecline:
		s.runCommand("decline", s.decline)
	case ActionHangUp:
		s.runCommand("hang up", s.hangUp)
	case ActionCamera:
		s.runCommand("camera", s.toggleCamera)
	case ActionMessage:
		s.beginMessage()
	case ActionSend:
		s.mu.Lock()
		if s.typing {
			s.sendTyped()
		}
		s.mu.Unlock()
	case ActionDiscard:
		s.mu.Lock()
		s.typing = false
		s.mu.Unlock()
	case ActionSnapshot:
		s.runCommand("snapshot", s.snapshot)
	case ActionFullscreen:
		s.mu.Lock()
		s.fullscreen = !s.fullscreen
		s.mu.Unlock()
	case ActionOwn:
		s.togglePIP()
	case ActionStatistics:
		s.mu.Lock()
		s.showStats, s.stats = !s.showStats, frameStats{}
		s.mu.Unlock()
	case ActionHelp:
		s.mu.Lock()
		s.showHelp = !s.showHelp
		s.mu.Unlock()
	case ActionAccept, ActionRefuse:
		s.answerPairing(a == ActionAccept)
	case ActionMore:
		s.mu.Lock()
		s.peerPage++
		if s.focus.Action == ActionCall { // its page would be shown
			s.focus = render.Target{}
		}
		s.mu.Unlock()
	case ActionQuit:
		s.end(nil)
	default:
		s.mu.Lock()
		if s.typing && a.IsReadyMessage() {
			s.typed = append(s.typed[:0], []rune(a.Label())...)
			s.sendTyped()
		}
		s.mu.Unlock()
	}
}

// press does what a control is for.
func (s *Session) press(t render.Target) {
	if t.Action == ActionCall {
		s.call(t.Peer)
		return
	}
	s.Do(t.Action)
}

// call calls a peer.
func (s *Session) call(peer string) {
	s.runCommand("call", func(ctx context.Context) error {
		_, err := s.client.Call(ctx, api.CallRequest{Peer: peer})
		var refused *api.Error
		if errors.As(err, &refused) && refused.Kind == api.Conflict && s.callWith(peer) {
			return nil // two quick taps
		}
		return err
	})
}

// callWith reports whether there is a call with a peer.
func (s *Session) callWith(peer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device.call(peer) != nil
}

// controlsDuration is how long the controls of a call stay after the last
// movement, touch or key.
const controlsDuration = 3 * time.Second

// focusDuration is the same while the user goes through the controls by
// keyboard, which takes longer: a control that fades loses the focus.
const focusDuration = 10 * time.Second

// fadeDuration is how long they take to fade then. Each of its three steps is
// one tickInterval.
const fadeDuration = 3 * tickInterval

// Wake shows the controls of a call for a while.
func (s *Session) Wake() { s.wakeFor(controlsDuration) }

func (s *Session) wakeFor(d time.Duration) {
	s.mu.Lock()
	s.awakeUntil = time.Now().Add(d)
	s.mu.Unlock()
	notify(s.changed)
}

// Fullscreen reports whether the user wants the display to cover the screen.
func (s *Session) Fullscreen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fullscreen
}

// toggleCamera turns this device's camera off for everybody, or allows it
// again.
func (s *Session) toggleCamera(ctx context.Context) error {
	s.mu.Lock()
	off := s.device.status.Privacy
	s.mu.Unlock()
	return s.client.SetPrivacy(ctx, !off)
}
