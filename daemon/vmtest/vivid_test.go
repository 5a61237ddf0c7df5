//go:build vm

package vmtest

import (
	"fmt"
	"image"
	"image/jpeg"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The kernel's vivid driver is a camera without USB. It has raw frames of any
// format and size, faults on demand, and a control of each type.

const vividNode = "/dev/video20"

// loadVivid loads the driver until the end of the test.
func loadVivid(t *testing.T) {
	t.Helper()
	sh(t, "modprobe vivid n_devs=1 node_types=0x1 vid_cap_nr=20")
	t.Cleanup(func() {
		cleanUp(t, "for i in $(seq 50); do modprobe -r vivid 2>/dev/null && break; sleep 0.2; done; "+
			"! test -e "+vividNode)
	})
	eventually(t, nodeTimeout, fmt.Sprintf(`test "$(stat -c %%G %s)" = video`, vividNode)) // set by udev
	// Without the clock and the counters in the frame, all frames are the same.
	setVivid(t, "osd_text_mode=2,test_pattern=6") // no text, all white
}

// setVivid sets controls of the driver.
func setVivid(t *testing.T, controls string) {
	t.Helper()
	sh(t, "v4l2-ctl -d "+vividNode+" -c "+controls)
}

// startVividCall is startCall with vivid as alice's camera and with more lines
// in its configuration.
func startVividCall(t *testing.T, lines ...string) {
	t.Helper()
	loadVivid(t)
	startDevices(t)
	sh(t, "sed -i 's|^  device: .*|  device: "+vividNode+"|; s|^  size: .*|  size: 640x360|; s|^  fps: .*|  fps: 10|' "+
		alice.config)
	for _, line := range lines {
		sh(t, fmt.Sprintf(`sed -i 's|^camera:|&\n  %s|' %s`, line, alice.config))
	}
	sh(t, "vchatd check-config "+alice.config+" && systemctl restart "+alice.unit)
	sh(t, alice.ctl("call bob"))
}

// snapshot returns the peer's newest frame at this device.
func (d device) snapshot(t *testing.T) image.Image {
	t.Helper()
	m, err := jpeg.Decode(strings.NewReader(sh(t, d.ctl("snapshot "+d.peer().name+" -"))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// awaitFrame waits for a frame of the peer with this size and with this color
// in the middle. It tolerates the errors of two color conversions.
func (d device) awaitFrame(t *testing.T, w, h int, red, green, blue uint8) {
	t.Helper()
	near := func(a uint32, b uint8) bool { return max(a>>8, uint32(b))-min(a>>8, uint32(b)) < 32 }
	var last string
	for deadline := time.Now().Add(waitTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		m := d.snapshot(t)
		size := m.Bounds().Size()
		r, g, b, _ := m.At(size.X/2, size.Y/2).RGBA()
		if size == image.Pt(w, h) && near(r, red) && near(g, green) && near(b, blue) {
			return
		}
		last = fmt.Sprintf("%v with %d %d %d in the middle", size, r>>8, g>>8, b>>8)
	}
	t.Errorf("frame of %s: got %s, want (%d,%d) with %d %d %d", d.peer().name, last, w, h, red, green, blue)
}

// TestVivid_rawFormats sends each raw format as JPEG and without loss.
func TestVivid_rawFormats(t *testing.T) {
	startVividCall(t, "format: auto", "raw: jpeg")
	for _, tt := range []struct {
		format, raw      string
		red, green, blue uint8 // color of a red frame
	}{
		{"yuyv", "jpeg", 255, 0, 0}, {"nv12", "jpeg", 255, 0, 0}, {"grey", "jpeg", 76, 76, 76},
		{"yuyv", "lz4", 255, 0, 0}, {"nv12", "lz4", 255, 0, 0}, {"grey", "lz4", 76, 76, 76},
	} {
		t.Run(tt.format+" "+tt.raw, func(t *testing.T) {
			sh(t, fmt.Sprintf("sed -i 's|^  format: .*|  format: %s|; s|^  raw: .*|  raw: %s|' %s && "+
				"systemctl reload %s", tt.format, tt.raw, alice.config, alice.unit))
			alice.await(t, "a stream of "+tt.format, func(st deviceStatus) bool {
				return st.Camera.State == "streaming" && st.Camera.Format == tt.format
			})
			setVivid(t, "test_pattern=6") // all white
			bob.awaitFrame(t, 640, 360, 255, 255, 255)
			setVivid(t, "test_pattern=7") // all red
			bob.awaitFrame(t, 640, 360, tt.red, tt.green, tt.blue)
			if st := alice.status(t).Camera; st.Broken > 0 || len(st.Warnings) > 0 {
				t.Errorf("got camera %+v, want no broken frame and no warning", st)
			}
		})
	}
}

// TestVivid_faults causes faults that uvcvideo never has on demand.
func TestVivid_faults(t *testing.T) {
	startVividCall(t)
	awaitFrames := func(t *testing.T, before deviceStatus) deviceStatus {
		t.Helper()
		return alice.await(t, "20 more frames", func(st deviceStatus) bool {
			return st.Camera.State == "streaming" && st.Camera.Frames >= before.Camera.Frames+20
		})
	}
	awaitFrames(t, alice.status(t))

	t.Run("flagged", func(t *testing.T) {
		before := alice.status(t)
		for range 5 {
			setVivid(t, "inject_v4l2_buf_flag_error=1")
			time.Sleep(300 * time.Millisecond) // each affects one of ten frames a second
		}
		after := awaitFrames(t, before)
		if n := after.Camera.BrokenBy["flagged"] - before.Camera.BrokenBy["flagged"]; n != 5 {
			t.Errorf("got %d flagged frames, want 5: %+v", n, after.Camera)
		}
		if after.Camera.Reopened > before.Camera.Reopened || after.Camera.Restarted > before.Camera.Restarted {
			t.Errorf("got camera %+v after %+v, want no reopen and no restart because of single broken frames",
				after.Camera, before.Camera)
		}
	})

	t.Run("dropped", func(t *testing.T) {
		before := alice.status(t)
		setVivid(t, "percentage_of_dropped_buffers=50")
		time.Sleep(4 * time.Second)
		setVivid(t, "percentage_of_dropped_buffers=0")
		if after := awaitFrames(t, before); after.Camera.Dropped < before.Camera.Dropped+10 {
			t.Errorf("got %d more dropped frames, want at least 10, as half of 40 were dropped",
				after.Camera.Dropped-before.Camera.Dropped)
		}
	})

	for _, tt := range []struct{ name, control, cause string }{
		{"disconnect", "disconnect=1", "unplugged"},
		{"fatal error", "inject_fatal_streaming_error=1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, cursor := alice.status(t), alice.journalCursor(t)
			setVivid(t, tt.control)
			alice.awaitLog(t, cursor, "camera recovered")
			after := awaitFrames(t, before)
			lost := linesWith(alice.journalSince(t, cursor), "camera lost")
			if len(lost) != 1 || !strings.Contains(lost[0], tt.cause) {
				t.Errorf("lines about the lost camera: got %q, want one with %q", lost, tt.cause)
			}
			if n := after.Camera.Reopened - before.Camera.Reopened; n != 1 {
				t.Errorf("got %d reopens, want 1", n)
			}
		})
	}

	// Each of these controls lets the next call of that name fail.
	for _, control := range []string{
		"inject_vidioc_reqbufs_error", "inject_vidioc_qbuf_error", "inject_vidioc_streamon_error",
	} {
		t.Run(control, func(t *testing.T) {
			time.Sleep(6 * time.Second) // until the camera counts as healthy
			sh(t, alice.ctl("hangup"))
			alice.await(t, "a closed camera", func(st deviceStatus) bool { return st.Camera.State == "idle" })
			before, cursor := alice.status(t), alice.journalCursor(t)
			setVivid(t, control+"=1")
			sh(t, alice.ctl("call bob"))
			awaitFrames(t, before)
			if lost := linesWith(alice.journalSince(t, cursor), "camera lost"); len(lost) != 1 {
				t.Errorf("lines about the lost camera: got %q, want one", lost)
			}
		})
	}
}

func TestVivid_sizes(t *testing.T) {
	startVividCall(t, "format: yuyv")
	for _, tt := range []struct {
		requested string
		w, h      int
		warning   string
	}{
		{"320x180", 320, 180, ""},
		{"640x480", 640, 480, ""},
		{"600x400", 640, 360, "600x400"}, // not a size of the driver
	} {
		t.Run(tt.requested, func(t *testing.T) {
			sh(t, fmt.Sprintf("sed -i 's|^  size: .*|  size: %s|' %s && systemctl reload %s",
				tt.requested, alice.config, alice.unit))
			bob.awaitFrame(t, tt.w, tt.h, 255, 255, 255)
			warnings := strings.Join(alice.status(t).Camera.Warnings, " ")
			if tt.warning == "" && warnings != "" || !strings.Contains(warnings, tt.warning) {
				t.Errorf("got warnings %q, want %q", warnings, tt.warning)
			}
		})
	}
}

// TestVivid_controls sets a control of each type during a stream.
func TestVivid_controls(t *testing.T) {
	startVividCall(t)
	checkControl := func(t *testing.T, control, want string) {
		t.Helper()
		if got := strings.TrimSpace(sh(t, "v4l2-ctl -d "+vividNode+" -C "+control)); got != control+": "+want {
			t.Errorf("v4l2-ctl: got %q, want %q", got, control+": "+want)
		}
	}
	types := make(map[string]string) // by name
	var list struct{ Controls []struct{ Name, Type string } }
	decode(t, sh(t, alice.ctl("camera controls --json")+` | tr -d '\n'`), &list)
	for _, c := range list.Controls {
		types[c.Name] = c.Type
	}
	for _, m := range controlLine.FindAllStringSubmatch(sh(t, "v4l2-ctl -d "+vividNode+" -L"), -1) {
		if _, ok := types[m[1]]; !ok {
			t.Errorf("vchatctl camera controls: got no %q, want it as in v4l2-ctl", m[1])
		}
	}
	for _, tt := range []struct{ typ, set, control, want string }{
		{"int", "brightness=200", "brightness", "200"},
		{"int", "integer_32_bits=-5", "integer_32_bits", "-5"},
		{"int64", "integer_64_bits=-7000000000", "integer_64_bits", "-7000000000"},
		{"bool", "boolean=off", "boolean", "0"},
		{"menu", "menu='Menu Item 4'", "menu", "4 (Menu Item 4)"},
		{"intmenu", "integer_menu=42", "integer_menu", "8 (42 0x2a)"},
		{"bitmask", "bitmask=8192", "bitmask", "8192"},
		{"", "hue=7 saturation=99", "saturation", "99"},
	} {
		t.Run(tt.set, func(t *testing.T) {
			if tt.typ != "" && types[tt.control] != tt.typ {
				t.Errorf("got type %q, want %s", types[tt.control], tt.typ)
			}
			before := alice.status(t).Camera
			sh(t, alice.ctl("camera set "+tt.set))
			checkControl(t, tt.control, tt.want)
			if after := alice.status(t).Camera; after.State != "streaming" || after.Reopened > before.Reopened {
				t.Errorf("got camera %+v after %+v, want an undisturbed stream", after, before)
			}
		})
	}
	for _, invalid := range []string{
		"no_such_control=1", "brightness=256", "brightness=much", "menu=nonsense", "string=abc",
	} {
		t.Run(invalid, func(t *testing.T) {
			out := sh(t, "e=0; "+alice.ctl("camera set "+invalid)+" 2>&1 || e=$?; echo status $e")
			if !containsAll(out, "vchatctl: error: ", "status 2") {
				t.Errorf("got %q, want an error and status 2", out)
			}
		})
	}
	checkControl(t, "brightness", "200")

	// Each open sets the controls again, even if another program has changed
	// them.
	cursor := alice.journalCursor(t)
	setVivid(t, "brightness=10,disconnect=1")
	alice.awaitLog(t, cursor, "camera recovered")
	checkControl(t, "brightness", "200")
}

// controlLine matches, for example, " brightness 0x00980900 (int) : min=0 …".
// It does not match compound controls such as arrays, which have no single
// value.
var controlLine = regexp.MustCompile(
	`(?m)^ +(\w+) 0x[0-9a-f]{8} \((?:int|int64|bool|menu|intmenu|button|bitmask|str)\)`)
