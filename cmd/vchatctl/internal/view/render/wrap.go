package render

import (
	"strings"
	"unicode"

	"golang.org/x/image/math/fixed"
)

type wrapKey struct {
	text string
	textStyle
	width, maxLines int
}

// wrapped is a text in lines.
type wrapped struct {
	lines  []string
	broken bool // a word is split
}

// wrap splits a text between words into lines of at most width pixels. It also
// splits wider words. If there are more than maxLines, the last one ends in an
// ellipsis; 0 is no limit. The result is cached: a message may have 2000
// letters and is laid out for each frame.
func (r *textRenderer) wrap(text string, style textStyle, width, maxLines int) []string {
	return r.wrapped(text, style, width, maxLines).lines
}

// broken reports whether wrap splits a word of a text.
func (r *textRenderer) broken(text string, style textStyle, width int) bool {
	return r.wrapped(text, style, width, 0).broken
}

func (r *textRenderer) wrapped(text string, style textStyle, width, maxLines int) wrapped {
	key := wrapKey{text, style, width, maxLines}
	w, ok := r.wraps[key]
	if !ok {
		w = r.split(text, style, width, maxLines)
		r.wraps[key] = w
	}
	r.usedWraps[key] = w
	return w
}

// ellipsis returns a text, shortened to width pixels.
func (r *textRenderer) ellipsis(text string, style textStyle, width int) string {
	lines := r.wrap(text, style, width, 1)
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

// cut shortens a text to width pixels and an ellipsis.
func (r *textRenderer) cut(text string, style textStyle, width int) string {
	const ellipsis = "…"
	dots := r.places(r.shape(ellipsis, style), style.em)
	p := r.places(r.shape(r.clean(text), style), style.em)
	n := p.fit(0, fixed.I(width)-dots.x[len(dots.x)-1])
	return strings.TrimRight(string(p.text[:n]), " ") + ellipsis
}

func (r *textRenderer) split(text string, style textStyle, width, maxLines int) (w wrapped) {
	text = strings.Join(strings.Fields(r.clean(text)), " ")
	p := r.places(r.shape(text, style), style.em)
	p.findBreaks(r)
	for start := 0; start < len(p.text); {
		if maxLines > 0 && len(w.lines) == maxLines-1 && p.fit(start, fixed.I(width)) < len(p.text) {
			last := p.line(start, len(p.text), rightToLeft(text))
			w.lines = append(w.lines, r.cut(last, style, width))
			break
		}
		end := p.fit(start, fixed.I(width))
		if end < len(p.text) {
			at := end
			for at > start && !p.opportunity[at] {
				at--
			}
			if at > start {
				end = at
			} else {
				w.broken = true
			}
		}
		w.lines = append(w.lines, p.line(start, end, rightToLeft(text)))
		start = end
	}
	return w
}

// places are the places in a text where lines may end.
type places struct {
	text        []rune
	x           []fixed.Int26_6 // the width of the text before each place
	boundary    []bool          // whether no glyph shows characters on both sides
	opportunity []bool          // whether a line should end there
}

// places returns the places in a text. Its lines may end only between glyphs
// that have no characters in common.
func (r *textRenderer) places(s *shaped, em int) *places {
	n := len(s.text)
	p := &places{text: s.text, x: make([]fixed.Int26_6, n+1), boundary: make([]bool, n+1)}
	p.boundary[0], p.boundary[n] = true, true
	for i := range s.runs {
		run := &s.runs[i]
		p.boundary[run.Runes.Offset] = true
		for j := range run.Glyphs {
			g := &run.Glyphs[j]
			if at := g.TextIndex(); at >= 0 && at < n {
				p.boundary[at] = true
				p.x[at+1] += advance(g, em)
			}
		}
	}
	for i := range n {
		p.x[i+1] += p.x[i]
	}
	return p
}

// findBreaks finds where lines should end: by Unicode standard annex 14, and
// between the letters of scripts without spaces.
func (p *places) findBreaks(r *textRenderer) {
	n := len(p.text)
	p.opportunity = make([]bool, n+1)
	letter := make([]bool, n+1)
	r.breaks.Init(p.text)
	for it := r.breaks.GraphemeIterator(); it.Next(); {
		letter[it.Grapheme().Offset] = true
	}
	for i := 1; i < n; i++ {
		p.boundary[i] = p.boundary[i] && letter[i]
		p.opportunity[i] = p.boundary[i] && unspaced(p.text[i-1]) && unspaced(p.text[i]) && !isLeftVowel(p.text[i-1])
	}
	for it := r.breaks.LineIterator(); it.Next(); {
		l := it.Line()
		if end := l.Offset + len(l.Text); p.boundary[end] {
			p.opportunity[end] = true
		}
	}
}

// unspaced reports whether a script has no spaces between words, and words can
// only be found with a dictionary.
func unspaced(c rune) bool {
	return unicode.In(c, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// isLeftVowel reports whether a vowel is written before its letter.
func isLeftVowel(c rune) bool { return c >= 0x0E40 && c <= 0x0E44 || c >= 0x0EC0 && c <= 0x0EC4 }

// fit returns the last place that is at most width behind start, but not start.
// A space at the end needs no room.
func (p *places) fit(start int, width fixed.Int26_6) int {
	end := start
	for i := start + 1; i < len(p.x); i++ {
		if !p.boundary[i] {
			continue
		}
		x := p.x[i]
		if p.text[i-1] == ' ' {
			x = p.x[i-1]
		}
		if x-p.x[start] > width && end > start {
			break
		}
		end = i
	}
	return end
}

// line returns a line. If it would look as if it was in the other direction
// than the whole text, a mark in front says which it is.
func (p *places) line(start, end int, paragraph bool) string {
	for _, c := range p.text[:start+1] {
		paragraph = paragraph || c == rightToLeftIsolate
	}
	line := strings.TrimRight(string(p.text[start:end]), " ")
	switch {
	case start == 0 || rightToLeft(line) == paragraph:
		return line
	case paragraph:
		return string(rightToLeftMark) + line
	}
	return string(leftToRightMark) + line
}
