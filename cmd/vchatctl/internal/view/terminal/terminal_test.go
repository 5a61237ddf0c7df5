package terminal

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"io"
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

// shown is a terminal that a viewer has taken over.
func shown(t *testing.T, ctx context.Context, p *pty) *Terminal {
	t.Helper()
	d, err := Open(ctx, p.slave, p.slave, Options{TrueColour: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// show shows a frame of one colour.
func show(t *testing.T, ctx context.Context, d *Terminal, c uint8, w render.Overlay) error {
	t.Helper()
	px, err := d.Next(ctx)
	if err != nil {
		return err
	}
	for i := range px.Pix {
		px.Pix[i] = c
	}
	d.SetOverlay(w)
	return d.Show()
}

func TestCloseLeavesTheTerminalAsItWas(t *testing.T) {
	for _, kitty := range []bool{false, true} {
		p := newPTY(t, true, kitty)
		before := p.settings(t)
		d := shown(t, t.Context(), p)
		if p.settings(t) == before {
			t.Error("the terminal is not in raw mode")
		}
		if err := show(t, t.Context(), d, 128, render.Overlay{Title: "workshop"}); err != nil {
			t.Fatal(err)
		}
		p.await(t, "workshop")
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(before, p.settings(t)); diff != "" {
			t.Errorf("the settings have changed: %s", diff)
		}
		end := leave
		if kitty {
			end = deleteAll + leave
		}
		p.await(t, end)
		if text := p.text(); !strings.HasPrefix(text, enter) || !strings.HasSuffix(text, end) {
			t.Errorf("it begins with %.30q and ends with %q", text, text[max(0, len(text)-30):])
		}
		if _, open := <-d.Input(); open {
			t.Error("there is input yet")
		}
	}
}

func TestTheNextFrameWaitsForTheAnswer(t *testing.T) {
	p := newPTY(t, false, false)
	d := shown(t, t.Context(), p)
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, areYouThere)
	why := errors.New("nothing came")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
	defer cancel()
	if _, err := d.Next(ctx); err == nil || context.Cause(ctx) != why {
		t.Fatalf("it did not wait: %v", err)
	}
	p.say(yes)
	if err := show(t, t.Context(), d, 20, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, "38;2;20;20;20")
}

func TestATerminalThatNeverAnswersIsShownFramesToo(t *testing.T) {
	p := newPTY(t, false, false)
	d := shown(t, t.Context(), p)
	for i := range uint8(5) {
		if err := show(t, t.Context(), d, 50*i, render.Overlay{}); err != nil {
			t.Fatal(err)
		}
	}
	p.await(t, "38;2;200;200;200")
	if n := strings.Count(p.text(), areYouThere); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestALateAnswerIsNotLeftToTheShell(t *testing.T) {
	p := newPTY(t, false, false)
	d := shown(t, t.Context(), p)
	if err := show(t, t.Context(), d, 10, render.Overlay{}); err != nil {
		t.Fatal(err)
	}
	p.await(t, areYouThere)
	time.AfterFunc(50*time.Millisecond, func() { p.say(yes) }) // one that does not wait has restored the terminal by then
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if n, err := unix.IoctlGetInt(int(p.slave.Fd()), unix.TIOCINQ); err != nil || n != 0 {
		t.Errorf("%d bytes are left, %v", n, err)
	}
	if text := p.text(); strings.Contains(text, "0n") {
		t.Errorf("the answer was echoed: %q", text)
	}
}

func TestItFollowsTheSize(t *testing.T) {
	p := newPTY(t, true, false)
	d := shown(t, t.Context(), p)
	px, err := d.Next(t.Context())
	if err != nil || px.W != 40 || px.H != 22 { // the last row is for words
		t.Fatalf("%dx%d, %v", px.W, px.H, err)
	}
	if err := d.Show(); err != nil {
		t.Fatal(err)
	}
	p.resize(t, 20, 6)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // the kernel tells only those whose terminal it is
		t.Fatal(err)
	}
	if in := <-d.Input(); !in.Resized {
		t.Errorf("got %+v", in)
	}
	if px, err = d.Next(t.Context()); err != nil || px.W != 20 || px.H != 10 {
		t.Errorf("%dx%d, %v", px.W, px.H, err)
	}
}

func TestKeysAreInput(t *testing.T) {
	p := newPTY(t, true, false)
	d := shown(t, t.Context(), p)
	p.say("ä\x1b")
	if in := <-d.Input(); in != (view.Input{Key: view.KeyRune, Rune: 'ä'}) {
		t.Errorf("got %+v", in)
	}
	if in := <-d.Input(); in != (view.Input{Key: view.KeyEscape}) {
		t.Errorf("got %+v", in)
	}
}

func TestATerminalThatTakesNothingDoesNotKeepIt(t *testing.T) {
	p := newPTY(t, true, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := shown(t, ctx, p)
	if err := unix.IoctlSetInt(int(p.slave.Fd()), unix.TCXONC, unix.TCOOFF); err != nil { // as Ctrl-S does
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	for range 100 {
		if err := show(t, ctx, d, 99, render.Overlay{}); err != nil {
			return
		}
	}
	t.Error("nothing stood in the way")
}

func TestATerminalThatIsClosedEndsIt(t *testing.T) {
	p := newPTY(t, true, false)
	d := shown(t, t.Context(), p)
	p.master.Close()
	for range d.Input() {
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// TestFramesInATerminalThatShowsThem reads back what was written by the graphics protocol.
func TestFramesInATerminalThatShowsThem(t *testing.T) {
	for _, remote := range []bool{false, true} {
		p := newPTY(t, true, true)
		d, err := Open(t.Context(), p.slave, p.slave, Options{Remote: remote})
		if err != nil {
			t.Fatal(err)
		}
		px, err := d.Next(t.Context())
		if err != nil || d.Aspect() != 1 || px.W != 8*40 || px.H != 16*11 {
			t.Fatalf("%dx%d, aspect %v, %v", px.W, px.H, d.Aspect(), err)
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
		p.await(t, areYouThere)
		got, head := graphic(t, p.text())
		if remote != strings.Contains(head, ",o=z") || !strings.Contains(head, ",c=40,r=11,") {
			t.Errorf("it begins with %q", head)
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
			t.Errorf("%d bytes are not the frame of %d", len(got), len(want))
		}
		p.await(t, "hello")

		// It is not sent again where only words have changed.
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
			t.Errorf("it was sent %d times", n)
		}

		// A terminal that cannot show it after all gets half blocks.
		p.say("\x1b_Gi=1;ENOSPC:full\x1b\\")
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
	}
}

// graphic puts together the pieces of the frame in a text.
func graphic(t *testing.T, text string) (data []byte, head string) {
	t.Helper()
	_, text, _ = strings.Cut(text, "\x1b_Ga=T")
	all := ""
	for first := true; ; first = false {
		piece, rest, ok := strings.Cut(text, "\x1b\\")
		options, payload, _ := strings.Cut(piece, ";")
		if !ok || len(payload) > chunk {
			t.Fatalf("a piece of %d bytes", len(payload))
		}
		if first {
			head = options
		}
		all += payload
		if strings.Contains(options, "m=0") {
			break
		}
		_, text, _ = strings.Cut(rest, "\x1b_G")
	}
	data, err := base64.StdEncoding.DecodeString(all)
	if err != nil {
		t.Fatal(err)
	}
	return data, head
}
