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

// paint paints a pattern that is different at each place and for each n.
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
	plain  bool
	format render.Format
	shared bool
}{
	{"24 bits", []string{"-screen", "0", "900x700x24"}, false, render.BGRX, true},
	{"24 bits, no shared memory wanted", []string{"-screen", "0", "900x700x24"}, true, render.BGRX, false},
	{"24 bits, no shared memory to be had", []string{"-screen", "0", "900x700x24", "-extension", "MIT-SHM"}, false, render.BGRX, false},
	{"16 bits", []string{"-screen", "0", "900x700x16"}, false, render.RGB565, true},
	{"16 bits, no shared memory wanted", []string{"-screen", "0", "900x700x16"}, true, render.RGB565, false},
}

func TestFramesAreOnTheScreenAsTheyWerePainted(t *testing.T) {
	for _, c := range screens {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, c.args...)
			// An odd width: rows of 16 bits have a gap then. Its frames are several requests, of 256 KiB at most.
			w := s.open(Options{Title: "a", Width: 701, Height: 401, plain: c.plain})
			for n := range 5 {
				p := s.next(w)
				if p.W != 701 || p.H != 401 || p.Format != c.format {
					t.Fatalf("it is %d×%d of format %d", p.W, p.H, p.Format)
				}
				paint(p, n)
				if err := w.Show(); err != nil {
					t.Fatal(err)
				}
				s.until("all is shown", func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return !w.buffers[0].busy && !w.buffers[1].busy
				})
				for _, at := range [][2]int{{0, 0}, {700, 0}, {0, 400}, {700, 400}, {350, 200}, {1, 93}, {699, 94}, {690, 186}} {
					want := pattern(c.format, at[0], at[1], n)
					if got := s.at(w, at[0], at[1]); !bytes.Equal(got[:min(3, len(got))], want[:min(3, len(want))]) {
						t.Errorf("frame %d at %v: %x, want %x", n, at, got, want)
					}
				}
			}
			if got := w.buffers[0].shared(); got != c.shared {
				t.Errorf("shared memory: %v, want %v", got, c.shared)
			}
			if err := w.Close(); err != nil || w.Err() != nil {
				t.Errorf("closed: %v, %v", err, w.Err())
			}
		})
	}
}

func TestMemoryIsNotGivenWhileTheServerReadsIt(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	now, cancel := context.WithCancel(t.Context())
	cancel()
	first := s.next(w)
	if err := w.Show(); err != nil {
		t.Fatal(err)
	}
	s.until("it is shown", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.buffers[0].busy })
	w.mu.Lock()
	w.buffers[0].busy = true // as if it were not
	w.mu.Unlock()
	second := s.next(w)
	if &first.Pix[0] == &second.Pix[0] {
		t.Error("the same memory again")
	}
	w.mu.Lock()
	w.buffers[1].busy = true
	w.mu.Unlock()
	if _, err := w.Next(now); err != context.Canceled {
		t.Errorf("all is being shown: %v", err)
	}
	w.isShown(w.buffers[0].segment)
	if p, err := w.Next(now); err != nil || &p.Pix[0] != &first.Pix[0] {
		t.Errorf("after the server has read the first: %v", err)
	}
}

func TestNobodySeesNobodyPaints(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 100, Height: 100})
	now, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Next(now); err != nil {
		t.Fatalf("to be seen: %v", err)
	}
	state := func(covered, mapped bool) func() bool {
		return func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.covered == covered && w.mapped == mapped }
	}
	above, err := xproto.NewWindowId(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	xproto.CreateWindow(s.conn, 0, above, s.root, 0, 0, 640, 480, 0, xproto.WindowClassCopyFromParent, 0, xproto.CwOverrideRedirect, []uint32{1})
	xproto.MapWindow(s.conn, above)
	s.until("it is covered", state(true, true))
	if _, err := w.Next(now); err != context.Canceled {
		t.Errorf("covered: %v", err)
	}
	for drained := false; !drained; {
		select {
		case <-w.Input():
		default:
			drained = true
		}
	}
	xproto.UnmapWindow(s.conn, above)
	s.hear(w, view.Input{Resized: true})
	s.until("it is uncovered", state(false, true))
	if _, err := w.Next(now); err != nil {
		t.Errorf("uncovered: %v", err)
	}
	xproto.UnmapWindow(s.conn, w.id)
	s.until("it is away", state(false, false))
	if _, err := w.Next(now); err != context.Canceled {
		t.Errorf("away: %v", err)
	}
	xproto.MapWindow(s.conn, w.id)
	s.next(w)
}

func TestTheSizeIsTheWindows(t *testing.T) {
	for _, plain := range []bool{false, true} {
		s := startServer(t, "-screen", "0", "640x480x24")
		w := s.open(Options{Width: 2000, Height: 1000, plain: plain})
		if p := s.next(w); p.W != 576 || p.H != 288 {
			t.Errorf("a large frame begins as %d×%d", p.W, p.H)
		}
		for _, size := range [][2]int{{300, 200}, {1, 1}, {1500, 1200}} { // the last is larger than the screen
			xproto.ConfigureWindow(s.conn, w.id, xproto.ConfigWindowWidth|xproto.ConfigWindowHeight, []uint32{uint32(size[0]), uint32(size[1])})
			s.hear(w, view.Input{Resized: true})
			s.until(fmt.Sprintf("it is %v", size), func() bool {
				p := s.next(w)
				return p.W == size[0] && p.H == size[1] && len(p.Pix) == p.Stride*p.H
			})
			paint(s.next(w), 1)
			if err := w.Show(); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
	}
}

func TestUntilThereIsAFrameItIsTheOldOneOnBlack(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	xproto.ChangeWindowAttributes(s.conn, s.root, xproto.CwBackPixel, []uint32{0xffffff})
	xproto.ClearArea(s.conn, false, s.root, 0, 0, 0, 0)
	s.conn.Sync()
	w := s.open(Options{Width: 100, Height: 100})
	colour := func(x, y int) string { return fmt.Sprintf("%x", s.at(w, x, y)[:3]) }
	if got := colour(50, 50); got != "000000" {
		t.Errorf("before the first frame it is %s", got)
	}
	p := s.next(w)
	for i := range p.Pix {
		p.Pix[i] = 0x77
	}
	if err := w.Show(); err != nil {
		t.Fatal(err)
	}
	s.until("the frame is there", func() bool { return colour(50, 50) == "777777" })
	xproto.ConfigureWindow(s.conn, w.id, xproto.ConfigWindowWidth, []uint32{200})
	if old, more := colour(50, 50), colour(150, 50); old != "777777" || more != "000000" {
		t.Errorf("after the size has changed: %s where the frame was, %s beside it", old, more)
	}
}

func TestFullscreenWithoutAWindowManager(t *testing.T) {
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
		for range 2 { // the second changes nothing
			if err := w.SetFullscreen(true); err != nil {
				t.Fatal(err)
			}
			s.until("it is as large as the screen", func() bool { p := s.next(w); return p.W == 640 && p.H == 480 })
			if got, want := geometry(), "0 0 640 480"; got != want {
				t.Errorf("fullscreen: %s, want %s", got, want)
			}
		}
		if err := w.SetFullscreen(false); err != nil {
			t.Fatal(err)
		}
		s.until("it is small again", func() bool { return s.next(w).W == 100 })
		if got, want := geometry(), "30 40 100 100"; got != want {
			t.Errorf("small: %s, want %s", got, want)
		}
	}
}

func TestFullscreenByTheWindowManager(t *testing.T) {
	s := startServer(t, "-screen", "0", "640x480x24")
	w := s.open(Options{Width: 100, Height: 100})
	check, err := xproto.NewWindowId(s.conn)
	if err != nil {
		t.Fatal(err)
	}
	xproto.CreateWindow(s.conn, 0, check, s.root, 0, 0, 1, 1, 0, xproto.WindowClassCopyFromParent, 0, 0, nil)
	set := func(of xproto.Window, property, kind xproto.Atom, word uint32) {
		b := []byte{byte(word), byte(word >> 8), byte(word >> 16), byte(word >> 24)}
		xproto.ChangeProperty(s.conn, xproto.PropModeReplace, of, property, kind, 32, 1, b)
	}
	set(s.root, w.atoms.supporting, xproto.AtomWindow, uint32(check))
	set(s.root, w.atoms.supported, xproto.AtomAtom, uint32(w.atoms.fullscreen))
	s.conn.Sync()
	if w.knowsFullscreen() {
		t.Error("it is asked though it is gone")
	}
	set(check, w.atoms.supporting, xproto.AtomWindow, uint32(check))
	err = xproto.ChangeWindowAttributesChecked(s.conn, s.root, xproto.CwEventMask, []uint32{xproto.EventMaskSubstructureRedirect}).Check()
	if err != nil {
		t.Fatal(err)
	}
	for i, on := range []bool{false, true} {
		if err := w.SetFullscreen(on); err != nil {
			t.Fatal(err)
		}
		event, refused := s.conn.WaitForEvent()
		m, ok := event.(xproto.ClientMessageEvent)
		if refused != nil || !ok {
			t.Fatalf("it is told %v, %v", event, refused)
		}
		if d := m.Data.Data32; m.Window != w.id || m.Type != w.atoms.state || d[0] != uint32(i) || d[1] != uint32(w.atoms.fullscreen) {
			t.Errorf("fullscreen %v: it is told %v", on, m)
		}
	}
}

func TestTheCloseButtonAndTheTitle(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{Title: "Küche – 台所"})
	for property, want := range map[xproto.Atom]string{
		w.atoms.name: "Küche – 台所", xproto.AtomWmName: "K\xfcche ? ??", xproto.AtomWmClass: "vchat\x00Vchat\x00",
	} {
		got, err := xproto.GetProperty(s.conn, false, w.id, property, xproto.GetPropertyTypeAny, 0, 100).Reply()
		if err != nil || string(got.Value) != want {
			t.Errorf("property %d is %q, %v; want %q", property, got.Value, err, want)
		}
	}
	closing := xproto.ClientMessageEvent{Format: 32, Window: w.id, Type: w.atoms.protocols,
		Data: xproto.ClientMessageDataUnionData32New([]uint32{uint32(w.atoms.deleteWindow), 0, 0, 0, 0})}
	xproto.SendEvent(s.conn, false, w.id, xproto.EventMaskNoEvent, string(closing.Bytes()))
	s.conn.Sync()
	s.hear(w, view.Input{Key: view.KeyInterrupt})
	if w.Err() != nil {
		t.Error(w.Err())
	}
}

func TestAServerThatIsGoneIsSaid(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	s.next(w)
	if err := s.process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range w.Input() { // until it is closed
	}
	if !errors.Is(w.Err(), ErrGone) {
		t.Errorf("Err: %v", w.Err())
	}
	if err := w.Show(); !errors.Is(err, ErrGone) {
		t.Errorf("Show: %v", err)
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Next: %v", err)
	}
	if err := w.SetFullscreen(true); !errors.Is(err, ErrGone) {
		t.Errorf("SetFullscreen: %v", err)
	}
	w.Close()
	if !errors.Is(w.Err(), ErrGone) {
		t.Errorf("Err after Close: %v", w.Err())
	}
}

func TestAServerThatIsStuckDoesNotHoldUs(t *testing.T) {
	s := startServer(t)
	stop := func() { t.Helper(); signal(t, s, syscall.SIGSTOP) }
	goOn := func() {
		t.Helper()
		signal(t, s, syscall.SIGCONT)
		w, err := Open(t.Context(), Options{Display: s.display})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}

	w := s.open(Options{})
	paint(s.next(w), 1)
	stop()
	if err := w.Show(); err != nil {
		t.Errorf("Show: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	goOn()

	// A frame that is more than the socket takes.
	ctx, cancel := context.WithCancel(t.Context())
	w, err := Open(ctx, Options{Display: s.display, plain: true})
	if err != nil {
		t.Fatal(err)
	}
	paint(s.next(w), 1)
	stop()
	cancel()
	if err := w.Show(); err != nil && !errors.Is(err, ErrGone) {
		t.Errorf("Show: %v", err)
	}
	for range w.Input() { // until it is closed
	}
	if _, err := w.Next(t.Context()); !errors.Is(err, ErrGone) {
		t.Errorf("Next: %v", err)
	}
	w.Close()
	if _, err := Open(ctx, Options{Display: s.display}); err != context.Canceled {
		t.Errorf("Open: %v", err)
	}
	goOn()
}

func signal(t *testing.T, s *server, number syscall.Signal) {
	t.Helper()
	if err := s.process.Signal(number); err != nil {
		t.Fatal(err)
	}
}

// A segment that is marked to be destroyed ends with whoever has it mapped, also by SIGKILL.
func TestSharedMemoryLeavesNothingBehind(t *testing.T) {
	s := startServer(t)
	w := s.open(Options{})
	s.next(w)
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
			if f[2] != "1600" { // SHM_DEST, and the rights
				t.Errorf("a segment has mode %s", f[2])
			}
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("%d segments, want 1", n)
	}
	w.Close()
	s.until("the server has let go", func() bool { return count() == 0 })
}

func TestNoDisplayIsSaid(t *testing.T) {
	t.Setenv("DISPLAY", "")
	if Available() {
		t.Error("available without one")
	}
	for _, display := range []string{"", ":99999", "nonsense"} {
		if _, err := Open(t.Context(), Options{Display: display}); !errors.Is(err, ErrNoDisplay) {
			t.Errorf("%q: %v", display, err)
		}
	}
	s := startServer(t, "-screen", "0", "640x480x8")
	if _, err := Open(t.Context(), Options{Display: s.display}); !errors.Is(err, ErrNoVisual) {
		t.Errorf("8 bits: %v", err)
	}
	if _, err := Open(t.Context(), Options{Display: s.display + ".7"}); !errors.Is(err, ErrNoDisplay) {
		t.Errorf("screen 7: %v", err)
	}
}

func TestInputThatNobodyTakes(t *testing.T) {
	w := &Window{input: make(chan view.Input, 3)}
	for _, r := range "abcd" {
		w.tell(view.Input{Key: view.KeyRune, Rune: r})
	}
	w.tell(view.Input{Resized: true})
	w.tell(view.Input{Key: view.KeyInterrupt})
	close(w.input)
	var got []view.Input
	for in := range w.input {
		got = append(got, in)
	}
	want := []view.Input{{Key: view.KeyRune, Rune: 'c'}, {Resized: true}, {Key: view.KeyInterrupt}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v is left, want %v", got, want)
	}
}
