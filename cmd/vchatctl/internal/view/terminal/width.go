package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// runeWidth returns the columns that a terminal gives to a character: 0 for
// control and combining characters, 2 for wide ones, else 1. Terminals count
// characters, not what a font joins to one sign.
func runeWidth(r rune) int {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0, unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1160 && r <= 0x11ff: // vowels and final consonants of Hangul join the letter before
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// textWidth returns the columns of a text.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// truncate returns the start of a text that fits into cols columns. If it cuts
// something off, the result ends with mark.
func truncate(s string, cols int, mark string) string {
	if textWidth(s) <= cols {
		return s
	}
	free := cols - textWidth(mark)
	if free < 0 {
		return ""
	}
	for i, r := range s {
		if free -= runeWidth(r); free < 0 {
			return s[:i] + mark
		}
	}
	return s
}

// pad adds blanks to a text, up to cols columns.
func pad(s string, cols int) string {
	return s + strings.Repeat(" ", max(0, cols-textWidth(s)))
}
