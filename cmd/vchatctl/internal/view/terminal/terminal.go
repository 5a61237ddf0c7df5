// Package terminal shows frames in a terminal, locally or over ssh. It
// implements view.Display and view.TextDisplay.
//
// Terminals with the kitty graphics protocol show frames. Others show two
// pixels in each cell by the upper half block, in 24-bit color or in the
// nearest of 256 or 16 colors. Where the locale is not UTF-8, a cell is a blank
// with a background, and without colors a character of about the brightness.
//
//	Next ─▶ paint ─▶ Show ─▶ changed cells ─▶ queryStatus ─▶ terminal
//	 ▲                                                         │
//	 └───── reply ◀─── tty's goroutine ◀───────────────────────┘
//	                     └─▶ Input ◀─ goroutine ◀─ SIGWINCH
//
// Next waits for the reply to queryStatus. That bounds the delay: it cannot
// otherwise be known how many bytes wait in an SSH connection or a multiplexer.
//
// Guarantees:
//   - The frame keeps its aspect ratio and follows the terminal's size.
//   - A slow terminal shows fewer and smaller frames, not older ones.
//   - Only changed cells are written.
//   - Close restores the terminal, however the viewer ends.
//
// Goroutines: one reads the terminal, one waits for SIGWINCH. Close waits for
// both. Next, SetOverlay, Aspect, Show and Close are for one goroutine.
package terminal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	detectTimeout    = 500 * time.Millisecond // for the replies to the first queries
	firstTimeout     = time.Second            // for a terminal that has not replied to queryStatus before
	slowReplyTimeout = 20 * time.Second       // for one that has: a frame may take this long over a modem
)

// inputLen is how many keys wait: a terminal without bracketed paste sends a
// pasted message at once.
const inputLen = 1024

// An update that takes longer than slowUpdate shows that the connection is
// slow; a large one that takes less than fastUpdate, that it is not.
const (
	slowUpdate  = time.Second
	fastUpdate  = 200 * time.Millisecond
	largeUpdate = 4096 // bytes
	maxShrink   = 3    // frames of 80 by 50 pixels
)

// Options describe the terminal.
type Options struct {
	Colors Colors // how many it has
	ASCII  bool   // its locale has no other characters
	Remote bool   // over a network: compress frames
	Light  bool   // dark on light, if the terminal does not say so itself

	Multiplexer bool // screen or tmux: they take queryGraphics for a title
}

// Terminal is a terminal that shows frames.
type Terminal struct {
	opt   Options
	tty   *tty
	input chan view.Input
	done  chan struct{} // closed, like input, when the terminal is gone or closed
	wg    sync.WaitGroup
	once  sync.Once // for Close

	repaint  atomic.Bool // the terminal no longer shows what was written
	replyDue atomic.Bool // to queryStatus

	mu     sync.Mutex
	closed bool // input and done are closed

	replies   chan reply
	queriedAt time.Time // when queryStatus was sent; zero: no reply is due
	replied   bool      // it has replied at least once
	silent    bool      // it never replies: do not query it again
	graphics  bool      // use the graphics protocol
	shrink    int       // how often its frames are halved in width and height
	grid      grid
	cells     cells
	kitty     kitty
	overlay   render.Overlay
	pixels    render.Pixels
	buf       bytes.Buffer
}

// Open takes over the terminal out until Close. It reads keys from in if that
// is a terminal, too.
func Open(ctx context.Context, in, out *os.File, opt Options) (*Terminal, error) {
	t := &Terminal{
		opt: opt, input: make(chan view.Input, inputLen), done: make(chan struct{}), replies: make(chan reply, 16),
		kitty: kitty{compress: opt.Remote},
	}
	t.cells.colors, t.cells.ascii, t.cells.light = opt.Colors, opt.ASCII, opt.Light
	var err error
	if t.tty, err = open(ctx, in, out, t.handleToken, t.markGone); err != nil {
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGCONT)
	if canSuspend() { // else the kernel ignores it
		signal.Notify(signals, unix.SIGTSTP)
	}
	t.wg.Go(func() {
		defer signal.Stop(signals)
		for {
			select {
			case s := <-signals:
				t.handleSignal(s)
			case <-t.done:
				return
			}
		}
	})
	t.detect(ctx)
	return t, nil
}

// handleSignal handles a new size, and lets the user suspend the viewer like
// other programs.
func (t *Terminal) handleSignal(s os.Signal) {
	switch s {
	case unix.SIGTSTP:
		t.tty.suspend(func() bool { return !t.replyDue.Load() })
	case unix.SIGCONT:
		t.tty.resume()
	default:
		t.send(view.Input{Resized: true})
		return
	}
	select {
	case t.replies <- replyStatus: // the shell may have got it
	default:
	}
	t.handleToken(token{key: view.Input{Resized: true}})
}

// detect queries whether the terminal supports graphics and, if that matters,
// whether it writes dark on light.
func (t *Terminal) detect(ctx context.Context) {
	if !t.tty.canReply {
		return
	}
	queries := ""
	if !t.opt.Multiplexer {
		queries += queryGraphics
	}
	if t.opt.Colors == NoColors {
		queries += queryBackground
	}
	if t.tty.write([]byte(queries+queryAttributes+clearScreen)) != nil {
		return // the next write returns the error
	}
	timeout := time.After(detectTimeout)
	for {
		select {
		case r := <-t.replies:
			switch r {
			case replyGraphicsOK:
				t.graphics = true
			case replyLight, replyDark:
				t.cells.light = r == replyLight
			case replyAttributes:
				t.replied = true
				return
			}
		case <-timeout:
			return
		case <-ctx.Done():
			return
		case <-t.done:
			return
		}
	}
}

// handleToken passes on input of the terminal. It never blocks: it drops input
// that comes faster than it is read.
func (t *Terminal) handleToken(token token) {
	if token.suspend { // as the terminal does it outside of raw mode
		_ = unix.Kill(0, unix.SIGTSTP)
		return
	}
	if token.reply == noReply {
		if token.key.Resized {
			t.repaint.Store(true)
		}
		t.send(token.key)
		return
	}
	if token.reply == replyStatus {
		t.replyDue.Store(false)
	}
	select {
	case t.replies <- token.reply:
	default:
	}
}

func (t *Terminal) send(in view.Input) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	select {
	case t.input <- in:
	default:
	}
}

// markGone closes input and done.
func (t *Terminal) markGone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.done)
		close(t.input)
	}
}

// Input returns the keys and resizes.
func (t *Terminal) Input() <-chan view.Input { return t.input }

// Err returns nil: only its user closes a terminal.
func (t *Terminal) Err() error { return nil }

// Close restores the terminal. A second call does nothing.
func (t *Terminal) Close() (err error) {
	t.once.Do(func() { err = t.close() })
	return err
}

func (t *Terminal) close() error {
	t.drainReply()
	t.markGone()
	last := ""
	if t.graphics {
		last = deleteGraphics
	}
	err := t.tty.close(last)
	t.wg.Wait()
	return err
}

// drainReply waits for an outstanding reply. The shell would take it for input.
func (t *Terminal) drainReply() {
	timeout := time.After(closeTimeout)
	for !t.queriedAt.IsZero() {
		select {
		case r := <-t.replies:
			t.handleReply(r)
		case <-timeout:
			return
		case <-t.done:
			return
		}
	}
}

func (t *Terminal) handleReply(r reply) {
	switch r {
	case replyStatus:
		if !t.queriedAt.IsZero() {
			t.adapt(time.Since(t.queriedAt))
		}
		t.queriedAt, t.replied, t.silent = time.Time{}, true, false
	case replyGraphicsOK, replyGraphicsFailed:
		// A late reply to queryGraphics, or the terminal rejects a frame.
		t.graphics = r == replyGraphicsOK
		t.cells.shown = t.cells.shown[:0]
	case replyLight, replyDark:
		t.cells.light = r == replyLight
		t.cells.shown = t.cells.shown[:0]
	}
}

// adapt picks what the next updates cost on a terminal that took so long for
// the last one: the size of frames in graphics, or else the colors.
func (t *Terminal) adapt(took time.Duration) {
	slow, fast := took > slowUpdate, took < fastUpdate && t.buf.Len() > largeUpdate
	before := t.cells.colors
	switch {
	case t.graphics && slow:
		t.shrink = min(t.shrink+1, maxShrink)
	case t.graphics && fast:
		t.shrink = max(t.shrink-1, 0)
	case t.graphics, t.opt.Colors != TrueColor:
	case slow:
		t.cells.colors = Palette256 // half of the bytes
	case fast:
		t.cells.colors = TrueColor
	}
	if t.cells.colors != before { // the same color differs a little between both
		t.repaint.Store(true)
	}
}

// Aspect returns the height of a pixel divided by its width.
func (t *Terminal) Aspect() float64 {
	if t.graphics {
		return 1
	}
	return t.grid.cellAspect / 2
}

// Next waits until the terminal has shown the last frame, and returns memory of
// the terminal's size.
func (t *Terminal) Next(ctx context.Context) (render.Pixels, error) {
	if err := t.awaitReply(ctx); err != nil {
		return render.Pixels{}, err
	}
	g, err := t.tty.size()
	if err != nil {
		return render.Pixels{}, fmt.Errorf("read terminal size: %w", err)
	}
	t.buf.Reset()
	if t.repaint.Swap(false) || g != t.grid || len(t.cells.shown) == 0 {
		t.grid = g
		t.cells.resize(g.cols, g.rows)
		t.buf.WriteString(clearScreen)
		t.kitty.invalidate()
	}
	w, h := g.cols, 2*(g.rows-1)
	if t.graphics {
		w, h = graphicsSize(g, maxGraphicsPixels>>(2*t.shrink))
	}
	if n := 4 * w * h; cap(t.pixels.Pix) < n {
		t.pixels.Pix = make([]byte, n)
	}
	t.pixels = render.Pixels{Pix: t.pixels.Pix[:4*w*h], Stride: 4 * w, W: w, H: h, Format: render.RGBX}
	return t.pixels, nil
}

// graphicsSize returns the size in pixels of a frame that fills all rows but
// the last, reduced to a number of pixels.
func graphicsSize(g grid, pixels int) (w, h int) {
	w, h = g.width, g.height*(g.rows-1)/g.rows
	if w == 0 || h == 0 {
		w, h = 8*g.cols, int(8*g.cellAspect)*(g.rows-1)
	}
	if w*h > pixels {
		scale := math.Sqrt(float64(pixels) / float64(w*h))
		w, h = max(1, int(float64(w)*scale)), max(1, int(float64(h)*scale))
	}
	return w, h
}

// awaitReply waits until the terminal has replied to the last queryStatus.
func (t *Terminal) awaitReply(ctx context.Context) error {
	for {
		select { // a late reply, or a rejected frame
		case r := <-t.replies:
			t.handleReply(r)
			continue
		default:
		}
		if t.queriedAt.IsZero() {
			return ctx.Err()
		}
		timeout := firstTimeout
		if t.replied {
			timeout = slowReplyTimeout
		}
		select {
		case r := <-t.replies:
			t.handleReply(r)
		case <-time.After(time.Until(t.queriedAt.Add(timeout))):
			t.queriedAt, t.replied, t.silent = time.Time{}, false, !t.replied
		case <-t.done:
			<-ctx.Done() // Run sees the closed input and cancels ctx
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// SetOverlay sets the texts for the next Show.
func (t *Terminal) SetOverlay(o render.Overlay) { t.overlay = o }

// Show writes what has changed.
func (t *Terminal) Show() error {
	t.cells.reset()
	if !t.graphics {
		t.cells.drawFrame(t.pixels)
	}
	t.cells.drawOverlay(&t.overlay)
	if t.graphics && t.grid.rows > 1 {
		t.kitty.write(&t.buf, t.pixels, t.grid.cols, t.grid.rows-1)
	}
	t.cells.writeChanges(&t.buf)
	if t.buf.Len() == 0 {
		return nil
	}
	if t.tty.canReply && !t.silent {
		t.buf.WriteString(queryStatus)
		t.queriedAt = time.Now()
		t.replyDue.Store(true)
	}
	err := t.tty.write(t.buf.Bytes())
	switch {
	case errors.Is(err, unix.EIO) || errors.Is(err, unix.EPIPE):
		t.markGone()
		return nil
	case err != nil:
		return fmt.Errorf("write to terminal: %w", err)
	}
	return nil
}
