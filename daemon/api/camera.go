package api

// Privacy says whether the camera is switched off by its owner.
type Privacy struct {
	Privacy bool `json:"privacy"`
}

// PrivacyRequest switches it on or off; one that does not say is refused.
type PrivacyRequest struct {
	Privacy *bool `json:"privacy"`
}

// Cameras is the answer of PathCameras.
type Cameras struct {
	Cameras []FoundCamera `json:"cameras"`
	Privacy bool          `json:"privacy"` // it is on: nothing was opened, and little more than the names is known
}

// FoundCamera is a camera, or a node that may be one.
type FoundCamera struct {
	Path    string      `json:"path"`              // as it is written under camera.device
	Node    string      `json:"node,omitempty"`    // /dev/videoN, until it is unplugged; none if it is not there, or not the kernel's
	Name    string      `json:"name,omitempty"`    // as the driver calls it
	Driver  string      `json:"driver,omitempty"`  //
	Bus     string      `json:"bus,omitempty"`     // where it is plugged in, as the driver calls it
	Formats []string    `json:"formats,omitempty"` // four characters each, as v4l2-ctl prints them
	Used    bool        `json:"used"`              // it is this device's camera; the others are only there
	State   CameraState `json:"state,omitempty"`   // of the one that is used
	Reason  string      `json:"reason,omitempty"`  // why it gives no frames, or cannot be used
	InUseBy []string    `json:"in_use_by,omitempty"`
}

// Formats is what a camera offers, in the driver's order.
type Formats struct {
	Device  string   `json:"device"`
	Name    string   `json:"name,omitempty"`
	Formats []Format `json:"formats"`
}

// Format is a frame format of a camera.
type Format struct {
	FourCC      string      `json:"fourcc"`           // as v4l2-ctl prints it
	Config      string      `json:"config,omitempty"` // as it is written under camera.format; none if vchat does not use it
	Description string      `json:"description,omitempty"`
	Sizes       []FrameSize `json:"sizes"` // empty: the driver does not say
}

// FrameSize is a size that a camera offers, or a range of sizes, and its rates.
type FrameSize struct {
	Size    string    `json:"size"`               // as 1280x720; of a range the smallest
	MaxSize string    `json:"max_size,omitempty"` // of a range
	Step    string    `json:"step,omitempty"`     // of a range, as 16x2
	FPS     []float64 `json:"fps"`                // highest first, of a range both ends; empty: the driver does not say
}

// ControlsRequest sets controls of a camera.
type ControlsRequest struct {
	Device   string            `json:"device,omitempty"` // "": this device's camera
	Controls map[string]string `json:"controls"`         // number, on, off, or the name of a menu's entry, as in the configuration file
}

// Controls is what can be set of a camera, in the driver's order.
type Controls struct {
	Device   string          `json:"device"`
	Name     string          `json:"name,omitempty"`
	Controls []Control       `json:"controls"`
	Changed  []ControlChange `json:"changed,omitempty"` // what the request has set, in that order
	Kept     bool            `json:"kept,omitempty"`    // it is set again whenever the camera is opened, until the daemon ends
}

// Control is a control of a camera.
type Control struct {
	Name     string      `json:"name"`  // as v4l2-ctl prints it, and as it is written under camera.controls
	Title    string      `json:"title"` // as the driver has it
	Type     string      `json:"type"`  // int, bool, menu, intmenu, button, int64, bitmask, string; "": has no single value
	Min      int64       `json:"min"`
	Max      int64       `json:"max"`
	Step     int64       `json:"step"`
	Default  int64       `json:"default"`
	Value    *int64      `json:"value,omitempty"` // none: the camera does not tell, or there is none
	Menu     []MenuEntry `json:"menu,omitempty"`
	ReadOnly bool        `json:"read_only,omitempty"`
	Inactive bool        `json:"inactive,omitempty"` // has no effect now, as another control is set
}

// MenuEntry is one choice of a control.
type MenuEntry struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// ControlChange is a control that was set.
type ControlChange struct {
	Name string `json:"name"`
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"` // what the camera has made of it
}
