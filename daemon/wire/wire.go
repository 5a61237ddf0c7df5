// Package wire encodes and decodes the messages between two devices, as defined
// in PROTOCOL.md.
//
//	Append, AppendFrame ─▶ bytes ─▶ TLS ─▶ bytes ─▶ Reader ─▶ Message
//
// Guarantees:
//   - For any input a Reader returns valid messages or an error that wraps
//     ErrProtocol.
//   - It checks every length before it allocates memory.
//   - Reading Ping, Pong, Frame and Feedback allocates nothing.
//   - A Reader decodes everything that Append encodes.
//
// The package has no sockets, clocks or goroutines. PROTOCOL.md defines which
// message may come when. Seen from the device with the smaller id, the arbiter
// among several connections:
//
//	            both Hellos               Nominate sent
//	greeting ───────────────▶ greeted ───────────────────▶ nominated ─▶ calls, frames, text
//	   │                         │                            │
//	   └──────── Bye ────────────┴──────────── Bye ───────────┴──▶ closed
package wire

import (
	"errors"
	"fmt"
)

// ALPN is the name of the protocol in the TLS handshake.
const ALPN = "vchat/1"

// The supported versions of the protocol.
const (
	VersionMin uint16 = 1
	VersionMax uint16 = 1
)

// The limits of PROTOCOL.md, section 7. Lengths are in bytes.
const (
	HeaderSize = 8 // before every payload

	MaxControl = 64 << 10 // payload of any message but Frame
	MaxFrame   = 16 << 20 // data of a frame, as sent and decompressed

	MaxName     = 64   // Hello.Name, Hello.Software
	MaxFeatures = 32   // features in a Hello
	MaxFeature  = 32   // name of a feature
	MaxReason   = 512  // Bye.Text, End.Text, State.Reason
	MaxText     = 2000 // Text.Text
)

// ErrProtocol is wrapped by every error that means that the peer has violated
// the protocol, and by no other. The answer is a Bye with CodeProtocol.
var ErrProtocol = errors.New("protocol violation")

// The faults of a message. Each wraps ErrProtocol.
var (
	ErrTooLong   = fmt.Errorf("%w: too long", ErrProtocol)      // a length above its limit
	ErrShort     = fmt.Errorf("%w: too short", ErrProtocol)     // a payload that ends before its last field
	ErrBadType   = fmt.Errorf("%w: invalid type", ErrProtocol)  // type 0
	ErrBadString = fmt.Errorf("%w: invalid text", ErrProtocol)  // not UTF-8, or with control characters
	ErrBadValue  = fmt.Errorf("%w: invalid value", ErrProtocol) // a field with a value that is not allowed
	ErrBadData   = fmt.Errorf("%w: invalid frame data",
		ErrProtocol) // data that does not decompress to the frame size
	ErrVersion = fmt.Errorf("%w: no common version", ErrProtocol) // no common version; answered with CodeVersion
)
