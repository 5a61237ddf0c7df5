package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func mustNew(t *testing.T) *Identity {
	t.Helper()
	i, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// handshake runs both ends until each has received a byte: in TLS 1.3 a client
// learns only by reading that the server refused it. It uses loopback TCP: on a
// net.Pipe, which has no buffer, a client that refuses a long certificate and a
// server that still sends it would deadlock.
func handshake(t *testing.T, client, server *tls.Config) (clientState, serverState tls.ConnectionState, clientErr,
	serverErr error) {
	t.Helper()
	a, b := connect(t)
	side := func(raw net.Conn, c *tls.Conn) (tls.ConnectionState, error) {
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(time.Minute)) // so that a hang fails the test
		if err := c.Handshake(); err != nil {
			return tls.ConnectionState{}, err
		}
		_, writeErr := c.Write([]byte{1})
		_, readErr := c.Read(make([]byte, 1))
		return c.ConnectionState(), errors.Join(readErr, writeErr)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		serverState, serverErr = side(b, tls.Server(b, server))
	}()
	clientState, clientErr = side(a, tls.Client(a, client))
	<-done
	return
}

func connect(t *testing.T) (dialled, accepted net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if dialled, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func TestHandshake(t *testing.T) {
	alice, bob := mustNew(t), mustNew(t)
	for _, c := range []struct {
		name           string
		client, server *Identity
	}{
		{"alice dials bob", alice, bob},
		{"bob dials alice", bob, alice},
		{"alice dials herself", alice, alice},
	} {
		t.Run(c.name, func(t *testing.T) {
			atClient, atServer, clientErr, serverErr := handshake(t, c.client.ClientConfig(), c.server.ServerConfig())
			if clientErr != nil || serverErr != nil {
				t.Fatalf("client: %v, server: %v", clientErr, serverErr)
			}
			if id, err := PeerID(atClient); err != nil || id != c.server.ID() {
				t.Errorf("client: got %v, %v; want %v", id, err, c.server.ID())
			}
			if id, err := PeerID(atServer); err != nil || id != c.client.ID() {
				t.Errorf("server: got %v, %v; want %v", id, err, c.client.ID())
			}
			if atClient.Version != tls.VersionTLS13 {
				t.Errorf("got TLS version %#x, want 1.3", atClient.Version)
			}
			if atServer.ServerName != "" {
				t.Errorf("got server name %q, want none", atServer.ServerName)
			}
		})
	}
}

// The handshake succeeds even if a clock is decades off.
func TestHandshake_clock(t *testing.T) {
	client, server := mustNew(t).ClientConfig(), mustNew(t).ServerConfig()
	client.Time = func() time.Time { return time.Unix(-1e9, 0) }
	server.Time = func() time.Time { return time.Unix(1e12, 0) }
	if _, _, clientErr, serverErr := handshake(t, client, server); clientErr != nil || serverErr != nil {
		t.Errorf("client: %v, server: %v", clientErr, serverErr)
	}
}

func TestHandshake_noResumption(t *testing.T) {
	client, server := mustNew(t).ClientConfig(), mustNew(t).ServerConfig()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		state, _, clientErr, serverErr := handshake(t, client, server)
		if clientErr != nil || serverErr != nil {
			t.Fatalf("client: %v, server: %v", clientErr, serverErr)
		}
		if state.DidResume {
			t.Error("got a resumed session, want a full handshake")
		}
	}
}

// certificate returns a certificate for any key.
func certificate(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Unix(0, 0),
		NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// mustCertificate returns the certificate of a device.
func mustCertificate(t testing.TB, i *Identity) tls.Certificate {
	t.Helper()
	c, err := i.certificate()
	if err != nil {
		t.Fatal(err)
	}
	return *c
}

// present makes a configuration present other certificates.
func present(c *tls.Config, all ...tls.Certificate) {
	c.GetCertificate, c.GetClientCertificate = nil, nil
	c.Certificates = all
}

func TestHandshake_refused(t *testing.T) {
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	device := mustNew(t)
	for _, c := range []struct {
		name   string
		change func(*tls.Config)
		msg    string // part of the error; "" if TLS refuses
	}{
		{"ECDSA key", func(c *tls.Config) { present(c, certificate(t, ecdsaKey)) }, "ECDSA key"},
		{"RSA key", func(c *tls.Config) { present(c, certificate(t, rsaKey)) }, "RSA key"},
		{"two certificates", func(c *tls.Config) {
			own := mustCertificate(t, mustNew(t))
			own.Certificate = append(own.Certificate[:1:1], mustCertificate(t, device).Certificate[0])
			present(c, own)
		}, "2 certificates"},
		{"no protocol", func(c *tls.Config) { c.NextProtos = nil }, "no ALPN protocol vchat/1"},
		{"another protocol", func(c *tls.Config) { c.NextProtos = []string{"h2"} }, ""},
		{"TLS 1.2", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }, ""},
		{"no certificate", func(c *tls.Config) { present(c) }, ""},
	} {
		refused := func(t *testing.T, err error) {
			t.Helper()
			if err == nil {
				t.Fatal("got no error, want one")
			}
			if c.msg != "" && (!errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), c.msg)) {
				t.Errorf("got %v, want ErrPeer with %q", err, c.msg)
			}
		}
		t.Run(c.name+" dials", func(t *testing.T) {
			client := mustNew(t).ClientConfig()
			client.VerifyConnection = nil
			c.change(client)
			_, _, clientErr, serverErr := handshake(t, client, device.ServerConfig())
			refused(t, serverErr)
			if clientErr == nil {
				t.Error("client: got no error, want one")
			}
		})
		t.Run(c.name+" is dialled", func(t *testing.T) {
			server := mustNew(t).ServerConfig()
			server.VerifyConnection = nil
			c.change(server)
			_, _, clientErr, _ := handshake(t, device.ClientConfig(), server)
			refused(t, clientErr)
		})
	}
}

// The certificate of another device without its key is refused.
func TestHandshake_stolenCertificate(t *testing.T) {
	victim, thief := mustNew(t), mustNew(t)
	stolen := tls.Certificate{
		Certificate: mustCertificate(t, victim).Certificate,
		PrivateKey:  thief.key,
	}
	client := thief.ClientConfig()
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stolen, nil }
	if _, _, _, serverErr := handshake(t, client, mustNew(t).ServerConfig()); serverErr == nil {
		t.Error("server: got no error, want one")
	}
}

// The id equals openssl pkey -pubout -outform DER | sha256sum.
func TestIdentity_ID(t *testing.T) {
	i := mustNew(t)
	public := i.key.Public().(ed25519.PublicKey)
	// RFC 8410, 4: SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING }: 12
	// bytes before the key.
	spki := append([]byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}, public...)
	if want := ID(sha256.Sum256(spki)); i.ID() != want {
		t.Errorf("got id %v, want %v", i.ID(), want)
	}
}

// identity and wire must not import each other, so each defines ALPN.
func TestALPN(t *testing.T) {
	text, err := os.ReadFile("../wire/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`"+ALPN+"`") {
		t.Errorf("PROTOCOL.md does not contain %s", ALPN)
	}
}
