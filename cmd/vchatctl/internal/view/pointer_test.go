package view

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

func TestClickCounter_Press(t *testing.T) {
	const ms = time.Millisecond
	var c ClickCounter
	for _, p := range []struct {
		name string
		at   time.Duration
		x, y int
		want int
	}{
		{"first", 10000 * ms, 100, 100, 1},
		{"second", 10300 * ms, 104, 97, 2},
		{"third", 10400 * ms, 104, 97, 1},
		{"fourth", 10500 * ms, 104, 97, 2},
		{"first again", 12000 * ms, 104, 97, 1},
		{"too late", 12401 * ms, 104, 97, 1},
		{"too far", 12500 * ms, 204, 97, 1},
		{"clock went back", 5000 * ms, 204, 97, 1},
		{"after it", 5100 * ms, 204, 97, 2},
	} {
		if got := c.Press(p.at, p.x, p.y); got != p.want {
			t.Errorf("%s: got %d, want %d", p.name, got, p.want)
		}
	}
}

// place returns the middle of a control as a viewer of this width paints it.
func (r *rig) place(width int, a Action) (x, y int) {
	r.t.Helper()
	return r.placeOf(width, render.Target{Action: a})
}

// placeOf is place for any control.
func (r *rig) placeOf(width int, t render.Target) (x, y int) {
	r.t.Helper()
	h := width * 3 / 4
	p := render.NewPainter(func() {})
	for range 1000 {
		o := r.overlay()
		px := render.Pixels{Pix: make([]byte, 4*width*h), Stride: 4 * width, W: width, H: h, Format: render.BGRX}
		p.Paint(px, nil, nil, 1, &o, true)
		var left, right int
		for y := 0; y < h; y += 4 {
			for x := range width {
				if got, _, ok := p.HitTest(x, y); ok && got == t {
					if left == 0 {
						left = x
					}
					right = x
				}
			}
			if right > 0 {
				return (left + right) / 2, y + 12
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatalf("the control %v is not shown", t)
	return 0, 0
}

// ring lets workshop call the device.
func (r *rig) ring() {
	r.device.SetCall(api.Call{
		ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn, Since: time.Now(),
	})
}

func TestRun_pointer(t *testing.T) {
	const width = 640
	for _, tt := range []struct {
		name string
		act  func(point func(PointerKind, int, int), x, y int)
		want bool // the call is answered
	}{
		{"press and release", func(point func(PointerKind, int, int), x, y int) {
			point(PointerMove, x, y)
			point(PointerPress, x, y)
			point(PointerRelease, x+2, y+2)
		}, true},
		{"slides off", func(point func(PointerKind, int, int), x, y int) {
			point(PointerPress, x, y)
			point(PointerMove, x, 10)
			point(PointerRelease, x, 10)
		}, false},
		{"slides onto it", func(point func(PointerKind, int, int), x, y int) {
			point(PointerPress, x, 10)
			point(PointerRelease, x, y)
		}, false},
		{"released twice", func(point func(PointerKind, int, int), x, y int) {
			point(PointerPress, x, y)
			point(PointerLeave, 0, 0)
			point(PointerRelease, x, y)
		}, false},
		{"press without a release", func(point func(PointerKind, int, int), x, y int) { point(PointerPress, x, y) },
			false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, s := newRig(t), newScreen(width)
			r.ring()
			r.start(Options{Follow: true})
			done := r.show(s)
			x, y := r.place(width, look.ActionAnswer)
			for range 3 { // the painter knows the controls of the display
				<-s.shown
				s.input <- Input{Resized: true}
			}
			time.Sleep(settleTime)
			tt.act(func(kind PointerKind, x, y int) {
				s.input <- Input{Pointer: Pointer{Kind: kind, X: x, Y: y, Clicks: 1}}
			}, x, y)
			if tt.want {
				r.awaitCommand("answer workshop")
			}
			s.input <- Input{Key: KeyRune, Rune: 'q'}
			if err := <-done; err != nil {
				t.Errorf("got %v, want nil", err)
			}
			r.Close()
			answered := slices.ContainsFunc(r.device.Commands(), func(c string) bool {
				return strings.HasPrefix(c, "answer")
			})
			if answered != tt.want {
				t.Errorf("got commands %q, want answered %v", r.device.Commands(), tt.want)
			}
		})
	}
}

func TestRun_doubleClick(t *testing.T) {
	r, s := newRig(t), newScreen(640)
	r.start(Options{Feed: api.Self})
	done := r.show(s)
	<-s.shown
	for _, want := range []bool{true, false} {
		for clicks := 1; clicks <= 2; clicks++ {
			s.input <- Input{Pointer: Pointer{Kind: PointerPress, X: 320, Y: 100, Clicks: clicks}}
			s.input <- Input{Pointer: Pointer{Kind: PointerRelease, X: 320, Y: 100, Clicks: clicks}}
		}
		if on := <-s.full; on != want {
			t.Errorf("got full screen %v, want %v", on, want)
		}
	}
	s.input <- Input{Key: KeyCtrlQ}
	if err := <-done; err != nil {
		t.Errorf("Ctrl-Q: got %v, want nil", err)
	}
}

func TestSession_Press_focus(t *testing.T) {
	r := newRig(t)
	r.ring()
	r.start(Options{Follow: true})
	r.awaitText("workshop is calling", notice)
	focus := func() Action {
		for _, c := range r.overlay().Controls {
			if c.Focused {
				return c.Action
			}
		}
		return look.ActionNone
	}
	first := r.overlay().Controls[0].Action
	last := r.overlay().Controls[1].Action
	for i, step := range []struct {
		key  Key
		want Action
	}{
		{KeyEscape, look.ActionNone}, {KeyTab, first}, {KeyTab, last}, {KeyTab, first}, {KeyBackTab, last},
		{KeyLeft, first},
		{KeyRight, last}, {KeyUp, first}, {KeyDown, last}, {KeyEscape, look.ActionNone}, {KeyBackTab, last},
		{KeyEscape, look.ActionNone},
	} {
		if r.Press(Input{Key: step.key}); focus() != step.want {
			t.Errorf("step %d: got focus %v, want %v", i, focus(), step.want)
		}
	}
	for focus() != look.ActionAnswer {
		r.Press(Input{Key: KeyTab})
	}
	r.Press(Input{Key: KeyRune, Rune: ' '})
	r.awaitCommand("answer workshop")
}

// Enter writes a message when the control that had the focus has faded.
func TestSession_Press_fadedFocus(t *testing.T) {
	r := newRig(t)
	r.viewCall("a frame")
	start := time.Now()
	r.Press(Input{Key: KeyBackTab})
	r.mu.Lock()
	focus := r.focus
	if got := r.awakeUntil.Sub(start); got < focusDuration {
		t.Errorf("the controls stay for %v, want %v for the next key", got, focusDuration)
	}
	r.awakeUntil = time.Now().Add(-time.Second)
	r.mu.Unlock()
	if focus.Action != look.ActionHangUp {
		t.Fatalf("got focus %v, want hang up, which is the last", focus)
	}
	r.press("\nhello\n")
	r.awaitCommand("say workshop hello")
	if slices.Contains(r.device.Commands(), "hangup workshop") {
		t.Error("a control that was not shown has hung up")
	}
}

func TestSession_DisplayState(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	expect := func(want DisplayState) {
		t.Helper()
		for range 1000 {
			if r.DisplayState() == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("got %+v, want %+v", r.DisplayState(), want)
	}
	expect(DisplayState{Title: "vchat"})
	r.ring()
	expect(DisplayState{Title: "workshop is calling", Ringing: true, Busy: true})
	r.inCall(api.CallActive)
	expect(DisplayState{Title: "workshop", Busy: true})
}

// stateScreen is a fake display that takes the state.
type stateScreen struct {
	*screen
	states chan DisplayState
}

func (s *stateScreen) SetState(state DisplayState) { s.states <- state }

// A minimized window shows that a peer calls.
func TestRun_tellsState(t *testing.T) {
	r := newRig(t)
	s := &stateScreen{newScreen(64), make(chan DisplayState, 16)}
	close(s.hidden)
	r.start(Options{Follow: true})
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), r.Session, s) }()
	if got := <-s.states; got.Ringing || got.Title != "vchat" {
		t.Errorf("at first: got %+v, want vchat", got)
	}
	r.ring()
	if got := <-s.states; !got.Ringing || got.Title != "workshop is calling" {
		t.Errorf("got %+v, want that workshop is calling", got)
	}
	s.input <- Input{Key: KeyInterrupt}
	if err := <-done; err != ErrInterrupted {
		t.Errorf("got %v, want %v", err, ErrInterrupted)
	}
}

func TestSettled(t *testing.T) {
	now := time.Now()
	for since, want := range map[time.Duration]bool{0: false, 299 * time.Millisecond: false, settleTime: true} {
		if got := settled(now.Add(-since), now); got != want {
			t.Errorf("there for %v: got %v, want %v", since, got, want)
		}
	}
}

// The key Enter answers while it rings, but not before the caller was to be
// seen, and not in a call.
func TestSession_Press_enterAnswers(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	r.ring()
	r.awaitText("workshop is calling", notice)
	r.mu.Lock()
	given := r.focusGiven
	r.focusGiven = time.Now().Add(time.Hour)
	r.mu.Unlock()
	if given.IsZero() {
		t.Fatal("the control that answers has no focus")
	}
	r.Press(Input{Key: KeyEnter})
	r.mu.Lock()
	typing := r.typing
	r.focusGiven = given.Add(-settleTime)
	r.mu.Unlock()
	if typing || len(r.device.Commands()) > 0 {
		t.Errorf("too early: got typing %v, commands %q, want neither", typing, r.device.Commands())
	}
	r.Press(Input{Key: KeyEnter})
	r.awaitCommand("answer workshop")
}

func TestSession_focusAnswer_inACall(t *testing.T) {
	r := newRig(t)
	r.start(Options{Follow: true})
	r.awaitText("waiting for calls", notice)
	r.inCall(api.CallIncoming) // it gives the focus, which ends with the answer
	r.awaitText("workshop is calling", notice)
	r.inCall(api.CallActive)
	r.awaitText("no picture", notice)
	r.device.SetCall(api.Call{ID: "9", Peer: "garden", State: api.CallIncoming, Direction: api.DirectionIn,
		Since: time.Now()})
	r.awaitText("garden is calling", func(o render.Overlay) string { return o.Banner })
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.focus != (render.Target{}) {
		t.Errorf("got focus %v, want none: Enter writes a message", r.focus)
	}
}

func TestSession_fade(t *testing.T) {
	r := newRig(t)
	r.inCall(api.CallActive)
	r.start(Options{Follow: true})
	r.awaitText("no picture", notice)
	r.Wake()
	r.mu.Lock()
	end := r.awakeUntil
	r.mu.Unlock()
	for _, tt := range []struct {
		after time.Duration
		fade  int
		shown bool
	}{{-1, 0, true}, {0, 1, true}, {tickInterval, 2, true}, {2 * tickInterval, 3, true}, {fadeDuration, 0, false}} {
		o := r.Overlay(end.Add(tt.after), DisplayedFrame{}, DisplayedFrame{})
		if o.Fade != tt.fade || len(o.Controls) > 0 != tt.shown {
			t.Errorf("after %v: got fade %d, %d controls, want %d, shown %v",
				tt.after, o.Fade, len(o.Controls), tt.fade, tt.shown)
		}
	}
}
