package terminal

import (
	"bytes"
	"time"
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

const ctrlC = 3

// parser splits the input from a terminal into tokens.
type parser struct{ pending []byte }

// feed parses a byte. It reports whether that completes a token.
func (p *parser) feed(b byte) (t token, ok bool) {
	if len(p.pending) > 0 && p.pending[0] >= utf8.RuneSelf && b < utf8.RuneSelf {
		p.pending = p.pending[:0] // a character that is cut off must not take the key after it
	}
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

// timeout returns how long to wait for the next byte before flush; 0: forever.
func (p *parser) timeout() time.Duration {
	switch len(p.pending) {
	case 0:
		return 0
	case 1:
		return escapeTimeout
	}
	return sequenceTimeout
}

// flush ends what is pending. An Escape alone is the key. The rest is dropped:
// Alt-X starts like a string that nothing ends, and would take the keys after
// it.
func (p *parser) flush() (t token, ok bool) {
	ok = len(p.pending) == 1 && p.pending[0] == 0x1b
	p.pending = p.pending[:0]
	return token{key: view.Input{Key: view.KeyEscape}}, ok
}

func keyToken(r rune) (token, bool) {
	in := view.Input{Key: view.KeyRune, Rune: r}
	switch r {
	case ctrlC: // in raw mode it sends no signal
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
// replies and drops keys. No sequence contains Ctrl-C, so that key always
// works.
func (p *parser) escape() (token, bool) {
	n, b := len(p.pending), p.pending[len(p.pending)-1]
	if n == 1 {
		return token{}, false
	}
	if b == ctrlC {
		p.pending = p.pending[:0]
		return keyToken(ctrlC)
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
