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
	HungUp       Reason = 1
	Declined     Reason = 2
	Busy         Reason = 3
	NoAnswer     Reason = 4
	DoNotDisturb Reason = 5
	Cancelled    Reason = 6 // by the caller, before an answer
	UnknownCall  Reason = 7 // no such call is held here
	LostTooLong  Reason = 8 // no link for longer than the call is kept
	Failed       Reason = 9
)

func (r Reason) String() string {
	switch r {
	case HungUp:
		return "hung up"
	case Declined:
		return "declined"
	case Busy:
		return "busy"
	case NoAnswer:
		return "no answer"
	case DoNotDisturb:
		return "do not disturb"
	case Cancelled:
		return "cancelled"
	case UnknownCall:
		return "unknown call"
	case LostTooLong:
		return "lost for too long"
	case Failed:
		return "failed"
	}
	return fmt.Sprintf("ended (reason %d)", uint8(r))
}

func (*Invite) Type() Type  { return TypeInvite }
func (*Ringing) Type() Type { return TypeRinging }
func (*Accept) Type() Type  { return TypeAccept }
func (*Resume) Type() Type  { return TypeResume }
func (*End) Type() Type     { return TypeEnd }

func (m *Invite) check() error  { return checkCall(m.Call) }
func (m *Ringing) check() error { return checkCall(m.Call) }
func (m *Accept) check() error  { return checkCall(m.Call) }
func (m *Resume) check() error  { return checkCall(m.Call) }

func (m *Invite) put(dst []byte) []byte  { return append(dst, m.Call[:]...) }
func (m *Ringing) put(dst []byte) []byte { return append(dst, m.Call[:]...) }
func (m *Accept) put(dst []byte) []byte  { return append(dst, m.Call[:]...) }
func (m *Resume) put(dst []byte) []byte  { return append(dst, m.Call[:]...) }

func (m *Invite) get(f *fields)  { m.Call = f.call() }
func (m *Ringing) get(f *fields) { m.Call = f.call() }
func (m *Accept) get(f *fields)  { m.Call = f.call() }
func (m *Resume) get(f *fields)  { m.Call = f.call() }

func (m *End) check() error {
	if err := checkCall(m.Call); err != nil {
		return err
	}
	return checkString("text", m.Text, MaxReason)
}

func (m *End) put(dst []byte) []byte {
	dst = append(append(dst, m.Call[:]...), byte(m.Reason))
	return putString(dst, m.Text)
}

func (m *End) get(f *fields) {
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
