package render

import (
	"image"

	"vchat/cmd/vchatctl/internal/view/look"
)

// peerList is how the list of peers is arranged: below the other texts or, on a
// wide display without room there, beside them.
//
//	       14:03              14:03    ● kitchen    [Call]
//	      workshop           workshop  ● garden     [Call]
//	● kitchen    [Call]                     More
//	○ attic      [Call]
type peerList struct {
	area   image.Rectangle // its height is not known before the texts are placed
	rows   int             // 0: there is no room
	row    int             // height of a row, with the gap below
	gap    int             // above the list
	beside bool
}

// arrangePeers arranges the list of peers in an area with texts of a height. It
// returns the height that the list needs below them.
func (l *layout) arrangePeers(o *Overlay, area image.Rectangle, texts int) (list peerList, below int) {
	em := look.Body.Em(l.px.W, l.px.H)
	list.row = lineHeight(em) + l.step/2
	if o.Peers[0].CanCall || len(o.Peers)*list.row > area.Dy()-texts { // then there is a control for the others
		list.row = max(minTouch, lineHeight(em)*3/2) + l.step
	}
	wanted := l.peersWidth(o.Peers, em)
	width := min(area.Dx(), wanted)
	x := (area.Min.X + area.Max.X - width) / 2
	list.area = image.Rect(x, area.Min.Y, x+width, area.Max.Y)
	list.gap = max(2*l.step, em)
	list.rows = min(len(o.Peers), max(0, area.Dy()-texts-list.gap)/list.row)
	if list.rows == len(o.Peers) || l.px.W <= l.px.H {
		if list.rows == 0 {
			return list, 0
		}
		return list, list.gap + list.rows*list.row
	}
	list.beside = true
	list.rows = min(len(o.Peers), (area.Dy()+l.step)/list.row)
	middle := (area.Min.X + area.Max.X) / 2
	width = min(area.Max.X-middle, wanted)
	list.area = image.Rect(middle, area.Min.Y, middle+width, area.Max.Y)
	return list, 0
}

// peersWidth returns the width of a list in which every name has room, within
// limits.
func (l *layout) peersWidth(peers []Peer, em int) int {
	widest := 0
	for i := range peers {
		widest = max(widest, l.text.line(peers[i].Name, textStyle{em, false}).Rect.Dx())
	}
	return min(max(24*em, widest+11*em), 36*em)
}

// page returns the peers to show, and whether there are others.
func (list *peerList) page(o *Overlay) (peers []Peer, more bool) {
	if len(o.Peers) <= list.rows {
		return o.Peers, false
	}
	size := max(1, list.rows-1) // the last row leads to the others
	pages := (len(o.Peers) + size - 1) / size
	page := o.PeerPage % pages
	for i := range o.Peers {
		if o.Peers[i].Focused {
			page = i / size
		}
	}
	return o.Peers[page*size : min(len(o.Peers), (page+1)*size)], list.rows > 1
}

// peers places the list of peers and returns its place.
func (l *layout) peers(o *Overlay, list *peerList) image.Rectangle {
	peers, more := list.page(o)
	y := list.area.Min.Y
	if list.beside {
		y += max(0, (list.area.Dy()-list.rows*list.row+l.step)/2)
	}
	r := image.Rect(list.area.Min.X, y, list.area.Max.X, y+list.rows*list.row)
	if l.onFrame {
		l.addBox(l.px, r.Inset(-l.step), 2*l.step, look.Background, shadeAlpha)
	}
	place := func(i int) image.Rectangle {
		return image.Rect(r.Min.X, y+i*list.row, r.Max.X, y+(i+1)*list.row-l.step)
	}
	for i := range peers {
		l.peer(&peers[i], place(i), o)
	}
	if more {
		l.morePeers(place(len(peers)), o)
	}
	for i := range peers {
		if o.ShowKeys && peers[i].Key != "" {
			l.keyCap(peers[i].Key, image.Pt(r.Max.X, place(i).Min.Y))
		}
	}
	return r
}

// peer places a row of the list of peers: a dot, the name, whether the peer is
// reachable and, at the end, the control that calls it.
func (l *layout) peer(p *Peer, r image.Rectangle, o *Overlay) {
	style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
	left, right, pad := r.Min.X, r.Max.X, max(l.step, style.em/2)
	if p.CanCall {
		call := Control{Target: Target{look.ActionCall, p.Name}, Label: p.Name, Focused: p.Focused}
		l.control(&call, r, 0, style, false)
		l.hit(&call, r, l.step, o)
		right = l.callMark(p, r, pad) - pad
		left += pad
	}
	l.placed = append(l.placed, r)
	middle, dot := (r.Min.Y+r.Max.Y)/2, max(6, 3*l.step/2)
	color, state := look.Muted, "not reachable"
	if p.Reachable {
		color, state = look.Reachable, "reachable"
	}
	l.addBox(l.px, image.Rect(left, middle-dot/2, left+dot, middle-dot/2+dot), dot/2, color, 255)
	left += dot + pad
	small := textStyle{look.Caption.Em(l.px.W, l.px.H), false}
	m := l.text.line(state, small)
	name := l.text.line(p.Name, style).Rect.Dx()
	if right-left-m.Rect.Dx()-pad >= max(5*style.em, name) { // else the color says it
		right -= m.Rect.Dx()
		l.addMask(l.px, m, image.Pt(right, middle-m.Rect.Dy()/2), look.Muted)
		right -= pad
	}
	m = l.text.line(l.text.ellipsis(p.Name, style, right-left), style)
	l.addMask(l.px, m, image.Pt(left, middle-m.Rect.Dy()/2), look.Text)
}

// callMark places what says that a row calls the peer, and returns where it
// begins.
func (l *layout) callMark(p *Peer, r image.Rectangle, pad int) int {
	behind, color := look.Background, look.Text
	if p.Reachable {
		behind, color = look.Accept, look.White
	}
	style := textStyle{look.Caption.Em(l.px.W, l.px.H), true}
	icon, inset := r.Dy()*2/5, max(2, l.step/2)
	word := l.text.line(look.ActionCall.Label(), style)
	width := icon + 2*pad
	named := r.Dx() >= 5*(width+word.Rect.Dx())/2
	if named {
		width += word.Rect.Dx() + pad/2
	}
	mark := image.Rect(r.Max.X-inset-width, r.Min.Y+inset, r.Max.X-inset, r.Max.Y-inset)
	l.addBox(l.px, mark, 2*l.step-inset, behind, 255)
	x, middle := mark.Min.X+pad, (r.Min.Y+r.Max.Y)/2
	l.addMask(l.px, l.masks.icon(look.IconAnswer, icon), image.Pt(x, middle-icon/2), color)
	if named {
		l.addMask(l.px, word, image.Pt(x+icon+pad/2, middle-word.Rect.Dy()/2), color)
	}
	return mark.Min.X
}

// morePeers places the control that shows other peers.
func (l *layout) morePeers(r image.Rectangle, o *Overlay) {
	style := textStyle{look.Body.Em(l.px.W, l.px.H), false}
	more := Control{Target: Target{Action: look.ActionMore}, Label: look.ActionMore.Label()}
	l.control(&more, r, 0, style, false)
	l.hit(&more, r, l.step, o)
	l.placed = append(l.placed, r)
	icon, word := style.em, l.text.line(more.Label, style)
	x, middle := (r.Min.X+r.Max.X-icon-l.step-word.Rect.Dx())/2, (r.Min.Y+r.Max.Y)/2
	l.addMask(l.px, word, image.Pt(x, middle-word.Rect.Dy()/2), look.Text)
	x += word.Rect.Dx() + l.step
	l.addMask(l.px, l.masks.icon(look.IconMore, icon), image.Pt(x, middle-icon/2), look.Text)
	if o.ShowKeys {
		l.keyCap(look.ActionMore.Key(), image.Pt(r.Max.X, r.Min.Y))
	}
}
