package view

import (
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
)

// A double click is two presses within this time and this distance in pixels.
const (
	doubleClickTime     = 400 * time.Millisecond
	doubleClickDistance = 24 // a finger is not exact
)

// ClickCounter finds double clicks. The zero value is ready.
type ClickCounter struct {
	at    time.Duration // of the last press
	x, y  int
	count int
}

// Press returns Pointer.Clicks for a press. at is a time on any clock that does
// not go back; if it does, the press is a first one.
func (c *ClickCounter) Press(at time.Duration, x, y int) int {
	since := at - c.at
	near := max(x-c.x, c.x-x, y-c.y, c.y-y) <= doubleClickDistance
	if c.count == 1 && since >= 0 && since <= doubleClickTime && near {
		c.count = 2
	} else {
		c.count = 1
	}
	c.at, c.x, c.y = at, x, y
	return c.count
}

// settleTime is how long a control must be there before a user can have aimed
// at it. A caller must not be answered by a click that was meant for the button
// that was there before.
const settleTime = 300 * time.Millisecond

// settled reports whether a control that is there since a time can be pressed.
func settled(since, now time.Time) bool { return now.Sub(since) >= settleTime }

// point handles a mouse or a finger. A control acts when the pointer is
// released where it was pressed: who slides off it changes nothing.
func (v *viewer) point(p Pointer) {
	if p.Kind == PointerNone {
		return
	}
	t, since, ok := v.painter.HitTest(p.X, p.Y)
	held := v.pressed
	switch p.Kind {
	case PointerLeave:
		v.pressed = render.Target{}
		return
	case PointerPress:
		v.pressed = t
		if !settled(since, time.Now()) {
			v.pressed = render.Target{}
		}
		// The first click may have been on a control that is gone.
		if !ok && p.Clicks == 2 && !v.onControl {
			v.session.Do(ActionFullscreen)
		}
		v.onControl = ok
	case PointerRelease:
		v.pressed = render.Target{}
		if ok && t == held {
			v.session.press(t)
		}
	}
	v.session.Wake()
}
