package screen

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// pointed returns what the pointers have sent, such as "press 10,20", and
// whether a repaint was asked for.
func (r *testScreen) pointed() (got []string, repaint bool) {
	time.Sleep(10 * readPause)
	synctest.Wait()
	names := map[view.PointerKind]string{view.PointerMove: "move", view.PointerPress: "press",
		view.PointerRelease: "release", view.PointerLeave: "leave"}
	for {
		select {
		case in := <-r.Input():
			repaint = repaint || in.Resized
			if name := names[in.Pointer.Kind]; name != "" {
				got = append(got, fmt.Sprintf("%s %d,%d", name, in.Pointer.X, in.Pointer.Y))
				if in.Pointer.Clicks == 2 {
					got = append(got, "double")
				}
			}
		default:
			return got, repaint
		}
	}
}

func (r *testScreen) expectPointed(want ...string) {
	r.t.Helper()
	if got, _ := r.pointed(); !slices.Equal(got, want) {
		r.t.Errorf("got %q, want %q", got, want)
	}
}

// The monitor has 64 by 48 pixels.
func TestScreen_touch(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event0", newPanel())
		synctest.Wait()
		d.events <- finger(0, 7, 100, 100)
		r.expectPointed("move 0,0", "press 0,0")
		d.events <- lift(0)
		r.expectPointed("release 0,0")
		d.events <- finger(0, 8, 1100, 600) // at once again: a double tap needs the same place
		r.expectPointed("move 63,47", "press 63,47")
		d.events <- finger(1, 9, 600, 350) // a second finger
		d.events <- lift(0)
		d.events <- finger(0, 10, 600, 350) // the second one still lies there
		d.events <- lift(0)
		d.events <- lift(1)
		r.expectPointed("release 63,47")
		d.events <- events(abs(uapi.AbsMTSlot, 0), abs(uapi.AbsMTTrackingID, 11), syn()) // where it was last
		d.events <- lift(0)
		r.expectPointed("move 32,24", "press 32,24", "release 32,24")
		d.events <- finger(0, 12, 600, 350)
		r.expectPointed("move 32,24", "press 32,24", "double")
	})
}

func TestScreen_mouse(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event3", newMouse())
		synctest.Wait()
		r.paint(9)
		d.events <- events(rel(uapi.RelX, -2), rel(uapi.RelY, 1), syn())
		r.expectPointed("move 30,25")
		d.events <- events(btn(uapi.BtnLeft, 1), syn(), btn(uapi.BtnLeft, 0), syn())
		r.expectPointed("press 30,25", "release 30,25")
		d.events <- events(rel(uapi.RelX, 1<<30), rel(uapi.RelX, 1<<30), rel(uapi.RelY, -1<<31), syn())
		r.expectPointed("move 63,0")
		d.events <- events(rel(uapi.RelX, -100), rel(uapi.RelY, 100), rel(uapi.RelY, -80), syn())
		_, repaint := r.pointed()
		if !repaint {
			t.Error("a movement asked for no repaint")
		}
		// The arrow has its tip at 0,20 and a black edge.
		arrow := func() byte {
			p := r.paint(9)
			tip := p.Pix[20*p.Stride]
			if p.Pix[19*p.Stride] != 9 || p.Pix[20*p.Stride+4] != 9 {
				t.Error("the arrow is drawn elsewhere")
			}
			return tip
		}
		if got := arrow(); got != 0 {
			t.Errorf("tip of the arrow: got %d, want 0", got)
		}
		time.Sleep(cursorTimeout)
		if _, repaint := r.pointed(); !repaint {
			t.Error("the fading arrow asked for no repaint")
		}
		if got := arrow(); got != 9 {
			t.Errorf("3 s later: got %d, want 9, the frame", got)
		}
		r.expectShown(0, "9")
	})
}

// A tablet of an emulator reports where it is, as a touch screen does.
func TestScreen_tablet(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event1", &fakeInput{
			caps: capabilities{keys: setOf(uapi.BtnLeft), rels: setOf(), axes: setOf(uapi.AbsX, uapi.AbsY),
				props: setOf()},
			axes: map[uint16]uapi.AbsInfo{uapi.AbsX: {Max: 32767}, uapi.AbsY: {Max: 32767}},
		})
		synctest.Wait()
		d.events <- events(abs(uapi.AbsX, 32767), abs(uapi.AbsY, 32767), syn())
		d.events <- events(btn(uapi.BtnLeft, 1), syn())
		d.events <- events(btn(uapi.BtnLeft, 0), syn())
		r.expectPointed("move 63,47", "press 63,47", "release 63,47")
	})
}

func TestScreen_touchpad(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		pad := newPanel()
		pad.caps.props = setOf(uapi.PropPointer)
		d := k.plug("event1", pad)
		synctest.Wait()
		d.events <- finger(0, 1, 600, 300)
		time.Sleep(tapTime)
		d.events <- finger(0, 1, 700, 300) // a tenth of its width
		r.expectPointed("move 40,24")
		d.events <- events(btn(uapi.BtnLeft, 1), syn(), btn(uapi.BtnLeft, 0), syn())
		r.expectPointed("press 40,24", "release 40,24")
		d.events <- lift(0)
		d.events <- finger(0, 2, 200, 200) // moves nothing
		d.events <- lift(0)                // soon: a tap
		r.expectPointed("press 40,24", "double", "release 40,24")
	})
}

func TestScreen_rotatedPanel(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		panel := newPanel()
		panel.panel = parseCalibration("0 -1 1 1 0 0\n") // turned clockwise by 90°
		d := k.plug("event0", panel)
		synctest.Wait()
		d.events <- finger(0, 7, 100, 100)
		r.expectPointed("move 63,0", "press 63,0")
		d.events <- lift(0)
		r.expectPointed("release 63,0")
		d.turn(noCalibration) // udev knows better now
		d.events <- finger(0, 8, 100, 100)
		r.expectPointed("move 0,0", "press 0,0")
	})
}

// A touch screen without the axes of a single finger, and one without slots;
// both with odd ranges.
func TestScreen_shapesOfPanels(t *testing.T) {
	for _, tt := range []struct {
		name   string
		x, y   uapi.AbsInfo
		single bool
	}{
		{"0 to 4095", uapi.AbsInfo{Max: 4095}, uapi.AbsInfo{Max: 4095}, false},
		{"from below 0", uapi.AbsInfo{Min: -2048, Max: 2047}, uapi.AbsInfo{Min: -300, Max: -100}, false},
		{"one finger", uapi.AbsInfo{Min: -2048, Max: 2047}, uapi.AbsInfo{Min: 3, Max: 1 << 30}, true},
		{
			"the whole range",
			uapi.AbsInfo{Min: -1 << 31, Max: 1<<31 - 1}, uapi.AbsInfo{Min: -1 << 31, Max: 1<<31 - 1}, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, _ := oneMonitor()
			runTest(t, k, func(r *testScreen) {
				panel := newPanel()
				panel.caps.props = setOf() // an old driver
				panel.caps.axes = setOf(uapi.AbsMTSlot, uapi.AbsMTPositionX, uapi.AbsMTPositionY, uapi.AbsMTTrackingID)
				panel.axes = map[uint16]uapi.AbsInfo{uapi.AbsMTSlot: {Max: 9}, uapi.AbsMTPositionX: tt.x,
					uapi.AbsMTPositionY: tt.y}
				if tt.single {
					panel.caps.axes = setOf(uapi.AbsX, uapi.AbsY)
					panel.axes = map[uint16]uapi.AbsInfo{uapi.AbsX: tt.x, uapi.AbsY: tt.y}
				}
				d := k.plug("event0", panel)
				synctest.Wait()
				touch := func(x, y int32) []byte {
					if tt.single {
						return events(btn(uapi.BtnTouch, 1), abs(uapi.AbsX, x), abs(uapi.AbsY, y), syn())
					}
					return finger(0, 7, x, y)
				}
				up := lift(0)
				if tt.single {
					up = events(btn(uapi.BtnTouch, 0), syn())
				}
				d.events <- touch(tt.x.Max, tt.y.Min)
				d.events <- up
				r.expectPointed("move 63,0", "press 63,0", "release 63,0")
				d.events <- touch(tt.x.Min, tt.y.Max)
				d.events <- up
				r.expectPointed("move 0,47", "press 0,47", "release 0,47")
			})
		})
	}
}

func TestScreen_plugsInputs(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		keyboard := k.plug("event0", &fakeInput{caps: capabilities{keys: setOf(30), rels: setOf(), axes: setOf(),
			props: setOf()}})
		d := newMouse()
		d.opening = unix.EACCES // udev has not set the group yet
		k.plug("event1", d)
		synctest.Wait()
		if d.isOpen() || keyboard.isOpen() {
			t.Error("got the mouse or the keyboard open, want neither")
		}
		time.Sleep(5 * scanDelay) // udev is slow
		k.allowOpening(d)
		time.Sleep(maxScanDelay)
		synctest.Wait()
		if !d.isOpen() || len(r.logged) > 0 {
			t.Errorf("got open %v, logged %q, want the mouse open and nothing logged", d.isOpen(), r.logged)
		}
		k.unplug("event1")
		time.Sleep(scanDelay)
		synctest.Wait()
		again := k.plug("event1", newMouse())
		synctest.Wait()
		again.events <- events(rel(uapi.RelX, 1), syn())
		r.expectPointed("leave 0,0", "move 33,24")
	})
}

func TestScreen_noPermissionForInputs(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := newMouse()
		d.opening = unix.EACCES
		k.plug("event0", d)
		time.Sleep(time.Minute)
		k.plug("event1", d)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(r.logged) != 1 || !strings.Contains(r.logged[0], "group input") {
			t.Errorf("logged %q, want the group once", r.logged)
		}
	})
}

// The user of another console does not press what is not on the screen.
func TestScreen_inputsOfOtherConsole(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event0", newPanel())
		synctest.Wait()
		r.console.signals <- releaseSignal
		synctest.Wait()
		if d.isOpen() || r.console.leaves != 1 {
			t.Errorf("away: got open %v, %d leaves; want closed, 1", d.isOpen(), r.console.leaves)
		}
		mouse := k.plug("event1", newMouse())
		time.Sleep(2 * scanDelay)
		synctest.Wait()
		if mouse.isOpen() {
			t.Error("away: a new mouse was opened")
		}
		r.console.signals <- acquireSignal
		synctest.Wait()
		if !d.isOpen() || !mouse.isOpen() {
			t.Error("back: the devices are not open")
		}
		r.pointed()
	})
}

// A device that floods gets a bounded number of reads, and keys still come.
func TestScreen_floodingDevice(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := newMouse()
		for range 20 {
			d.flood = append(d.flood, events(rel(uapi.RelX, 1), syn())...)
		}
		k.plug("event0", d)
		time.Sleep(time.Second)
		r.console.keys <- []byte("a")
		synctest.Wait()
		d.mu.Lock()
		reads := d.reads
		d.mu.Unlock()
		if most := int(time.Second/readPause) + 1; reads > most {
			t.Errorf("got %d reads in a second, want at most %d", reads, most)
		}
		found := false
		for !found {
			select {
			case in := <-r.Input():
				found = in.Rune == 'a'
			default:
				t.Fatal("the key is lost")
			}
		}
		r.console.signals <- releaseSignal
		time.Sleep(readPause)
		synctest.Wait()
		if r.console.leaves != 1 || d.isOpen() {
			t.Error("the flood delays the switch of consoles")
		}
	})
}

func TestScreen_eventsLost(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event0", newPanel())
		synctest.Wait()
		d.events <- finger(0, 7, 600, 350)
		r.expectPointed("move 32,24", "press 32,24")
		d.mu.Lock()
		d.ids[0] = 7 // the finger is still down
		d.mu.Unlock()
		d.events <- events(event(uapi.EvSyn, uapi.SynDropped, 0), abs(uapi.AbsMTTrackingID, -1), syn())
		r.expectPointed("leave 0,0")
		d.events <- events(abs(uapi.AbsMTTrackingID, -1), syn())
		r.expectPointed()
		d.events <- finger(0, 8, 600, 350)
		r.expectPointed("move 32,24", "press 32,24", "double")
	})
}

func TestScreen_idle(t *testing.T) {
	k, _ := oneMonitor()
	k.idle = time.Minute
	runTest(t, k, func(r *testScreen) {
		d := k.plug("event0", newPanel())
		r.paint(1)
		r.SetState(view.DisplayState{Title: "vchat"})
		time.Sleep(k.idle)
		synctest.Wait()
		r.expectShown(0, "dark")
		r.paint(2) // is dropped
		r.expectShown(0, "dark")

		d.events <- finger(0, 1, 600, 350)
		d.events <- lift(0)
		r.expectPointed("move 32,24", "release 32,24") // the press only wakes
		r.expectShown(0, "1")
		r.paint(3)
		r.expectShown(0, "3")
		d.events <- finger(0, 2, 600, 350)
		r.expectPointed("move 32,24", "press 32,24")

		time.Sleep(k.idle)
		synctest.Wait()
		r.expectShown(0, "dark")
		r.console.keys <- []byte("h")
		r.expectRepaint()
		r.expectShown(0, "3")
		if got, _ := r.pointed(); len(got) > 0 {
			t.Errorf("got %q", got)
		}

		time.Sleep(k.idle)
		synctest.Wait()
		r.expectShown(0, "dark")
		r.SetState(view.DisplayState{Title: "bob is calling", Ringing: true, Busy: true})
		r.expectRepaint()
		r.expectShown(0, "3")
		time.Sleep(10 * k.idle)
		synctest.Wait()
		r.expectShown(0, "3") // a call keeps it on

		r.SetState(view.DisplayState{Title: "vchat"})
		time.Sleep(k.idle)
		synctest.Wait()
		r.expectShown(0, "dark")
		r.console.signals <- releaseSignal
		r.expectPointed("leave 0,0")
		r.console.signals <- acquireSignal
		r.expectRepaint()
		r.paint(4)
		r.expectShown(0, "4")
	})
}

func TestParseCalibration(t *testing.T) {
	for text, want := range map[string]calibration{
		"1 0 0 0 1 0":       noCalibration,
		"0 1 0 -1 0 1\n":    {0, 1, 0, -1, 0, 1},
		"0.5 0 0.25 0 1 0":  {0.5, 0, 0.25, 0, 1, 0},
		"":                  noCalibration,
		"1 0 0 0 1":         noCalibration,
		"1 0 0 0 1 0 0 0 1": noCalibration,
		"NaN 0 0 0 1 0":     noCalibration,
		"1 0 Inf 0 1 0":     noCalibration,
		"1 0 x 0 1 0":       noCalibration,
	} {
		if got := parseCalibration(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestCapabilities_kind(t *testing.T) {
	none := setOf()
	xy := setOf(uapi.AbsX, uapi.AbsY)
	for _, tt := range []struct {
		name string
		caps capabilities
		want deviceKind
	}{
		{"keyboard", capabilities{setOf(1, 30), none, none, none}, notPointer},
		{"mouse", capabilities{setOf(uapi.BtnLeft), setOf(uapi.RelX, uapi.RelY), none, none}, mouse},
		{"keyboard with a wheel", capabilities{setOf(30), setOf(8), none, none}, notPointer},
		{"old touch screen", capabilities{setOf(uapi.BtnTouch), none, xy, none}, touchScreen},
		{"touch screen", newPanel().caps, touchScreen},
		{"touchpad", capabilities{setOf(uapi.BtnTouch, uapi.BtnLeft, uapi.BtnToolFinger), none, xy,
			setOf(uapi.PropPointer)}, touchpad},
		{"old touchpad", capabilities{setOf(uapi.BtnTouch, uapi.BtnLeft, uapi.BtnToolFinger), none, xy, none},
			touchpad},
		{"tablet of an emulator", capabilities{setOf(uapi.BtnLeft), none, xy, none}, tablet},
		{"accelerometer", capabilities{none, none, xy, setOf(uapi.PropAccelerometer)}, notPointer},
		{"joystick", capabilities{setOf(0x120), none, xy, none}, notPointer},
		{"nothing", capabilities{}, notPointer},
	} {
		if got := tt.caps.kind(); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
