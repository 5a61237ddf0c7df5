package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Acquaintance is a key that two devices share. With it a device proves in its
// ClientHello, before any costly computation, that it is one that the other
// knows. It authenticates nothing: that is what the handshake is for. See
// section 1 of PROTOCOL.md.
type Acquaintance struct{ key [sha256.Size]byte }

// Nonce is the random part of a proof, by which each proof differs.
type Nonce [8]byte

const (
	acquaintanceInfo = "vchat acquaintance 1"
	introductionInfo = "vchat introduction 1"
	proofPrefix      = "vchat-known/"
	proofSize        = 16 // bytes of the MAC
)

// Introduce returns what two devices share that have only the id of each other.
// Ids are no secrets, but a stranger does not know which ids belong together.
func Introduce(client, server ID) Acquaintance {
	return Acquaintance{[sha256.Size]byte(mustHKDF(slices.Concat(client[:], server[:]), introductionInfo, sha256.Size))}
}

// Acquaint returns what this device shares with the device of a public key: a
// secret. It fails for a key that is no point of the curve, or one of small
// order. It computes an X25519 exchange: callers keep the result.
func (i *Identity) Acquaint(peer ed25519.PublicKey) (Acquaintance, error) {
	key, err := i.sharedKey(peer, acquaintanceInfo)
	if err != nil {
		return Acquaintance{}, fmt.Errorf("acquaint: %w", err)
	}
	return Acquaintance{key}, nil
}

// sharedKey returns a secret of this device and that of a public key: another
// one for each info. It computes an X25519 exchange.
func (i *Identity) sharedKey(peer ed25519.PublicKey, info string) (key [sha256.Size]byte, err error) {
	private, err := ecdh.X25519().NewPrivateKey(montgomeryPrivate(i.key))
	if err != nil {
		return key, fmt.Errorf("own key: %w", err)
	}
	public, err := montgomeryPublic(peer)
	if err != nil {
		return key, err
	}
	secret, err := private.ECDH(public) // refuses points of small order
	if err != nil {
		return key, fmt.Errorf("public key of the peer: %w", err)
	}
	b, err := hkdf.Key(sha256.New, secret, nil, info, sha256.Size)
	if err != nil {
		return key, err
	}
	return [sha256.Size]byte(b), nil
}

// montgomeryPrivate returns the X25519 key of an Ed25519 key: both use the same
// scalar (RFC 8032, section 5.1.5).
func montgomeryPrivate(key ed25519.PrivateKey) []byte {
	h := sha512.Sum512(key.Seed())
	return h[:32] // X25519 clamps it
}

// montgomeryPublic converts a public key: u = (1 + y) / (1 - y), RFC 7748,
// section 4.1.
func montgomeryPublic(key ed25519.PublicKey) (*ecdh.PublicKey, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: public key of %d bytes", ErrPeer, len(key))
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	b := slices.Clone(key)
	b[31] &= 0x7f // the sign of x
	slices.Reverse(b)
	y := new(big.Int).SetBytes(b)
	one := big.NewInt(1)
	inverse := new(big.Int).ModInverse(new(big.Int).Mod(new(big.Int).Sub(one, y), p), p)
	if inverse == nil {
		return nil, fmt.Errorf("%w: invalid public key", ErrPeer)
	}
	u := new(big.Int).Mul(new(big.Int).Add(one, y), inverse)
	out := u.Mod(u, p).FillBytes(make([]byte, 32))
	slices.Reverse(out)
	return ecdh.X25519().NewPublicKey(out)
}

// proof returns the name of the ALPN protocol that carries a proof.
func (a *Acquaintance) proof(nonce Nonce, client, server ID) string {
	mac := hmac.New(sha256.New, a.key[:])
	mac.Write(nonce[:])
	mac.Write(client[:])
	mac.Write(server[:])
	return proofPrefix + hex.EncodeToString(nonce[:]) + hex.EncodeToString(mac.Sum(nil)[:proofSize])
}

// ProofNonce returns the nonce of the proof among the protocols of a
// ClientHello. It reports false if there is none, or more than one.
func ProofNonce(protocols []string) (nonce Nonce, proof string, ok bool) {
	for _, p := range protocols {
		text, isProof := strings.CutPrefix(p, proofPrefix)
		if !isProof {
			continue
		}
		b, err := hex.DecodeString(text)
		if ok || err != nil || len(b) != len(nonce)+proofSize {
			return Nonce{}, "", false
		}
		nonce, proof, ok = Nonce(b[:len(nonce)]), p, true
	}
	return nonce, proof, ok
}

// Proves reports whether a proof is that of the client for this device. It does
// not notice a repeated one: callers remember nonces.
func (i *Identity) Proves(a *Acquaintance, client ID, nonce Nonce, proof string) bool {
	return hmac.Equal([]byte(proof), []byte(a.proof(nonce, client, i.id)))
}

// ClientConfigFor is ClientConfig with a new proof for the server.
func (i *Identity) ClientConfigFor(server ID, a *Acquaintance) *tls.Config {
	var nonce Nonce
	_, _ = rand.Read(nonce[:]) // never fails
	c := i.ClientConfig()
	c.NextProtos = append(c.NextProtos, a.proof(nonce, i.id, server))
	return c
}

// PublicKey returns the public key of the peer after a handshake.
func PublicKey(cs tls.ConnectionState) ed25519.PublicKey {
	key, _ := cs.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	return key
}

// IDOf returns the id of the device with a public key.
func IDOf(key ed25519.PublicKey) (ID, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ID{}, fmt.Errorf("encode public key: %w", err)
	}
	return sha256.Sum256(spki), nil
}
