package window

import (
	"encoding/binary"
	"os"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// atoms are the names that are said to the server and the window manager: those of ICCCM and of the Extended Window Manager
// Hints, and one of our own.
type atoms struct {
	protocols, deleteWindow, clientMachine   xproto.Atom
	utf8, name, pid                          xproto.Atom
	state, fullscreen, supported, supporting xproto.Atom
	shown                                    xproto.Atom
}

func (a *atoms) intern(conn *xgb.Conn) error {
	for _, one := range []struct {
		to   *xproto.Atom
		name string
	}{
		{&a.protocols, "WM_PROTOCOLS"},
		{&a.deleteWindow, "WM_DELETE_WINDOW"},
		{&a.clientMachine, "WM_CLIENT_MACHINE"},
		{&a.utf8, "UTF8_STRING"},
		{&a.name, "_NET_WM_NAME"},
		{&a.pid, "_NET_WM_PID"},
		{&a.state, "_NET_WM_STATE"},
		{&a.fullscreen, "_NET_WM_STATE_FULLSCREEN"},
		{&a.supported, "_NET_SUPPORTED"},
		{&a.supporting, "_NET_SUPPORTING_WM_CHECK"},
		{&a.shown, "_VCHAT_SHOWN"},
	} {
		reply, err := xproto.InternAtom(conn, false, uint16(len(one.name)), one.name).Reply()
		if err != nil {
			return err
		}
		*one.to = reply.Atom
	}
	return nil
}

// describe tells the window manager what the window is.
func (w *Window) describe(title string) {
	host, _ := os.Hostname()
	w.setText(xproto.AtomWmName, xproto.AtomString, latin1(title))
	w.setText(w.atoms.name, w.atoms.utf8, title)
	w.setText(xproto.AtomWmClass, xproto.AtomString, "vchat\x00Vchat\x00")
	w.setText(w.atoms.clientMachine, xproto.AtomString, latin1(host))
	w.setWords(w.atoms.pid, xproto.AtomCardinal, uint32(os.Getpid()))
	w.setWords(w.atoms.protocols, xproto.AtomAtom, uint32(w.atoms.deleteWindow))
	// A window manager that frames the window puts the window where place says, and not the frame.
	const winGravity = 1 << 9
	hints := make([]uint32, 18)
	hints[0], hints[17] = winGravity, xproto.GravityStatic
	w.setWords(xproto.AtomWmNormalHints, xproto.AtomWmSizeHints, hints...)
	const inputHint, normalState = 1, 1
	w.setWords(xproto.AtomWmHints, xproto.AtomWmHints, inputHint, 1, normalState, 0, 0, 0, 0, 0, 0)
}

// latin1 is what may stand in a STRING.
func latin1(s string) string {
	var b []byte
	for _, r := range s {
		if r > 0xff {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}

func (w *Window) setText(property, kind xproto.Atom, text string) {
	xproto.ChangeProperty(w.conn, xproto.PropModeReplace, w.id, property, kind, 8, uint32(len(text)), []byte(text))
}

func (w *Window) setWords(property, kind xproto.Atom, words ...uint32) {
	var b []byte
	for _, word := range words {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	xproto.ChangeProperty(w.conn, xproto.PropModeReplace, w.id, property, kind, 32, uint32(len(words)), b)
}

// words reads a property of a window, or of none.
func (w *Window) words(of xproto.Window, property xproto.Atom) []uint32 {
	reply, err := xproto.GetProperty(w.conn, false, of, property, xproto.GetPropertyTypeAny, 0, 4096).Reply()
	if err != nil || reply.Format != 32 {
		return nil
	}
	var words []uint32
	for b := reply.Value; len(b) >= 4; b = b[4:] {
		words = append(words, binary.LittleEndian.Uint32(b))
	}
	return words
}

// isManaged says whether there is a window manager at all: only one client may have the right to decide about windows.
func (w *Window) isManaged() bool {
	root, err := xproto.GetWindowAttributes(w.conn, w.screen.Root).Reply()
	return err == nil && root.AllEventMasks&xproto.EventMaskSubstructureRedirect != 0
}

// focus gives the window the keyboard where no window manager does.
func (w *Window) focus() {
	if !w.isManaged() {
		xproto.SetInputFocus(w.conn, xproto.InputFocusPointerRoot, w.id, xproto.TimeCurrentTime)
	}
}
