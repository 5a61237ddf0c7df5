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
)

var _ control.Backend = (*Daemon)(nil)

// Identity is what this device is known by.
func (d *Daemon) Identity() api.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return api.Identity{Name: d.cfg.Name, ID: d.ID().String()}
}

// Subscribe begins a stream of events.
func (d *Daemon) Subscribe() *control.Subscription { return d.events.Subscribe() }

// Call begins a call. Errors are *api.Error, as those of Answer, Reject and Hangup.
func (d *Daemon) Call(r api.CallRequest) (api.Call, error) {
	var id call.ID
	_, _ = rand.Read(id[:]) // it never fails: crypto/rand ends the process instead
	return d.command(r.Peer, call.Dial{Peer: r.Peer, ID: id, RingTimeout: time.Duration(r.RingTimeoutMS) * time.Millisecond})
}

// Answer takes an incoming call.
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

// command gives the calls a user's wish, which changes a call or is refused, and answers with that call.
func (d *Daemon) command(peer string, ev call.Event) (api.Call, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.step(ev)
	if err != nil {
		return api.Call{}, d.apiError(peer, err)
	}
	if _, dialled := ev.(call.Dial); dialled && d.up[peer] == nil {
		if why := d.links.Status(peer).Err; why != nil { // so that the call can say why it came to nothing
			_, _ = d.step(call.LinkDown{Peer: peer, Err: why})
		}
	}
	// A call that ran out in the same step is told first.
	return d.callView(changed[len(changed)-1]), nil
}

// apiError says in words for people why the calls refused a wish.
func (d *Daemon) apiError(peer string, err error) error {
	var e *api.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, call.ErrUnknownPeer):
		return d.unknownPeer(peer)
	case errors.Is(err, call.ErrNoCall) && peer == "":
		return &api.Error{Kind: api.NoSuchCall, Message: "there is no such call"}
	case errors.Is(err, call.ErrNoCall):
		return &api.Error{Kind: api.NoSuchCall, Message: fmt.Sprintf("there is no such call with %s", peer)}
	case errors.Is(err, call.ErrAmbiguous):
		return &api.Error{Kind: api.BadRequest, Message: "there is more than one call", Hint: "name the peer that is meant"}
	case errors.Is(err, call.ErrAlready):
		return &api.Error{Kind: api.Conflict, Message: fmt.Sprintf("there is a call with %s already", peer)}
	case errors.Is(err, call.ErrBusy):
		return &api.Error{Kind: api.LimitReached, Message: fmt.Sprintf("this device is in as many calls as it may be in (calls.max: %d)", d.cfg.Calls.Max),
			Hint: "hang up first: vchatctl hangup"}
	}
	return &api.Error{Kind: api.Internal, Message: err.Error()}
}

func (d *Daemon) unknownPeer(peer string) *api.Error {
	e := &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer is called %q", peer)}
	if names := slices.Sorted(maps.Keys(d.cfg.Peers)); len(names) > 0 {
		e.Hint = "known peers: " + strings.Join(names, ", ")
	} else {
		e.Hint = "no peers are configured: put them under peers in the configuration file and reload"
	}
	return e
}
