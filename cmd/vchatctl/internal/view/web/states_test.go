package web

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
)

// screenshots is for people who judge the page by eye:
//
//	go test ./cmd/vchatctl/internal/view/web -run TestPage_states -screenshots /tmp/page
var screenshots = flag.String("screenshots", "", "directory for pictures of each state of the page")

// pageSizes are the sizes of the page in screenshots. Without them, the first
// four are checked. 320x240 is 640x480 with a zoom of 200 %.
var pageSizes = [][2]int64{{320, 568}, {1280, 720}, {640, 480}, {320, 240}, {390, 844}, {800, 480}, {1920, 1080}}

// axeSource returns the source of axe-core, or "" if it is not asked for. See
// .ci/axe/fetch.
func axeSource(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AXE_CORE")
	if path == "" && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("axe-core is required: .ci/axe/fetch FILE, then set AXE_CORE=FILE")
	}
	if path == "" {
		return ""
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// sceneJPEG returns frame n of a room with a person in it, of w by h pixels.
func sceneJPEG(t *testing.T, w, h, n int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	disc := func(x, y, cx, cy, r float64) bool { return math.Hypot(x-cx, y-cy) < r }
	for py := range h {
		for px := range w {
			x, y := float64(px)/float64(h), float64(py)/float64(h)
			c := color.RGBA{uint8(150 - 60*y), uint8(140 - 50*y), uint8(125 - 30*y), 255}
			sway := 0.02 * math.Sin(float64(n)/3)
			switch {
			case x > 0.1 && x < 0.5 && y > 0.1 && y < 0.45: // a window
				c = color.RGBA{190, 215, 235, 255}
			case disc(x, y, 0.9+sway, 0.42, 0.16): // a head
				c = color.RGBA{214, 168, 140, 255}
			case disc(x, y, 0.9+sway/2, 1.0, 0.4): // shoulders
				c = color.RGBA{60, 90, 130, 255}
			}
			m.SetRGBA(px, py, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// publishScene publishes the frames of both feeds until the end of the test.
func (r *rig) publishScene() {
	peer, own := sceneJPEG(r.t, 640, 360, 0), sceneJPEG(r.t, 320, 180, 5)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := uint64(1); ; n++ {
			r.device.Publish("workshop", n, false, peer)
			r.device.Publish(api.Self, n, false, own)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	r.t.Cleanup(func() { close(stop); <-done })
}

// pageState is a state of the page.
type pageState struct {
	name  string
	enter func(r *rig, b *chromium)
	ready string // a JavaScript expression that is true in this state
}

const activeCamera = `document.body.dataset.mode === 'in-call' && document.body.classList.contains('seeing') &&
	document.getElementById('card').hidden`

// pageStates are the states of the page with a daemon.
func pageStates() []pageState {
	call := func(state api.CallState, change func(*api.Call)) func(*rig, *chromium) {
		return func(r *rig, _ *chromium) {
			c := api.Call{ID: "1", Peer: "workshop", State: state, Direction: api.DirectionOut, Since: time.Now(),
				Answered: time.Now().Add(-83 * time.Second)}
			if change != nil {
				change(&c)
			}
			r.device.SetCall(c)
		}
	}
	mode := func(name string) string { return fmt.Sprintf(`document.body.dataset.mode === %q`, name) }
	active := call(api.CallActive, nil)
	click := func(b *chromium, id string) {
		eval[bool](b, fmt.Sprintf(`document.getElementById(%q).click(); true`, id))
	}
	talk := func(r *rig, b *chromium) {
		active(r, b)
		b.wait("a call", activeCamera)
		for _, m := range []api.Event{
			{Peer: "workshop", From: api.SideRemote, Text: "Shall I bring the ladder tomorrow?"},
			{Peer: "workshop", From: api.SideLocal, Text: "Yes, please."},
			{Peer: "workshop", From: api.SideRemote, Text: "שלום! <b>See you</b> at nine."},
		} {
			m.Event = api.EventText
			r.device.Events.Publish(m)
		}
		// With the controls: axe-core reads how many messages are new.
		eval[bool](b, `document.dispatchEvent(new Event('pointermove')); true`)
	}
	return []pageState{
		{"idle", nil, mode("idle") + ` && document.querySelectorAll('#peers li').length === 2`},
		{"idle-own-camera", func(_ *rig, b *chromium) { click(b, "showown") },
			mode("idle") + ` && document.body.classList.contains('seeing')`},
		{"no-peers", func(r *rig, _ *chromium) {
			r.device.Update(func(s *api.Status) { s.Peers = nil })
			r.device.Events.Publish(api.Event{Event: api.EventCamera})
		}, mode("idle") + ` && !document.getElementById('nopeers').hidden`},
		{"calling", call(api.CallRinging, nil), mode("calling")},
		{"calling-not-reachable", func(r *rig, b *chromium) {
			r.device.SetCall(api.Call{ID: "1", Peer: "attic", State: api.CallCalling, Direction: api.DirectionOut})
		}, mode("calling") +
			` && document.getElementById('reason').textContent === 'attic is not reachable; still trying'`},
		{"ringing", call(api.CallIncoming, func(c *api.Call) { c.Direction = api.DirectionIn }),
			mode("ringing") + ` && document.activeElement.className === 'accept'`},
		{"in-call", active, activeCamera},
		{"in-call-caption", talk, `document.querySelectorAll('#captions p').length === 3`},
		{"in-call-long-captions", func(r *rig, b *chromium) {
			active(r, b)
			b.wait("a call", activeCamera)
			for range 5 {
				r.device.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", From: api.SideRemote,
					Text: strings.Repeat("A long message. ", 60)})
			}
		}, `document.querySelectorAll('#messages li').length === 5`},
		{"in-call-messages", func(r *rig, b *chromium) {
			talk(r, b)
			b.wait("messages", `document.querySelectorAll('#messages li').length > 2`)
			click(b, "message")
		}, `!document.getElementById('chat').hidden`},
		{"in-call-second-caller", func(r *rig, b *chromium) {
			active(r, b)
			r.device.SetCall(api.Call{ID: "2", Peer: "attic", State: api.CallIncoming, Direction: api.DirectionIn})
		}, activeCameraBehind + ` && document.querySelector('.ring') !== null`},
		{"reconnecting", func(r *rig, b *chromium) {
			active(r, b)
			b.wait("a call", activeCamera)
			call(api.CallResuming, nil)(r, b)
		}, mode("reconnecting")},
		{"camera-off", call(api.CallActive, func(c *api.Call) { c.PeerCamera = &api.PeerCamera{State: "privacy"} }),
			mode("camera-off")},
		{"own-camera-off", func(r *rig, b *chromium) {
			r.device.Update(func(s *api.Status) { s.Privacy = true })
			active(r, b)
		}, activeCamera + ` && document.getElementById('privacy').getAttribute('aria-pressed') === 'true'`},
		{"ended", func(r *rig, b *chromium) {
			active(r, b)
			b.wait("a call", activeCamera)
			call(api.CallEnded, func(c *api.Call) {
				c.Reason, c.EndedBy, c.ReasonText = api.ReasonHungUp, api.SideRemote, "workshop hung up"
			})(r, b)
		}, mode("ended")},
		{"pairing", func(r *rig, _ *chromium) {
			r.device.Update(func(s *api.Status) {
				s.Pairing = &api.Pairing{State: api.PairingComparing, ID: "CCCCC", Claimed: "cellar",
					Address: "10.0.0.9:1", Code: "482 913", Suggested: "cellar"}
			})
			r.device.Events.Publish(api.Event{Event: api.EventCamera})
		}, `document.querySelector('#pairing .code')?.textContent === '482 913'`},
		{"keys", func(_ *rig, b *chromium) { b.press("?") }, `document.getElementById('help').open`},
	}
}

const activeCameraBehind = `document.body.dataset.mode === 'in-call'`

// TestPage_states shows each state at several sizes. Nothing is cut off, what
// can be touched is large enough, and axe-core finds nothing.
func TestPage_states(t *testing.T) {
	if raceEnabled {
		t.Skip("a browser in all states needs minutes under the race detector; go test runs them without")
	}
	axe := axeSource(t)
	browser := newChromium(t)
	stopCollecting := browser.collectErrors()
	for _, s := range pageStates() {
		t.Run(s.name, func(t *testing.T) {
			b := &chromium{t, browser.ctx}
			r := serve(t, "")
			r.publishScene()
			b.do(chromedp.EmulateViewport(1280, 800))
			b.open(r.server.URL())
			b.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
			if s.enter != nil {
				s.enter(r, b)
			}
			b.wait(s.name, s.ready)
			b.freeze()
			b.checkLook(s.name, axe)
		})
	}
	t.Run("vchatd-stopped", func(t *testing.T) {
		b := &chromium{t, browser.ctx}
		socket := filepath.Join(t.TempDir(), "control.sock")
		ctx, cancel := context.WithCancel(context.Background())
		wait, err := controltest.Serve(ctx, controltest.New(), socket)
		if err != nil {
			t.Fatal(err)
		}
		b.open(start(t, socket, "").URL())
		b.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
		cancel()
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		b.wait("the problem", `document.body.dataset.mode === 'problem'`)
		b.wait("the command", includes(`document.getElementById('card').innerText`, "systemctl status vchatd"))
		b.freeze()
		b.checkLook("vchatd-stopped", axe)
	})
	t.Run("page-stopped", func(t *testing.T) {
		b := &chromium{t, browser.ctx}
		s, err := Listen(client.New(controltest.Start(t, controltest.New())),
			Options{Command: "vchatctl view --to web --port 7460"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		b.open(s.URL())
		b.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
		cancel(errQuit)
		if err := <-done; !errors.Is(err, errQuit) {
			t.Errorf("Serve: got %v, want %v", err, errQuit)
		}
		b.wait("the command", includes(`document.getElementById('card').innerText`,
			"vchatctl view --to web --port 7460"))
		b.wait("the rest of the way", `document.getElementById('then').checkVisibility()`)
		b.freeze()
		b.checkLook("page-stopped", axe)
	})
	if reports := stopCollecting(); len(reports) > 0 {
		t.Errorf("got errors on the page: %q", reports)
	}
}

// freeze stops the page's clock, so that what fades or ends by itself stays.
func (b *chromium) freeze() {
	b.t.Helper()
	eval[bool](b, `{ const now = performance.now(); performance.now = () => now; } true`)
}

// checkLook checks the page in its present state at all sizes.
func (b *chromium) checkLook(name, axe string) {
	b.t.Helper()
	defer b.do(chromedp.ResetViewport())
	if axe != "" {
		eval[bool](b, axe+"\n;true")
	}
	sizes := pageSizes
	if *screenshots == "" {
		sizes = sizes[:4]
	}
	for i, size := range sizes {
		b.do(chromedp.EmulateViewport(size[0], size[1]))
		b.wait("no animation",
			`document.getAnimations().every((a) => a.effect.getComputedTiming().iterations === Infinity)`)
		if faults := eval[[]string](b, layoutFaults); len(faults) > 0 {
			b.t.Errorf("%dx%d: %q", size[0], size[1], faults)
		}
		if axe != "" && i < 2 {
			b.checkAxe(size)
		}
		if *screenshots != "" {
			png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			if err != nil {
				b.t.Fatal(err)
			}
			file := fmt.Sprintf("%s-%dx%d.png", name, size[0], size[1])
			if err := os.WriteFile(filepath.Join(*screenshots, file), png, 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// layoutFaults returns what a user with a small screen or a finger would miss.
const layoutFaults = `(() => {
	const faults = [], shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 1;
	if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
	const scrolls = (e) => e.closest('#others, #messages, dialog, #card, #idle');
	for (const e of document.querySelectorAll('button, input:not([type=checkbox])')) {
		if (!shown(e)) continue;
		const r = e.getBoundingClientRect(), name = e.id || e.textContent;
		if (r.height < 44 || r.width < 44) faults.push(name + ' is ' + r.width + ' by ' + r.height + ' px');
		if (r.left < 0 || r.right > innerWidth || r.top < 0 || r.bottom > innerHeight && !scrolls(e)) faults.push(name +
			' is cut off');
		const card = e.closest('.ring, .pairing')?.getBoundingClientRect() ?? r;
		if (r.left < card.left || r.right > card.right) faults.push(name + ' sticks out of its card');
		if (e.scrollWidth > e.clientWidth + 1) faults.push('the words of ' + name + ' do not fit');
	}
	const apart = (a, b) => !a.width || !b.width ||
		a.right <= b.left || a.left >= b.right || a.bottom <= b.top || a.top >= b.bottom;
	const place = (id) => document.getElementById(id).getBoundingClientRect();
	for (const [above, below] of [['others', 'clock'], ['others', 'name'], ['chat', 'tools'], ['chat', 'ownbox'],
		['tools', 'ownbox'], ['captions', 'ownbox'], ['problem', 'ownbox']]) {
		if (!apart(place(above), place(below))) faults.push(above + ' covers ' + below);
	}
	if (document.querySelector('#captions p')?.offsetTop < 0) faults.push('a caption is cut off');
	for (const word of document.querySelectorAll('#command span')) {
		if (word.offsetHeight > 1.5 * parseFloat(getComputedStyle(word).lineHeight)) faults.push(word.textContent +
			' breaks');
	}
	if (place('captions').height > innerHeight / 2) faults.push('the captions cover the picture');
	return faults;
})()`

// checkAxe reports what axe-core finds.
func (b *chromium) checkAxe(size [2]int64) {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx,
		chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ['violations']}).then((r) =>
		r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`,
			chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range found {
		b.t.Errorf("%dx%d: axe-core: %s", size[0], size[1], f)
	}
}

// The whole page is small enough for a slow ssh -L.
func TestStatic_size(t *testing.T) {
	r := serve(t, "")
	total := 0
	for _, path := range []string{"", "icon.svg"} {
		res := r.do("GET", path, "", func(req *http.Request) { req.Header.Set("Accept-Encoding", "gzip, deflate, br") })
		body := r.text(res)
		if res.StatusCode != 200 {
			t.Fatalf("%s: got %d", path, res.StatusCode)
		}
		total += len(body)
		for name, values := range res.Header {
			total += len(name) + len(strings.Join(values, ", ")) + 4
		}
	}
	const limit = 60 << 10
	t.Logf("%d bytes", total)
	if total > limit {
		t.Errorf("got %d bytes, want at most %d", total, limit)
	}
	page := r.text(r.do("GET", "", "", nil))
	for _, part := range []string{
		`<symbol id="icon-answer"`, "--background:#", "class View {", "setInterval(updateTexts",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %s", part)
		}
	}
	if strings.Contains(page, `<link rel="stylesheet"`) || strings.Contains(page, "<script src") {
		t.Error("the page needs more than one request, want its style and scripts in it")
	}
}
