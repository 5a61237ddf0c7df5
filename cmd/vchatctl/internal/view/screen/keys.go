package screen

import (
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
)

// keyDecoder decodes the bytes of the console's keyboard. It keeps an
// incomplete UTF-8 sequence for the next read.
type keyDecoder struct{ rest []byte }

// decode calls send for each key in b. The console sends all bytes of a key at
// once, so an ESC at the end of b is the key Escape. It skips other escape
// sequences, such as that of F1.
func (d *keyDecoder) decode(b []byte, send func(view.Input)) {
	b = append(d.rest, b...)
	for len(b) > 0 {
		switch c := b[0]; {
		case c == 0x1b:
			n := escapeLen(b)
			if key := escapeKeys[string(b[1:n])]; n == 1 {
				send(view.Input{Key: view.KeyEscape})
			} else if key != view.KeyNone {
				send(view.Input{Key: key})
			}
			b = b[n:]
			continue
		case c == '\r' || c == '\n':
			send(view.Input{Key: view.KeyEnter})
		case c == 0x7f || c == 0x08:
			send(view.Input{Key: view.KeyBackspace})
		case c == 0x03:
			send(view.Input{Key: view.KeyInterrupt})
		case c == 0x11:
			send(view.Input{Key: view.KeyCtrlQ})
		case c == '\t':
			send(view.Input{Key: view.KeyTab})
		case c >= 0x20 && c < 0x7f:
			send(view.Input{Key: view.KeyRune, Rune: rune(c)})
		case c >= 0x80:
			if !utf8.FullRune(b) {
				d.rest = append(d.rest[:0], b...)
				return
			}
			r, n := utf8.DecodeRune(b)
			if r != utf8.RuneError {
				send(view.Input{Key: view.KeyRune, Rune: r})
			}
			b = b[n:]
			continue
		}
		b = b[1:]
	}
	d.rest = d.rest[:0]
}

// escapeKeys are the keys of the console that send an escape sequence, without
// its ESC (console_codes(4)). The keypad sends ESC O in application mode.
var escapeKeys = map[string]view.Key{
	"[A": view.KeyUp, "[B": view.KeyDown, "[C": view.KeyRight, "[D": view.KeyLeft,
	"OA": view.KeyUp, "OB": view.KeyDown, "OC": view.KeyRight, "OD": view.KeyLeft,
	"[Z": view.KeyBackTab, "\t": view.KeyBackTab, // Shift-Tab, and as a keymap without it sends it
	"[23~": view.KeyF11,
}

// escapeLen returns the length of the escape sequence at the start of b, 1 for
// an ESC alone.
func escapeLen(b []byte) int {
	switch {
	case len(b) == 1 || b[1] == 0x1b:
		return 1
	case b[1] == 'O': // SS3 and one byte
		return min(3, len(b))
	case b[1] != '[':
		return 2 // Alt with a letter
	case len(b) > 2 && b[2] == '[': // F1 to F5 of the Linux console
		return min(4, len(b))
	}
	for i, c := range b[2:] {
		if c >= 0x40 && c < 0x7f { // the final byte (ECMA-48)
			return i + 3
		}
	}
	return len(b)
}
