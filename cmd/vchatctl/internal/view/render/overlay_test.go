package render

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"vchat/cmd/vchatctl/internal/view/look"
)

// bar are the controls of a call.
func bar() []Control {
	controls := []Control{}
	for _, a := range []look.Action{look.ActionCamera, look.ActionMessage, look.ActionOwn, look.ActionSnapshot,
		look.ActionFullscreen, look.ActionHelp, look.ActionHangUp} {
		controls = append(controls, controlFor(a))
	}
	controls[0].Label = "Camera off"
	controls[0].Icon, controls[0].Style = look.IconCameraOff, StyleOn
	controls[2].Focused = true
	controls[6].Style = StyleDecline
	return controls
}

// question are the controls of an incoming call.
func question() []Control {
	controls := []Control{controlFor(look.ActionDecline), controlFor(look.ActionAnswer)}
	controls[0].Style, controls[1].Style, controls[1].Focused = StyleDecline, StyleAccept, true
	return controls
}

// keys is the list of keys.
func keys() []Key {
	list := []Key{}
	for a := look.ActionAnswer; a <= look.ActionQuit; a++ {
		if !a.IsReadyMessage() {
			list = append(list, Key{a.Key(), a.Label()})
		}
	}
	return list
}

// readyMessages are the controls of an empty message.
func readyMessages() []Control {
	controls := []Control{}
	for _, a := range look.ReadyMessages {
		controls = append(controls, controlFor(a))
	}
	return controls
}

// overlays are all states, with short and with long texts.
func overlays() map[string]Overlay {
	wide, long := strings.Repeat("W", 32), strings.Repeat("a long reason of many words ", 12)
	peers := []Peer{{Name: "workshop", Reachable: true}, {Name: "kitchen"}, {Name: "Мария", Reachable: true},
		{Name: wide}}
	for i := range 20 {
		peers = append(peers, Peer{Name: fmt.Sprint("peer ", i)})
	}
	four := []string{"bob: hello", "you: " + long, "bob: ❤️ שלום", "bob: " + wide}
	return map[string]Overlay{
		"idle": {Blank: true, State: look.Idle, Name: "kitchen", Clock: "14:03", Peers: peers[:3]},
		"idle, many": {Blank: true, State: look.Idle, Name: wide, Clock: "14:03", Peers: peers, Controls: bar(),
			Notice: "call with bob ended: bob hung up.", Lines: four},
		"calling": {Blank: true, State: look.Calling, Name: "workshop", Notice: "ringing", Waiting: 2,
			Controls: bar()[6:]},
		"ringing":       {Blank: true, State: look.Ringing, Name: "bob", Controls: question(), ShowKeys: true},
		"ringing, long": {Blank: true, State: look.Ringing, Name: wide, Controls: question(), Lines: four},
		"in call": {State: look.InCall, Caption: "workshop · 3:07", Controls: bar(), ShowKeys: true, PIP: true,
			Unseen: "Your camera was unplugged 5 s ago", Info: "29.9 fps · 80 ms old · 8.3 Mbit/s · 1280x720"},
		"in call, full": {State: look.InCall, Caption: wide + " · 3:07", Unseen: long, Controls: bar(), PIP: true,
			Lines: four},
		"in call, bare": {State: look.InCall, PIP: true},
		"second caller": {State: look.InCall, Banner: wide + " is calling", PIP: true, Controls: question(),
			Lines: four},
		"pairing": {State: look.InCall, Code: "123 456", Pairing: long, PIP: true, Lines: four},
		"typing": {State: look.InCall, Typing: "message: " + long + "_", Typed: long, PIP: true, Lines: four,
			Controls: []Control{controlFor(look.ActionDiscard), controlFor(look.ActionSend)}},
		"empty message": {State: look.InCall, Typing: "message: _", Ready: readyMessages(), ShowKeys: true, PIP: true,
			Lines: four, Caption: "workshop · 3:07",
			Controls: []Control{controlFor(look.ActionDiscard), controlFor(look.ActionSend)}},
		"reconnecting": {State: look.Reconnecting, Stale: true, Headline: "Reconnecting",
			Notice: "connection lost 4 s ago; reconnecting", Age: "4 s old", PIP: true, Controls: bar()},
		"reconnecting, long": {State: look.Reconnecting, Stale: true, Headline: "Reconnecting", Notice: long,
			Age: "4 s old",
			PIP: true, Controls: bar(), Lines: four, Caption: "workshop · 3:07"},
		"ended": {Blank: true, State: look.Ended, Headline: "Call ended", Notice: "you hung up."},
		"camera off": {Blank: true, State: look.CameraOff, Headline: "Camera off",
			Notice: "bob has turned the camera off", PIP: true, Controls: bar()},
		"camera off, own too": {Blank: true, State: look.CameraOff, Name: "bob", Headline: "Camera off",
			Notice: "bob has turned the camera off", PIP: true, PIPText: "Camera off", Controls: bar()},
		"missed": {Blank: true, State: look.Ended, Name: wide, Headline: "Missed call", Notice: "bob stopped calling"},
		"problem": {Blank: true, State: look.Problem, Headline: "vchatd is not running",
			Notice: "waiting for it; check: systemctl status vchatd"},
		"help": {State: look.InCall, Help: keys(), Controls: bar(), PIP: true, Lines: four, Caption: "bob · 3:07"},
	}
}

var displays = []image.Point{{320, 240}, {480, 800}, {800, 480}, {1280, 720}, {1920, 1080}}

func TestLayout_nothingOverlaps(t *testing.T) {
	data := encoded(t, 64, 48, solid(color.RGBA{255, 255, 255, 255}))
	for name, o := range overlays() {
		for _, size := range displays {
			t.Run(fmt.Sprintf("%s, %dx%d", name, size.X, size.Y), func(t *testing.T) {
				f := decodedFor(t, data, 0, size.X, size.Y)
				own := decodedFor(t, data, 0, size.X/PIPDivisor, size.Y/PIPDivisor)
				if !o.PIP {
					own = nil
				}
				px := pixels(size.X, size.Y, BGRX, 0)
				p := NewPainter(noRecover)
				p.text = bundled()
				p.Paint(px, f, own, 1, &o, true)
				display := image.Rect(0, 0, size.X, size.Y)
				if len(p.layout.placed) == 0 {
					t.Fatal("nothing is placed")
				}
				for i, r := range p.layout.placed {
					if !r.In(display) {
						t.Errorf("%v is not on the display", r)
					}
					for _, other := range p.layout.placed[i+1:] {
						if r.Overlaps(other) {
							t.Errorf("%v covers %v", r, other)
						}
					}
				}
				for _, h := range p.hits {
					if size.X >= 480 && (h.rect.Dx() < minTouch || h.rect.Dy() < minTouch) {
						t.Errorf("%v: got a place of %v, want at least %d pixels", h.target, h.rect.Size(), minTouch)
					}
				}
				if o.PIPText != "" && len(p.layers) != 0 {
					t.Error("the card of the own camera is shown, want the text")
				}
				if name == "in call, bare" && len(p.layers) != 2 {
					t.Error("the picture-in-picture is missing")
				}
			})
		}
	}
}

func TestLayout_ownPictureMoves(t *testing.T) {
	data := encoded(t, 64, 48, solid(color.RGBA{255, 255, 255, 255}))
	f, own := decodedFor(t, data, 0, 800, 480), decodedFor(t, data, 0, 200, 120)
	px := pixels(800, 480, BGRX, 0)
	p := NewPainter(noRecover)
	for c, want := range map[Corner]image.Point{
		LowerRight: {700, 400}, UpperRight: {700, 50}, LowerLeft: {100, 400}, UpperLeft: {100, 50},
	} {
		p.Paint(px, f, own, 1, &Overlay{PIP: true, PIPAt: c}, true)
		if !want.In(p.pip.rect) {
			t.Errorf("corner %d: got %v, want it to contain %v", c, p.pip.rect, want)
		}
	}
	p.Paint(px, f, own, 1, &Overlay{PIP: true, PIPAt: UpperLeft, Caption: "bob · 3:07 and some more words"}, true)
	if r := p.pip.rect; image.Pt(20, 20).In(r) || !image.Pt(100, 80).In(r) {
		t.Errorf("got %v, want it below the caption", r)
	}
}

func TestOverlay_Equal(t *testing.T) {
	a := Overlay{Peers: []Peer{{Name: "x", Reachable: true}}, Help: keys()}
	b := Overlay{Peers: []Peer{{Name: "x", Reachable: true}}, Help: keys()}
	if !a.Equal(&b) {
		t.Error("equal overlays differ")
	}
	b.Peers[0].Reachable = false
	if a.Equal(&b) {
		t.Error("overlays with other peers are equal")
	}
}

// The own picture has round corners, where the frame behind shows, and a frame
// around.
func TestPaint_ownPictureIsRound(t *testing.T) {
	red := encoded(t, 64, 48, solid(color.RGBA{255, 0, 0, 255}))
	blue := encoded(t, 64, 48, solid(color.RGBA{0, 0, 255, 255}))
	px := pixels(640, 480, BGRX, 0)
	p := NewPainter(noRecover)
	p.Paint(px, decodedFor(t, red, 0, 640, 480), decodedFor(t, blue, 0, 160, 120), 1, &Overlay{PIP: true}, true)
	at := func(x, y int) (r, g, b byte) {
		c := px.Pix[y*px.Stride+4*x:]
		return c[2], c[1], c[0]
	}
	own := p.pip.rect
	for _, x := range []int{own.Min.X, own.Max.X - 1} {
		for _, y := range []int{own.Min.Y, own.Max.Y - 1} {
			if r, _, b := at(x, y); r < 200 || b > 100 {
				t.Errorf("corner %d,%d: got red %d, blue %d, want the frame behind", x, y, r, b)
			}
		}
	}
	middle := own.Min.Add(own.Max).Div(2)
	if r, _, b := at(middle.X, middle.Y); r > 50 || b < 200 {
		t.Errorf("middle: got red %d, blue %d, want the own picture", r, b)
	}
	for _, y := range []int{own.Min.Y - 1, own.Max.Y} {
		if _, g, _ := at(middle.X, y); g < 150 {
			t.Errorf("frame at %d,%d: got green %d, want a light line", middle.X, y, g)
		}
	}
}

// A list of many peers leaves room for why a call failed.
func TestLayout_messageBesidePeers(t *testing.T) {
	o := &Overlay{Blank: true, Clock: "14:03", Name: "kitchen", Notice: "Waiting for calls", Controls: question(),
		Lines: []string{"call: call limit reached"}}
	for i := range 20 {
		o.Peers = append(o.Peers, Peer{Name: fmt.Sprint("peer ", i), CanCall: true})
	}
	for _, size := range displays {
		p := NewPainter(noRecover)
		p.text = bundled()
		p.Paint(pixels(size.X, size.Y, BGRX, 0), nil, nil, 1, o, true)
		last := p.layout.placed[len(p.layout.placed)-1] // messages are placed last
		if a, _, ok := p.HitTest((last.Min.X+last.Max.X)/2, (last.Min.Y+last.Max.Y)/2); ok {
			t.Errorf("%v: got %v as the last, want the message", size, a)
		}
	}
}

// A long name is shown whole where there is room, if need be without the word
// beside it: the color says the same.
func TestLayout_longName(t *testing.T) {
	name := "workshop-in-the-old-barn-no-0042"
	for _, size := range displays[1:] {
		t.Run(fmt.Sprintf("%dx%d", size.X, size.Y), func(t *testing.T) {
			p := NewPainter(noRecover)
			px := pixels(size.X, size.Y, BGRX, 0)
			o := Overlay{Blank: true, State: look.Idle, Name: "kitchen", Clock: "14:03",
				Peers: []Peer{{Name: name, CanCall: true, Reachable: true}}}
			p.Paint(px, nil, nil, 1, &o, true)
			whole := p.text.lines[lineKey{name, textStyle{look.Body.Em(size.X, size.Y), false}}]
			for _, m := range p.layout.shapes {
				if m.mask != nil && m.mask == whole {
					return
				}
			}
			t.Error("the name is shortened")
		})
	}
}
