package window

import (
	"encoding/binary"
	"os"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// atoms are the atoms in use: those of ICCCM and of EWMH (Extended Window
// Manager Hints), and _VCHAT_SHOWN for the client message that follows
// PutImage.
type atoms struct {
	protocols, deleteWindow, clientMachine   xproto.Atom
	utf8, name, pid, icon                    xproto.Atom
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
		{&a.icon, "_NET_WM_ICON"},
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

// setProperties sets the properties that the window manager reads.
func (w *Window) setProperties(title string) {
	host, _ := os.Hostname()
	w.setTitle(title)
	w.setProperty8(xproto.AtomWmClass, xproto.AtomString, "vchat\x00Vchat\x00")
	w.setProperty8(w.atoms.clientMachine, xproto.AtomString, latin1(host))
	w.setProperty32(w.atoms.pid, xproto.AtomCardinal, uint32(os.Getpid()))
	w.setProperty32(w.atoms.icon, xproto.AtomCardinal, icon()...)
	w.setProperty32(w.atoms.protocols, xproto.AtomAtom, uint32(w.atoms.deleteWindow))
	// StaticGravity: setGeometry places the window itself, not the frame that
	// the window manager adds (ICCCM 4.1.2.3).
	const winGravity = 1 << 9
	hints := make([]uint32, 18)
	hints[0], hints[17] = winGravity, xproto.GravityStatic
	w.setProperty32(xproto.AtomWmNormalHints, xproto.AtomWmSizeHints, hints...)
	w.setHints(false)
}

// latin1 converts s to the encoding of a STRING property (ICCCM 2.7.1).
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

func (w *Window) setProperty8(property, kind xproto.Atom, text string) {
	xproto.ChangeProperty(w.conn, xproto.PropModeReplace, w.id, property, kind, 8, uint32(len(text)), []byte(text))
}

func (w *Window) setProperty32(property, kind xproto.Atom, values ...uint32) {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	xproto.ChangeProperty(w.conn, xproto.PropModeReplace, w.id, property, kind, 32, uint32(len(values)), b)
}

// property32 returns a property of 32-bit values, or nil.
func (w *Window) property32(of xproto.Window, property xproto.Atom) (values []uint32) {
	defer recoverProtocol(new(error))
	reply, err := xproto.GetProperty(w.conn, false, of, property, xproto.GetPropertyTypeAny, 0, 4096).Reply()
	if err != nil || reply.Format != 32 {
		return nil
	}
	for b := reply.Value; len(b) >= 4; b = b[4:] {
		values = append(values, binary.LittleEndian.Uint32(b))
	}
	return values
}

// hasWindowManager reports whether a window manager is running: it is the one
// client that can select SubstructureRedirect on the root window.
func (w *Window) hasWindowManager() bool {
	defer recoverProtocol(new(error))
	root, err := xproto.GetWindowAttributes(w.conn, w.screen.Root).Reply()
	return err == nil && root.AllEventMasks&xproto.EventMaskSubstructureRedirect != 0
}

// takeFocus focuses the window if no window manager does.
func (w *Window) takeFocus() {
	if !w.hasWindowManager() {
		xproto.SetInputFocus(w.conn, xproto.InputFocusPointerRoot, w.id, xproto.TimeCurrentTime)
	}
}
