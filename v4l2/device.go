package v4l2

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"vchat/v4l2/internal/uapi"
)

// PixelFormat is a V4L2 fourcc.
type PixelFormat uint32

// Formats that Open can negotiate. JPEG is another name of MJPEG; Device and
// Mode report it as MJPEG.
const (
	MJPEG PixelFormat = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24
	JPEG  PixelFormat = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24

	// Packed 4:2:2. The name is the order of the bytes of two pixels.
	YUYV PixelFormat = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24
	UYVY PixelFormat = 'U' | 'Y'<<8 | 'V'<<16 | 'Y'<<24
	YVYU PixelFormat = 'Y' | 'V'<<8 | 'Y'<<16 | 'U'<<24
	VYUY PixelFormat = 'V' | 'Y'<<8 | 'U'<<16 | 'Y'<<24

	// A Y plane, then a plane of interleaved Cb and Cr (NV12, NV16) or Cr and
	// Cb (NV21, NV61).
	NV12 PixelFormat = 'N' | 'V'<<8 | '1'<<16 | '2'<<24 // 4:2:0
	NV21 PixelFormat = 'N' | 'V'<<8 | '2'<<16 | '1'<<24 // 4:2:0
	NV16 PixelFormat = 'N' | 'V'<<8 | '1'<<16 | '6'<<24 // 4:2:2
	NV61 PixelFormat = 'N' | 'V'<<8 | '6'<<16 | '1'<<24 // 4:2:2

	// Three planes: Y, Cb, Cr; of YV12 Y, Cr, Cb.
	YU12    PixelFormat = 'Y' | 'U'<<8 | '1'<<16 | '2'<<24 // 4:2:0
	YV12    PixelFormat = 'Y' | 'V'<<8 | '1'<<16 | '2'<<24 // 4:2:0
	YUV422P PixelFormat = '4' | '2'<<8 | '2'<<16 | 'P'<<24 // 4:2:2

	RGB24 PixelFormat = 'R' | 'G'<<8 | 'B'<<16 | '3'<<24 // three bytes a pixel: red, green, blue
	BGR24 PixelFormat = 'B' | 'G'<<8 | 'R'<<16 | '3'<<24 // three bytes a pixel: blue, green, red
	GREY  PixelFormat = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 // 8-bit Y, as infrared cameras have
)

// usableFormats are the formats for Open, best first. Frames that the camera
// compresses save bus bandwidth and CPU time. The raw formats follow by chroma
// resolution, and then by the work to encode them.
var usableFormats = []PixelFormat{
	MJPEG, JPEG, YUYV, UYVY, YVYU, VYUY, NV16, NV61, YUV422P, NV12, NV21, YU12, YV12, RGB24, BGR24, GREY,
}

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
	if d.standalone() {
		for i, f := range usableFormats {
			if slices.Contains(d.Formats, f) {
				return i
			}
		}
	}
	return unfitRank
}

var unfitRank = len(usableFormats)

// usable reports whether Find "auto" accepts the camera.
func (d Device) usable() bool { return d.rank() < unfitRank }

func (d Device) isPipelineStage() bool { return slices.Contains(pipelineDrivers, d.Driver) }

// standalone reports whether the node delivers frames on its own.
func (d Device) standalone() bool { return !d.isPipelineStage() }

// List returns the capture nodes in the order in which Find "auto" prefers
// them: by the order of usableFormats, then those it skips. It leaves out
// metadata nodes, converters, and nodes that disappear during the call. Nodes
// that cannot be opened are left out too, unless there is no other: then List
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
func Find(k Kernel, device string) (Device, error) { return find(orLinux(k), device, Device.usable) }

// FindAny is Find for queries: "auto" also selects a camera without a format
// for Open, if there is no other.
func FindAny(k Kernel, device string) (Device, error) {
	return find(orLinux(k), device, Device.standalone)
}

// find returns one camera. "auto" selects the first one that suits.
func find(k Kernel, device string, suits func(Device) bool) (Device, error) {
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
	if i := slices.IndexFunc(all, suits); i >= 0 {
		return all[i], nil
	}
	var skipped []string
	for _, d := range all {
		skipped = append(skipped, fmt.Sprintf("%s (%s) has %v", d.Path, d.Card, d.Formats))
	}
	return Device{}, &cameraError{device: device, kind: ErrNotFound,
		message: fmt.Sprintf("no camera with a usable format is connected; %s; %s",
			strings.Join(skipped, "; "), all[0].execHint())}
}

// execHint returns advice for a camera without a usable format: a command that
// converts its frames.
func (d Device) execHint() string {
	command := fmt.Sprintf("ffmpeg -loglevel error -f v4l2 -i %s -c:v mjpeg -q:v 4 -f mjpeg -", d.Path)
	if d.isPipelineStage() { // its frames need the processing of libcamera
		command = "rpicam-vid --codec mjpeg --width 1280 --height 720 --timeout 0 --nopreview -o -"
	}
	return fmt.Sprintf("a program can convert its frames; set camera.device to %q", "exec:"+command)
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
	var all []PixelFormat
	if err == nil {
		all, err = offeredFormats(k, h, *d)
	}
	if e := h.Close(); err == nil && e != nil {
		err = diagnose(k, *d, "close", e)
	}
	for _, f := range all {
		if f = f.canonical(); !slices.Contains(d.Formats, f) {
			d.Formats = append(d.Formats, f)
		}
	}
	return err
}

// offeredFormats returns the driver's fourccs. It opens the second descriptor,
// of webcam, for a moment.
func offeredFormats(k Kernel, h Handle, d Device) ([]PixelFormat, error) {
	p, err := k.Probe(d.Node)
	if err != nil {
		return nil, diagnose(k, d, "open", err)
	}
	return probeFormats(h, p), p.Close()
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
		if r == utf8.RuneError || !unicode.IsPrint(r) { // also no character that hides or turns text
			return -1
		}
		return r
	}, string(b)))
}
