package controltest

import (
	"context"
	"time"

	"vchat/daemon/api"
)

// Pair implements control.Backend. Another device, named cellar, is there at
// once. The pairing waits for ConfirmPairing, and the other user confirms too.
// The name of the device at the address taken is that of another peer. The
// address may be the name of a device on the network.
func (d *Device) Pair(ctx context.Context, r api.PairRequest, report func(api.Event)) error {
	d.record("pair %s %s%s", r.Address, r.Name, autoAnswer(r.AutoAnswer))
	v := api.Pairing{State: api.PairingWaiting, Address: r.Address, AutoAnswer: r.AutoAnswer}
	if !r.Wait {
		v.State = api.PairingDialling
	}
	for _, x := range d.Devices() {
		if r.Address == x.Name {
			v.Address = x.Addresses[0]
		}
	}
	d.pair(ctx, v, report)
	return nil
}

// AcceptPairing implements control.Backend. The other device is back at once.
func (d *Device) AcceptPairing(ctx context.Context, r api.PairAccept, report func(api.Event)) error {
	d.record("accept %s%s", r.ID, autoAnswer(r.AutoAnswer))
	d.pair(ctx, api.Pairing{State: api.PairingWaiting, ID: r.ID, Claimed: "cellar", AutoAnswer: r.AutoAnswer}, report)
	return nil
}

func autoAnswer(on bool) string {
	if on {
		return " auto-answer"
	}
	return ""
}

func (d *Device) pair(ctx context.Context, v api.Pairing, report func(api.Event)) {
	show := func() {
		shown := v
		d.SetPairing(&shown)
		report(api.Event{Time: time.Now(), Event: api.EventPairing, Pairing: &shown})
	}
	show()
	v.State, v.Claimed, v.ID, v.Code, v.Peer = api.PairingComparing, "cellar", "CCCCC-DDDDD-EEEEE", "482 913", "cellar"
	if v.Address == "taken" {
		v.Peer, v.Suggested = "", "cellar-2"
		v.NameError = &api.Error{Kind: api.BadValue, Message: "another peer is named cellar"}
	}
	show()
	select {
	case <-d.confirmed:
		v.State = api.PairingPaired
	case <-ctx.Done():
		v.State = api.PairingFailed
		v.Error = &api.Error{Kind: api.PeerDeclined, Message: "pairing cancelled here; nothing was kept"}
	case <-d.refused:
		v.State = api.PairingFailed
		v.Error = &api.Error{Kind: api.PeerIdentity, Message: "pairing refused here; nothing was kept"}
	}
	show()
}

// SetPairing sets the pairing, and publishes it as an event. One that has ended
// is not part of the status.
func (d *Device) SetPairing(v *api.Pairing) {
	d.mu.Lock()
	d.status.Pairing = v
	switch v.State {
	case api.PairingPaired, api.PairingFailed, api.PairingWithdrawn:
		d.status.Pairing = nil
	}
	d.mu.Unlock()
	d.Events.Publish(api.Event{Event: api.EventPairing, Pairing: v})
}

// ConfirmPairing implements control.Backend.
func (d *Device) ConfirmPairing(r api.PairConfirm) (api.Pairing, error) {
	if r.Name != "" {
		d.record("name %s", r.Name)
	}
	d.record("confirm %s", r.Code)
	select {
	case d.confirmed <- struct{}{}:
	default:
	}
	return api.Pairing{State: api.PairingConfirmed, Code: r.Code}, nil
}

// RefusePairing implements control.Backend.
func (d *Device) RefusePairing(r api.PairRefuse) (api.Pairing, error) {
	d.mu.Lock()
	v := d.status.Pairing
	d.mu.Unlock()
	if v == nil {
		return api.Pairing{}, &api.Error{Kind: api.Conflict, Message: "no pairing waits for an answer"}
	}
	d.record("refuse %s", r.ID)
	ended := *v
	if v.State == api.PairingRequested {
		ended.State = api.PairingFailed
		ended.Error = &api.Error{Kind: api.PeerIdentity, Message: "pairing refused here; nothing was kept"}
		d.SetPairing(&ended)
		return ended, nil
	}
	select {
	case d.refused <- struct{}{}:
	default:
	}
	return ended, nil
}
