package web

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vchat/daemon/daemontest"
)

// chromium is a tab of a headless browser.
type chromium struct {
	t   *testing.T
	ctx context.Context
}

// newChromium starts a browser for the time of a test.
func newChromium(t *testing.T, flags ...chromedp.ExecAllocatorOption) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("chromium is required: ", err)
	}
	if err != nil {
		t.Skip("chromium is not installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(1280, 800), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", false), chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium's sandbox does not work for root
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), append(opts, flags...)...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	b := &chromium{t, ctx}
	b.do()
	return b
}

// newTab opens another tab of the same browser.
func (b *chromium) newTab() *chromium {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	tab := &chromium{b.t, ctx}
	tab.do()
	return tab
}

// collectErrors collects exceptions and security reports of the page, until
// stop is called.
func (b *chromium) collectErrors() (stop func() []string) {
	ctx, cancel := context.WithCancel(b.ctx)
	messages := chromedp.Console(ctx)
	done := make(chan []string)
	go func() {
		var reports []string
		for m, err := range messages {
			if err != nil {
				break
			}
			if m.IsException() || m.Source == "security" || m.Source == "violation" {
				reports = append(reports, m.String())
			}
		}
		done <- reports
	}()
	return func() []string { cancel(); return <-done }
}

func (b *chromium) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *chromium) open(url string) { b.t.Helper(); b.do(chromedp.Navigate(url)) }
func (b *chromium) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// eval evaluates a JavaScript expression.
func eval[T any](b *chromium, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait waits until an expression is true.
func (b *chromium) wait(what, js string) {
	b.t.Helper()
	for until := time.Now().Add(daemontest.Timeout); !eval[bool](b, js); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			text := eval[string](b, `document.body.innerText`)
			b.t.Fatalf("%s: never true: %s\nscreenshot %s, text:\n%s", what, js, b.screenshot(), text)
		}
	}
}

func (b *chromium) screenshot() (path string) {
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err.Error()
	}
	path = filepath.Join(b.t.ArtifactDir(), "page.png") // kept by go test -artifacts
	if err := os.WriteFile(path, png, 0o644); err != nil {
		return err.Error()
	}
	return path
}
