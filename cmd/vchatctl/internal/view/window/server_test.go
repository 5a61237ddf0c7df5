package window

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// testTimeout bounds each wait of a test.
const testTimeout = time.Minute

// server is an Xvfb for one test, with a client connection of the test.
type server struct {
	t       *testing.T
	display string
	process *os.Process
	conn    *xgb.Conn
	root    xproto.Window
}

func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := exec.LookPath("Xvfb")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("Xvfb is not installed: package xvfb")
	} else if err != nil {
		t.Skip("Xvfb is not installed")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(path, append([]string{"-displayfd", "3", "-nolisten", "tcp", "-noreset"}, args...)...)
	cmd.ExtraFiles = []*os.File{w}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && err != io.EOF || number == "" {
		t.Fatalf("start Xvfb: %v\n%s", err, stderr.String())
	}
	s := &server{t: t, display: ":" + strings.TrimSpace(number), process: cmd.Process}
	t.Setenv("XAUTHORITY", os.DevNull)
	if s.conn, err = xgb.NewConnDisplay(s.display); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.conn.Close()
		for { // until xgb's goroutines have ended
			if event, err := s.conn.WaitForEvent(); event == nil && err == nil {
				return
			}
		}
	})
	s.root = xproto.Setup(s.conn).DefaultScreen(s.conn).Root
	if err := xtest.Init(s.conn); err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens a window and waits until it is mapped.
func (s *server) open(o Options) *Window {
	s.t.Helper()
	o.Display = s.display
	w, err := Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { w.Close() })
	s.waitFor("mapped window", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.mapped })
	return w
}

// waitFor polls until cond is true.
func (s *server) waitFor(what string, cond func() bool) {
	s.t.Helper()
	for end := time.Now().Add(testTimeout); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("timeout waiting for %s", what)
		}
	}
}

// expectInput waits for an input, and skips resizes and a pointer that leaves
// the window before it.
func (s *server) expectInput(w *Window, want view.Input) {
	s.t.Helper()
	timeout := time.After(testTimeout)
	for {
		select {
		case in, ok := <-w.Input():
			if in == want {
				return
			}
			if !ok || !in.Resized && in.Pointer.Kind != view.PointerLeave {
				s.t.Fatalf("got input %+v (open: %v), want %+v", in, ok, want)
			}
		case <-timeout:
			s.t.Fatalf("got no input, want %+v", want)
		}
	}
}

// press presses keys together and releases them.
func (s *server) press(codes ...xproto.Keycode) {
	for _, c := range codes {
		xtest.FakeInput(s.conn, xproto.KeyPress, byte(c), 0, s.root, 0, 0, 0)
	}
	for _, c := range codes {
		xtest.FakeInput(s.conn, xproto.KeyRelease, byte(c), 0, s.root, 0, 0, 0)
	}
	s.conn.Sync()
}

// pixelAt returns the pixel on the screen at a position in the window.
func (s *server) pixelAt(w *Window, x, y int) []byte {
	s.t.Helper()
	got, err := xproto.GetImage(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(w.id),
		int16(x), int16(y), 1, 1, 0xffffffff).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Data[:w.visual.format.BytesPerPixel()]
}

// nextPixels returns the result of Next.
func (s *server) nextPixels(w *Window) render.Pixels {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testTimeout)
	defer cancel()
	p, err := w.Next(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}
