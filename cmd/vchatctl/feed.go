package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vchat/daemon/api"
)

// peerPrivacy is the state of a peer's camera that its user has turned off.
const peerPrivacy = "privacy"

// resolveFeed returns the feed for a name. Without a name it is the peer of the
// only call, or this device's camera if there is no call.
func (a *app) resolveFeed(ctx context.Context, name string) (string, error) {
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
	return "", usagef("there are several calls; name one of %s", strings.Join(peers, ", "))
}

// checkFeed returns an error if no feed can ever have this name. A viewer that
// waits for a feed needs it to be possible, not present.
func (a *app) checkFeed(ctx context.Context, name string) error {
	peers, err := a.client().Peers(ctx)
	if err != nil {
		return err
	}
	if name == "" || name == api.Self || slices.ContainsFunc(peers, func(p api.Peer) bool { return p.Name == name }) {
		return nil
	}
	message := fmt.Sprintf("no peer named %q", name)
	return &api.Error{Kind: api.NoSuchPeer, Message: message, Hint: "vchatctl peers lists them"}
}

// splitFeedFile returns the name and the file of [PEER|self] FILE.
func splitFeedFile(args []string) (name, file string) {
	if len(args) == 2 {
		return args[0], args[1]
	}
	return "", args[0]
}

// cardError returns the reason why a peer sends a card instead of its camera.
func (a *app) cardError(ctx context.Context, peer string) error {
	s, err := a.client().Status(ctx)
	if err != nil {
		s = api.Status{}
	}
	return noPictureError(s, peer)
}

// noPictureError returns the error of a peer that sends no frames.
func noPictureError(s api.Status, peer string) error {
	e := &api.Error{Kind: api.CameraUnavailable, Message: "no picture from " + peer}
	for _, c := range s.Calls {
		if pc := c.PeerCamera; c.Peer == peer && pc != nil {
			e.Message = join(": ", e.Message, pc.Reason)
			if pc.State == peerPrivacy {
				e.Message = peer + " has turned the camera off"
			}
		}
	}
	return e
}
