package main

import (
	"testing"

	"vchat/daemon/api"
)

func TestLinkText(t *testing.T) {
	for want, l := range map[string]api.Link{
		"down":      {State: api.LinkDown},
		"up  38 ms": {State: api.LinkUp, RTTMS: 38, Path: api.PathDirect},
		"up, via relay vps.example.org, 38 ms": {State: api.LinkUp, RTTMS: 38, Path: api.PathRelay,
			Relay: "vps.example.org:4001"},
		"up, via relay 2001:db8::7": {State: api.LinkUp, Path: api.PathRelay, Relay: "[2001:db8::7]:4001"},
		"up, via proxy, 38 ms":      {State: api.LinkUp, RTTMS: 38, Path: api.PathProxy},
		"up, via relay vps.example.org, 38 ms  2 × reconnected": {State: api.LinkUp, RTTMS: 38, Path: api.PathRelay,
			Relay: "vps.example.org:4001", Reconnects: 2},
	} {
		if got := linkText(&l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
