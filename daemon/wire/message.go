package wire

import (
	"fmt"
	"time"
)

// Type is the first byte of a message. Types that are not listed are skipped by a Reader.
type Type uint8

// The types of version 1. 0x0_ are the connection's, 0x1_ the call's, 0x2_ the frames', 0x3_ the rest.
const (
	TypeHello    Type = 0x01
	TypeBye      Type = 0x02
	TypeNominate Type = 0x03
	TypePing     Type = 0x04
	TypePong     Type = 0x05

	TypeInvite  Type = 0x10
	TypeRinging Type = 0x11
	TypeAccept  Type = 0x12
	TypeResume  Type = 0x13
	TypeEnd     Type = 0x14

	TypeFrame    Type = 0x20
	TypeFeedback Type = 0x21
	TypeRefresh  Type = 0x22

	TypeText  Type = 0x30
	TypeState Type = 0x31
)

var typeNames = map[Type]string{
	TypeHello: "Hello", TypeBye: "Bye", TypeNominate: "Nominate", TypePing: "Ping", TypePong: "Pong",
	TypeInvite: "Invite", TypeRinging: "Ringing", TypeAccept: "Accept", TypeResume: "Resume", TypeEnd: "End",
	TypeFrame: "Frame", TypeFeedback: "Feedback", TypeRefresh: "Refresh", TypeText: "Text", TypeState: "State",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Message is one message of the protocol: a pointer to one of this package's structs.
// (Pointers only, so that a Reader need not take memory for them; a type switch on a struct does not compile.)
type Message interface {
	Type() Type

	validate() error            // the rules for its values, the same for the writer and for the reader
	appendTo(dst []byte) []byte // its payload
	decode(payload *decoder)    // the reverse; check follows
}

// Nominate says: this connection carries the link. Only the device with the smaller id sends it.
type Nominate struct{}

// Bye is the last message on a connection, and says why in words.
type Bye struct {
	Code Code
	Text string // at most MaxReason bytes
}

// Code is why a connection ends. Codes that are not listed are kept as they are.
type Code uint8

// The codes of version 1.
const (
	CodeShutdown      Code = 1 // the device stops, or is done with the connection
	CodeVersion       Code = 2 // no version in common
	CodeUnknownDevice Code = 3 // your key is not known here
	CodeWrongIdentity Code = 4 // your key is not the one that is known for this peer
	CodeReplaced      Code = 5 // another connection carries the link
	CodeTooMany       Code = 6 // too many connections
	CodeProtocol      Code = 7 // a message that breaks the rules
	CodeSelfCall      Code = 8 // both ends have the same key
)

func (c Code) String() string {
	switch c {
	case CodeShutdown:
		return "shutdown"
	case CodeVersion:
		return "no common version"
	case CodeUnknownDevice:
		return "unknown device"
	case CodeWrongIdentity:
		return "wrong identity"
	case CodeReplaced:
		return "replaced"
	case CodeTooMany:
		return "too many connections"
	case CodeProtocol:
		return "protocol broken"
	case CodeSelfCall:
		return "own key"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Ping asks for a Pong. A Reader reuses it: it is good until the next call of Next.
type Ping struct {
	T1 time.Duration // when it is sent, on the sender's CLOCK_MONOTONIC; not negative
}

// Pong answers a Ping. A Reader reuses it: it is good until the next call of Next.
type Pong struct {
	T1 time.Duration // as in the Ping
	T2 time.Duration // when the Ping arrived, on the CLOCK_MONOTONIC of who answers
	T3 time.Duration // when the Pong is sent, on the same clock; not before T2
}

// Measure takes what a Pong tells that arrived at t4, on the clock of T1. The round trip is without the time the
// other side held the Ping; offset is by how much the other side's clock shows more than ours, wrong by half the round
// trip at most. It is not ok where the times contradict each other; such a Pong is to be ignored.
func (p *Pong) Measure(t4 time.Duration) (rtt, offset time.Duration, ok bool) {
	// No difference of two times that are not negative overflows; the sum of two such differences can.
	rtt = (t4 - p.T1) - (p.T3 - p.T2)
	if p.validate() != nil || t4 < p.T1 || rtt < 0 {
		return 0, 0, false
	}
	return rtt, (p.T2-p.T1)/2 + (p.T3-t4)/2, true
}

// Text is a line of text for whoever looks at the call.
type Text struct {
	ID   uint64 // grows within a call; the receiver ignores one that does not, so that it may be sent again on a new link
	Text string // at most MaxText bytes; of the control characters only \n and \t
}

// State is what the sender's camera is like.
type State struct {
	Camera CameraState
	Since  time.Duration // on the sender's CLOCK_MONOTONIC; not negative
	Reason string        // in words, at most MaxReason bytes; may be empty
	Rotate uint8         // quarter turns clockwise that its frames are to be shown with: 0 to 3; others are kept, and mean 0
}

// CameraState is what a camera is like. States that are not listed are kept as they are, and mean CameraUnknown.
type CameraState uint8

// The states of version 1.
const (
	CameraUnknown   CameraState = 0
	CameraStreaming CameraState = 1
	CameraOpening   CameraState = 2
	CameraLost      CameraState = 3 // it was there and is looked for
	CameraFailed    CameraState = 4 // it is there and does not work
	CameraPrivacy   CameraState = 5 // its owner switched it off
)

func (s CameraState) String() string {
	switch s {
	case CameraUnknown:
		return "unknown"
	case CameraStreaming:
		return "streaming"
	case CameraOpening:
		return "opening"
	case CameraLost:
		return "lost"
	case CameraFailed:
		return "failed"
	case CameraPrivacy:
		return "privacy"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

func (*Nominate) Type() Type { return TypeNominate }
func (*Bye) Type() Type      { return TypeBye }
func (*Ping) Type() Type     { return TypePing }
func (*Pong) Type() Type     { return TypePong }
func (*Text) Type() Type     { return TypeText }
func (*State) Type() Type    { return TypeState }

func (*Nominate) validate() error            { return nil }
func (*Nominate) appendTo(dst []byte) []byte { return dst }
func (*Nominate) decode(*decoder)            {}

func (m *Bye) validate() error { return checkString("text", m.Text, MaxReason) }

func (m *Bye) appendTo(dst []byte) []byte {
	dst = append(dst, byte(m.Code))
	return appendString(dst, m.Text)
}

func (m *Bye) decode(f *decoder) {
	m.Code = Code(f.u8())
	m.Text = f.string(MaxReason)
}

func (m *Ping) validate() error { return checkTime("T1", m.T1) }

func (m *Ping) appendTo(dst []byte) []byte { return appendTime(dst, m.T1) }

func (m *Ping) decode(f *decoder) { m.T1 = f.time() }

func (m *Pong) validate() error {
	if err := checkTime("T1", m.T1); err != nil {
		return err
	}
	if err := checkTime("T2", m.T2); err != nil {
		return err
	}
	if m.T3 < m.T2 {
		return fmt.Errorf("%w: T3 %d is before T2 %d", ErrBadValue, m.T3, m.T2)
	}
	return nil
}

func (m *Pong) appendTo(dst []byte) []byte {
	return appendTime(appendTime(appendTime(dst, m.T1), m.T2), m.T3)
}

func (m *Pong) decode(f *decoder) { m.T1, m.T2, m.T3 = f.time(), f.time(), f.time() }

func (m *Text) validate() error { return checkText("text", m.Text, MaxText) }

func (m *Text) appendTo(dst []byte) []byte { return appendString(appendU64(dst, m.ID), m.Text) }

func (m *Text) decode(f *decoder) {
	m.ID = f.u64()
	m.Text = f.string(MaxText)
}

func (m *State) validate() error {
	if err := checkTime("since", m.Since); err != nil {
		return err
	}
	return checkString("reason", m.Reason, MaxReason)
}

func (m *State) appendTo(dst []byte) []byte {
	dst = append(dst, byte(m.Camera))
	return append(appendString(appendTime(dst, m.Since), m.Reason), m.Rotate)
}

func (m *State) decode(f *decoder) {
	m.Camera = CameraState(f.u8())
	m.Since = f.time()
	m.Reason = f.string(MaxReason)
	if len(f.b) > 0 { // it came to version 1 later
		m.Rotate = f.u8()
	}
}
