package testcard

import "testing"

func TestFont_letters(t *testing.T) {
	f := bold(40)
	if _, ok := f.GlyphAdvance('\U0001F4F7'); ok {
		t.Error("got a glyph for the camera emoji, want none: this test could not detect a missing glyph")
	}
	for _, r := range "Küche é Ångström naïve Кухня κουζίνα 0123456789:.×/" {
		if _, ok := f.GlyphAdvance(r); r != ' ' && (!ok || coverage(f, string(r)) == 0) {
			t.Errorf("%c: got no glyph", r)
		}
	}
	if got := coverage(f, " "); got != 0 {
		t.Errorf("space: got coverage %d, want 0", got)
	}
	// Accented letters are composite glyphs. The accent must be drawn too.
	if plain, accented := coverage(f, "e"), coverage(f, "é"); accented <= plain {
		t.Errorf("é: got coverage %d, want more than the %d of e", accented, plain)
	}
	if one, two := f.width("m"), f.width("mm"); one <= 0 || two != 2*one {
		t.Errorf("got width %v for m and %v for mm, want the double", one, two)
	}
}

// coverage returns the sum of the pixels in a text's mask.
func coverage(f font, text string) (sum int) {
	for _, a := range f.mask(text).Pix {
		sum += int(a)
	}
	return sum
}
