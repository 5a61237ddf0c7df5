package terminal

import (
	"bytes"
	"strconv"
	"strings"

	"vchat/cmd/vchatctl/internal/view/render"
)

// cell is the content of one cell of the terminal.
type cell struct {
	char    rune // 0: empty, the frame below shows through
	fg, bg  rgb  // for halfBlock: the upper and the lower pixel
	bold    bool
	reverse bool // for NoColors
}

const (
	halfBlock = '▀' // two pixels above each other
	wideTail  = -1  // the right half of a wide character
)

// cells holds the present and the next content of the terminal.
type cells struct {
	cols, rows int
	next       []cell
	shown      []cell // empty: unknown
	colors     Colors
	ascii      bool // characters beyond ASCII cannot be shown
	light      bool // the terminal writes dark on light
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

// shades are characters of increasing brightness, for terminals without colors
// that write light on dark.
const shades = " .:-=+*#%@"

// drawFrame draws a frame with two pixels in each cell. Without the half block
// or colors, a cell shows their mean.
func (c *cells) drawFrame(px render.Pixels) {
	for row := range px.H / 2 {
		upper, lower := px.Pix[2*row*px.Stride:], px.Pix[(2*row+1)*px.Stride:]
		for col := range px.W {
			u, l := upper[4*col:4*col+3], lower[4*col:4*col+3]
			next := cell{char: halfBlock, fg: rgb{u[0], u[1], u[2]}, bg: rgb{l[0], l[1], l[2]}}
			if c.ascii || c.colors == NoColors {
				next = cell{char: ' ', bg: mean(next.fg, next.bg)}
			}
			if c.colors == NoColors {
				next = cell{char: c.shade(next.bg)}
			}
			c.next[row*c.cols+col] = next
		}
	}
}

// shade returns a character of about the brightness of a color.
func (c *cells) shade(p rgb) rune {
	i := brightness(p) * len(shades) / 256
	if c.light { // there a blank is the brightest
		i = len(shades) - 1 - i
	}
	return rune(shades[i])
}

// drawLine draws a line of text and cuts it off at the end of the row.
func (c *cells) drawLine(row, col int, l textLine) {
	if row < 0 || row >= c.rows {
		return
	}
	if c.colors == Palette16 { // the nearest colors would all be black
		switch l.bg {
		case surface:
			l.bg = ansi[4]
		case accept:
			l.bg, l.fg, l.bold = ansi[2], ansi[0], false // bold black is gray on a console
		}
	}
	line := c.next[row*c.cols : (row+1)*c.cols]
	for _, r := range c.plain(l.text) {
		w := runeWidth(r)
		if w == 0 || r < ' ' { // combining and control characters have no cell
			continue
		}
		if col < 0 || col+w > c.cols {
			return
		}
		next := cell{r, l.fg, l.bg, l.bold, l.reverse && c.colors == NoColors}
		line[col] = next
		if w == 2 {
			next.char = wideTail
			line[col+1] = next
		}
		col += w
	}
}

// drawCentered draws lines below each other from row first on.
func (c *cells) drawCentered(lines []textLine, first int) {
	for i, l := range lines {
		if l.text == "" {
			continue
		}
		l.text = " " + l.text + " "
		c.drawLine(first+i, max(0, (c.cols-textWidth(l.text))/2), l)
	}
}

// writeChanges writes the cells that have changed.
func (c *cells) writeChanges(w *bytes.Buffer) {
	all := len(c.shown) != len(c.next)
	if all {
		c.shown = append(c.shown[:0], c.next...)
	}
	pen := pen{w: w, colors: c.colors}
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
	if c.colors != TrueColor {
		return a.bold == b.bold && a.reverse == b.reverse && c.colors.index(a.fg) == c.colors.index(b.fg) &&
			c.colors.index(a.bg) == c.colors.index(b.bg)
	}
	return (a.char == halfBlock || a.char == ' ') && similar(a.fg, b.fg) && similar(a.bg, b.bg)
}

// pen writes characters and sets a color only where it changes.
type pen struct {
	w      *bytes.Buffer
	colors Colors
	active bool // what last has is set
	last   cell
}

func (p *pen) write(c cell) {
	if c.char == 0 {
		p.reset()
		p.w.WriteByte(' ')
		return
	}
	if p.last.bold && !c.bold || p.last.reverse && !c.reverse {
		p.reset() // a VT100 cannot end only one of them
	}
	if c.bold && !p.last.bold {
		p.w.WriteString("\x1b[1m")
	}
	if c.reverse && !p.last.reverse {
		p.w.WriteString("\x1b[7m")
	}
	if !p.active || !p.sameColor(c.fg, p.last.fg) {
		p.colors.set(p.w, 38, c.fg)
	}
	if !p.active || !p.sameColor(c.bg, p.last.bg) {
		p.colors.set(p.w, 48, c.bg)
	}
	p.active, p.last = true, c
	p.w.WriteRune(c.char)
}

func (p *pen) sameColor(a, b rgb) bool {
	return a == b || p.colors != TrueColor && p.colors.index(a) == p.colors.index(b)
}

// reset restores the default colors.
func (p *pen) reset() {
	if p.active {
		p.w.WriteString("\x1b[0m")
	}
	p.active, p.last = false, cell{}
}

func moveTo(w *bytes.Buffer, row, col int) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = append(strconv.AppendInt(b, int64(row+1), 10), ';')
	b = append(strconv.AppendInt(b, int64(col+1), 10), 'H')
	w.Write(b)
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
