// Package api is what a device and those who control it say to each other over the control socket: HTTP/1.1 with JSON
// under /v1. It holds types, routes, error kinds and the version, and no logic, so that programs may import it alone.
//
// It promises that what stands here is only added to. Field names are in snake_case, times are RFC 3339, durations are
// milliseconds with the suffix _ms. A reader skips the fields and events that it does not know; the daemon, which acts
// on what it reads, refuses them.
package api

// Version is the version of the programs of this tree. It is not that of the API, which stands in the routes.
const Version = "0.1.0"

// VersionHeader is on every answer of the daemon, with its Version as the value.
const VersionHeader = "Vchat-Version"

// DefaultSocket is where the daemon listens if it is not told otherwise.
const DefaultSocket = "/run/vchat/control.sock"

// The routes.
const (
	PathStatus   = "/v1/status"          // GET: Status
	PathPeers    = "/v1/peers"           // GET: Peers
	PathIdentity = "/v1/id"              // GET: Identity
	PathMetrics  = "/v1/metrics"         // GET: what Prometheus reads, as MetricsType
	PathEvents   = "/v1/events"          // GET: one Event a line, until either side closes
	PathCalls    = "/v1/calls"           // POST CallRequest: Call, which has only begun
	PathAnswer   = "/v1/calls/answer"    // POST PeerRequest: Call
	PathReject   = "/v1/calls/reject"    // POST PeerRequest: Call
	PathHangup   = "/v1/calls/hangup"    // POST PeerRequest: Call
	PathSay      = "/v1/say"             // POST SayRequest: Said
	PathFeeds    = "/v1/feeds/"          // GET + a feed's name + Stream or Newest
	PathPrivacy  = "/v1/privacy"         // GET: Privacy; PUT PrivacyRequest: Privacy
	PathCameras  = "/v1/cameras"         // GET: Cameras
	PathFormats  = "/v1/camera/formats"  // GET: Formats
	PathControls = "/v1/camera/controls" // GET: Controls; POST ControlsRequest: Controls
)

// QueryDevice asks PathFormats and PathControls about another camera than this device's own: a path under /dev, or auto.
const QueryDevice = "device"

// What follows the feed's name in the path of a feed.
const (
	Stream = ".mjpeg" // multipart/x-mixed-replace, a part for each frame
	Newest = ".jpg"   // one frame, the newest
)

// MetricsType is the Content-Type of PathMetrics: Prometheus' text format.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// Self is the name of the feed of this device's own camera. Other feeds have the name of their peer.
const Self = "self"

// The headers of a frame: of each part of Stream, and of the answer of Newest.
const (
	HeaderTimestamp = "X-Timestamp" // when it was taken, in seconds since the epoch, with six decimals
	HeaderMonotonic = "X-Monotonic" // the same on CLOCK_MONOTONIC, which is never set: for the distance of two frames
	HeaderSequence  = "X-Sequence"  // counts the frames of the source; a gap is a lost frame
	HeaderAge       = "X-Age-Ms"    // how old it was when it was sent, in milliseconds, with three decimals
	HeaderCard      = "X-Card"      // "1": not from the camera, but a card that says why there is no picture
	HeaderRotate    = "X-Rotate"    // 90, 180 or 270: degrees clockwise that it is to be shown with. Newest has EXIF instead
)

// MaxFrame bounds a frame, in bytes. It is the bound of the peer protocol too.
const MaxFrame = 16 << 20

// MaxText bounds a line of text, in bytes of UTF-8. It is the bound of the peer protocol too.
const MaxText = 2000

// MaxBody bounds the body of a request, in bytes.
const MaxBody = 64 << 10

// CallRequest asks for a call to a peer.
type CallRequest struct {
	Peer          string `json:"peer"`
	RingTimeoutMS int64  `json:"ring_timeout_ms,omitempty"` // 0: as configured
}

// PeerRequest names the call that is meant by its peer.
type PeerRequest struct {
	Peer string `json:"peer,omitempty"` // "": the only one there is
}

// SayRequest asks for a line of text to be shown on the other side of a call: at most MaxText bytes, no control characters.
type SayRequest struct {
	Peer string `json:"peer,omitempty"` // "": that of the only call there is
	Text string `json:"text"`
}

// Said is what was said. It is on its way; an event of the kind EventText tells of it here.
type Said struct {
	Peer string `json:"peer,omitempty"`
	Text string `json:"text"`
}

// Identity is what a device is known by.
type Identity struct {
	Name string `json:"name"`
	ID   string `json:"id"` // fingerprint of the public key, in groups, with check characters
}

// Peers is the answer of PathPeers.
type Peers struct {
	Peers []Peer `json:"peers"`
}
