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

// Formats that Open can negotiate. JPEG is another name of MJPEG; Device and
// Mode report it as MJPEG.
const (
	MJPEG PixelFormat = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	JPEG  PixelFormat = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24
	YUYV  PixelFormat = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24 // packed 4:2:2
	NV12  PixelFormat = 'N' | 'V'<<8 | '1'<<16 | '2'<<24 // 4:2:0: a Y plane, then a plane of interleaved Cb and Cr
	GREY  PixelFormat = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 // 8-bit Y, as infrared cameras have
)

// usableFormats are the formats for Open, best first. Frames that the camera
// compresses save bus bandwidth and CPU time. The raw formats follow by chroma
// resolution.
var usableFormats = []PixelFormat{MJPEG, JPEG, YUYV, NV12, GREY}

// String returns the fourcc as v4l2-ctl prints it, such as MJPG.
func (f PixelFormat) String() string {
	b := []byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return strings.TrimRight(string(b), " ")
}

// canonical returns MJPEG for JPEG, else f.
func (f PixelFormat) canonical() PixelFormat {
	if f == JPEG {
		return MJPEG
	}
	return f
}

// byPreference returns usableFormats with f first, if f is one of them.
func byPreference(f PixelFormat) []PixelFormat {
	var preferred, others []PixelFormat
	for _, u := range usableFormats {
		if u.canonical() == f.canonical() {
			preferred = append(preferred, u)
		} else {
			others = append(others, u)
		}
	}
	return append(preferred, others...)
}

// Device is a camera that was found.
type Device struct {
	Path              string        // to open and to show: the requested path, else the by-id name, else the node
	Node              string        // /dev/videoN, valid until the next unplug
	Card, Driver, Bus string        // the driver's names, printable characters only
	Formats           []PixelFormat // what the camera offers, also formats that Open does not use
}

// pipelineDrivers have nodes that are single stages of a system-on-chip's image
// pipeline. They look like cameras, but deliver no frames on their own; a
// Raspberry Pi has many. Find "auto" skips them. A path still selects them.
var pipelineDrivers = []string{"bcm2835-isp", "pispbe", "rp1-cfe", "unicam"}

// rank orders devices for Find "auto". From unfitRank on it skips them.
func (d Device) rank() int {
	if !slices.Contains(pipelineDrivers, d.Driver) {
		for i, f := range usableFormats {
			if slices.Contains(d.Formats, f) {
				return i
			}
		}
	}
	return unfitRank
}

var unfitRank = len(usableFormats)

// List returns the capture nodes in the order in which Find "auto" prefers
// them: MJPEG, YUYV, NV12, GREY, then those it skips. It leaves out metadata
// nodes, converters, and nodes that disappear during the call. Nodes that
// cannot be opened are left out too, unless there is no other: then List
// returns their error. The errors are those of Find. It does not disturb a
// stream.
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

// Find returns one camera. "auto" selects the first of List with a format for
// Open. Anything else is the path of a node, or of a link to one. It does not
// disturb a stream.
//
// Errors: ErrNotFound, ErrNotCamera, ErrPermission, ErrBusy, ErrUnplugged,
// ErrFailed.
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
		return Device{}, &cameraError{device: device, kind: ErrNotFound, message: "no camera is connected"}
	}
	if all[0].rank() < unfitRank {
		return all[0], nil
	}
	var skipped []string
	for _, d := range all {
		skipped = append(skipped, fmt.Sprintf("%s (%s) has %v", d.Path, d.Card, d.Formats))
	}
	return Device{}, &cameraError{device: device, kind: ErrNotFound,
		message: "no camera with MJPEG, YUYV, NV12 or GREY is connected; " + strings.Join(skipped, "; ")}
}

func findPath(k Kernel, path string) (Device, error) {
	d := Device{Path: path, Node: path}
	node, err := k.Resolve(path)
	if err != nil {
		return Device{}, diagnose(k, d, "find", err)
	}
	d.Node = node
	if err := inspect(k, &d); err != nil {
		return Device{}, err
	}
	return d, nil
}

// inspect opens d.Node and fills in the rest of d. It returns ErrNotCamera for
// other nodes.
func inspect(k Kernel, d *Device) error {
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
	for _, f := range probeFormats(p) {
		if f = f.canonical(); !slices.Contains(d.Formats, f) {
			d.Formats = append(d.Formats, f)
		}
	}
	return p.Close()
}

// identify queries an open node. It returns ErrNotCamera for all but
// single-planar capture nodes.
func identify(k Kernel, h Handle, d *Device) error {
	var c uapi.Capability
	if err := h.QueryCap(&c); err != nil {
		return diagnose(k, *d, "QUERYCAP", err)
	}
	d.Card, d.Driver, d.Bus = text(c.Card[:]), text(c.Driver[:]), text(c.BusInfo[:])
	caps := c.Capabilities
	if caps&uapi.CapDeviceCaps != 0 {
		// Capabilities is for the whole device: a UVC camera's metadata node
		// has the capture bit of its sibling there.
		caps = c.DeviceCaps
	}
	message := ""
	switch {
	case caps&(uapi.CapVideoM2M|uapi.CapVideoM2MMP) != 0:
		message = fmt.Sprintf("%s is a converter, not a camera", d.Card)
	case caps&uapi.CapVideoCapture == 0:
		message = fmt.Sprintf("this node of %s does not capture frames", d.Card)
	case caps&uapi.CapStreaming == 0:
		message = fmt.Sprintf("%s cannot stream", d.Card)
	default:
		return nil
	}
	return &cameraError{device: d.Path, kind: ErrNotCamera, message: message}
}

// text returns the printable part of a C string. Drivers pass on unchecked
// strings of the camera's firmware.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return -1
		}
		return r
	}, string(b)))
}
