package api

// PairRequest pairs this device with another one. It has either an address or
// Wait.
type PairRequest struct {
	// Address is that of the other device, HOST or HOST:PORT, which this device
	// remembers for calls. Without a dot and a colon it may also be the
	// name or the id of a device that announces itself on the network.
	Address string `json:"address,omitempty"`
	Wait    bool   `json:"wait,omitempty"` // wait for the other device
	// Name is the name of the other device here. Absent: the one that it gives
	// itself.
	Name string `json:"name,omitempty"`
	// TimeoutMS is how long to wait for the other device, at most one hour.
	// Absent or 0: two minutes.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
	// AutoAnswer makes this device answer calls of the other device
	// automatically. Absent: that does not change; a new peer rings.
	AutoAnswer bool `json:"auto_answer,omitempty"`
}

// PairConfirm confirms the code of the pairing in progress: the other device
// shows the same one.
type PairConfirm struct {
	Code string `json:"code"`           // as shown here; another one refuses the pairing
	Name string `json:"name,omitempty"` // as in PairRequest, which it replaces
}

// PairAccept accepts the request that is shown, if it is that of the device
// with the id. No other device can take its place.
type PairAccept struct {
	ID   string `json:"id"`             // as in the request
	Name string `json:"name,omitempty"` // as in PairRequest
	// AutoAnswer is as in PairRequest. It needs the right to administer.
	AutoAnswer bool `json:"auto_answer,omitempty"`
}

// PairRefuse refuses the pairing in progress, or else the request that is
// shown.
type PairRefuse struct {
	ID string `json:"id,omitempty"` // only that of the device with the id; absent: of any
}

// PairingState is the state of a pairing.
type PairingState string

// The states of a pairing.
const (
	PairingRequested PairingState = "requested" // another device wants to pair; this one does not wait for it
	PairingWaiting   PairingState = "waiting"   // waits for another device
	PairingDialling  PairingState = "dialling"  // tries to reach another device that waits
	PairingComparing PairingState = "comparing" // the code waits for the answer of this user
	PairingConfirmed PairingState = "confirmed" // the code waits for the answer of the other user
	PairingPaired    PairingState = "paired"    // the other device is a peer now
	PairingFailed    PairingState = "failed"    // nothing was kept
	PairingWithdrawn PairingState = "withdrawn" // a request was not repeated, or not accepted in time
)

// Pairing is the pairing in progress, or the request of another device for one.
type Pairing struct {
	State PairingState `json:"state"`
	// Address of the other device: as requested, or where it connects from.
	Address string `json:"address,omitempty"`
	Claimed string `json:"claimed_name,omitempty"` // the name that the other device gives itself; not verified
	ID      string `json:"id,omitempty"`           // of the other device
	Code    string `json:"code,omitempty"`         // six digits in two groups, as 482 913
	Peer    string `json:"peer,omitempty"`         // the name of the other device here; absent if NameError is set
	// NameError is why PairConfirm must have a name.
	NameError *Error `json:"name_error,omitempty"`
	Suggested string `json:"suggested_name,omitempty"` // with NameError: a name that is possible
	Known     bool   `json:"known,omitempty"`          // the other device is a peer already
	// AutoAnswer: once paired, this device answers calls of the other one
	// automatically.
	AutoAnswer bool   `json:"auto_answer,omitempty"`
	Reason     string `json:"reason,omitempty"` // why it is still dialling
	Error      *Error `json:"error,omitempty"`  // once failed
}

// PeerChange changes the settings of a peer made by pairing. What is absent
// stays as it is.
type PeerChange struct {
	Name       *string  `json:"name,omitempty"`        // its new name here; not during a call with it
	Address    *string  `json:"address,omitempty"`     // HOST or HOST:PORT; "" = this device does not dial it
	AutoAnswer *bool    `json:"auto_answer,omitempty"` // answer its calls automatically
	MaxBitrate *float64 `json:"max_bitrate,omitempty"` // limit of the video sent to it, in Mbit/s; 0 = none
	Proxy      *string  `json:"proxy,omitempty"`       // socks5://[USER:PASSWORD@]HOST:PORT for Address; "" = none
}
