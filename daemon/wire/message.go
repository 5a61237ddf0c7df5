package wire

import (
	"fmt"
	"time"
)

// Type is the first byte of a message. A Reader skips unknown types.
type Type uint8

// The types of version 1: 0x0_ for the connection, 0x1_ for calls, 0x2_ for
// frames, 0x3_ for the rest.
const (
	TypeHello    Type = 0x01
	TypeBye      Type = 0x02
	TypeNominate Type = 0x03
	TypePing     Type = 0x04
	TypePong     Type = 0x05
	TypeTwin     Type = 0x06

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
	TypeHello: "Hello", TypeBye: "Bye", TypeNominate: "Nominate", TypePing: "Ping", TypePong: "Pong", TypeTwin: "Twin",
	TypeInvite: "Invite", TypeRinging: "Ringing", TypeAccept: "Accept", TypeResume: "Resume", TypeEnd: "End",
	TypeFrame: "Frame", TypeFeedback: "Feedback", TypeRefresh: "Refresh", TypeText: "Text", TypeState: "State",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Message is a message of the protocol: a pointer to one of the structs of this
// package. The methods have pointer receivers so that a Reader can reuse its
// messages.
type Message interface {
	Type() Type

	// validate checks the values of the fields, before encoding and after
	// decoding.
	validate() error
	// appendTo appends the payload.
	appendTo(dst []byte) []byte
	// decode reads the fields of the payload. The caller validates them.
	decode(payload *decoder)
}

// Nominate makes this connection the link. Only the arbiter, the device with
// the smaller id, sends it.
type Nominate struct{}

// Twin reports that another device with the receiver's key wants a connection.
type Twin struct{}

// Bye is the last message of a device on a connection.
type Bye struct {
	Code Code
	Text string // reason in words, at most MaxReason bytes
}

// Code is why a connection ends. A Reader keeps unknown codes.
type Code uint8

// The codes of version 1.
const (
	CodeShutdown      Code = 1 // the device stops, or no longer needs the connection
	CodeVersion       Code = 2 // no common version
	CodeUnknownDevice Code = 3 // the sender does not know your key
	CodeWrongIdentity Code = 4 // your key is not the known key of this peer
	CodeReplaced      Code = 5 // another connection is the link
	CodeTooMany       Code = 6 // too many connections
	CodeProtocol      Code = 7 // protocol violation
	CodeSelfCall      Code = 8 // both ends have the same key, or another device with your key is connected here
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
		return "protocol violation"
	case CodeSelfCall:
		return "own key"
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Ping requests a Pong. It is valid until the next call of Reader.Next.
type Ping struct {
	T1 time.Duration // time of sending, on the sender's CLOCK_MONOTONIC; ≥ 0
}

// Pong answers a Ping. It is valid until the next call of Reader.Next.
type Pong struct {
	T1 time.Duration // from the Ping
	T2 time.Duration // arrival of the Ping, on the CLOCK_MONOTONIC of the sender of the Pong
	T3 time.Duration // time of sending, on the same clock; ≥ T2
}

// Measure returns the round-trip time and the offset of the peer's clock to
// ours, from a Pong that arrived at t4 on the clock of T1. The round-trip time
// excludes the time between T2 and T3. The error of the offset is at most half
// the round-trip time. If ok is false, the times contradict each other and the
// Pong must be ignored.
func (p *Pong) Measure(t4 time.Duration) (rtt, offset time.Duration, ok bool) {
	// The difference of two times ≥ 0 cannot overflow. The sum of two such
	// differences can.
	rtt = (t4 - p.T1) - (p.T3 - p.T2)
	if p.validate() != nil || t4 < p.T1 || rtt < 0 {
		return 0, 0, false
	}
	return rtt, (p.T2-p.T1)/2 + (p.T3-t4)/2, true
}

// Text is a message to the peer of a call.
type Text struct {
	ID   uint64 // increases within a call; the receiver ignores repetitions
	Text string // at most MaxText bytes; of the control characters only \n and \t
}

// State is the state of the sender's camera.
type State struct {
	Camera CameraState
	Since  time.Duration // on the sender's CLOCK_MONOTONIC; ≥ 0
	Reason string        // in words, at most MaxReason bytes; may be empty
	Rotate uint8         // rotation for display, in quarter turns clockwise: 0 to 3; others are kept, and mean 0
}

// CameraState is the state of a camera. A Reader keeps unknown states; they
// mean CameraUnknown.
type CameraState uint8

// The states of version 1.
const (
	CameraUnknown   CameraState = 0
	CameraStreaming CameraState = 1
	CameraOpening   CameraState = 2
	CameraLost      CameraState = 3 // it worked, and is unplugged or silent
	CameraFailed    CameraState = 4 // it is present and does not work
	CameraPrivacy   CameraState = 5 // its owner turned it off
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

// Type implements Message.
func (*Nominate) Type() Type { return TypeNominate }

// Type implements Message.
func (*Twin) Type() Type { return TypeTwin }

// Type implements Message.
func (*Bye) Type() Type { return TypeBye }

// Type implements Message.
func (*Ping) Type() Type { return TypePing }

// Type implements Message.
func (*Pong) Type() Type { return TypePong }

// Type implements Message.
func (*Text) Type() Type { return TypeText }

// Type implements Message.
func (*State) Type() Type { return TypeState }

func (*Nominate) validate() error            { return nil }
func (*Nominate) appendTo(dst []byte) []byte { return dst }
func (*Nominate) decode(*decoder)            {}

func (*Twin) validate() error            { return nil }
func (*Twin) appendTo(dst []byte) []byte { return dst }
func (*Twin) decode(*decoder)            {}

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
	if len(f.b) > 0 { // early devices of version 1 do not send it
		m.Rotate = f.u8()
	}
}
