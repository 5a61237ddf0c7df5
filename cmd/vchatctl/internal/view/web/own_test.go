package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"vchat/daemon/api"
)

// The own picture moves to a corner with the arrow keys, or where a mouse or a
// finger drags it. Messages never lie under it.
func TestPage_movesOwnPicture(t *testing.T) {
	b := newChromium(t)
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive, Since: time.Now()})
	r.publishScene()
	b.open(r.server.URL())
	b.wait("the own picture", activeCamera+` && !document.getElementById('ownbox').hidden`)
	r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote,
		Text: "A message so long that it would reach from one side of this page to the other, " +
			"were it not for the picture."})
	b.wait("a message", `document.querySelectorAll('#captions p').length === 1`)
	b.freeze()
	expect := func(how, corner string) {
		t.Helper()
		b.wait(how, fmt.Sprintf(`document.body.dataset.own === %q`, corner))
		if faults := eval[[]string](b, layoutFaults); len(faults) > 0 {
			t.Errorf("%s: %q", how, faults)
		}
	}
	expect("at first", "upper-right")
	for _, tt := range []struct{ key, corner string }{
		{kb.ArrowDown, "lower-right"}, {kb.ArrowLeft, "lower-left"}, {kb.ArrowUp, "upper-left"},
		{kb.ArrowRight, "upper-right"},
	} {
		b.press(tt.key)
		expect("with an arrow key", tt.corner)
	}

	middle := func() (x, y float64) {
		at := eval[[]float64](b, `(() => { const r = document.getElementById('ownbox').getBoundingClientRect();
			return [r.x + r.width / 2, r.y + r.height / 2]; })()`)
		return at[0], at[1]
	}
	x, y := middle()
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x, y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 200, 500, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, 200, 500, chromedp.ButtonLeft))
	expect("dragged with a mouse", "lower-left")

	x, y = middle()
	touch := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		t.Helper()
		params := input.DispatchTouchEventParams{Type: kind, TouchPoints: append([]*input.TouchPoint{}, points...)}
		if _, err := chromedp.Call(b.ctx, input.DispatchTouchEvent, params); err != nil {
			t.Fatal(err)
		}
	}
	touch(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: x, Y: y})
	touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: 900, Y: 300})
	touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: 1000, Y: 200})
	touch(input.DispatchTouchEventTypeTouchEnd)
	expect("dragged with a finger", "upper-right")
}

// The newest message stays in sight when a keyboard on the screen takes room. A
// user who has scrolled up stays there.
func TestPage_messagesStayAtEnd(t *testing.T) {
	b := newChromium(t)
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive, Since: time.Now()})
	r.publishScene()
	b.do(chromedp.EmulateViewport(390, 844))
	b.open(r.server.URL())
	b.wait("a call", activeCamera)
	count := 0
	say := func() {
		t.Helper()
		count++
		r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote, Text: "hello"})
		b.wait("the message", fmt.Sprintf(`document.querySelectorAll('#messages li').length === %d`, count))
	}
	for range 30 {
		say()
	}
	eval[bool](b, `document.getElementById('message').click(); true`)
	const atEnd = `(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight > clientHeight &&
		scrollTop + clientHeight > scrollHeight - 2)(document.getElementById('log'))`
	b.wait("the end", atEnd)
	b.do(chromedp.EmulateViewport(390, 500))
	b.wait("the end above a keyboard", `innerHeight === 500 && `+atEnd)
	say()
	b.wait("the end after another message", atEnd)

	eval[bool](b, `document.getElementById('log').addEventListener('scroll', () => { window.scrolled = true; });
		document.getElementById('log').scrollTop = 0; true`)
	b.wait("the page to know", `window.scrolled === true`)
	say()
	b.do(chromedp.EmulateViewport(390, 450))
	b.wait("the place of the user", `innerHeight === 450 && document.getElementById('log').scrollTop === 0`)
}

// The ring tone plays as soon as the browser allows it: after a gesture of the
// user. Before that, the page says how to hear it, and throws nothing.
func TestPage_ringTone(t *testing.T) {
	b := newChromium(t, chromedp.Flag("autoplay-policy", "document-user-activation-required"))
	stopCollecting := b.collectErrors()
	r := serve(t, "")
	b.open(r.server.URL())
	b.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
	eval[bool](b, `window.contexts = [];
		window.AudioContext = class extends AudioContext { constructor() { super(); contexts.push(this); } }; true`)
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn})
	b.wait("the caller in the title", `document.title === 'workshop is calling'`)
	b.wait("how to hear the tone", `[...document.querySelectorAll('.ring .hint')].some((e) => e.checkVisibility())`)
	if got := eval[string](b, `contexts[0].state`); got != "suspended" {
		t.Errorf("before a gesture: got %s, want suspended", got)
	}
	b.do(chromedp.MouseClickXY(20, 20))
	b.wait("the tone", `contexts[0].state === 'running'`)
	b.wait("no hint", `![...document.querySelectorAll('.ring .hint')].some((e) => e.checkVisibility())`)
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallEnded, Direction: api.DirectionIn,
		Reason: api.ReasonCancelled})
	b.wait("silence", `contexts[0].state === 'suspended'`)
	b.wait("the title", `!document.title.includes('calling')`)
	if reports := stopCollecting(); len(reports) > 0 {
		t.Errorf("got errors on the page: %q", reports)
	}
}
