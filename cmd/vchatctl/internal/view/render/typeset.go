package render

import (
	"image"
	"math"
	"slices"
	"sync"
	"unicode"

	"github.com/go-text/typesetting/bidi"
	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/harfbuzz"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// shaped is a text with the glyphs that show it.
type shaped struct {
	text []rune
	runs []glyphRun // in the order of reading
}

// glyphRun is a piece of a text in one font and one direction.
type glyphRun struct {
	shaping.Output
	level bidi.Level
}

// Limits for glyphs: fonts may be broken, and text is a peer's.
const (
	maxAdvance   = 4 // in em
	maxOverhang  = 1 // in em, over the ends of a line and over its height
	maxSegments  = 20000
	maxLineWidth = 1 << 14 // pixels
)

// shape returns the glyphs of a text that clean returned.
func (r *textRenderer) shape(text string, style textStyle) *shaped {
	s := &shaped{text: []rune(text)}
	if len(s.text) == 0 {
		return s
	}
	direction, level := di.DirectionLTR, bidi.LeftToRight
	if rightToLeft(text) {
		direction, level = di.DirectionRTL, bidi.RightToLeft
	}
	var runs []shaping.Input
	for _, run := range r.runs.Split(shaping.Input{
		Text: s.text, RunEnd: len(s.text), Direction: direction, Size: fixed.I(style.em), Language: languageOf(s.text),
	}, oneFace{r.face(nil, style)}) {
		runs = r.splitByFont(runs, run, style)
	}
	levels, i := r.paragraph.Segment(s.text, level), 0
	for _, run := range runs {
		for i < levels.NumRuns()-1 && run.RunStart >= levels.Run(i).End {
			i++
		}
		s.runs = append(s.runs, glyphRun{r.shapeRun(run), levels.Run(i).Level})
	}
	return s
}

// shapeRun shapes one run. Its font may be broken.
func (r *textRenderer) shapeRun(run shaping.Input) (out shaping.Output) {
	defer func() {
		if recover() != nil {
			r.shaper = shaping.HarfbuzzShaper{}
			out = shaping.Output{Runes: shaping.Range{Offset: run.RunStart, Count: run.RunEnd - run.RunStart}}
		}
	}()
	return r.shaper.ShapeNoExtents(run)
}

// oneFace has one font for all characters.
type oneFace struct{ *font.Face }

func (f oneFace) ResolveFace(rune) *font.Face { return f.Face }

// face returns the face of a font of the system, or the bundled one for nil.
func (r *textRenderer) face(f *font.Font, style textStyle) *font.Face {
	if f == nil && style.bold {
		return r.bundled[1]
	}
	if f == nil {
		return r.bundled[0]
	}
	face := r.faces[f]
	if face == nil {
		face = font.NewFace(f)
		r.faces[f] = face
	}
	return face
}

// splitByFont appends a run in pieces that one font can show: words if
// possible, or else each letter with its marks.
func (r *textRenderer) splitByFont(runs []shaping.Input, run shaping.Input, style textStyle) []shaping.Input {
	piece := func(start, end int, face *font.Face) {
		if n := len(runs) - 1; n >= 0 && runs[n].RunEnd == start && runs[n].Face == face && start > run.RunStart {
			runs[n].RunEnd = end
			return
		}
		next := run
		next.RunStart, next.RunEnd, next.Face = start, end, face
		runs = append(runs, next)
	}
	for start := run.RunStart; start < run.RunEnd; {
		end := start + 1
		for end < run.RunEnd && run.Text[end-1] != ' ' {
			end++
		}
		if face := r.faceFor(run.Text[start:end], style); face != nil {
			piece(start, end, face)
			start = end
			continue
		}
		r.breaks.Init(run.Text[start:end])
		for it := r.breaks.GraphemeIterator(); it.Next(); {
			g := it.Grapheme()
			face := r.faceFor(g.Text, style)
			if face == nil {
				f, _ := r.system.find(g.Text[0])
				face = r.face(f, style)
			}
			piece(start+g.Offset, start+g.Offset+len(g.Text), face)
		}
		start = end
	}
	return runs
}

// maxCandidates bounds how many fonts are tried for a word.
const maxCandidates = 4

// faceFor returns a face that has all characters of a text, or nil.
func (r *textRenderer) faceFor(text []rune, style textStyle) *font.Face {
	bundled := r.face(nil, style)
	if hasAll(bundled, text) {
		return bundled
	}
	var tried [maxCandidates]*font.Font
	n := 0
	for _, c := range text {
		if needsNoFont(c) {
			continue
		}
		f, _ := r.system.find(c)
		if f == nil || slices.Contains(tried[:n], f) {
			continue
		}
		if face := r.face(f, style); hasAll(face, text) {
			return face
		}
		tried[n] = f
		if n++; n == len(tried) {
			break
		}
	}
	return nil
}

func hasAll(face *font.Face, text []rune) bool {
	for _, c := range text {
		if needsNoFont(c) {
			continue
		}
		if _, ok := face.NominalGlyph(c); !ok {
			return false
		}
	}
	return true
}

func needsNoFont(c rune) bool { return unicode.IsSpace(c) || harfbuzz.IsDefaultIgnorable(c) }

// locale is the language of the user: it decides between forms of letters that
// languages of one script share.
var locale = sync.OnceValue(language.DefaultLanguage)

// languageOf returns the language of a text if its letters tell it, or else the
// user's: ideographs look different in Chinese, Japanese and Korean.
func languageOf(text []rune) language.Language {
	for _, c := range text {
		switch {
		case unicode.In(c, unicode.Hiragana, unicode.Katakana):
			return "ja"
		case unicode.Is(unicode.Hangul, c):
			return "ko"
		}
	}
	if _, ok := language.NewLangID(locale()); !ok {
		return ""
	}
	return locale()
}

// advance returns how far a glyph moves the pen.
func advance(g *shaping.Glyph, em int) fixed.Int26_6 {
	return min(max(g.Advance, -fixed.I(maxAdvance*em)), fixed.I(maxAdvance*em))
}

// visual returns the runs from left to right (Unicode standard annex 9, L2).
func (s *shaped) visual() []glyphRun {
	runs := slices.Clone(s.runs)
	highest := bidi.Level(0)
	for i := range runs {
		highest = max(highest, runs[i].level)
	}
	for level := highest; level > 0; level-- {
		for i := 0; i < len(runs); i++ {
			start := i
			for i < len(runs) && runs[i].level >= level {
				i++
			}
			slices.Reverse(runs[start:i])
		}
	}
	return runs
}

// outline is the outline of a glyph. It is scaled and then moved.
type outline struct {
	segments []font.Segment
	scale    float32
	x, y     float32 // pixels; y is above the baseline
}

// draw returns the mask of a line. Its height is that of the bundled font, and
// more where glyphs are higher: as much above as below, so that the baseline
// stays where it is in the middle of a line.
func (r *textRenderer) draw(s *shaped, style textStyle) *image.Alpha {
	extents, _ := r.bundled[0].FontHExtents()
	scale := float64(style.em) / float64(r.bundled[0].Upem())
	ascent := math.Ceil(float64(extents.Ascender) * scale)
	height := ascent + math.Ceil(-float64(extents.Descender)*scale)
	pen := fixed.Int26_6(0)
	ink := inkBox{}
	runs := make([][]outline, 0, len(s.runs))
	for _, run := range s.visual() {
		outlines := glyphOutlines(&run, style.em, pen)
		if style.bold && run.Face != r.bundled[1] {
			outlines = embolden(outlines, style.em)
		}
		for i := range run.Glyphs {
			pen += advance(&run.Glyphs[i], style.em)
		}
		for _, o := range outlines {
			ink.add(o)
		}
		runs = append(runs, outlines)
	}
	width := float64(max(pen, 0)) / 64
	over := float64(maxOverhang * style.em)
	left := math.Ceil(min(max(-float64(ink.x0), 0), over))
	right := math.Ceil(min(max(float64(ink.x1), width), width+over, maxLineWidth))
	extra := math.Ceil(min(max(float64(ink.y1)-ascent, -float64(ink.y0)-(height-ascent), 0), over))
	m := image.NewAlpha(image.Rect(0, 0, max(1, int(left+right)), int(height+2*extra)))
	z := vector.NewRasterizer(m.Rect.Dx(), m.Rect.Dy())
	for _, outlines := range runs {
		if len(outlines) == 0 {
			continue
		}
		z.Reset(m.Rect.Dx(), m.Rect.Dy())
		for _, o := range outlines {
			o.fill(z, float32(left), float32(extra+ascent))
		}
		z.Draw(m, m.Rect, image.Opaque, image.Point{})
	}
	return m
}

// glyphOutlines returns the outlines of a run that begins at pen.
func glyphOutlines(run *glyphRun, em int, pen fixed.Int26_6) []outline {
	outlines := make([]outline, 0, len(run.Glyphs))
	for i := range run.Glyphs {
		g := &run.Glyphs[i]
		if segments, ok := glyphSegments(run.Face, g.GlyphID); ok && len(segments) > 0 {
			o := outline{segments, float32(em) / float32(run.Face.Upem()),
				float32(pen+g.XOffset) / 64, float32(g.YOffset) / 64}
			if o.bounded(float32(maxAdvance * em)) {
				outlines = append(outlines, o)
			}
		}
		pen += advance(g, em)
	}
	return outlines
}

// embolden makes outlines of a regular font bold: it adds each of them once
// more, a little to the right. A bold font of the system may not exist.
func embolden(outlines []outline, em int) []outline {
	for _, o := range outlines {
		o.x += float32(em) / boldDivisor
		outlines = append(outlines, o)
	}
	return outlines
}

// boldDivisor is the size of text divided by the width that embolden adds: less
// than the strokes of a regular font have, so that both outlines overlap.
const boldDivisor = 24

// glyphSegments returns the outline of a glyph, in units of the font. It
// reports whether the font can draw it: fonts of colored bitmaps cannot.
func glyphSegments(face *font.Face, id font.GID) (segments []font.Segment, ok bool) {
	defer func() {
		if recover() != nil { // a broken font
			segments, ok = nil, false
		}
	}()
	if id == 0 || id == font.EmptyGlyph {
		return nil, false
	}
	o, ok := face.GlyphDataOutline(id)
	return o.Segments, ok && len(o.Segments) <= maxSegments
}

// bounded reports whether no point of an outline is far from the pen: the time
// to fill it depends on its height.
func (o *outline) bounded(limit float32) bool {
	for i := range o.segments {
		for _, p := range o.segments[i].ArgsSlice() {
			x, y := p.X*o.scale, p.Y*o.scale
			if !(x >= -limit && x <= limit && y >= -limit && y <= limit) { // not a number, either
				return false
			}
		}
	}
	return o.y >= -limit && o.y <= limit
}

// fill adds an outline to z, whose baseline begins at left and base.
func (o *outline) fill(z *vector.Rasterizer, left, base float32) {
	at := func(p font.SegmentPoint) (x, y float32) {
		return left + o.x + p.X*o.scale, base - o.y - p.Y*o.scale
	}
	for i := range o.segments {
		s := &o.segments[i]
		ax, ay := at(s.Args[0])
		bx, by := at(s.Args[1])
		cx, cy := at(s.Args[2])
		switch s.Op {
		case opentype.SegmentOpMoveTo:
			z.ClosePath()
			z.MoveTo(ax, ay)
		case opentype.SegmentOpLineTo:
			z.LineTo(ax, ay)
		case opentype.SegmentOpQuadTo:
			z.QuadTo(ax, ay, bx, by)
		case opentype.SegmentOpCubeTo:
			z.CubeTo(ax, ay, bx, by, cx, cy)
		}
	}
	z.ClosePath()
}

// inkBox is a box in pixels, y upwards.
type inkBox struct{ x0, y0, x1, y1 float32 }

// add enlarges the box so that an outline is within it.
func (b *inkBox) add(o outline) {
	for i := range o.segments {
		for _, p := range o.segments[i].ArgsSlice() {
			x, y := o.x+p.X*o.scale, o.y+p.Y*o.scale
			b.x0, b.x1 = min(b.x0, x), max(b.x1, x)
			b.y0, b.y1 = min(b.y0, y), max(b.y1, y)
		}
	}
}
