package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Every text of a peer passes through this file: a Reader returns only clean
// texts, so nothing behind it (a terminal, a log, a page, a window, a file
// name) meets what a peer could do harm with. Clean is a text without
//
//   - control characters: one becomes a space. A peer that sends one commits a
//     fault, so this matters for our own texts.
//   - line and paragraph separators, and all spaces but U+0020: a space.
//   - format characters and all others without a glyph: bidirectional controls,
//     zero-width characters, tags, fillers. They are dropped. Emoji keep their
//     joiners and their variation selector.
//   - private characters and non-characters: U+FFFD.
//   - a combining mark at the start, and more than maxMarks in a row.

// maxMarks is how many combining marks may follow each other. Biblical Hebrew
// has up to four; more only paint over the lines above and below.
const maxMarks = 4

const (
	zeroWidthJoiner = 0x200D
	textSelector    = 0xFE0E // the character before it is not an emoji
	emojiSelector   = 0xFE0F // the character before it is an emoji
	brailleBlank    = 0x2800
)

// Sanitize returns s as a clean text of at most limit bytes for a message. It
// replaces invalid UTF-8 by U+FFFD, and cuts the text between two characters.
// Use it for texts from outside, such as host names and kernel messages.
func Sanitize(s string, limit int) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return clean(s, "")
}

// cleanTexts cleans the texts of a message that was decoded.
func cleanTexts(m Message) {
	switch m := m.(type) {
	case *Hello:
		m.Name, m.Software = strings.TrimSpace(clean(m.Name, "")), strings.TrimSpace(clean(m.Software, ""))
	case *Bye:
		m.Text = clean(m.Text, "")
	case *End:
		m.Text = clean(m.Text, "")
	case *State:
		m.Reason = clean(m.Reason, "")
	case *Text:
		m.Text = clean(m.Text, "\n\t")
	}
}

// clean returns s, which is valid UTF-8, as a clean text that may have these
// control characters. The result is never longer than s.
func clean(s, controls string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	c := cleaner{controls: controls}
	for at, r := range s {
		next, _ := utf8.DecodeRuneInString(s[at+utf8.RuneLen(r):])
		if r = c.clean(r, next); r >= 0 {
			b.WriteRune(r)
			c.last = r
		}
	}
	return b.String()
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// cleaner is the state of clean.
type cleaner struct {
	controls string
	last     rune // the last character of the result; 0: none
	marks    int  // combining marks at the end of the result
}

// clean returns what replaces r, or -1. next is the character after r.
func (c *cleaner) clean(r, next rune) rune {
	switch {
	case r == zeroWidthJoiner:
		if c.last != 0 && (isEmoji(c.last) || c.last == emojiSelector) && isEmoji(next) {
			return r
		}
		return -1
	case r == textSelector || r == emojiSelector:
		if isEmoji(c.last) || strings.ContainsRune("#*0123456789", c.last) && c.last != 0 {
			return r
		}
		return -1
	case unicode.In(r, unicode.Mn, unicode.Me) && !isInvisible(r):
		if c.marks++; c.last == 0 || c.marks > maxMarks {
			return -1
		}
		return r
	case isInvisible(r):
		return -1
	}
	c.marks = 0
	switch {
	case unicode.IsControl(r) && !strings.ContainsRune(c.controls, r), unicode.In(r, unicode.Z), r == brailleBlank:
		return ' '
	case unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point):
		return utf8.RuneError
	}
	return r
}

// isInvisible reports whether r has no glyph of its own.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		0xE0000 <= r && r <= 0xE0FFF || r == 0x2065 || 0xFFF0 <= r && r <= 0xFFF8
}

// isEmoji reports whether r can be part of a sequence of emoji.
func isEmoji(r rune) bool {
	return unicode.Is(unicode.So, r) && r != utf8.RuneError ||
		0x1F000 <= r && r <= 0x1FAFF || 0x2190 <= r && r <= 0x21FF
}
