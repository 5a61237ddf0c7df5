package controltest

import (
	"context"
	"fmt"

	"vchat/daemon/api"
)

// Diagnosis implements control.Backend.
func (d *Device) Diagnosis() api.Diagnosis {
	return api.Diagnosis{
		UID: 999, GIDs: []int{990, 44}, ConfigFile: "/etc/vchat.yaml",
		Camera: api.CameraConfig{Device: "auto", Size: "1280x720", FPS: 30, Format: "auto"},
		StateDir: api.StateDir{
			Path: "/var/lib/vchat", Writable: true, FreeBytes: 8 << 30, SizeBytes: 16 << 30,
		},
	}
}

// Probe implements control.Backend. A peer whose link is up is reached, and any
// other refuses the connection.
func (d *Device) Probe(_ context.Context, peer string) (api.Probe, error) {
	d.record("probe %s", peer)
	for _, p := range d.Peers() {
		switch {
		case p.Name != peer:
		case p.Link.State == api.LinkUp:
			return api.Probe{Peer: peer, Link: api.LinkUp, Remote: "192.0.2.8:7450", Software: "vchat " + api.Version,
				Protocol: 1}, nil
		default:
			return api.Probe{Peer: peer, Link: api.LinkDown, Addresses: []string{"192.0.2.7:7450"},
					Failed: api.ProbeConnect,
					Reason: "connect to attic.local:7450 (192.0.2.7:7450): connection refused"},
				nil
		}
	}
	return api.Probe{}, &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer named %q", peer)}
}
