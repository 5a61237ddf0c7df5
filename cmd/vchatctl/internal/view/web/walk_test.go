package web

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
)

// labelled is the visible button with these words.
const labelled = `[...document.querySelectorAll('button')].find((b) => b.checkVisibility() && !b.disabled &&
	(b.innerText.trim().replace(/\s+/g, ' ') || b.getAttribute('aria-label')) === %q)`

// place returns the middle of the button with these words, once nothing covers
// it.
func (b *chromium) place(label string) (x, y float64) {
	b.t.Helper()
	button := fmt.Sprintf(labelled, label)
	middle := `(() => { const r = ` + button +
		`.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`
	b.wait("a button "+label, `(() => {
		const b = `+button+`;
		if (!b) return false;
		const r = b.getBoundingClientRect();
		return b.contains(document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2));
	})()`)
	at := eval[[]float64](b, middle)
	return at[0], at[1]
}

// TestPage_walk answers a call, writes, turns the camera off and on, and hangs
// up: with a mouse, with the keyboard alone, and with a finger. It finds each
// button by its words.
func TestPage_walk(t *testing.T) {
	browser := newChromium(t)
	kitchen, workshop := daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
	kitchen.Know(workshop, workshop.Config.Listen, nil)
	workshop.Know(kitchen, kitchen.Config.Listen, func(p *config.Peer) { p.AutoAnswer = true })
	kitchen.Start()
	workshop.Start()
	kitchen.Wait("connection", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	server := start(t, kitchen.Config.Control.Socket, "")

	mouse := func(b *chromium, label string) {
		b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 40, 40)) // controls appear
		x, y := b.place(label)
		b.do(chromedp.MouseClickXY(x, y))
	}
	keys := func(b *chromium, label string) {
		focused := `document.activeElement === ` + fmt.Sprintf(labelled, label)
		b.wait("a button "+label, `Boolean(`+fmt.Sprintf(labelled, label)+`)`)
		for n := 0; !eval[bool](b, focused); n++ {
			if n == 40 {
				b.t.Fatalf("40 times Tab do not reach %s", label)
			}
			b.press(kb.Tab)
		}
		b.press(kb.Enter)
	}
	touch := func(b *chromium, label string) {
		if eval[bool](b, `document.body.classList.contains('quiet')`) {
			b.do(chromedp.TapXY(180, 300)) // controls appear
		}
		x, y := b.place(label)
		b.do(chromedp.TapXY(x, y))
	}
	for _, tt := range []struct {
		name          string
		width, height int64
		options       []chromedp.EmulateViewportOption
		press         func(b *chromium, label string)
	}{
		{"mouse", 1280, 720, nil, mouse},
		{"keyboard", 800, 480, nil, keys},
		{"touch", 360, 640, []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulateTouch}, touch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &chromium{t, browser.ctx}
			b.do(chromedp.EmulateViewport(tt.width, tt.height, tt.options...))
			b.open(server.URL())
			b.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
			if _, err := workshop.Client.Call(t.Context(), api.CallRequest{Peer: "kitchen"}); err != nil {
				t.Fatal(err)
			}
			tt.press(b, "Answer")
			b.awaitMotion("workshop's picture")
			b.wait("the duration", `/^0:\d\d$/.test(document.getElementById('duration').textContent)`)
			tt.press(b, "Message")
			b.wait("the messages", `document.activeElement.id === 'line'`)
			b.press("hello by " + tt.name)
			tt.press(b, "Send")
			b.wait("the message", includes(`document.getElementById('messages').textContent`, "hello by "+tt.name))
			tt.press(b, "Close messages")
			tt.press(b, "Camera")
			kitchen.Wait("camera off", func(s api.Status) bool { return s.Privacy })
			b.wait("no own picture", `!document.getElementById('ownoff').hidden`)
			tt.press(b, "Camera off")
			kitchen.Wait("camera on", func(s api.Status) bool { return !s.Privacy })
			tt.press(b, "Hang up")
			kitchen.Wait("end of the call", daemontest.NoCall)
			b.wait("who ended it", includes(veilText, "Call ended: you hung up."))
			workshop.Wait("end of the call", daemontest.NoCall)
			kitchen.Wait("closed camera", func(s api.Status) bool { return len(s.Viewers) == 0 })
		})
	}
}

// firstFrame is when the page has shown its first frame, in ms.
const firstFrame = `performance.getEntriesByName('first frame')[0].startTime`

// A page that is opened in a call shows the peer at once. The log has the time
// from the start of loading to the first frame.
func TestPage_firstFrame(t *testing.T) {
	b := newChromium(t)
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallActive, Since: time.Now()})
	r.publishScene()
	r.awaitStatus()
	for range 3 {
		b.open(r.server.URL())
		b.wait("the picture", activeCamera+` && !document.getElementById('frame').hidden`)
		t.Logf("first frame %.0f ms after the start of loading, %.0f ms after its end",
			eval[float64](b, firstFrame), eval[float64](b,
				firstFrame+` - performance.getEntriesByType('navigation')[0].loadEventEnd`))
	}
}
