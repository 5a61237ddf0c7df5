package identity

import (
	"crypto/ed25519"
	"testing"
)

func TestRelayToken_vector(t *testing.T) {
	known, v := vector(t, "known.txt"), vector(t, "relay.txt")
	client, err1 := fromKey(ed25519.NewKeyFromSeed(known("client_seed")))
	server, err2 := fromKey(ed25519.NewKeyFromSeed(known("server_seed")))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	atClient, err1 := client.RelayToken(known("server_public"))
	atServer, err2 := server.RelayToken(known("client_public"))
	if err1 != nil || err2 != nil || atClient != atServer {
		t.Fatalf("got tokens %v and %v, %v, %v, want the same one", atClient, atServer, err1, err2)
	}
	introduction := RelayIntroduction(client.ID(), server.ID())
	if RelayIntroduction(server.ID(), client.ID()) != introduction {
		t.Error("got another introduction in the other direction")
	}
	line := func(token RelayToken, own ID) string {
		return "please relay " + token.String() + " for side " + token.Side(own)
	}
	for name, got := range map[string]string{
		"client_line":              line(atClient, client.ID()),
		"server_line":              line(atServer, server.ID()),
		"introduction_client_line": line(introduction, client.ID()),
		"introduction_server_line": line(introduction, server.ID()),
	} {
		if want := string(v(name)); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	stranger := mustNew(t)
	if other, err := stranger.RelayToken(known("server_public")); err != nil || other == atClient {
		t.Errorf("a third device has got token %v, %v, want another one", other, err)
	}
}

func TestRelayToken_badKey(t *testing.T) {
	if token, err := mustNew(t).RelayToken(make(ed25519.PublicKey, 31)); err == nil {
		t.Errorf("got token %v for a key of 31 bytes, want an error", token)
	}
}
