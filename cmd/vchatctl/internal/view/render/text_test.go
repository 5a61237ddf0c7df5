package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextRenderer_replacesMissingGlyphs(t *testing.T) {
	r := newTextRenderer()
	for text, want := range map[string]string{
		"Größe ½ ñ":     "Größe ½ ñ",
		"Ελλάς, Москва": "Ελλάς, Москва",
		"日本 a\tb":       "?? a?b",
	} {
		t.Run(text, func(t *testing.T) {
			if got := r.replaceMissing(text); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestTextRenderer_wrap(t *testing.T) {
	r := newTextRenderer()
	t.Run("between words", func(t *testing.T) {
		if diff := cmp.Diff([]string{"to be or", "not"}, r.wrap("to be or not", 20, 85)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("within a word", func(t *testing.T) {
		for _, line := range r.wrap("aVeryLongWordThatFitsNowhere", 20, 60) {
			if w := r.line(line, 20).Rect.Dx(); w > 60 {
				t.Errorf("%s: got %d pixels, want at most 60", line, w)
			}
		}
	})
	t.Run("a long word is cached", func(t *testing.T) {
		// A peer sends what it likes, and each frame shows it again.
		long := strings.Repeat("日w", 500)
		if got := strings.Join(r.wrap(long, 20, 100), ""); got != strings.ReplaceAll(long, "日", "?") {
			t.Errorf("got %q", got)
		}
		if n := testing.AllocsPerRun(10, func() { r.wrap(long, 20, 100); r.evict() }); n > 1 {
			t.Errorf("got %v allocations, want at most 1", n)
		}
	})
	t.Run("no room", func(t *testing.T) {
		if got := r.wrap("narrow", 20, 1); len(got) != 6 {
			t.Errorf("got %q, want one letter on each line", got)
		}
	})
}
