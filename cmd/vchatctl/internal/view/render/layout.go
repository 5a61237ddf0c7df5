package render

import (
	"image"
	"slices"
	"strings"
	"unicode"

	"vchat/cmd/vchatctl/internal/view/look"
)

// shadeAlpha is how much a shade hides of the frame behind text. White text on
// it has a contrast of 4.5:1 even over a white frame.
const shadeAlpha = 176

// layout places the parts of an overlay, those first that must not be covered:
//
//	banner, pairing
//	caption, own camera, statistics
//	                 what happened, why
//	messages                             picture-in-picture
//	     ready messages, the message being typed
//	             controls
type layout struct {
	*Painter
	px      Pixels
	step    int
	onFrame bool              // a frame is behind: texts need a shade
	placed  []image.Rectangle // what must not be covered
}

// textBlock is a text of one size in a stack.
type textBlock struct {
	text     string
	size     look.TextSize
	bold     bool
	color    look.Color
	maxLines int
	gap      int // in steps, above it
}

// layoutOverlay places the parts of o. It returns where the picture-in-picture
// goes: pip is its size, zero if there is none. The result is empty if it would
// cover something everywhere.
func (p *Painter) layoutOverlay(px Pixels, o *Overlay, onFrame bool, pip image.Point) image.Rectangle {
	l := &p.layout
	l.Painter, l.px, l.step, l.onFrame, l.placed = p, px, look.Step(px.W, px.H), onFrame, l.placed[:0]
	margin := 2 * l.step
	bottom := l.touchable(o, margin)
	top := l.banners(o, margin)
	captions := l.captions(o, top)
	area := image.Rect(margin, captions, px.W-margin, max(captions, bottom))
	card := image.Rectangle{}
	if len(o.Help) > 0 {
		card = l.help(o.Help, area)
	} else {
		free := area
		if len(o.Peers) > 0 && len(o.Lines) > 0 { // a long list leaves room for a message
			free.Max.Y = max(area.Min.Y, area.Max.Y-2*lineHeight(look.Body.Em(px.W, px.H))-2*l.step)
		}
		card = l.card(o, free)
	}
	own := l.findCorner(o.PIPAt, pip, image.Rect(margin, top, px.W-margin, bottom))
	if !card.Empty() {
		area.Min.Y = card.Max.Y + l.step
	}
	if len(o.Help) == 0 {
		l.messages(o.Lines, area, own)
	}
	if !own.Empty() {
		l.placed = append(l.placed, own)
		frame := l.frame(own)
		if o.PIPText != "" {
			l.shapes = append(l.shapes, frame)
			l.noPicture(o.PIPText, own)
		} else {
			l.pipFrame, l.pip.corner = frame, l.masks.corner(l.radius(own))
		}
	}
	l.publishHits()
	return own
}

// banners places a caller and a pairing at the top, and returns the y below.
func (l *layout) banners(o *Overlay, y int) int {
	blocks := append(l.blocks[:0],
		textBlock{o.Banner, look.Title, true, look.Text, 2, 0},
		textBlock{o.Code, look.Display, true, look.Text, 1, 0},
		textBlock{o.Pairing, look.Body, false, look.Text, 4, 0})
	l.blocks = blocks
	if o.Banner == "" && o.Code == "" && o.Pairing == "" {
		return y
	}
	// At least half of the frame stays free.
	r := l.stack(blocks, image.Rect(2*l.step, y, l.px.W-2*l.step, l.px.H/2), false)
	return r.Max.Y + l.step
}

// captions places the name, the duration, why the peer sees nothing and the
// statistics at the upper left.
func (l *layout) captions(o *Overlay, y int) int {
	width, first := l.px.W-6*l.step, len(l.shapes)
	if o.Caption != "" {
		em := look.Body.Em(l.px.W, l.px.H)
		y = l.chip(l.text.ellipsis(o.Caption, textStyle{em, true}, width), textStyle{em, true}, look.Text,
			2*l.step, y) + l.step
		l.fade(o.Fade, first)
	}
	if o.Unseen != "" {
		style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
		y = l.chip(l.text.ellipsis(o.Unseen, style, width), style, look.Warning, 2*l.step, y) + l.step
	}
	if o.Info != "" {
		style := textStyle{look.Caption.Em(l.px.W, l.px.H), false}
		y = l.chip(l.text.ellipsis(o.Info, style, width), style, look.Text, 2*l.step, y) + l.step
	}
	return y
}

// fade makes the shapes from first on transparent by quarters.
func (l *layout) fade(quarters, first int) {
	for i := first; i < len(l.shapes) && quarters > 0; i++ {
		l.shapes[i].alpha = uint8(int(l.shapes[i].alpha) * (4 - min(quarters, 4)) / 4)
	}
}

// chip places a line of text on a shade, and returns the y below.
func (l *layout) chip(text string, style textStyle, c look.Color, x, y int) int {
	m := l.text.line(text, style)
	height := lineHeight(style.em)
	r := image.Rect(x, y, x+m.Rect.Dx()+2*l.step, y+height+l.step/2)
	l.addBox(l.px, r, 3*l.step/2, look.Background, shadeAlpha)
	l.addMask(l.px, m, image.Pt(x+l.step, y+(r.Dy()-m.Rect.Dy())/2), c)
	l.placed = append(l.placed, r)
	return r.Max.Y
}

// card places what happened in the middle of an area, and returns its place.
func (l *layout) card(o *Overlay, area image.Rectangle) image.Rectangle {
	blocks := l.cardBlocks(o, area)
	if len(blocks) == 0 {
		return image.Rectangle{}
	}
	below, list := 0, peerList{}
	dot := max(4, l.step)
	if o.Waiting > 0 {
		below = dot + 3*l.step
	}
	whole := area
	if len(o.Peers) > 0 {
		list, below = l.arrangePeers(o, area, l.stackHeight(blocks, area))
		if list.beside {
			area.Max.X = list.area.Min.X
		}
	}
	badge := l.badgeSize(o, area.Dy()-below-l.stackHeight(blocks, area))
	if badge > 0 {
		area.Min.Y += badge + 2*l.step
	}
	r := l.stack(blocks, image.Rect(area.Min.X, area.Min.Y, area.Max.X, area.Max.Y-below), true)
	if badge > 0 {
		l.badge(o, image.Rect(0, 0, badge, badge).Add(image.Pt((l.px.W-badge)/2, r.Min.Y-badge-2*l.step)))
		r.Min.Y -= badge + 2*l.step
	}
	switch {
	case o.Waiting > 0:
		l.dots(o.Waiting, dot, r.Max.Y+2*l.step)
		r.Max.Y += below
	case list.rows > 0:
		if !list.beside {
			list.area.Min.Y, list.area.Max.Y = r.Max.Y+list.gap, whole.Max.Y
		}
		r = r.Union(l.peers(o, &list))
	}
	return r
}

// cardBlocks returns the texts of the card.
func (l *layout) cardBlocks(o *Overlay, area image.Rectangle) []textBlock {
	ringing := o.State == look.Ringing && o.Name != "" && len(o.Controls) > 0
	blocks := l.blocks[:0]
	add := func(b textBlock) {
		if b.text != "" {
			blocks = append(blocks, b)
		}
	}
	if ringing {
		add(textBlock{o.State.Word(), look.Title, false, look.Muted, 1, 0})
		add(textBlock{o.Name, look.Display, true, look.Text, 3, 1})
		add(textBlock{o.Notice, look.Body, false, look.Text, 3, 1})
	} else {
		color := look.Text
		if o.State == look.Problem {
			color = look.Warning
		}
		clock := look.Clock
		if area.Dy() < 12*look.Clock.Em(l.px.W, l.px.H)/2 {
			clock = look.Display
		}
		add(textBlock{o.Clock, clock, true, look.Text, 1, 0})
		name := look.Display
		if o.Clock != "" {
			name = look.Title
		}
		add(textBlock{o.Name, name, o.Clock == "", look.Text, 2, 0})
		add(textBlock{o.Headline, look.Title, true, color, 3, 1})
		add(textBlock{o.Notice, look.Body, false, look.Text, 6, 1})
		add(textBlock{o.Age, look.Caption, false, look.Muted, 1, 1})
	}
	l.blocks = blocks
	return blocks
}

// badgeSize returns the size of the badge above the name of who calls or is
// called, or 0 if there is no name or no room for it.
func (l *layout) badgeSize(o *Overlay, room int) int {
	size := 2 * look.Display.Em(l.px.W, l.px.H)
	if o.Name == "" || o.Clock != "" || l.onFrame || room < size+3*l.step {
		return 0
	}
	return size
}

// badge places a disc with the first letter of a name, or with what is the
// matter.
func (l *layout) badge(o *Overlay, r image.Rectangle) {
	size := r.Dx()
	behind, text := look.Surface, look.Text
	if o.State == look.Ringing {
		ring := size / 12
		l.addBox(l.px, r.Inset(-ring), size/2+ring, look.Accept, 110)
		behind, text = look.Accept, look.White
	}
	l.addBox(l.px, r, size/2, behind, 255)
	l.placed = append(l.placed, r)
	center := r.Min.Add(r.Max).Div(2)
	if o.State == look.CameraOff {
		icon := size / 2
		at := center.Sub(image.Pt(icon/2, icon/2))
		l.addMask(l.px, l.masks.icon(look.IconCameraOff, icon), at, text)
		return
	}
	letter := initial(o.Name)
	if l.text.clean(letter) != letter { // no font has it
		letter = "?"
	}
	m := l.text.line(letter, textStyle{size / 2, true})
	l.addMask(l.px, m, center.Sub(m.Rect.Max.Div(2)), text)
}

// initial returns the first character of a name as a capital letter.
func initial(name string) string {
	for _, c := range name {
		return string(unicode.ToUpper(c))
	}
	return ""
}

// dots places three dots, of which one is bright.
func (l *layout) dots(bright, size, y int) {
	for i := range 3 {
		x := l.px.W/2 + (2*i-2)*size - size/2
		c := look.Muted
		alpha := uint8(110)
		if i+1 == bright {
			c, alpha = look.Text, 255
		}
		l.addBox(l.px, image.Rect(x, y, x+size, y+size), size/2, c, alpha)
	}
}

// help places the list of keys in the middle of an area, in two columns if it
// is wide, and returns its place.
func (l *layout) help(keys []Key, area image.Rectangle) image.Rectangle {
	em := look.Body.Em(l.px.W, l.px.H)
	columns := 1
	if l.px.W > l.px.H {
		columns = 2
	}
	rows := (len(keys) + columns - 1) / columns
	padding := 2 * l.step
	for em > minHelpEm && rows*lineHeight(em) > area.Dy()-2*padding {
		em--
	}
	row := max(1, min(lineHeight(em), (area.Dy()-2*padding)/max(1, rows)))
	plain, bold := textStyle{em, false}, textStyle{em, true}
	gap := max(l.step, em/2)
	keyWidth, width := 0, 0
	columnWidth := (area.Dx() - 2*padding) / columns
	for _, k := range keys {
		keyWidth = max(keyWidth, l.text.line(k.Key, bold).Rect.Dx())
	}
	for _, k := range keys {
		text := l.text.ellipsis(k.Text, plain, columnWidth-keyWidth-2*l.step-gap)
		width = max(width, l.text.line(text, plain).Rect.Dx())
	}
	width = min(columnWidth, keyWidth+width+2*l.step+gap)
	size := image.Pt(columns*width+2*padding-l.step, rows*row+2*padding)
	at := image.Pt((l.px.W-size.X)/2, max(area.Min.Y, (area.Min.Y+area.Max.Y-size.Y)/2))
	r := image.Rectangle{at, at.Add(size)}
	l.addBox(l.px, r, 2*l.step, look.Background, 230)
	l.placed = append(l.placed, r)
	for i, k := range keys {
		x, y := at.X+padding+i/rows*width, at.Y+padding+i%rows*row
		m := l.text.line(k.Key, bold)
		l.addMask(l.px, m, image.Pt(x+keyWidth-m.Rect.Dx(), y+(row-m.Rect.Dy())/2), look.Focus)
		m = l.text.line(l.text.ellipsis(k.Text, plain, columnWidth-keyWidth-2*l.step-gap), plain)
		l.addMask(l.px, m, image.Pt(x+keyWidth+gap, y+(row-m.Rect.Dy())/2), look.Text)
	}
	return r
}

const minHelpEm = 9

// typing places the message being typed above the controls, and returns the y
// above it.
func (l *layout) typing(o *Overlay, bottom int) int {
	if o.Typing == "" {
		return bottom
	}
	style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
	width := l.typingWidth(style.em)
	lines := l.text.wrap(o.Typed, style, width-3*l.step, 0)
	if len(lines) == 0 {
		lines = []string{""}
	}
	height := lineHeight(style.em)
	maxLines := max(1, min(4, (bottom-l.px.H/3)/height))
	lines = lines[max(0, len(lines)-maxLines):] // the end is being typed
	r := image.Rect((l.px.W-width)/2, bottom-len(lines)*height-2*l.step, (l.px.W+width)/2, bottom)
	ring := max(2, l.step/4)
	l.addBox(l.px, r, 2*l.step, look.Focus, 255)
	l.addBox(l.px, r.Inset(ring), 2*l.step-ring, look.Surface, 255)
	l.placed = append(l.placed, r)
	x, y := r.Min.X+l.step+ring, r.Min.Y+l.step
	for _, text := range lines {
		m := l.text.line(text, style)
		l.addMask(l.px, m, image.Pt(x, y+(height-m.Rect.Dy())/2), look.Text)
		y += height
	}
	l.cursor(o.Typed, lines[len(lines)-1], style, image.Pt(x, y-height))
	return r.Min.Y - l.step
}

// cursor places the cursor behind the last line of the message being typed, or
// before what to type.
func (l *layout) cursor(typed, last string, style textStyle, at image.Point) {
	width, height := max(2, style.em/10), lineHeight(style.em)
	if typed == "" {
		m := l.text.line("Message", style)
		l.addMask(l.px, m, at.Add(image.Pt(2*width, (height-m.Rect.Dy())/2)), look.Muted)
	} else if rightToLeft(last) { // from right to left
		at.X -= 2 * width
	} else {
		at.X += l.text.line(last, style).Rect.Dx() + width/2
		if strings.HasSuffix(typed, " ") {
			at.X += style.em / 4
		}
	}
	l.addBox(l.px, image.Rect(at.X, at.Y+height/8, at.X+width, at.Y+height*7/8), 0, look.Focus, 255)
}

// typingWidth returns the width of the message being typed.
func (l *layout) typingWidth(em int) int { return min(l.px.W-4*l.step, 90*em/2) }

// messages places messages at the bottom left of an area, beside own.
func (l *layout) messages(lines []string, area, own image.Rectangle) {
	style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
	height := lineHeight(style.em)
	if !own.Empty() && own.Max.Y > area.Min.Y {
		switch {
		case own.Min.Y <= area.Min.Y+height && own.Max.Y < area.Max.Y-2*height:
			area.Min.Y = own.Max.Y + l.step // it is above
		case own.Min.X > l.px.W/2:
			area.Max.X = own.Min.X - l.step
		default:
			area.Min.X = own.Max.X + l.step
		}
	}
	width := min(area.Dx()-2*l.step, 45*style.em)
	if l.onFrame { // part of it stays free; words need more of a small display
		free := l.px.H / 2
		if l.px.H <= 16*height {
			free = l.px.H / 4
		}
		area.Min.Y = max(area.Min.Y, free)
	}
	y := area.Max.Y
	for i := len(lines) - 1; i >= 0; i-- {
		wrapped := l.text.wrap(isolated(lines[i]), style, width, 0)
		if room := (y - area.Min.Y - l.step) / height; len(wrapped) > room {
			wrapped = slices.Clone(wrapped[:max(0, room)])
			if room > 0 {
				wrapped[room-1] = l.text.cut(wrapped[room-1], style, width)
			}
		}
		if len(wrapped) == 0 {
			return
		}
		right := 0
		for _, text := range wrapped {
			right = max(right, l.text.line(text, style).Rect.Dx())
		}
		top := y - len(wrapped)*height - l.step/2
		r := image.Rect(area.Min.X, top, area.Min.X+right+2*l.step, y)
		l.addBox(l.px, r, 3*l.step/2, look.Background, shadeAlpha)
		l.placed = append(l.placed, r)
		for j, text := range wrapped {
			m := l.text.line(text, style)
			at := image.Pt(area.Min.X+l.step, top+l.step/4+j*height+(height-m.Rect.Dy())/2)
			if rightToLeft(text) {
				at.X += right - m.Rect.Dx()
			}
			l.addMask(l.px, m, at, look.Text)
		}
		y = top - l.step
	}
}

// stackHeight returns the height of blocks below each other, as large as they
// can be.
func (l *layout) stackHeight(blocks []textBlock, area image.Rectangle) int {
	height, _ := l.measure(blocks, area.Dx(), 4)
	return height
}

// measure returns the height of blocks whose text is quarters of 4 as large as
// it should be. It reports whether every text fits into its lines.
func (l *layout) measure(blocks []textBlock, width, quarters int) (height int, fits bool) {
	fits = true
	for i := range blocks {
		b := &blocks[i]
		style := l.blockStyle(b, quarters)
		n := len(l.text.wrap(b.text, style, width, 0))
		fits = fits && n <= b.maxLines && !l.text.broken(b.text, style, width)
		height += min(n, b.maxLines) * lineHeight(style.em)
		if i > 0 {
			height += b.gap * l.step
		}
	}
	return height, fits
}

func (l *layout) blockStyle(b *textBlock, quarters int) textStyle {
	return textStyle{max(look.MinEm, b.size.Em(l.px.W, l.px.H)*quarters/4), b.bold}
}

// stack places blocks below each other, centered in an area or, unless middle,
// at its top. It makes them smaller if they do not fit, and leaves out the end
// of what still does not. It returns their place.
func (l *layout) stack(blocks []textBlock, area image.Rectangle, middle bool) image.Rectangle {
	padding := 0
	if l.onFrame {
		padding = 2 * l.step
	}
	width := area.Dx() - 2*padding
	quarters, height := 4, 0
	for ; ; quarters-- {
		h, fits := l.measure(blocks, width, quarters)
		height = h
		if fits && h <= area.Dy()-2*padding || quarters == 1 {
			break
		}
	}
	y := area.Min.Y + padding
	if middle {
		y = max(y, area.Min.Y+(area.Dy()-height)/2)
	}
	box := len(l.shapes)
	l.addBox(l.px, image.Rect(0, 0, 1, 1), 0, look.Background, 0) // replaced below
	r := image.Rectangle{image.Pt(l.px.W, y), image.Pt(0, y)}
	for i := range blocks {
		b := &blocks[i]
		if b.text == "" {
			continue
		}
		style := l.blockStyle(b, quarters)
		lineH := lineHeight(style.em)
		if y > r.Min.Y {
			y += b.gap * l.step
		}
		room := min(b.maxLines, (area.Max.Y-padding-y)/lineH)
		for _, text := range l.text.wrap(b.text, style, width, max(0, room)) {
			m := l.text.line(text, style)
			x := (area.Min.X+area.Max.X)/2 - m.Rect.Dx()/2
			l.addMask(l.px, m, image.Pt(x, y+(lineH-m.Rect.Dy())/2), b.color)
			y += lineH
			r = r.Union(image.Rect(x, y-lineH, x+m.Rect.Dx(), y))
		}
	}
	if r.Empty() {
		return image.Rectangle{}
	}
	if l.onFrame {
		r = r.Inset(-padding).Intersect(area)
		corner := l.masks.corner(min(2*l.step, r.Dx()/2, r.Dy()/2))
		l.shapes[box] = shape{rect: r, color: look.Background, alpha: shadeAlpha, box: r, corner: corner}
	}
	l.placed = append(l.placed, r)
	return r
}

// findCorner returns where a picture of a size covers nothing in a corner of an
// area: the wanted one if possible. It returns an empty rectangle if there is
// none.
func (l *layout) findCorner(wanted Corner, size image.Point, area image.Rectangle) image.Rectangle {
	if size.X < 1 || size.Y < 1 {
		return image.Rectangle{}
	}
	for i := range Corner(5) {
		c := wanted
		if i > 0 {
			c = i - 1
		}
		at := area.Min
		if c == LowerRight || c == UpperRight {
			at.X = area.Max.X - size.X
		}
		if c == LowerRight || c == LowerLeft {
			at.Y = area.Max.Y - size.Y
		}
		r := image.Rectangle{at, at.Add(size)}
		if c == wanted {
			r = l.slide(r, c, area)
		}
		if r.In(area) && !l.covers(r) {
			return r
		}
	}
	return image.Rectangle{}
}

// slide moves a picture from its corner past what it would cover, within its
// half of an area.
func (l *layout) slide(r image.Rectangle, c Corner, area image.Rectangle) image.Rectangle {
	upper, from, middle := c == UpperLeft || c == UpperRight, r, (area.Min.Y+area.Max.Y)/2
	for range l.placed {
		at := slices.IndexFunc(l.placed, r.Overlaps)
		if at < 0 {
			break
		}
		y := l.placed[at].Min.Y - l.step - r.Dy()
		if upper {
			y = l.placed[at].Max.Y + l.step
		}
		r = r.Add(image.Pt(0, y-r.Min.Y))
	}
	if upper != ((r.Min.Y+r.Max.Y)/2 <= middle) {
		return from
	}
	return r
}

// covers reports whether a picture at r covers something.
func (l *layout) covers(r image.Rectangle) bool {
	for _, other := range l.placed {
		if r.Overlaps(other) {
			return true
		}
	}
	return false
}

// noPicture says in place of the picture-in-picture why there is none.
func (l *layout) noPicture(text string, r image.Rectangle) {
	l.addBox(l.px, r, l.radius(r), look.Surface, 255)
	style := textStyle{look.Caption.Em(l.px.W, l.px.H), false}
	m := l.text.line(l.text.ellipsis(text, style, r.Dx()-2*l.step), style)
	icon := max(1, min(r.Dx(), r.Dy())*2/5)
	height := icon + lineHeight(style.em)
	if height > r.Dy() || m.Rect.Dx() > r.Dx() { // a terminal's pixels are few
		height = icon
	}
	x, y := (r.Min.X+r.Max.X)/2, r.Min.Y+(r.Dy()-height)/2
	l.addMask(l.px, l.masks.icon(look.IconCameraOff, icon), image.Pt(x-icon/2, y), look.Text)
	if height > icon {
		l.addMask(l.px, m, image.Pt(x-m.Rect.Dx()/2, y+icon+(lineHeight(style.em)-m.Rect.Dy())/2), look.Text)
	}
}

// frame places a thin frame around the picture-in-picture, behind it.
func (l *layout) frame(r image.Rectangle) shape {
	n := max(1, l.step/4)
	box := r.Inset(-n)
	return shape{rect: box.Intersect(image.Rect(0, 0, l.px.W, l.px.H)), color: look.Text, alpha: 255,
		box: box, corner: l.masks.corner(l.radius(r) + n)}
}

// radius returns the radius of the corners of the picture-in-picture.
func (l *layout) radius(r image.Rectangle) int { return min(2*l.step, r.Dx()/6, r.Dy()/6) }

// lineHeight returns the height of a line in pixels.
func lineHeight(em int) int { return em * 7 / 5 }
