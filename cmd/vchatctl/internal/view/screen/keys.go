package screen

import (
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
)

// typed turns what comes from the console's keyboard into keys. A letter may come in two pieces.
type typed struct{ rest []byte }

// keys calls send for each key in b. The console sends all of a key's bytes at once, so that an escape at the end of what
// was read is the key Escape; a sequence of one (an arrow, F1) means nothing here.
func (t *typed) keys(b []byte, send func(view.Input)) {
	b = append(t.rest, b...)
	for len(b) > 0 {
		switch c := b[0]; {
		case c == 0x1b:
			n := sequence(b)
			if n == 1 {
				send(view.Input{Key: view.KeyEscape})
			}
			b = b[n:]
			continue
		case c == '\r' || c == '\n':
			send(view.Input{Key: view.KeyEnter})
		case c == 0x7f || c == 0x08:
			send(view.Input{Key: view.KeyBackspace})
		case c == 0x03:
			send(view.Input{Key: view.KeyInterrupt})
		case c >= 0x20 && c < 0x7f:
			send(view.Input{Key: view.KeyRune, Rune: rune(c)})
		case c >= 0x80:
			if !utf8.FullRune(b) {
				t.rest = append(t.rest[:0], b...)
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
	t.rest = t.rest[:0]
}

// sequence is the length of the escape sequence that b begins with: 1 of an escape alone.
func sequence(b []byte) int {
	switch {
	case len(b) == 1 || b[1] == 0x1b:
		return 1
	case b[1] == 'O': // SS3: one more
		return min(3, len(b))
	case b[1] != '[':
		return 2 // Alt and a letter
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
