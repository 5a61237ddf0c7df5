package identity

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// RelayToken names the place at a relay where two devices meet. The relay sees
// it, but learns no id from it. See section 15 of PROTOCOL.md.
type RelayToken [sha256.Size]byte

const (
	relayInfo             = "vchat relay 1"
	relayIntroductionInfo = "vchat relay introduction 1"
	relaySideInfo         = "vchat relay side 1"
	relaySideSize         = 8
)

// RelayToken returns the token of this device and that of a public key, which
// no third device can compute. It fails as Acquaint does, and costs the same.
func (i *Identity) RelayToken(peer ed25519.PublicKey) (RelayToken, error) {
	key, err := i.sharedKey(peer, relayInfo)
	if err != nil {
		return RelayToken{}, fmt.Errorf("relay token: %w", err)
	}
	return key, nil
}

// RelayIntroduction returns the token of two devices that have only the id of
// each other, in any order.
func RelayIntroduction(a, b ID) RelayToken {
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return RelayToken(mustHKDF(slices.Concat(a[:], b[:]), relayIntroductionInfo, sha256.Size))
}

// String returns the token as the relay expects it: 64 hexadecimal digits.
func (t RelayToken) String() string { return hex.EncodeToString(t[:]) }

// Side returns the 16 hexadecimal digits that tell a relay which connections of
// a token come from the same device.
func (t RelayToken) Side(own ID) string {
	return hex.EncodeToString(mustHKDF(slices.Concat(t[:], own[:]), relaySideInfo, relaySideSize))
}

// mustHKDF is HKDF-SHA-256 without a salt, for sizes that it can give.
func mustHKDF(secret []byte, info string, size int) []byte {
	b, err := hkdf.Key(sha256.New, secret, nil, info, size)
	if err != nil {
		panic(err)
	}
	return b
}
