package terminal

import (
	"slices"
	"strings"
	"unicode/utf8"

	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/cmd/vchatctl/internal/view/render"
)

// The keys of the status line, the most important one last.
const (
	idleKeys = "q quit · ? keys "
	callKeys = "q quit · Enter message · ? keys "
)

// The colors of texts.
var (
	background = colorOf(look.Background)
	surface    = colorOf(look.Surface)
	text       = colorOf(look.Text)
	muted      = colorOf(look.Muted)
	accept     = colorOf(look.Accept)
	decline    = colorOf(look.Decline)
	warning    = colorOf(look.Warning)
	white      = colorOf(look.White)
)

func colorOf(c look.Color) rgb {
	r, g, b := c.RGB()
	return rgb{r, g, b}
}

// textLine is a line of text on the terminal.
type textLine struct {
	text    string
	fg, bg  rgb
	bold    bool
	reverse bool // without colors: as dark on light
}

// drawOverlay draws the texts: banner and pairing at the top, what happens in
// the middle, messages and controls at the bottom, and the status line below
// the frame.
func (c *cells) drawOverlay(o *render.Overlay) {
	if c.cols < 1 || c.rows < 1 {
		return
	}
	frameRows := c.rows - 1
	for row := range frameRows {
		if o.Blank {
			c.drawLine(row, 0, textLine{text: strings.Repeat(" ", c.cols), bg: background})
		}
	}
	var top []textLine
	for _, t := range []string{o.Banner, o.Code, o.Pairing, o.Unseen} {
		top = c.appendWrapped(top, t, textLine{fg: background, bg: text, bold: t == o.Code})
	}
	// At least half of the frame stays free.
	top = top[:min(len(top), max(1, frameRows/2))]
	c.drawCentered(top, 0)

	controls, controlRows := c.controlRows(o, frameRows)
	middle := c.middle(o, frameRows-controlRows)
	first := max(0, (frameRows-controlRows-len(middle))/2)
	c.drawCentered(middle, first)
	below := first + len(middle)

	var lines []textLine
	for _, l := range o.Lines {
		if len(o.Help) > 0 {
			break // it would look like one text
		}
		lines = c.appendWrapped(lines, l, textLine{fg: text, bg: surface})
	}
	for _, row := range c.flow(c.readyTexts(o.Ready)) {
		lines = append(lines, textLine{text: row, fg: muted, bg: surface})
	}
	// Messages must not cover the notice: a peer could hide why a frame is old.
	maxLines := max(0, min(frameRows/2, frameRows-controlRows-below))
	lines = lines[max(0, len(lines)-maxLines):]
	for i, l := range lines {
		l.text = " " + l.text + " "
		if c.colors == NoColors { // nothing else separates the frame from the text
			l.text = pad(l.text, c.cols)
		}
		c.drawLine(frameRows-controlRows-len(lines)+i, 0, l)
	}
	at := frameRows - controlRows
	if o.Blank && len(lines) == 0 { // next to the words, like on a card
		at = min(at, below+1)
	}
	c.drawControls(controls, at, controlRows)
	c.drawStatus(o)
}

// readyTexts returns the ready messages with their keys.
func (c *cells) readyTexts(ready []render.Control) (texts []string) {
	for _, b := range ready {
		t := c.plain(b.Key + " " + b.Label)
		if b.Focused {
			t = ">" + t + "<"
		}
		texts = append(texts, t)
	}
	return texts
}

// appendWrapped appends a text in lines of the terminal's width that look like
// l.
func (c *cells) appendWrapped(lines []textLine, text string, l textLine) []textLine {
	for _, l.text = range wrap(c.plain(text), c.cols-2) {
		lines = append(lines, l)
	}
	return lines
}

// middle returns at most this many rows that say what happens.
func (c *cells) middle(o *render.Overlay, rows int) (lines []textLine) {
	bg := surface
	if o.Blank {
		bg = background
	}
	if len(o.Help) > 0 {
		return c.help(o.Help, rows)
	}
	add := func(t string, fg rgb, bold bool) {
		lines = c.appendWrapped(lines, t, textLine{fg: fg, bg: bg, bold: bold})
	}
	add(o.Clock, muted, false)
	if o.Name != "" {
		if len(lines) > 0 && rows > 8 {
			lines = append(lines, textLine{bg: bg})
		}
		add(c.spaced(o.Name), text, true)
	}
	headline := text
	if o.State == look.Problem || o.State == look.Reconnecting {
		headline = warning
	}
	if o.State == look.Ringing && o.Name != "" {
		add(o.State.Word(), headline, true) // the headline has the name again
	} else {
		add(o.Headline, headline, true)
	}
	notice := muted
	if o.Headline == "" && o.Name == "" { // nothing above says what happened
		notice = text
	}
	add(o.Notice, notice, false)
	add(o.Age, muted, false)
	if n := o.Waiting; n > 0 {
		add(strings.Repeat(". ", (n-1)%3+1), muted, false)
	}
	if len(o.Peers) > 0 && len(lines)+1 < rows {
		lines = append(lines, textLine{bg: bg})
	}
	lines = append(lines, c.peers(o.Peers, bg)...)
	return lines[:min(len(lines), max(1, rows))]
}

// peers returns the list of peers, one below the other, each with its key.
func (c *cells) peers(peers []render.Peer, bg rgb) (lines []textLine) {
	longest := 0
	for _, p := range peers {
		mark, fg := "○ ", muted
		if p.Reachable {
			mark, fg = "● ", text
		}
		if c.ascii {
			mark = map[bool]string{true: "* ", false: "- "}[p.Reachable]
		}
		key := ""
		if p.Key != "" {
			key = " (" + p.Key + ")"
		}
		t := truncate(c.plain(mark+p.Name), c.cols-4-len(key), c.plain("…")) + key
		longest = max(longest, textWidth(t))
		lines = append(lines, textLine{text: t, fg: fg, bg: bg, bold: p.Focused})
	}
	for i, p := range peers {
		t := pad(lines[i].text, longest)
		if lines[i].text = " " + t + " "; p.Focused {
			lines[i].text = ">" + t + "<"
		}
	}
	return lines
}

// spaced returns a name with blanks between its letters, which is as large as a
// terminal can write, if there is room.
func (c *cells) spaced(name string) string {
	wide := strings.Join(strings.Split(name, ""), " ")
	if strings.Contains(name, " ") || textWidth(wide) > c.cols-4 ||
		textWidth(wide) != 2*utf8.RuneCountInString(name)-1 {
		return name
	}
	return wide
}

// help returns the list of keys: one in each row or, without so many rows, one
// after the other.
func (c *cells) help(keys []render.Key, rows int) (lines []textLine) {
	if len(keys) > rows {
		var texts []string
		for _, k := range keys {
			texts = append(texts, c.plain(k.Key+" "+k.Text))
		}
		for _, row := range c.flow(texts) {
			lines = append(lines, textLine{text: pad(row, c.cols-2), fg: text, bg: surface})
		}
		return lines[:min(len(lines), max(1, rows))]
	}
	width := 0
	for _, k := range keys {
		width = max(width, textWidth(c.plain(k.Key)))
	}
	longest := 0
	for _, k := range keys {
		t := pad(c.plain(k.Key), width) + "  " + c.plain(k.Text)
		t = truncate(t, c.cols-2, c.plain("…"))
		longest = max(longest, textWidth(t))
		lines = append(lines, textLine{text: t, fg: text, bg: surface})
	}
	for i := range lines {
		lines[i].text = pad(lines[i].text, longest)
	}
	return lines
}

// flow returns texts one after the other, each as a whole in a row.
func (c *cells) flow(texts []string) (rows []string) {
	for _, t := range texts {
		last := len(rows) - 1
		if last >= 0 && textWidth(rows[last]+" · "+t) <= c.cols-2 {
			rows[last] += c.plain(" · ") + t
			continue
		}
		rows = append(rows, truncate(t, c.cols-2, c.plain("…")))
	}
	return rows
}

// controlRows returns the texts of the controls, and how many rows they take:
// three as large buttons, one, or none.
func (c *cells) controlRows(o *render.Overlay, frameRows int) (texts []textLine, rows int) {
	if len(o.Help) > 0 || frameRows < 2 {
		return nil, 0
	}
	texts = c.controlTexts(o.Controls)
	switch {
	case len(texts) == 0:
		return nil, 0
	case frameRows >= 12 && len(texts) <= 2:
		return texts, 3
	}
	return texts, 1
}

// optionalControls are left out, in this order, where there is no room. Their
// keys work all the same.
var optionalControls = [...]look.Action{look.ActionHelp, look.ActionSnapshot, look.ActionOwn, look.ActionMessage,
	look.ActionCamera}

// controlTexts returns the texts of the controls that fit into a row.
func (c *cells) controlTexts(controls []render.Control) (texts []textLine) {
	for _, long := range []bool{true, false} {
		for left := range len(optionalControls) + 1 {
			if long && left > 0 && optionalControls[left-1] == look.ActionMessage {
				break // a message and the camera matter more than long texts
			}
			texts = texts[:0]
			width := -1
			for _, b := range controls {
				if slices.Contains(optionalControls[:left], b.Action) && !b.Focused {
					continue
				}
				t := c.controlText(&b, long)
				width += textWidth(t.text) + 1
				texts = append(texts, t)
			}
			if width <= c.cols {
				return texts
			}
		}
	}
	return texts
}

// controlText returns the text of a control: " Hang up (h) ", or "h Hang up".
func (c *cells) controlText(b *render.Control, long bool) textLine {
	label := c.plain(b.Label)
	t := textLine{text: " " + label + " ", fg: text, bg: surface}
	switch {
	case b.Key == "":
	case long:
		t.text = " " + label + " (" + b.Key + ") "
	default:
		t.text = b.Key + " " + label
	}
	switch {
	case b.Disabled:
		t.fg = muted
	case b.Style == render.StyleAccept:
		t.fg, t.bg = white, accept
	case b.Style == render.StyleDecline:
		t.fg, t.bg = white, decline
	case b.Style == render.StyleOn:
		t.fg, t.bg = background, text
	}
	t.bold = b.Focused || b.Style == render.StyleAccept || b.Style == render.StyleDecline
	if b.Focused {
		t.text = ">" + strings.TrimSpace(t.text) + "<"
	}
	t.reverse = true
	return t
}

// drawControls draws the controls side by side from a row on.
func (c *cells) drawControls(texts []textLine, row, rows int) {
	gap, width := 1, 0
	if rows == 3 {
		gap = 2
		for i := range texts {
			texts[i].text = "  " + texts[i].text + "  "
		}
	}
	for _, t := range texts {
		width += textWidth(t.text) + gap
	}
	width -= gap
	if width > c.cols {
		gap = 0
	}
	col := max(0, (c.cols-width)/2)
	for _, t := range texts {
		w := textWidth(t.text)
		if col+w > c.cols {
			return
		}
		for r := range rows {
			line := t
			if r != rows/2 {
				line.text = strings.Repeat(" ", w)
			}
			c.drawLine(row+r, col, line)
		}
		col += w + gap
	}
}

// drawStatus draws the status line: the title, why there is no frame or the
// statistics and, if there is room, the keys; or the message being typed.
func (c *cells) drawStatus(o *render.Overlay) {
	line := c.statusLine(o)
	if o.Typing != "" {
		line = pad(truncateLeft(c.plain(o.Typing), c.cols), c.cols)
	}
	c.drawLine(c.rows-1, 0, textLine{text: line, fg: text, bg: surface, reverse: true})
}

func (c *cells) statusLine(o *render.Overlay) string {
	title, info := firstOf(o.Caption, o.Title), o.Info
	figures := !o.Blank && !o.Stale && info != ""
	if !figures {
		info = firstOf(o.Notice, o.Headline, info)
		if o.State == look.Ringing && o.Headline != "" {
			info = o.Headline
		}
	}
	line := c.plain(" " + title)
	switch info = c.plain(info); {
	case info != "" && (title == noTitle || title != "" && strings.HasPrefix(info, c.plain(o.Title))):
		line = " " + info // it names the peer
	case info != "":
		line += "  " + info
	}
	keys := c.plain(idleKeys)
	if o.State == look.InCall || o.State == look.Reconnecting || o.State == look.CameraOff {
		keys = c.plain(callKeys)
	}
	dot := c.plain(" · ")
	for {
		free := c.cols - textWidth(line) - textWidth(keys)
		_, rest, more := strings.Cut(keys, dot)
		switch cut := strings.LastIndex(line, dot); {
		case free > 1:
			return line + strings.Repeat(" ", free) + keys
		case more:
			keys = rest
		case figures && cut > len(c.plain(title)):
			line = line[:cut]
		case c.cols >= minKeysCols:
			return pad(truncate(line, c.cols-textWidth(keys)-1, c.plain("…")), c.cols-textWidth(keys)) + keys
		default:
			return pad(truncate(line, c.cols, c.plain("…")), c.cols)
		}
	}
}

// noTitle is the title of a viewer without a feed.
const noTitle = "vchat"

// minKeysCols is the width from which the status line always has a key.
const minKeysCols = 30

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// asciiSigns are the signs of our own texts in a terminal that has no others.
var asciiSigns = strings.NewReplacer("← ↑ → ↓", "arrows",
	"·", "-", "…", "...", "–", "-", "—", "-", "×", "x", "→", "->", "●", "*", "○", "-", "“", `"`, "”", `"`, "’", "'")

// plain returns a text in the characters that the terminal can show.
func (c *cells) plain(s string) string {
	if !c.ascii {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= utf8.RuneSelf {
			return '?'
		}
		return r
	}, asciiSigns.Replace(s))
}

// truncateLeft returns the end of a text that is wider than cols columns.
func truncateLeft(text string, cols int) string {
	for textWidth(text) > cols {
		_, n := utf8.DecodeRuneInString(text)
		text = text[n:]
	}
	return text
}
