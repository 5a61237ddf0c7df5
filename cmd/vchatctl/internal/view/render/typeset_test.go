package render

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// visualText returns the characters of a line from left to right.
func visualText(r *textRenderer, text string) string {
	s := r.shape(r.clean(text), text20)
	var b strings.Builder
	for _, run := range s.visual() {
		for i := range run.Glyphs {
			if c := s.text[run.Glyphs[i].TextIndex()]; !isControl(c, 'a') {
				b.WriteRune(c)
			}
		}
	}
	return b.String()
}

func TestShape_visualOrder(t *testing.T) {
	r := withFont(t, "אבגדהוםלש?")
	for text, want := range map[string]string{
		"plain (text)":           "plain (text)",
		"שלום":                   "םולש",
		"אב 12 גד":               "דג 12 בא",
		"bob: אב 12 גד":          "bob: דג 12 בא", // a number within a run from right to left
		"שלום bob":               "bob םולש",
		"(אב)":                   ")בא(",
		"bob: שלום abc?":         "bob: םולש abc?",
		isolated("bob: שלום a?"): "bob: ?a םולש",
		isolated("bob: a שלום?"): "bob: a םולש?",
		isolated("bob: 12 שלום"): "bob: םולש 12",
	} {
		t.Run(text, func(t *testing.T) {
			if got := visualText(r, text); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A peer cannot reorder the name before its message.
func TestShape_spoofedOrder(t *testing.T) {
	r := withFont(t, "אב")
	for _, text := range []string{"bob: \u202eecila", "bob: \u2067\u202eecila", "bob: \u2068\u2069\u2069\u200fx"} {
		if got := visualText(r, text); !strings.HasPrefix(got, "bob: ") {
			t.Errorf("%+q: got %q, want bob in front", text, got)
		}
	}
}

// Fonts of the system have one weight: bold text is drawn with wider strokes.
func TestDraw_bold(t *testing.T) {
	r := withFont(t, "日")
	ink := func(bold bool) (sum int) {
		for _, alpha := range r.line("日日", textStyle{48, bold}).Pix {
			sum += int(alpha)
		}
		return sum
	}
	if regular, bold := ink(false), ink(true); bold < regular*11/10 {
		t.Errorf("got %d of ink, want more than the %d of regular text", bold, regular)
	}
}

func TestWrap_direction(t *testing.T) {
	r := withFont(t, "אבגד")
	lines := r.wrap("אבגד אבגד abcd abcd אבגד", text20, 70, 0)
	if len(lines) < 3 {
		t.Fatalf("got %q, want more lines", lines)
	}
	for _, l := range lines {
		if !rightToLeft(l) {
			t.Errorf("%+q is not from right to left, as the text is", l)
		}
	}
	for _, l := range r.wrap(isolated("bob: אבגד אבגד abcd abcd אבגד"), text20, 70, 0)[1:] {
		if !rightToLeft(l) {
			t.Errorf("%+q is not from right to left, as the message is", l)
		}
	}
	for _, l := range r.wrap("bob: אבגד אבגד abcd abcd אבגד", text20, 70, 0) {
		if rightToLeft(l) {
			t.Errorf("%+q is from right to left, unlike the text", l)
		}
	}
}

func TestWrap_keepsClusters(t *testing.T) {
	t.Run("a mark", func(t *testing.T) {
		r := withFont(t, "x\u0301\u0308")
		for _, l := range r.wrap(strings.Repeat("x\u0301\u0308", 20), text20, 1, 0) {
			if l != "x\u0301\u0308" {
				t.Errorf("got the line %+q, want a letter with its marks", l)
			}
		}
	})
	t.Run("a vowel before its letter", func(t *testing.T) {
		r := withFont(t, "เกโ")
		got := r.wrap("เกโกเก", text20, 60, 0)
		for _, l := range got {
			if strings.HasSuffix(l, "เ") || strings.HasSuffix(l, "โ") {
				t.Errorf("got %q, want no line that ends in such a vowel", got)
			}
		}
		if len(got) < 2 || r.broken("เกโกเก", text20, 60) {
			t.Errorf("got %q, want lines that are not broken", got)
		}
	})
	t.Run("between ideographs", func(t *testing.T) {
		r := withFont(t, "日本語")
		text := strings.Repeat("日本語", 9)
		got := r.wrap("a "+text, text20, 100, 0)
		if len(got) < 2 || !strings.HasPrefix(got[0], "a 日") || r.broken(text, text20, 100) {
			t.Errorf("got %q, want full lines that are not broken", got)
		}
		if last := r.wrap(text, text20, 100, 2)[1]; strings.Contains(last, " ") || !strings.HasSuffix(last, "…") {
			t.Errorf("got the last line %q, want an ellipsis and no space", last)
		}
	})
}

// Letters with marks are drawn in one font, and so are words.
func TestShape_oneFontForAWord(t *testing.T) {
	r := withFont(t, "tiếng")
	fonts := func(text string) (n int) {
		return len(r.shape(r.clean(text), text20).runs)
	}
	if got := fonts("tiếng"); got != 1 {
		t.Errorf("a word: got %d runs, want 1", got)
	}
	if got := fonts("tiếng abc"); got != 2 {
		t.Errorf("a word and one that the other font lacks: got %d runs, want 2", got)
	}
	if got := fonts("abcế"); got != 2 {
		t.Errorf("a word that no font has: got %d runs, want 2", got)
	}
}

// However many marks a peer stacks, a line stays a line.
func TestDraw_bounds(t *testing.T) {
	r := withFont(t, "x\u0301\u0302")
	plain := r.line("x", text20).Rect
	for _, text := range []string{
		"x" + strings.Repeat("\u0301\u0302", 900), strings.Repeat("\u0301", 1000), strings.Repeat("W", 2000),
	} {
		m := r.line(text, text20)
		if m.Rect.Dy() > plain.Dy()+2*maxOverhang*text20.em || m.Rect.Dx() > maxLineWidth+2*text20.em {
			t.Errorf("%.10q: got a mask of %v", text, m.Rect.Size())
		}
	}
}

// The baseline stays where it is in the middle of a line, whatever is above.
func TestDraw_baseline(t *testing.T) {
	r := bundled()
	bottom := func(text string) int { // below the middle
		m := r.line(text, text20)
		for y := m.Rect.Dy() - 1; y >= 0; y-- {
			if slices.ContainsFunc(m.Pix[y*m.Stride:][:m.Rect.Dx()], func(a uint8) bool { return a > 128 }) {
				return 2*y - m.Rect.Dy()
			}
		}
		return 0
	}
	if got, want := bottom("ẬH"), bottom("H"); got < want-1 {
		t.Errorf("got a baseline at %d, want %d", got, want)
	}
}

// noto returns a renderer with a font of the Noto family, or skips the test.
func noto(t *testing.T, name, text string) *textRenderer {
	t.Helper()
	path := filepath.Join("/usr/share/fonts/truetype/noto", name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("the font is not installed: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newTextRenderer()
	r.clean(text)
	r.system.answer(context.Background(), &fontSearch{dirs: func() []string { return []string{dir} }})
	return r
}

// Scripts whose letters change their form need rules of their font.
func TestShape_scripts(t *testing.T) {
	for _, tt := range []struct {
		name, font, text string
		hidden           rune // what must not be seen as a sign of its own
		glyphs           int  // at most
	}{
		{"Devanagari conjunct", "NotoSansDevanagari-Regular.ttf", "क्ष", 0x094D, 1},
		{"Devanagari vowel", "NotoSansDevanagari-Regular.ttf", "स्थि", 0x094D, 3},
		{"Bengali conjunct", "NotoSansBengali-Regular.ttf", "ক্ষ", 0x09CD, 1},
		{"Tamil ligature", "NotoSansTamil-Regular.ttf", "ஸ்ரீ", 0x0BCD, 1},
		{"Khmer coeng", "NotoSansKhmer-Regular.ttf", "ក្ក", 0x17D2, 2},
		{"Myanmar stack", "NotoSansMyanmar-Regular.ttf", "က္က", 0x1039, 2},
		{"Arabic ligature", "NotoSansArabic-Regular.ttf", "لا", 0x0627, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := noto(t, tt.font, tt.text)
			s := r.shape(r.clean(tt.text), text20)
			if len(s.runs) != 1 {
				t.Fatalf("got %d runs, want 1", len(s.runs))
			}
			run := s.runs[0]
			hidden, _ := run.Face.NominalGlyph(tt.hidden)
			for _, g := range run.Glyphs {
				if g.GlyphID == hidden || g.GlyphID == 0 {
					t.Errorf("the sign %U is seen", tt.hidden)
				}
			}
			if len(run.Glyphs) > tt.glyphs {
				t.Errorf("got %d glyphs, want at most %d", len(run.Glyphs), tt.glyphs)
			}
		})
	}
	t.Run("Thai tone over a vowel", func(t *testing.T) {
		r := noto(t, "NotoSansThai-Regular.ttf", "ที่")
		s := r.shape(r.clean("ที่"), text20)
		over := inkBox{}
		for _, o := range glyphOutlines(&s.runs[0], 20, 0) {
			over.add(o)
		}
		s = r.shape(r.clean("ที"), text20)
		vowel := inkBox{}
		for _, o := range glyphOutlines(&s.runs[0], 20, 0) {
			vowel.add(o)
		}
		if over.y1 < vowel.y1+2 {
			t.Errorf("the tone ends at %v pixels, want it above the vowel, which ends at %v", over.y1, vowel.y1)
		}
	})
	t.Run("Persian non-joiner", func(t *testing.T) {
		r := noto(t, "NotoSansArabic-Regular.ttf", "می\u200cخواهم")
		ids := func(text string) (ids []uint32) {
			for _, g := range r.shape(r.clean(text), text20).runs[0].Glyphs {
				ids = append(ids, uint32(g.GlyphID))
			}
			return ids
		}
		if cmp.Equal(ids("می\u200cخ"), ids("میخ")) {
			t.Error("the letters join over a zero width non-joiner")
		}
	})
}
