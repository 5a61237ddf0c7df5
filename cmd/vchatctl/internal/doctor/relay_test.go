package doctor

import (
	"testing"

	"vchat/daemon/api"
)

func TestPeerFinding_relay(t *testing.T) {
	peer := api.Peer{Name: "cottage", Link: api.Link{
		State: api.LinkUp, Path: api.PathRelay, Relay: "vps.example.org:4001", RTTMS: 38, RTTMinMS: 38,
	}}
	probe := api.Probe{Peer: "cottage", Link: api.LinkUp, Remote: "vps.example.org:4001"}
	const before = "reachable via relay vps.example.org:4001, round trip 38.0 ms, clock offset 0.0 ± 19.0 ms: " +
		"no route to each other except the relay: "
	for _, incoming := range []bool{false, true} {
		probe.Incoming = incoming // no matter who has dialled
		if x := peerFinding(peer, probe, nil); x.Message != before+"no address of it is known" {
			t.Errorf("incoming %v: got %q", incoming, x.Message)
		}
	}
	for reason, want := range map[string]string{
		"":                                       before + "no address of it is known",
		"connect to 192.168.1.7:7450: no answer": before + "connect to 192.168.1.7:7450: no answer",
	} {
		peer.Link.DirectReason = reason
		if x := peerFinding(peer, probe, nil); x.Level != Note || x.Message != want || x.Hint != relayHint {
			t.Errorf("%q: got %v %q, want a note %q", reason, x.Level, x.Message, want)
		}
	}
	peer.Link.Path = api.PathDirect
	if x := peerFinding(peer, probe, nil); x.Level != OK {
		t.Errorf("got level %v for a direct link, want OK", x.Level)
	}
}
