package window

import "github.com/jezek/xgb/xproto"

// legacyKeysyms are keysyms of keysymdef.h that predate Unicode keysyms;
// keyboard maps still use them. They are runs of consecutive keysyms; a space
// marks a gap. Kana, Hangul and Thai are missing: they need an input method.
var legacyKeysyms = []struct {
	first xproto.Keysym
	chars string
}{
	// Latin-2
	{0x1a1, "Ą Ł ĽŚ  ŠŞŤŹ ŽŻ ą ł ľśˇ šşťź žżŔ  Ă ĹĆ Č Ę Ě  ĎĐŃŇ  Ő  ŘŮ Ű  Ţ ŕ  ă ĺć č ę ě  ďđńň  ő  řů ű  ţ"},
	// Latin-3
	{0x2a1, "Ħ    Ĥ  İ ĞĴ    ħ    ĥ  ı ğĵ        ĊĈ              Ġ  Ĝ    ŬŜ      ċĉ              ġ  ĝ    ŭŝ"},
	// Latin-4
	{0x3a2, "ĸŖ ĨĻ   ĒĢŦ      ŗ ĩļ   ēģŧŊ ŋĀ      Į    Ė  Ī ŅŌĶ     Ų   ŨŪ ā      į    ė  ī ņōķ     ų   ũū"},
	// Arabic
	{0x5c1, "ءآأؤإئابةتثجحخدذرزسشصضطظعغ     ـفقكلمنهوىي"},
	// Cyrillic
	{0x6a1, "ђѓёєѕіїјљњћќґўџ ЂЃЁЄЅІЇЈЉЊЋЌҐЎЏюабцдефгхийклмнопярстужвьызшэщчъЮАБЦДЕФГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ"},
	// Greek
	{0x7a1, "ΆΈΉΊΪ ΌΎΫ Ώ     άέήίϊΐόύϋΰώ     ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣ ΤΥΦΧΨΩ       αβγδεζηθικλμνξοπρσςτυφχψω"},
	// Hebrew
	{0xce0, "אבגדהוזחטיךכלםמןנסעףפץצקרשת"},
	// Latin-9
	{0x13bc, "ŒœŸ"},
	// EuroSign
	{0x20ac, "€"},
}

// legacyCharacter returns the character of a legacy keysym, or 0.
func legacyCharacter(s xproto.Keysym) rune {
	for _, run := range legacyKeysyms {
		chars := []rune(run.chars)
		if s < run.first || s >= run.first+xproto.Keysym(len(chars)) {
			continue
		}
		if r := chars[s-run.first]; r != ' ' {
			return r
		}
	}
	return 0
}
