package terminal

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vchat/cmd/vchatctl/internal/view"
)

func TestParser(t *testing.T) {
	typed := func(r rune) token { return token{key: view.Input{Key: view.KeyRune, Rune: r}} }
	pressed := func(k view.Key) token { return token{key: view.Input{Key: k}} }
	backspace := pressed(view.KeyBackspace)
	for text, want := range map[string][]token{
		"q":             {typed('q')},
		"\x03":          {pressed(view.KeyInterrupt)},
		"\r\x7f\b":      {pressed(view.KeyEnter), backspace, backspace},
		"\x0c":          {{key: view.Input{Resized: true}}},
		"äß日":           {typed('ä'), typed('ß'), typed('日')},
		"\xff\xfeq\x01": {typed('q')},
		"\x1b[0n":       {{reply: replyStatus}},
		"abc\x1b[0nq": {
			typed('a'), typed('b'), typed('c'), {reply: replyStatus}, typed('q'),
		},
		"\x1b[12;40Rq":                           {typed('q')},                         // another reply
		"\x1b[A\x1bq":                            nil,                                  // an arrow and Alt-Q
		"\x1bOPq":                                {typed('q')},                         // F1
		"\x1b[[A\x1b[[Dq":                        {typed('q')},                         // F1 and F4 of Linux
		"\x1b\x1b[0n":                            {typed('['), typed('0'), typed('n')}, // Alt-Escape, then text
		"\x1b[?62;22c":                           {{reply: replyAttributes}},
		"\x1b_Gi=31;OK\x1b\\\x1b[?62c":           {{reply: replyGraphicsOK}, {reply: replyAttributes}},
		"\x1b_Gi=1;ENOSPC:no\x1b\\q":             {{reply: replyGraphicsFailed}, typed('q')},
		"\x1b]0;title\x07q":                      {typed('q')},
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
	t.Run("Escape alone", func(t *testing.T) {
		var p parser
		p.feed(0x1b)
		if !p.escapePending() {
			t.Error("after Escape: got not pending")
		}
		if got, want := p.flushEscape(), pressed(view.KeyEscape); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if p.escapePending() {
			t.Error("after flushEscape: got pending")
		}
	})
}

func FuzzParser(f *testing.F) {
	f.Add([]byte("\x1b_Gi=31;OK\x1b\\\x1b[?62cäq\x1b[A"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p parser
		for _, c := range b {
			p.feed(c)
			if len(p.pending) > maxSequence {
				t.Fatalf("got %d pending bytes, want at most %d", len(p.pending), maxSequence)
			}
		}
	})
}
