package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// FuzzKeyFile parses any file as the key. An accepted key is the same after it
// is written again; a fault is a phrase without bytes of the file that a
// terminal would obey.
func FuzzKeyFile(f *testing.F) {
	good, err := newKey()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:60])
	f.Add(append(bytes.Clone(good), "\n"...))
	f.Add(append([]byte("# a comment\n"), good...))
	f.Add(bytes.Replace(good, []byte("PRIVATE"), []byte("\x1b[2JPRIVATE"), 2))
	f.Add(bytes.Replace(good, []byte("-----\n"), []byte("-----\nProc-Type: 4,ENCRYPTED\n\n"), 1))
	f.Add(bytes.Repeat([]byte("-----BEGIN PRIVATE KEY-----\n"), 140))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, fault := parse(text)
		if fault != "" {
			if key != nil || strings.ContainsFunc(fault, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("got a key (%v), fault %q", key != nil, fault)
			}
			return
		}
		if len(key) != ed25519.PrivateKeySize {
			t.Fatalf("got a key of %d bytes", len(key))
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		again, fault := parse(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
		if fault != "" || !again.Equal(key) {
			t.Fatalf("written again: got another key, or %q", fault)
		}
		if _, err := fromKey(key); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzCertificate gives PeerID any certificate, as VerifyConnection does. An
// accepted one has the id of its key in the one canonical encoding.
func FuzzCertificate(f *testing.F) {
	id, err := New()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mustCertificate(f, id).Certificate[0])
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	for _, der := range oddCertificates(f) {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := x509.ParseCertificate(der)
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<10+256*len(der)); got > limit {
			t.Fatalf("certificate of %d bytes: got %d bytes allocated, want at most %d", len(der), got, limit)
		}
		if err != nil {
			return
		}
		got, err := PeerID(tls.ConnectionState{NegotiatedProtocol: ALPN, PeerCertificates: []*x509.Certificate{c}})
		if err != nil {
			if !errors.Is(err, ErrPeer) || got != (ID{}) {
				t.Fatalf("got %v, %v; want ErrPeer", got, err)
			}
			return
		}
		spki, err := x509.MarshalPKIXPublicKey(c.PublicKey)
		if err != nil || got != sha256.Sum256(spki) {
			t.Fatalf("got id %v, want that of the canonical key % x (%v)", got, spki, err)
		}
	})
}

// oddCertificates returns certificates of other forms than a device's.
func oddCertificates(f *testing.F) (all [][]byte) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, template := range []*x509.Certificate{
		{SerialNumber: big.NewInt(1)},
		{SerialNumber: big.NewInt(1), DNSNames: []string{"a", "*.b"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
			EmailAddresses: []string{"a@b"}, PermittedDNSDomains: []string{".c"}},
		{SerialNumber: big.NewInt(1).Lsh(big.NewInt(1), 150), Subject: pkix.Name{CommonName: "\x1b[2J"},
			NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), IsCA: true, BasicConstraintsValid: true,
			ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: make([]byte, 300)}}},
	} {
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, der)
	}
	return all
}
