// Package screen shows frames on a monitor without X or Wayland: on a card's own outputs (KMS, by dumb buffers), in
// place of the virtual console that the program was started on, whose keyboard it reads.
//
// It promises that a frame is shown whole (two buffers; a flip at the monitor's refresh), that a switch to another
// console (Ctrl-Alt-F2) is never held up and the frame is there again after the way back, that a monitor may be pulled
// out and another one plugged in, and that the console is given back however the program ends: a guard, a second process,
// outlives it.
//
//	               ┌── no monitor, busy, fault: try again each retryEvery, or when one is plugged in ──┐
//	               ▼                                                                                   │
//	Open ──▶ (waiting) ──openOutput──▶ (shown) ──fault, other monitor──────────────────────────────────┘
//	               ▲                      │
//	               └──acquireSignal── (away) ◀──releaseSignal── from either
//
// Goroutines: watch, which alone opens and closes outputs; keys, which reads the console; for each output one that hears
// of its flips; one that hears of monitors. Close waits for all of them. What is painted on belongs to the painter from Next to
// Show, also when the output goes meanwhile.
//
// The rights that it needs are those of who logs in on the console, and the group video for /dev/dri/card*. No logind is
// asked: the first program that opens a card may show on it, until that closes it, which happens at each switch away.
package screen

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	retryEvery  = 2 * time.Second
	flipTimeout = time.Second // the slowest monitors refresh 24 times in it
)

// Options say where to show.
type Options struct {
	Console string               // /dev/ttyN; "": Stdin, or else the controlling terminal
	Stdin   *os.File             //
	Tell    func(message string) // is told why nothing is shown, once each time; it may be nil, and must not block
}

// Screen is a view.Display.
type Screen struct {
	kernel  kernel
	console console
	tell    func(string)

	stop context.CancelCauseFunc
	done <-chan struct{} // the goroutines have ended, and input is closed

	input   chan view.Input
	changed chan struct{} // of one: for Next to look again
	faulty  chan fault    // of one: for watch

	mu   sync.Mutex
	out  *output // nil: nothing is shown
	lent *output // whose memory the painter has; nil: none
	gone bool
	err  error // why it is gone
}

var _ view.Display = (*Screen)(nil)

type fault struct {
	out *output
	err error
}

// Open takes the console and shows on its monitor, or waits for one. Errors: ErrNoConsole, ErrNoCard, ErrBusy, ErrPermission.
func Open(opt Options) (*Screen, error) {
	c, err := openConsole(opt.Console, opt.Stdin)
	if err != nil {
		return nil, err
	}
	return open(linux{}, c, opt.Tell)
}

// open takes the console over.
func open(k kernel, c console, tell func(string)) (*Screen, error) {
	if tell == nil {
		tell = func(string) {}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	s := &Screen{kernel: k, console: c, tell: tell, stop: stop, done: done,
		input: make(chan view.Input, 32), changed: make(chan struct{}, 1), faulty: make(chan fault, 1)}
	w := watcher{Screen: s}
	if err := w.first(); err != nil {
		stop(nil)
		return nil, errors.Join(err, c.close())
	}
	var both sync.WaitGroup
	both.Go(func() { w.run(ctx) })
	both.Go(func() { stop(s.readKeys()) })
	go func() {
		defer close(done)
		both.Wait()
		s.mu.Lock()
		s.gone = true
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, os.ErrClosed) {
			s.err = cause
		}
		s.mu.Unlock()
		s.wake()
		close(s.input)
	}()
	return s, nil
}

// readKeys hands on what is typed, until the console is closed or gone.
func (s *Screen) readKeys() error {
	var t typed
	buf := make([]byte, 256)
	for {
		n, err := s.console.read(buf)
		if err != nil {
			return ofConsole("reading keys", err)
		}
		t.keys(buf[:n], func(in view.Input) {
			select {
			case s.input <- in:
			default: // who types faster than the viewer hears is not listened to that closely
			}
		})
	}
}

func (s *Screen) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Next implements view.Display. It also waits while there is no monitor.
func (s *Screen) Next(ctx context.Context) (render.Pixels, error) {
	late := time.NewTimer(flipTimeout)
	defer late.Stop()
	for {
		p, o, err := s.tryNext()
		if err != nil || p.Pix != nil {
			return p, err
		}
		var flipped <-chan uint64
		if o != nil {
			flipped = o.done
		}
		select {
		case <-ctx.Done():
			return render.Pixels{}, context.Cause(ctx)
		case <-s.changed:
			late.Reset(flipTimeout)
		case n := <-flipped:
			s.mu.Lock()
			o.settle(n)
			s.mu.Unlock()
		case <-late.C:
			if o != nil {
				s.mu.Lock()
				o.noFlip()
				s.mu.Unlock()
			}
			late.Reset(flipTimeout)
		}
	}
}

// tryNext gives memory, or the output whose flip is to be waited for, if there is an output.
func (s *Screen) tryNext() (render.Pixels, *output, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeBack() // a painter that did not finish
	if s.gone {
		if s.err != nil {
			return render.Pixels{}, nil, s.err
		}
		return render.Pixels{}, nil, os.ErrClosed
	}
	o := s.out
	if o == nil {
		return render.Pixels{}, nil, nil
	}
	select {
	case n := <-o.done:
		o.settle(n)
	default:
	}
	if o.flipping != 0 {
		return render.Pixels{}, o, nil
	}
	s.lent = o
	return o.lend(), o, nil
}

// takeBack ends a loan, with s.mu held.
func (s *Screen) takeBack() {
	if s.lent != nil {
		s.lent.giveBack()
		s.lent = nil
	}
}

// Show implements view.Display. A frame for a monitor that has gone meanwhile is not shown, which is no error.
func (s *Screen) Show() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.lent
	if o == nil || o.closed {
		s.takeBack()
		return nil
	}
	s.lent = nil
	if err := o.show(); err != nil {
		select {
		case s.faulty <- fault{o, err}:
		default: // watch has one to see to; the next frame fails as well
		}
	}
	return nil
}

// Input implements view.Display.
func (s *Screen) Input() <-chan view.Input { return s.input }

// Err implements view.Display.
func (s *Screen) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close implements view.Display. Nobody paints any more.
func (s *Screen) Close() error {
	s.stop(nil)
	<-s.done
	s.mu.Lock()
	s.takeBack()
	s.mu.Unlock()
	err := s.console.close()
	if errors.Is(err, unix.EIO) { // hung up: there is nobody to give it back to
		err = nil
	}
	return err
}
