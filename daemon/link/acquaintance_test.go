package link

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"testing"

	"vchat/daemon/identity"
)

func newIdentity(t *testing.T) (*identity.Identity, ed25519.PublicKey) {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := id.ClientConfig().GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return id, certificate.PrivateKey.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
}

func TestAcquaintances(t *testing.T) {
	alice, aliceKey := newIdentity(t)
	bob, bobKey := newIdentity(t)
	mallory, malloryKey := newIdentity(t)
	atAlice := newAcquaintances(alice, []ed25519.PublicKey{bobKey, nil, make([]byte, 32)})
	atBob := newAcquaintances(bob, nil)
	if got := atBob.clientConfig(alice.ID()).NextProtos; !slices.Equal(got, []string{identity.ALPN}) {
		t.Errorf("before a link: got protocols %q", got)
	}
	if !atBob.learn(alice.ID(), aliceKey) || atBob.learn(alice.ID(), aliceKey) {
		t.Error("learn: want true once")
	}
	hello := atBob.clientConfig(alice.ID()).NextProtos
	if !atAlice.proves(hello) {
		t.Error("a peer's proof is refused")
	}
	if atAlice.proves(hello) {
		t.Error("a repeated proof counts")
	}
	for range maxNonces - 1 {
		if !atAlice.proves(atBob.clientConfig(alice.ID()).NextProtos) {
			t.Fatal("a new proof is refused")
		}
	}
	if atAlice.proves(hello) {
		t.Errorf("a proof repeated after %d others counts", maxNonces-1)
	}
	if n := len(atAlice.peers[bob.ID()].used); n != maxNonces {
		t.Errorf("got %d nonces, want %d", n, maxNonces)
	}
	// A device that knows both ids and public keys still has no proof.
	atMallory := newAcquaintances(mallory, []ed25519.PublicKey{aliceKey, bobKey})
	if atAlice.proves(atMallory.clientConfig(alice.ID()).NextProtos) {
		t.Error("a stranger's proof counts")
	}
	atAlice.learn(mallory.ID(), malloryKey)
	atAlice.retain(func(id identity.ID) bool { return id != bob.ID() })
	if atAlice.proves(atBob.clientConfig(alice.ID()).NextProtos) {
		t.Error("the proof of a removed peer counts")
	}
	if got := atAlice.keys(); !slices.ContainsFunc(got,
		func(k ed25519.PublicKey) bool { return k.Equal(malloryKey) }) ||
		slices.ContainsFunc(got, func(k ed25519.PublicKey) bool { return k.Equal(bobKey) }) {
		t.Errorf("got keys %x", got)
	}
}

// A device with the public key of a peer sends a proof that the peer accepts.
func TestLinks_sendsProof(t *testing.T) {
	alice, aliceKey := newIdentity(t)
	bob, bobKey := newIdentity(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ls := New(Config{Identity: alice, Keys: []ed25519.PublicKey{bobKey}, Log: slog.New(slog.DiscardHandler)})
	ls.Configure("alice", []Peer{{Name: "bob", ID: bob.ID(), Address: l.Addr().String()}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- ls.Run(ctx) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var protocols []string
	config := bob.ServerConfig()
	config.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		protocols = h.SupportedProtos
		return nil, nil
	}
	if err := tls.Server(c, config).Handshake(); err != nil {
		t.Error(err)
	}
	if atBob := newAcquaintances(bob, []ed25519.PublicKey{aliceKey}); !atBob.proves(protocols) {
		t.Errorf("got protocols %q, want a proof", protocols)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
