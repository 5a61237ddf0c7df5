// Package terminal views a feed in a terminal: two pixels in each cell, by the upper half block.
//
// It promises that the picture keeps its shape and follows the size of the terminal, that a slow terminal shows fewer
// pictures and not older ones, and that the terminal is left as it was found, however the viewer ends.
//
//	feed ─▶ view.Newest ─┐
//	keys (a goroutine) ──┼─▶ Show: decode ─▶ scale ─▶ paint ─▶ ask "are you there?" ─▶ wait for the terminal's answer
//	SIGWINCH, a clock ───┘
//
// The answer is what bounds the delay: bytes that lie in an SSH connection or a multiplexer are not seen otherwise.
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
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
)

// ErrInterrupted is returned by Show when Ctrl-C was pressed.
var ErrInterrupted = view.ErrInterrupted

const (
	answerTimeout = time.Second // for the terminal to say that it has shown a picture, before it is taken for dumb
	statusEvery   = time.Second
)

// Options say how to show.
type Options struct {
	Title     string // in the status line
	TrueColor bool   // else 256 colours
}

// Show shows the feed until it ends or q is pressed, both of which give nil, or ctx ends, whose cause it gives. Keys are
// read from in, if that is a terminal; out is one.
func Show(ctx context.Context, in, out *os.File, n *view.Newest, opt Options) (err error) {
	s, err := open(ctx, in, out)
	if err != nil {
		return fmt.Errorf("preparing the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()

	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	clock := time.NewTicker(statusEvery)
	defer clock.Stop()

	v := viewer{screen: s, newest: n, opt: opt, rate: rate{at: time.Now()}}
	if err := v.resize(); err != nil {
		return err
	}
	defer v.hearOut()
	return v.run(ctx, resized, clock.C)
}

// hearOut waits for an answer that is still to come: after the viewer it would be typed into the shell.
func (v *viewer) hearOut() {
	late := time.After(leaveTimeout)
	for !v.asked.IsZero() {
		select {
		case k := <-v.screen.keys:
			if k == keyAnswer {
				return
			}
		case <-late:
			return
		}
	}
}

// viewer is what Show knows between two events.
type viewer struct {
	screen *screen
	newest *view.Newest
	opt    Options

	grid   grid
	canvas canvas
	buf    bytes.Buffer

	last  *view.Picture // its Data may be gone already
	image image.Image   // last as it is painted; nil before the first
	note  string        // instead of figures: what is wrong
	rate  rate

	asked time.Time // zero: the terminal has answered, or need not
	mute  bool      // it never answers
}

// run shows until something ends it.
func (v *viewer) run(ctx context.Context, resized <-chan os.Signal, clock <-chan time.Time) error {
	for {
		ready := v.newest.Ready()
		if !v.asked.IsZero() {
			ready = nil // pictures that come meanwhile replace each other
		}
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case k := <-v.screen.keys:
			switch k {
			case keyQuit:
				return nil
			case keyInterrupt:
				return ErrInterrupted
			case keyAnswer:
				v.asked = time.Time{}
			}
		case <-resized:
			err = v.resize()
		case now := <-clock:
			err = v.tick(now)
		case <-ready:
			err = v.show()
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil: // a write that was in the way
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}

func (v *viewer) resize() error {
	g, err := v.screen.size()
	if err != nil {
		return fmt.Errorf("asking for the terminal's size: %w", err)
	}
	v.grid = g
	v.buf.Reset()
	v.buf.WriteString(clearScreen)
	v.paint()
	return v.flush()
}

func (v *viewer) tick(now time.Time) error {
	received, _ := v.newest.Counts()
	v.rate.count(now, received)
	if !v.asked.IsZero() && now.Sub(v.asked) > answerTimeout {
		// Either it is slow beyond use, or it does not know the question; in both cases the kernel's buffer has to do.
		v.mute, v.asked = true, time.Time{}
	}
	v.buf.Reset()
	v.paintStatus()
	return v.flush()
}

// show paints the newest picture.
func (v *viewer) show() error {
	p, err := v.newest.Take()
	if err != nil || p == nil {
		return err
	}
	v.last, v.note = p, ""
	if img, err := jpeg.Decode(bytes.NewReader(p.Data)); err != nil {
		v.note = "broken picture: " + err.Error()
	} else {
		v.image = img
	}
	v.buf.Reset()
	v.paint()
	if !v.mute && v.screen.canAnswer {
		v.buf.WriteString(areYouThere)
		v.asked = time.Now()
	}
	return v.flush()
}

func (v *viewer) paint() {
	if v.image != nil {
		v.canvas.scale(v.image, v.grid)
		v.canvas.paint(&v.buf, v.opt.TrueColor)
	}
	v.paintStatus()
}

func (v *viewer) paintStatus() {
	line := statusLine{title: v.opt.Title, note: v.note}
	switch {
	case v.last == nil:
		line.note = "waiting for a picture"
	case v.note == "" && v.image != nil:
		line.fps, line.age, line.size, line.card = v.rate.fps, v.last.Age(), v.image.Bounds().Size(), v.last.Card
	}
	line.paint(&v.buf, v.grid)
}

// flush writes what was painted in one piece, which a terminal that knows of it shows in one piece too.
func (v *viewer) flush() error {
	if err := v.screen.write(v.buf.Bytes()); err != nil {
		if errors.Is(err, unix.EIO) || errors.Is(err, unix.EPIPE) {
			return io.EOF // the terminal was closed
		}
		return fmt.Errorf("writing to the terminal: %w", err)
	}
	return nil
}

// rate measures pictures a second.
type rate struct {
	at  time.Time
	n   uint64
	fps float64
}

func (r *rate) count(now time.Time, n uint64) {
	if d := now.Sub(r.at).Seconds(); d > 0 {
		r.fps = float64(n-r.n) / d
		r.at, r.n = now, n
	}
}
