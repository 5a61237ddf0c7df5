package window

import (
	"unicode"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// Keysyms of keysymdef.h with a meaning here that are not characters.
const (
	symBackspace   = 0xff08
	symTab         = 0xff09
	symReturn      = 0xff0d
	symEscape      = 0xff1b
	symLeft        = 0xff51
	symUp          = 0xff52
	symRight       = 0xff53
	symDown        = 0xff54
	symModeSwitch  = 0xff7e
	symNumLock     = 0xff7f
	symKeypadFirst = 0xff80
	symKeypadEnter = 0xff8d
	symKeypadLeft  = 0xff96
	symKeypadUp    = 0xff97
	symKeypadRight = 0xff98
	symKeypadDown  = 0xff99
	symKeypadLast  = 0xffbd
	symF11         = 0xffc8
	symLevel3      = 0xfe03 // AltGr
	symBackTab     = 0xfe20 // Shift-Tab of XKB
	symUnicode     = 0x01000000
)

// keymap maps keys to characters.
type keymap struct {
	first   xproto.Keycode
	columns int
	syms    []xproto.Keysym

	dead xproto.Keysym // dead key pressed before; 0: none

	// Bits of the modifiers that have no fixed bit; 0 if no key has the
	// modifier.
	level3, numLock, modeSwitch uint16
}

// load reads the keyboard mapping from the server.
func (m *keymap) load(conn *xgb.Conn, setup *xproto.SetupInfo) (err error) {
	defer recoverProtocol(&err)
	count := byte(setup.MaxKeycode - setup.MinKeycode + 1)
	keys, err := xproto.GetKeyboardMapping(conn, setup.MinKeycode, count).Reply()
	if err != nil {
		return err
	}
	modifiers, err := xproto.GetModifierMapping(conn).Reply()
	if err != nil {
		return err
	}
	*m = keymap{first: setup.MinKeycode, columns: int(keys.KeysymsPerKeycode), syms: keys.Keysyms}
	per := int(modifiers.KeycodesPerModifier)
	for i, code := range modifiers.Keycodes {
		if i/max(1, per) < 3 { // Shift, Lock and Control have fixed bits
			continue
		}
		bit := uint16(1) << (i / per)
		for column := range m.columns {
			switch m.at(code, column) {
			case symLevel3:
				m.level3 |= bit
			case symNumLock:
				m.numLock |= bit
			case symModeSwitch:
				m.modeSwitch |= bit
			}
		}
	}
	return nil
}

func (m *keymap) at(code xproto.Keycode, column int) xproto.Keysym {
	i := (int(code)-int(m.first))*m.columns + column
	if code < m.first || column >= m.columns || i >= len(m.syms) {
		return 0
	}
	return m.syms[i]
}

// input returns the input of a pressed key, with state the modifiers. It
// returns false for keys without a meaning here.
func (m *keymap) input(code xproto.Keycode, state uint16) (view.Input, bool) {
	if state&xproto.ModMaskControl != 0 {
		switch m.letter(code) {
		case 'c':
			return view.Input{Key: view.KeyInterrupt}, true
		case 'q':
			return view.Input{Key: view.KeyCtrlQ}, true
		}
		return view.Input{}, false
	}
	sym := m.sym(code, state)
	switch sym {
	case symReturn, symKeypadEnter:
		m.dead = 0
		return view.Input{Key: view.KeyEnter}, true
	case symEscape:
		m.dead = 0
		return view.Input{Key: view.KeyEscape}, true
	case symBackspace:
		m.dead = 0
		return view.Input{Key: view.KeyBackspace}, true
	}
	// Alt and Super combinations belong to the window manager. Either modifier
	// can share its bit with AltGr.
	if others := uint16(xproto.ModMask1|xproto.ModMask4) &^ (m.level3 | m.numLock | m.modeSwitch); state&others != 0 {
		return view.Input{}, false
	}
	if key := viewKey(sym, state); key != view.KeyNone {
		m.dead = 0
		return view.Input{Key: key}, true
	}
	r := character(sym)
	switch dead := m.dead; {
	case isDead(sym):
		m.dead = sym
		if sym != dead {
			return view.Input{}, false
		}
		r, m.dead = accented(dead, ' '), 0 // pressed twice: the accent alone
	case dead != 0 && r != 0:
		r, m.dead = accented(dead, r), 0
	}
	return view.Input{Key: view.KeyRune, Rune: r}, r != 0
}

// viewKey returns the key with a keysym that is no character, or KeyNone.
func viewKey(sym xproto.Keysym, state uint16) view.Key {
	switch sym {
	case symTab:
		if state&xproto.ModMaskShift != 0 {
			return view.KeyBackTab
		}
		return view.KeyTab
	case symBackTab:
		return view.KeyBackTab
	case symLeft, symKeypadLeft:
		return view.KeyLeft
	case symRight, symKeypadRight:
		return view.KeyRight
	case symUp, symKeypadUp:
		return view.KeyUp
	case symDown, symKeypadDown:
		return view.KeyDown
	case symF11:
		return view.KeyF11
	}
	return view.KeyNone
}

// letter returns the Latin letter on a key in any of its columns, in lower
// case, or 0. A Russian or Greek keyboard has them in another group.
func (m *keymap) letter(code xproto.Keycode) rune {
	for column := range m.columns {
		if r := character(m.at(code, column)); r < unicode.MaxASCII && unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
	}
	return 0
}

// sym returns the keysym of a key from its columns. In the core protocol
// columns 0 and 1 are group 1 without and with Shift, and 2 and 3 are group 2.
// The XKB extension adds the same four with AltGr (level 3) for core clients.
func (m *keymap) sym(code xproto.Keycode, state uint16) xproto.Keysym {
	column := 0
	if state&m.modeSwitch != 0 || state>>13&3 != 0 { // XKB: bits 13 and 14 are the group
		column = 2
	}
	if state&m.level3 != 0 && m.at(code, column+4) != 0 {
		column += 4
	}
	if m.at(code, column) == 0 {
		column = 0
	}
	plain, shifted := m.at(code, column), m.at(code, column+1)
	shift := state&xproto.ModMaskShift != 0
	if shifted >= symKeypadFirst && shifted <= symKeypadLast && state&m.numLock != 0 {
		shift = !shift
	}
	if state&xproto.ModMaskLock != 0 && unicode.IsLower(character(plain)) {
		shift = !shift
	}
	if !shift {
		return plain
	}
	if shifted == 0 { // core protocol: a lone letter also means its upper case
		if r := character(plain); unicode.IsLower(r) {
			return symUnicode + xproto.Keysym(unicode.ToUpper(r))
		}
		return plain
	}
	return shifted
}

// character returns the character of a keysym, or 0.
func character(s xproto.Keysym) rune {
	switch {
	case s >= 0x20 && s <= 0x7e, s >= 0xa0 && s <= 0xff: // Latin-1
		return rune(s)
	case s >= symUnicode && s <= symUnicode+unicode.MaxRune:
		if r := rune(s - symUnicode); unicode.IsPrint(r) { // no control character, no surrogate
			return r
		}
		return 0
	case s == symKeypadFirst:
		return ' '
	case s >= 0xffaa && s <= 0xffb9, s == symKeypadLast: // keypad: * + , - . / 0 to 9 and =
		return rune(s & 0x7f)
	}
	return legacyCharacter(s)
}
