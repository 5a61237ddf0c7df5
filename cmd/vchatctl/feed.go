package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vchat/daemon/api"
)

// feed decides which feed is meant by what was typed.
func (a *app) feed(ctx context.Context, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	s, err := a.client().Status(ctx)
	if err != nil {
		return "", err
	}
	var peers []string
	for _, c := range s.Calls {
		if c.State == api.CallActive || c.State == api.CallResuming {
			peers = append(peers, c.Peer)
		}
	}
	switch len(peers) {
	case 0:
		return api.Self, nil
	case 1:
		return peers[0], nil
	}
	return "", usagef("there are several calls: say which one, of %s", strings.Join(peers, ", "))
}

// mayCome says whether there can ever be such a feed, for those who wait for it.
func (a *app) mayCome(ctx context.Context, feed string) error {
	peers, err := a.client().Peers(ctx)
	if err != nil {
		return err
	}
	if feed == "" || feed == api.Self || slices.ContainsFunc(peers, func(p api.Peer) bool { return p.Name == feed }) {
		return nil
	}
	return &api.Error{Kind: api.NoSuchPeer, Message: fmt.Sprintf("no peer is called %q", feed), Hint: "vchatctl peers lists them"}
}

// noFrame says why a peer sends a card in place of its camera's frames.
func (a *app) noFrame(ctx context.Context, peer string) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		s = api.Status{}
	}
	return peerShowsNothing(s, peer)
}

// peerShowsNothing is the error of a peer of which there is no picture.
func peerShowsNothing(s api.Status, peer string) error {
	e := &api.Error{Kind: api.CameraUnavailable, Message: "the camera of " + peer + " gives no picture"}
	for _, c := range s.Calls {
		if pc := c.PeerCamera; c.Peer == peer && pc != nil {
			e.Message = join(": ", e.Message, pc.Reason)
			if pc.State == "privacy" {
				e.Message = peer + " has switched its camera off (privacy)"
			}
		}
	}
	return e
}
