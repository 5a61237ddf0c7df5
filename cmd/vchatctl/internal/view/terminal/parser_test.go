package terminal

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"vchat/cmd/vchatctl/internal/view"
)

func TestParser(t *testing.T) {
	typed := func(r rune) token { return token{key: view.Input{Key: view.KeyRune, Rune: r}} }
	pressed := func(k view.Key) token { return token{key: view.Input{Key: k}} }
	pasted := func(s string) token { return token{key: view.Input{Key: view.KeyPaste, Text: s}} }
	backspace := pressed(view.KeyBackspace)
	for text, want := range map[string][]token{
		"q":             {typed('q')},
		"\x03":          {pressed(view.KeyInterrupt)},
		"\r\x7f\b":      {pressed(view.KeyEnter), backspace, backspace},
		"\x0c":          {{key: view.Input{Resized: true}}},
		"äß日":           {typed('ä'), typed('ß'), typed('日')},
		"\xff\xfeq\x01": {typed('q')},
		"\xc3q\xe2\x82": {typed('q')}, // characters that are cut off
		"\x1b[0n":       {{reply: replyStatus}},
		"abc\x1b[0nq": {
			typed('a'), typed('b'), typed('c'), {reply: replyStatus}, typed('q'),
		},
		"\x1b[12;40Rq":      {typed('q')},                                 // another reply
		"\x1b[A\x1bOD\x1bq": {pressed(view.KeyUp), pressed(view.KeyLeft)}, // and Alt-Q
		"\t\x1b[Z\x11": {
			pressed(view.KeyTab), pressed(view.KeyBackTab), pressed(view.KeyCtrlQ),
		},
		"\x1bOPq":                            {typed('q')}, // F1
		"\x1b[[A\x1b[[Dq":                    {typed('q')}, // F1 and F4 of Linux
		"\x1b\x1b[0nq":                       {pressed(view.KeyEscape), {reply: replyStatus}, typed('q')},
		"\x1bO\x1b[0nq":                      {{reply: replyStatus}, typed('q')}, // Alt-O
		"\x1b[\x1b[0nq":                      {{reply: replyStatus}, typed('q')}, // Alt-[
		"\x1bX\x1b[0nq":                      {{reply: replyStatus}, typed('q')}, // Alt-X
		"\x1b[?62;22c":                       {{reply: replyAttributes}},
		"\x1b_Gi=31;OK\x1b\\\x1b[?62c":       {{reply: replyGraphicsOK}, {reply: replyAttributes}},
		"\x1b_Gi=1;ENOSPC:no\x1b\\q":         {{reply: replyGraphicsFailed}, typed('q')},
		"\x1b]0;title\x07q":                  {typed('q')},
		"\x1b]11;rgb:ffff/ffff/dddd\x1b\\q":  {{reply: replyLight}, typed('q')},
		"\x1b]11;rgb:1c/1c/1c\x07q":          {{reply: replyDark}, typed('q')},
		"\x1b]11;rgb:f/f/f\x07":              {{reply: replyLight}},
		"\x1b]11;rgb:x/y/z\x07\x1b]11;?\x07": nil,
		"\x1aq":                              {{suspend: true}, typed('q')},
		// A line feed in a pasted text is no Enter, and a q does not quit.
		"\x1b[200~quit\r\nnow 日\x1b[201~h": {pasted("quit  now 日"), typed('h')},
		"\x1b[200~a\x1b[0nb\x1b[201~":      {{reply: replyStatus}, pasted("ab")},
		"\x1b[200~a\x03":                   {pressed(view.KeyInterrupt)},
		"\x1b[201~q":                       {typed('q')},
		"\x1b[200~" + strings.Repeat("x", 2000) + pasteEnd: {
			pasted(strings.Repeat("x", maxPaste)),
		},
		"\x1b[" + strings.Repeat("1;", 31) + "q": {typed('q')}, // longer than any sequence
	} {
		t.Run(strconv.Quote(text), func(t *testing.T) {
			var p parser
			var got []token
			for _, b := range []byte(text) {
				if s, ok := p.feed(b); ok {
					got = append(got, s)
				}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(token{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("paste without an end", func(t *testing.T) {
		var p parser
		for _, b := range []byte(pasteStart + "tea") {
			p.feed(b)
		}
		if got, ok := p.flush(); p.timeout() != 0 || !ok || got != pasted("tea") {
			t.Errorf("got %v, %v; want the text", got, ok)
		}
	})
	t.Run("Escape alone", func(t *testing.T) {
		var p parser
		p.feed(0x1b)
		if p.timeout() != escapeTimeout {
			t.Errorf("after Escape: got a timeout of %v, want %v", p.timeout(), escapeTimeout)
		}
		if got, ok := p.flush(); !ok || got != pressed(view.KeyEscape) {
			t.Errorf("got %+v, %v; want Escape", got, ok)
		}
		if p.timeout() != 0 {
			t.Error("after flush: got pending")
		}
	})
	t.Run("Alt-X alone", func(t *testing.T) {
		var p parser
		p.feed(0x1b)
		p.feed('X') // starts a string
		if p.timeout() != sequenceTimeout {
			t.Errorf("got a timeout of %v, want %v", p.timeout(), sequenceTimeout)
		}
		if got, ok := p.flush(); ok {
			t.Errorf("got %+v, want no key", got)
		}
		if got, ok := p.feed('q'); !ok || got != typed('q') {
			t.Errorf("then q: got %+v, %v", got, ok)
		}
	})
}

// FuzzParser feeds keys and replies of a terminal. After any bytes, Ctrl-C and
// a key after the timeout work, and a reply is understood.
func FuzzParser(f *testing.F) {
	f.Add([]byte("\x1b_Gi=31;OK\x1b\\\x1b[?62cäq\x1b[A"))
	f.Add([]byte("\x1bP1$r0m\x1b\\\x1b]11;rgb:0000/0000/0000\x07\x1b[6;20;10t"))
	f.Add([]byte("\x1bX"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p parser
		tokens := 0
		for _, c := range b {
			got, ok := p.feed(c)
			if len(p.pending) > maxSequence || ok && len(p.pending) > 0 && string(p.pending) != "\x1b" {
				t.Fatalf("got %d pending bytes, token %v", len(p.pending), ok)
			}
			if ok {
				tokens++
				checkToken(t, got)
			}
		}
		if tokens > len(b) {
			t.Fatalf("got %d tokens of %d bytes", tokens, len(b))
		}
		interrupted := parser{pending: append([]byte(nil), p.pending...)}
		if got, ok := interrupted.feed(ctrlC); !ok || got.key.Key != view.KeyInterrupt {
			t.Fatalf("Ctrl-C: got %+v, %v", got, ok)
		}
		p.flush()
		for _, c := range []byte("\x1b[?62;4c") {
			got, ok := p.feed(c)
			if ok != (c == 'c') || ok && got.reply != replyAttributes {
				t.Fatalf("reply after flush: got %+v, %v at %q", got, ok, c)
			}
		}
	})
}

// checkToken checks that a token is a reply or one key, and a character is one
// that may be typed into a message.
func checkToken(t *testing.T, got token) {
	t.Helper()
	r, isRune := got.key.Rune, got.key.Key == view.KeyRune && !got.key.Resized && got.reply == noReply
	switch {
	case got.reply != noReply && got.key != (view.Input{}):
		t.Fatalf("got a reply with a key: %+v", got)
	case isRune && (r < ' ' || r == 0x7f || r == utf8.RuneError):
		t.Fatalf("got character %q", r)
	}
}
