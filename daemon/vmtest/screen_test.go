//go:build vm

package vmtest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
	"time"
)

// TestScreen shows frames on the machine's monitor without X, as an ordinary
// user who is logged in on a console. It checks the output of the display
// adapter in the emulator, and presses keys of the emulated keyboard.
func TestScreen(t *testing.T) {
	startTestCard(t)
	loadDisplays(t)
	frame := newestFrame(t)
	login(t)
	startViewer := func(t *testing.T) {
		t.Helper()
		typeLine(t, "v")
		awaitScreen(t, virtioDisplay, "the frame", frame.isShown)
	}

	t.Run("frames", func(t *testing.T) {
		startViewer(t)
		if mode := consoleMode(t, 1); mode != "graphics" {
			t.Errorf("console 1: got mode %s, want graphics", mode)
		}
		before := screenshot(t, virtioDisplay)
		awaitScreen(t, virtioDisplay, "another frame", func(now image.Image) bool {
			return frame.isShown(now) && !equal(before, now)
		})
	})
	t.Run("pairing", func(t *testing.T) {
		before := whiteAtTop(screenshot(t, virtioDisplay))
		line := func(now image.Image) bool { return frame.isShown(now) && whiteAtTop(now) > before+1000 }
		ask(t)
		awaitScreen(t, virtioDisplay, "the question above the frame", line)
		press(t, "y")
		alice.await(t, "a code", func(st deviceStatus) bool { return st.Pairing.State == "comparing" })
		awaitScreen(t, virtioDisplay, "the code above the frame", line)
		confirm(t)
	})
	t.Run("switch consoles", func(t *testing.T) {
		press(t, "ctrl", "alt", "f2")
		awaitScreen(t, virtioDisplay, "text", isConsole)
		sh(t, "test $(fgconsole) = 2")
		// The next user of the screen, such as X, must be able to open it.
		if open := sh(t, "ls -l /proc/$(pgrep -x vchatctl)/fd"); strings.Contains(open, "/dev/dri/card") {
			t.Errorf("descriptors on another console: got\n%s\nwant no display adapter", open)
		}
		press(t, "ctrl", "alt", "f1")
		awaitScreen(t, virtioDisplay, "the frame again", frame.isShown)
		press(t, "q")
		awaitConsole(t)
	})
	for _, tt := range []struct{ name, signal string }{
		{"killed", "KILL"}, // the viewer itself cannot restore the console
		{"crashed", "QUIT"},
		{"terminated", "TERM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			startViewer(t)
			sh(t, "pkill -x --signal "+tt.signal+" vchatctl")
			awaitConsole(t)
		})
	}
	t.Run("replace the monitor", func(t *testing.T) {
		startViewer(t)
		sh(t, setConnector(virtioConnector, "off"))
		awaitScreen(t, bochsDisplay, "the frame", frame.isShown)
		sh(t, setConnector(bochsConnector, "off"))
		eventually(t, waitTimeout, "grep -q 'no monitor is connected' /tmp/view.log")
		sh(t, setConnector(virtioConnector, "detect"))
		awaitScreen(t, virtioDisplay, "the frame", frame.isShown)
		sh(t, setConnector(bochsConnector, "detect"))
		press(t, "q")
		awaitConsole(t)
	})
	// The kernel hangs up a console when the leader of its session ends.
	t.Run("killed as session leader", func(t *testing.T) {
		sh(t, "systemctl kill -s KILL shell")
		eventually(t, waitTimeout, "! systemctl is-active --quiet shell")
		sh(t, onConsole("kiosk", "vchatctl view self --to screen"))
		awaitScreen(t, virtioDisplay, "the frame", frame.isShown)
		sh(t, "systemctl kill -s KILL --kill-who=main kiosk")
		eventually(t, waitTimeout, "test $(kbdinfo -C /dev/tty1 getmode) = text")
		awaitScreen(t, virtioDisplay, "text", isConsole)
	})
	// The packaged unit has only the permissions that it lists.
	t.Run("kiosk", func(t *testing.T) {
		t.Cleanup(func() { cleanUp(t, "systemctl stop vchat-view") })
		sh(t, "systemctl start vchat-view")
		hasScreen := "test $(kbdinfo -C /dev/tty1 getmode) = graphics && " +
			"ls -l /proc/$(systemctl show -P MainPID vchat-view)/fd | grep -q /dev/dri/card0"
		eventually(t, waitTimeout, hasScreen)
		awaitScreen(t, virtioDisplay, "a notice", isNotice)
		sh(t, setConnector(virtioConnector, "off")) // the unit sees plugged monitors, too
		awaitScreen(t, bochsDisplay, "a notice", isNotice)
		sh(t, setConnector(virtioConnector, "detect")+"; "+setConnector(bochsConnector, "off"))
		awaitScreen(t, virtioDisplay, "a notice", isNotice)
		sh(t, setConnector(bochsConnector, "detect"))
		idle := screenshot(t, virtioDisplay)
		ask(t)
		awaitScreen(t, virtioDisplay, "the question", func(now image.Image) bool {
			return isNotice(now) && !equal(idle, now)
		})
		press(t, "n")
		alice.await(t, "no question", func(st deviceStatus) bool { return st.Pairing.State == "" })
		eventually(t, waitTimeout, "grep -q 'refused' /tmp/asker.out")
		pid := strings.TrimSpace(sh(t, "systemctl show -P MainPID vchat-view"))
		sh(t, "kill -9 "+pid)
		eventually(t, waitTimeout, "test $(systemctl show -P MainPID vchat-view) != "+pid+" && "+hasScreen)
		sh(t, "systemctl stop vchat-view")
		eventually(t, waitTimeout, "test $(kbdinfo -C /dev/tty1 getmode) = text")
		awaitScreen(t, virtioDisplay, "text", isConsole)
	})
}

// ask lets bob's device ask alice's for a pairing, until the end of the test.
func ask(t *testing.T) {
	t.Helper()
	writeFile(t, bob.config, "name: bob\ncamera: {device: test, size: 320x240, fps: 1}\ndiscovery: false\n"+
		"state_dir: "+bob.stateDir+"\ncontrol: {socket: "+bob.socket+"}\n")
	sh(t, "systemctl start "+bob.unit)
	t.Cleanup(func() { cleanUp(t, "systemctl stop asker 2>/dev/null || true; systemctl stop "+bob.unit) })
	eventually(t, waitTimeout, bob.ctl("id"))
	sh(t, "systemd-run --quiet --collect --uid=tester --unit=asker -p StandardOutput=truncate:/tmp/asker.out "+
		"-p StandardError=truncate:/tmp/asker.out vchatctl --socket "+bob.socket+" pair 10.7.0.1")
	alice.await(t, "a device that asks", func(st deviceStatus) bool { return st.Pairing.State == "requested" })
	time.Sleep(2 * time.Second) // the viewer ignores keys that are pressed as the question appears
}

// confirm confirms the pairing with the key of alice's viewer, and on bob's
// device if both show one code.
func confirm(t *testing.T) {
	t.Helper()
	time.Sleep(2 * time.Second)
	press(t, "y")
	eventually(t, waitTimeout, "grep -q '^code' /tmp/asker.out")
	code := strings.TrimPrefix(strings.TrimSpace(sh(t, "grep '^code' /tmp/asker.out")), "code ")
	alice.await(t, "the same code", func(st deviceStatus) bool { return st.Pairing.Code == code })
	sh(t, bob.ctl("pair --confirm '"+code+"'"))
	eventually(t, waitTimeout, "grep -q 'paired with' /tmp/asker.out && "+alice.ctl("peers")+" | grep -q bob")
	sh(t, alice.ctl("unpair bob")+"; "+bob.ctl("unpair alice")+"; systemctl stop "+bob.unit)
}

// startTestCard starts alice's daemon with the test pattern as its camera.
func startTestCard(t *testing.T) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	// Few small frames leave time for the screen in emulation.
	writeFile(t, alice.config, "name: alice\ncamera: {device: test, size: 640x360, fps: 5}\ndiscovery: false\n")
	sh(t, "systemctl start "+alice.unit)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the viewer:\n%s", cleanUp(t, "cat /tmp/view.log; "+
				"systemctl --no-pager status shell kiosk vchat-view; "+
				"journalctl --no-pager -u vchat-view | tail -n 30; dmesg | tail || true"))
		}
		cleanUp(t, "systemctl stop "+alice.unit)
	})
}

// Connectors of the display adapters in /sys/class/drm.
const (
	virtioConnector = "card0-Virtual-1"
	bochsConnector  = "card1-Virtual-2"
)

// loadDisplays loads the drivers of the display adapters until the end of the
// test.
func loadDisplays(t *testing.T) {
	t.Helper()
	sh(t, "for m in virtio-gpu bochs; do modprobe $m; udevadm settle; done; "+
		"test -e /sys/class/drm/"+virtioConnector+" && test -e /sys/class/drm/"+bochsConnector)
	t.Cleanup(func() {
		cleanUp(t, "chvt 1; for v in /sys/class/vtconsole/*; do "+
			"! grep -q 'frame buffer' $v/name || echo 0 >$v/bind; done; rmmod bochs virtio-gpu")
	})
}

// setConnector returns a script that sets the state of a connector: off, or
// detect. It also sends the event of a change, which a virtual connector does
// not send.
func setConnector(connector, state string) string {
	return fmt.Sprintf("echo %s >/sys/class/drm/%s/status; "+
		"udevadm trigger --action=change --subsystem-match=drm", state, connector)
}

// onConsole returns a script that runs a program on console 1 as an ordinary
// user. The program is the leader of its session.
func onConsole(unit, program string) string {
	return "systemd-run --quiet --collect --uid=tester --unit=" + unit +
		" -p TTYPath=/dev/tty1 -p StandardInput=tty -p StandardOutput=tty -p StandardError=tty " + program
}

// login starts a shell on console 1. In it, the command v starts the viewer.
func login(t *testing.T) {
	t.Helper()
	writeFile(t, "/usr/local/bin/v", "#!/bin/sh\nexec vchatctl view self 2>>/tmp/view.log\n")
	sh(t, "chmod 755 /usr/local/bin/v; install -m666 /dev/null /tmp/view.log; chvt 1; "+
		onConsole("shell", "bash --norc --noediting -i"))
	t.Cleanup(func() { cleanUp(t, "systemctl kill -s KILL shell kiosk 2>/dev/null || true") })
	eventually(t, waitTimeout, `grep -q 'bash.*\$' /dev/vcs1`)
}

// awaitConsole waits until the screen shows text and the shell echoes keys.
func awaitConsole(t *testing.T) {
	t.Helper()
	eventually(t, waitTimeout, "! pgrep -x vchatctl && ! pgrep -f '[g]uard-console' && "+
		"test $(kbdinfo -C /dev/tty1 getmode) = text")
	sh(t, `printf '\033[2J\033[H' >/dev/tty1`)
	typeLine(t, "id")
	eventually(t, waitTimeout, `tr '\0' ' ' </dev/vcs1 | grep -q 'id  .*uid=1000(tester)'`)
	awaitScreen(t, virtioDisplay, "text", isConsole)
}

func consoleMode(t *testing.T, number int) string {
	t.Helper()
	return strings.TrimSpace(sh(t, fmt.Sprintf("kbdinfo -C /dev/tty%d getmode", number)))
}

// press presses keys of the emulated keyboard together.
func press(t *testing.T, keys ...string) {
	t.Helper()
	if err := machine.monitor.press(keys...); err != nil {
		t.Fatal(err)
	}
}

// typeLine types a text of letters, and Enter.
func typeLine(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		press(t, string(r))
		time.Sleep(150 * time.Millisecond) // QEMU holds a key for 100 ms
	}
	press(t, "ret")
}

func screenshot(t *testing.T, display string) image.Image {
	t.Helper()
	img, err := machine.monitor.screenshot(display)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// awaitScreen waits until the output of a display satisfies ok. what is its
// name in a failure.
func awaitScreen(t *testing.T, display, what string, ok func(image.Image) bool) {
	t.Helper()
	for deadline := time.Now().Add(waitTimeout); !ok(screenshot(t, display)); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s after %v: got %s, which VCHAT_VM_KEEP=1 keeps, want %s",
				display, waitTimeout, machine.monitor.last, what)
		}
	}
}

// A reference is a frame of the camera.
type reference struct{ image.Image }

func newestFrame(t *testing.T) reference {
	t.Helper()
	eventually(t, waitTimeout, alice.ctl("snapshot self /tmp/reference.jpg"))
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(sh(t, "base64 /tmp/reference.jpg"), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return reference{img}
}

// isShown reports whether a screenshot shows the frame: scaled to fit, centered
// on black. It allows for 15% of other pixels, because the digits and the
// moving parts of a later frame differ.
func (p reference) isShown(screen image.Image) bool {
	s, b := screen.Bounds(), p.Bounds()
	w, h := s.Dx(), s.Dx()*b.Dy()/b.Dx()
	if h > s.Dy() {
		w, h = s.Dy()*b.Dx()/b.Dy(), s.Dy()
	}
	x0, y0 := (s.Dx()-w)/2, (s.Dy()-h)/2
	pixels, equal := 0, 0
	for y := 4; y < s.Dy(); y += 8 {
		for x := 4; x < s.Dx(); x += 8 {
			var want color.Color = color.Black
			if image.Pt(x, y).In(image.Rect(x0, y0, x0+w, y0+h)) {
				want = p.At((x-x0)*b.Dx()/w, (y-y0)*b.Dy()/h)
			}
			pixels++
			if similarColor(want, screen.At(x, y)) {
				equal++
			}
		}
	}
	return equal*100 >= pixels*85
}

// whiteAtTop returns the number of white pixels in the upper sixth, where a
// line of text appears above a frame.
func whiteAtTop(screen image.Image) (n int) {
	s := screen.Bounds()
	for y := range s.Dy() / 6 {
		for x := range s.Dx() {
			if r, g, b, _ := screen.At(x, y).RGBA(); min(r, g, b) > 0xf000 {
				n++
			}
		}
	}
	return n
}

func similarColor(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	const limit = 24 << 8
	return max(ar, br)-min(ar, br) < limit && max(ag, bg)-min(ag, bg) < limit && max(ab, bb)-min(ab, bb) < limit
}

// isConsole reports whether a screenshot shows a text console: black with few
// grey pixels.
func isConsole(screen image.Image) bool {
	s := screen.Bounds()
	grey := 0
	for y := range s.Dy() {
		for x := range s.Dx() {
			switch r, g, b, _ := screen.At(x, y).RGBA(); {
			case r != g || g != b:
				return false
			case r > 0:
				grey++
			}
		}
	}
	return grey > 0 && grey < s.Dx()*s.Dy()/10
}

// isNotice reports whether a screenshot shows a notice of the viewer without a
// frame: most of it has the viewer's background, which a console does not have.
func isNotice(screen image.Image) bool {
	s := screen.Bounds()
	n := 0
	for y := range s.Dy() {
		for x := range s.Dx() {
			if screen.At(x, y) == (color.RGBA{0x10, 0x14, 0x18, 0xff}) {
				n++
			}
		}
	}
	return n > s.Dx()*s.Dy()/2
}

func equal(a, b image.Image) bool {
	s := a.Bounds()
	for y := range s.Dy() {
		for x := range s.Dx() {
			if a.At(x, y) != b.At(x, y) {
				return false
			}
		}
	}
	return s == b.Bounds()
}
