// Package terminal shows frames in a terminal: it is the view.Display of a shell, on this machine or over ssh.
//
// It promises that the frame keeps its shape and follows the size of the terminal, that a slow terminal shows fewer
// frames and not older ones, that only what has changed is written, and that the terminal is left as it was found,
// however the viewer ends.
//
// A terminal that answers to the graphics protocol of kitty gets frames; others get two pixels in each cell, by the upper
// half block, in 24-bit colour or the nearest of 256.
//
//	Run's goroutine:   Next ──▶ paint ──▶ Show ─▶ cells that have changed ─▶ "are you there?" ─▶ terminal
//	                    ▲                                                                          │
//	                    └──── the answer ◀── tty's goroutine ◀─────────────────────────────────────┘
//	                                             └──▶ Input ◀── SIGWINCH, a goroutine
//
// Next waits for the answer. That is what bounds the delay: bytes that lie in an SSH connection or a multiplexer are not
// seen otherwise.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	answerTimeout = time.Second            // for a terminal that has never answered, before it is taken for one that does not
	slowTimeout   = 20 * time.Second       // for one that has: so long may a frame take through a modem
	askTimeout    = 500 * time.Millisecond // for the answer to what it can show
)

// Options say what is known of the terminal.
type Options struct {
	TrueColour bool // else 256 colours
	Remote     bool // over a network: bytes cost more than time
}

// Terminal is a view.Display and a view.TextDisplay.
type Terminal struct {
	opt   Options
	tty   *tty
	input chan view.Input
	done  chan struct{} // closed, as input is, once the terminal is gone, or closed
	wg    sync.WaitGroup
	once  sync.Once // of Close

	mu   sync.Mutex
	over bool // input and done are closed

	answers chan answer
	asked   time.Time // zero: nothing is owed
	heard   bool      // it has answered at least once
	mute    bool      // it has not, and is not asked any more
	frames  bool      // by the graphics protocol
	grid    grid
	cells   cells
	kitty   kitty
	words   render.Overlay
	pixels  render.Pixels
	buf     bytes.Buffer
}

// Open takes over the terminal out, until Close. Keys are read from in, if that is a terminal too.
func Open(ctx context.Context, in, out *os.File, opt Options) (*Terminal, error) {
	t := &Terminal{opt: opt, input: make(chan view.Input, 16), done: make(chan struct{}), answers: make(chan answer, 16),
		kitty: kitty{compress: opt.Remote}}
	t.cells.trueColour = opt.TrueColour
	var err error
	if t.tty, err = open(ctx, in, out, t.hear, t.hangUp); err != nil {
		return nil, fmt.Errorf("preparing the terminal: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	t.wg.Go(func() {
		defer signal.Stop(resized)
		for {
			select {
			case <-resized:
				t.send(view.Input{Resized: true})
			case <-t.done:
				return
			}
		}
	})
	t.ask(ctx)
	return t, nil
}

// ask finds out what the terminal can show.
func (t *Terminal) ask(ctx context.Context) {
	if !t.tty.canAnswer {
		return
	}
	if t.tty.write([]byte(canYou+whatAreYou+clearScreen)) != nil {
		return // the next write will say so
	}
	late := time.After(askTimeout)
	for {
		select {
		case a := <-t.answers:
			switch a {
			case graphics:
				t.frames = true
			case attributes:
				t.heard = true
				return
			}
		case <-late:
			return
		case <-ctx.Done():
			return
		case <-t.done:
			return
		}
	}
}

// hear takes what comes from the terminal. It never waits: who types faster than that is not listened to so closely.
func (t *Terminal) hear(s said) {
	if s.answer == noAnswer {
		t.send(s.key)
		return
	}
	select {
	case t.answers <- s.answer:
	default:
	}
}

func (t *Terminal) send(in view.Input) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	select {
	case t.input <- in:
	default:
	}
}

// hangUp notes that the terminal is gone.
func (t *Terminal) hangUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.over = true
		close(t.done)
		close(t.input)
	}
}

// Input is what was typed.
func (t *Terminal) Input() <-chan view.Input { return t.input }

// Err is nil: a terminal that is gone was closed by its user.
func (t *Terminal) Err() error { return nil }

// Close leaves the terminal as it was found. A second one does nothing.
func (t *Terminal) Close() (err error) {
	t.once.Do(func() { err = t.close() })
	return err
}

func (t *Terminal) close() error {
	t.hearOut()
	t.hangUp()
	last := ""
	if t.frames {
		last = deleteAll
	}
	err := t.tty.close(last)
	t.wg.Wait()
	return err
}

// hearOut waits for an answer that is still to come: after the viewer it would be typed into the shell.
func (t *Terminal) hearOut() {
	late := time.After(leaveTimeout)
	for !t.asked.IsZero() {
		select {
		case a := <-t.answers:
			t.take(a)
		case <-late:
			return
		case <-t.done:
			return
		}
	}
}

func (t *Terminal) take(a answer) {
	switch a {
	case isThere:
		t.asked, t.heard, t.mute = time.Time{}, true, false
	case graphics, noGraphics: // an answer to canYou that is late, or half blocks are better than nothing
		t.frames = a == graphics
		t.cells.shown = t.cells.shown[:0]
	}
}

// Aspect is the height of a pixel by its width.
func (t *Terminal) Aspect() float64 {
	if t.frames {
		return 1
	}
	return t.grid.cellAspect / 2
}

// Next gives memory of the terminal's size, once it has shown what was written last.
func (t *Terminal) Next(ctx context.Context) (render.Pixels, error) {
	if err := t.await(ctx); err != nil {
		return render.Pixels{}, err
	}
	g, err := t.tty.size()
	if err != nil {
		return render.Pixels{}, fmt.Errorf("asking for the terminal's size: %w", err)
	}
	t.buf.Reset()
	if g != t.grid || len(t.cells.shown) == 0 {
		t.grid = g
		t.cells.resize(g.cols, g.rows)
		t.buf.WriteString(clearScreen)
		t.kitty.forget()
	}
	w, h := g.cols, 2*(g.rows-1)
	if t.frames {
		w, h = graphicsSize(g)
	}
	if n := 4 * w * h; cap(t.pixels.Pix) < n {
		t.pixels.Pix = make([]byte, n)
	}
	t.pixels = render.Pixels{Pix: t.pixels.Pix[:4*w*h], Stride: 4 * w, W: w, H: h, Format: render.RGBX}
	return t.pixels, nil
}

// graphicsSize is how many pixels the frame has that fills all rows but the last.
func graphicsSize(g grid) (w, h int) {
	w, h = g.width, g.height*(g.rows-1)/g.rows
	if w == 0 || h == 0 {
		w, h = 8*g.cols, int(8*g.cellAspect)*(g.rows-1)
	}
	for w*h > mostGraphics {
		w, h = w*15/16, h*15/16
	}
	return w, h
}

// await waits until the terminal has shown what was written.
func (t *Terminal) await(ctx context.Context) error {
	for {
		select { // an answer that has come late, or an error
		case a := <-t.answers:
			t.take(a)
			continue
		default:
		}
		if t.asked.IsZero() {
			return ctx.Err()
		}
		patience := answerTimeout
		if t.heard {
			patience = slowTimeout
		}
		select {
		case a := <-t.answers:
			t.take(a)
		case <-time.After(time.Until(t.asked.Add(patience))):
			t.asked, t.heard, t.mute = time.Time{}, false, !t.heard
		case <-t.done:
			<-ctx.Done() // Run hears of it by its own
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// SetOverlay sets what the next Show shows besides the frame.
func (t *Terminal) SetOverlay(w render.Overlay) { t.words = w }

// Show writes what has changed.
func (t *Terminal) Show() error {
	t.cells.empty()
	if !t.frames {
		t.cells.frame(t.pixels)
	}
	t.cells.words(&t.words)
	if t.frames && t.grid.rows > 1 {
		t.kitty.write(&t.buf, t.pixels, t.grid.cols, t.grid.rows-1)
	}
	t.cells.write(&t.buf)
	if t.buf.Len() == 0 {
		return nil
	}
	if t.tty.canAnswer && !t.mute {
		t.buf.WriteString(areYouThere)
		t.asked = time.Now()
	}
	err := t.tty.write(t.buf.Bytes())
	switch {
	case errors.Is(err, unix.EIO) || errors.Is(err, unix.EPIPE):
		t.hangUp()
		return nil
	case err != nil:
		return fmt.Errorf("writing to the terminal: %w", err)
	}
	return nil
}
