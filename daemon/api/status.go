package api

import "time"

// Status is the state of a device at one moment.
type Status struct {
	Name         string    `json:"name"`
	ID           string    `json:"id"`
	Version      string    `json:"version"`
	UptimeMS     int64     `json:"uptime_ms"`
	Listen       string    `json:"listen,omitempty"` // address for peers; absent if it does not listen
	Camera       Camera    `json:"camera"`
	Privacy      bool      `json:"privacy"` // the camera stays closed
	DoNotDisturb bool      `json:"do_not_disturb"`
	Calls        []Call    `json:"calls"`
	Peers        []Peer    `json:"peers"`
	Viewers      []Viewer  `json:"viewers"`
	Feeds        *Feeds    `json:"feeds,omitempty"` // absent if there are none for other programs
	Strangers    Strangers `json:"strangers"`
	Relays       []Relay   `json:"relays,omitempty"`  // as configured; absent if there are none
	Refused      []Refused `json:"refused,omitempty"` // unknown devices, refused last first; at most 8
	Pairing      *Pairing  `json:"pairing,omitempty"` // absent if there is none
	// Discovery is absent if it is switched off.
	Discovery *Discovery `json:"discovery,omitempty"`
	Problems  []Problem  `json:"problems,omitempty"` // absent if all is well
}

// Relay is a relay by which peers are reached that have no better path.
type Relay struct {
	Address string `json:"address"`          // HOST:PORT
	Reason  string `json:"reason,omitempty"` // why it cannot be used; absent if it can
}

// Strangers counts connections to this device whose key is no peer's, or not
// known yet. The counters start at 0 with the daemon.
type Strangers struct {
	Now      int    `json:"now"`      // connections now
	Accepted uint64 `json:"accepted"` // all connections, peers' included
	Evicted  uint64 `json:"evicted"`  // closed early, because there were too many
	Refused  uint64 `json:"refused"`  // with a key that is unknown here
}

// Refused is a device that was refused because its key is unknown here.
type Refused struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"` // as it calls itself; any device can claim any name
	Address string    `json:"address"`        // of its last connection
	Count   int       `json:"count"`          // connections
	Last    time.Time `json:"last"`
	LastMS  int64     `json:"last_ms"` // time since then, on the monotonic clock
	Reason  string    `json:"reason"`
}

// KeyMismatch explains why two devices do not accept each other.
type KeyMismatch struct {
	// local: the key there is not the peer's; remote: the peer refuses our key
	RefusedBy Side   `json:"refused_by"`
	Expected  string `json:"expected,omitempty"` // id of the peer; absent if refused by remote
	Got       string `json:"got"`                // id that was refused
	Address   string `json:"address,omitempty"`  // of the device with the other key
}

// Problem describes something that does not work as configured.
type Problem struct {
	Subject string `json:"subject"` // camera, link, call, viewer, state, config, hook …
	Peer    string `json:"peer,omitempty"`
	File    string `json:"file,omitempty"`   // config: the configuration file
	Line    int    `json:"line,omitempty"`   // config: from 1; absent if it has no position
	Column  int    `json:"column,omitempty"` // config: from 1, in characters
	Message string `json:"message"`          // what is wrong
	Hint    string `json:"hint,omitempty"`   // what to do about it
}

// CameraState is the state of a camera.
type CameraState string

// The states of a camera.
const (
	CameraIdle      CameraState = "idle"      // closed, because nothing reads its feed
	CameraOpening   CameraState = "opening"   // being opened, or no frame yet
	CameraStreaming CameraState = "streaming" // frames arrive
	CameraLost      CameraState = "lost"      // it worked, and is unplugged or silent; the daemon retries
	CameraFailed    CameraState = "failed"    // it cannot be opened as configured; the daemon retries
)

// Camera is the state of this device's camera. The counters start at 0 with the
// daemon.
type Camera struct {
	Device   string      `json:"device"`
	Name     string      `json:"name,omitempty"` // as the driver reports it
	State    CameraState `json:"state"`
	Reason   string      `json:"reason,omitempty"` // why it is in this state; absent if that is obvious
	Since    time.Time   `json:"since,omitzero"`   // start of the state
	SinceMS  int64       `json:"since_ms"`         // time since then, on the monotonic clock
	Format   string      `json:"format,omitempty"` // what the camera delivers: mjpeg, yuyv, nv12 or grey
	Size     string      `json:"size,omitempty"`   // as 1280x720
	Rotate   int         `json:"rotate,omitempty"` // rotation for display, in degrees clockwise: 0, 90, 180, 270
	FPS      float64     `json:"fps"`              // over the last seconds
	Frames   uint64      `json:"frames"`           // good frames
	Dropped  uint64      `json:"dropped"`          // gaps in the driver's sequence numbers
	Broken   uint64      `json:"broken"`           // received, but incomplete or invalid
	Reopened uint64      `json:"reopened"`
	// BrokenBy counts Broken by cause: flagged (by the driver), truncated,
	// garbled, tiny, wrong size. Absent while Broken is 0.
	BrokenBy  map[string]uint64 `json:"broken_by,omitempty"`
	Restarted uint64            `json:"restarted"`          // stream restarts because of silence
	USBResets uint64            `json:"usb_resets"`         // resets of the USB device, as if it were unplugged
	Warnings  []string          `json:"warnings,omitempty"` // settings that the open camera does not support
	Choice    CameraChoice      `json:"choice"`             // who has chosen the device, and what
}

// CallState is the state of a call.
type CallState string

// The states of a call.
const (
	CallCalling  CallState = "calling"  // outgoing, not yet ringing
	CallRinging  CallState = "ringing"  // outgoing, ringing at the peer
	CallIncoming CallState = "incoming" // ringing here
	CallActive   CallState = "active"   // answered
	CallResuming CallState = "resuming" // answered, currently without a link
	CallEnded    CallState = "ended"    // over, with a Reason
)

// Direction reports who called.
type Direction string

// The directions of a call.
const (
	DirectionOut Direction = "out"
	DirectionIn  Direction = "in"
)

// Reason is why a call ended.
type Reason string

// The reasons for the end of a call.
const (
	ReasonHungUp        Reason = "hung_up"
	ReasonDeclined      Reason = "declined"
	ReasonBusy          Reason = "busy"
	ReasonNoAnswer      Reason = "no_answer"
	ReasonDoNotDisturb  Reason = "do_not_disturb"
	ReasonCancelled     Reason = "cancelled"      // the caller gave up before an answer
	ReasonUnknownCall   Reason = "unknown_call"   // the peer no longer has the call
	ReasonLostTooLong   Reason = "lost_too_long"  // without a link for longer than calls.resume_for
	ReasonFailed        Reason = "failed"         // another reason, see ReasonText
	ReasonUnreachable   Reason = "unreachable"    // the peer could not be reached
	ReasonWrongIdentity Reason = "wrong_identity" // one device does not know the key of the other
)

// Side is a side of a call.
type Side string

// The sides of a call.
const (
	SideLocal  Side = "local"  // this device
	SideRemote Side = "remote" // the peer
)

// Call is a call with a peer.
type Call struct {
	ID         string      `json:"id"`
	Peer       string      `json:"peer"`
	State      CallState   `json:"state"`
	Since      time.Time   `json:"since"`             // start of the state
	SinceMS    int64       `json:"since_ms"`          // time since then, on the monotonic clock
	Started    time.Time   `json:"started,omitzero"`  // when the call was requested
	Answered   time.Time   `json:"answered,omitzero"` // absent until then
	Direction  Direction   `json:"direction"`
	Reason     Reason      `json:"reason,omitempty"`      // once ended
	ReasonText string      `json:"reason_text,omitempty"` // once ended: who did what, as "bob hung up"
	EndedBy    Side        `json:"ended_by,omitempty"`    // once ended
	HasFrames  bool        `json:"has_frames"`            // a frame of the peer has arrived in this call
	PeerCamera *PeerCamera `json:"peer_camera,omitempty"` // absent until the peer reports it
	Link       *Link       `json:"link,omitempty"`
	// KeyMismatch is set if the call has ended for ReasonWrongIdentity.
	KeyMismatch *KeyMismatch `json:"key_mismatch,omitempty"`
	Sending     *Sending     `json:"sending,omitempty"`   // only while active
	Receiving   *Receiving   `json:"receiving,omitempty"` // only while active
}

// PeerCamera is the state of the peer's camera, as the peer reports it.
type PeerCamera struct {
	State   string    `json:"state"` // streaming, opening, lost, failed, privacy; unknown
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"`   // start of the state
	SinceMS int64     `json:"since_ms"`         // time since then, on the monotonic clock
	Rotate  int       `json:"rotate,omitempty"` // rotation for display, in degrees clockwise: 0, 90, 180, 270
}

// LinkState reports whether there is a link to a peer.
type LinkState string

// The states of a link.
const (
	LinkUp   LinkState = "up"
	LinkDown LinkState = "down"
)

// Path is how a link reaches a peer.
type Path string

// The paths.
const (
	PathDirect Path = "direct" // the two devices are connected
	PathProxy  Path = "proxy"  // this device has dialled the peer through its proxy
	PathRelay  Path = "relay"  // both devices are connected to a relay
)

// Link is the connection to one peer.
type Link struct {
	State    LinkState `json:"state"`
	Since    time.Time `json:"since,omitzero"` // start of the state
	SinceMS  int64     `json:"since_ms"`       // time since then, on the monotonic clock
	RTTMS    float64   `json:"rtt_ms"`         // of the last heartbeat; 0: not measured yet
	RTTMinMS float64   `json:"rtt_min_ms"`     // minimum of the last heartbeats
	// ClockOffsetMS is the peer's CLOCK_MONOTONIC minus ours, from the
	// heartbeat with RTTMinMS. Its error is at most half of RTTMinMS.
	ClockOffsetMS float64 `json:"clock_offset_ms"`
	Reconnects    uint64  `json:"reconnects"`       // how often it came back; of a call: during the call
	SentBytes     uint64  `json:"sent_bytes"`       // of all links to the peer since the start, TLS included
	ReceivedBytes uint64  `json:"received_bytes"`   // likewise
	Remote        string  `json:"remote,omitempty"` // address of the peer, or of the relay
	// Path is how the link reaches the peer; absent while it is down.
	Path  Path   `json:"path,omitempty"`
	Relay string `json:"relay,omitempty"` // HOST:PORT; only for PathRelay
	// DirectReason is why there is no direct link instead of one by a relay;
	// absent if none was tried, because no address is known.
	DirectReason string `json:"direct_reason,omitempty"`
	Reason       string `json:"reason,omitempty"` // why it is down
	// KeyMismatch is set if it is down because of a key: only people can change
	// that.
	KeyMismatch *KeyMismatch `json:"key_mismatch,omitempty"`
}

// Sending is the video sent to the peer of a call. The counters start at 0 with
// the call.
type Sending struct {
	FPS     float64 `json:"fps"`
	MbitS   float64 `json:"mbit_s"`
	Frames  uint64  `json:"frames"`  // sent
	Dropped uint64  `json:"dropped"` // not sent
	// DroppedBy counts Dropped by cause: link (a newer frame replaced it before
	// the link was free), max_bitrate, too_big, broken (damaged, so that it
	// cannot be reduced). Absent while Dropped is 0.
	DroppedBy map[string]uint64 `json:"dropped_by,omitempty"`
	Quality   Quality           `json:"quality"`
	Reason    string            `json:"reason,omitempty"` // why quality is reduced, or fewer frames are sent
	Size      string            `json:"size,omitempty"`
	Received  *Received         `json:"received,omitempty"` // absent until the peer reports it
}

// Quality reports whether frames are sent as the camera delivers them.
type Quality string

// The qualities of sent frames.
const (
	QualityCamera  Quality = "camera"  // byte for byte
	QualityReduced Quality = "reduced" // made smaller for the link or for max_bitrate
)

// Received is the peer's report on the frames sent to it. The counters start at
// 0 with the call.
type Received struct {
	Frames    uint64    `json:"frames"`     // arrived
	Lost      uint64    `json:"lost"`       // gaps in the sequence
	LatencyMS float64   `json:"latency_ms"` // of the newest frame, from capture to arrival
	DelayMS   Quantiles `json:"delay_ms"`   // of the last seconds, from capture to arrival
}

// Receiving is the video received from the peer of a call. The counters start
// at 0 with the call.
type Receiving struct {
	FPS        float64   `json:"fps"`
	MbitS      float64   `json:"mbit_s"`
	Frames     uint64    `json:"frames"`      // good frames
	Lost       uint64    `json:"lost"`        // gaps in the peer's sequence
	Broken     uint64    `json:"broken"`      // arrived, but could not be decoded
	AgeMS      float64   `json:"age_ms"`      // of the newest frame, now
	LatencyMS  Quantiles `json:"latency_ms"`  // of the last seconds, from capture to arrival
	TransferMS Quantiles `json:"transfer_ms"` // from a frame's first byte to its last
	Size       string    `json:"size,omitempty"`
}

// Quantiles summarizes a distribution.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Source is where a peer comes from.
type Source string

// The sources of peers.
const (
	SourceConfig Source = "config" // the configuration file, under peers
	SourcePaired Source = "paired" // pairing; vchatd keeps it in its state directory
)

// Peer is a known device.
type Peer struct {
	Name       string    `json:"name"`
	Address    string    `json:"address,omitempty"`
	Proxy      string    `json:"proxy,omitempty"` // HOST:PORT of the proxy for Address, without credentials
	ID         string    `json:"id,omitempty"`
	AutoAnswer bool      `json:"auto_answer"`
	MaxBitrate float64   `json:"max_bitrate,omitempty"` // limit of the video sent to it, in Mbit/s; absent: none
	Source     Source    `json:"source"`
	File       string    `json:"file,omitempty"` // the configuration file; only for SourceConfig
	Line       int       `json:"line,omitempty"` // of the peer there
	Added      time.Time `json:"added,omitzero"` // when it was paired; absent for SourceConfig
	Link       Link      `json:"link"`           // up: the peer is reachable
}

// Discovery is the search for devices on the local network.
type Discovery struct {
	By      string   `json:"by,omitempty"` // avahi or mdns; absent while neither works
	Devices []Device `json:"devices"`      // sorted by name
}

// Device is a device that announces itself on the local network. Any host there
// can announce anything: only a link proves an id.
type Device struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"` // as it calls itself
	Addresses []string  `json:"addresses"`      // HOST:PORT, at most 8
	Peer      string    `json:"peer,omitempty"` // the peer with this id
	Since     time.Time `json:"since"`          // when it was first seen
	SinceMS   int64     `json:"since_ms"`       // time since then, on the monotonic clock
}

// Viewer is one reader of a feed.
type Viewer struct {
	ID      uint64  `json:"id"` // counts from 1 since the start
	Feed    string  `json:"feed"`
	FPS     float64 `json:"fps"`
	Dropped uint64  `json:"dropped"`          // frames that it was too slow to read
	Reader  string  `json:"reader,omitempty"` // name of the program that reads it over the network
}
