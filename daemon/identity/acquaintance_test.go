package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// knownVector returns testdata/vectors/known.txt.
func knownVector(t testing.TB) func(string) []byte {
	t.Helper()
	return vector(t, "known.txt")
}

// vector returns a file of testdata/vectors, which an independent
// implementation of PROTOCOL.md has made.
func vector(t testing.TB, file string) func(string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return func(key string) []byte {
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, key+": "); ok {
				if b, err := hex.DecodeString(strings.TrimSpace(value)); err == nil {
					return b
				}
				return []byte(strings.TrimSpace(value))
			}
		}
		t.Fatalf("no %s", key)
		return nil
	}
}

func TestAcquaint_vector(t *testing.T) {
	v := knownVector(t)
	client, err1 := fromKey(ed25519.NewKeyFromSeed(v("client_seed")))
	server, err2 := fromKey(ed25519.NewKeyFromSeed(v("server_seed")))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if clientID, err := IDOf(v("client_public")); err != nil || clientID != client.ID() ||
		!bytes.Equal(clientID[:], v("client_id")) {
		t.Errorf("got id %x, %v, want %x", clientID, err, v("client_id"))
	}
	atClient, err1 := client.Acquaint(v("server_public"))
	atServer, err2 := server.Acquaint(v("client_public"))
	if err1 != nil || err2 != nil || atClient != atServer || !bytes.Equal(atClient.key[:], v("key")) {
		t.Fatalf("got keys %x and %x, %v, %v, want %x", atClient.key, atServer.key, err1, err2, v("key"))
	}
	nonce := Nonce(v("nonce"))
	proof := atClient.proof(nonce, client.ID(), server.ID())
	if proof != string(v("protocol")) {
		t.Errorf("got %s, want %s", proof, v("protocol"))
	}
	if !server.Proves(&atServer, client.ID(), nonce, proof) {
		t.Error("the proof is refused")
	}
	// Sent back, it is worth nothing.
	if client.Proves(&atClient, server.ID(), nonce, proof) {
		t.Error("the proof counts in the other direction")
	}
}

func TestIntroduce_vector(t *testing.T) {
	v := knownVector(t)
	client, server := ID(v("client_id")), ID(v("server_id"))
	shared := Introduce(client, server)
	if !bytes.Equal(shared.key[:], v("introduction_key")) {
		t.Errorf("got key %x, want %x", shared.key, v("introduction_key"))
	}
	if got, want := shared.proof(Nonce(v("nonce")), client, server), v("introduction_protocol"); got != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if Introduce(server, client) == shared {
		t.Error("got the same key in the other direction")
	}
}

func TestAcquaint_badKeys(t *testing.T) {
	device := mustNew(t)
	one := make([]byte, ed25519.PublicKeySize) // y = 1, the neutral element
	one[0] = 1
	for name, key := range map[string][]byte{"none": nil, "short": make([]byte, 31), "neutral": one,
		"order 2": append([]byte{0xec}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...)} {
		if _, err := device.Acquaint(key); err == nil {
			t.Errorf("%s: got nil, want an error", name)
		}
	}
}

// A server of an earlier version ignores the proof.
func TestClientConfigFor_earlierServer(t *testing.T) {
	client, server := mustNew(t), mustNew(t)
	shared, err := client.Acquaint(PublicKey(mustHandshake(t, client.ClientConfig(), server.ServerConfig())))
	if err != nil {
		t.Fatal(err)
	}
	earlier := server.ServerConfig()
	earlier.NextProtos = []string{ALPN}
	seen := map[string]bool{}
	for range 3 {
		config := client.ClientConfigFor(server.ID(), &shared)
		cs := mustHandshake(t, config, earlier)
		if id, err := PeerID(cs); id != server.ID() || err != nil || cs.NegotiatedProtocol != ALPN {
			t.Errorf("got %v, %v with %s", id, err, cs.NegotiatedProtocol)
		}
		if _, proof, ok := ProofNonce(config.NextProtos); !ok || seen[proof] {
			t.Errorf("got proof %q, %v, want a new one", proof, ok)
		} else {
			seen[proof] = true
		}
	}
	// A server must not choose it.
	hostile := server.ServerConfig()
	config := client.ClientConfigFor(server.ID(), &shared)
	hostile.NextProtos = config.NextProtos[1:]
	if _, _, err, _ := handshake(t, config, hostile); err == nil {
		t.Error("a server that speaks the proof as a protocol is accepted")
	}
}

func mustHandshake(t *testing.T, client, server *tls.Config) tls.ConnectionState {
	t.Helper()
	atClient, _, clientErr, serverErr := handshake(t, client, server)
	if clientErr != nil || serverErr != nil {
		t.Fatal(clientErr, serverErr)
	}
	return atClient
}

// FuzzProof takes any protocol names and any public key.
func FuzzProof(f *testing.F) {
	v := knownVector(f)
	f.Add(string(v("protocol")), ALPN, v("client_public"))
	f.Add(ALPN, proofPrefix, []byte{1})
	f.Add(proofPrefix+strings.Repeat("0", 48), proofPrefix+strings.Repeat("f", 48), make([]byte, 32))
	server, err := fromKey(ed25519.NewKeyFromSeed(v("server_seed")))
	if err != nil {
		f.Fatal(err)
	}
	client, err := fromKey(ed25519.NewKeyFromSeed(v("client_seed")))
	if err != nil {
		f.Fatal(err)
	}
	shared, err := server.Acquaint(v("client_public"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string, key []byte) {
		nonce, proof, ok := ProofNonce([]string{a, b})
		if ok && !strings.HasPrefix(proof, proofPrefix) {
			t.Errorf("got proof %q", proof)
		}
		if ok && server.Proves(&shared, client.ID(), nonce, proof) && proof != string(v("protocol")) {
			t.Errorf("%q proves something", proof)
		}
		if x, err := server.Acquaint(key); err == nil && x == (Acquaintance{}) {
			t.Error("got no key and no error")
		}
	})
}
