package render

import "image"

// Overlay is all that a viewer says besides the frame.
type Overlay struct {
	Title    string   // whose frames these are
	Headline string   // in the frame's place: who calls, or how old the frame is
	Notice   string   // below it: why there is no fresh frame, or what can be done
	Banner   string   // at the edge: who calls while a frame is shown
	Info     string   // figures, if they are wanted
	Lines    []string // that were said
	Typing   string   // the line that is being typed, or ""
	Stale    bool     // the frame is old: to be dimmed
	Blank    bool     // there is none to be shown
	PIP      bool     // the own picture is wanted in a corner
	PIPStale bool     // and is old, too
}

func (w *Overlay) Equal(v *Overlay) bool {
	if len(w.Lines) != len(v.Lines) {
		return false
	}
	for i := range w.Lines {
		if w.Lines[i] != v.Lines[i] {
			return false
		}
	}
	return w.Title == v.Title && w.Notice == v.Notice && w.Headline == v.Headline && w.Banner == v.Banner && w.Info == v.Info &&
		w.Typing == v.Typing && w.Stale == v.Stale && w.Blank == v.Blank && w.PIP == v.PIP && w.PIPStale == v.PIPStale
}

// mark is a line of text on the display, on a ground that darkens what is below it.
type mark struct {
	mask   *image.Alpha
	at     image.Point     // of the mask
	ground image.Rectangle // as wide as the display at most
}

// blend draws what a mark has of row y.
func (m *mark) blend(row []byte, y int) {
	if y < m.ground.Min.Y || y >= m.ground.Max.Y {
		return
	}
	for i := 4 * m.ground.Min.X; i < 4*m.ground.Max.X; i++ {
		row[i] >>= 2
	}
	size := m.mask.Rect.Size()
	if y < m.at.Y || y >= m.at.Y+size.Y {
		return
	}
	line := m.mask.Pix[(y-m.at.Y)*m.mask.Stride:][:size.X]
	for x, a := range line {
		if x += m.at.X; a == 0 || x < 0 || 4*x >= len(row) {
			continue
		}
		px := row[4*x : 4*x+3]
		for c := range px {
			px[c] += byte(int(255-px[c]) * int(a) / 255)
		}
	}
}

// write lays out the words: the banner and the figures at the top, the notice in the middle, what is said at the bottom.
func (p *Painter) write(px Pixels, w *Overlay) {
	em := max(11, min(px.H/22, px.W/32))
	top := em / 2
	if w.Banner != "" {
		top = p.block(px, p.text.wrap(w.Banner, em*5/4, px.W*9/10), em*5/4, px.W/2, top, 0) + em/2
	}
	if w.Info != "" {
		p.block(px, p.text.wrap(w.Info, em*3/4, px.W*9/10), em*3/4, em/2, top, -1)
	}
	headline, notice := p.text.wrap(w.Headline, 2*em, px.W*9/10), p.text.wrap(w.Notice, em*5/4, px.W*9/10)
	y := (px.H - len(headline)*p.high(2*em) - len(notice)*p.high(em*5/4)) / 2
	y = p.block(px, headline, 2*em, px.W/2, y, 0)
	y = p.block(px, notice, em*5/4, px.W/2, y, 0)

	var lines []string
	width := px.W * 9 / 10
	if w.PIP {
		width = px.W * 7 / 10 // the own picture is beside them
	}
	for _, l := range w.Lines {
		lines = append(lines, p.text.wrap(l, em, width)...)
	}
	if w.Typing != "" {
		lines = append(lines, p.text.wrap(w.Typing, em, width)...)
	}
	high := p.high(em)
	room := min(px.H/2, px.H-em/2-y) / high // the other side does not write over why the frame is old
	lines = lines[max(0, len(lines)-max(1, room)):]
	p.block(px, lines, em, em/2, px.H-em/2-len(lines)*high, -1)
}

// high is what a line of text takes.
func (p *Painter) high(em int) int { return em * 3 / 2 }

// block marks lines below each other from y on, centred at x, or beginning there; it gives where they end.
func (p *Painter) block(px Pixels, lines []string, em, x, y, align int) int {
	high := p.high(em)
	for _, text := range lines {
		m := p.text.line(text, em)
		size := m.Rect.Size()
		left := x
		if align == 0 {
			left = max(0, x-size.X/2)
		}
		ground := image.Rect(left-em/3, y, left+size.X+em/3, y+high).Intersect(image.Rect(0, 0, px.W, px.H))
		p.marks = append(p.marks, mark{mask: m, at: image.Pt(left, y+(high-size.Y)/2), ground: ground})
		y += high
	}
	return y
}
