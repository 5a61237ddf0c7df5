// Package identity is who a device is: an ed25519 key on disk, its fingerprint, and the TLS settings that make both
// ends of a connection prove theirs.
//
//	identity.key ─▶ Identity ─┬─▶ ID            what others know this device by
//	                          ├─▶ ServerConfig  ┐ handshake ─▶ PeerID: who is there
//	                          └─▶ ClientConfig  ┘
//
// It promises: a key is made once and never replaced by itself, whatever state its file is in; it is never on disk
// half or readable by others; and a handshake that succeeds has proved the other side's key, of which PeerID tells.
//
// It does not promise that the other side is known. That is asked after the handshake, so that a refusal can be said
// in words: whoever uses these settings must compare PeerID with the ID it expects before it believes anything else.
//
// No clock is asked: a Raspberry Pi begins each life in the past, so a certificate's dates mean nothing here.
//
// The package starts no goroutine. An Identity is read only and may be used by several goroutines.
package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// ALPN is the protocol that both sides name in the handshake; daemon/wire/PROTOCOL.md gives it.
const ALPN = "vchat/1"

// ErrPeer is wrapped by the handshake's error, and by PeerID's, where the other side speaks TLS but not as a device
// does: another protocol, another kind of key, not exactly one certificate.
var ErrPeer = errors.New("the other side is no vchat device")

// Identity is a device's key, with what follows from it.
type Identity struct {
	id          ID
	certificate tls.Certificate
}

// New makes an identity that is nowhere on disk.
func New() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return fromKey(key)
}

func fromKey(key ed25519.PrivateKey) (*Identity, error) {
	public := key.Public().(ed25519.PublicKey)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	der, err := selfSigned(public, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &Identity{
		id:          sha256.Sum256(spki),
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}

// selfSigned wraps the key in the certificate that TLS demands. It holds nothing that could change, so it is the same
// at every start.
func selfSigned(public ed25519.PublicKey, key crypto.Signer) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0).UTC(),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no expiry
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	return x509.CreateCertificate(rand.Reader, template, template, public, key)
}

// ID is what other devices know this one by.
func (i *Identity) ID() ID { return i.id }

// ServerConfig gives TLS settings to accept connections with. They are the caller's own.
func (i *Identity) ServerConfig() *tls.Config {
	c := i.config()
	c.ClientAuth = tls.RequireAnyClientCert
	return c
}

// ClientConfig gives TLS settings to dial with. They are the caller's own. No server name is sent.
func (i *Identity) ClientConfig() *tls.Config {
	c := i.config()
	// The key is what is trusted, not a chain to an authority. verify holds the form, the caller compares PeerID.
	c.InsecureSkipVerify = true
	return c
}

func (i *Identity) config() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{ALPN},
		Certificates:           []tls.Certificate{i.certificate},
		SessionTicketsDisabled: true, // each connection proves the key anew
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := PeerID(cs)
			return err
		},
	}
}

// PeerID tells whose key the other side of a finished handshake has. The error wraps ErrPeer; after a handshake with
// ServerConfig or ClientConfig there is none.
func PeerID(cs tls.ConnectionState) (ID, error) {
	// TLS lets a side that names no protocol pass.
	if cs.NegotiatedProtocol != ALPN {
		return ID{}, fmt.Errorf("%w: it does not speak %s", ErrPeer, ALPN)
	}
	if len(cs.PeerCertificates) != 1 {
		return ID{}, fmt.Errorf("%w: %d certificates instead of one", ErrPeer, len(cs.PeerCertificates))
	}
	certificate := cs.PeerCertificates[0]
	if _, ok := certificate.PublicKey.(ed25519.PublicKey); !ok {
		return ID{}, fmt.Errorf("%w: its key is %v, not Ed25519", ErrPeer, certificate.PublicKeyAlgorithm)
	}
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo), nil
}
