package api

// Version is the version of the programs in this tree. The version of the API
// itself is part of the routes.
const Version = "0.1.0"

// VersionHeader is the header with the daemon's Version. Every answer has it.
const VersionHeader = "Vchat-Version"

// DefaultSocket is the path of the control socket unless configured otherwise.
const DefaultSocket = "/run/vchat/control.sock"

// The routes.
const (
	PathStatus    = "/v1/status"          // GET: Status
	PathPeers     = "/v1/peers"           // GET: Peers
	PathPeer      = "/v1/peers/"          // + a peer's name or id; PATCH PeerChange: Peer; DELETE: the forgotten Peer
	PathDiagnosis = "/v1/diagnosis"       // GET: Diagnosis
	PathPair      = "/v1/pair"            // POST PairRequest: EventPairing a line, the last one paired or failed
	PathAccept    = "/v1/pair/accept"     // POST PairAccept: as PathPair
	PathConfirm   = "/v1/pair/confirm"    // POST PairConfirm: Pairing
	PathRefuse    = "/v1/pair/refuse"     // POST PairRefuse: Pairing, which ends
	PathIdentity  = "/v1/id"              // GET: Identity
	PathRights    = "/v1/rights"          // GET: Rights
	PathMetrics   = "/v1/metrics"         // GET: Prometheus text, as MetricsType
	PathEvents    = "/v1/events"          // GET: one Event a line, until either side closes
	PathCalls     = "/v1/calls"           // POST CallRequest: Call, still in the state calling
	PathAnswer    = "/v1/calls/answer"    // POST PeerRequest: Call
	PathReject    = "/v1/calls/reject"    // POST PeerRequest: Call
	PathHangup    = "/v1/calls/hangup"    // POST PeerRequest: Call
	PathReload    = "/v1/reload"          // POST: Reloaded, once the configuration file is in effect
	PathSay       = "/v1/say"             // POST MessageRequest: Message
	PathFeeds     = "/v1/feeds/"          // GET + a feed's name + StreamSuffix or SnapshotSuffix
	PathReaders   = "/v1/readers"         // GET: Readers; POST ReaderRequest: NewReader
	PathReader    = "/v1/readers/"        // DELETE + a reader's name: Reader, which is forgotten
	PathPrivacy   = "/v1/privacy"         // GET: Privacy; PUT PrivacyRequest: Privacy
	PathCameras   = "/v1/cameras"         // GET: Cameras
	PathCamera    = "/v1/camera"          // PUT CameraRequest: CameraChoice
	PathFormats   = "/v1/camera/formats"  // GET: Formats
	PathControls  = "/v1/camera/controls" // GET: Controls; POST ControlsRequest: Controls
)

// ProbeSuffix makes a route of PathPeer that tries once to reach the peer: POST
// {}: Probe.
const ProbeSuffix = "/probe"

// QueryDevice selects the camera of PathFormats and PathControls: a path under
// /dev, or auto. Without it they use this device's own camera.
const QueryDevice = "device"

// The suffixes of a feed's name under PathFeeds.
const (
	StreamSuffix   = ".mjpeg" // multipart/x-mixed-replace, one part per frame
	SnapshotSuffix = ".jpg"   // one frame, the newest
)

// MetricsType is the Content-Type of PathMetrics.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// Self is the name of the feed of this device's own camera. Every other feed
// has the name of its peer.
const Self = "self"

// The headers of a frame: of each part of a stream, and of a snapshot.
const (
	HeaderTimestamp = "X-Timestamp" // capture time, in seconds since the epoch with six decimals
	HeaderMonotonic = "X-Monotonic" // capture time on CLOCK_MONOTONIC, in seconds with six decimals
	HeaderSequence  = "X-Sequence"  // frame number of the source; a gap is a lost frame
	HeaderAge       = "X-Age-Ms"    // age when the daemon sent it, in milliseconds with three decimals
	HeaderCard      = "X-Card"      // "1": a card that says why there is no picture, not a frame of the camera
	HeaderRotate    = "X-Rotate"    // rotation for display: 90, 180 or 270 degrees clockwise; as EXIF in a snapshot
)

// MaxFrame is the largest frame, in bytes. The peer protocol has the same
// limit.
const MaxFrame = 16 << 20

// MaxText is the longest message, in bytes of UTF-8. The peer protocol has the
// same limit.
const MaxText = 2000

// MaxBody is the largest body of a request, in bytes.
const MaxBody = 64 << 10

// CallRequest starts a call to a peer.
type CallRequest struct {
	Peer          string `json:"peer"`
	RingTimeoutMS int64  `json:"ring_timeout_ms,omitempty"` // 0 or absent: calls.ring_timeout of the configuration
}

// PeerRequest selects a call by its peer.
type PeerRequest struct {
	Peer string `json:"peer,omitempty"` // absent: the only call
}

// MessageRequest sends a line of text to the peer of a call.
type MessageRequest struct {
	Peer string `json:"peer,omitempty"` // absent: the peer of the only call
	Text string `json:"text"`           // at most MaxText bytes, without control characters
}

// Message is the line of text that was queued for the peer. An event of the
// kind EventText reports it too.
type Message struct {
	Peer string `json:"peer,omitempty"`
	Text string `json:"text"`
}

// Reloaded is the answer of PathReload.
type Reloaded struct {
	File string `json:"file"` // that was loaded
}

// Identity identifies a device.
type Identity struct {
	Name string `json:"name"`
	ID   string `json:"id"` // fingerprint of the public key, in groups, with check characters
}

// Rights is what this client may do. Each right includes the ones before it.
type Rights struct {
	Watch      bool `json:"watch"`      // see the state, the events and the frames
	Call       bool `json:"call"`       // act in calls, turn the camera off and on
	Pair       bool `json:"pair"`       // accept, confirm and refuse pairings
	Administer bool `json:"administer"` // change the device
	// Groups have the group that gives each right; absent: none. Root and the
	// user of the daemon have every right.
	Groups map[string]string `json:"groups"`
}

// Peers is the answer of PathPeers.
type Peers struct {
	Peers []Peer `json:"peers"`
	// Devices are those that announce themselves on the local network, peers
	// and others. Absent if there are none, or if discovery is off.
	Devices []Device `json:"devices,omitempty"`
}
