package terminal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// ownSequences matches what writeChanges writes beside characters.
var ownSequences = regexp.MustCompile(`\x1b\[(\d+;\d+H|0m|[34]8;(2;\d+;\d+;\d+|5;\d+)m)`)

// FuzzText draws any text into a terminal of any size. Only sequences of this
// package reach the terminal, whatever the text contains.
func FuzzText(f *testing.F) {
	f.Add("hello, world", uint8(80), uint8(3))
	f.Add("\x1b[2J\u009b2J\x07a\u200b\u202eb\u0301\U000e0041", uint8(20), uint8(2))
	f.Add("日本語日本語 👩‍👩‍👧‍👦 a"+strings.Repeat("\u0301", 9), uint8(3), uint8(1))
	f.Add("\xff\xfe\x80", uint8(1), uint8(1))
	f.Add("語 👩\xe2\x80 \xa90", uint8(2), uint8(34))
	f.Fuzz(func(t *testing.T, text string, cols, rows uint8) {
		if cols == 0 || rows == 0 {
			return // open replaces these sizes
		}
		lines := wrap(text, int(cols))
		if len(lines) > len(text) {
			t.Fatalf("got %d lines of %d bytes", len(lines), len(text))
		}
		got := strings.Join(strings.Fields(strings.Join(lines, "")), "")
		want := strings.Join(strings.Fields(text), "")
		// Invalid bytes on both sides of a space can make a space together.
		if got != want && utf8.ValidString(text) {
			t.Fatalf("wrap: got %q, want %q", got, want)
		}
		for _, l := range lines {
			if cols > 1 && textWidth(l) > int(cols) {
				t.Fatalf("got a line of %d columns, want at most %d: %q", textWidth(l), cols, l)
			}
		}
		var c cells
		c.resize(int(cols), int(rows))
		c.reset()
		c.drawCentered(c.appendWrapped(nil, text, textLine{}), int(rows)/2)
		c.drawLine(0, 0, textLine{text: text})
		var out bytes.Buffer
		c.writeChanges(&out)
		rest := ownSequences.ReplaceAllString(out.String(), "")
		if strings.ContainsFunc(rest, unicode.IsControl) {
			t.Fatalf("got control characters: %q", rest)
		}
		out.Reset()
		if c.writeChanges(&out); out.Len() > 0 {
			t.Fatalf("without a change: got %q", out.String())
		}
	})
}
