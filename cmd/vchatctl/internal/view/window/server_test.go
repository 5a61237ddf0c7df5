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

// patience is when a test gives up.
const patience = time.Minute

// server is an X server of the test's own, and a second client of it: the test.
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
	var said strings.Builder
	cmd.Stderr = &said
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
		t.Fatalf("Xvfb has not started: %v\n%s", err, said.String())
	}
	s := &server{t: t, display: ":" + strings.TrimSpace(number), process: cmd.Process}
	t.Setenv("XAUTHORITY", os.DevNull)
	if s.conn, err = xgb.NewConnDisplay(s.display); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.conn.Close()
		for { // until the last of it is gone
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

// open opens a window that somebody can see.
func (s *server) open(o Options) *Window {
	s.t.Helper()
	o.Display = s.display
	w, err := Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { w.Close() })
	s.until("the window is mapped", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.mapped })
	return w
}

// until waits for what happens behind our backs.
func (s *server) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s", what)
		}
	}
}

// hear waits for what a user did, and passes over what else there is.
func (s *server) hear(w *Window, want view.Input) {
	s.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case in, ok := <-w.Input():
			if in == want {
				return
			}
			if !ok || !in.Resized {
				s.t.Fatalf("heard %+v (open: %v), want %+v", in, ok, want)
			}
		case <-timeout:
			s.t.Fatalf("heard nothing, want %+v", want)
		}
	}
}

// press presses and lets go the keys.
func (s *server) press(codes ...xproto.Keycode) {
	for _, c := range codes {
		xtest.FakeInput(s.conn, xproto.KeyPress, byte(c), 0, s.root, 0, 0, 0)
	}
	for _, c := range codes {
		xtest.FakeInput(s.conn, xproto.KeyRelease, byte(c), 0, s.root, 0, 0, 0)
	}
	s.conn.Sync()
}

// at gives the screen's pixel at a place of the window.
func (s *server) at(w *Window, x, y int) []byte {
	s.t.Helper()
	got, err := xproto.GetImage(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(w.id), int16(x), int16(y), 1, 1, 0xffffffff).Reply()
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Data[:w.visual.format.BytesPerPixel()]
}

// next gives memory, at once where there is some.
func (s *server) next(w *Window) render.Pixels {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	p, err := w.Next(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}
