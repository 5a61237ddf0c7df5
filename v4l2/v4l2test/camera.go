package v4l2test

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// Kind is what a node is for.
type Kind int

// Kinds of nodes. A UVC camera has a Metadata node beside its Capture node; a Converter takes and gives frames (mem-to-mem).
const (
	Capture Kind = iota
	Metadata
	Converter
)

// Device describes a camera; the zero one is like a UVC camera: MJPEG up to 1280x720 and YUYV at 640x480, both at 30 or 15 a
// second, with five controls.
type Device struct {
	ID       string // its name under /dev/v4l/by-id; "": none
	Card     string // "": Pretend
	Driver   string // "": uvcvideo
	Bus      string // "": usb-0000:00:14.0-N
	Number   int    // of its node, if that is free, else the next one
	Kind     Kind
	Formats  []Format
	Rates    []int // frames a second; nil: 30 and 15; empty: the driver knows no rates
	Controls []Control
	NotUSB   bool
}

// Format is a fourcc and its sizes. Padding is what rows of raw frames have behind their pixels, in bytes.
type Format struct {
	FourCC  v4l2.PixelFormat
	Sizes   [][2]int
	Padding int
}

// Control is a control; its type, unless one of uapi's is given, is a menu if it has a Menu, else an integer. As with real cameras,
// one called exposure time (0x009a0902) is inactive while auto exposure (0x009a0901) is not 1.
type Control struct {
	ID       uint32
	Name     string
	Type     uint32 // 0: by the other fields
	Flags    uint32
	Min, Max int32
	Value    int32 // at first, and by default
	Boolean  bool
	Menu     map[int32]string // of an integer menu: numbers
}

// Faults are what a camera does wrong. Of those that come with a number every n-th frame is hit, by its sequence number; 0: none.
// Errors are unix.Errno values.
type Faults struct {
	Freeze    bool // no frames, no error
	Dark      bool // half the rate that it promises, as automatic exposure makes it in dim light
	FlagError int  // V4L2_BUF_FLAG_ERROR
	Truncate  int  // half a frame
	Garbage   int  // bytes changed all over, the marks at start and end too
	NoTables  int  // JPEG without Huffman tables
	Empty     int  // bytesused 0

	BytesUsed   uint32 // not 0: told of every frame
	Index       int    // not 0: told of every frame
	OtherClock  bool   // stamped by a clock that began a second before the frame, and flagged as unknown
	FutureClock bool   // stamped by CLOCK_MONOTONIC, by the flag, and yet an hour ahead
	FalseReady  bool   // poll says that there is a frame, DQBUF that there is none
	PollError   bool   // POLLERR, as after a fatal error of videobuf2
	Dequeue     error  // answer of DQBUF
	QueueBuffer error  // answer of QBUF

	Open         error  // answer of open: EACCES, EBUSY
	VanishAtOpen bool   // the camera is unplugged at that very moment
	Reset        error  // answer to a reset by USB
	ResetHeals   bool   // a reset ends Freeze
	Busy         string // a program that has the camera: S_FMT and REQBUFS answer EBUSY
	SetFormat    error  // answer of S_FMT
	Buffers      error  // answer of REQBUFS
	MaxBuffers   int    // not 0: REQBUFS gives no more; -1: none at all
	StreamOn     error  // answer of STREAMON: EIO, ENOSPC
	SetControl   error  // answer to setting a control
	GetControl   error  // answer to asking for a control's value
	NoInactive   bool   // inactive controls are not flagged, but answer EACCES, as before Linux 6.1

	Size            [2]int           // not 0: the size that is set, whatever was asked for
	SizeIfUnknown   [2]int           // not 0: the size that is set when one is asked for that is not offered
	Format          v4l2.PixelFormat // not 0: the format that is set, whatever was asked for
	Stride          uint32           // not 0: told as bytesperline, whatever rows the frames have
	SizeImage       uint32           // not 0: told as sizeimage, and the length of the buffers
	StepwiseRates   bool             // intervals told as a range
	ContinuousSizes bool             // sizes told as a range, which webcam gives as zeros
}

// Camera is a camera that is plugged in, or was.
type Camera struct {
	kernel  *Kernel
	device  Device
	node    *node // nil: unplugged
	faults  Faults
	control map[uint32]int32
}

// Plug plugs a camera in.
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

// Replug plugs it in again after an Unplug, under the first number that is free from Device.Number on.
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
	c.node = &node{kernel: k, cam: c, number: n}
	c.node.stream = newStream(c.node)
	k.nodes[n] = c.node
	k.ring()
}

// Unplug pulls it out: its node vanishes, every call on an open handle answers ENODEV.
func (c *Camera) Unplug() {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.node != nil {
		c.node.leave()
	}
}

// Node is /dev/videoN, or "" while it is unplugged.
func (c *Camera) Node() string {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	if c.node == nil {
		return ""
	}
	return c.node.path()
}

// Script changes what goes wrong from now on.
func (c *Camera) Script(change func(*Faults)) {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	before := c.faults.Open
	change(&c.faults)
	if c.node != nil {
		c.node.stream.kick()
		if c.faults.Open != before {
			c.kernel.ring() // what makes an open succeed is chown or chmod
		}
	}
}

// Faults is what goes wrong now.
func (c *Camera) Faults() Faults {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return c.faults
}

// Control is the value of a control, by the name that v4l2-ctl prints.
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

// Streaming tells whether somebody streams from it.
func (c *Camera) Streaming() bool {
	c.kernel.mu.Lock()
	defer c.kernel.mu.Unlock()
	return c.node != nil && c.node.stream.on
}

func complete(d Device) Device {
	if d.Card == "" {
		d.Card = "Pretend"
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
			{ID: 0x00980918, Name: "Power Line Frequency", Max: 2, Value: 2, Menu: map[int32]string{0: "Disabled", 1: "50 Hz", 2: "60 Hz"}},
			{ID: 0x009a0901, Name: "Auto Exposure", Max: 3, Value: 3, Menu: map[int32]string{1: "Manual Mode", 3: "Aperture Priority Mode"}},
			{ID: 0x009a0902, Name: "Exposure Time, Absolute", Min: 1, Max: 5000, Value: 156},
			{ID: 0x009a0903, Name: "Exposure, Dynamic Framerate", Max: 1, Boolean: true},
		}
	}
	return d
}

// Do is Script, Unplug and Replug in words, for Subject.Do.
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
		return fmt.Errorf("v4l2test: %q is no word for a camera", what)
	}
	return nil
}
