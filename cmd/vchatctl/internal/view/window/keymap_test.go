package window

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
)

// keyboard is a mapping as XKB describes it to core clients: 7 columns.
var keyboard = keymap{
	first: 8, columns: 7, level3: xproto.ModMask5, numLock: xproto.ModMask2,
	syms: slices.Concat(
		[]xproto.Keysym{'q', 'Q', 'q', 'Q', '@', 0x7d9, 0},        // 8: German
		[]xproto.Keysym{'a', 0, 0, 0, 0, 0, 0},                    // 9: lower case only
		[]xproto.Keysym{0xff9c, 0xffb1, 0xff9c, 0xffb1, 0, 0, 0},  // 10: KP_End, KP_1
		[]xproto.Keysym{'c', 'C', 0x6d3, 0x6f3, 0, 0, 0},          // 11: English and Russian
		[]xproto.Keysym{'1', '!', '1', '!', 0, 0, 0},              // 12
		[]xproto.Keysym{0xf6, 0xd6, 0xf6, 0xd6, 0x10020ac, 0, 0},  // 13: ö
		[]xproto.Keysym{0xff0d, 0, 0xff0d, 0, 0, 0, 0},            // 14: Return
		[]xproto.Keysym{0xff8d, 0, 0xff8d, 0, 0, 0, 0},            // 15: KP_Enter
		[]xproto.Keysym{0xff1b, 0, 0xff1b, 0, 0, 0, 0},            // 16: Escape
		[]xproto.Keysym{0xff08, 0xff08, 0xff08, 0xff08, 0, 0, 0},  // 17: BackSpace
		[]xproto.Keysym{0xffe1, 0, 0xffe1, 0, 0, 0, 0},            // 18: Shift_L
		[]xproto.Keysym{0xffaf, 0xffaf, 0xffaf, 0xffaf, 0, 0, 0},  // 19: KP_Divide
		[]xproto.Keysym{0x1b3, 0x1a3, 0x1b3, 0x1a3, 0x20ac, 0, 0}, // 20: ł, and the legacy keysym EuroSign
		[]xproto.Keysym{0xff09, 0xfe20, 0xff09, 0xfe20, 0, 0, 0},  // 21: Tab and ISO_Left_Tab
		[]xproto.Keysym{0xff51, 0, 0xff51, 0, 0, 0, 0},            // 22: Left
		[]xproto.Keysym{0xff98, 0xffb6, 0xff98, 0xffb6, 0, 0, 0},  // 23: KP_Right, KP_6
		[]xproto.Keysym{0xffc8, 0, 0xffc8, 0, 0, 0, 0},            // 24: F11
		[]xproto.Keysym{0x6ca, 0x6ea, 'q', 'Q', 0, 0, 0},          // 25: Russian and English
		[]xproto.Keysym{0xff09, 0, 0, 0, 0, 0, 0},                 // 26: Tab without XKB
	),
}

func TestKeymap_input(t *testing.T) {
	const (
		shift, lock, control = xproto.ModMaskShift, xproto.ModMaskLock, xproto.ModMaskControl
		alt, num, logo       = xproto.ModMask1, xproto.ModMask2, xproto.ModMask4
		altGr                = xproto.ModMask5
		second               = 1 << 13
	)
	char := func(r rune) view.Input { return view.Input{Key: view.KeyRune, Rune: r} }
	key := func(k view.Key) view.Input { return view.Input{Key: k} }
	for _, c := range []struct {
		code  xproto.Keycode
		state uint16
		want  view.Input // zero: no input
	}{
		{8, 0, char('q')}, {8, shift, char('Q')}, {8, lock, char('Q')}, {8, lock | shift, char('q')},
		{8, num, char('q')}, {8, altGr, char('@')}, {8, altGr | shift, char('Ω')}, {8, second, char('q')},
		{8, alt, view.Input{}}, {8, logo, view.Input{}}, {8, control, key(view.KeyCtrlQ)},
		{9, control, view.Input{}},
		{9, shift, char('A')}, {9, altGr, char('a')}, {9, second, char('a')},
		{10, 0, view.Input{}}, {10, num, char('1')}, {10, num | shift, view.Input{}}, {10, shift, char('1')},
		{11, 0, char('c')}, {11, second, char('с')}, {11, second | shift, char('С')},
		{11, second | lock, char('С')}, {11, control, key(view.KeyInterrupt)},
		{11, control | second, key(view.KeyInterrupt)},
		{12, 0, char('1')}, {12, lock, char('1')}, {12, shift, char('!')},
		{13, 0, char('ö')}, {13, lock, char('Ö')}, {13, altGr, char('€')},
		{14, 0, key(view.KeyEnter)},
		{15, num, key(view.KeyEnter)},
		{16, 0, key(view.KeyEscape)},
		{17, shift, key(view.KeyBackspace)},
		{18, shift, view.Input{}},
		{19, 0, char('/')},
		{20, 0, char('ł')}, {20, shift, char('Ł')}, {20, altGr, char('€')},
		{7, 0, view.Input{}},
		{21, 0, key(view.KeyTab)}, {21, shift, key(view.KeyBackTab)}, {21, alt, view.Input{}},
		{22, 0, key(view.KeyLeft)}, {23, 0, key(view.KeyRight)}, {23, num, char('6')},
		{24, 0, key(view.KeyF11)}, {24, alt, view.Input{}},
		{25, 0, char('й')}, {25, control, key(view.KeyCtrlQ)},
		{26, shift, key(view.KeyBackTab)},
		{27, 0, view.Input{}},
		{255, 0, view.Input{}},
	} {
		t.Run(fmt.Sprintf("key %d modifiers %#x", c.code, c.state), func(t *testing.T) {
			got, ok := keyboard.input(c.code, c.state)
			if !ok {
				got = view.Input{}
			}
			if got != c.want || ok != (c.want != view.Input{}) {
				t.Errorf("got %+v (%v), want %+v", got, ok, c.want)
			}
		})
	}
}

func TestKeymap_deadKeys(t *testing.T) {
	k := keymap{first: 8, columns: 2, syms: slices.Concat(
		[]xproto.Keysym{0xfe51, 0xfe50}, // 8: dead_acute, dead_grave
		[]xproto.Keysym{'a', 'A'},       // 9
		[]xproto.Keysym{0x7e1, 0x7c1},   // 10: α
		[]xproto.Keysym{' ', ' '},       // 11
		[]xproto.Keysym{'q', 'Q'},       // 12
		[]xproto.Keysym{0xffe1, 0},      // 13: Shift_L
		[]xproto.Keysym{symEscape, 0},   // 14
		[]xproto.Keysym{0xfe5c, 0xfe57}, // 15: dead_ogonek, dead_diaeresis
		[]xproto.Keysym{0xfe5d, 0},      // 16: dead_iota, which accents lacks
	)}
	const shift = 1 << 8 // flag beside the keycode
	for _, c := range []struct {
		name string
		keys []int
		want string
	}{
		{"a letter after the accented one", []int{8, 9, 9}, "áa"},
		{"shifted", []int{8 | shift, 9 | shift}, "À"},
		{"Shift pressed in between", []int{8, 13, 9 | shift}, "Á"},
		{"Greek", []int{8, 10}, "ά"},
		{"space", []int{8, 11}, "'"},
		{"twice", []int{8, 8, 9}, "'a"},
		{"no such combination", []int{8, 12}, "q"},
		{"Escape", []int{8, 14, 9}, "a"},
		{"another dead key", []int{8, 8 | shift, 9}, "à"},
		{"ogonek", []int{15, 9}, "ą"},
		{"diaeresis", []int{15 | shift, 9}, "ä"},
		{"unsupported dead key", []int{16, 9}, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			for _, key := range c.keys {
				in, ok := k.input(xproto.Keycode(key), uint16(key>>8)*xproto.ModMaskShift)
				if ok && in.Key == view.KeyRune {
					got += string(in.Rune)
				}
			}
			if got != c.want {
				t.Errorf("keys %v: got %q, want %q", c.keys, got, c.want)
			}
		})
	}
}

func TestCharacter(t *testing.T) {
	for sym, want := range map[xproto.Keysym]rune{
		' ': ' ', '~': '~', 0x7f: 0, 0xa0: 0xa0, 0xff: 'ÿ', 0x1000020: ' ', 0x1000007: 0, 0x100263a: '☺', 0x1110000: 0,
		0x1ea: 'ę', 0x2a1: 'Ħ', 0x3bf: 'ŋ', 0x5ea: 'ي', 0x6c1: 'а', 0x6ff: 'Ъ', 0x7e1: 'α', 0x7f9: 'ω', 0x7d3: 0,
		0xce0: 'א', 0xcfa: 'ת', 0x13bc: 'Œ', 0x13be: 'Ÿ', 0x20ac: '€', 0xff80: ' ', 0xffaa: '*', 0xffb0: '0',
		0xffbd: '=', 0xfe51: 0, 0xffe1: 0, 0xff51: 0,
	} {
		t.Run(fmt.Sprintf("%#x", sym), func(t *testing.T) {
			if got := character(sym); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// It uses the server's own keyboard mapping, and then changes it.
func TestWindow_keyPress(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	var keys keymap
	if err := keys.load(s.conn, xproto.Setup(s.conn)); err != nil {
		t.Fatal(err)
	}
	code := func(sym xproto.Keysym) xproto.Keycode {
		for c := range len(keys.syms) / keys.columns {
			if keys.syms[c*keys.columns] == sym {
				return keys.first + xproto.Keycode(c)
			}
		}
		t.Fatalf("no key for keysym %#x", sym)
		return 0
	}
	s.waitFor("focus", func() bool {
		f, err := xproto.GetInputFocus(s.conn).Reply()
		return err == nil && f.Focus == w.id
	})
	const shift = 0xffe1
	s.press(code('q'))
	s.expectInput(w, view.Input{Key: view.KeyRune, Rune: 'q'})
	s.press(code(shift), code('q'))
	s.expectInput(w, view.Input{Key: view.KeyRune, Rune: 'Q'})
	s.press(code(0xffe3), code('c')) // Control_L
	s.expectInput(w, view.Input{Key: view.KeyInterrupt})
	s.press(code(symReturn))
	s.expectInput(w, view.Input{Key: view.KeyEnter})

	q := code('q')
	xproto.ChangeKeyboardMapping(s.conn, 1, q, 2, []xproto.Keysym{0x6ca, 0x6ea}) // й, Й
	s.conn.Sync()
	s.press(q)
	s.expectInput(w, view.Input{Key: view.KeyRune, Rune: 'й'})
}
