package link

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"net"
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
	prove := func(a *acquaintances) []string { return a.clientConfig(alice.ID()).NextProtos }
	if got := atAlice.proven(prove(atBob)); got != proofOfIDs {
		t.Errorf("before a link: got proof %v, want one of the ids", got)
	}
	if !atBob.learn(alice.ID(), aliceKey) || atBob.learn(alice.ID(), aliceKey) {
		t.Error("learn: want true once")
	}
	hello := prove(atBob)
	if got := atAlice.proven(hello); got != proofOfPeer {
		t.Errorf("after a link: got proof %v, want one of the peer", got)
	}
	if got := atAlice.proven(hello); got != proofOfNothing {
		t.Errorf("repeated: got proof %v, want none", got)
	}
	for range maxNonces - 1 {
		if got := atAlice.proven(prove(atBob)); got != proofOfPeer {
			t.Fatalf("next: got proof %v, want one of the peer", got)
		}
	}
	if got := atAlice.proven(hello); got != proofOfNothing {
		t.Errorf("repeated after %d others: got proof %v, want none", maxNonces-1, got)
	}
	if n := len(atAlice.peers[bob.ID()].used); n != maxNonces {
		t.Errorf("got %d nonces, want %d", n, maxNonces)
	}
	// Both ids and public keys are not enough to be bob.
	atMallory := newAcquaintances(mallory, []ed25519.PublicKey{aliceKey, bobKey})
	if got := atAlice.proven(prove(atMallory)); got != proofOfNothing {
		t.Errorf("stranger: got proof %v, want none", got)
	}
	atAlice.learn(mallory.ID(), malloryKey)
	carol, _ := newIdentity(t)
	atAlice.configure(map[identity.ID]*peer{mallory.ID(): {}, carol.ID(): {}})
	if got := atAlice.proven(prove(atBob)); got != proofOfNothing {
		t.Errorf("removed peer: got proof %v, want none", got)
	}
	if got := atAlice.proven(prove(atMallory)); got != proofOfPeer {
		t.Errorf("peer: got proof %v, want one of the peer", got)
	}
	if got := atAlice.proven(prove(newAcquaintances(carol, nil))); got != proofOfIDs {
		t.Errorf("new peer: got proof %v, want one of the ids", got)
	}
	// An introduction is no proof in the other direction.
	atCarol := newAcquaintances(carol, nil)
	atCarol.configure(map[identity.ID]*peer{alice.ID(): {}})
	if got := atCarol.proven(prove(newAcquaintances(carol, nil))); got != proofOfNothing {
		t.Errorf("proof for another device: got %v, want none", got)
	}
	if got := atAlice.keys(); len(got) != 1 || !got[0].Equal(malloryKey) {
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
	if atBob := newAcquaintances(bob, []ed25519.PublicKey{aliceKey}); atBob.proven(protocols) != proofOfPeer {
		t.Errorf("got protocols %q, want a proof", protocols)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
