package view

import "image"

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
func (p *painter) write(px Pixels, w *Words) {
	em := max(11, min(px.H/22, px.W/32))
	top := em / 2
	if w.Banner != "" {
		top = p.block(px, p.letters.wrap(w.Banner, em*5/4, px.W*9/10), em*5/4, px.W/2, top, 0) + em/2
	}
	if w.Info != "" {
		p.block(px, p.letters.wrap(w.Info, em*3/4, px.W*9/10), em*3/4, em/2, top, -1)
	}
	headline, notice := p.letters.wrap(w.Headline, 2*em, px.W*9/10), p.letters.wrap(w.Notice, em*5/4, px.W*9/10)
	y := (px.H - len(headline)*p.high(2*em) - len(notice)*p.high(em*5/4)) / 2
	y = p.block(px, headline, 2*em, px.W/2, y, 0)
	y = p.block(px, notice, em*5/4, px.W/2, y, 0)

	var lines []string
	width := px.W * 9 / 10
	if w.Own {
		width = px.W * 7 / 10 // the own picture is beside them
	}
	for _, l := range w.Lines {
		lines = append(lines, p.letters.wrap(l, em, width)...)
	}
	if w.Typing != "" {
		lines = append(lines, p.letters.wrap(w.Typing, em, width)...)
	}
	high := p.high(em)
	room := min(px.H/2, px.H-em/2-y) / high // the other side does not write over why the frame is old
	lines = lines[max(0, len(lines)-max(1, room)):]
	p.block(px, lines, em, em/2, px.H-em/2-len(lines)*high, -1)
}

// high is what a line of text takes.
func (p *painter) high(em int) int { return em * 3 / 2 }

// block marks lines below each other from y on, centred at x, or beginning there; it gives where they end.
func (p *painter) block(px Pixels, lines []string, em, x, y, align int) int {
	high := p.high(em)
	for _, text := range lines {
		m := p.letters.line(text, em)
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
