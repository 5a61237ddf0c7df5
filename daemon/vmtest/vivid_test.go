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

// The kernel's vivid is a camera without USB: it gives raw frames in any format and size, fails by control, and has a
// control of each kind.

// plugInVivid loads the driver for the time of the test and returns its node.
func plugInVivid(t *testing.T) (node string) {
	t.Helper()
	sh(t, "modprobe vivid n_devs=1 node_types=0x1 vid_cap_nr=20")
	t.Cleanup(func() {
		cleanUp(t, "for i in $(seq 50); do modprobe -r vivid 2>/dev/null && break; sleep 0.2; done; ! test -e /dev/video20")
	})
	node = "/dev/video20"
	eventually(t, 30*time.Second, fmt.Sprintf(`test "$(stat -c %%G %s)" = video`, node)) // udev is done with it
	// Its clock and counters in the frame would differ from one to the next.
	sh(t, "v4l2-ctl -d "+node+" -c osd_text_mode=2,test_pattern=6") // no text; all white
	return node
}

// startVividCall is startCall with vivid as alice's camera and more lines for the configuration of it.
func startVividCall(t *testing.T, lines ...string) (node string) {
	t.Helper()
	node = plugInVivid(t)
	startDevices(t)
	sh(t, "sed -i 's|^  device: .*|  device: "+node+"|; s|^  size: .*|  size: 640x360|; s|^  fps: .*|  fps: 10|' "+alice.config)
	for _, line := range lines {
		sh(t, fmt.Sprintf("sed -i 's|^camera:|&\\n  %s|' %s", line, alice.config))
	}
	sh(t, "vchatd check-config "+alice.config+" && systemctl restart "+alice.unit)
	sh(t, alice.ctl("call bob"))
	return node
}

// snapshot is bob's newest frame of alice, decoded.
func (d device) snapshot(t *testing.T) image.Image {
	t.Helper()
	m, err := jpeg.Decode(strings.NewReader(sh(t, d.ctl("snapshot "+d.peer().name+" -"))))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shows waits until the peer's frame is of this size and has this colour in its middle, near enough for two conversions.
func (d device) shows(t *testing.T, w, h int, red, green, blue uint8) {
	t.Helper()
	near := func(a uint32, b uint8) bool { return max(a>>8, uint32(b))-min(a>>8, uint32(b)) < 32 }
	var last string
	for deadline := time.Now().Add(comesBack); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		m := d.snapshot(t)
		size := m.Bounds().Size()
		r, g, b, _ := m.At(size.X/2, size.Y/2).RGBA()
		if size == image.Pt(w, h) && near(r, red) && near(g, green) && near(b, blue) {
			return
		}
		last = fmt.Sprintf("%v, its middle %d %d %d", size, r>>8, g>>8, b>>8)
	}
	t.Errorf("%s's frame is of %s; want (%d,%d), %d %d %d", d.peer().name, last, w, h, red, green, blue)
}

// TestRawFormats shows each raw format at the other side, as JPEG and without loss.
func TestRawFormats(t *testing.T) {
	node := startVividCall(t, "format: auto", "raw: jpeg")
	for _, tt := range []struct {
		format, raw      string
		red, green, blue uint8 // of what is red
	}{
		{"yuyv", "jpeg", 255, 0, 0}, {"nv12", "jpeg", 255, 0, 0}, {"grey", "jpeg", 76, 76, 76},
		{"yuyv", "lz4", 255, 0, 0}, {"nv12", "lz4", 255, 0, 0}, {"grey", "lz4", 76, 76, 76},
	} {
		t.Run(tt.format+" "+tt.raw, func(t *testing.T) {
			sh(t, fmt.Sprintf("sed -i 's|^  format: .*|  format: %s|; s|^  raw: .*|  raw: %s|' %s && systemctl reload %s", tt.format, tt.raw, alice.config, alice.unit))
			alice.has(t, "stream of "+tt.format, func(st deviceStatus) bool {
				return st.Camera.State == "streaming" && st.Camera.Format == tt.format
			})
			sh(t, "v4l2-ctl -d "+node+" -c test_pattern=6") // all white
			bob.shows(t, 640, 360, 255, 255, 255)
			sh(t, "v4l2-ctl -d "+node+" -c test_pattern=7") // all red
			bob.shows(t, 640, 360, tt.red, tt.green, tt.blue)
			if st := alice.status(t).Camera; st.Broken > 0 || len(st.Warnings) > 0 {
				t.Errorf("%+v, want none broken, no warning", st)
			}
		})
	}
}

// TestVividFaults has the driver do, one after the other, what uvcvideo never does on demand.
func TestVividFaults(t *testing.T) {
	node := startVividCall(t)
	set := func(control string) { t.Helper(); sh(t, "v4l2-ctl -d "+node+" -c "+control) }
	goesOn := func(t *testing.T, since deviceStatus) deviceStatus {
		t.Helper()
		return alice.has(t, "more frames", func(st deviceStatus) bool {
			return st.Camera.State == "streaming" && st.Camera.Frames >= since.Camera.Frames+20
		})
	}
	goesOn(t, alice.status(t))

	t.Run("flagged", func(t *testing.T) {
		before := alice.status(t)
		for range 5 {
			set("inject_v4l2_buf_flag_error=1")
			time.Sleep(300 * time.Millisecond) // each hits one frame, of ten a second
		}
		after := goesOn(t, before)
		if n := after.Camera.BrokenBy["flagged"] - before.Camera.BrokenBy["flagged"]; n != 5 {
			t.Errorf("%d counted as flagged, want 5: %+v", n, after.Camera)
		}
		if after.Camera.Reopened > before.Camera.Reopened || after.Camera.Restarted > before.Camera.Restarted {
			t.Errorf("before %+v, after %+v: single broken frames are no reason to reopen", before.Camera, after.Camera)
		}
	})

	t.Run("dropped", func(t *testing.T) {
		before := alice.status(t)
		set("percentage_of_dropped_buffers=50")
		time.Sleep(4 * time.Second)
		set("percentage_of_dropped_buffers=0")
		if after := goesOn(t, before); after.Camera.Dropped < before.Camera.Dropped+10 {
			t.Errorf("dropped %d, then %d: half of 40 frames were", before.Camera.Dropped, after.Camera.Dropped)
		}
	})

	for _, tt := range []struct{ name, control, cause string }{
		{"disconnect", "disconnect=1", "unplugged"},
		{"fatal error", "inject_fatal_streaming_error=1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, since := alice.status(t), alice.journal(t)
			set(tt.control)
			eventually(t, comesBack, fmt.Sprintf("journalctl --no-pager -o cat -u %s --after-cursor '%s' | grep -q 'camera recovered'", alice.unit, since))
			after := goesOn(t, before)
			lost := about("camera lost", alice.logged(t, since))
			if len(lost) != 1 || !strings.Contains(lost[0], tt.cause) {
				t.Errorf("logged %q, want one line with %q", lost, tt.cause)
			}
			if after.Camera.Reopened != before.Camera.Reopened+1 {
				t.Errorf("reopened %d times, want once", after.Camera.Reopened-before.Camera.Reopened)
			}
		})
	}

	// These fail the next call of that name.
	for _, call := range []string{"inject_vidioc_reqbufs_error", "inject_vidioc_qbuf_error", "inject_vidioc_streamon_error"} {
		t.Run(call, func(t *testing.T) {
			sh(t, alice.ctl("hangup"))
			alice.has(t, "closed camera", func(st deviceStatus) bool { return st.Camera.State == "idle" })
			before, since := alice.status(t), alice.journal(t)
			set(call + "=1")
			sh(t, alice.ctl("call bob"))
			goesOn(t, before)
			if lost := about("camera lost", alice.logged(t, since)); len(lost) != 1 {
				t.Errorf("logged %q, want one line", lost)
			}
		})
	}
}

// TestVividSizes wishes for sizes, of which the last one is none of the driver's.
func TestVividSizes(t *testing.T) {
	startVividCall(t, "format: yuyv")
	for _, tt := range []struct {
		wish    string
		w, h    int
		warning string
	}{{"320x180", 320, 180, ""}, {"640x480", 640, 480, ""}, {"600x400", 640, 360, "600x400"}} {
		sh(t, fmt.Sprintf("sed -i 's|^  size: .*|  size: %s|' %s && systemctl reload %s", tt.wish, alice.config, alice.unit))
		bob.shows(t, tt.w, tt.h, 255, 255, 255)
		if w := strings.Join(alice.status(t).Camera.Warnings, " "); tt.warning == "" && w != "" || !strings.Contains(w, tt.warning) {
			t.Errorf("%s: warnings %q, want %q", tt.wish, w, tt.warning)
		}
	}
}

// TestVividControls sets a control of each kind while the camera streams.
func TestVividControls(t *testing.T) {
	node := startVividCall(t)
	is := func(control, want string) {
		t.Helper()
		if got := strings.TrimSpace(sh(t, "v4l2-ctl -d "+node+" -C "+control)); got != control+": "+want {
			t.Errorf("the kernel says %q, want %s", got, want)
		}
	}
	listed := make(map[string]string) // types by name
	var all struct{ Controls []struct{ Name, Type string } }
	decode(t, sh(t, alice.ctl("camera controls --json")+" | tr -d '\n'"), &all)
	for _, c := range all.Controls {
		listed[c.Name] = c.Type
	}
	for _, m := range controlLine.FindAllStringSubmatch(sh(t, "v4l2-ctl -d "+node+" -L"), -1) {
		if _, ok := listed[m[1]]; !ok {
			t.Errorf("v4l2-ctl lists %q, vchatctl camera controls does not", m[1])
		}
	}
	for _, tt := range []struct{ kind, set, control, want string }{
		{"int", "brightness=200", "brightness", "200"},
		{"int", "integer_32_bits=-5", "integer_32_bits", "-5"},
		{"int64", "integer_64_bits=-7000000000", "integer_64_bits", "-7000000000"},
		{"bool", "boolean=off", "boolean", "0"},
		{"menu", "menu='Menu Item 4'", "menu", "4 (Menu Item 4)"},
		{"intmenu", "integer_menu=42", "integer_menu", "8 (42 0x2a)"},
		{"bitmask", "bitmask=8192", "bitmask", "8192"},
		{"", "hue=7 saturation=99", "saturation", "99"},
	} {
		if tt.kind != "" && listed[tt.control] != tt.kind {
			t.Errorf("%s is listed as %q, want %s", tt.control, listed[tt.control], tt.kind)
		}
		before := alice.status(t).Camera
		if out, err := machine.shell(t.Context(), alice.ctl("camera set "+tt.set), ""); err != nil {
			t.Errorf("camera set %s: %v %s", tt.set, err, out)
			continue
		}
		is(tt.control, tt.want)
		if after := alice.status(t).Camera; after.State != "streaming" || after.Reopened > before.Reopened {
			t.Errorf("camera set %s: before %+v, after %+v: it disturbed the stream", tt.set, before, after)
		}
	}
	for _, bad := range []string{"no_such_control=1", "brightness=256", "brightness=much", "menu=nonsense", "string=abc"} {
		out := sh(t, "e=0; "+alice.ctl("camera set "+bad)+" 2>&1 || e=$?; echo status $e")
		if !contains(out, "vchatctl: error: ", "status 2") {
			t.Errorf("camera set %s: %q, want an error and status 2", bad, out)
		}
	}
	is("brightness", "200")

	// What was set is set again by each open, whatever happened to it meanwhile.
	since := alice.journal(t)
	sh(t, "v4l2-ctl -d "+node+" -c brightness=10,disconnect=1")
	eventually(t, comesBack, fmt.Sprintf("journalctl --no-pager -o cat -u %s --after-cursor '%s' | grep -q 'camera recovered'", alice.unit, since))
	is("brightness", "200")
}

// controlLine is for " brightness 0x00980900 (int)    : min=0 …"; arrays and other compounds are nothing to set by a word.
var controlLine = regexp.MustCompile(`(?m)^ +(\w+) 0x[0-9a-f]{8} \((?:int|int64|bool|menu|intmenu|button|bitmask|str)\)`)
