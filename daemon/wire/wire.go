// Package wire is the language two devices speak over a connection: its messages, their bytes, their bounds.
// PROTOCOL.md beside this file is the law; the package and its test vectors follow it.
//
//	Append, AppendFrame ─▶ bytes ─▶ TLS ─▶ bytes ─▶ Reader ─▶ Message
//
// What it promises: whatever bytes arrive, a Reader gives well-formed messages or an error that wraps ErrProtocol; it
// checks every length before it takes memory; once warm it takes none for what comes often (Ping, Pong, Frame,
// Feedback); and what Append writes, a Reader reads.
//
// The package knows bytes alone: no sockets, no clocks, no goroutines. Which message may come when is in PROTOCOL.md,
// drawn here from the side of the device whose id is the smaller (the one that chooses among connections):
//
//	            both Hellos               Nominate sent
//	greeting ───────────────▶ greeted ───────────────────▶ carrying ─▶ calls, frames, text
//	   │                         │                            │
//	   └──────── Bye ────────────┴──────────── Bye ───────────┴──▶ closed
package wire

import (
	"errors"
	"fmt"
)

// ALPN is the protocol's name in the TLS handshake.
const ALPN = "vchat/1"

// The versions this package speaks.
const (
	VersionMin uint16 = 1
	VersionMax uint16 = 1
)

// Bounds of PROTOCOL.md, section "Limits". Lengths are in bytes.
const (
	HeaderSize = 8 // what goes before every payload

	MaxControl = 64 << 10 // payload of any message but a frame
	MaxFrame   = 16 << 20 // data of a frame, as sent and, where it is compressed, as unpacked too

	MaxName     = 64   // Hello.Name, Hello.Software
	MaxFeatures = 32   // features in a Hello
	MaxFeature  = 32   // one feature's name
	MaxReason   = 512  // Bye.Text, End.Text, State.Reason
	MaxText     = 2000 // Text.Text
)

// ErrProtocol is wrapped by every error that says that the other side broke the rules, and by no other.
// The answer to it is a Bye with CodeProtocol.
var ErrProtocol = errors.New("protocol broken")

// What a message can have wrong. Each wraps ErrProtocol.
var (
	ErrTooLong   = fmt.Errorf("%w: too long", ErrProtocol)          // a length above its bound
	ErrShort     = fmt.Errorf("%w: too short", ErrProtocol)         // a payload that ends before its fields do
	ErrBadType   = fmt.Errorf("%w: impossible type", ErrProtocol)   // type 0
	ErrBadString = fmt.Errorf("%w: bad text", ErrProtocol)          // not UTF-8, or with control characters
	ErrBadValue  = fmt.Errorf("%w: impossible value", ErrProtocol)  // a field that cannot have this value
	ErrBadData   = fmt.Errorf("%w: bad frame data", ErrProtocol)    // compressed data that does not unpack to the frame's size
	ErrVersion   = fmt.Errorf("%w: no common version", ErrProtocol) // two Hellos that cannot agree; answered with CodeVersion
)
