package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// CallID names a call: 16 random bytes, chosen by the caller. The zero CallID names none and is never sent.
type CallID [16]byte

// String gives 32 hexadecimal digits.
func (id CallID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders ids byte by byte: of two calls that meet, the one with the smaller id lives.
func (id CallID) Compare(other CallID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText gives what String gives.
func (id CallID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (id *CallID) UnmarshalText(text []byte) error {
	var read CallID
	if len(text) != hex.EncodedLen(len(read)) {
		return fmt.Errorf("call id of %d characters instead of %d", len(text), hex.EncodedLen(len(read)))
	}
	if _, err := hex.Decode(read[:], text); err != nil {
		return fmt.Errorf("call id: %w", err)
	}
	*id = read
	return nil
}

// The messages of a call. PROTOCOL.md says what each means and when it is sent again.
type (
	Invite  struct{ Call CallID } // will you talk?
	Ringing struct{ Call CallID } // somebody is being asked
	Accept  struct{ Call CallID } // yes
	Resume  struct{ Call CallID } // I still hold this call, on this new link
	End     struct {              // it is over
		Call   CallID
		Reason Reason
		Text   string // more, in words, at most MaxReason bytes; may be empty
	}
)

// Reason is why a call ends. Reasons that are not listed are kept as they are.
type Reason uint8

// The reasons of version 1.
const (
	ReasonHungUp       Reason = 1
	ReasonDeclined     Reason = 2
	ReasonBusy         Reason = 3
	ReasonNoAnswer     Reason = 4
	ReasonDoNotDisturb Reason = 5
	ReasonCancelled    Reason = 6 // by the caller, before an answer
	ReasonUnknownCall  Reason = 7 // no such call is held here
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

func (*Invite) Type() Type  { return TypeInvite }
func (*Ringing) Type() Type { return TypeRinging }
func (*Accept) Type() Type  { return TypeAccept }
func (*Resume) Type() Type  { return TypeResume }
func (*End) Type() Type     { return TypeEnd }

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
		return fmt.Errorf("%w: a call id of zeros", ErrBadValue)
	}
	return nil
}
