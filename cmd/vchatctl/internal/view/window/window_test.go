package window

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

// paint fills p with a pattern that differs at each position and for each n.
func paint(p render.Pixels, n int) {
	size := p.Format.BytesPerPixel()
	for y := range p.H {
		for x := range p.W {
			copy(p.Pix[y*p.Stride+x*size:][:size], pattern(p.Format, x, y, n))
		}
	}
}

func pattern(f render.Format, x, y, n int) []byte {
	if f == render.RGB565 {
		return []byte{byte(x + n), byte(y)}
	}
	return []byte{byte(x), byte(y + n), byte(x>>8 | y>>8<<4), 0}
}

var screens = []struct {
	name   string
	args   []string
	noShm  bool
	format render.Format
	shared bool
}{
	{"24 bits", []string{"-screen", "0", "900x700x24"}, false, render.BGRX, true},
	{"24 bits, shared memory disabled", []string{"-screen", "0", "900x700x24"}, true, render.BGRX, false},
	{"24 bits, server without MIT-SHM", []string{"-screen", "0", "900x700x24", "-extension", "MIT-SHM"},
		false, render.BGRX, false},
	{"16 bits", []string{"-screen", "0", "900x700x16"}, false, render.RGB565, true},
	{"16 bits, shared memory disabled", []string{"-screen", "0", "900x700x16"}, true, render.RGB565, false},
}

func TestWindow_showsFrames(t *testing.T) {
	for _, c := range screens {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, c.args...)
			// With an odd width, rows of 16 bits have padding. PutImage needs
			// several requests, of at most 256 KiB each.
			w := s.open(Options{Title: "a", Width: 701, Height: 401, noShm: c.noShm})
			for n := range 5 {
				p := s.nextPixels(w)
				if p.W != 701 || p.H != 401 || p.Format != c.format {
					t.Fatalf("got %d×%d with format %d, want 701×401 with format %d", p.W, p.H, p.Format, c.format)
				}
				paint(p, n)
				if err := w.Show(); err != nil {
					t.Fatal(err)
				}
				s.waitFor("idle buffers", func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return !w.buffers[0].busy && !w.buffers[1].busy
				})
				positions := [][2]int{
					{0, 0}, {700, 0}, {0, 400}, {700, 400}, {350, 200}, {1, 93}, {699, 94}, {690, 186},
				}
				for _, at := range positions {
					want, got := pattern(c.format, at[0], at[1], n), s.pixelAt(w, at[0], at[1])
					if !bytes.Equal(got[:min(3, len(got))], want[:min(3, len(want))]) { // without the padding byte
						t.Errorf("frame %d at %v: got %x, want %x", n, at, got, want)
					}
				}
			}
			if got := w.buffers[0].shared(); got != c.shared {
				t.Errorf("got shared memory %v, want %v", got, c.shared)
			}
			if err := w.Close(); err != nil || w.Err() != nil {
				t.Errorf("Close returned %v, Err %v; want nil", err, w.Err())
			}
		})
	}
}

func TestWindow_Next_waitsForServer(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	first := s.nextPixels(w)
	if err := w.Show(); err != nil {
		t.Fatal(err)
	}
	s.waitFor("idle buffer", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.buffers[0].busy })
	w.mu.Lock()
	w.buffers[0].busy = true // as if the completion event were missing
	w.mu.Unlock()
	second := s.nextPixels(w)
	if &first.Pix[0] == &second.Pix[0] {
		t.Error("got the same memory, want the second buffer")
	}
	w.mu.Lock()
	w.buffers[1].busy = true
	w.mu.Unlock()
	if _, err := w.Next(canceled); err != context.Canceled {
		t.Errorf("with both buffers busy: got %v, want context.Canceled", err)
	}
	w.markIdle(w.buffers[0].segment)
	if p, err := w.Next(canceled); err != nil || &p.Pix[0] != &first.Pix[0] {
		t.Errorf("after the completion of the first buffer: got another buffer or %v", err)
	}
}

func TestWindow_Next_waitsUntilVisible(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 100, Height: 100})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Next(canceled); err != nil {
		t.Fatalf("visible: got %v", err)
	}
	state := func(obscured, mapped bool) func() bool {
		return func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.obscured == obscured && w.mapped == mapped }
	}
	above, err := xproto.NewWindowId(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	xproto.CreateWindow(s.conn, 0, above, s.root, 0, 0, 640, 480, 0,
		xproto.WindowClassCopyFromParent, 0, xproto.CwOverrideRedirect, []uint32{1})
	xproto.MapWindow(s.conn, above)
	s.waitFor("obscured window", state(true, true))
	if _, err := w.Next(canceled); err != context.Canceled {
		t.Errorf("obscured: got %v, want context.Canceled", err)
	}
	for drained := false; !drained; {
		select {
		case <-w.Input():
		default:
			drained = true
		}
	}
	xproto.UnmapWindow(s.conn, above)
	s.expectInput(w, view.Input{Resized: true})
	s.waitFor("visible window", state(false, true))
	if _, err := w.Next(canceled); err != nil {
		t.Errorf("visible again: got %v", err)
	}
	xproto.UnmapWindow(s.conn, w.id)
	s.waitFor("unmapped window", state(false, false))
	if _, err := w.Next(canceled); err != context.Canceled {
		t.Errorf("unmapped: got %v, want context.Canceled", err)
	}
	xproto.MapWindow(s.conn, w.id)
	s.nextPixels(w)
}

func TestWindow_Next_size(t *testing.T) {
	for name, noShm := range map[string]bool{"shared memory": false, "PutImage": true} {
		t.Run(name, func(t *testing.T) { testNextSize(t, noShm) })
	}
}

func testNextSize(t *testing.T, noShm bool) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 2000, Height: 1000, noShm: noShm})
	if p := s.nextPixels(w); p.W != 576 || p.H != 288 {
		t.Errorf("got %d×%d, want 576×288, which fits the screen", p.W, p.H)
	}
	for _, size := range [][2]int{{300, 200}, {1, 1}, {1500, 1200}} { // the last is larger than the screen
		xproto.ConfigureWindow(s.conn, w.id, xproto.ConfigWindowWidth|xproto.ConfigWindowHeight,
			[]uint32{uint32(size[0]), uint32(size[1])})
		s.expectInput(w, view.Input{Resized: true})
		s.waitFor(fmt.Sprintf("size %v", size), func() bool {
			p := s.nextPixels(w)
			return p.W == size[0] && p.H == size[1] && len(p.Pix) == p.Stride*p.H
		})
		paint(s.nextPixels(w), 1)
		if err := w.Show(); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
}

func TestWindow_resizeKeepsFrameOnBlack(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	xproto.ChangeWindowAttributes(s.conn, s.root, xproto.CwBackPixel, []uint32{0xffffff})
	xproto.ClearArea(s.conn, false, s.root, 0, 0, 0, 0)
	s.conn.Sync()
	w := s.open(Options{Width: 100, Height: 100})
	color := func(x, y int) string { return fmt.Sprintf("%x", s.pixelAt(w, x, y)[:3]) }
	if got := color(50, 50); got != "000000" {
		t.Errorf("before the first frame: got %s, want black", got)
	}
	p := s.nextPixels(w)
	for i := range p.Pix {
		p.Pix[i] = 0x77
	}
	if err := w.Show(); err != nil {
		t.Fatal(err)
	}
	s.waitFor("frame", func() bool { return color(50, 50) == "777777" })
	xproto.ConfigureWindow(s.conn, w.id, xproto.ConfigWindowWidth, []uint32{200})
	if old, added := color(50, 50), color(150, 50); old != "777777" || added != "000000" {
		t.Errorf("after the resize: got %s in the frame and %s in the new area, want 777777 and 000000", old, added)
	}
}

func TestWindow_SetFullscreen_withoutWindowManager(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 100, Height: 100})
	xproto.ConfigureWindow(s.conn, w.id, xproto.ConfigWindowX|xproto.ConfigWindowY, []uint32{30, 40})
	s.conn.Sync()
	geometry := func() string {
		g, err := xproto.GetGeometry(s.conn, xproto.Drawable(w.id)).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(g.X, g.Y, g.Width, g.Height)
	}
	for range 2 {
		for range 2 { // the second call changes nothing
			if err := w.SetFullscreen(true); err != nil {
				t.Fatal(err)
			}
			s.waitFor("full screen", func() bool { p := s.nextPixels(w); return p.W == 640 && p.H == 480 })
			if got, want := geometry(), "0 0 640 480"; got != want {
				t.Errorf("full screen: got %s, want %s", got, want)
			}
		}
		if err := w.SetFullscreen(false); err != nil {
			t.Fatal(err)
		}
		s.waitFor("windowed size", func() bool { return s.nextPixels(w).W == 100 })
		if got, want := geometry(), "30 40 100 100"; got != want {
			t.Errorf("windowed: got %s, want %s", got, want)
		}
	}
}

func TestWindow_SetFullscreen_withWindowManager(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 100, Height: 100})
	check, err := xproto.NewWindowId(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	xproto.CreateWindow(s.conn, 0, check, s.root, 0, 0, 1, 1, 0, xproto.WindowClassCopyFromParent, 0, 0, nil)
	set := func(of xproto.Window, property, kind xproto.Atom, value uint32) {
		b := []byte{byte(value), byte(value >> 8), byte(value >> 16), byte(value >> 24)}
		xproto.ChangeProperty(s.conn, xproto.PropModeReplace, of, property, kind, 32, 1, b)
	}
	set(s.root, w.atoms.supporting, xproto.AtomWindow, uint32(check))
	set(s.root, w.atoms.supported, xproto.AtomAtom, uint32(w.atoms.fullscreen))
	s.conn.Sync()
	if w.managerSupportsFullscreen() {
		t.Error("got support from a window manager that has exited")
	}
	set(check, w.atoms.supporting, xproto.AtomWindow, uint32(check))
	err = xproto.ChangeWindowAttributesChecked(s.conn, s.root, xproto.CwEventMask,
		[]uint32{xproto.EventMaskSubstructureRedirect}).Check()
	if err != nil {
		t.Fatal(err)
	}
	for i, on := range []bool{false, true} {
		if err := w.SetFullscreen(on); err != nil {
			t.Fatal(err)
		}
		event, requestErr := s.conn.WaitForEvent()
		m, ok := event.(xproto.ClientMessageEvent)
		if requestErr != nil || !ok {
			t.Fatalf("got event %v, error %v; want a ClientMessage", event, requestErr)
		}
		d := m.Data.Data32
		if m.Window != w.id || m.Type != w.atoms.state || d[0] != uint32(i) || d[1] != uint32(w.atoms.fullscreen) {
			t.Errorf("full screen %v: got message %v", on, m)
		}
	}
}

func TestWindow_titleAndCloseButton(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{Title: "Küche – 台所"})
	for property, want := range map[xproto.Atom]string{
		w.atoms.name: "Küche – 台所", xproto.AtomWmName: "K\xfcche ? ??", xproto.AtomWmClass: "vchat\x00Vchat\x00",
	} {
		got, err := xproto.GetProperty(s.conn, false, w.id, property, xproto.GetPropertyTypeAny, 0, 100).Reply()
		if err != nil || string(got.Value) != want {
			t.Errorf("property %d: got %q, error %v; want %q", property, got.Value, err, want)
		}
	}
	closing := xproto.ClientMessageEvent{Format: 32, Window: w.id, Type: w.atoms.protocols,
		Data: xproto.ClientMessageDataUnionData32New([]uint32{uint32(w.atoms.deleteWindow), 0, 0, 0, 0})}
	xproto.SendEvent(s.conn, false, w.id, xproto.EventMaskNoEvent, string(closing.Bytes()))
	s.conn.Sync()
	s.expectInput(w, view.Input{Key: view.KeyInterrupt})
	if w.Err() != nil {
		t.Errorf("Err: got %v, want nil", w.Err())
	}
}

func TestWindow_serverKilled(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	s.nextPixels(w)
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range w.Input() { // until the channel is closed
	}
	if !errors.Is(w.Err(), ErrGone) {
		t.Errorf("Err: got %v, want ErrGone", w.Err())
	}
	if err := w.Show(); !errors.Is(err, ErrGone) {
		t.Errorf("Show: got %v, want ErrGone", err)
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Next: got %v, want ErrGone", err)
	}
	if err := w.SetFullscreen(true); !errors.Is(err, ErrGone) {
		t.Errorf("SetFullscreen: got %v, want ErrGone", err)
	}
	w.Close()
	if !errors.Is(w.Err(), ErrGone) {
		t.Errorf("Err after Close: got %v, want ErrGone", w.Err())
	}
}

func TestWindow_serverStopped(t *testing.T) {
	s := startServer(t)
	stopServer := func() { t.Helper(); signal(t, s, syscall.SIGSTOP) }
	continueServer := func() {
		t.Helper()
		signal(t, s, syscall.SIGCONT)
		w, err := Open(t.Context(), Options{Display: s.display})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}

	w := s.open(Options{})
	paint(s.nextPixels(w), 1)
	stopServer()
	if err := w.Show(); err != nil {
		t.Errorf("Show: got %v, want nil", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close: got %v, want nil", err)
	}
	continueServer()

	// With PutImage, a frame exceeds the socket buffer, so that Show blocks.
	ctx, cancel := context.WithCancel(t.Context())
	w, err := Open(ctx, Options{Display: s.display, noShm: true})
	if err != nil {
		t.Fatal(err)
	}
	paint(s.nextPixels(w), 1)
	stopServer()
	cancel()
	if err := w.Show(); err != nil && !errors.Is(err, ErrGone) {
		t.Errorf("Show: got %v, want nil or ErrGone", err)
	}
	for range w.Input() { // until the channel is closed
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Next: got %v, want ErrGone", err)
	}
	w.Close()
	if _, err := Open(ctx, Options{Display: s.display}); err != context.Canceled {
		t.Errorf("Open: got %v, want context.Canceled", err)
	}
	continueServer()
}

func signal(t *testing.T, s *server, number syscall.Signal) {
	t.Helper()
	if err := s.process.Signal(number); err != nil {
		t.Fatal(err)
	}
}

// The kernel frees a segment that is marked for removal with its last mapping,
// also after SIGKILL. So the test checks the mark.
func TestWindow_sharedMemoryIsRemoved(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	s.nextPixels(w)
	if !w.buffers[0].shared() {
		t.Fatal("no shared memory")
	}
	count := func() (n int) {
		b, err := os.ReadFile("/proc/sysvipc/shm")
		if err != nil {
			t.Skip(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 5 || f[4] != fmt.Sprint(os.Getpid()) {
				continue
			}
			n++
			if f[2] != "1600" { // SHM_DEST and mode 0600
				t.Errorf("got segment mode %s, want 1600", f[2])
			}
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("got %d segments, want 1", n)
	}
	w.Close()
	s.waitFor("no segment", func() bool { return count() == 0 })
}

func TestOpen_noDisplay(t *testing.T) {
	t.Setenv("DISPLAY", "")
	if Available() {
		t.Error("Available: got true without $DISPLAY")
	}
	for name, display := range map[string]string{"unset": "", "no server": ":99999", "invalid": "nonsense"} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(t.Context(), Options{Display: display}); !errors.Is(err, ErrNoDisplay) {
				t.Errorf("got %v, want ErrNoDisplay", err)
			}
		})
	}
	s := startServer(t, "-screen", "0", "640x480x8")
	if _, err := Open(t.Context(), Options{Display: s.display}); !errors.Is(err, ErrNoVisual) {
		t.Errorf("8 bits: got %v, want ErrNoVisual", err)
	}
	if _, err := Open(t.Context(), Options{Display: s.display + ".7"}); !errors.Is(err, ErrNoDisplay) {
		t.Errorf("screen 7: got %v, want ErrNoDisplay", err)
	}
}

func TestWindow_sendInput_full(t *testing.T) {
	w := &Window{input: make(chan view.Input, 3)}
	for _, r := range "abcd" {
		w.sendInput(view.Input{Key: view.KeyRune, Rune: r})
	}
	w.sendInput(view.Input{Resized: true})
	w.sendInput(view.Input{Key: view.KeyInterrupt})
	close(w.input)
	var got []view.Input
	for in := range w.input {
		got = append(got, in)
	}
	want := []view.Input{{Key: view.KeyRune, Rune: 'c'}, {Resized: true}, {Key: view.KeyInterrupt}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
