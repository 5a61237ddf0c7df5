// Package identity provides the identity of a device: an Ed25519 key on disk,
// its fingerprint, and TLS configurations that authenticate both ends by their
// keys.
//
//	identity.key ─▶ Identity ─┬─▶ ID            by which peers know this device
//	                          ├─▶ ServerConfig  ┐ handshake ─▶ PeerID of the peer
//	                          └─▶ ClientConfig  ┘
//
// Guarantees:
//   - A key is created once. Only Renew replaces a key file, valid or not, and
//     it keeps the old one under another name.
//   - The key is never on disk incomplete or readable by others.
//   - A successful handshake proves the peer's key; PeerID returns its id.
//
// The handshake accepts every key, so that a refusal can carry a reason in
// words. The caller must compare PeerID with the expected ID before it trusts
// anything else.
//
// Certificate dates are ignored: a Raspberry Pi boots without the time of day.
//
// The package starts no goroutine. An Identity is immutable and safe for
// concurrent use.
package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ALPN is the protocol in the TLS handshake, from daemon/wire/PROTOCOL.md.
const ALPN = "vchat/1"

// PairingALPN is the protocol of connections for pairing. A connection speaks
// the one that the TLS handshake has chosen, and no other.
const PairingALPN = "vchat-pair/1"

// curves are the key exchanges of the handshake. Others cost more: a stranger
// that repeats one recorded hello with P-521 takes ten times the CPU.
var curves = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}

// ErrPeer is wrapped by errors of the handshake and of PeerID if the peer has
// another ALPN protocol, another type of key, or not exactly one certificate.
var ErrPeer = errors.New("not a vchat device")

// Identity is the key of a device, with its id and certificate.
type Identity struct {
	id  ID
	key ed25519.PrivateKey
	// certificate is made for the first handshake: the start of a daemon need
	// not wait for it.
	certificate func() (*tls.Certificate, error)
}

// New returns a new identity that is not on disk.
func New() (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return fromKey(key)
}

func fromKey(key ed25519.PrivateKey) (*Identity, error) {
	public := key.Public().(ed25519.PublicKey)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &Identity{
		id: sha256.Sum256(spki), key: key,
		certificate: sync.OnceValues(func() (*tls.Certificate, error) { return selfSigned(key) }),
	}, nil
}

// selfSigned returns the certificate that TLS requires. Its contents are
// constant, so it is the same at every start.
func selfSigned(key ed25519.PrivateKey) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0).UTC(),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no expiry
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// ID returns the id of this device.
func (i *Identity) ID() ID { return i.id }

// HandshakeCost returns about how much CPU time the server's side of a
// handshake takes on this machine. It measures what is computed for each: the
// key exchange with both curves, our signature and the check of theirs.
func (i *Identity) HandshakeCost() time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err == nil {
		_, _ = key.ECDH(key.PublicKey())
	}
	if key, err := mlkem.GenerateKey768(); err == nil {
		_, _ = key.EncapsulationKey().Encapsulate()
	}
	ed25519.Verify(i.key.Public().(ed25519.PublicKey), i.id[:], ed25519.Sign(i.key, i.id[:]))
	return threadTime() - began
}

// threadTime returns the CPU time of this thread: other programs at work do not
// change it.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // fails on no Linux
	return time.Duration(t.Nano())
}

// ServerConfig returns a new TLS configuration for accepted connections.
func (i *Identity) ServerConfig() *tls.Config {
	c := i.config(ALPN, PairingALPN)
	c.ClientAuth = tls.RequireAnyClientCert
	return c
}

// ClientConfig returns a new TLS configuration for dialled connections. It
// sends no server name.
func (i *Identity) ClientConfig() *tls.Config { return i.clientConfig(ALPN) }

// PairingConfig is ClientConfig for connections for pairing.
func (i *Identity) PairingConfig() *tls.Config { return i.clientConfig(PairingALPN) }

func (i *Identity) clientConfig(protocol string) *tls.Config {
	c := i.config(protocol)
	// Peers are authenticated by their key, not by a chain to an authority.
	// VerifyConnection checks the form; the caller compares PeerID.
	c.InsecureSkipVerify = true
	return c
}

func (i *Identity) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		CurvePreferences:       curves,
		NextProtos:             protocols,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.certificate() },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return i.certificate() },
		SessionTicketsDisabled: true, // every connection proves the key
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := PeerID(cs)
			return err
		},
	}
}

// PeerID returns the id of the peer after a handshake. The error wraps ErrPeer;
// it is nil after a handshake with the configurations of this package. A server
// learns from cs.NegotiatedProtocol what the connection is for.
func PeerID(cs tls.ConnectionState) (ID, error) {
	// TLS accepts a peer without ALPN.
	if cs.NegotiatedProtocol != ALPN && cs.NegotiatedProtocol != PairingALPN {
		return ID{}, fmt.Errorf("%w: no ALPN protocol %s", ErrPeer, ALPN)
	}
	if len(cs.PeerCertificates) != 1 {
		return ID{}, fmt.Errorf("%w: %d certificates, want 1", ErrPeer, len(cs.PeerCertificates))
	}
	certificate := cs.PeerCertificates[0]
	if _, ok := certificate.PublicKey.(ed25519.PublicKey); !ok {
		return ID{}, fmt.Errorf("%w: %v key, want Ed25519", ErrPeer, certificate.PublicKeyAlgorithm)
	}
	return sha256.Sum256(certificate.RawSubjectPublicKeyInfo), nil
}
