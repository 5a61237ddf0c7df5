package look

import "slices"

// State is what a viewer shows.
type State int

// The states.
const (
	Idle         State = iota // no call: this device's name, the time, the peers
	Calling                   // an outgoing call without an answer
	Ringing                   // an incoming call
	InCall                    // frames of the peer
	Reconnecting              // an answered call without new frames
	Ended                     // a call has just ended
	CameraOff                 // a call whose peer has turned its camera off
	Problem                   // something does not work, and why
)

// Word returns the state in one or two words.
func (s State) Word() string {
	switch s {
	case Idle:
		return "Ready"
	case Calling:
		return "Calling"
	case Ringing:
		return "Incoming call"
	case InCall:
		return "In a call"
	case Reconnecting:
		return "Reconnecting"
	case Ended:
		return "Call ended"
	case CameraOff:
		return "Camera off"
	}
	return "Problem"
}

// Action is what a user can do. Keys, clicks and touches all become one.
type Action int

// The actions.
const (
	ActionNone Action = iota
	ActionAnswer
	ActionDecline
	ActionHangUp
	ActionCamera     // turn this device's camera off for everybody, or allow it again
	ActionMessage    // begin to write a message
	ActionSend       // send the message being written
	ActionDiscard    // discard the message being written
	ActionSnapshot   // save the frame to a file
	ActionFullscreen // enter or leave
	ActionOwn        // show or hide this device's own picture
	ActionStatistics // show or hide
	ActionHelp       // show or hide the keys
	ActionAccept     // a device that wants to pair, or its code
	ActionRefuse     // a pairing
	ActionCall       // a peer
	ActionMore       // show other peers
	ActionYes        // this and the next ones send a ready message
	ActionNo
	ActionThanks
	ActionComing
	ActionMoment
	ActionLater
	ActionQuit
)

// ReadyMessages are the actions that send a ready message: their labels. A
// touch screen has no keys to write another.
var ReadyMessages = [...]Action{ActionYes, ActionNo, ActionThanks, ActionComing, ActionMoment, ActionLater}

// IsReadyMessage reports whether the action sends its label as a message.
func (a Action) IsReadyMessage() bool { return slices.Contains(ReadyMessages[:], a) }

// actions are indexed by Action.
var actions = [...]struct {
	name, label, key string
	icon             Icon
}{
	ActionNone:       {"none", "", "", IconNone},
	ActionAnswer:     {"answer", "Answer", "a", IconAnswer},
	ActionDecline:    {"decline", "Decline", "d", IconHangUp},
	ActionHangUp:     {"hangup", "Hang up", "h", IconHangUp},
	ActionCamera:     {"camera", "Camera", "c", IconCamera},
	ActionMessage:    {"message", "Message", "Enter", IconMessage},
	ActionSend:       {"send", "Send", "Enter", IconSend},
	ActionDiscard:    {"discard", "Discard", "Esc", IconClose},
	ActionSnapshot:   {"snapshot", "Snapshot", "s", IconSnapshot},
	ActionFullscreen: {"fullscreen", "Full screen", "f", IconFullscreen},
	ActionOwn:        {"own", "My picture", "p", IconOwn},
	ActionStatistics: {"statistics", "Statistics", "i", IconHelp},
	ActionHelp:       {"help", "Keys", "?", IconHelp},
	ActionAccept:     {"accept", "Accept", "y", IconAccept},
	ActionRefuse:     {"refuse", "Refuse", "n", IconClose},
	ActionCall:       {"call", "Call", "1 to 9", IconAnswer},
	ActionMore:       {"more", "More", "m", IconMore},
	ActionYes:        {"yes", "Yes", "1", IconNone},
	ActionNo:         {"no", "No", "2", IconNone},
	ActionThanks:     {"thanks", "Thank you", "3", IconNone},
	ActionComing:     {"coming", "On my way", "4", IconNone},
	ActionMoment:     {"moment", "One moment", "5", IconNone},
	ActionLater:      {"later", "Call me later", "6", IconNone},
	ActionQuit:       {"quit", "Quit", "q", IconClose},
}

// String returns the action's name in the page and in tests.
func (a Action) String() string { return actions[a.known()].name }

// Label returns the words on the action's control.
func (a Action) Label() string { return actions[a.known()].label }

// Key returns the key of the action, as it is shown.
func (a Action) Key() string { return actions[a.known()].key }

// Icon returns the icon of the action's control.
func (a Action) Icon() Icon { return actions[a.known()].icon }

func (a Action) known() Action {
	if a < 0 || int(a) >= len(actions) {
		return ActionNone
	}
	return a
}
