package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/control"
	"vchat/daemon/wire"
)

var _ control.Backend = (*Daemon)(nil)

// Identity returns the name and the id of this device.
func (d *Daemon) Identity() api.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.Identity{Name: d.cfg.Name, ID: d.ID().String()}
}

// Subscribe starts a stream of events, which the caller closes.
func (d *Daemon) Subscribe() *control.Subscription { return d.events.Subscribe() }

// Call starts a call. Errors are *api.Error, as those of Answer, Reject and
// Hangup.
func (d *Daemon) Call(r api.CallRequest) (api.Call, error) {
	var id call.ID
	_, _ = rand.Read(id[:]) // never fails
	return d.command(r.Peer, call.Dial{
		Peer: r.Peer, ID: id, RingTimeout: time.Duration(r.RingTimeoutMS) * time.Millisecond,
	})
}

// Answer answers an incoming call.
func (d *Daemon) Answer(peer string) (api.Call, error) {
	return d.command(peer, call.Answer{Peer: peer})
}

// Reject declines an incoming call.
func (d *Daemon) Reject(peer string) (api.Call, error) {
	return d.command(peer, call.Reject{Peer: peer})
}

// Hangup ends a call.
func (d *Daemon) Hangup(peer string) (api.Call, error) {
	return d.command(peer, call.Hangup{Peer: peer})
}

// command runs a user's command and returns the call that it changed.
func (d *Daemon) command(peer string, ev call.Event) (api.Call, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.step(ev)
	if err != nil {
		return api.Call{}, d.apiError(peer, err)
	}
	if _, isDial := ev.(call.Dial); isDial && d.up[peer] == nil {
		// The link is already known to fail: the call's end can then say why.
		if linkErr := d.links.Status(peer).Err; linkErr != nil {
			_, _ = d.step(call.LinkDown{Peer: peer, Err: inWords(peer, linkErr)})
			changed = append(changed, d.refuseAtOnce(peer)...)
		}
	}
	// Calls that timed out in the same step come before the one commanded.
	return d.callView(changed[len(changed)-1]), nil
}

// refuseAtOnce ends a new call with a peer that cannot be dialled, if one of
// the two devices has refused the other's key when that dialled. The caller
// holds mu.
func (d *Daemon) refuseAtOnce(peer string) (ended []call.Call) {
	if err := d.links.RefusedLately(peer); err != nil {
		text := wire.Sanitize(linkReason(peer, err), wire.MaxReason)
		ended, _ = d.step(call.Refused{Peer: peer, WrongIdentity: true, Text: text})
	}
	return ended
}

// apiError returns the *api.Error for an error of the calls. The caller holds
// mu.
func (d *Daemon) apiError(peer string, err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, call.ErrUnknownPeer):
		return d.unknownPeer(peer)
	case errors.Is(err, call.ErrNoCall) && peer == "":
		return &api.Error{Kind: api.NoSuchCall, Message: "no such call"}
	case errors.Is(err, call.ErrNoCall):
		return &api.Error{Kind: api.NoSuchCall, Message: fmt.Sprintf("no such call with %s", peer)}
	case errors.Is(err, call.ErrAmbiguous):
		return &api.Error{Kind: api.BadRequest, Message: "there is more than one call", Hint: d.nameThePeer()}
	case errors.Is(err, call.ErrAlready):
		return &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("you are already in a call with %s", peer)}
	case errors.Is(err, call.ErrBusy):
		return &api.Error{
			Kind:    api.LimitReached,
			Message: fmt.Sprintf("call limit reached (calls.max: %d)", d.cfg.Calls.Max),
			Hint:    "hang up first: vchatctl hangup",
		}
	}
	return &api.Error{Kind: api.Internal, Message: err.Error()}
}

// nameThePeer returns the hint of a command that may mean several calls.
func (d *Daemon) nameThePeer() string {
	var calls []string
	for _, c := range d.calls.List() {
		calls = append(calls, fmt.Sprintf("%s (%s)", c.Peer, c.State))
	}
	return "name the peer: " + strings.Join(calls, ", ")
}

func (d *Daemon) unknownPeer(peer string) *api.Error {
	e := &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer named %q", peer)}
	if names := slices.Sorted(maps.Keys(d.cfg.Peers)); len(names) > 0 {
		e.Hint = "known peers: " + strings.Join(names, ", ")
	} else {
		e.Hint = "add peers to the configuration file and reload vchatd"
	}
	return e
}
