package render

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Any text of a peer becomes lines within bounds that have all of it.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"to be or not", "bob: שלום (abc) 12?", "क्षि", "a\u0301\u0302", "👩🏽‍🚀 1️⃣",
		"日本語 \u2067\u202e\u2069 x", "\u2029\x1c\n", "ก็เ่",
	} {
		f.Add(text, 100, uint8(0))
	}
	r := withFont(f, "אבשלוםक्षि\u0301\u0302日本語กเ็่ب")
	f.Fuzz(func(t *testing.T, text string, width int, lines uint8) {
		if len(text) > 2000 { // of the wire
			text = text[:2000]
		}
		text, width = strings.ToValidUTF8(text, "?"), min(max(width, 1), 2000)
		maxLines := int(lines % 4)
		search(r, text)
		got := r.wrap(isolated(text), text20, width, maxLines)
		if maxLines > 0 && len(got) > maxLines {
			t.Errorf("got %d lines, want at most %d", len(got), maxLines)
		}
		for _, l := range got {
			m := r.line(l, text20)
			if m.Rect.Dx() > maxLineWidth+2*text20.em || m.Rect.Dy() > 4*text20.em || !utf8.ValidString(l) {
				t.Errorf("got a line of %v", m.Rect.Size())
			}
		}
		letters := func(text string) string {
			return strings.NewReplacer(" ", "", "\u200e", "", "\u200f", "").Replace(text)
		}
		want := strings.Join(strings.Fields(r.clean(isolated(text))), "")
		if maxLines == 0 && letters(strings.Join(got, "")) != letters(want) {
			t.Errorf("got %q, want all of %q", got, want)
		}
		r.cut(text, text20, width)
		r.evict()
	})
}

// A broken font shows nothing, or something wrong, but does no harm.
func FuzzFont(f *testing.F) {
	good := fontWith(f, []rune("日本אבक्षब\u0301")...)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("OTTO"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.ttf"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newTextRenderer()
		const text = "日本 אב abc क्ष ब\u0301"
		search(r, text, dir)
		for _, l := range r.wrap(text, text20, 100, 0) {
			if m := r.line(l, text20); m.Rect.Dx() > maxLineWidth+2*text20.em || m.Rect.Dy() > 4*text20.em {
				t.Errorf("got a mask of %v", m.Rect.Size())
			}
		}
	})
}
