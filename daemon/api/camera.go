package api

// Privacy reports whether the owner has turned the camera off.
type Privacy struct {
	Privacy bool `json:"privacy"`
}

// PrivacyRequest turns privacy on or off. The daemon refuses a request without
// the field.
type PrivacyRequest struct {
	Privacy *bool `json:"privacy"`
}

// Cameras is the answer of PathCameras.
type Cameras struct {
	Cameras []CameraInfo `json:"cameras"`
	Privacy bool         `json:"privacy"` // true: cameras stay closed, so little more than their names is known
}

// CameraInfo describes a video device that is, or may be, a camera.
type CameraInfo struct {
	Path    string      `json:"path"`              // as written under camera.device
	Node    string      `json:"node,omitempty"`    // /dev/videoN; absent while unplugged, or if it is no V4L2 device
	Name    string      `json:"name,omitempty"`    // as the driver reports it
	Driver  string      `json:"driver,omitempty"`  // name of the kernel driver
	Bus     string      `json:"bus,omitempty"`     // bus_info of the driver: the port where it is plugged in
	Formats []string    `json:"formats,omitempty"` // FourCCs, as v4l2-ctl prints them
	Used    bool        `json:"used"`              // this device's camera
	State   CameraState `json:"state,omitempty"`   // only if Used
	Reason  string      `json:"reason,omitempty"`  // why it delivers no frames, or cannot be used
	InUseBy []string    `json:"in_use_by,omitempty"`
}

// CameraRequest chooses the camera of this device.
type CameraRequest struct {
	// Device is a path under /dev, test for the test card, or auto for the
	// first usable camera.
	Device string `json:"device"`
	Size   string `json:"size,omitempty"` // as 1280x720; absent: that of the configuration
	FPS    int    `json:"fps,omitempty"`  // 1 to 240; absent: that of the configuration
}

// Chooser says who has chosen the camera.
type Chooser string

// Those who choose the camera.
const (
	ChosenByConfig Chooser = "config"  // the configuration file, under camera.device
	ChosenByUser   Chooser = "user"    // PathCamera; vchatd keeps it in its state directory
	ChosenByNobody Chooser = "default" // the first usable camera
)

// CameraChoice is the camera that is configured or chosen, and its mode.
type CameraChoice struct {
	By     Chooser `json:"by"`
	Device string  `json:"device"`         // auto, test, a path, file:PATH or exec:COMMAND
	Name   string  `json:"name,omitempty"` // as the driver reports it; only in the answer of PathCamera
	Size   string  `json:"size"`           // requested, as 1280x720
	FPS    int     `json:"fps"`            // requested
	File   string  `json:"file,omitempty"` // the configuration file; only for ChosenByConfig
	Line   int     `json:"line,omitempty"` // of camera.device there
}

// Formats lists the frame formats of a camera, in the driver's order.
type Formats struct {
	Device  string   `json:"device"`
	Name    string   `json:"name,omitempty"`
	Formats []Format `json:"formats"`
}

// Format is a frame format of a camera.
type Format struct {
	FourCC      string      `json:"fourcc"`           // as v4l2-ctl prints it
	Config      string      `json:"config,omitempty"` // as written under camera.format; absent if unsupported
	Description string      `json:"description,omitempty"`
	Sizes       []FrameSize `json:"sizes"` // empty if the driver does not report them
}

// FrameSize is a size, or a range of sizes, with its frame rates.
type FrameSize struct {
	Size    string    `json:"size"`               // as 1280x720; the smallest of a range
	MaxSize string    `json:"max_size,omitempty"` // only of a range
	Step    string    `json:"step,omitempty"`     // only of a range, as 16x2
	FPS     []float64 `json:"fps"`                // highest first; both ends of a range; empty if not reported
}

// ControlsRequest sets controls of a camera.
type ControlsRequest struct {
	Device   string            `json:"device,omitempty"` // absent: this device's camera
	Controls map[string]string `json:"controls"`         // values: a number, on, off, or a menu entry
}

// Controls lists the controls of a camera, in the driver's order.
type Controls struct {
	Device   string          `json:"device"`
	Name     string          `json:"name,omitempty"`
	Controls []Control       `json:"controls"`
	Changed  []ControlChange `json:"changed,omitempty"` // the controls that the request set, in its order
	Kept     bool            `json:"kept,omitempty"`    // set again whenever the daemon opens the camera
	// NotSaved is why Kept ends with the daemon, for one of the controls.
	// Absent: it does not.
	NotSaved string `json:"not_saved,omitempty"`
}

// Control is a control of a camera.
type Control struct {
	Name     string      `json:"name"`  // as v4l2-ctl prints it, and as written under camera.controls
	Title    string      `json:"title"` // as the driver reports it
	Type     string      `json:"type"`  // int, bool, menu, intmenu, button, int64, bitmask, string; "": no single value
	Min      int64       `json:"min"`
	Max      int64       `json:"max"`
	Step     int64       `json:"step"`
	Default  int64       `json:"default"`
	Value    *int64      `json:"value,omitempty"` // absent if the camera does not report one
	Menu     []MenuEntry `json:"menu,omitempty"`
	ReadOnly bool        `json:"read_only,omitempty"`
	Inactive bool        `json:"inactive,omitempty"` // no effect now, because of another control
}

// MenuEntry is one choice of a menu control.
type MenuEntry struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// ControlChange is a control that was set.
type ControlChange struct {
	Name string `json:"name"`
	From *int64 `json:"from,omitempty"` // absent if the camera did not report it
	To   *int64 `json:"to,omitempty"`   // the value that the camera chose
}
