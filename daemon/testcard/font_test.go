package testcard

import "testing"

func TestFaceHasTheLettersOfNames(t *testing.T) {
	f := bold(40)
	if _, there := f.GlyphAdvance('\U0001F4F7'); there {
		t.Error("a camera is there: then this test sees nothing")
	}
	for _, r := range "Küche é Ångström naïve Кухня κουζίνα 0123456789:.×/" {
		if _, there := f.GlyphAdvance(r); r != ' ' && (!there || covered(f, string(r)) == 0) {
			t.Errorf("%c is not there", r)
		}
	}
	if covered(f, " ") != 0 {
		t.Error("a space is not empty")
	}
	// Accents are parts that are put together: they must be drawn too.
	if plain, accented := covered(f, "e"), covered(f, "é"); accented <= plain {
		t.Errorf("é has %d of ink, e has %d", accented, plain)
	}
	if one, two := f.width("m"), f.width("mm"); one <= 0 || two != 2*one {
		t.Errorf("m is %v wide, mm %v", one, two)
	}
}

// covered sums up what a text's mask covers.
func covered(f font, text string) (sum int) {
	for _, a := range f.mask(text).Pix {
		sum += int(a)
	}
	return sum
}
