package terminal

import (
	"bytes"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
)

// token is one input from a terminal: a key, or a reply to a query.
type token struct {
	key   view.Input
	reply reply // noReply: it is a key
}

type reply int

const (
	noReply             reply = iota
	replyStatus               // to queryStatus
	replyAttributes           // to queryAttributes
	replyGraphicsOK           // the terminal can show frames
	replyGraphicsFailed       // the terminal could not show a frame
)

// maxSequence bounds an escape sequence, in bytes. All known ones are shorter.
const maxSequence = 64

// parser splits the input from a terminal into tokens.
type parser struct{ pending []byte }

// feed parses a byte. It reports whether that completes a token.
func (p *parser) feed(b byte) (t token, ok bool) {
	p.pending = append(p.pending, b)
	first := p.pending[0]
	switch {
	case first == 0x1b:
		return p.escape()
	case first < utf8.RuneSelf || utf8.FullRune(p.pending) || len(p.pending) >= utf8.UTFMax:
		r, _ := utf8.DecodeRune(p.pending)
		p.pending = p.pending[:0]
		return keyToken(r)
	}
	return token{}, false
}

// escapePending reports whether the last byte was an Escape. It is the key if
// nothing follows.
func (p *parser) escapePending() bool { return len(p.pending) == 1 && p.pending[0] == 0x1b }

// flushEscape returns the pending Escape as a key.
func (p *parser) flushEscape() token {
	p.pending = p.pending[:0]
	return token{key: view.Input{Key: view.KeyEscape}}
}

func keyToken(r rune) (token, bool) {
	in := view.Input{Key: view.KeyRune, Rune: r}
	switch r {
	case 3: // Ctrl-C; in raw mode it sends no signal
		in = view.Input{Key: view.KeyInterrupt}
	case '\r', '\n':
		in = view.Input{Key: view.KeyEnter}
	case 8, 0x7f:
		in = view.Input{Key: view.KeyBackspace}
	case 12: // Ctrl-L repaints the screen in all programs
		in = view.Input{Resized: true}
	case utf8.RuneError:
		return token{}, false
	}
	if in.Key == view.KeyRune && r < ' ' {
		return token{}, false
	}
	return token{key: in}, true
}

// escape parses the control sequences and strings of ECMA-48. It returns
// replies and drops keys.
func (p *parser) escape() (token, bool) {
	n, b := len(p.pending), p.pending[len(p.pending)-1]
	if n == 1 {
		return token{}, false
	}
	complete := n >= maxSequence
	switch p.pending[1] {
	case '[':
		// F1 to F5 of the Linux console are ESC [ [ and a letter, A to E.
		complete = complete || n > 2 && (b < 0x20 || b >= 0x40) && (n > 3 || b != '[')
	case '_', 'P', ']', '^', 'X': // up to ST or BEL
		complete = complete || b == 7 || b == '\\' && p.pending[n-2] == 0x1b && n > 3
	case 'O': // a key of the keypad
		complete = n > 2
	default: // Alt and a key
		complete = true
	}
	if !complete {
		return token{}, false
	}
	t := token{reply: parseReply(p.pending)}
	p.pending = p.pending[:0]
	return t, t.reply != noReply
}

func parseReply(sequence []byte) reply {
	switch {
	case string(sequence) == "\x1b[0n":
		return replyStatus
	case bytes.HasPrefix(sequence, []byte("\x1b[?")) && bytes.HasSuffix(sequence, []byte("c")):
		return replyAttributes
	case bytes.HasPrefix(sequence, []byte("\x1b_G")) && bytes.Contains(sequence, []byte(";OK")):
		return replyGraphicsOK
	case bytes.HasPrefix(sequence, []byte("\x1b_G")):
		return replyGraphicsFailed
	}
	return noReply
}
