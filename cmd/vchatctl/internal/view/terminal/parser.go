package terminal

import (
	"bytes"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
)

// said is one thing that has come from a terminal: a key, or an answer.
type said struct {
	key    view.Input
	answer answer
}

type answer int

const (
	noAnswer   answer = iota
	isThere           // to areYouThere
	attributes        // to whatAreYou
	graphics          // it can show frames
	noGraphics        // it could not show one
)

const longest = 64 // bytes of a sequence; none that is of use to us is longer

// parser tells keys from answers in what comes from a terminal.
type parser struct{ pending []byte }

// next takes a byte; ok says that something is complete by it.
func (p *parser) next(b byte) (s said, ok bool) {
	p.pending = append(p.pending, b)
	first := p.pending[0]
	switch {
	case first == 0x1b:
		return p.escape()
	case first < utf8.RuneSelf || utf8.FullRune(p.pending) || len(p.pending) >= utf8.UTFMax:
		r, _ := utf8.DecodeRune(p.pending)
		p.pending = p.pending[:0]
		return keyOf(r)
	}
	return said{}, false
}

// alone says that an Escape stands at the end: if nothing follows, it is the key.
func (p *parser) alone() bool { return len(p.pending) == 1 && p.pending[0] == 0x1b }

// nothing tells that nothing has followed.
func (p *parser) nothing() said {
	p.pending = p.pending[:0]
	return said{key: view.Input{Key: view.KeyEscape}}
}

func keyOf(r rune) (said, bool) {
	in := view.Input{Key: view.KeyRune, Rune: r}
	switch r {
	case 3: // Ctrl-C, which raw mode hands on as it is
		in = view.Input{Key: view.KeyInterrupt}
	case '\r', '\n':
		in = view.Input{Key: view.KeyEnter}
	case 8, 0x7f:
		in = view.Input{Key: view.KeyBackspace}
	case 12: // Ctrl-L, which paints anew everywhere
		in = view.Input{Resized: true}
	case utf8.RuneError:
		return said{}, false
	}
	if in.Key == view.KeyRune && r < ' ' {
		return said{}, false
	}
	return said{key: in}, true
}

// escape looks at a sequence: ECMA-48's control sequences and strings, of which an answer is known and a key is not.
func (p *parser) escape() (said, bool) {
	n, b := len(p.pending), p.pending[len(p.pending)-1]
	if n == 1 {
		return said{}, false
	}
	over := n >= longest
	switch p.pending[1] {
	case '[':
		// F1 to F5 of the Linux console are ESC [ [ A to E: the letter is no key of its own.
		over = over || n > 2 && (b < 0x20 || b >= 0x40) && (n > 3 || b != '[')
	case '_', 'P', ']', '^', 'X': // up to ST, or BEL
		over = over || b == 7 || b == '\\' && p.pending[n-2] == 0x1b && n > 3
	case 'O': // a key of the keypad
		over = n > 2
	default: // Alt and a key
		over = true
	}
	if !over {
		return said{}, false
	}
	s := said{answer: answerOf(p.pending)}
	p.pending = p.pending[:0]
	return s, s.answer != noAnswer
}

func answerOf(sequence []byte) answer {
	switch {
	case string(sequence) == "\x1b[0n":
		return isThere
	case bytes.HasPrefix(sequence, []byte("\x1b[?")) && bytes.HasSuffix(sequence, []byte("c")):
		return attributes
	case bytes.HasPrefix(sequence, []byte("\x1b_G")) && bytes.Contains(sequence, []byte(";OK")):
		return graphics
	case bytes.HasPrefix(sequence, []byte("\x1b_G")):
		return noGraphics
	}
	return noAnswer
}
