package render

import (
	"bytes"
	"fmt"
	"image"
	"strings"
	"sync"
	"unicode"

	"github.com/go-text/typesetting/bidi"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/harfbuzz"
	"github.com/go-text/typesetting/segmenter"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/text/unicode/norm"
)

// textRenderer renders lines of text. It caches them between two calls of
// evict, because most text stays the same for many frames.
//
// It renders in the Go fonts, which have Latin, Greek and Cyrillic, and other
// characters in the fonts of the system:
//
//	text ─▶ clean ─▶ shape: direction, script, font, glyphs ─▶ wrap ─▶ draw
type textRenderer struct {
	bundled [2]*font.Face // regular and bold
	system  *systemFonts
	faces   map[*font.Font]*font.Face // of the system

	shaper    shaping.HarfbuzzShaper
	runs      shaping.Segmenter
	paragraph bidi.Paragraph
	breaks    segmenter.Segmenter

	version          uint64 // of system: that of the caches
	lines, usedLines map[lineKey]*image.Alpha
	wraps, usedWraps map[wrapKey]wrapped
}

// textStyle is the size and the weight of text.
type textStyle struct {
	em   int // pixels per em
	bold bool
}

type lineKey struct {
	text string
	textStyle
}

func newTextRenderer() *textRenderer {
	r := &textRenderer{
		system: newSystemFonts(), faces: map[*font.Font]*font.Face{},
		lines: map[lineKey]*image.Alpha{}, usedLines: map[lineKey]*image.Alpha{},
		wraps: map[wrapKey]wrapped{}, usedWraps: map[wrapKey]wrapped{},
	}
	for i, f := range bundledFonts() {
		r.bundled[i] = font.NewFace(f)
	}
	return r
}

// bundledFonts are the Go fonts: regular and bold.
var bundledFonts = sync.OnceValue(func() (fonts [2]*font.Font) {
	for i, data := range [...][]byte{goregular.TTF, gobold.TTF} {
		f, err := font.ParseTTF(bytes.NewReader(data))
		if err != nil {
			panic(fmt.Errorf("render: parse the embedded font: %w", err)) // a constant, like the pattern of MustCompile
		}
		fonts[i] = f.Font
	}
	return fonts
})

// refresh drops cached text if other fonts were found since.
func (r *textRenderer) refresh() {
	if v := r.system.version.Load(); v != r.version {
		r.version = v
		clear(r.lines)
		clear(r.wraps)
	}
}

// evict drops cached text that was not used since the last call.
func (r *textRenderer) evict() {
	r.lines, r.usedLines = r.usedLines, r.lines
	clear(r.usedLines)
	r.wraps, r.usedWraps = r.usedWraps, r.wraps
	clear(r.usedWraps)
}

// line returns the mask of a line of text.
func (r *textRenderer) line(text string, style textStyle) *image.Alpha {
	key := lineKey{text, style}
	m := r.lines[key]
	if m == nil {
		m = r.draw(r.shape(r.clean(text), style), style)
		r.lines[key] = m
	}
	r.usedLines[key] = m
	return m
}

// searching stands for characters whose font is being looked for.
const searching = "…"

// clean returns a text with only characters that can be drawn. It replaces an
// emoji that no font has by its name, and other characters by a note that names
// their script, for which a font has to be installed.
func (r *textRenderer) clean(text string) string {
	plain := true
	for _, c := range text {
		plain = plain && c >= ' ' && c < 0x7f
	}
	if plain {
		return text
	}
	var b strings.Builder
	joined := false // the character before is a joiner after an emoji
	missing := ""   // the script of the characters before, if it has no font
	noted := ""     // the last script with a note: one is enough
	last := rune(0) // the last character written as it is
	for _, c := range norm.NFC.String(text) {
		if harfbuzz.IsDefaultIgnorable(c) || c == keycap {
			joined = joined || c == zeroWidthJoiner && !unicode.In(last, unicode.L, unicode.M)
			if missing == "" && isControl(c, last) {
				b.WriteRune(c)
			}
			continue
		}
		drawn, known := r.has(c)
		if missing != "" && (unicode.IsSpace(c) || isMark(c) ||
			!drawn && !isEmoji(c) && (!known || scriptOf(c) == missing)) {
			continue
		}
		if missing != "" {
			b.WriteByte(' ')
		}
		missing, last = "", c
		switch {
		case unicode.IsSpace(c):
			b.WriteByte(' ')
		case isEmoji(c) && joined: // part of the emoji before
		case drawn:
			b.WriteRune(c)
		case isEmoji(c):
			b.WriteString(emojiName(c))
		case !known:
			missing = searching
			b.WriteString(searching)
		case isMark(c):
		default:
			if missing = scriptOf(c); missing != "" && missing != noted {
				b.WriteString("[no font for " + missing + "]")
				noted = missing
			} else {
				b.WriteByte('?')
			}
		}
		joined = false
	}
	return b.String()
}

// has reports whether a font has a character, and whether that is known yet.
func (r *textRenderer) has(c rune) (drawn, known bool) {
	if unicode.IsSpace(c) || unicode.IsControl(c) {
		return false, true
	}
	if _, ok := r.bundled[0].NominalGlyph(c); ok {
		return true, true
	}
	f, known := r.system.find(c)
	return f != nil, known
}
