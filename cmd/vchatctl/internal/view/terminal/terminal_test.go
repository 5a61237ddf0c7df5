package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/client"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// pty is a terminal whose screen is a buffer.
type pty struct {
	master, slave *os.File
	answers       bool // the question whether it is there

	mu    sync.Mutex
	shown bytes.Buffer
	done  chan struct{}
}

func newPTY(t *testing.T, answers bool) *pty {
	t.Helper()
	// The runtime's poller is wanted on the side of the test, so that Close ends a read.
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	if cerr := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{master: master, slave: slave, answers: answers, done: make(chan struct{})}
	p.resize(t, 40, 12)
	go p.read()
	t.Cleanup(func() {
		slave.Close()
		master.Close()
		<-p.done
	})
	return p
}

func (p *pty) read() {
	defer close(p.done)
	buf := make([]byte, 4096)
	asked := 0
	for {
		n, err := p.master.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.shown.Write(buf[:n])
		all := bytes.Count(p.shown.Bytes(), []byte(areYouThere))
		p.mu.Unlock()
		for ; p.answers && asked < all; asked++ {
			p.say(answer)
		}
	}
}

func (p *pty) say(what string) { _, _ = p.master.WriteString(what) }

func (p *pty) resize(t *testing.T, cols, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

func (p *pty) await(t *testing.T, what string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(p.text(), what) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q never came; there is %q", what, p.text())
}

func (p *pty) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// reel is a feed.
type reel struct {
	frames chan client.Frame
	end    error
	once   sync.Once
}

func (r *reel) stop() { r.once.Do(func() { close(r.frames) }) }

func (r *reel) Next() (client.Frame, error) {
	f, ok := <-r.frames
	if !ok {
		return f, r.end
	}
	return f, nil
}

func grey(t *testing.T, y uint8) client.Frame {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 160, 90))
	for i := range m.Pix {
		m.Pix[i] = y
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return client.Frame{Data: b.Bytes()}
}

// shows runs Show on a terminal and gives its result.
func shows(t *testing.T, ctx context.Context, p *pty) (feed *reel, result <-chan error) {
	t.Helper()
	feed = &reel{frames: make(chan client.Frame), end: io.EOF}
	n := view.Follow(feed)
	done := make(chan error, 1)
	go func() { done <- Show(ctx, p.slave, p.slave, n, Options{Title: "workshop", TrueColor: true}) }()
	t.Cleanup(func() {
		feed.stop()
		n.Wait()
	})
	p.await(t, "waiting for a picture")
	return feed, done
}

func TestShowLeavesTheTerminalAsItWas(t *testing.T) {
	why := errors.New("why")
	for _, tt := range []struct {
		name string
		end  func(p *pty, feed *reel, cancel context.CancelCauseFunc)
		want error
	}{
		{"q", func(p *pty, _ *reel, _ context.CancelCauseFunc) { p.say("q") }, nil},
		{"Ctrl-C", func(p *pty, _ *reel, _ context.CancelCauseFunc) { p.say("\x03") }, ErrInterrupted},
		{"a signal", func(_ *pty, _ *reel, cancel context.CancelCauseFunc) { cancel(why) }, why},
		{"the feed ends", func(_ *pty, feed *reel, _ context.CancelCauseFunc) { feed.stop() }, nil},
		{"the feed breaks", func(_ *pty, feed *reel, _ context.CancelCauseFunc) {
			feed.end = why
			feed.stop()
		}, why},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPTY(t, true)
			before := p.settings(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			feed, done := shows(t, ctx, p)
			if p.settings(t) == before {
				t.Error("the terminal is not in raw mode")
			}
			feed.frames <- grey(t, 128)
			p.await(t, "▀")
			tt.end(p, feed, cancel)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if diff := cmp.Diff(before, p.settings(t)); diff != "" {
				t.Errorf("the settings have changed: %s", diff)
			}
			p.await(t, leave)
			if text := p.text(); !strings.HasPrefix(text, enter) || !strings.HasSuffix(text, leave) {
				t.Errorf("it begins with %.30q and ends with %q", text, text[max(0, len(text)-30):])
			}
		})
	}
}

func TestASlowTerminalGetsTheNewestOnly(t *testing.T) {
	p := newPTY(t, false)
	feed, done := shows(t, t.Context(), p)
	feed.frames <- grey(t, 10)
	p.await(t, areYouThere)
	for y := uint8(20); y < 200; y += 10 {
		feed.frames <- grey(t, y) // it has not answered: these replace each other
	}
	feed.frames <- grey(t, 250)
	p.say(answer)
	p.await(t, "38;2;250;250;250")
	p.say("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := p.text(); strings.Count(text, areYouThere) > 3 || strings.Contains(text, "38;2;100;100;100") {
		t.Errorf("old pictures were shown: %d", strings.Count(text, areYouThere))
	}
}

func TestALateAnswerIsNotLeftToTheShell(t *testing.T) {
	p := newPTY(t, false)
	feed, done := shows(t, t.Context(), p)
	feed.frames <- grey(t, 10)
	p.await(t, areYouThere)
	p.say("q")
	time.Sleep(50 * time.Millisecond) // a viewer that does not wait has restored the terminal by now
	p.say(answer)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n, err := unix.IoctlGetInt(int(p.slave.Fd()), unix.TIOCINQ); err != nil || n != 0 {
		t.Errorf("%d bytes are left, %v", n, err)
	}
	if text := p.text(); strings.Contains(text, "0n") {
		t.Errorf("the answer was echoed: %q", text)
	}
}

func TestATerminalThatNeverAnswersIsShownPicturesToo(t *testing.T) {
	p := newPTY(t, false)
	feed, done := shows(t, t.Context(), p)
	feed.frames <- grey(t, 10)
	p.await(t, "38;2;10;10;10")
	feed.frames <- grey(t, 20)
	p.await(t, "38;2;20;20;20")
	feed.frames <- grey(t, 30)
	p.await(t, "38;2;30;30;30")
	p.say("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestShowFollowsTheSize(t *testing.T) {
	p := newPTY(t, true)
	feed, done := shows(t, t.Context(), p)
	feed.frames <- grey(t, 128)
	p.await(t, "\x1b[12;1H\x1b[0;7m workshop  ") // the status line is in the last row
	p.resize(t, 20, 6)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil { // the kernel tells only those whose terminal it is
		t.Fatal(err)
	}
	p.await(t, clearScreen)
	p.await(t, "\x1b[6;1H\x1b[0;7m workshop  ")
	p.say("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestABrokenPictureIsToldAndTheNextOneShown(t *testing.T) {
	p := newPTY(t, true)
	feed, done := shows(t, t.Context(), p)
	feed.frames <- client.Frame{Data: []byte("not a picture")}
	p.await(t, "broken picture")
	feed.frames <- grey(t, 77)
	p.await(t, "38;2;77;77;77")
	p.say("q")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestATerminalThatTakesNothingDoesNotKeepIt(t *testing.T) {
	p := newPTY(t, true)
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	feed, done := shows(t, ctx, p)
	if err := unix.IoctlSetInt(int(p.slave.Fd()), unix.TCXONC, unix.TCOOFF); err != nil { // as Ctrl-S does
		t.Fatal(err)
	}
	feed.frames <- grey(t, 99)
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
