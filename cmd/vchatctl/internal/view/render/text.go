package render

import (
	"fmt"
	"image"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// textRenderer renders lines of text. It caches them between two calls of
// evict, because most text stays the same for many frames.
type textRenderer struct {
	font  *opentype.Font
	faces map[int]font.Face // by pixels per em
	buf   sfnt.Buffer

	lines, usedLines map[lineKey]*image.Alpha
	wraps, usedWraps map[wrapKey][]string
}

type lineKey struct {
	text string
	em   int
}

type wrapKey struct {
	text      string
	em, width int
}

// maxFaces bounds the cache: resizing a window goes through many font sizes.
const maxFaces = 8

// newTextRenderer renders in Go Bold, which has Latin, Greek and Cyrillic.
// Other letters become '?'.
func newTextRenderer() *textRenderer {
	f, err := opentype.Parse(gobold.TTF)
	if err != nil {
		panic(fmt.Errorf("render: parse the embedded font: %w", err)) // a constant, like the pattern of MustCompile
	}
	return &textRenderer{
		font: f, faces: map[int]font.Face{},
		lines: map[lineKey]*image.Alpha{}, usedLines: map[lineKey]*image.Alpha{},
		wraps: map[wrapKey][]string{}, usedWraps: map[wrapKey][]string{},
	}
}

func (r *textRenderer) face(em int) font.Face {
	if f := r.faces[em]; f != nil {
		return f
	}
	if len(r.faces) >= maxFaces {
		clear(r.faces)
	}
	f, err := opentype.NewFace(r.font, &opentype.FaceOptions{Size: float64(em), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(fmt.Errorf("render: scale the embedded font: %w", err))
	}
	r.faces[em] = f
	return f
}

// replaceMissing replaces runes that have no glyph in the font.
func (r *textRenderer) replaceMissing(text string) string {
	return strings.Map(func(c rune) rune {
		if i, err := r.font.GlyphIndex(&r.buf, c); err != nil || i == 0 {
			return '?'
		}
		return c
	}, text)
}

// line returns the mask of a line of text, em pixels per em.
func (r *textRenderer) line(text string, em int) *image.Alpha {
	key := lineKey{text, em}
	m := r.lines[key]
	if m == nil {
		m = r.draw(r.replaceMissing(text), em)
		r.lines[key] = m
	}
	r.usedLines[key] = m
	return m
}

func (r *textRenderer) draw(text string, em int) *image.Alpha {
	f := r.face(em)
	ascent, descent := f.Metrics().Ascent, f.Metrics().Descent
	m := image.NewAlpha(image.Rect(0, 0, max(1, font.MeasureString(f, text).Ceil()), (ascent + descent).Ceil()))
	d := font.Drawer{Dst: m, Src: image.Opaque, Face: f, Dot: fixed.Point26_6{Y: ascent}}
	d.DrawString(text)
	return m
}

// evict drops cached text that was not used since the last call.
func (r *textRenderer) evict() {
	r.lines, r.usedLines = r.usedLines, r.lines
	clear(r.usedLines)
	r.wraps, r.usedWraps = r.usedWraps, r.wraps
	clear(r.usedWraps)
}

// wrap splits a text between words into lines of at most width pixels. It also
// splits wider words. The result is cached: a message may have 2000 letters and
// is laid out for each frame.
func (r *textRenderer) wrap(text string, em, width int) []string {
	key := wrapKey{text, em, width}
	lines, ok := r.wraps[key]
	if !ok {
		lines = r.split(text, em, width)
		r.wraps[key] = lines
	}
	r.usedWraps[key] = lines
	return lines
}

func (r *textRenderer) split(text string, em, width int) []string {
	f := r.face(em)
	var lines []string
	for _, word := range strings.Fields(text) {
		word = r.replaceMissing(word)
		last := len(lines) - 1
		if last >= 0 && prefixLen(f, lines[last]+" "+word, width) == len(lines[last])+1+len(word) {
			lines[last] += " " + word
			continue
		}
		for word != "" {
			n := prefixLen(f, word, width)
			lines, word = append(lines, word[:n]), word[n:]
		}
	}
	return lines
}

// prefixLen returns the length in bytes of the longest prefix that is at most
// width pixels wide, but at least one rune. Its cost depends on the prefix, not
// on the length of the text.
func prefixLen(f font.Face, text string, width int) int {
	prefixWidth, previous := fixed.Int26_6(0), rune(0)
	for i, c := range text {
		if i > 0 {
			prefixWidth += f.Kern(previous, c)
		}
		advance, _ := f.GlyphAdvance(c)
		if prefixWidth += advance; i > 0 && prefixWidth.Ceil() > width {
			return i
		}
		previous = c
	}
	return len(text)
}
