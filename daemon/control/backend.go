package control

import (
	"context"

	"vchat/daemon/api"
	"vchat/daemon/frame"
)

// Backend is the device behind the socket. All methods are safe for concurrent use, and none but SetPrivacy and those with a
// context waits for anything outside of this process. An error that is not an *api.Error is shown as an internal one.
type Backend interface {
	Status() api.Status
	Peers() []api.Peer
	Identity() api.Identity
	Metrics() string // in Prometheus' text format

	// Call begins a call; how it goes on is told by events.
	Call(api.CallRequest) (api.Call, error)

	// Answer, Reject and Hangup take the only call that can be meant if peer is empty.
	Answer(peer string) (api.Call, error)
	Reject(peer string) (api.Call, error)
	Hangup(peer string) (api.Call, error)

	// Say says a line of text to the other side of a call; it waits for nothing.
	Say(api.MessageRequest) (api.Message, error)

	// Privacy says whether the camera is switched off. SetPrivacy is for a user, -1 if unknown; it is done, and on disk, when it
	// returns nil. It waits for the disk, and some seconds at most for a driver that does not let go of the camera.
	Privacy() bool
	SetPrivacy(on bool, uid int) error

	// The cameras, as their drivers know them; device is "" for this device's own.
	Cameras(context.Context) (api.Cameras, error)
	Formats(ctx context.Context, device string) (api.Formats, error)
	Controls(ctx context.Context, device string) (api.Controls, error)
	SetControls(context.Context, api.ControlsRequest) (api.Controls, error)

	// Subscribe begins a stream of events; the server closes it. Events.Subscribe does it.
	Subscribe() *Subscription

	// Watch begins to look at a feed: api.Self or the name of a peer. The server closes the viewer.
	Watch(feed string) (Viewer, error)
}

// Viewer is one reader of a feed. Its methods are for one goroutine at a time.
type Viewer interface {
	// Next waits for a frame newer than the last one, always as JPEG; the caller releases it. A feed that is over for
	// good ends with frame.ErrEnded; one that only pauses waits, or shows cards.
	Next(ctx context.Context) (*frame.Frame, error)

	// Dropped counts the frames for which the reader was too slow.
	Dropped() uint64

	Close()
}
