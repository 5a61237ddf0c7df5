package control

import (
	"context"

	"vchat/daemon/api"
	"vchat/daemon/frame"
)

// Backend is the device that a Server controls. All methods are safe for
// concurrent use. SetPrivacy and the methods with a context may block; the
// others do not. The server sends an error that is not an *api.Error as
// api.Internal.
type Backend interface {
	Status() api.Status
	Peers() []api.Peer
	// Devices returns the devices that announce themselves on the network.
	Devices() []api.Device
	// Unpair forgets a peer made by pairing, by its name or id, and returns it.
	Unpair(peer string) (api.Peer, error)
	// ChangePeer changes the settings of a peer made by pairing, by its name or
	// id, and returns it.
	ChangePeer(peer string, r api.PeerChange) (api.Peer, error)
	Identity() api.Identity
	Metrics() string // in Prometheus' text format

	// Diagnosis returns what the daemon knows of its process and the machine.
	// The server sets Right and the groups.
	Diagnosis() api.Diagnosis
	// Probe tries once to reach a peer. It may take several seconds.
	Probe(ctx context.Context, peer string) (api.Probe, error)

	// Call starts a call. Events report its progress.
	Call(api.CallRequest) (api.Call, error)
	// Answer, Reject and Hangup use the only matching call if peer is empty.
	Answer(peer string) (api.Call, error)
	Reject(peer string) (api.Call, error)
	Hangup(peer string) (api.Call, error)

	// ReloadFile reads the configuration file again. When it returns nil, the
	// file is in effect; after an error nothing has changed.
	ReloadFile() (api.Reloaded, error)
	// Pair pairs this device with another one. It calls report with each event
	// of the pairing; the last one is PairingPaired or PairingFailed. An error
	// before the first event is that of the request. The end of the context
	// cancels the pairing.
	Pair(ctx context.Context, r api.PairRequest, report func(api.Event)) error
	// AcceptPairing is Pair for a request that is shown.
	AcceptPairing(ctx context.Context, r api.PairAccept, report func(api.Event)) error
	// ConfirmPairing and RefusePairing answer the pairing in progress.
	// RefusePairing also refuses a request that is shown.
	ConfirmPairing(api.PairConfirm) (api.Pairing, error)
	RefusePairing(api.PairRefuse) (api.Pairing, error)

	// Say queues a message for the peer of a call.
	Say(api.MessageRequest) (api.Message, error)

	// AddReader gives a program a token for the feeds. RemoveReader takes it
	// away, and ends what the program reads.
	AddReader(api.ReaderRequest) (api.NewReader, error)
	RemoveReader(name string) (api.Reader, error)
	Readers() []api.Reader

	// Privacy reports whether the owner has turned the camera off.
	Privacy() bool
	// SetPrivacy turns it on or off on behalf of a user (-1: unknown). When it
	// returns nil, the change is effective and on disk. It waits for the disk
	// and for a slow driver to release the camera, a few seconds at most.
	SetPrivacy(on bool, uid int) error

	// The cameras, as their drivers report them. An empty device selects this
	// device's camera.
	Cameras(context.Context) (api.Cameras, error)
	Formats(ctx context.Context, device string) (api.Formats, error)
	Controls(ctx context.Context, device string) (api.Controls, error)
	SetControls(context.Context, api.ControlsRequest) (api.Controls, error)
	// UseCamera makes a camera that of this device.
	UseCamera(context.Context, api.CameraRequest) (api.CameraChoice, error)

	// Subscribe opens a stream of events, usually Events.Subscribe. The server
	// closes it.
	Subscribe() *Subscription
	// Watch opens a feed: api.Self or the name of a peer. The server closes the
	// viewer.
	Watch(feed string) (Viewer, error)
}

// Viewer is one reader of a feed. It is not safe for concurrent use.
type Viewer interface {
	// Next waits for a frame newer than the last one. The frame is a JPEG; the
	// caller releases it. Next returns frame.ErrEnded when the feed has ended
	// for good. A feed that pauses blocks, or returns cards.
	Next(ctx context.Context) (*frame.Frame, error)
	// Dropped returns the number of frames that the reader was too slow to
	// read.
	Dropped() uint64
	Close()
}
