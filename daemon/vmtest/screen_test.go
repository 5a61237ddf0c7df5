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

// TestScreen shows frames on the machine's own monitor, without X, as an ordinary user who is logged in on a console. The
// witness is the emulator: what its display adapter puts out, and keys that are pressed on its keyboard.
func TestScreen(t *testing.T) {
	startTestCard(t)
	loadDisplays(t)
	frame := newestFrame(t)
	login(t)
	start := func(t *testing.T) {
		t.Helper()
		pressLine(t, "v")
		shows(t, virtioDisplay, "the frame", frame.isOn)
	}

	t.Run("moves", func(t *testing.T) {
		start(t)
		if mode := consoleMode(t, 1); mode != "graphics" {
			t.Errorf("the console is in mode %s", mode)
		}
		before := screenshot(t, virtioDisplay)
		shows(t, virtioDisplay, "another frame", func(now image.Image) bool { return frame.isOn(now) && !same(before, now) })
	})
	t.Run("consoles_are_switched", func(t *testing.T) {
		press(t, "ctrl", "alt", "f2")
		shows(t, virtioDisplay, "text", isText)
		sh(t, "test $(fgconsole) = 2")
		// Nothing keeps the next one, such as X, from the screen.
		if open := sh(t, "ls -l /proc/$(pgrep -x vchatctl)/fd"); strings.Contains(open, "/dev/dri/card") {
			t.Errorf("the card is open while another console is on the screen:\n%s", open)
		}
		press(t, "ctrl", "alt", "f1")
		shows(t, virtioDisplay, "the frame again", frame.isOn)
		press(t, "q")
		consoleIsBack(t)
	})
	for _, end := range []struct{ name, signal string }{
		{"killed", "KILL"}, // nothing of its own can run any more
		{"crashed", "QUIT"},
		{"ended", "TERM"},
	} {
		t.Run(end.name, func(t *testing.T) {
			start(t)
			sh(t, "pkill -x --signal "+end.signal+" vchatctl")
			consoleIsBack(t)
		})
	}
	t.Run("monitor_is_exchanged", func(t *testing.T) {
		start(t)
		sh(t, plugged(virtioConnector, "off"))
		shows(t, bochsDisplay, "the frame", frame.isOn)
		sh(t, plugged(bochsConnector, "off"))
		eventually(t, comesBack, "grep -q 'no monitor is connected' /tmp/view.log")
		sh(t, plugged(virtioConnector, "detect"))
		shows(t, virtioDisplay, "the frame", frame.isOn)
		sh(t, plugged(bochsConnector, "detect"))
		press(t, "q")
		consoleIsBack(t)
	})
	// The kernel hangs a console up when the leader of its session ends.
	t.Run("killed_as_leader_of_the_session", func(t *testing.T) {
		sh(t, "systemctl kill -s KILL shell")
		eventually(t, comesBack, "! systemctl is-active --quiet shell")
		sh(t, onConsole("kiosk", "vchatctl view self --to screen"))
		shows(t, virtioDisplay, "the frame", frame.isOn)
		sh(t, "systemctl kill -s KILL --kill-who=main kiosk")
		eventually(t, comesBack, "test $(kbdinfo -C /dev/tty1 getmode) = text")
		shows(t, virtioDisplay, "text", isText)
	})
	// The packaged unit has no rights but those that it names.
	t.Run("kiosk", func(t *testing.T) {
		t.Cleanup(func() { cleanUp(t, "systemctl stop vchat-view") })
		sh(t, "install -m644 -t /etc/systemd/system /mnt/host/packaging/vchat-view.service; systemctl daemon-reload; systemctl start vchat-view")
		waits := "test $(kbdinfo -C /dev/tty1 getmode) = graphics && ls -l /proc/$(systemctl show -P MainPID vchat-view)/fd | grep -q /dev/dri/card0"
		eventually(t, comesBack, waits)
		shows(t, virtioDisplay, "words", isWords)
		killed := strings.TrimSpace(sh(t, "systemctl show -P MainPID vchat-view"))
		sh(t, "kill -9 "+killed)
		eventually(t, comesBack, "test $(systemctl show -P MainPID vchat-view) != "+killed+" && "+waits)
		sh(t, "systemctl stop vchat-view")
		eventually(t, comesBack, "test $(kbdinfo -C /dev/tty1 getmode) = text")
		shows(t, virtioDisplay, "text", isText)
	})
}

// startTestCard runs alice's daemon with the built-in test frame.
func startTestCard(t *testing.T) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	// Small and slow, so that the emulation has time for the screen.
	put(t, alice.config, "name: alice\ncamera: {device: test, size: 640x360, fps: 5}\ndiscovery: false\n")
	sh(t, "systemctl start "+alice.unit)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the viewer said:\n%s", cleanUp(t, "cat /tmp/view.log; systemctl --no-pager status shell kiosk vchat-view; journalctl --no-pager -u vchat-view | tail -n 30; dmesg | tail || true"))
		}
		cleanUp(t, "systemctl stop "+alice.unit)
	})
}

const (
	virtioConnector = "card0-Virtual-1"
	bochsConnector  = "card1-Virtual-2"
)

// loadDisplays gives the machine its display adapters until the end of the test.
func loadDisplays(t *testing.T) {
	t.Helper()
	sh(t, "for m in virtio-gpu bochs; do modprobe $m; udevadm settle; done; test -e /sys/class/drm/"+virtioConnector+" && test -e /sys/class/drm/"+bochsConnector)
	t.Cleanup(func() {
		cleanUp(t, "chvt 1; for v in /sys/class/vtconsole/*; do ! grep -q 'frame buffer' $v/name || echo 0 >$v/bind; done; rmmod bochs virtio-gpu")
	})
}

// plugged is a script that has a connector claim to have a monitor or not. A virtual one does not tell of it by itself.
func plugged(connector, state string) string {
	return fmt.Sprintf("echo %s >/sys/class/drm/%s/status; udevadm trigger --action=change --subsystem-match=drm", state, connector)
}

// onConsole is a script that runs a program as a user's on console 1, which it leads the session of.
func onConsole(unit, program string) string {
	return "systemd-run --quiet --collect --uid=tester --unit=" + unit + " -p TTYPath=/dev/tty1 -p StandardInput=tty -p StandardOutput=tty -p StandardError=tty " + program
}

// login gives console 1 a shell, in which v is the viewer.
func login(t *testing.T) {
	t.Helper()
	put(t, "/usr/local/bin/v", "#!/bin/sh\nexec vchatctl view self 2>>/tmp/view.log\n")
	sh(t, "chmod 755 /usr/local/bin/v; install -m666 /dev/null /tmp/view.log; chvt 1; "+onConsole("shell", "bash --norc --noediting -i"))
	t.Cleanup(func() { cleanUp(t, "systemctl kill -s KILL shell kiosk 2>/dev/null || true") })
	eventually(t, comesBack, "grep -q 'bash.*\\$' /dev/vcs1")
}

// consoleIsBack waits until there is text on the screen and the shell hears and echoes what is typed.
func consoleIsBack(t *testing.T) {
	t.Helper()
	eventually(t, comesBack, "! pgrep -x vchatctl && ! pgrep -f '[g]uard-console' && test $(kbdinfo -C /dev/tty1 getmode) = text")
	sh(t, "printf '\\033[2J\\033[H' >/dev/tty1")
	pressLine(t, "id")
	eventually(t, comesBack, "tr '\\0' ' ' </dev/vcs1 | grep -q 'id  .*uid=1000(tester)'")
	shows(t, virtioDisplay, "text", isText)
}

func consoleMode(t *testing.T, number int) string {
	t.Helper()
	return strings.TrimSpace(sh(t, fmt.Sprintf("kbdinfo -C /dev/tty%d getmode", number)))
}

// press presses keys of the machine's keyboard at once.
func press(t *testing.T, keys ...string) {
	t.Helper()
	if err := machine.monitor.press(keys...); err != nil {
		t.Fatal(err)
	}
}

// pressLine types a line of letters.
func pressLine(t *testing.T, letters string) {
	t.Helper()
	for _, r := range letters {
		press(t, string(r))
		time.Sleep(150 * time.Millisecond) // a key is held for 100 ms
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

// shows waits until a display shows what it is to.
func shows(t *testing.T, display, what string, ok func(image.Image) bool) {
	t.Helper()
	for deadline := time.Now().Add(comesBack); !ok(screenshot(t, display)); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not show %s within %v; VCHAT_VM_KEEP=1 keeps what it shows: %s", display, what, comesBack, machine.monitor.last)
		}
	}
}

// reference is a frame of the camera.
type reference struct{ image.Image }

func newestFrame(t *testing.T) reference {
	t.Helper()
	eventually(t, comesBack, alice.ctl("snapshot self /tmp/reference.jpg"))
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

// isOn compares a screenshot with the frame, as large as fits in the middle of black. Digits and what moves are some
// percent of it.
func (p reference) isOn(screen image.Image) bool {
	s, b := screen.Bounds(), p.Bounds()
	w, h := s.Dx(), s.Dx()*b.Dy()/b.Dx()
	if h > s.Dy() {
		w, h = s.Dy()*b.Dx()/b.Dy(), s.Dy()
	}
	x0, y0 := (s.Dx()-w)/2, (s.Dy()-h)/2
	points, alike := 0, 0
	for y := 4; y < s.Dy(); y += 8 {
		for x := 4; x < s.Dx(); x += 8 {
			var want color.Color = color.Black
			if image.Pt(x, y).In(image.Rect(x0, y0, x0+w, y0+h)) {
				want = p.At((x-x0)*b.Dx()/w, (y-y0)*b.Dy()/h)
			}
			points++
			if near(want, screen.At(x, y)) {
				alike++
			}
		}
	}
	return alike*100 >= points*85
}

func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	const most = 24 << 8
	return max(ar, br)-min(ar, br) < most && max(ag, bg)-min(ag, bg) < most && max(ab, bb)-min(ab, bb) < most
}

// isText is a console: black, but for a few letters in grey.
func isText(screen image.Image) bool {
	s := screen.Bounds()
	letters := 0
	for y := range s.Dy() {
		for x := range s.Dx() {
			switch r, g, b, _ := screen.At(x, y).RGBA(); {
			case r != g || g != b:
				return false
			case r > 0:
				letters++
			}
		}
	}
	return letters > 0 && letters < s.Dx()*s.Dy()/10
}

// isWords is what the viewer writes where there is no picture: in the middle, where an empty console has nothing.
func isWords(screen image.Image) bool {
	type part interface {
		SubImage(image.Rectangle) image.Image
	}
	s, ok := screen.(part)
	top := screen.Bounds()
	top.Max.Y = top.Dy() / 3
	return isText(screen) && ok && !isText(s.SubImage(top))
}

func same(a, b image.Image) bool {
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
