package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vchat/daemon/api"
)

const (
	firstFrameTimeout = 4 * time.Second // a camera needs up to two to open
	measureTime       = 2500 * time.Millisecond

	minRateShare = 0.8 // of the configured rate; less is a problem, as for the daemon

	// usb2Payload is what a USB 2 port carries of a camera, in Mbit/s: three
	// packets of 1024 bytes in each microframe of 125 µs.
	usb2Payload = 196

	maxHolders = 3

	noCamera     = "no camera is connected" // as vchatd says it
	noCameraHint = "plug one in; a Pi camera module needs an exec: camera, see /usr/share/doc/vchat/cameras.md"
)

// checkCamera reports whether the camera works, and measures what it delivers.
func (f *facts) checkCamera(ctx context.Context) []Finding {
	if !f.running() {
		return f.checkNodes()
	}
	if f.status.Privacy {
		return []Finding{{Level: Skipped, Subject: "camera", Message: "not measured: privacy is on",
			Hint: "vchatctl privacy off"}}
	}
	info := f.cameraInfo(ctx)
	node := info.Node
	var found []Finding
	if node != "" {
		found = append(found, f.nodeRights(node)...)
	}
	rate, measureErr := f.measure(ctx)
	now, err := f.daemon.Status(ctx)
	if err != nil {
		now = f.status
	}
	x := Finding{Level: OK, Subject: "camera", Name: join(" ", now.Camera.Device, parens(now.Camera.Name))}
	c := now.Camera
	switch {
	case errors.Is(measureErr, errCovered):
		x.Level, x.Message = Skipped, "not measured: privacy is on"
	case measureErr != nil:
		x.Level, x.Message, x.Hint = Problem, measureErr.Error(), "vchatctl camera lists the cameras"
		if c.Reason != "" {
			x.Message = strings.TrimPrefix(c.Reason, c.Device+": ")
		}
		if x.Message == noCamera {
			x.Hint = noCameraHint
		}
		if holders := f.holders(node, info.InUseBy); len(holders) > 0 {
			x.Message, x.Hint = "in use by "+strings.Join(holders, ", "), "end the other program"
		}
	default:
		x.Message = join(" ", "delivers", c.Format, c.Size, fmt.Sprintf("at %.1f frames a second", rate))
		if len(info.Formats) > 0 {
			x.Message += "; it offers " + strings.Join(info.Formats, " ")
		}
	}
	found = append(found, x)
	if measureErr == nil {
		found = append(found, f.rateFinding(now, rate, x.Name)...)
	}
	return append(found, f.usbFinding(node, now, info)...)
}

// rateFinding reports a rate below the configured one, and what the daemon
// warns of.
func (f *facts) rateFinding(now api.Status, rate float64, name string) (found []Finding) {
	const lightHint = "in dim light a camera exposes longer: more light, or vchatctl camera controls, " +
		"where exposure_dynamic_framerate=off keeps the rate"
	slow := f.diagnosis != nil && rate < minRateShare*float64(f.diagnosis.Camera.FPS)
	for _, w := range now.Camera.Warnings {
		x := Finding{Level: Problem, Subject: "camera", Name: name, Message: strings.TrimPrefix(w,
			now.Camera.Device+" ")}
		if strings.Contains(w, "frames a second") {
			x.Hint, slow = lightHint+"; or set a fps that it has: vchatctl camera formats", false
		}
		found = append(found, x)
	}
	if slow {
		found = append(found, Finding{Level: Problem, Subject: "camera", Name: name, Hint: lightHint,
			Message: fmt.Sprintf("%.1f frames a second arrive, and %d are configured", rate, f.diagnosis.Camera.FPS)})
	}
	return found
}

// cameraInfo returns the camera of the daemon; the zero CameraInfo if it is no
// V4L2 device or not connected.
func (f *facts) cameraInfo(ctx context.Context) api.CameraInfo {
	all, err := f.daemon.Cameras(ctx)
	i := slices.IndexFunc(all.Cameras, func(c api.CameraInfo) bool { return c.Used })
	if err != nil || i < 0 {
		return api.CameraInfo{}
	}
	return all.Cameras[i]
}

var (
	errCovered  = errors.New("privacy is on")
	errNoFrames = fmt.Errorf("no frame within %v", firstFrameTimeout)
)

// measure opens the feed of the camera for a few seconds and returns the rate
// that the camera delivers, by its own time stamps and sequence numbers: frames
// that this program is too slow to read count too.
func (f *facts) measure(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.AfterFunc(firstFrameTimeout, cancel)
	defer timer.Stop()
	feed, err := f.daemon.Self(ctx)
	if err != nil {
		return 0, err
	}
	defer feed.Close()
	var first, last struct {
		seq uint64
		at  time.Duration
	}
	for n := 0; ; {
		frame, err := feed.Next()
		if err != nil {
			if ctx.Err() != nil && n < 2 {
				err = errNoFrames
			}
			if n < 2 {
				return 0, err
			}
			break
		}
		if frame.Card {
			continue
		}
		last.seq, last.at = frame.Seq, frame.Monotonic
		if n++; n == 1 {
			first = last
			timer.Reset(2 * measureTime) // for a camera that stops now
		}
		if last.at-first.at >= measureTime {
			break
		}
	}
	if last.at <= first.at || last.seq <= first.seq {
		return 0, errNoFrames
	}
	return float64(last.seq-first.seq) / (last.at - first.at).Seconds(), nil
}

// nodeRights reports a camera that the daemon's user may not open.
func (f *facts) nodeRights(node string) []Finding {
	info, err := f.stat(node)
	d := f.diagnosis
	if err != nil || d == nil || d.UID == 0 {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&0o006 == 0o006 || int(st.Uid) == d.UID ||
		info.Mode()&0o060 == 0o060 && slices.Contains(d.GIDs, int(st.Gid)) {
		return nil
	}
	owner := groupName(f.groups(), int(st.Gid))
	return []Finding{{Level: Problem, Subject: "camera", Name: node,
		Message: fmt.Sprintf("the user of vchatd is not in the group %s, which may use it", owner),
		Hint:    "sudo usermod -aG " + owner + " vchat, then sudo systemctl restart vchatd"}}
}

// holders returns the programs that have a camera open, besides vchatd. Only
// root sees those of other users.
func (f *facts) holders(node string, known []string) []string {
	if len(known) > 0 || node == "" {
		return known
	}
	var all []string
	for _, pid := range f.entries("/proc") {
		if _, err := strconv.ParseUint(pid, 10, 31); err != nil || len(all) == maxHolders {
			continue
		}
		dir := path.Join("/proc", pid)
		if name := f.line(dir + "/comm"); name != "vchatd" && f.hasOpen(dir+"/fd", node) {
			all = append(all, fmt.Sprintf("%s (pid %s)", strings.ToValidUTF8(name, "?"), pid))
		}
	}
	return all
}

func (f *facts) hasOpen(fdDir, node string) bool {
	return slices.ContainsFunc(f.entries(fdDir), func(fd string) bool { return f.link(path.Join(fdDir, fd)) == node })
}

// usbFinding reports whether the port of a USB camera is fast enough.
func (f *facts) usbFinding(node string, now api.Status, info api.CameraInfo) []Finding {
	speed, ok := f.usbSpeed(node)
	if !ok {
		return nil
	}
	x := Finding{Level: OK, Subject: "usb", Name: node, Message: fmt.Sprintf("on a port of %g Mbit/s", speed)}
	raw := rawMbits(now.Camera, f.diagnosis)
	switch {
	case speed < 100:
		x.Level, x.Message = Problem, x.Message+", which is too slow for a camera"
		x.Hint = "plug it directly into the board, with another cable"
	case raw > usb2Payload && speed < 1000:
		x.Level, x.Message = Problem, fmt.Sprintf("%s, which carries %d; raw %s frames need %.0f", x.Message,
			usb2Payload,
			now.Camera.Size, raw)
		x.Hint = "set camera.format to mjpeg if the camera offers MJPG, or a smaller camera.size"
	case raw > 0 && slices.Contains(info.Formats, "MJPG"):
		x.Level, x.Message = Note, x.Message+", in use for raw frames"
		x.Hint = "camera.format: mjpeg needs a tenth of the bandwidth, and no encoding here"
	}
	return []Finding{x}
}

// rawMbits returns the bit rate that raw frames need at the configured rate; 0
// for a camera that sends no raw ones.
func rawMbits(c api.Camera, d *api.Diagnosis) float64 {
	bits := map[string]float64{"yuyv": 16, "nv12": 12, "grey": 8}[c.Format]
	var w, h float64
	if _, err := fmt.Sscanf(c.Size, "%fx%f", &w, &h); err != nil || d == nil {
		return 0
	}
	return bits * w * h * float64(d.Camera.FPS) / 1e6
}

// usbSpeed returns the speed of the port of a USB camera, in Mbit/s.
func (f *facts) usbSpeed(node string) (float64, bool) {
	if !strings.HasPrefix(node, "/dev/video") {
		return 0, false
	}
	dir := f.link("/sys/class/video4linux/" + path.Base(node))
	for range 8 { // levels up to the USB device
		if !strings.HasPrefix(dir, "/sys/devices/") {
			return 0, false
		}
		if speed, ok := parseSpeed(f.line(dir + "/speed")); ok {
			return speed, true
		}
		dir = path.Dir(dir)
	}
	return 0, false
}

// checkNodes reports the cameras of the kernel, without a daemon.
func (f *facts) checkNodes() (found []Finding) {
	for _, name := range f.entries("/sys/class/video4linux") {
		dir, node := "/sys/class/video4linux/"+name, "/dev/"+name
		if !strings.HasPrefix(name, "video") || f.line(dir+"/index") != "0" || len(found) == maxFaults {
			continue // a node for metadata
		}
		x := Finding{Level: OK, Subject: "camera", Name: join(" ", node, parens(strings.ToValidUTF8(f.line(dir+"/name"),
			"?"))),
			Message: "is connected; not measured, because vchatd does not run"}
		if _, err := f.stat(node); errors.Is(err, fs.ErrNotExist) {
			x.Level, x.Message, x.Hint = Problem, node+" does not exist", "is udev running? sudo udevadm trigger"
		} else if holders := f.holders(node, nil); len(holders) > 0 {
			x.Level, x.Message, x.Hint = Problem, "in use by "+strings.Join(holders, ", "), "end the other program"
		}
		found = append(found, x)
		found = append(found, f.usbFinding(node, api.Status{}, api.CameraInfo{})...)
	}
	if found == nil {
		return []Finding{{Level: Note, Subject: "camera", Message: noCamera, Hint: noCameraHint}}
	}
	return found
}

func parens(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// join joins the parts that are not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), sep)
}
