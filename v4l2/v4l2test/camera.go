package v4l2test

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// Kind is the kind of a node.
type Kind int

// Kinds of nodes. A UVC camera has a Capture and a Metadata node. A Converter
// is a mem-to-mem device.
const (
	Capture Kind = iota
	Metadata
	Converter
)

// Device describes a camera. The zero Device is a UVC camera with MJPEG up to
// 1280x720, YUYV up to 640x480, both at 30 or 15 frames a second, and five
// controls.
type Device struct {
	ID       string // name under /dev/v4l/by-id; "": none
	Card     string // "": Fake
	Driver   string // "": uvcvideo
	Bus      string // "": usb-0000:00:14.0-N
	Number   int    // preferred number of the node; if it is in use, the next free one
	Kind     Kind
	Formats  []Format
	Rates    []int // frames a second; nil: 30 and 15; empty: the driver reports no rates
	Controls []Control
	NotUSB   bool
}

// Format is a fourcc with its sizes (width, height). Padding is the number of
// bytes after the pixels of a row in raw frames.
type Format struct {
	FourCC  v4l2.PixelFormat
	Sizes   [][2]int
	Padding int
}

// Control is a control of a camera. As with real cameras, the exposure time
// (0x009a0902) is inactive unless auto exposure (0x009a0901) is 1.
type Control struct {
	ID       uint32
	Name     string
	Type     uint32 // of uapi; 0: boolean if Boolean, menu if Menu is not nil, else integer
	Flags    uint32 // of uapi
	Min, Max int32
	Value    int32 // initial and default value
	Boolean  bool
	Menu     map[int32]string // names by index; of an integer menu decimal numbers
}

// Faults are the faults of a camera. An int field n hits each frame whose
// sequence number is a multiple of n; 0 hits none. Errors are unix.Errno
// values.
type Faults struct {
	Freeze    bool // no frames, no error
	Dark      bool // half the negotiated rate, as with automatic exposure in dim light
	FlagError int  // V4L2_BUF_FLAG_ERROR
	Truncate  int  // half a frame
	Garbage   int  // every seventh byte changed, SOI included
	NoTables  int  // JPEG without Huffman tables
	Empty     int  // bytesused 0

	BytesUsed   uint32 // not 0: bytesused of every frame
	Index       int    // not 0: index of every frame
	OtherClock  bool   // time stamps of an unknown clock
	FutureClock bool   // time stamps of CLOCK_MONOTONIC plus an hour
	FalseReady  bool   // poll reports a frame, DQBUF returns EAGAIN
	PollError   bool   // POLLERR, as after a fatal error of videobuf2
	Dequeue     error  // result of DQBUF
	QueueBuffer error  // result of QBUF

	Open         error  // result of open: EACCES, EBUSY
	NoGroup      bool   // the node belongs to root, as before udev has seen it
	VanishAtOpen bool   // open unplugs the camera
	Reset        error  // result of USBDEVFS_RESET
	ResetHeals   bool   // a reset ends Freeze
	Busy         string // program that streams, such as "firefox (pid 42)": S_FMT and REQBUFS return EBUSY
	SetFormat    error  // result of S_FMT
	Buffers      error  // result of REQBUFS
	MaxBuffers   int    // not 0: limit of REQBUFS; -1: no buffers
	StreamOn     error  // result of STREAMON: EIO, ENOSPC
	SetControl   error  // result of S_EXT_CTRLS
	GetControl   error  // result of G_EXT_CTRLS
	NoInactive   bool   // inactive controls have no flag and return EACCES, as before Linux 6.1

	SetParm         error     // result of S_PARM
	GetParm         error     // result of G_PARM
	ClaimedInterval [2]uint32 // not 0: result of G_PARM, numerator and denominator; the frames do not change
	Rates           error     // result of ENUM_FRAMEINTERVALS
	EndlessFormats  bool      // ENUM_FMT repeats the formats and never ends
	EndlessSizes    bool      // ENUM_FRAMESIZES repeats the last size and never ends
	EndlessRates    bool      // ENUM_FRAMEINTERVALS repeats the last rate and never ends
	StreamOnAbove   int       // StreamOn is for frames of more pixels only
	FrameSize       [2]int    // not 0: width and height of the JPEG frames, whatever was negotiated

	Stamp func(at time.Duration) time.Duration // not nil: the time stamp of a frame captured at that time

	Size            [2]int           // not 0: result of every S_FMT
	SizeIfUnknown   [2]int           // not 0: result of S_FMT for a size that is not offered
	Format          v4l2.PixelFormat // not 0: result of every S_FMT
	Stride          uint32           // not 0: reported as bytesperline; the frames do not change
	SizeImage       uint32           // not 0: reported as sizeimage, and the length of the buffers
	StepwiseRates   bool             // intervals are reported as a range
	ContinuousSizes bool             // sizes are reported as a range, the same for every index
}

// Camera is a camera, plugged in or not. Its methods may be called from any
// goroutine.
type Camera struct {
	kernel  *Kernel
	device  Device
	node    *node // nil: unplugged
	faults  Faults
	control map[uint32]int32
}

// Plug adds a camera and plugs it in.
func (k *Kernel) Plug(d Device) *Camera {
	c := &Camera{kernel: k, device: complete(d), control: make(map[uint32]int32)}
	for _, x := range c.device.Controls {
		c.control[x.ID] = x.Value
	}
	k.mu.Lock()
	k.cameras = append(k.cameras, c)
	k.mu.Unlock()
	c.Replug()
	return c
}

// Replug plugs the camera in after an Unplug. Its node gets the first free
// number from Device.Number on.
func (c *Camera) Replug() {
	k := c.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.node != nil {
		return
	}
	n := c.device.Number
	for k.nodes[n] != nil {
		n++
	}
	c.node = &node{kernel: k, cam: c, number: n, made: k.Now()}
	c.node.stream = newStream(c.node)
	k.nodes[n] = c.node
	k.notifyWatches()
}

// Unplug removes the node. Calls on open handles then return ENODEV.
func (c *Camera) Unplug() {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.node != nil {
		c.node.remove()
	}
}

// Node returns /dev/videoN; "" while the camera is unplugged.
func (c *Camera) Node() string {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.node == nil {
		return ""
	}
	return c.node.path()
}

// Script changes the faults. They apply at once, also to waiting calls.
func (c *Camera) Script(change func(*Faults)) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	before := c.faults.Open
	change(&c.faults)
	if c.node != nil {
		c.node.stream.notify()
		if c.faults.Open != before {
			c.kernel.notifyWatches() // in reality chown or chmod changes the result of open
		}
	}
}

// Faults returns the present faults.
func (c *Camera) Faults() Faults {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return c.faults
}

// Control returns the value of a control by its v4l2-ctl name. It panics if
// there is none.
func (c *Camera) Control(name string) int32 {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	for _, x := range c.device.Controls {
		if controlName(x.Name) == name {
			return c.control[x.ID]
		}
	}
	panic(fmt.Sprintf("v4l2test: no control %q", name))
}

// Streaming reports whether the stream is on.
func (c *Camera) Streaming() bool {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return c.node != nil && c.node.stream.on
}

// complete returns d with the defaults of the zero Device.
func complete(d Device) Device {
	if d.Card == "" {
		d.Card = "Fake"
	}
	if d.Driver == "" {
		d.Driver = "uvcvideo"
	}
	if d.Bus == "" {
		d.Bus = fmt.Sprintf("usb-0000:00:14.0-%d", d.Number+1)
	}
	if d.Formats == nil {
		d.Formats = []Format{
			{FourCC: v4l2.MJPEG, Sizes: [][2]int{{1280, 720}, {640, 480}, {320, 240}}},
			{FourCC: v4l2.YUYV, Sizes: [][2]int{{640, 480}, {320, 240}}},
		}
	}
	if d.Rates == nil {
		d.Rates = []int{30, 15}
	}
	if d.Controls == nil {
		d.Controls = []Control{
			{ID: 0x00980900, Name: "Brightness", Max: 255, Value: 128},
			{ID: 0x00980918, Name: "Power Line Frequency", Max: 2, Value: 2,
				Menu: map[int32]string{0: "Disabled", 1: "50 Hz", 2: "60 Hz"}},
			{ID: 0x009a0901, Name: "Auto Exposure", Max: 3, Value: 3,
				Menu: map[int32]string{1: "Manual Mode", 3: "Aperture Priority Mode"}},
			{ID: 0x009a0902, Name: "Exposure Time, Absolute", Min: 1, Max: 5000, Value: 156},
			{ID: 0x009a0903, Name: "Exposure, Dynamic Framerate", Max: 1, Boolean: true},
		}
	}
	return d
}

// Do executes a command of Subject.Do.
func (c *Camera) Do(words ...string) error {
	switch what := strings.Join(words, " "); what {
	case "unplug":
		c.Unplug()
	case "plug":
		c.Replug()
	case "freeze on", "freeze off":
		c.Script(func(f *Faults) { f.Freeze = what == "freeze on" })
	case "err 1":
		c.Script(func(f *Faults) { f.FlagError = 1 })
	case "err off":
		c.Script(func(f *Faults) { f.FlagError = 0 })
	case "stall on":
		c.Script(func(f *Faults) { f.StreamOn = unix.EIO })
	case "stall off":
		c.Script(func(f *Faults) { f.StreamOn = nil })
	default:
		return fmt.Errorf("v4l2test: unknown command %q", what)
	}
	return nil
}
