package terminal

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// openTerminal takes over a terminal for the time of a test.
func openTerminal(t *testing.T, ctx context.Context, p *fakeTerminal) *Terminal {
	t.Helper()
	d, err := Open(ctx, p.slave, p.slave, Options{Colors: TrueColor})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// show shows a frame of one color.
func show(t *testing.T, ctx context.Context, d *Terminal, c uint8, o render.Overlay) error {
	t.Helper()
	px, err := d.Next(ctx)
	if err != nil {
		return err
	}
	for i := range px.Pix {
		px.Pix[i] = c
	}
	d.SetOverlay(o)
	return d.Show()
}

func TestTerminal_Close_restores(t *testing.T) {
	for _, kitty := range []bool{false, true} {
		t.Run(fmt.Sprintf("graphics=%v", kitty), func(t *testing.T) {
			p := newFakeTerminal(t, true, kitty)
			before := p.settings(t)
			d := openTerminal(t, t.Context(), p)
			if p.settings(t) == before {
				t.Error("got the old settings, want raw mode")
			}
			if err := show(t, t.Context(), d, 128, render.Overlay{Title: "workshop"}); err != nil {
				t.Fatal(err)
			}
			p.await(t, "workshop")
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, p.settings(t)); diff != "" {
				t.Errorf("settings after Close (-want +got):\n%s", diff)
			}
			end := leaveScreen
			if kitty {
				end = deleteGraphics + leaveScreen
			}
			p.await(t, end)
			if text := p.text(); !strings.HasPrefix(text, enterScreen) || !strings.HasSuffix(text, end) {
				t.Errorf("got output %.30q … %q, want it to end with %q", text, text[max(0, len(text)-30):], end)
			}
			if _, open := <-d.Input(); open {
				t.Error("Input is still open")
			}
		})
	}
}

func TestTerminal_Next_waitsForReply(t *testing.T) {
	p := newFakeTerminal(t, false, false)
	d := openTerminal(t, t.Context(), p)
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, queryStatus)
	timeout := errors.New("timeout")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, timeout)
	defer cancel()
	if _, err := d.Next(ctx); err == nil || context.Cause(ctx) != timeout {
		t.Fatalf("got %v, want a timeout", err)
	}
	p.send(statusOK)
	if err := show(t, t.Context(), d, 20, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, "38;2;20;20;20")
}

func TestTerminal_Next_silentTerminal(t *testing.T) {
	p := newFakeTerminal(t, false, false)
	d := openTerminal(t, t.Context(), p)
	for i := range uint8(5) {
		if err := show(t, t.Context(), d, 50*i, render.Overlay{}); err != nil {
			t.Fatal(err)
		}
	}
	p.await(t, "38;2;200;200;200")
	if n := strings.Count(p.text(), queryStatus); n != 1 {
		t.Errorf("got %d status queries, want 1", n)
	}
}

func TestTerminal_Close_drainsLateReply(t *testing.T) {
	p := newFakeTerminal(t, false, false)
	d := openTerminal(t, t.Context(), p)
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, queryStatus)
	time.AfterFunc(50*time.Millisecond, func() { p.send(statusOK) }) // after Close, if it did not wait
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n, err := unix.IoctlGetInt(int(p.slave.Fd()), unix.TIOCINQ); err != nil || n != 0 {
		t.Errorf("got %d bytes of input left, %v; want none", n, err)
	}
	if text := p.text(); strings.Contains(text, "0n") {
		t.Errorf("the terminal echoed the reply: %q", text)
	}
}

func TestTerminal_resize(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	d := openTerminal(t, t.Context(), p)
	px, err := d.Next(t.Context())
	if err != nil || px.W != 40 || px.H != 22 { // the last row is the status line
		t.Fatalf("got %dx%d, %v; want 40x22", px.W, px.H, err)
	}
	if err := d.Show(); err != nil {
		t.Fatal(err)
	}
	p.resize(t, 20, 6)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // it is not our controlling terminal
		t.Fatal(err)
	}
	if in := <-d.Input(); !in.Resized {
		t.Errorf("got %+v, want Resized", in)
	}
	if px, err = d.Next(t.Context()); err != nil || px.W != 20 || px.H != 10 {
		t.Errorf("after resize: got %dx%d, %v; want 20x10", px.W, px.H, err)
	}
}

func TestTerminal_Input(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	d := openTerminal(t, t.Context(), p)
	p.send("ä\x1b")
	for _, want := range []view.Input{{Key: view.KeyRune, Rune: 'ä'}, {Key: view.KeyEscape}} {
		if got := <-d.Input(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestTerminal_Show_stoppedOutput(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := openTerminal(t, ctx, p)
	if err := unix.IoctlSetInt(int(p.slave.Fd()), unix.TCXONC, unix.TCOOFF); err != nil { // like Ctrl-S
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	for range 100 {
		if err := show(t, ctx, d, 99, render.Overlay{}); err != nil {
			return
		}
	}
	t.Error("Show never failed")
}

// A suspended viewer gives the terminal back, and repaints it afterwards.
func TestTerminal_suspend(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	before := p.settings(t)
	d := openTerminal(t, t.Context(), p)
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	stopped := false
	d.tty.stop = func() {
		stopped = true
		p.await(t, leaveScreen)
		if diff := cmp.Diff(before, p.settings(t)); diff != "" {
			t.Errorf("settings while stopped (-want +got):\n%s", diff)
		}
	}
	d.handleSignal(unix.SIGTSTP)
	if !stopped || p.settings(t) == before {
		t.Errorf("stopped: %v; got the old settings: %v", stopped, p.settings(t) == before)
	}
	if in := <-d.Input(); !in.Resized {
		t.Errorf("got %+v, want Resized", in)
	}
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, leaveScreen+enterScreen)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	_, after, _ := strings.Cut(p.text(), leaveScreen)
	if n := strings.Count(after, "▀"); n != 40*11 {
		t.Errorf("got %d cells of the frame repainted, want %d", n, 40*11)
	}
}

// Ctrl-L repaints what other programs have overwritten.
func TestTerminal_repaint(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	d := openTerminal(t, t.Context(), p)
	for want, title := range []string{"workshop", "kitchen"} {
		if err := show(t, t.Context(), d, 10, render.Overlay{Title: title}); err != nil {
			t.Fatal(err)
		}
		p.await(t, " "+title)
		p.send("\x0c")
		if in := <-d.Input(); !in.Resized {
			t.Errorf("got %+v, want Resized", in)
		}
		if n := strings.Count(p.text(), clearScreen); n != want+2 { // one is that of detect
			t.Errorf("got %d times a cleared screen, want %d", n, want+2)
		}
	}
}

// Without colors, bright is a blank where the terminal writes dark on light.
func TestTerminal_background(t *testing.T) {
	for _, tt := range []struct {
		reply string
		light bool // by COLORFGBG
		want  string
	}{
		{"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", false, strings.Repeat(" ", 40)},
		{"\x1b]11;rgb:0000/0000/0000\x1b\\", true, strings.Repeat("@", 40)},
		{"", true, strings.Repeat(" ", 40)},
		{"", false, strings.Repeat("@", 40)},
	} {
		t.Run(fmt.Sprintf("%q %v", tt.reply, tt.light), func(t *testing.T) {
			p := newFakeTerminal(t, true, false)
			p.background = tt.reply
			d, err := Open(t.Context(), p.slave, p.slave, Options{Colors: NoColors, Light: tt.light})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := show(t, t.Context(), d, 255, render.Overlay{}); err != nil {
				t.Fatal(err)
			}
			p.await(t, "\x1b[11;1H"+tt.want)
		})
	}
}

// In tmux the query for graphics would become the title of the window.
func TestTerminal_multiplexer(t *testing.T) {
	for _, multiplexer := range []bool{false, true} {
		p := newFakeTerminal(t, true, false)
		d, err := Open(t.Context(), p.slave, p.slave, Options{Multiplexer: multiplexer})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		p.await(t, leaveScreen)
		if got := !strings.Contains(p.text(), queryGraphics); got != multiplexer {
			t.Errorf("multiplexer %v: got no query for graphics: %v", multiplexer, got)
		}
	}
}

// A slow connection gets half of the bytes until it is fast again.
func TestTerminal_adapt_colors(t *testing.T) {
	d := Terminal{opt: Options{Colors: TrueColor}, cells: cells{colors: TrueColor}}
	before := TrueColor
	for i, tt := range []struct {
		took  time.Duration
		bytes int
		want  Colors
	}{
		{time.Second / 2, 50_000, TrueColor}, {2 * time.Second, 50_000, Palette256},
		{10 * time.Millisecond, 100, Palette256}, // it says nothing about the rate
		{time.Second / 2, 25_000, Palette256}, {50 * time.Millisecond, 25_000, TrueColor},
	} {
		d.buf.Reset()
		d.buf.Write(make([]byte, tt.bytes))
		d.adapt(tt.took)
		if d.cells.colors != tt.want {
			t.Errorf("step %d: got colors %v, want %v", i, d.cells.colors, tt.want)
		}
		if got, want := d.repaint.Swap(false), tt.want != before; got != want {
			t.Errorf("step %d: got a repaint %v, want %v", i, got, want)
		}
		before = tt.want
	}
}

// In graphics it gets smaller frames, whose cells stay the same.
func TestTerminal_adapt_graphics(t *testing.T) {
	d := Terminal{opt: Options{Colors: TrueColor}, cells: cells{colors: TrueColor}, graphics: true}
	g := grid{cols: 80, rows: 25, width: 1280, height: 800, cellAspect: 2}
	for i, tt := range []struct {
		took  time.Duration
		bytes int
		want  int // width
	}{
		{time.Second / 2, 50_000, 653}, {2 * time.Second, 50_000, 326}, {2 * time.Second, 50_000, 163},
		{10 * time.Millisecond, 100, 163}, {time.Second / 2, 25_000, 163},
		{2 * time.Second, 50_000, 81}, {20 * time.Second, 50_000, 81},
		{50 * time.Millisecond, 25_000, 163}, {50 * time.Millisecond, 25_000, 326},
		{50 * time.Millisecond, 25_000, 653}, {50 * time.Millisecond, 25_000, 653},
	} {
		d.buf.Reset()
		d.buf.Write(make([]byte, tt.bytes))
		d.adapt(tt.took)
		w, h := graphicsSize(g, maxGraphicsPixels>>(2*d.shrink))
		if math.Abs(float64(w-tt.want)) > 2 || math.Abs(float64(w)/float64(h)-1280./768) > 0.05 {
			t.Errorf("step %d: got %dx%d, want a width of %d", i, w, h, tt.want)
		}
		if d.cells.colors != TrueColor || d.repaint.Load() {
			t.Errorf("step %d: got colors %v, repaint %v; want that only frames change", i, d.cells.colors,
				d.repaint.Load())
		}
	}
}

func TestTerminal_hangup(t *testing.T) {
	p := newFakeTerminal(t, true, false)
	d := openTerminal(t, t.Context(), p)
	p.master.Close()
	for range d.Input() {
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// The test decodes what was written by the graphics protocol.
func TestTerminal_graphics(t *testing.T) {
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprintf("remote=%v", remote), func(t *testing.T) {
			p := newFakeTerminal(t, true, true)
			d, err := Open(t.Context(), p.slave, p.slave, Options{Remote: remote})
			if err != nil {
				t.Fatal(err)
			}
			px, err := d.Next(t.Context())
			if err != nil || d.Aspect() != 1 || px.W != 8*40 || px.H != 16*11 {
				t.Fatalf("got %dx%d, aspect %v, %v; want %dx%d, aspect 1", px.W, px.H, d.Aspect(), err, 8*40, 16*11)
			}
			want := make([]byte, 0, 3*px.W*px.H)
			for i := 0; i < len(px.Pix); i += 4 {
				px.Pix[i], px.Pix[i+1], px.Pix[i+2] = byte(i), byte(i>>8), byte(i>>16)
				want = append(want, px.Pix[i:i+3]...)
			}
			d.SetOverlay(render.Overlay{Lines: []string{"hello"}})
			if err := d.Show(); err != nil {
				t.Fatal(err)
			}
			p.await(t, queryStatus)
			got, head := graphic(t, p.text())
			if remote != strings.Contains(head, ",o=z") || !strings.Contains(head, ",c=40,r=11,") {
				t.Errorf("got options %q", head)
			}
			if remote {
				z, err := zlib.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if got, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the frame of %d bytes", len(got), len(want))
			}
			p.await(t, "hello")

			// If only texts change, the frame is not sent again.
			before := strings.Count(p.text(), "a=T")
			if _, err := d.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			d.SetOverlay(render.Overlay{Lines: []string{"goodbye"}})
			if err := d.Show(); err != nil {
				t.Fatal(err)
			}
			p.await(t, "goodbye")
			if n := strings.Count(p.text(), "a=T"); n != before {
				t.Errorf("got %d frames sent, want %d", n, before)
			}

			// After a rejected frame the terminal gets half blocks.
			p.send("\x1b_Gi=1;ENOSPC:full\x1b\\")
			for range 1000 {
				if err := show(t, t.Context(), d, 7, render.Overlay{}); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(p.text(), "▀") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			p.await(t, "▀")
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// graphic returns the data and the options of the first frame in the output.
func graphic(t *testing.T, text string) (data []byte, options string) {
	t.Helper()
	_, text, _ = strings.Cut(text, "\x1b_Ga=T")
	all := ""
	for first := true; ; first = false {
		chunk, rest, ok := strings.Cut(text, "\x1b\\")
		control, payload, _ := strings.Cut(chunk, ";")
		if !ok || len(payload) > chunkSize {
			t.Fatalf("got a chunk of %d bytes, want at most %d", len(payload), chunkSize)
		}
		if first {
			options = control
		}
		all += payload
		if strings.Contains(control, "m=0") {
			break
		}
		_, text, _ = strings.Cut(rest, "\x1b_G")
	}
	data, err := base64.StdEncoding.DecodeString(all)
	if err != nil {
		t.Fatal(err)
	}
	return data, options
}
