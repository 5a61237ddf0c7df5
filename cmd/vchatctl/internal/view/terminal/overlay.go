package terminal

import (
	"strings"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view/render"
)

const keyHelp = "q quit · Enter message "

// drawOverlay draws the texts: banner and pairing at the top, the notice in the
// middle, messages at the bottom, and the status line below the frame.
func (c *cells) drawOverlay(o *render.Overlay) {
	if c.cols < 1 || c.rows < 1 {
		return
	}
	frameRows := c.rows - 1
	var top []string
	for _, text := range []string{o.Banner, o.Code, o.Pairing} {
		top = append(top, wrap(text, c.cols-2)...)
	}
	// At least half of the frame stays free.
	top = top[:min(len(top), max(1, frameRows/2))]
	c.drawCentered(top, len(top)/2, black, white)
	var notice []string
	if o.Headline != "" {
		notice = append(notice, o.Headline)
	}
	notice = append(notice, wrap(o.Notice, c.cols-4)...)
	c.drawCentered(notice, frameRows/2, white, black)
	var lines []string
	for _, l := range o.Lines {
		lines = append(lines, wrap(l, c.cols-2)...)
	}
	// Messages must not cover the notice: a peer could hide why a frame is old.
	maxLines := max(0, min(frameRows/2, frameRows-frameRows/2-(len(notice)+1)/2))
	lines = lines[max(0, len(lines)-maxLines):]
	for i, l := range lines {
		c.drawText(frameRows-len(lines)+i, 0, " "+l+" ", white, black)
	}
	if o.Typing != "" {
		c.drawText(c.rows-1, 0, pad(truncateLeft(o.Typing, c.cols), c.cols), white, black)
		return
	}
	c.drawText(c.rows-1, 0, statusLine(o, c.cols), black, silver)
}

// statusLine returns the title, the statistics and, if there is room, the keys.
func statusLine(o *render.Overlay, cols int) string {
	line := " " + o.Title
	if o.Info != "" {
		line += "  " + o.Info
	}
	if free := cols - textWidth(line) - textWidth(keyHelp); free > 0 {
		line += strings.Repeat(" ", free) + keyHelp
	}
	return pad(truncate(line, cols, "…"), cols)
}

// truncateLeft returns the end of a text that is wider than cols columns.
func truncateLeft(text string, cols int) string {
	for textWidth(text) > cols {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}
