package wire

import (
	"encoding/hex"
	"fmt"
)

// CallID identifies a call: 16 random bytes that the caller chooses. The zero
// CallID is invalid.
type CallID [16]byte

// String returns 32 hexadecimal digits.
func (id CallID) String() string { return hex.EncodeToString(id[:]) }

// The messages of a call. PROTOCOL.md, section 5, defines their meaning.
type (
	// Invite starts a call.
	Invite struct{ Call CallID }
	// Ringing reports that the device rings.
	Ringing struct{ Call CallID }
	// Accept answers the call.
	Accept struct{ Call CallID }
	// Resume continues the call on a new link.
	Resume struct{ Call CallID }
	// End ends the call.
	End struct {
		Call   CallID
		Reason Reason
		Text   string // details, at most MaxReason bytes; may be empty
	}
)

// Reason is why a call ends. A Reader keeps unknown reasons.
type Reason uint8

// The reasons of version 1.
const (
	ReasonHungUp       Reason = 1
	ReasonDeclined     Reason = 2
	ReasonBusy         Reason = 3
	ReasonNoAnswer     Reason = 4
	ReasonDoNotDisturb Reason = 5
	ReasonCancelled    Reason = 6 // by the caller, before an answer
	ReasonUnknownCall  Reason = 7 // the sender has no such call
	ReasonLostTooLong  Reason = 8 // no link for longer than the call is kept
	ReasonFailed       Reason = 9
)

func (r Reason) String() string {
	switch r {
	case ReasonHungUp:
		return "hung up"
	case ReasonDeclined:
		return "declined"
	case ReasonBusy:
		return "busy"
	case ReasonNoAnswer:
		return "no answer"
	case ReasonDoNotDisturb:
		return "do not disturb"
	case ReasonCancelled:
		return "cancelled"
	case ReasonUnknownCall:
		return "unknown call"
	case ReasonLostTooLong:
		return "lost for too long"
	case ReasonFailed:
		return "failed"
	}
	return fmt.Sprintf("ended (reason %d)", uint8(r))
}

// Type implements Message.
func (*Invite) Type() Type { return TypeInvite }

// Type implements Message.
func (*Ringing) Type() Type { return TypeRinging }

// Type implements Message.
func (*Accept) Type() Type { return TypeAccept }

// Type implements Message.
func (*Resume) Type() Type { return TypeResume }

// Type implements Message.
func (*End) Type() Type { return TypeEnd }

func (m *Invite) validate() error  { return checkCall(m.Call) }
func (m *Ringing) validate() error { return checkCall(m.Call) }
func (m *Accept) validate() error  { return checkCall(m.Call) }
func (m *Resume) validate() error  { return checkCall(m.Call) }

func (m *Invite) appendTo(dst []byte) []byte  { return append(dst, m.Call[:]...) }
func (m *Ringing) appendTo(dst []byte) []byte { return append(dst, m.Call[:]...) }
func (m *Accept) appendTo(dst []byte) []byte  { return append(dst, m.Call[:]...) }
func (m *Resume) appendTo(dst []byte) []byte  { return append(dst, m.Call[:]...) }

func (m *Invite) decode(f *decoder)  { m.Call = f.call() }
func (m *Ringing) decode(f *decoder) { m.Call = f.call() }
func (m *Accept) decode(f *decoder)  { m.Call = f.call() }
func (m *Resume) decode(f *decoder)  { m.Call = f.call() }

func (m *End) validate() error {
	if err := checkCall(m.Call); err != nil {
		return err
	}
	return checkString("text", m.Text, MaxReason)
}

func (m *End) appendTo(dst []byte) []byte {
	dst = append(append(dst, m.Call[:]...), byte(m.Reason))
	return appendString(dst, m.Text)
}

func (m *End) decode(f *decoder) {
	m.Call = f.call()
	m.Reason = Reason(f.u8())
	m.Text = f.string(MaxReason)
}

func checkCall(id CallID) error {
	if id == (CallID{}) {
		return fmt.Errorf("%w: call id of zeros", ErrBadValue)
	}
	return nil
}
