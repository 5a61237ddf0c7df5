package render

import "image"

// Overlay is everything a viewer shows besides the frames. Empty texts are not
// shown.
type Overlay struct {
	Title    string   // what the viewer shows: a peer, "self" or "vchat"
	Headline string   // large, in the middle: who calls, or the age of the frame
	Notice   string   // below Headline: why there is no new frame
	Banner   string   // at the top: who calls while a frame is shown
	Code     string   // below Banner, large: the code of a pairing
	Pairing  string   // below Code: the pairing, and the keys for it
	Info     string   // at the top left: statistics
	Lines    []string // at the bottom: messages, oldest first
	Typing   string   // below Lines: the message being typed
	Stale    bool     // the frame is old: dim it
	Blank    bool     // show no frame
	PIP      bool     // show the picture-in-picture
	PIPStale bool     // its frame is old: dim it
}

// Equal reports whether both overlays show the same.
func (w *Overlay) Equal(v *Overlay) bool {
	if len(w.Lines) != len(v.Lines) {
		return false
	}
	for i := range w.Lines {
		if w.Lines[i] != v.Lines[i] {
			return false
		}
	}
	return w.Title == v.Title && w.Notice == v.Notice && w.Headline == v.Headline &&
		w.Banner == v.Banner && w.Code == v.Code && w.Pairing == v.Pairing && w.Info == v.Info &&
		w.Typing == v.Typing &&
		w.Stale == v.Stale && w.Blank == v.Blank && w.PIP == v.PIP && w.PIPStale == v.PIPStale
}

// textLine is a line of text on the display. The background below it is
// darkened so that the text stays readable.
type textLine struct {
	mask       *image.Alpha
	pos        image.Point     // upper left corner of the mask
	background image.Rectangle // within the display
}

// blend draws the part of the line that lies in row y.
func (l *textLine) blend(row []byte, y int) {
	if y < l.background.Min.Y || y >= l.background.Max.Y {
		return
	}
	for i := 4 * l.background.Min.X; i < 4*l.background.Max.X; i++ {
		row[i] >>= 2
	}
	size := l.mask.Rect.Size()
	if y < l.pos.Y || y >= l.pos.Y+size.Y {
		return
	}
	alphas := l.mask.Pix[(y-l.pos.Y)*l.mask.Stride:][:size.X]
	for x, a := range alphas {
		if x += l.pos.X; a == 0 || x < 0 || 4*x >= len(row) {
			continue
		}
		px := row[4*x : 4*x+3]
		for c := range px {
			px[c] += byte(int(255-px[c]) * int(a) / 255)
		}
	}
}

// layoutText places the texts of an overlay: banner, pairing and statistics at
// the top,
// headline and notice in the middle, messages at the bottom.
func (p *Painter) layoutText(px Pixels, o *Overlay) {
	em := max(11, min(px.H/22, px.W/32))
	top := em / 2
	for _, l := range []struct {
		text string
		em   int
	}{{o.Banner, em * 5 / 4}, {o.Code, 2 * em}, {o.Pairing, em}} {
		lines := p.text.wrap(l.text, l.em, px.W*9/10)
		if len(lines) > 0 {
			// At least half of the frame stays free.
			lines = lines[:min(len(lines), max(1, (px.H/2-top)/lineHeight(l.em)))]
			top = p.addLines(px, lines, l.em, px.W/2, top, true) + em/4
		}
	}
	if o.Info != "" {
		p.addLines(px, p.text.wrap(o.Info, em*3/4, px.W*9/10), em*3/4, em/2, top, false)
	}
	headline, notice := p.text.wrap(o.Headline, 2*em, px.W*9/10), p.text.wrap(o.Notice, em*5/4, px.W*9/10)
	y := (px.H - len(headline)*lineHeight(2*em) - len(notice)*lineHeight(em*5/4)) / 2
	y = p.addLines(px, headline, 2*em, px.W/2, y, true)
	y = p.addLines(px, notice, em*5/4, px.W/2, y, true)

	var lines []string
	width := px.W * 9 / 10
	if o.PIP {
		width = px.W * 7 / 10 // leave the picture-in-picture free
	}
	for _, l := range o.Lines {
		lines = append(lines, p.text.wrap(l, em, width)...)
	}
	if o.Typing != "" {
		lines = append(lines, p.text.wrap(o.Typing, em, width)...)
	}
	height := lineHeight(em)
	// Messages must not cover the notice: a peer could hide why a frame is old.
	maxLines := min(px.H/2, px.H-em/2-y) / height
	lines = lines[max(0, len(lines)-max(1, maxLines)):]
	p.addLines(px, lines, em, em/2, px.H-em/2-len(lines)*height, false)
}

// lineHeight returns the height of a line in pixels.
func lineHeight(em int) int { return em * 3 / 2 }

// addLines places lines below each other from y on. They start at x, or are
// centered on it. It returns the y where they end.
func (p *Painter) addLines(px Pixels, lines []string, em, x, y int, centered bool) int {
	height := lineHeight(em)
	for _, text := range lines {
		m := p.text.line(text, em)
		size := m.Rect.Size()
		left := x
		if centered {
			left = max(0, x-size.X/2)
		}
		background := image.Rect(left-em/3, y, left+size.X+em/3, y+height).Intersect(image.Rect(0, 0, px.W, px.H))
		p.lines = append(p.lines, textLine{mask: m, pos: image.Pt(left, y+(height-size.Y)/2), background: background})
		y += height
	}
	return y
}
