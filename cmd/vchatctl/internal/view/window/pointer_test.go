package window

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"vchat/cmd/vchatctl/internal/view"
)

// point moves the server's pointer to a place in the window, which is at the
// upper left of the screen.
func (s *server) point(x, y int) {
	xtest.FakeInput(s.conn, xproto.MotionNotify, 0, 0, s.root, int16(x), int16(y), 0)
	s.conn.Sync()
}

func (s *server) button(kind, number byte) {
	xtest.FakeInput(s.conn, kind, number, 0, s.root, 0, 0, 0)
	s.conn.Sync()
}

func TestWindow_pointer(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 300, Height: 200})
	at := func(kind view.PointerKind, x, y, clicks int) view.Input {
		return view.Input{Pointer: view.Pointer{Kind: kind, X: x, Y: y, Clicks: clicks}}
	}
	s.point(20, 30)
	s.expectInput(w, at(view.PointerMove, 20, 30, 0))
	s.button(xproto.ButtonPress, 1)
	s.expectInput(w, at(view.PointerPress, 20, 30, 1))
	s.point(25, 33)
	s.expectInput(w, at(view.PointerMove, 25, 33, 0))
	s.button(xproto.ButtonRelease, 1)
	s.expectInput(w, at(view.PointerRelease, 25, 33, 1))
	s.button(xproto.ButtonPress, 3) // the right button presses nothing
	s.expectInput(w, at(view.PointerMove, 25, 33, 0))
	s.button(xproto.ButtonRelease, 3)
	s.expectInput(w, at(view.PointerMove, 25, 33, 0))
	s.point(400, 300)
	s.expectInput(w, view.Input{Pointer: view.Pointer{Kind: view.PointerLeave}})
}

func TestWindow_button_doubleClick(t *testing.T) {
	w := &Window{input: make(chan view.Input, 8), pointed: make(chan struct{}, 1)}
	const wrap = 1<<32 - 100 // the server's time wraps around after 49 days
	for _, at := range []uint32{1000, 1200, 5000, 5600, wrap, 50} {
		w.button(view.PointerPress, xproto.ButtonPressEvent{Detail: 1, Time: xproto.Timestamp(at)})
	}
	for i, want := range []int{1, 2, 1, 1, 1, 1} {
		if in := <-w.input; in.Pointer.Clicks != want {
			t.Errorf("press %d: got %d clicks, want %d", i, in.Pointer.Clicks, want)
		}
	}
}

// A user who moves the mouse must not lose keys.
func TestWindow_sendInput_moves(t *testing.T) {
	w := &Window{input: make(chan view.Input, 8)}
	for range 100 {
		w.sendInput(view.Input{Pointer: view.Pointer{Kind: view.PointerMove}})
	}
	w.sendInput(view.Input{Key: view.KeyEnter})
	close(w.input)
	var last view.Input
	n := 0
	for last = range w.input {
		n++
	}
	if n > 4 || last.Key != view.KeyEnter {
		t.Errorf("got %d inputs, the last %+v; want at most 3 moves and the key", n, last)
	}
}

func TestWindow_SetState(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 300, Height: 200, Title: "vchat"})
	property := func(p xproto.Atom) []byte {
		got, err := xproto.GetProperty(s.conn, false, w.id, p, xproto.GetPropertyTypeAny, 0, 100).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return got.Value
	}
	urgent := func() bool { return binary.LittleEndian.Uint32(property(xproto.AtomWmHints))&256 != 0 }
	title := func() string { return string(property(w.atoms.name)) }
	if b := property(w.atoms.icon); len(b) < 8 || binary.LittleEndian.Uint32(b) != 48 ||
		binary.LittleEndian.Uint32(b[4:]) != 48 {
		t.Error("the window has no icon of 48 by 48 pixels")
	}
	if n := len(icon()); n != 2+48*48 {
		t.Errorf("got an icon of %d values, want 2 and 48 by 48 pixels", n)
	}
	if urgent() || title() != "vchat" {
		t.Errorf("at first: urgent %v, title %q; want false, vchat", urgent(), title())
	}
	w.SetState(view.DisplayState{Title: "bob is calling", Ringing: true, Busy: true})
	s.waitFor("the title", func() bool { return title() == "bob is calling" })
	s.waitFor("the urgency", urgent)
	w.SetState(view.DisplayState{Title: "bob"})
	s.waitFor("no urgency", func() bool { return !urgent() })
}

func TestWindow_hidesRestingPointer(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	if err := xfixes.Init(s.conn); err != nil {
		t.Skip("no XFIXES extension: ", err)
	}
	if _, err := xfixes.QueryVersion(s.conn, 5, 0).Reply(); err != nil {
		t.Fatal(err)
	}
	s.open(Options{Width: 300, Height: 200})
	visible := func() bool {
		got, err := xfixes.GetCursorImage(s.conn).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(got.CursorImage, func(argb uint32) bool { return argb>>24 != 0 })
	}
	s.point(20, 30)
	s.waitFor("the pointer", visible)
	s.waitFor("no pointer, as it rests", func() bool { return !visible() })
	s.point(21, 30)
	s.waitFor("the pointer again", visible)
}
