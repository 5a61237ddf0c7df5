package pairing

import (
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// ErrProtocol is wrapped by every error that means that the other device has
// violated the protocol, and by no other.
var ErrProtocol = errors.New("protocol violation")

// The faults of a message. Each wraps ErrProtocol.
var (
	ErrBadType   = fmt.Errorf("%w: invalid type", ErrProtocol)   // an unknown type
	ErrLength    = fmt.Errorf("%w: invalid length", ErrProtocol) // not the length of the fields
	ErrBadName   = fmt.Errorf("%w: invalid name", ErrProtocol)   // not UTF-8, or with control characters
	ErrBadReason = fmt.Errorf("%w: invalid reason", ErrProtocol) // 0
)

// MaxName is the longest name of a device, in bytes.
const MaxName = 64

const (
	headerSize = 2
	maxMessage = headerSize + 255
)

// The types of messages.
const (
	typeRequest    = 0x01
	typeCommitment = 0x02
	typeNonce      = 0x03
	typeConfirm    = 0x04
	typeDone       = 0x05
	typeRefuse     = 0x06
)

// Message is one of the messages of PROTOCOL.md, section 13: Request,
// Commitment, Nonce, Confirm, Done or Refuse. It is also an Event.
type Message interface {
	Event
	// append appends the message with its header.
	append(dst []byte) []byte
}

// Request is the first message of the initiator.
type Request struct {
	Name string // of the initiator, unauthenticated; at most MaxName bytes
}

// Commitment is the answer of the responder.
type Commitment struct {
	Commitment Hash   // of the responder's nonce
	Name       string // of the responder, unauthenticated; at most MaxName bytes
}

// Nonce is the contribution of a device to the code.
type Nonce struct{ Nonce Hash }

// Confirm reports that the user of the sender has confirmed the code.
type Confirm struct{}

// Done reports that the sender has kept the key of the receiver.
type Done struct{}

// Refuse ends the pairing. It is the last message of its sender.
type Refuse struct{ Reason Reason }

// Reason is why a device ends a pairing.
type Reason uint8

// The reasons of PROTOCOL.md. Unknown ones are kept.
const (
	NotWaiting  Reason = 1 // its user does not wait for a pairing
	Busy        Reason = 2 // it is pairing with another device
	Refused     Reason = 3 // its user refused
	Cancelled   Reason = 4 // its user, or the device, has ended the pairing
	TimedOut    Reason = 5 // a time limit has passed
	Mismatch    Reason = 6 // the nonce does not belong to the commitment
	Fault       Reason = 7 // the receiver has violated the protocol
	NotKept     Reason = 8 // it cannot keep the key
	SelfPairing Reason = 9 // both ends have the same key
)

var reasonTexts = map[Reason]string{
	NotWaiting: "it does not wait for a pairing", Busy: "it is pairing with another device",
	Refused: "its user refused", Cancelled: "its user cancelled", TimedOut: "time limit exceeded",
	Mismatch: "nonce does not match its commitment", Fault: "protocol violation reported",
	NotKept: "it cannot save the key of this device", SelfPairing: "both ends have the same key",
}

func (r Reason) String() string {
	if s, ok := reasonTexts[r]; ok {
		return s
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

func (m Request) append(dst []byte) []byte {
	return appendName(append(dst, typeRequest, byte(1+len(m.Name))), m.Name)
}

func (m Commitment) append(dst []byte) []byte {
	dst = append(dst, typeCommitment, byte(len(m.Commitment)+1+len(m.Name)))
	return appendName(append(dst, m.Commitment[:]...), m.Name)
}

func (m Nonce) append(dst []byte) []byte {
	return append(append(dst, typeNonce, byte(len(m.Nonce))), m.Nonce[:]...)
}

func (m Confirm) append(dst []byte) []byte { return append(dst, typeConfirm, 0) }
func (m Done) append(dst []byte) []byte    { return append(dst, typeDone, 0) }
func (m Refuse) append(dst []byte) []byte  { return append(dst, typeRefuse, 1, byte(m.Reason)) }

func appendName(dst []byte, name string) []byte { return append(append(dst, byte(len(name))), name...) }

// Append appends an encoded message to dst. Names must be valid texts of at
// most MaxName bytes.
func Append(dst []byte, m Message) []byte { return m.append(dst) }

// Reader reads messages from a stream. It buffers nothing and is not safe for
// concurrent use.
type Reader struct {
	in  io.Reader
	buf [maxMessage]byte
	err error
}

// NewReader returns a Reader of a stream.
func NewReader(in io.Reader) *Reader { return &Reader{in: in} }

// Next returns the next message. Errors: io.EOF at the end of the stream,
// io.ErrUnexpectedEOF inside a message, those that wrap ErrProtocol, and those
// of the stream. After an error it returns that error again.
func (r *Reader) Next() (Message, error) {
	if r.err != nil {
		return nil, r.err
	}
	var m Message
	m, r.err = r.next()
	return m, r.err
}

func (r *Reader) next() (Message, error) {
	head := r.buf[:headerSize]
	if _, err := io.ReadFull(r.in, head); err != nil {
		return nil, err
	}
	// The length is checked by the fields. Any length fits into buf, so a wrong
	// one costs nothing.
	typ, payload := head[0], r.buf[headerSize:headerSize+int(head[1])]
	if _, ok := decoders[typ]; !ok {
		return nil, fmt.Errorf("%w 0x%02x", ErrBadType, typ)
	}
	if _, err := io.ReadFull(r.in, payload); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return decoders[typ](payload)
}

var decoders = map[byte]func(payload []byte) (Message, error){
	typeRequest: func(p []byte) (Message, error) {
		name, err := decodeName(p)
		return Request{name}, err
	},
	typeCommitment: func(p []byte) (Message, error) {
		var m Commitment
		if len(p) < len(m.Commitment) {
			return nil, fmt.Errorf("%w: commitment of %d bytes", ErrLength, len(p))
		}
		var err error
		m.Name, err = decodeName(p[copy(m.Commitment[:], p):])
		return m, err
	},
	typeNonce: func(p []byte) (Message, error) {
		var m Nonce
		err := wantLength(p, len(m.Nonce))
		copy(m.Nonce[:], p)
		return m, err
	},
	typeConfirm: func(p []byte) (Message, error) { return Confirm{}, wantLength(p, 0) },
	typeDone:    func(p []byte) (Message, error) { return Done{}, wantLength(p, 0) },
	typeRefuse: func(p []byte) (Message, error) {
		if err := wantLength(p, 1); err != nil {
			return nil, err
		}
		if p[0] == 0 {
			return nil, ErrBadReason
		}
		return Refuse{Reason(p[0])}, nil
	},
}

func wantLength(p []byte, n int) error {
	if len(p) != n {
		return fmt.Errorf("%w: payload of %d bytes, want %d", ErrLength, len(p), n)
	}
	return nil
}

// decodeName decodes a name that fills p.
func decodeName(p []byte) (string, error) {
	if len(p) == 0 || int(p[0]) != len(p)-1 || p[0] > MaxName {
		return "", fmt.Errorf("%w: name in %d bytes", ErrLength, len(p))
	}
	name := string(p[1:])
	if !utf8.ValidString(name) {
		return "", fmt.Errorf("%w: not UTF-8", ErrBadName)
	}
	for _, c := range name {
		if unicode.IsControl(c) {
			return "", fmt.Errorf("%w: control character U+%04X", ErrBadName, c)
		}
	}
	return name, nil
}
