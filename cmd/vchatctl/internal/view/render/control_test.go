package render

import (
	"fmt"
	"image"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/look"
)

func controlFor(a look.Action) Control {
	return Control{Target: Target{Action: a}, Icon: a.Icon(), Label: a.Label(), Key: a.Key()}
}

func TestHitTest(t *testing.T) {
	px := pixels(800, 480, BGRX, 0)
	p := NewPainter(noRecover)
	if a, _, ok := p.HitTest(400, 450); ok {
		t.Errorf("before anything is painted: got %v", a)
	}
	off := controlFor(look.ActionSnapshot)
	off.Disabled = true
	o := &Overlay{Controls: []Control{controlFor(look.ActionDecline), off, controlFor(look.ActionAnswer)}}
	p.Paint(px, nil, nil, 1, o, true)
	places := map[look.Action]image.Rectangle{}
	for y := range px.H {
		for x := range px.W {
			if a, _, ok := p.HitTest(x, y); ok {
				places[a.Action] = places[a.Action].Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if len(places) != 2 {
		t.Fatalf("got %v, want two enabled controls", places)
	}
	for a, r := range places {
		if r.Dx() < minTouch || r.Dy() < minTouch {
			t.Errorf("%v: got a place of %v, want at least %d pixels", a, r.Size(), minTouch)
		}
	}
	if places[look.ActionDecline].Max.X > places[look.ActionAnswer].Min.X {
		t.Errorf("got places %v, want decline left of answer", places)
	}
	p.Paint(px, nil, nil, 1, &Overlay{}, true)
	if a, _, ok := p.HitTest(400, 450); ok {
		t.Errorf("without controls: got %v", a)
	}
}

// A finger finds each ready message at each size, and the controls below.
func TestHitTest_readyMessages(t *testing.T) {
	o := &Overlay{Typing: "message: _", Ready: readyMessages(), ShowKeys: true,
		Controls: []Control{controlFor(look.ActionDiscard), controlFor(look.ActionSend)}}
	for _, size := range displays {
		t.Run(size.String(), func(t *testing.T) {
			p := NewPainter(noRecover)
			p.Paint(pixels(size.X, size.Y, BGRX, 0), nil, nil, 1, o, true)
			places := map[look.Action]image.Rectangle{}
			for y := range size.Y {
				for x := range size.X {
					if a, _, ok := p.HitTest(x, y); ok {
						places[a.Action] = places[a.Action].Union(image.Rect(x, y, x+1, y+1))
					}
				}
			}
			if want := len(o.Ready) + len(o.Controls); len(places) != want {
				t.Fatalf("got %v, want %d controls", places, want)
			}
			for a, r := range places {
				if r.Dx() < minTouch || r.Dy() < minTouch {
					t.Errorf("%v: got a place of %v, want at least %d pixels", a, r.Size(), minTouch)
				}
				for b, other := range places {
					if a != b && r.Overlaps(other) {
						t.Errorf("%v at %v overlaps %v at %v", a, r, b, other)
					}
				}
			}
		})
	}
}

// A display without room for all ready messages shows the first ones.
func TestHitTest_readyMessagesWithoutRoom(t *testing.T) {
	o := &Overlay{Typing: "message: _", Ready: readyMessages(),
		Controls: []Control{controlFor(look.ActionDiscard), controlFor(look.ActionSend)}}
	for _, size := range []image.Point{{1, 1}, {60, 60}, {100, 170}, {320, 160}} {
		p := NewPainter(noRecover)
		p.Paint(pixels(size.X, size.Y, BGRX, 0), nil, nil, 1, o, true)
		found := map[look.Action]bool{}
		for y := range size.Y {
			for x := range size.X {
				if a, _, ok := p.HitTest(x, y); ok {
					found[a.Action] = true
				}
			}
		}
		if len(found) > 2 && !found[look.ActionYes] || len(found) == len(o.Ready)+2 {
			t.Errorf("%v: got %v, want the first ready messages", size, found)
		}
	}
}

// A press is refused on a control that has just got another meaning.
func TestHitTest_since(t *testing.T) {
	p := NewPainter(func() {})
	o := Overlay{State: look.Ringing, Name: "kitchen", Controls: []Control{{Target: Target{Action: look.ActionAnswer},
		Label: "Answer"}}}
	since := func() time.Time {
		px := Pixels{Pix: make([]byte, 4*400*300), Stride: 4 * 400, W: 400, H: 300, Format: BGRX}
		p.Paint(px, nil, nil, 1, &o, true)
		for y := range 300 {
			if _, since, ok := p.HitTest(200, y); ok {
				return since
			}
		}
		t.Fatal("the control is not there")
		return time.Time{}
	}
	first := since()
	if got := since(); !got.Equal(first) {
		t.Errorf("painted again: got %v, want %v", got, first)
	}
	o.Name = "garden"
	second := since()
	if !second.After(first) {
		t.Errorf("another caller: got %v, want a time after %v", second, first)
	}
	o.Controls[0] = Control{Target: Target{Action: look.ActionHangUp}, Label: "Answer"}
	if got := since(); !got.After(second) {
		t.Errorf("another action: got %v, want a time after %v", got, second)
	}
}

func TestPaint_fade(t *testing.T) {
	brightest := func(fade int) (most byte) {
		px := Pixels{Pix: make([]byte, 4*400*300), Stride: 4 * 400, W: 400, H: 300, Format: BGRX}
		o := Overlay{Blank: true, Fade: fade, Controls: []Control{{Target: Target{Action: look.ActionHelp},
			Icon:  look.IconHelp,
			Label: "Keys"}}}
		NewPainter(func() {}).Paint(px, nil, nil, 1, &o, true)
		for i := 0; i < len(px.Pix); i += 4 {
			most = max(most, px.Pix[i+1])
		}
		return most
	}
	for fade := 1; fade <= 3; fade++ {
		if before, now := brightest(fade-1), brightest(fade); now >= before {
			t.Errorf("fade %d: got brightness %d, want less than %d", fade, now, before)
		}
	}
}

// hitPlaces returns where HitTest finds each control.
func hitPlaces(p *Painter) map[Target]image.Rectangle {
	found := map[Target]image.Rectangle{}
	for _, h := range p.hits {
		middle := h.rect.Min.Add(h.rect.Max).Div(2)
		if t, _, ok := p.HitTest(middle.X, middle.Y); ok && t == h.target {
			found[t] = h.rect
		}
	}
	return found
}

// A finger finds each peer of an idle display at each size, if need be on
// another page, and in the same place whether the controls are shown or not.
func TestHitTest_peers(t *testing.T) {
	for _, size := range displays {
		for _, n := range []int{1, 2, 4, 12} {
			t.Run(fmt.Sprintf("%d peers, %dx%d", n, size.X, size.Y), func(t *testing.T) {
				p := NewPainter(noRecover)
				p.text = bundled()
				px := pixels(size.X, size.Y, BGRX, 0)
				o := &Overlay{Blank: true, Clock: "14:03", Name: "kitchen", Notice: "Waiting for calls", Fade: Hidden,
					Controls: []Control{controlFor(look.ActionCamera), controlFor(look.ActionHelp)}}
				for i := range n {
					o.Peers = append(o.Peers, Peer{Name: fmt.Sprint("peer ", i), CanCall: true, Reachable: i%2 == 0})
				}
				found := map[Target]bool{}
				for page := range n {
					o.PeerPage, o.Fade = page, Hidden
					p.Paint(px, nil, nil, 1, o, true)
					before := hitPlaces(p)
					for target, r := range before {
						found[target] = true
						if r.Dx() < minTouch || r.Dy() < minTouch {
							t.Errorf("%v: got a place of %v, want at least %d pixels", target, r.Size(), minTouch)
						}
					}
					o.Fade = 0
					p.Paint(px, nil, nil, 1, o, true)
					after := hitPlaces(p)
					for target, r := range before {
						if after[target] != r {
							t.Errorf("%v: got %v with controls, %v without", target, after[target], r)
						}
					}
					if len(after) != len(before)+2 {
						t.Errorf("got %v with controls, want two more than %v", after, before)
					}
				}
				for i := range n {
					if !found[Target{look.ActionCall, fmt.Sprint("peer ", i)}] {
						t.Errorf("peer %d is on no page: %v", i, found)
					}
				}
				// The page with the focus is shown.
				o.PeerPage, o.Peers[n-1].Focused = 0, true
				p.Paint(px, nil, nil, 1, o, true)
				if hitPlaces(p)[Target{look.ActionCall, o.Peers[n-1].Name}].Empty() {
					t.Error("the peer with the focus is not shown")
				}
			})
		}
	}
	p := NewPainter(noRecover)
	p.Paint(pixels(800, 480, BGRX, 0), nil, nil, 1,
		&Overlay{Blank: true, Clock: "14:03", Peers: []Peer{{Name: "kitchen"}}}, true)
	if got := hitPlaces(p); len(got) > 0 {
		t.Errorf("without a right to call: got %v", got)
	}
}

// The controls of a call have words below their icons, except on a display that
// is too small for them.
func TestControls_words(t *testing.T) {
	for _, tt := range []struct {
		size  image.Point
		rows  int
		words bool
	}{
		{image.Pt(320, 240), 1, false}, {image.Pt(480, 320), 1, true}, {image.Pt(320, 480), 2, true},
		{image.Pt(480, 800), 2, true}, {image.Pt(600, 1024), 2, true}, {image.Pt(800, 480), 1, true},
		{image.Pt(1280, 720), 1, true}, {image.Pt(1920, 1080), 1, true}, {image.Pt(1080, 1920), 2, true},
	} {
		p := NewPainter(noRecover)
		p.text = bundled()
		l := &p.layout
		l.Painter, l.px, l.step = p, pixels(tt.size.X, tt.size.Y, BGRX, 0), look.Step(tt.size.X, tt.size.Y)
		g := barPlan{style: textStyle{look.Caption.Em(tt.size.X, tt.size.Y), false}, icon: 20, gap: l.step}
		if rows := l.arrange(&g, bar()); g.labels != tt.words || rows != tt.rows {
			t.Errorf("%v: got %d rows, words: %v, want %d, %v", tt.size, rows, g.labels, tt.rows, tt.words)
		}
	}
}
