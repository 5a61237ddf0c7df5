package render

import (
	"image"
	"slices"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
)

// Style is how a control looks.
type Style int

// The styles.
const (
	StylePlain   Style = iota
	StyleAccept        // green
	StyleDecline       // red
	StyleOn            // a switch that is on: dark on light
)

// Target is what a control does.
type Target struct {
	Action look.Action
	Peer   string // of look.ActionCall
}

// Control is a button.
type Control struct {
	Target
	Icon     look.Icon
	Label    string
	Key      string // as it is shown; "": none
	Style    Style
	Disabled bool
	Focused  bool // the key Enter presses it
}

// colors returns the colors of a control.
func (c *Control) colors() (behind, text look.Color) {
	switch {
	case c.Disabled:
		return look.Surface, look.Muted
	case c.Style == StyleAccept:
		return look.Accept, look.White
	case c.Style == StyleDecline:
		return look.Decline, look.White
	case c.Style == StyleOn:
		return look.Text, look.Background
	}
	return look.Surface, look.Text
}

// hit is the place of a control on the display, with half of the gaps around.
type hit struct {
	rect   image.Rectangle
	target Target
	label  string
	name   string // who calls, or is called
	banner string
	since  time.Time // when it was first painted like this
}

// same reports whether a user who saw g may press h.
func (h *hit) same(g *hit) bool {
	return h.rect == g.rect && h.target == g.target && h.label == g.label && h.name == g.name && h.banner == g.banner
}

// HitTest returns what the control at a pixel of the display that was painted
// last does, and since when it is there, with the same meaning. It is safe for
// concurrent use.
func (p *Painter) HitTest(x, y int) (t Target, since time.Time, ok bool) {
	p.hitsMu.Lock()
	defer p.hitsMu.Unlock()
	for _, h := range p.hits {
		if (image.Pt(x, y)).In(h.rect) {
			return h.target, h.since, true
		}
	}
	return Target{}, time.Time{}, false
}

// Hidden is an Overlay.Fade: the controls are not there, but have their place.
const Hidden = 4

const (
	minTouch     = 44 // pixels of a control that a finger finds
	controlAlpha = 235
)

// touchable places what can be touched and the message being typed at the
// bottom, and returns the y above it.
func (l *layout) touchable(o *Overlay, margin int) (bottom int) {
	bottom = min(l.controls(o), l.px.H) - margin
	if o.Fade >= Hidden {
		l.shapes, l.newHits, l.placed = l.shapes[:0], l.newHits[:0], l.placed[:0]
	}
	l.fade(o.Fade, 0)
	return l.ready(o, l.typing(o, bottom), margin)
}

// ready places the ready messages in a grid above y and below top, as wide as
// the message being typed, and returns the y above it. It leaves out the last
// ones if there is no room.
func (l *layout) ready(o *Overlay, y, top int) int {
	if len(o.Ready) == 0 {
		return y
	}
	style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
	width, widest := l.typingWidth(style.em), 0
	for _, c := range o.Ready {
		widest = max(widest, l.text.line(c.Label, style).Rect.Dx()+2*l.step)
	}
	columns := max(1, min(3, (width+l.step)/(widest+l.step)))
	height := max(minTouch, lineHeight(style.em)+2*l.step)
	rows := min((len(o.Ready)+columns-1)/columns, (y-top+l.step)/(height+l.step))
	if rows < 1 {
		return y
	}
	cell := (width - (columns-1)*l.step) / columns
	x0, y0 := (l.px.W-width)/2, y-rows*(height+l.step)+l.step
	for i := range o.Ready[:min(len(o.Ready), rows*columns)] {
		at := image.Pt(x0+i%columns*(cell+l.step), y0+i/columns*(height+l.step))
		r := image.Rectangle{at, at.Add(image.Pt(cell, height))}
		l.addBox(l.px, r, 2*l.step, look.Muted, 255) // an edge, as most frames are dark
		l.control(&o.Ready[i], r.Inset(max(1, l.step/8)), 0, style, true)
		l.hit(&o.Ready[i], r, l.step, o)
		l.placed = append(l.placed, r)
		if o.ShowKeys {
			l.keyCap(o.Ready[i].Key, image.Pt(r.Max.X, r.Min.Y))
		}
	}
	return y0 - l.step
}

// hit lets a touch find the control at r, beside which there is a gap.
func (l *layout) hit(c *Control, r image.Rectangle, gap int, o *Overlay) {
	if c.Disabled {
		return
	}
	h := hit{r.Inset(-min(gap, l.step) / 2), c.Target, c.Label, o.Name, o.Banner, time.Now()}
	if at := slices.IndexFunc(l.hits, func(g hit) bool { return h.same(&g) }); at >= 0 {
		h.since = l.hits[at].since
	}
	l.newHits = append(l.newHits, h)
}

// publishHits lets HitTest find what was placed.
func (l *layout) publishHits() {
	l.hitsMu.Lock()
	defer l.hitsMu.Unlock()
	l.hits, l.newHits = l.newHits, l.hits[:0]
}

// controls places the controls at the bottom, in as few rows as leave room for
// their words. It returns the y where they begin. Controls that a small display
// has no room for are left out, the least important first.
func (l *layout) controls(o *Overlay) (top int) {
	controls := l.fitting(o.Controls)
	if len(controls) == 0 {
		return l.px.H + l.step
	}
	px := l.px
	g := barPlan{style: textStyle{look.Caption.Em(px.W, px.H), false}, icon: max(20, min(px.H/22, px.W/26)),
		gap: l.step}
	if o.State == look.Ringing && o.Banner == "" { // nothing is more important
		g.icon *= 2
		g.style = textStyle{look.Body.Em(px.W, px.H), true}
		g.gap = 4 * l.step
	}
	rows := l.arrange(&g, controls)
	y0 := max(0, px.H-2*l.step-rows*(g.size.Y+g.gap)+g.gap)
	places := make([]image.Rectangle, len(controls))
	for i := range controls {
		row, column := i/g.columns, i%g.columns
		n := min(g.columns, len(controls)-row*g.columns) // in this row
		x := (px.W-n*(g.size.X+g.gap)+g.gap)/2 + column*(g.size.X+g.gap)
		y := y0 + row*(g.size.Y+g.gap)
		places[i] = image.Rectangle{image.Pt(x, y), image.Pt(x, y).Add(g.size)}
		l.control(&controls[i], places[i], g.icon, g.style, g.labels)
		l.placed = append(l.placed, places[i])
		l.hit(&controls[i], places[i], g.gap, o)
	}
	for i := range controls { // above their neighbors
		if o.ShowKeys && controls[i].Key != "" {
			l.keyCap(controls[i].Key, image.Pt(places[i].Max.X, places[i].Min.Y))
		}
	}
	return y0
}

// barPlan is how the controls at the bottom are arranged.
type barPlan struct {
	style     textStyle
	icon, gap int
	columns   int
	size      image.Point // of each control
	labels    bool        // there is room for words
}

// arrange finds the size of the controls and returns their rows: one or, if
// their words need more room, two of a high display. Without room for words
// there are icons alone.
func (l *layout) arrange(g *barPlan, controls []Control) (rows int) {
	px, width := l.px, max(minTouch, g.icon*2)
	words := 0
	for i := range controls {
		words = max(words, l.text.line(controls[i].Label, g.style).Rect.Dx()+l.step)
	}
	height := max(minTouch, g.icon+2*l.step+lineHeight(g.style.em))
	for rows = 1; rows <= 2; rows++ {
		g.columns = (len(controls) + rows - 1) / rows
		available := (px.W-2*l.step+g.gap)/g.columns - g.gap
		if words <= available && (rows == 1 || rows*(height+g.gap) <= px.H/3) {
			g.labels = true
			g.size = image.Pt(min(available, max(width, words+l.step)), min(height, px.H))
			return rows
		}
	}
	g.columns = len(controls)
	available := (px.W-2*l.step+g.gap)/g.columns - g.gap
	g.size = image.Pt(max(1, min(width, available)), min(max(minTouch, g.icon+2*l.step), px.H))
	return 1
}

// fitting returns the controls that fit on the display, each wide enough for a
// finger.
func (l *layout) fitting(controls []Control) []Control {
	room := max(2, (l.px.W-l.step)/(minTouch+l.step))
	if len(controls) <= room {
		return controls
	}
	kept := append(l.kept[:0], controls...)
	for _, a := range [...]look.Action{look.ActionHelp, look.ActionSnapshot, look.ActionFullscreen, look.ActionOwn} {
		if len(kept) > room {
			kept = slices.DeleteFunc(kept, func(c Control) bool { return c.Action == a })
		}
	}
	l.kept = kept
	return kept
}

// control paints a control at r.
func (l *layout) control(c *Control, r image.Rectangle, icon int, style textStyle, label bool) {
	behind, text := c.colors()
	radius := 2 * l.step
	if c.Focused {
		ring := max(3, l.step/2)
		l.addBox(l.px, r.Inset(-ring), radius+ring, look.Focus, 255)
		l.addBox(l.px, r.Inset(-ring/3), radius+ring/3, look.Background, 255)
	}
	l.addBox(l.px, r, radius, behind, controlAlpha)
	height := icon
	if label {
		height += lineHeight(style.em)
	}
	x, y := (r.Min.X+r.Max.X)/2, r.Min.Y+(r.Dy()-height)/2
	if c.Icon != look.IconNone {
		l.addMask(l.px, l.masks.icon(c.Icon, icon), image.Pt(x-icon/2, y), text)
	}
	if label {
		m := l.text.line(c.Label, style)
		l.addMask(l.px, m, image.Pt(x-m.Rect.Dx()/2, y+icon+(lineHeight(style.em)-m.Rect.Dy())/2), text)
	}
}

// keyCap places the key of a control at its upper right corner.
func (l *layout) keyCap(key string, corner image.Point) {
	style := textStyle{look.MinEm, true}
	if em := look.Caption.Em(l.px.W, l.px.H) * 3 / 4; em > style.em {
		style.em = em
	}
	m := l.text.line(key, style)
	width := max(m.Rect.Dx()+l.step, m.Rect.Dy())
	at := image.Pt(corner.X-width+l.step/2, corner.Y-m.Rect.Dy()/2)
	at.X = min(at.X, l.px.W-width)
	place := image.Rectangle{at, at.Add(image.Pt(width, m.Rect.Dy()))}
	l.addBox(l.px, place, l.step/2, look.Text, 255)
	l.addMask(l.px, m, image.Pt(at.X+(width-m.Rect.Dx())/2, at.Y), look.Background)
}

// addBox paints a box with round corners.
func (p *Painter) addBox(px Pixels, r image.Rectangle, radius int, c look.Color, alpha uint8) {
	visible := r.Intersect(image.Rect(0, 0, px.W, px.H))
	if visible.Empty() {
		return
	}
	corner := p.masks.corner(min(radius, r.Dx()/2, r.Dy()/2))
	p.shapes = append(p.shapes, shape{rect: visible, color: c, alpha: alpha, box: r, corner: corner})
}

// addMask paints a mask whose upper left corner is at a point.
func (p *Painter) addMask(px Pixels, m *image.Alpha, at image.Point, c look.Color) {
	visible := m.Rect.Add(at).Intersect(image.Rect(0, 0, px.W, px.H))
	if visible.Empty() {
		return
	}
	p.shapes = append(p.shapes, shape{rect: visible, color: c, alpha: 255, mask: m, at: at})
}
