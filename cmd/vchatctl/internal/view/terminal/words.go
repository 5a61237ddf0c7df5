package terminal

import (
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"vchat/cmd/vchatctl/internal/view/render"
)

const keys = "q quits  Enter says "

// words writes what there is to say: the banner in the first row, the notice in the middle, lines of text at the bottom, and
// below the frame the status line.
func (c *cells) words(w *render.Overlay) {
	if c.cols < 1 || c.rows < 1 {
		return
	}
	frame := c.rows - 1
	if w.Banner != "" {
		c.centred(wrap(w.Banner, c.cols-2), 0, black, white)
	}
	var notice []string
	if w.Headline != "" {
		notice = append(notice, w.Headline)
	}
	notice = append(notice, wrap(w.Notice, c.cols-4)...)
	c.centred(notice, frame/2, white, black)
	var lines []string
	for _, l := range w.Lines {
		lines = append(lines, wrap(l, c.cols-2)...)
	}
	room := max(0, min(frame/2, frame-frame/2-(len(notice)+1)/2)) // the other side does not write over why the frame is old
	lines = lines[max(0, len(lines)-room):]
	for i, l := range lines {
		c.text(frame-len(lines)+i, 0, " "+l+" ", white, black)
	}
	if w.Typing != "" {
		c.text(c.rows-1, 0, runewidth.FillRight(end(w.Typing, c.cols), c.cols), white, black)
		return
	}
	c.text(c.rows-1, 0, statusLine(w, c.cols), black, silver)
}

// statusLine says whose frame it is, the figures, and which keys there are.
func statusLine(w *render.Overlay, cols int) string {
	line := " " + w.Title
	if w.Info != "" {
		line += "  " + w.Info
	}
	if free := cols - runewidth.StringWidth(line) - runewidth.StringWidth(keys); free > 0 {
		line += strings.Repeat(" ", free) + keys
	}
	return runewidth.FillRight(runewidth.Truncate(line, cols, "…"), cols)
}

// end is the end of a text that is longer than there is room for.
func end(text string, cols int) string {
	for runewidth.StringWidth(text) > cols {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}
