//go:build vm

package vmtest

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"
	"time"
)

// TestTouch uses the packaged kiosk with touch screens and a mouse of the
// kernel's uinput driver, and no keyboard.
func TestTouch(t *testing.T) {
	startKiosk(t)
	panel := plugPointer(t, "panel", "slots")
	t.Run("a call", func(t *testing.T) {
		ringAndAnswer(t, panel)
		panel.touchUntil(t, "the camera off", control(0), func(st deviceStatus) bool { return st.Privacy })
		awaitScreen(t, virtioDisplay, "a control that is on", func(now image.Image) bool {
			panel.wake(t)
			return !findBox(now, lookText, 40).Empty()
		})
		panel.touchUntil(t, "the camera on", control(0), func(st deviceStatus) bool { return !st.Privacy })

		listen(t)
		panel.touchUntilScreen(t, "a message field", control(1), func(now image.Image) bool {
			return !findBox(now, lookFocus, 300).Empty()
		})
		field := findBox(screenshot(t, virtioDisplay), lookFocus, 300)
		// The lower left ready message is right above the field.
		panel.tap(t, image.Pt(field.Min.X+100, field.Min.Y-35))
		eventually(t, waitTimeout, "grep -q 'On my way' /tmp/events")

		panel.unplug(t)
		panel = plugPointer(t, "panel", "single") // another one, in the call
		panel.touchUntil(t, "the end of the call", hangUp, func(st deviceStatus) bool { return len(st.Calls) == 0 })
		panel.unplug(t)
	})
	t.Run("single", func(t *testing.T) { answerAndEnd(t, plugPointer(t, "old", "single")) })
	t.Run("turned", func(t *testing.T) {
		writeFile(t, "/etc/udev/rules.d/61-touch.rules", `ACTION!="remove", ATTRS{name}=="turned", `+
			`ENV{LIBINPUT_CALIBRATION_MATRIX}="0 -1 1 1 0 0"`+"\n")
		sh(t, "udevadm control --reload")
		answerAndEnd(t, plugPointer(t, "turned", "turned"))
		sh(t, "rm /etc/udev/rules.d/61-touch.rules; udevadm control --reload")
	})
	t.Run("events lost", func(t *testing.T) {
		p := plugPointer(t, "flooding", "slots")
		p.send(t, "flood")
		answerAndEnd(t, p)
	})
	t.Run("mouse", func(t *testing.T) {
		p := plugPointer(t, "mouse", "mouse")
		answerAndEnd(t, p)
	})
}

// answerAndEnd answers a call with a device, hangs up and unplugs the device.
func answerAndEnd(t *testing.T, p pointer) {
	t.Helper()
	ringAndAnswer(t, p)
	p.touchUntil(t, "the end of the call", hangUp, func(st deviceStatus) bool { return len(st.Calls) == 0 })
	p.unplug(t)
}

func ringAndAnswer(t *testing.T, p pointer) {
	t.Helper()
	sh(t, "systemctl stop caller 2>/dev/null || true; systemd-run --quiet --collect --uid=tester --unit=caller "+
		"vchatctl --socket "+bob.socket+" call alice")
	alice.await(t, "a call that rings", func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].State == "incoming"
	})
	answer := func(now image.Image) (image.Point, bool) {
		r := findBox(now, lookAccept, 40)
		return middle(r), !r.Empty()
	}
	p.touchUntil(t, "an answered call", answer, func(st deviceStatus) bool {
		return len(st.Calls) == 1 && st.Calls[0].State == "active"
	})
}

// startKiosk starts both daemons as peers, and the kiosk of alice's device.
func startKiosk(t *testing.T) {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	configure := func(d device, peerID string) {
		// Few small frames leave time for the screen in emulation.
		text := fmt.Sprintf("name: %s\ncamera: {device: test, size: 320x240, fps: 1}\ndiscovery: false\n"+
			"state_dir: %s\ncontrol: {socket: %s}\n", d.name, d.stateDir, d.socket)
		if peerID != "" {
			text += fmt.Sprintf("peers:\n  %s: {address: %s, id: %s}\n", d.peer().name, d.peer().address, peerID)
		}
		writeFile(t, d.config, text)
	}
	for _, d := range []device{alice, bob} {
		configure(d, "")
		sh(t, "systemctl start "+d.unit)
		t.Cleanup(func() { cleanUp(t, "systemctl stop "+d.unit) })
	}
	aliceID, bobID := alice.id(t), bob.id(t)
	configure(alice, bobID)
	configure(bob, aliceID)
	sh(t, "systemctl restart "+alice.unit+" "+bob.unit)
	sh(t, "modprobe -a evdev uinput")
	loadDisplays(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the viewer:\n%s", cleanUp(t, "journalctl --no-pager -u vchat-view | tail -n 30; "+
				"ls -l /dev/input; cat /tmp/events; "+alice.ctl("status")+" || true"))
		}
		cleanUp(t, "systemctl stop vchat-view caller listener 2>/dev/null || true")
	})
	sh(t, "systemctl start vchat-view")
	eventually(t, waitTimeout, "test $(kbdinfo -C /dev/tty1 getmode) = graphics")
}

// listen writes bob's events to a file.
func listen(t *testing.T) {
	t.Helper()
	sh(t, "systemd-run --quiet --collect --uid=tester --unit=listener -p StandardOutput=truncate:/tmp/events "+
		"vchatctl --socket "+bob.socket+" events")
	eventually(t, waitTimeout, "test -s /tmp/events")
}

// A pointer is an inputsim in the guest.
type pointer struct{ name, kind string }

// plugPointer plugs a device in and waits until the kiosk has opened it.
func plugPointer(t *testing.T, name, kind string) pointer {
	t.Helper()
	p := pointer{name, kind}
	sh(t, fmt.Sprintf("systemd-run --quiet --collect --unit=inputsim-%s inputsim -kind %s -name %[1]s "+
		"-commands /run/inputsim-%[1]s", name, kind))
	t.Cleanup(func() { cleanUp(t, "systemctl stop inputsim-"+name+" 2>/dev/null || true") })
	node := "$(for f in /sys/class/input/event*; do ! grep -qx " + name + " $f/device/name || " +
		"echo /dev/input/${f##*/}; done)"
	eventually(t, waitTimeout, "n="+node+"; test -n \"$n\" && "+
		"ls -l /proc/$(systemctl show -P MainPID vchat-view)/fd | grep -q \"$n$\"")
	return p
}

func (p pointer) unplug(t *testing.T) {
	t.Helper()
	sh(t, "systemctl stop inputsim-"+p.name)
	eventually(t, waitTimeout, "! grep -qx "+p.name+" /sys/class/input/event*/device/name")
}

// send sends commands to the device.
func (p pointer) send(t *testing.T, commands ...string) {
	t.Helper()
	sh(t, "printf '%s\\n' '"+strings.Join(commands, "' '")+"' >/run/inputsim-"+p.name)
}

// wake shows the controls of a call, and presses none.
func (p pointer) wake(t *testing.T) {
	t.Helper()
	p.send(t, p.wakeCommand())
}

func (p pointer) wakeCommand() string {
	if p.kind == "mouse" {
		return "move 1 0"
	}
	return "tap 500 75"
}

// tap presses and releases the device at a pixel of the monitor. Just before,
// it shows the controls, which fade sooner than a command takes in emulation.
func (p pointer) tap(t *testing.T, at image.Point) {
	t.Helper()
	const pause = "wait 1200" // the viewer ignores presses on what has just appeared
	if p.kind == "mouse" {
		p.send(t, "move -5000 -5000", fmt.Sprintf("move %d %d", at.X, at.Y), pause, "click")
		return
	}
	p.send(t, p.wakeCommand(), pause, fmt.Sprintf("tap %d %d", at.X*1000/1280, at.Y*1000/800)) // of qemuArgs
}

// finder finds where to touch on the monitor.
type finder func(image.Image) (at image.Point, ok bool)

// touchUntil touches a place until the status satisfies ok. what is its name in
// a failure.
func (p pointer) touchUntil(t *testing.T, what string, where finder, ok func(deviceStatus) bool) {
	t.Helper()
	p.repeat(t, what, where, func() bool { return ok(alice.status(t)) })
}

// touchUntilScreen touches a place until the monitor satisfies ok.
func (p pointer) touchUntilScreen(t *testing.T, what string, where finder, ok func(image.Image) bool) {
	t.Helper()
	p.repeat(t, what, where, func() bool { return ok(screenshot(t, virtioDisplay)) })
}

func (p pointer) repeat(t *testing.T, what string, where finder, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitTimeout); time.Now().Before(deadline); {
		p.wake(t)
		at, ok := image.Point{}, false
		for range 8 {
			if at, ok = where(screenshot(t, virtioDisplay)); ok {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		if !ok {
			continue
		}
		p.tap(t, at)
		time.Sleep(2 * time.Second)
		for range 10 {
			if done() {
				return
			}
			time.Sleep(250 * time.Millisecond)
		}
	}
	t.Fatalf("after %v: got %s, which VCHAT_VM_KEEP=1 keeps, want %s", waitTimeout, machine.monitor.last, what)
}

// Colors of package look.
var (
	lookAccept  = color.RGBA{0x1e, 0x7f, 0x46, 255}
	lookDecline = color.RGBA{0xc9, 0x3a, 0x3a, 255}
	lookFocus   = color.RGBA{0x5c, 0xb3, 0xff, 255}
	lookText    = color.RGBA{0xf2, 0xf5, 0xf7, 255}
)

// findBox returns the bounds of what has a color in the lower quarter of the
// screen, in rows of at least run pixels.
func findBox(screen image.Image, c color.Color, run int) (r image.Rectangle) {
	s := screen.Bounds()
	for y := s.Dy() * 3 / 4; y < s.Dy(); y++ {
		n := 0
		for x := range s.Dx() + 1 {
			if x < s.Dx() && similarColor(c, screen.At(x, y)) {
				n++
				continue
			}
			if n >= run {
				r = r.Union(image.Rect(x-n, y, x, y+1))
			}
			n = 0
		}
	}
	return r
}

func middle(r image.Rectangle) image.Point { return r.Min.Add(r.Max).Div(2) }

// hangUp is the place of the last control of a call.
func hangUp(screen image.Image) (image.Point, bool) {
	r := findBox(screen, lookDecline, 40)
	return middle(r), !r.Empty()
}

// controlsOfCall is how many there are on a screen.
const controlsOfCall = 6

// control returns the place of another control of a call, counted from the
// left. All are as wide, and centered.
func control(n int) finder {
	return func(screen image.Image) (image.Point, bool) {
		last, ok := hangUp(screen)
		first := screen.Bounds().Dx() - last.X
		return image.Pt(first+n*(last.X-first)/(controlsOfCall-1), last.Y), ok
	}
}
