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

// textRenderer draws lines of text and keeps what it drew last: most of what a viewer says stays the same for a second.
type textRenderer struct {
	font  *opentype.Font
	faces map[int]font.Face // by pixels an em
	lines map[lineKey]*image.Alpha
	buf   sfnt.Buffer
	used  map[lineKey]*image.Alpha // those that were asked for since tidy

	wraps, usedWraps map[wrapKey][]string // the same of texts that were cut into lines
}

type lineKey struct {
	text string
	em   int
}

type wrapKey struct {
	text      string
	em, width int
}

const mostFaces = 8 // a window that is being resized goes through many sizes

// newTextRenderer draws in Go Bold, which has the Latin, Greek and Cyrillic letters; others become '?'.
func newTextRenderer() *textRenderer {
	f, err := opentype.Parse(gobold.TTF)
	if err != nil {
		panic(fmt.Errorf("render: the font in the program: %w", err)) // a constant, as a pattern of MustCompile
	}
	return &textRenderer{font: f, faces: map[int]font.Face{}, lines: map[lineKey]*image.Alpha{}, used: map[lineKey]*image.Alpha{},
		wraps: map[wrapKey][]string{}, usedWraps: map[wrapKey][]string{}}
}

func (l *textRenderer) face(em int) font.Face {
	if f := l.faces[em]; f != nil {
		return f
	}
	if len(l.faces) >= mostFaces {
		clear(l.faces)
	}
	f, err := opentype.NewFace(l.font, &opentype.FaceOptions{Size: float64(em), DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(fmt.Errorf("render: the font in the program: %w", err))
	}
	l.faces[em] = f
	return f
}

// known replaces what the font has no letter for.
func (l *textRenderer) known(text string) string {
	return strings.Map(func(r rune) rune {
		if i, err := l.font.GlyphIndex(&l.buf, r); err != nil || i == 0 {
			return '?'
		}
		return r
	}, text)
}

// line draws a line of text that is em pixels high an em.
func (l *textRenderer) line(text string, em int) *image.Alpha {
	key := lineKey{text, em}
	m := l.lines[key]
	if m == nil {
		m = l.draw(l.known(text), em)
		l.lines[key] = m
	}
	l.used[key] = m
	return m
}

func (l *textRenderer) draw(text string, em int) *image.Alpha {
	f := l.face(em)
	rise, fall := f.Metrics().Ascent, f.Metrics().Descent
	m := image.NewAlpha(image.Rect(0, 0, max(1, font.MeasureString(f, text).Ceil()), (rise + fall).Ceil()))
	d := font.Drawer{Dst: m, Src: image.Opaque, Face: f, Dot: fixed.Point26_6{Y: rise}}
	d.DrawString(text)
	return m
}

// tidy forgets what was not asked for since the last time.
func (l *textRenderer) tidy() {
	l.lines, l.used = l.used, l.lines
	clear(l.used)
	l.wraps, l.usedWraps = l.usedWraps, l.wraps
	clear(l.usedWraps)
}

// wrap cuts a text between words into lines of at most width pixels. A word that is wider is cut too. It is kept as what is
// drawn is: a text may have 2000 letters, and they are asked for with each frame.
func (l *textRenderer) wrap(text string, em, width int) []string {
	key := wrapKey{text, em, width}
	lines, ok := l.wraps[key]
	if !ok {
		lines = l.cut(text, em, width)
		l.wraps[key] = lines
	}
	l.usedWraps[key] = lines
	return lines
}

func (l *textRenderer) cut(text string, em, width int) []string {
	f := l.face(em)
	var lines []string
	for _, word := range strings.Fields(text) {
		word = l.known(word)
		if last := len(lines) - 1; last >= 0 && begins(f, lines[last]+" "+word, width) == len(lines[last])+1+len(word) {
			lines[last] += " " + word
			continue
		}
		for word != "" {
			n := begins(f, word, width)
			lines, word = append(lines, word[:n]), word[n:]
		}
	}
	return lines
}

// begins is how many bytes of a text, of one letter at least, are at most width pixels wide. It looks no further.
func begins(f font.Face, text string, width int) int {
	wide, before := fixed.Int26_6(0), rune(0)
	for at, r := range text {
		if at > 0 {
			wide += f.Kern(before, r)
		}
		advance, _ := f.GlyphAdvance(r)
		if wide += advance; at > 0 && wide.Ceil() > width {
			return at
		}
		before = r
	}
	return len(text)
}
