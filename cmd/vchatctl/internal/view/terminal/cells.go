package terminal

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"

	"vchat/cmd/vchatctl/internal/view/render"
)

// cell is what one place of the terminal shows.
type cell struct {
	letter rune // halfBlock: two pixels; 0: nothing, and what lies below it is seen; wide: the right half of the letter before
	fg, bg rgb  // of two pixels the upper one and the lower one
}

const (
	halfBlock = '▀'
	wide      = -1
)

var (
	white  = rgb{255, 255, 255}
	black  = rgb{0, 0, 0}
	silver = rgb{192, 192, 192}
)

// cells is what the terminal is to show, and what it shows.
type cells struct {
	cols, rows int
	want       []cell
	shown      []cell // as it was written; of another size than want: nothing is known
	trueColour bool
}

func (c *cells) resize(cols, rows int) {
	c.cols, c.rows = cols, rows
	if n := cols * rows; cap(c.want) < n {
		c.want = make([]cell, n)
	} else {
		c.want = c.want[:n]
	}
	c.shown = c.shown[:0]
}

// empty begins anew.
func (c *cells) empty() { clear(c.want) }

// frame takes pixels, of which there are two in a cell.
func (c *cells) frame(px render.Pixels) {
	for row := range px.H / 2 {
		up, low := px.Pix[2*row*px.Stride:], px.Pix[(2*row+1)*px.Stride:]
		for col := range px.W {
			u, l := up[4*col:4*col+3], low[4*col:4*col+3]
			c.want[row*c.cols+col] = cell{halfBlock, rgb{u[0], u[1], u[2]}, rgb{l[0], l[1], l[2]}}
		}
	}
}

// text writes a line, of which only what fits in the row is seen.
func (c *cells) text(row, col int, text string, fg, bg rgb) {
	if row < 0 || row >= c.rows {
		return
	}
	line := c.want[row*c.cols : (row+1)*c.cols]
	for _, r := range text {
		w := runewidth.RuneWidth(r)
		if w == 0 || r < ' ' { // what does not stand by itself cannot be in a cell
			continue
		}
		if col < 0 || col+w > c.cols {
			return
		}
		line[col] = cell{r, fg, bg}
		if w == 2 {
			line[col+1] = cell{wide, fg, bg}
		}
		col += w
	}
}

// centred writes lines below each other, around the middle of the rows.
func (c *cells) centred(lines []string, middle int, fg, bg rgb) {
	for i, l := range lines {
		l = " " + l + " "
		c.text(middle-len(lines)/2+i, max(0, (c.cols-runewidth.StringWidth(l))/2), l, fg, bg)
	}
}

// write writes the cells that have changed.
func (c *cells) write(w *bytes.Buffer) {
	all := len(c.shown) != len(c.want)
	if all {
		c.shown = append(c.shown[:0], c.want...)
	}
	pen := pen{w: w, trueColour: c.trueColour}
	at := -1 // where the terminal's cursor is
	for i := range c.want {
		want := c.want[i]
		if want.letter == wide || !all && c.same(want, c.shown[i]) {
			if want.letter == wide {
				c.shown[i] = want
			}
			continue
		}
		c.shown[i] = want
		if i != at || i%c.cols == 0 { // at the end of a row a cursor may wait there, or go on to the next
			moveTo(w, i/c.cols, i%c.cols)
		}
		pen.write(want)
		at = i + max(1, runewidth.RuneWidth(want.letter))
	}
	pen.lift()
}

// same says whether a cell need not be written again.
func (c *cells) same(a, b cell) bool {
	if a.letter != b.letter {
		return false
	}
	if a == b || a.letter == 0 {
		return true
	}
	if !c.trueColour {
		return palette(a.fg) == palette(b.fg) && palette(a.bg) == palette(b.bg)
	}
	return a.letter == halfBlock && alike(a.fg, b.fg) && alike(a.bg, b.bg)
}

// pen writes letters and sets a colour only where it changes.
type pen struct {
	w          *bytes.Buffer
	trueColour bool
	down       bool // fg and bg are set
	fg, bg     rgb
}

func (p *pen) write(c cell) {
	if c.letter == 0 {
		p.lift()
		p.w.WriteByte(' ')
		return
	}
	if !p.down || !p.same(c.fg, p.fg) {
		colour(p.w, 38, c.fg, p.trueColour)
	}
	if !p.down || !p.same(c.bg, p.bg) {
		colour(p.w, 48, c.bg, p.trueColour)
	}
	p.down, p.fg, p.bg = true, c.fg, c.bg
	p.w.WriteRune(c.letter)
}

func (p *pen) same(a, b rgb) bool {
	return a == b || !p.trueColour && palette(a) == palette(b)
}

func (p *pen) lift() {
	if p.down {
		p.w.WriteString("\x1b[0m")
	}
	p.down = false
}

func moveTo(w *bytes.Buffer, row, col int) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = append(strconv.AppendInt(b, int64(row+1), 10), ';')
	b = append(strconv.AppendInt(b, int64(col+1), 10), 'H')
	w.Write(b)
}

// colour sets the foreground (38) or background (48).
func colour(w *bytes.Buffer, what int64, p rgb, trueColour bool) {
	b := append(w.AvailableBuffer(), "\x1b["...)
	b = strconv.AppendInt(b, what, 10)
	if trueColour {
		for _, v := range [...]uint8{2, p.r, p.g, p.b} {
			b = strconv.AppendUint(append(b, ';'), uint64(v), 10)
		}
	} else {
		b = strconv.AppendUint(append(b, ";5;"...), uint64(palette(p)), 10)
	}
	w.Write(append(b, 'm'))
}

// wrap cuts a text between words into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	for _, word := range strings.Fields(text) {
		last := len(lines) - 1
		if last >= 0 && runewidth.StringWidth(lines[last])+1+runewidth.StringWidth(word) <= width {
			lines[last] += " " + word
			continue
		}
		for runewidth.StringWidth(word) > width && width > 1 {
			part := runewidth.Truncate(word, width, "")
			lines, word = append(lines, part), word[len(part):]
		}
		lines = append(lines, word)
	}
	return lines
}
