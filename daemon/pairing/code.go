package pairing

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"fmt"

	"vchat/daemon/identity"
)

// Hash has 32 bytes: a nonce, a commitment or the exporter of a connection.
type Hash [sha256.Size]byte

// codes is the number of codes. A device in the middle guesses one with a
// chance of 1 in codes.
const codes = 1_000_000

// Code is the number that both users compare.
type Code uint32

// String returns the six digits of a code in two groups, such as "482 913".
func (c Code) String() string { return fmt.Sprintf("%03d %03d", c/1000, c%1000) }

// Exporter returns the secret of a TLS connection that both of its ends know
// (RFC 8446, section 7.5).
func Exporter(cs tls.ConnectionState) (Hash, error) {
	var h Hash
	b, err := cs.ExportKeyingMaterial("EXPORTER-vchat-pair", nil, len(h))
	if err != nil {
		return h, fmt.Errorf("export secret of the connection: %w", err)
	}
	copy(h[:], b)
	return h, nil
}

// binding is what a code is bound to, beside the nonces.
type binding struct {
	exporter             Hash
	initiator, responder identity.ID
}

// commitment binds the responder to its nonce.
func (b binding) commitment(nonce Hash) (c Hash) {
	h := sha256.New()
	h.Write([]byte("vchat-pair/1 commitment"))
	h.Write(b.exporter[:])
	h.Write(b.initiator[:])
	h.Write(b.responder[:])
	h.Write(nonce[:])
	h.Sum(c[:0])
	return c
}

// opens reports whether the nonce belongs to the commitment.
func (b binding) opens(commitment, nonce Hash) bool {
	want := b.commitment(nonce)
	return subtle.ConstantTimeCompare(want[:], commitment[:]) == 1
}

func (b binding) code(initiator, responder Hash) Code {
	h := hmac.New(sha256.New, b.exporter[:])
	h.Write([]byte("vchat-pair/1 code"))
	h.Write(b.initiator[:])
	h.Write(b.responder[:])
	h.Write(initiator[:])
	h.Write(responder[:])
	return Code(binary.BigEndian.Uint64(h.Sum(nil)) % codes)
}
