package api

// Right is what a program may do over the control socket. Each right includes
// the ones before it.
type Right string

// The rights.
const (
	RightWatch Right = "watch" // see the state, the events and the frames
	RightCall  Right = "call"  // act in calls, turn privacy on and off
	RightAdmin Right = "admin" // change this device
)

// Diagnosis is what only the daemon knows about the process and the machine, as
// the answer of PathDiagnosis.
type Diagnosis struct {
	Right      Right  `json:"right"`       // of the program that asks
	Group      string `json:"group"`       // that gives RightCall; "": the group of the daemon
	AdminGroup string `json:"admin_group"` // that gives RightAdmin; "": none

	UID        int          `json:"uid"`  // of the daemon
	GIDs       []int        `json:"gids"` // all groups of its process
	ConfigFile string       `json:"config_file,omitempty"`
	Camera     CameraConfig `json:"camera"`
	StateDir   StateDir     `json:"state_dir"`
}

// CameraConfig is the camera as configured.
type CameraConfig struct {
	Device string `json:"device"`
	Size   string `json:"size"` // as 1280x720
	FPS    int    `json:"fps"`
	Format string `json:"format"` // auto, or a format
}

// StateDir describes the state directory and its file system.
type StateDir struct {
	Path      string `json:"path"`
	Writable  bool   `json:"writable"`
	Reason    string `json:"reason,omitempty"` // why it is not writable
	FreeBytes uint64 `json:"free_bytes"`       // for the daemon; 0 too if unknown
	SizeBytes uint64 `json:"size_bytes"`       // 0: unknown
}

// ProbeStep is a step on the way to a peer.
type ProbeStep string

// The steps of a probe, in their order.
const (
	ProbeAddress  ProbeStep = "address"  // an address is known
	ProbeResolve  ProbeStep = "resolve"  // it has IP addresses
	ProbeConnect  ProbeStep = "connect"  // the port is open
	ProbeTLS      ProbeStep = "tls"      // the TLS handshake
	ProbeIdentity ProbeStep = "identity" // each device accepts the key of the other
	ProbeVersion  ProbeStep = "version"  // both support a version of the protocol
	ProbeHello    ProbeStep = "hello"    // the hellos are exchanged
)

// Probe is the result of one attempt to reach a peer.
type Probe struct {
	Peer      string    `json:"peer"`
	Link      LinkState `json:"link"`                // up: there was a link already, and nothing was dialled
	Addresses []string  `json:"addresses,omitempty"` // IP addresses that were dialled
	Remote    string    `json:"remote,omitempty"`    // address of the peer; absent if it was not reached
	Incoming  bool      `json:"incoming,omitempty"`  // the peer has dialled: it does not listen on Remote's port
	Software  string    `json:"software,omitempty"`  // program and version of the peer
	Protocol  int       `json:"protocol,omitempty"`  // version of the protocol between the two devices
	Failed    ProbeStep `json:"failed,omitempty"`    // absent: the peer was reached
	Reason    string    `json:"reason,omitempty"`    // why it was not
	Hint      string    `json:"hint,omitempty"`
	// KeyMismatch is set if the devices do not accept each other's keys.
	KeyMismatch *KeyMismatch `json:"key_mismatch,omitempty"`
}
