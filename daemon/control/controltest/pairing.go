package controltest

import (
	"context"
	"time"

	"vchat/daemon/api"
)

// Pair implements control.Backend. Another device, named cellar, is there at
// once. The pairing waits for ConfirmPairing, and the other user confirms too.
func (d *Device) Pair(ctx context.Context, r api.PairRequest, report func(api.Event)) error {
	d.record("pair %s %s", r.Address, r.Name)
	v := api.Pairing{State: api.PairingWaiting, Address: r.Address}
	tell := func() { report(api.Event{Time: time.Now(), Event: api.EventPairing, Pairing: &v}) }
	if !r.Wait {
		v.State = api.PairingDialling
	}
	tell()
	v.State, v.Claimed, v.ID, v.Code, v.Peer = api.PairingComparing, "cellar", "CCCCC-DDDDD-EEEEE", "482 913", "cellar"
	tell()
	select {
	case <-d.confirmed:
		v.State = api.PairingPaired
	case <-ctx.Done():
		v.State = api.PairingFailed
		v.Error = &api.Error{Kind: api.PeerDeclined, Message: "pairing cancelled here; nothing was kept"}
	}
	tell()
	return nil
}

// ConfirmPairing implements control.Backend.
func (d *Device) ConfirmPairing(r api.PairConfirm) (api.Pairing, error) {
	d.record("confirm %s", r.Code)
	select {
	case d.confirmed <- struct{}{}:
	default:
	}
	return api.Pairing{State: api.PairingConfirmed, Code: r.Code}, nil
}

// RefusePairing implements control.Backend. There is no pairing.
func (d *Device) RefusePairing() (api.Pairing, error) {
	return api.Pairing{}, &api.Error{Kind: api.Conflict, Message: "no pairing waits for an answer"}
}
