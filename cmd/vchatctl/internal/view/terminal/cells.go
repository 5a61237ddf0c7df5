package terminal

import (
	"bytes"
	"strconv"
	"strings"

	"vchat/cmd/vchatctl/internal/view/render"
)

// cell is the content of one cell of the terminal.
type cell struct {
	char   rune // 0: empty, the frame below shows through
	fg, bg rgb  // for halfBlock: the upper and the lower pixel
}

const (
	halfBlock = '▀' // two pixels above each other
	wideTail  = -1  // the right half of a wide character
)

var (
	white  = rgb{255, 255, 255}
	black  = rgb{0, 0, 0}
	silver = rgb{192, 192, 192}
)

// cells holds the present and the next content of the terminal.
type cells struct {
	cols, rows int
	next       []cell
	shown      []cell // empty: unknown
	trueColor  bool
}

func (c *cells) resize(cols, rows int) {
	c.cols, c.rows = cols, rows
	if n := cols * rows; cap(c.next) < n {
		c.next = make([]cell, n)
	} else {
		c.next = c.next[:n]
	}
	c.shown = c.shown[:0]
}

// reset empties the next content.
func (c *cells) reset() { clear(c.next) }

// drawFrame draws a frame with two pixels in each cell.
func (c *cells) drawFrame(px render.Pixels) {
	for row := range px.H / 2 {
		upper, lower := px.Pix[2*row*px.Stride:], px.Pix[(2*row+1)*px.Stride:]
		for col := range px.W {
			u, l := upper[4*col:4*col+3], lower[4*col:4*col+3]
			c.next[row*c.cols+col] = cell{halfBlock, rgb{u[0], u[1], u[2]}, rgb{l[0], l[1], l[2]}}
		}
	}
}

// drawText draws a line of text and cuts it off at the end of the row.
func (c *cells) drawText(row, col int, text string, fg, bg rgb) {
	if row < 0 || row >= c.rows {
		return
	}
	line := c.next[row*c.cols : (row+1)*c.cols]
	for _, r := range text {
		w := runeWidth(r)
		if w == 0 || r < ' ' { // combining and control characters have no cell
			continue
		}
		if col < 0 || col+w > c.cols {
			return
		}
		line[col] = cell{r, fg, bg}
		if w == 2 {
			line[col+1] = cell{wideTail, fg, bg}
		}
		col += w
	}
}

// drawCentered draws lines below each other, centered on row middle.
func (c *cells) drawCentered(lines []string, middle int, fg, bg rgb) {
	for i, l := range lines {
		l = " " + l + " "
		c.drawText(middle-len(lines)/2+i, max(0, (c.cols-textWidth(l))/2), l, fg, bg)
	}
}

// writeChanges writes the cells that have changed.
func (c *cells) writeChanges(w *bytes.Buffer) {
	all := len(c.shown) != len(c.next)
	if all {
		c.shown = append(c.shown[:0], c.next...)
	}
	pen := pen{w: w, trueColor: c.trueColor}
	cursor := -1 // its present cell
	for i := range c.next {
		next := c.next[i]
		if next.char == wideTail || !all && c.looksEqual(next, c.shown[i]) {
			if next.char == wideTail {
				c.shown[i] = next
			}
			continue
		}
		c.shown[i] = next
		// At the end of a row, terminals differ in whether the cursor wraps.
		if i != cursor || i%c.cols == 0 {
			moveTo(w, i/c.cols, i%c.cols)
		}
		pen.write(next)
		cursor = i + max(1, runeWidth(next.char))
	}
	pen.reset()
}

// looksEqual reports whether a viewer cannot tell two cells apart.
func (c *cells) looksEqual(a, b cell) bool {
	if a.char != b.char {
		return false
	}
	if a == b || a.char == 0 {
		return true
	}
	if !c.trueColor {
		return paletteIndex(a.fg) == paletteIndex(b.fg) && paletteIndex(a.bg) == paletteIndex(b.bg)
	}
	return a.char == halfBlock && similar(a.fg, b.fg) && similar(a.bg, b.bg)
}

// pen writes characters and sets a color only where it changes.
type pen struct {
	w         *bytes.Buffer
	trueColor bool
	active    bool // fg and bg are set
	fg, bg    rgb
}

func (p *pen) write(c cell) {
	if c.char == 0 {
		p.reset()
		p.w.WriteByte(' ')
		return
	}
	if !p.active || !p.sameColor(c.fg, p.fg) {
		setColor(p.w, 38, c.fg, p.trueColor)
	}
	if !p.active || !p.sameColor(c.bg, p.bg) {
		setColor(p.w, 48, c.bg, p.trueColor)
	}
	p.active, p.fg, p.bg = true, c.fg, c.bg
	p.w.WriteRune(c.char)
}

func (p *pen) sameColor(a, b rgb) bool {
	return a == b || !p.trueColor && paletteIndex(a) == paletteIndex(b)
}

// reset restores the default colors.
func (p *pen) reset() {
	if p.active {
		p.w.WriteString("\x1b[0m")
	}
	p.active = false
}

func moveTo(w *bytes.Buffer, row, col int) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = append(strconv.AppendInt(b, int64(row+1), 10), ';')
	b = append(strconv.AppendInt(b, int64(col+1), 10), 'H')
	w.Write(b)
}

// setColor sets the foreground (38) or background (48) color.
func setColor(w *bytes.Buffer, sgr int64, p rgb, trueColor bool) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = strconv.AppendInt(b, sgr, 10)
	if trueColor {
		for _, v := range [...]uint8{2, p.r, p.g, p.b} {
			b = strconv.AppendUint(append(b, ';'), uint64(v), 10)
		}
	} else {
		b = strconv.AppendUint(append(b, ";5;"...), uint64(paletteIndex(p)), 10)
	}
	w.Write(append(b, 'm'))
}

// wrap splits a text between words into lines of at most width columns. It also
// splits wider words.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && textWidth(lines[last])+1+textWidth(word) <= width {
			lines[last] += " " + word
			continue
		}
		for textWidth(word) > width && width > 1 {
			part := truncate(word, width, "")
			lines, word = append(lines, part), word[len(part):]
		}
		lines = append(lines, word)
	}
	return lines
}
