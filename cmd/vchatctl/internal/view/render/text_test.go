package render

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var text20 = textStyle{20, true}

// bundled returns a renderer without the fonts of the system.
func bundled() *textRenderer { return newTextRenderer() }

// search looks for the fonts that r misses for a text, in directories.
func search(r *textRenderer, text string, dirs ...string) *fontSearch {
	s := &fontSearch{dirs: func() []string { return dirs }}
	r.clean(text)
	r.system.answer(context.Background(), s)
	r.refresh()
	return s
}

func TestTextRenderer_clean(t *testing.T) {
	r := bundled()
	for text, want := range map[string]string{
		"Größe ½ ñ":       "Größe ½ ñ",
		"Ελλάς, Москва":   "Ελλάς, Москва",
		"日本 a\tb":         "[no font for Han] a b",
		"bob: 日本 日 x 本":   "bob: [no font for Han] x ?",
		"किताब तैयार":     "[no font for Devanagari]",
		"\ue000":          "?",
		"I ❤️ you 👍🏽":     "I :red heart: you :thumbs up:",
		"👩‍🚀 🫠":           ":woman: :emoji:",
		"\u202eabc\ufeff": "abc",
		"1️⃣ 🇩🇪":          "1 DE",
		"می\u200cخواهم":   "[no font for Arabic]",
	} {
		t.Run(text, func(t *testing.T) {
			search(r, text)
			if got := r.clean(text); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTextRenderer_wrap(t *testing.T) {
	r := bundled()
	t.Run("between words", func(t *testing.T) {
		if diff := cmp.Diff([]string{"to be or", "not"}, r.wrap("to be or not", text20, 85, 0)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("with an ellipsis", func(t *testing.T) {
		if diff := cmp.Diff([]string{"to be…"}, r.wrap("to be or not", text20, 85, 1)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("within a word", func(t *testing.T) {
		for _, line := range r.wrap("aVeryLongWordThatFitsNowhere", text20, 60, 0) {
			if w := r.line(line, text20).Rect.Dx(); w > 60 {
				t.Errorf("%s: got %d pixels, want at most 60", line, w)
			}
		}
	})
	t.Run("a long word is cached", func(t *testing.T) {
		// A peer sends what it likes, and each frame shows it again.
		long := strings.Repeat("\ue000w", 500)
		search(r, long)
		if got := strings.Join(r.wrap(long, text20, 100, 0), ""); got != strings.ReplaceAll(long, "\ue000", "?") {
			t.Errorf("got %q", got)
		}
		if n := testing.AllocsPerRun(10, func() { r.wrap(long, text20, 100, 0); r.evict() }); n > 1 {
			t.Errorf("got %v allocations, want at most 1", n)
		}
	})
	t.Run("no room", func(t *testing.T) {
		if got := r.wrap("narrow", text20, 1, 0); len(got) != 6 {
			t.Errorf("got %q, want one letter on each line", got)
		}
	})
}
