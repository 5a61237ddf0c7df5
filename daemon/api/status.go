package api

import "time"

// Status is a device at one moment.
type Status struct {
	Name         string    `json:"name"`
	ID           string    `json:"id"`
	Version      string    `json:"version"`
	UptimeMS     int64     `json:"uptime_ms"`
	Listen       string    `json:"listen,omitempty"` // where peers reach it; empty: it does not listen
	Camera       Camera    `json:"camera"`
	Privacy      bool      `json:"privacy"` // the camera stays closed, whoever looks
	DoNotDisturb bool      `json:"do_not_disturb"`
	Calls        []Call    `json:"calls"`
	Peers        []Peer    `json:"peers"`
	Viewers      []Viewer  `json:"viewers"`
	Problems     []Problem `json:"problems,omitempty"` // what is not as it should be; empty when all is well
}

// Problem says in words why something is not as it should be, and what can be done.
type Problem struct {
	Subject string `json:"subject"` // camera, link, call, viewer, config …
	Peer    string `json:"peer,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// CameraState is what a camera is doing.
type CameraState string

const (
	CameraIdle      CameraState = "idle"      // closed, because nobody looks
	CameraOpening   CameraState = "opening"   // being opened, or no picture yet
	CameraStreaming CameraState = "streaming" // frames come
	CameraLost      CameraState = "lost"      // it was there and is gone, or silent; it is tried again and again
	CameraFailed    CameraState = "failed"    // it cannot be had as it is configured; it is tried again and again
)

// Camera is the state of this device's camera.
type Camera struct {
	Device   string      `json:"device"`
	Name     string      `json:"name,omitempty"` // as the kernel calls it
	State    CameraState `json:"state"`
	Reason   string      `json:"reason,omitempty"` // in words, where the state needs one
	Since    time.Time   `json:"since,omitzero"`   // of the state
	Format   string      `json:"format,omitempty"` // mjpeg, yuyv, nv12 or grey: what the camera gives
	Size     string      `json:"size,omitempty"`   // as 1280x720
	Rotate   int         `json:"rotate,omitempty"` // degrees clockwise that its frames are to be shown with: 0, 90, 180, 270
	FPS      float64     `json:"fps"`              // of the last seconds
	Frames   uint64      `json:"frames"`           // good ones since the start
	Dropped  uint64      `json:"dropped"`          // that the camera's own count says were lost
	Broken   uint64      `json:"broken"`           // that came but were no whole frame
	Reopened uint64      `json:"reopened"`
	// Broken by what was wrong with them: flagged (by the driver), truncated, garbled, tiny, wrong size.
	BrokenBy  map[string]uint64 `json:"broken_by,omitempty"`
	Restarted uint64            `json:"restarted"`          // times that its stream was started again because of silence
	USBResets uint64            `json:"usb_resets"`         // times that it was reset like by unplugging it
	Warnings  []string          `json:"warnings,omitempty"` // what the camera, while it is open, does not do as asked
}

// CallState is how far a call has come.
type CallState string

const (
	CallCalling  CallState = "calling"  // outgoing; the peer has not said yet that it rings
	CallRinging  CallState = "ringing"  // outgoing; the peer rings
	CallIncoming CallState = "incoming" // it rings here
	CallActive   CallState = "active"   // answered
	CallResuming CallState = "resuming" // answered, and at present without a link
	CallEnded    CallState = "ended"    // over, with a Reason
)

// Direction says who called.
type Direction string

const (
	Out Direction = "out"
	In  Direction = "in"
)

// Reason is why a call ended.
type Reason string

const (
	HungUp        Reason = "hung_up"
	Declined      Reason = "declined"
	Busy          Reason = "busy"
	NoAnswer      Reason = "no_answer"
	DoNotDisturb  Reason = "do_not_disturb"
	Cancelled     Reason = "cancelled"      // the caller gave up before there was an answer
	UnknownCall   Reason = "unknown_call"   // the other side does not know of it any more
	LostTooLong   Reason = "lost_too_long"  // without a link for longer than a call is kept
	Failed        Reason = "failed"         // for another reason, see ReasonText
	Unreachable   Reason = "unreachable"    // the peer could not be reached
	WrongIdentity Reason = "wrong_identity" // what answered there is not the known device, or does not know us
)

// Side is a side of a call.
type Side string

const (
	Here  Side = "here"
	There Side = "there"
)

// Call is what two devices agreed on, or are about to.
type Call struct {
	ID         string      `json:"id"`
	Peer       string      `json:"peer"`
	State      CallState   `json:"state"`
	Since      time.Time   `json:"since"`             // of the state
	Started    time.Time   `json:"started,omitzero"`  // when it was asked for
	Answered   time.Time   `json:"answered,omitzero"` // zero: not yet
	Direction  Direction   `json:"direction"`
	Reason     Reason      `json:"reason,omitempty"`      // once ended
	ReasonText string      `json:"reason_text,omitempty"` // once ended: the same in words
	EndedBy    Side        `json:"ended_by,omitempty"`    // once ended
	Frames     bool        `json:"frames"`                // the peer's frames have come in this call
	PeerCamera *PeerCamera `json:"peer_camera,omitempty"` // what the peer says of its camera
	Link       *Link       `json:"link,omitempty"`
	Sending    *Sending    `json:"sending,omitempty"`
	Receiving  *Receiving  `json:"receiving,omitempty"`
}

// PeerCamera is what the other side of a call says of its camera.
type PeerCamera struct {
	State  string    `json:"state"` // streaming, opening, lost, failed, privacy; unknown
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Rotate int       `json:"rotate,omitempty"` // degrees clockwise that its frames are to be shown with: 0, 90, 180, 270
}

// LinkState says whether there is a connection to a peer.
type LinkState string

const (
	LinkUp   LinkState = "up"
	LinkDown LinkState = "down"
)

// Link is the connection to one peer.
type Link struct {
	State      LinkState `json:"state"`
	Since      time.Time `json:"since,omitzero"`
	RTTMS      float64   `json:"rtt_ms"`       // of the last heartbeat; 0: not measured yet
	RTTLeastMS float64   `json:"rtt_least_ms"` // of the last heartbeats
	// How far the peer's CLOCK_MONOTONIC is ahead of ours, by the heartbeat with rtt_least_ms: true to half of that.
	ClockOffsetMS float64 `json:"clock_offset_ms"`
	Reconnects    uint64  `json:"reconnects"` // how often it came back
	SentBytes     uint64  `json:"sent_bytes"` // since the start, over all links to the peer, with those of TLS
	ReceivedBytes uint64  `json:"received_bytes"`
	Remote        string  `json:"remote,omitempty"`
	Reason        string  `json:"reason,omitempty"` // in words, why it is down
}

// Sending is what goes to the peer of a call.
type Sending struct {
	FPS     float64 `json:"fps"`
	MbitS   float64 `json:"mbit_s"`
	Frames  uint64  `json:"frames"`  // sent, since the link is up
	Dropped uint64  `json:"dropped"` // not sent
	// Dropped by reason: link (a newer one was there before it had taken the one before), max_bitrate, too_big.
	DroppedBy map[string]uint64 `json:"dropped_by,omitempty"`
	Quality   Quality           `json:"quality"`
	Why       string            `json:"why,omitempty"` // in words, where the quality is reduced, or cannot be
	Size      string            `json:"size,omitempty"`
	Received  *Received         `json:"received,omitempty"` // what the peer says of it
}

// Quality says whether frames are sent as the camera gives them.
type Quality string

const (
	QualityCamera  Quality = "camera"  // byte for byte
	QualityReduced Quality = "reduced" // smaller, for the link's sake or because of max_bitrate
)

// Received is what the peer says of the frames that are sent to it.
type Received struct {
	Frames    uint64    `json:"frames"`     // arrived, since the link is up
	Lost      uint64    `json:"lost"`       // gaps in our sequence, as it sees it
	LatencyMS float64   `json:"latency_ms"` // from capture to arrival there, of the newest
	DelayMS   Quantiles `json:"delay_ms"`   // the same, over the last seconds
}

// Receiving is what comes from the peer of a call.
type Receiving struct {
	FPS        float64   `json:"fps"`
	MbitS      float64   `json:"mbit_s"`
	Frames     uint64    `json:"frames"`      // that were good, since the link is up
	Lost       uint64    `json:"lost"`        // gaps in the peer's sequence
	Broken     uint64    `json:"broken"`      // that arrived and were of no use
	AgeMS      float64   `json:"age_ms"`      // of the newest frame, now
	LatencyMS  Quantiles `json:"latency_ms"`  // from capture there to arrival here, over the last seconds
	TransferMS Quantiles `json:"transfer_ms"` // from a frame's first byte to its last
	Size       string    `json:"size,omitempty"`
}

// Quantiles sums up how a delay is spread.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Peer is another device that this one knows.
type Peer struct {
	Name       string `json:"name"`
	Address    string `json:"address,omitempty"`
	ID         string `json:"id,omitempty"`
	AutoAnswer bool   `json:"auto_answer"`
	Link       Link   `json:"link"` // up: it is reachable
}

// Viewer is one reader of a feed.
type Viewer struct {
	ID      uint64  `json:"id"` // 1 for the first since the start
	Feed    string  `json:"feed"`
	FPS     float64 `json:"fps"`
	Dropped uint64  `json:"dropped"` // that it was too slow for
}
