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
)

// pluggable is a camera that can be unplugged: a command that writes frames for as long as a file is there.
type pluggable struct {
	t    *testing.T
	plug string
}

func newPluggable(t *testing.T, d *daemontest.Device) *pluggable {
	t.Helper()
	dir := t.TempDir()
	p := &pluggable{t, filepath.Join(dir, "plug")}
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
	p.in()
	d.Config.Camera.Device = fmt.Sprintf("exec:while [ -e %s ]; do for p in %s/*.jpg; do cat $p; sleep 0.04; done; done; exit 1", p.plug, dir)
	return p
}

func (p *pluggable) in() {
	p.t.Helper()
	if err := os.WriteFile(p.plug, nil, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pluggable) out() {
	p.t.Helper()
	if err := os.Remove(p.plug); err != nil {
		p.t.Fatal(err)
	}
}

// couple is two devices that know each other.
func couple(t *testing.T) (kitchen, workshop *daemontest.Device) {
	t.Helper()
	kitchen, workshop = daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
	kitchen.Know(workshop, workshop.Config.Listen, nil)
	workshop.Know(kitchen, kitchen.Config.Listen, func(p *config.Peer) { p.AutoAnswer = true })
	return kitchen, workshop
}

const (
	whatsOn = `document.getElementById('words').textContent`
	veil    = `document.getElementById('veil').textContent`
	// moves is true once the canvas has shown four frames one after the other, none of them old, since window.seen was emptied.
	moves = `(() => {
		const c = document.getElementById('frame');
		const copy = new OffscreenCanvas(c.width, c.height).getContext('2d');
		copy.drawImage(c, 0, 0);
		const now = copy.getImageData(0, 0, c.width, c.height).data.reduce((sum, b, i) => (sum * 31 + b * (i & 255)) | 0, 0);
		if (c.classList.contains('old')) window.seen = [];
		else if (window.seen.at(-1) !== now) window.seen.push(now);
		return window.seen.length > 3;
	})()`
)

// moving waits until frames move, from now on.
func (b *chromium) moving(what string) {
	b.t.Helper()
	eval[bool](b, `window.seen = []; true`)
	b.wait(what, moves)
}

// has says that an expression's text has another in it.
func has(js, text string) string { return fmt.Sprintf("%s.includes(%q)", js, text) }

func TestACallInABrowser(t *testing.T) {
	browser := newChromium(t)
	complaints := browser.complaints()
	kitchen, workshop := couple(t)
	camera := newPluggable(t, workshop)
	kitchen.Start()
	workshop.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	browser.open(server.URL())
	browser.moving("its own picture")

	// A call is answered by a key, and the frames move.
	kitchen.Wait("the link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	if _, err := workshop.Client.Call(t.Context(), api.CallRequest{Peer: "kitchen"}); err != nil {
		t.Fatal(err)
	}
	browser.wait("it rings", `document.querySelector('.ring [role=alert]')?.textContent === 'workshop is calling'`)
	browser.wait("the title says so", `document.title === 'workshop is calling'`)
	browser.press("a")
	browser.wait("in a call", has(whatsOn, "In a call with workshop"))
	browser.moving("workshop's frame")
	browser.wait("the own picture in the corner", `!document.getElementById('own').hidden && !document.getElementById('own').classList.contains('old')`)
	browser.wait("nobody rings any more", `document.querySelector('.ring') === null`)

	// What is said is text, on both sides, and letters that are typed are no commands.
	heard, err := workshop.Client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	browser.press(kb.Enter + "has <b>fish</b>" + kb.Enter)
	for {
		e, err := heard.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.Event == api.EventText {
			if e.Text != "has <b>fish</b>" || e.From != api.SideRemote {
				t.Errorf("workshop hears %q from %s", e.Text, e.From)
			}
			break
		}
	}
	browser.wait("the line here", `document.querySelector('#said li')?.textContent.startsWith('kitchen: has <b>fish</b>') === true`)
	browser.press(kb.Escape)
	if !kitchen.Status().Peers[0].AutoAnswer && len(kitchen.Status().Calls) != 1 {
		t.Error("a letter that was typed has hung up")
	}
	attack := `<img src=x onerror="document.title='taken over'"><script>document.title='taken over'</script>`
	if err := workshop.Client.Say(t.Context(), "kitchen", attack); err != nil {
		t.Fatal(err)
	}
	browser.wait("the answer", has(`document.getElementById('said').lastChild.textContent`, "workshop: "+attack))
	browser.wait("and its caption", has(`document.getElementById('captions').textContent`, attack))
	if eval[bool](browser, `document.title === 'taken over' || document.querySelector('#said img, #said script, #captions img') !== null`) {
		t.Error("what a peer says is taken for HTML")
	}

	// The camera over there is unplugged, and plugged in again.
	camera.out()
	browser.wait("the page says so", has(whatsOn, "No picture: workshop's camera was lost: the camera command has stopped"))
	camera.in()
	browser.moving("frames move again")

	// Privacy, by the button.
	browser.do(chromedp.Click(chromedp.CSS("#privacy")))
	kitchen.Wait("privacy", func(s api.Status) bool { return s.Privacy })
	browser.wait("the button is pressed", `document.getElementById('privacy').getAttribute('aria-pressed') === 'true' && `+has(whatsOn, "Privacy is on"))
	browser.do(chromedp.Click(chromedp.CSS("#privacy")))
	kitchen.Wait("no privacy", func(s api.Status) bool { return !s.Privacy })

	// The other device is switched off: an old frame is not shown as a live one.
	workshop.Stop()
	browser.wait("the link is lost", has(whatsOn, "link is lost"))
	browser.wait("the frame is dimmed", `document.getElementById('frame').classList.contains('old')`)
	browser.wait("and says how old it is, and why", `/^link lost [0-9]+ s ago, reconnecting This picture is [1-9][0-9]* s old\.$/.test(`+veil+`)`)
	workshop.Start()
	browser.wait("the link is back", has(whatsOn, "In a call with workshop."))
	browser.moving("frames move again")

	// The daemon here is restarted: the page outlives it, and so does the call.
	kitchen.Stop()
	browser.wait("the daemon is gone", has(whatsOn, "vchatd, is not reached"))
	kitchen.Start()
	browser.wait("it is back", has(whatsOn, "In a call with workshop"))
	browser.moving("frames move again")

	browser.press("h")
	kitchen.Wait("the end", daemontest.NoCall)
	browser.wait("the end", has(whatsOn, "No call: hung up here."))
	if said := complaints(); len(said) > 0 {
		t.Errorf("the page complains: %q", said)
	}
}

func TestAPageThatNobodySeesLooksAtNothing(t *testing.T) {
	browser := newChromium(t)
	kitchen, _ := couple(t)
	kitchen.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	browser.open(server.URL())
	browser.moving("its own picture")
	// Headless browsers have no window that could be covered.
	hide := `Object.defineProperty(document, 'hidden', {value: %v, configurable: true}); document.dispatchEvent(new Event('visibilitychange')); true`
	eval[bool](browser, fmt.Sprintf(hide, true))
	kitchen.Wait("nobody looks", func(s api.Status) bool { return len(s.Viewers) == 0 })
	eval[bool](browser, fmt.Sprintf(hide, false))
	browser.moving("it is looked at again")
}

func TestFramesAreTurnedAndKept(t *testing.T) {
	browser := newChromium(t)
	kitchen, _ := couple(t)
	kitchen.Config.Camera.Rotate = 90
	kitchen.Start()
	server := start(t, kitchen.Config.Control.Socket, "")
	downloads := t.TempDir()
	if _, err := chromedp.CallBrowser(browser.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: downloads}); err != nil {
		t.Fatal(err)
	}
	browser.open(server.URL())
	browser.wait("the frame stands upright", `document.getElementById('frame').width === 240 && document.getElementById('frame').height === 320`)
	browser.moving("it moves")
	browser.press("s")
	var kept []string
	for until := time.Now().Add(daemontest.Patience); len(kept) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("no snapshot; the page says: %s", eval[string](browser, `document.body.innerText`))
		}
		kept, _ = filepath.Glob(filepath.Join(downloads, "self-*.jpg"))
	}
	f, err := os.Open(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, err := jpeg.DecodeConfig(f); err != nil || c.Width != 320 || c.Height != 240 {
		t.Errorf("%s: %dx%d, %v", kept[0], c.Width, c.Height, err)
	}
}

func TestAllIsReachedByTab(t *testing.T) {
	browser := newChromium(t)
	kitchen, workshop := couple(t)
	kitchen.Start()
	workshop.Start()
	server := start(t, kitchen.Config.Control.Socket, "workshop")
	browser.open(server.URL())
	browser.wait("the peer", has(`document.getElementById('peers').textContent`, "reachable"))
	button := `[...document.querySelectorAll('button')].find(b => b.getAttribute('aria-label') === 'Call workshop')`
	eval[bool](browser, button+`.focus(); true`)
	browser.press(kb.Enter) // is for the button here, not for a line of text
	kitchen.Wait("a call", daemontest.Seeing)
	browser.moving("workshop's frame")

	for eval[bool](browser, `document.activeElement !== document.body`) { // to where it begins again
		browser.press(kb.Tab)
	}
	var order []string
	for range 20 {
		browser.press(kb.Tab)
		// What has the focus is seen, has a name, and shows that it has the focus.
		at := eval[string](browser, `(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			if (e === document.body) return '';
			const name = e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent;
			const seen = e.getBoundingClientRect().width > 0 && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
			return (e.id || name.trim()) + (name.trim() ? '' : ' has no name') + (seen ? '' : ' is not seen');
		})()`)
		if at == "" || slices.Contains(order, at) {
			break
		}
		order = append(order, at)
	}
	want := "hangup privacy showown snapshot fullscreen showinfo said line send Hang up workshop keys"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("Tab goes to\n%s, want\n%s", got, want)
	}
	// Single keys can be switched off, for those who use others in their stead.
	eval[bool](browser, `document.getElementById('keys').click(); document.activeElement.blur(); true`)
	browser.press("hi")
	if !eval[bool](browser, `document.getElementById('info').hidden`) {
		t.Error("keys do something although they are switched off")
	}
	if len(kitchen.Status().Calls) != 1 {
		t.Error("the call has ended")
	}
}

func TestOtherSitesGetNothing(t *testing.T) {
	browser := newChromium(t, chromedp.Flag("host-resolver-rules", "MAP evil.example 127.0.0.1"))
	r := serve(t, "")
	_, port, err := net.SplitHostPort(r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A name of somebody else's that leads here.
	browser.open("http://evil.example:" + port + "/" + r.server.secret + "/")
	if got := eval[string](browser, `document.body.textContent`); !strings.Contains(got, "127.0.0.1") || strings.Contains(got, r.server.secret) {
		t.Errorf("a foreign host gets %q", got)
	}
	// Another site's page, even if it knew the address.
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "<!doctype html><title>evil</title><iframe src=%q></iframe>", r.server.URL())
	}))
	defer evil.Close()
	browser.open(evil.URL)
	for _, js := range []string{
		`fetch(%q + 'hangup', {method: 'POST', body: '{}', mode: 'no-cors'})`,
		`fetch(%q + 'hangup', {method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}})`,
		`fetch(%q + 'events')`,
		`fetch(%q + 'frame/self?after=0', {mode: 'no-cors'})`,
	} {
		promise := fmt.Sprintf(js, r.server.URL()) + `.then(r => r.ok ? 'let in' : 'refused', () => 'refused')`
		got, err := chromedp.Run(browser.ctx, chromedp.Evaluate[string](promise, chromedp.EvalAwaitPromise))
		if err != nil || got != "refused" {
			t.Errorf("%s: %s, %v", js, got, err)
		}
	}
	if did := r.device.Commands(); len(did) != 0 {
		t.Errorf("the device was told %q", did)
	}
	if n := r.device.Feed(api.Self).Readers(); n != 0 {
		t.Errorf("%d look at the camera", n)
	}
}
