package terminal

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view"
)

// token is one input from a terminal: a key, or a reply to a query.
type token struct {
	key     view.Input
	reply   reply // noReply: it is a key
	suspend bool  // Ctrl-Z
}

type reply int

const (
	noReply             reply = iota
	replyStatus               // to queryStatus
	replyAttributes           // to queryAttributes
	replyGraphicsOK           // the terminal can show frames
	replyGraphicsFailed       // the terminal could not show a frame
	replyLight                // to queryBackground
	replyDark                 // likewise
)

// maxSequence bounds an escape sequence, in bytes. All known ones are shorter.
const maxSequence = 64

const (
	ctrlC = 3
	ctrlQ = 0x11
	ctrlZ = 0x1a
	esc   = 0x1b
)

// maxPaste bounds a pasted text, in characters. It is longer than a message.
const maxPaste = 1024

// A pasted text is between these.
const (
	pasteStart = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// parser splits the input from a terminal into tokens.
type parser struct {
	pending []byte
	pasting bool
	paste   []rune
}

// feed parses a byte. It reports whether that completes a token.
func (p *parser) feed(b byte) (t token, ok bool) {
	if len(p.pending) > 0 && p.pending[0] >= utf8.RuneSelf && b < utf8.RuneSelf {
		p.pending = p.pending[:0] // a character that is cut off must not take the key after it
	}
	if p.pasting && b == ctrlC { // it works always
		p.pending, p.pasting, p.paste = p.pending[:0], false, nil
	}
	p.pending = append(p.pending, b)
	first := p.pending[0]
	switch {
	case first == esc:
		return p.escape()
	case first < utf8.RuneSelf || utf8.FullRune(p.pending) || len(p.pending) >= utf8.UTFMax:
		r, _ := utf8.DecodeRune(p.pending)
		p.pending = p.pending[:0]
		if p.pasting {
			p.addPasted(r)
			return token{}, false
		}
		return keyToken(r)
	}
	return token{}, false
}

// addPasted adds a character to the pasted text. Control characters are no keys
// there: a line feed would send half of the text.
func (p *parser) addPasted(r rune) {
	if r == utf8.RuneError || len(p.paste) >= maxPaste {
		return
	}
	if r < ' ' {
		r = ' '
	}
	p.paste = append(p.paste, r)
}

// endPaste returns the pasted text.
func (p *parser) endPaste() (token, bool) {
	t := token{key: view.Input{Key: view.KeyPaste, Text: string(p.paste)}}
	p.pasting, p.paste = false, nil
	return t, true
}

// timeout returns how long to wait for the next byte before flush; 0: forever.
func (p *parser) timeout() time.Duration {
	switch {
	case len(p.pending) == 0 && !p.pasting:
		return 0
	case len(p.pending) == 1 && !p.pasting:
		return escapeTimeout
	}
	return sequenceTimeout
}

// flush ends what is pending. An Escape alone is the key. The rest is dropped:
// Alt-X starts like a string that nothing ends, and would take the keys after
// it.
func (p *parser) flush() (t token, ok bool) {
	if p.pasting { // its end was lost
		p.pending = p.pending[:0]
		return p.endPaste()
	}
	ok = len(p.pending) == 1 && p.pending[0] == esc
	p.pending = p.pending[:0]
	return token{key: view.Input{Key: view.KeyEscape}}, ok
}

func keyToken(r rune) (token, bool) {
	in := view.Input{Key: view.KeyRune, Rune: r}
	switch r {
	case ctrlC: // in raw mode it sends no signal
		in = view.Input{Key: view.KeyInterrupt}
	case ctrlQ:
		in = view.Input{Key: view.KeyCtrlQ}
	case ctrlZ:
		return token{suspend: true}, true
	case '\t':
		in = view.Input{Key: view.KeyTab}
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

// sequenceKeys are the keys that a viewer uses, as xterm sends them. With an O
// they come from a terminal whose cursor keys are in application mode.
var sequenceKeys = map[string]view.Key{
	"\x1b[A": view.KeyUp, "\x1b[B": view.KeyDown, "\x1b[C": view.KeyRight, "\x1b[D": view.KeyLeft,
	"\x1bOA": view.KeyUp, "\x1bOB": view.KeyDown, "\x1bOC": view.KeyRight, "\x1bOD": view.KeyLeft,
	"\x1b[Z": view.KeyBackTab,
}

// escape parses the control sequences and strings of ECMA-48. It returns
// replies and sequenceKeys, and drops other keys. No sequence contains Ctrl-C,
// so that key always works. An Escape begins the next sequence: without its
// reply, Next waits.
func (p *parser) escape() (token, bool) {
	n, b := len(p.pending), p.pending[len(p.pending)-1]
	if n == 1 {
		return token{}, false
	}
	isString := strings.IndexByte("_P]^X", p.pending[1]) >= 0
	switch {
	case b == ctrlC:
		p.pending = p.pending[:0]
		return keyToken(ctrlC)
	case n == 2 && b == esc: // the key, and a reply right after it
		p.pending = p.pending[:1]
		return token{key: view.Input{Key: view.KeyEscape}}, true
	case b == esc && !isString: // Alt-O, for example, and a reply
		p.pending = append(p.pending[:0], esc)
		return token{}, false
	case isString && n > 3 && p.pending[n-2] == esc && b != '\\':
		p.pending = append(p.pending[:0], esc, b)
		return p.escape()
	}
	complete := n >= maxSequence
	switch p.pending[1] {
	case '[':
		// F1 to F5 of the Linux console are ESC [ [ and a letter, A to E.
		complete = complete || n > 2 && (b < 0x20 || b >= 0x40) && (n > 3 || b != '[')
	case '_', 'P', ']', '^', 'X': // up to ST or BEL
		complete = complete || b == 7 || b == '\\' && p.pending[n-2] == esc && n > 3
	case 'O': // a key of the keypad
		complete = n > 2
	default: // Alt and a key
		complete = true
	}
	if !complete {
		return token{}, false
	}
	switch string(p.pending) {
	case pasteStart:
		p.pending, p.pasting = p.pending[:0], true
		return token{}, false
	case pasteEnd:
		if p.pending = p.pending[:0]; !p.pasting {
			return token{}, false
		}
		return p.endPaste()
	}
	t := token{reply: parseReply(p.pending), key: view.Input{Key: sequenceKeys[string(p.pending)]}}
	p.pending = p.pending[:0]
	return t, t.reply != noReply || t.key.Key != view.KeyNone
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
	return parseBackground(string(sequence))
}

// parseBackground parses the reply to queryBackground: OSC 11 ; rgb:R/G/B with
// one to four hexadecimal digits for each color, or noReply.
func parseBackground(sequence string) reply {
	sequence, ok := strings.CutPrefix(sequence, "\x1b]11;rgb:")
	colors := strings.Split(strings.TrimRight(sequence, "\x1b\\\a"), "/")
	if !ok || len(colors) != 3 {
		return noReply
	}
	var c [3]uint8
	for i, digits := range colors {
		v, err := strconv.ParseUint(digits, 16, 16)
		if err != nil {
			return noReply
		}
		c[i] = uint8(v * 255 / (1<<(4*len(digits)) - 1))
	}
	if brightness(rgb{c[0], c[1], c[2]}) > 127 {
		return replyLight
	}
	return replyDark
}
