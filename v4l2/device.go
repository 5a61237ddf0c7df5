package v4l2

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vchat/v4l2/internal/uapi"
)

// PixelFormat is a V4L2 fourcc.
type PixelFormat uint32

// The formats that Open can settle on. JPEG is MJPEG under another name: no Device or Mode shows it.
const (
	MJPEG PixelFormat = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	JPEG  PixelFormat = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24
	YUYV  PixelFormat = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24 // packed 4:2:2
	NV12  PixelFormat = 'N' | 'V'<<8 | '1'<<16 | '2'<<24 // 4:2:0: a plane of Y, then one of Cb and Cr in turn
	GREY  PixelFormat = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 // 8 bits of Y: infrared cameras
)

// usable are the formats for Open, the best one first: what the camera compresses itself spares the bus and us, and then the one
// with most colour.
var usable = []PixelFormat{MJPEG, JPEG, YUYV, NV12, GREY}

// String is the fourcc as v4l2-ctl prints it.
func (f PixelFormat) String() string {
	b := []byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return strings.TrimRight(string(b), " ")
}

// plain is f under the name by which the rest of the program knows it.
func (f PixelFormat) plain() PixelFormat {
	if f == JPEG {
		return MJPEG
	}
	return f
}

// preferring is usable with f in front, if it is there.
func preferring(f PixelFormat) []PixelFormat {
	var wished, rest []PixelFormat
	for _, u := range usable {
		if u.plain() == f.plain() {
			wished = append(wished, u)
		} else {
			rest = append(rest, u)
		}
	}
	return append(wished, rest...)
}

// Device is a camera that was found.
type Device struct {
	Path              string // what to open and to show: as it was asked for, else the by-id name, else the node
	Node              string // /dev/videoN, good until the next unplug
	Card, Driver, Bus string // as the driver calls them
	Formats           []PixelFormat
}

// pipelineDrivers make nodes that are single stages of a system-on-chip's frame pipeline. They look like cameras and
// give no picture by themselves: auto leaves them alone (on a Raspberry Pi they are many). They can be named outright.
var pipelineDrivers = []string{"bcm2835-isp", "pispbe", "rp1-cfe", "unicam"}

// rank orders devices for auto; from unfit on they are not taken.
func (d Device) rank() int {
	if !slices.Contains(pipelineDrivers, d.Driver) {
		for i, f := range usable {
			if slices.Contains(d.Formats, f) {
				return i
			}
		}
	}
	return unfit
}

var unfit = len(usable)

// List finds the capture nodes, in the order in which auto prefers them: MJPEG, YUYV, NV12, GREY, then what it would not take.
// Nodes that vanish meanwhile, and those that carry metadata or belong to a converter, are left out. A node that cannot
// be looked at is an error only if there is no other. A camera that streams elsewhere is not disturbed.
func List(k Kernel) ([]Device, error) {
	k = orLinux(k)
	all, err := survey(k)
	if err != nil {
		return nil, err
	}
	var found []Device
	var failed error
	for _, f := range all {
		if f.Err == nil {
			found = append(found, f.Device)
		} else if failed == nil {
			failed = f.Err
		}
	}
	if len(found) == 0 {
		return nil, failed
	}
	slices.SortStableFunc(found, func(a, b Device) int { return cmp.Compare(a.rank(), b.rank()) })
	return found, nil
}

// Find finds one camera: "auto" takes the first of List that gives a format for Open; anything else is a path, of a
// node or of a link to one. Without one the error is ErrNotFound, or says why the one that is there cannot be looked at.
func Find(k Kernel, device string) (Device, error) {
	k = orLinux(k)
	if device != "auto" {
		return findPath(k, device)
	}
	all, err := List(k)
	if err != nil {
		return Device{}, err
	}
	if len(all) == 0 {
		return Device{}, &fault{device: device, kind: ErrNotFound, says: "no camera is connected"}
	}
	if all[0].rank() < unfit {
		return all[0], nil
	}
	var not []string
	for _, d := range all {
		not = append(not, fmt.Sprintf("%s (%s) has %v", d.Path, d.Card, d.Formats))
	}
	return Device{}, &fault{device: device, kind: ErrNotFound,
		says: "no camera with MJPEG, YUYV, NV12 or GREY is connected; " + strings.Join(not, "; ")}
}

func findPath(k Kernel, path string) (Device, error) {
	d := Device{Path: path, Node: path}
	node, err := k.Resolve(path)
	if err != nil {
		return Device{}, diagnose(k, d, "find", err)
	}
	d.Node = node
	if err := look(k, &d); err != nil {
		return Device{}, err
	}
	return d, nil
}

// look fills in what d.Node says of itself. Not a camera: ErrNotCamera.
func look(k Kernel, d *Device) error {
	h, err := k.Open(d.Node)
	if err != nil {
		return diagnose(k, *d, "open", err)
	}
	err = identify(k, h, d)
	if e := h.Close(); err == nil && e != nil {
		err = diagnose(k, *d, "close", e)
	}
	if err != nil {
		return err
	}
	p, err := k.Probe(d.Node)
	if err != nil {
		return diagnose(k, *d, "open", err)
	}
	for _, f := range formats(p) {
		if f = f.plain(); !slices.Contains(d.Formats, f) {
			d.Formats = append(d.Formats, f)
		}
	}
	return p.Close()
}

// identify asks an open node what it is, and refuses all but single-planar capture nodes.
func identify(k Kernel, h Handle, d *Device) error {
	var c uapi.Capability
	if err := h.QueryCap(&c); err != nil {
		return diagnose(k, *d, "QUERYCAP", err)
	}
	d.Card, d.Driver, d.Bus = text(c.Card[:]), text(c.Driver[:]), text(c.BusInfo[:])
	caps := c.Capabilities
	if caps&uapi.CapDeviceCaps != 0 {
		caps = c.DeviceCaps // a UVC camera's metadata node carries the capture bit of its sibling in the other field
	}
	switch {
	case caps&(uapi.CapVideoM2M|uapi.CapVideoM2MMP) != 0:
		return &fault{device: d.Path, kind: ErrNotCamera, says: fmt.Sprintf("%s is a converter, not a camera", d.Card)}
	case caps&uapi.CapVideoCapture == 0:
		return &fault{device: d.Path, kind: ErrNotCamera, says: fmt.Sprintf("this node of %s does not give frames", d.Card)}
	case caps&uapi.CapStreaming == 0:
		return &fault{device: d.Path, kind: ErrNotCamera, says: fmt.Sprintf("%s cannot stream", d.Card)}
	}
	return nil
}

// text is a C string as far as it is printable: drivers pass on what the camera's firmware says.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return -1
		}
		return r
	}, string(b)))
}
