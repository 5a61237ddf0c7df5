package web

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/publicdir"
)

// testJPEG returns a small frame.
func testJPEG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 64, 36)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pluggableCamera is a camera that can be unplugged: a command that writes
// frames as long as a file exists.
type pluggableCamera struct {
	t    *testing.T
	file string
}

func newPluggableCamera(t *testing.T, d *daemontest.Device) *pluggableCamera {
	t.Helper()
	dir := publicdir.New(t)
	p := &pluggableCamera{t, filepath.Join(dir, "plugged-in")}
	m := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for n := range 8 {
		for i := range m.Pix {
			m.Pix[i] = byte(i >> (n / 2))
		}
		m.Set(n, 0, color.White)
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", n)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.plugIn()
	const command = "exec:while [ -e %s ]; do for p in %s/*.jpg; do cat $p; sleep 0.04; done; done; exit 1"
	d.Config.Camera.Device = fmt.Sprintf(command, p.file, dir)
	return p
}

func (p *pluggableCamera) plugIn() {
	p.t.Helper()
	if err := os.WriteFile(p.file, nil, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pluggableCamera) unplug() {
	p.t.Helper()
	if err := os.Remove(p.file); err != nil {
		p.t.Fatal(err)
	}
}

// newPair returns two devices that have each other as peers.
func newPair(t *testing.T) (kitchen, workshop *daemontest.Device) {
	t.Helper()
	kitchen, workshop = daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
	kitchen.Know(workshop, workshop.Config.Listen, nil)
	workshop.Know(kitchen, kitchen.Config.Listen, func(p *config.Peer) { p.AutoAnswer = true })
	return kitchen, workshop
}

const (
	summaryText = `document.getElementById('summary').textContent`
	veilText    = `document.getElementById('card').innerText`
	// fourFrames is true once the canvas has shown four different frames in a
	// row, none of them stale, since window.seen was emptied. It reads few
	// pixels: reading all of them makes the frames stale on a loaded machine.
	fourFrames = `(() => {
		const c = document.getElementById('frame');
		const copy = new OffscreenCanvas(64, 48).getContext('2d', {willReadFrequently: true});
		copy.drawImage(c, 0, 0, 64, 48);
		const pixels = copy.getImageData(0, 0, 64, 48).data;
		const now = pixels.reduce((sum, b, i) => (sum * 31 + b * (i & 255)) | 0, 0);
		if (c.classList.contains('stale')) window.seen = [];
		else if (window.seen.at(-1) !== now) window.seen.push(now);
		return window.seen.length > 3;
	})()`
)

// awaitMotion waits until the canvas shows new frames.
func (b *chromium) awaitMotion(what string) {
	b.t.Helper()
	eval[bool](b, `window.seen = []; true`)
	b.wait(what, fourFrames)
}

// includes returns an expression: the text of js includes another.
func includes(js, text string) string { return fmt.Sprintf("%s.includes(%q)", js, text) }

func TestPage_call(t *testing.T) {
	browser := newChromium(t)
	stopCollecting := browser.collectErrors()
	kitchen, workshop := newPair(t)
	camera := newPluggableCamera(t, workshop)
	kitchen.Start()
	workshop.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	browser.open(server.URL())
	browser.wait("the state", `document.getElementById('name').textContent === 'kitchen'`)
	time.Sleep(feedLinger / 4)
	if s := kitchen.Status(); len(s.Viewers) > 0 {
		t.Errorf("got viewers %+v, want the camera closed until it is asked for", s.Viewers)
	}
	browser.do(chromedp.Click(chromedp.CSS("#showown")))
	browser.awaitMotion("its own picture")

	// Answer a call with a key.
	kitchen.Wait("connection", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	if _, err := workshop.Client.Call(t.Context(), api.CallRequest{Peer: "kitchen"}); err != nil {
		t.Fatal(err)
	}
	browser.wait("incoming call", `document.querySelector('.ring [role=alert]')?.textContent === 'workshop is calling'`)
	browser.wait("title", `document.title === 'workshop is calling'`)
	browser.press("a")
	browser.wait("in a call", includes(summaryText, "In a call with workshop"))
	browser.awaitMotion("workshop's frame")
	browser.wait("own picture in the corner",
		`!document.getElementById('ownbox').hidden && !document.getElementById('own').classList.contains('stale')`)
	browser.wait("no incoming call", `document.querySelector('.ring') === null`)

	// Messages are plain text on both sides. Typing does not trigger shortcuts.
	events, err := workshop.Client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	browser.press(kb.Enter + "has <b>fish</b>" + kb.Enter)
	for {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Event == api.EventText {
			if e.Text != "has <b>fish</b>" || e.From != api.SideRemote {
				t.Errorf("got message %q from %s, want it from %s", e.Text, e.From, api.SideRemote)
			}
			break
		}
	}
	browser.wait("own message",
		`document.querySelector('#messages li')?.textContent.startsWith('kitchen: has <b>fish</b>') === true`)
	browser.press(kb.Escape)
	browser.wait("the messages closed", `document.getElementById('chat').hidden`)
	if !kitchen.Status().Peers[0].AutoAnswer && len(kitchen.Status().Calls) != 1 {
		t.Error("typing a message ended the call")
	}
	attack := `<img src=x onerror="document.title='taken over'"><script>document.title='taken over'</script>`
	if err := workshop.Client.Say(t.Context(), "kitchen", attack); err != nil {
		t.Fatal(err)
	}
	browser.wait("message of the peer",
		includes(`document.getElementById('messages').lastChild.textContent`, "workshop: "+attack))
	browser.wait("caption", includes(`document.getElementById('captions').textContent`, attack))
	if eval[bool](browser, `document.title === 'taken over' ||
		document.querySelector('#messages img, #messages script, #captions img') !== null`) {
		t.Error("a message was interpreted as HTML")
	}

	// Unplug the peer's camera, and plug it in again.
	camera.unplug()
	browser.wait("reason",
		includes(summaryText, "camera command stopped"))
	camera.plugIn()
	browser.awaitMotion("new frames")

	// Privacy by the button.
	browser.do(chromedp.Click(chromedp.CSS("#privacy")))
	kitchen.Wait("privacy", func(s api.Status) bool { return s.Privacy })
	browser.wait("button pressed",
		`document.getElementById('privacy').getAttribute('aria-pressed') === 'true' && `+
			includes(summaryText, "Privacy is on"))
	browser.do(chromedp.Click(chromedp.CSS("#privacy")))
	kitchen.Wait("end of privacy", func(s api.Status) bool { return !s.Privacy })

	// Stop the other device: the frame is dimmed and shows its age.
	workshop.Stop()
	browser.wait("connection lost", includes(summaryText, "connection lost"))
	browser.wait("frame dimmed", `document.getElementById('frame').classList.contains('stale')`)
	veil := `/Connection to workshop lost [0-9]+ s ago; reconnecting\s+This picture is [1-9][0-9]* s old\.$/`
	browser.wait("age and reason", veil+`.test(`+veilText+`)`)
	workshop.Start()
	browser.wait("connection restored", includes(summaryText, "In a call with workshop."))
	browser.awaitMotion("new frames")

	// Restart our daemon: the page and the call survive.
	kitchen.Stop()
	browser.wait("daemon stopped", includes(summaryText, "vchatd does not answer"))
	kitchen.Start()
	browser.wait("daemon restarted", includes(summaryText, "In a call with workshop"))
	browser.awaitMotion("new frames")

	browser.press("h")
	kitchen.Wait("end of the call", daemontest.NoCall)
	browser.wait("end of the call", includes(summaryText, "Call ended: you hung up."))
	browser.wait("who ended it", includes(veilText, "Call ended: you hung up."))
	kitchen.Wait("end of the viewers", func(s api.Status) bool { return len(s.Viewers) == 0 })
	if reports := stopCollecting(); len(reports) > 0 {
		t.Errorf("got errors on the page: %q", reports)
	}
}

// A browser opens six HTTP connections to a host, for all its tabs together.
func TestPage_sevenTabs(t *testing.T) {
	if raceEnabled {
		t.Skip("seven tabs of a browser need minutes under the race detector; go test runs them without")
	}
	first := newChromium(t)
	kitchen, _ := newPair(t)
	kitchen.Config.Camera.FPS = 5 // seven tabs that draw 30 frames a second are much for a slow machine
	kitchen.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	tabs := []*chromium{first}
	for range maxPages {
		tabs = append(tabs, first.newTab())
	}
	for _, tab := range tabs {
		tab.do(chromedp.EmulateViewport(480, 270))
	}
	for _, tab := range tabs[:maxPages] {
		tab.open(server.URL())
		tab.wait("the button", `!document.getElementById('showown').disabled`)
		tab.press("p")
		tab.awaitMotion("the picture")
	}
	seventh := tabs[maxPages]
	seventh.open(server.URL())
	seventh.wait("the reason in the summary", includes(summaryText, tooManyPages))
	seventh.wait("the reason over the picture", includes(veilText, tooManyPages))
	for i, tab := range tabs[:maxPages] {
		tab.awaitMotion(fmt.Sprintf("the picture of tab %d", i+1))
	}
	// Commands still work.
	tabs[1].press("c")
	kitchen.Wait("privacy", func(s api.Status) bool { return s.Privacy })
	tabs[1].wait("button pressed", `document.getElementById('privacy').getAttribute('aria-pressed') === 'true'`)
	tabs[1].press("c")
	kitchen.Wait("end of privacy", func(s api.Status) bool { return !s.Privacy })

	tabs[2].open("about:blank")
	seventh.wait("the state, once another tab is closed", `!document.getElementById('showown').disabled`)
	seventh.press("p")
	seventh.awaitMotion("the picture")
}

// Each frame is requested once: the number that the server sends comes back as
// the number of the next request.
func TestPage_requestsEachFrameOnce(t *testing.T) {
	browser := newChromium(t)
	r := serve(t, api.Self)
	browser.open(r.server.URL())
	r.awaitReaders(api.Self, 1)
	// The first request is on its way. Collect the numbers of the next ones.
	eval[bool](browser, `window.numbers = [];
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (text) { numbers.push(JSON.parse(text).after); send.call(this, text); };
		true`)
	for n := uint64(1); n <= 3; n++ {
		r.device.Publish(api.Self, n, false, testJPEG(t))
		browser.wait(fmt.Sprintf("the request after frame %d", n), fmt.Sprintf(`numbers.includes(%d)`, n))
	}
	if got := eval[string](browser, `numbers.join(' ')`); got != "1 2 3" {
		t.Errorf("got requests for the frames after %s, want 1 2 3", got)
	}
}

func TestPage_unsupportedJPEG(t *testing.T) {
	browser := newChromium(t)
	r := serve(t, api.Self)
	browser.open(r.server.URL())
	r.awaitReaders(api.Self, 1)
	data := testJPEG(t)
	data[bytes.Index(data, []byte{0xFF, 0xC0})+4] = 12 // bits a sample
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := uint64(1); ; n++ {
			r.device.Publish(api.Self, n, false, data)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	defer func() { close(stop); <-done }()
	browser.wait("the reason", includes(`document.getElementById('note').innerText`,
		"Unsupported JPEG: the browser cannot show it"))
	browser.wait("the reason in the summary",
		includes(summaryText, "No picture: unsupported JPEG: the browser cannot show it."))
}

func TestPage_hiddenRequestsNothing(t *testing.T) {
	browser := newChromium(t)
	kitchen, _ := newPair(t)
	kitchen.Start()
	server := start(t, kitchen.Config.Control.Socket, api.Self)
	browser.open(server.URL())
	browser.awaitMotion("its own picture")
	// A headless browser has no window to hide.
	hide := `Object.defineProperty(document, 'hidden', {value: %v, configurable: true});
		document.dispatchEvent(new Event('visibilitychange')); true`
	eval[bool](browser, fmt.Sprintf(hide, true))
	kitchen.Wait("end of the viewers", func(s api.Status) bool { return len(s.Viewers) == 0 })
	eval[bool](browser, fmt.Sprintf(hide, false))
	browser.awaitMotion("new frames")
}

func TestPage_rotationAndSnapshot(t *testing.T) {
	browser := newChromium(t)
	kitchen, _ := newPair(t)
	kitchen.Config.Camera.Rotate = 90
	kitchen.Start()
	server := start(t, kitchen.Config.Control.Socket, api.Self)
	downloads := t.TempDir()
	if _, err := chromedp.CallBrowser(browser.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: downloads}); err != nil {
		t.Fatal(err)
	}
	browser.open(server.URL())
	browser.wait("upright frame",
		`document.getElementById('frame').width === 240 && document.getElementById('frame').height === 320`)
	browser.awaitMotion("new frames")
	browser.press("s")
	var saved []string
	for until := time.Now().Add(daemontest.Timeout); len(saved) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("no snapshot; text of the page: %s", eval[string](browser, `document.body.innerText`))
		}
		saved, _ = filepath.Glob(filepath.Join(downloads, "self-*.jpg"))
	}
	f, err := os.Open(saved[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if name := filepath.Base(saved[0]); !regexp.MustCompile(`^self-\d{8}-\d{6}\.\d{3}\.jpg$`).MatchString(name) {
		t.Errorf("got file name %q, want it as in all viewers", name)
	} else {
		browser.wait("the name and the folder", includes(`document.getElementById('problem').textContent`,
			"Saved "+name+" in the browser's download folder."))
	}
	if c, err := jpeg.DecodeConfig(f); err != nil || c.Width != 320 || c.Height != 240 {
		t.Errorf("%s: got %dx%d, %v; want 320x240", saved[0], c.Width, c.Height, err)
	}
}

func TestPage_tabOrder(t *testing.T) {
	browser := newChromium(t)
	kitchen, workshop := newPair(t)
	kitchen.Start()
	workshop.Start()
	server := start(t, kitchen.Config.Control.Socket, "workshop")
	browser.open(server.URL())
	browser.wait("the peer", includes(`document.getElementById('peers').textContent`, "reachable"))
	button := `[...document.querySelectorAll('button')].find(b => b.getAttribute('aria-label') === 'Call workshop')`
	eval[bool](browser, button+`.focus(); true`)
	browser.press(kb.Enter) // for the button, not for a message
	kitchen.Wait("call", daemontest.Seeing)
	browser.awaitMotion("workshop's frame")

	browser.press(kb.Enter) // for a message: the button has gone
	browser.wait("the messages", `document.activeElement.id === 'line'`)
	for eval[bool](browser, `document.activeElement !== document.body`) { // to the end of the page
		browser.press(kb.Tab)
	}
	var order []string
	for range 20 {
		browser.press(kb.Tab)
		// Each element with the focus is visible, has a name and an outline.
		at := eval[string](browser, `(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			if (e === document.body) return '';
			const name = e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent ||
				document.getElementById(e.getAttribute('aria-labelledby'))?.textContent;
			const outlined = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
			const visible = e.getBoundingClientRect().width > 0 && outlined;
			return (e.id || name.trim()) + (name.trim() ? '' : ' has no name') + (visible ? '' : ' is not visible');
		})()`)
		if at == "" || slices.Contains(order, at) {
			break
		}
		order = append(order, at)
	}
	want := "privacy showown message snapshot fullscreen keys hangup closechat line send"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("got tab order\n%s, want\n%s", got, want)
	}
	// Shortcuts can be disabled, for users of speech input (WCAG 2.1.4).
	browser.press("?")
	browser.wait("the keys", `document.getElementById('help').open`)
	eval[bool](browser, `document.getElementById('shortcuts').click(); document.getElementById('closehelp').click();
		document.activeElement.blur(); true`)
	browser.press("hi")
	if !eval[bool](browser, `document.getElementById('info').hidden`) {
		t.Error("shortcuts work although they are disabled")
	}
	if len(kitchen.Status().Calls) != 1 {
		t.Error("the call ended")
	}
}

func TestPage_otherSites(t *testing.T) {
	browser := newChromium(t, chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	r := serve(t, "")
	_, port, err := net.SplitHostPort(r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A foreign name that resolves to this server.
	browser.open("http://evil.example:" + port + "/" + r.server.secret + "/")
	got := eval[string](browser, `document.body.textContent`)
	if !strings.Contains(got, "127.0.0.1") || strings.Contains(got, r.server.secret) {
		t.Errorf("foreign host: got %q, want only the address of the page", got)
	}
	// The page of another site that knows the address.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "<!doctype html><title>evil</title><iframe src=%q></iframe>", r.server.URL())
	}))
	defer evil.Close()
	browser.open(evil.URL)
	for _, js := range []string{
		`fetch(%q + 'hangup', {method: 'POST', body: '{}', mode: 'no-cors'})`,
		`fetch(%q + 'hangup', {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}})`,
		`fetch(%q + 'live')`,
		`fetch(%q + 'snapshot/self', {mode: 'no-cors'})`,
		`new Promise((resolve, reject) => {
			const s = new WebSocket(%q.replace('http', 'ws') + 'live');
			s.onopen = () => resolve({ok: true});
			s.onerror = reject;
		})`,
	} {
		promise := fmt.Sprintf(js, r.server.URL()) + `.then(r => r.ok ? 'allowed' : 'refused', () => 'refused')`
		got, err := chromedp.Run(browser.ctx, chromedp.Evaluate[string](promise, chromedp.EvalAwaitPromise))
		if err != nil || got != "refused" {
			t.Errorf("%s: got %s, %v; want refused", js, got, err)
		}
	}
	if got := r.device.Commands(); len(got) != 0 {
		t.Errorf("got commands %q, want none", got)
	}
	if n := r.device.Feed(api.Self).Readers(); n != 0 {
		t.Errorf("got %d readers of the camera, want none", n)
	}
}

// The page accepts a device that asks, and confirms its code. A double click
// does not.
func TestPage_pairing(t *testing.T) {
	browser := newChromium(t)
	hall, cellar := daemontest.New(t, "hall"), daemontest.New(t, `<b>cellar`)
	hall.Start()
	cellar.Start()
	server := start(t, hall.Config.Control.Socket, "")
	browser.open(server.URL())
	clock := 0
	pass := func() { // the clock of the page stands still but for this
		clock += 60_000
		eval[bool](browser, fmt.Sprintf(`performance.now = () => %d; true`, clock))
	}
	pass()
	dials, err := cellar.Client.Pair(t.Context(), api.PairRequest{Address: hall.Config.Listen})
	if err != nil {
		t.Fatal(err)
	}
	defer dials.Close()
	const text = `document.getElementById('pairing').textContent`
	browser.wait("the request", includes(text, `"<b>cellar" wants to pairFrom 127.0.0.1`))
	browser.press("y") // too early
	click := func(class string) {
		eval[bool](browser, `document.querySelector('#pairing button.`+class+`').click(); true`)
	}
	click("accept")
	if s := hall.Status().Pairing; s == nil || s.State != api.PairingRequested {
		t.Fatalf("got %+v, want the request still open", s)
	}
	pass()
	click("accept")
	code := ""
	for code == "" {
		e, err := dials.Next()
		if err != nil {
			t.Fatal(err)
		}
		code = e.Pairing.Code
	}
	browser.wait("the code", includes(text, code))
	browser.wait("the same code, large",
		`parseFloat(getComputedStyle(document.querySelector('#pairing .code')).fontSize) > 30`)
	click("accept")
	if s := hall.Status().Pairing; s == nil || s.State != api.PairingComparing {
		t.Fatalf("got %+v, want the code not confirmed by a double click", s)
	}
	pass()
	browser.press("y")
	browser.wait("that it waits", includes(text, "Confirmed here"))
	if _, err := cellar.Client.ConfirmPairing(t.Context(), api.PairConfirm{Code: code}); err != nil {
		t.Fatal(err)
	}
	browser.wait("the new peer", includes(`document.getElementById('peers').textContent`, "cellar"))
	browser.wait("the end", text+` === ''`)
	browser.wait("a note", includes(`document.getElementById('problem').textContent`, "Paired"))
}

// The own camera ends with the call, also when the user asked for it before the
// call, and when vchatd is restarted in the call. It is back in the next call.
func TestPage_ownCameraEndsWithCall(t *testing.T) {
	browser := newChromium(t)
	kitchen, workshop := newPair(t)
	kitchen.Start()
	workshop.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	browser.open(server.URL())
	closed := func(s api.Status) bool { return s.Camera.State == api.CameraIdle && len(s.Viewers) == 0 }
	own := func(s api.Status) bool {
		return slices.ContainsFunc(s.Viewers, func(v api.Viewer) bool { return v.Feed == api.Self })
	}
	call := func() {
		t.Helper()
		kitchen.Wait("link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
		if _, err := workshop.Client.Call(t.Context(), api.CallRequest{Peer: "kitchen"}); err != nil {
			t.Fatal(err)
		}
		kitchen.Wait("the caller", func(s api.Status) bool { return len(s.Calls) == 1 })
		if _, err := kitchen.Client.Answer(t.Context(), "workshop"); err != nil {
			t.Fatal(err)
		}
		browser.awaitMotion("workshop's picture")
		kitchen.Wait("own camera", own)
	}
	hangUp := func() {
		t.Helper()
		if _, err := workshop.Client.Hangup(t.Context(), "kitchen"); err != nil {
			t.Fatal(err)
		}
		kitchen.Wait("closed camera", closed)
	}
	browser.wait("the button", `!document.getElementById('showown').disabled`)
	kitchen.Wait("closed camera before it is asked for", closed)
	eval[bool](browser, `document.getElementById('showown').click(); true`)
	kitchen.Wait("own camera without a call", own)
	call()
	hangUp()
	call()
	kitchen.Stop()
	kitchen.Start()
	kitchen.Wait("own camera after the restart", own)
	hangUp()
}
