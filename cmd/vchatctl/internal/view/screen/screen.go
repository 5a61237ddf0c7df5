// Package screen shows frames on a monitor without X or Wayland. It implements
// view.Display with the outputs of a graphics card (KMS, dumb buffers), in
// place of the virtual console on which the program runs, and reads its
// keyboard.
//
// Guarantees:
//   - Frames do not tear: there are two buffers and a flip at the refresh.
//   - A switch to another console (Ctrl-Alt-F2) is never delayed; the frame is
//     back after the return.
//   - Monitors, mice and touch screens can be unplugged and plugged in at any
//     time. No input device can delay the rest.
//   - The console is restored after any end of the program: a second process,
//     the guard, outlives it.
//   - Memory from Next belongs to the painter until Show, even if the output is
//     closed meanwhile.
//
// States:
//
//	               ┌── no monitor, busy, fault: retry each retryInterval or on hotplug ──┐
//	               ▼                                                                     │
//	Open ──▶ (waiting) ──openOutput──▶ (shown) ──fault, other monitor────────────────────┘
//	               ▲                      │
//	               └──acquireSignal── (away) ◀──releaseSignal── from either
//
// With Options.Idle, (shown) has a twin in which the monitor is off: (dark). A
// key, a touch or a call ends it.
//
// Goroutines: the watcher, which alone opens and closes outputs and input
// devices; readKeys, which reads the console; readEvents, one per output;
// readPointer, one per mouse or touch screen; and the reader of uevents. Close
// waits for all of them.
//
// Rights: those of a login on the console, the group video for /dev/dri/card*,
// and for mice and touch screens the group input. It does not use logind: the
// first process to open a card is its master, and this package closes the card
// and the input devices on each switch to another console.
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
	retryInterval = 2 * time.Second
	flipTimeout   = time.Second // 24 refreshes of the slowest monitors
)

// Options configure a screen.
type Options struct {
	Console string // /dev/ttyN; "": the console on Stdin, else the controlling terminal
	Stdin   *os.File

	// Idle is how long the monitor stays on while view.DisplayState is not Busy
	// and without a key or a touch. 0: always.
	Idle time.Duration

	// Log receives the reason why nothing is shown, once per change. It may be
	// nil, and must not block.
	Log func(message string)
}

// Screen implements view.Display and view.StateDisplay.
type Screen struct {
	kernel  kernel
	console console
	log     func(string)

	stop context.CancelCauseFunc
	done <-chan struct{} // closed after the goroutines have ended and input is closed

	input    chan view.Input
	activity chan struct{} // wakes Next; capacity 1
	faults   chan fault    // for the watcher; capacity 1

	cursorMoved chan struct{}          // for the watcher; capacity 1
	used        chan struct{}          // the screen is used; for the watcher; capacity 1
	states      chan view.DisplayState // for the watcher
	idle        time.Duration

	mu       sync.Mutex
	out      *output // nil: nothing is shown
	painting *output // the output whose buffer the painter has, or nil
	cursor   cursor
	dark     bool // the monitor of out is off
	ended    bool
	err      error // why it ended; nil after Close
}

var (
	_ view.Display      = (*Screen)(nil)
	_ view.StateDisplay = (*Screen)(nil)
)

// fault is an error of an output, for the watcher.
type fault struct {
	out *output
	err error
}

// Open takes over the console and its monitor. Without a monitor it waits for
// one. The errors wrap ErrNoConsole, ErrNoCard, ErrBusy or ErrPermission.
func Open(opt Options) (*Screen, error) {
	c, err := openConsole(opt.Console, opt.Stdin)
	if err != nil {
		return nil, err
	}
	return open(linux{}, c, opt.Idle, opt.Log)
}

// open takes ownership of c.
func open(k kernel, c console, idle time.Duration, log func(string)) (*Screen, error) {
	if log == nil {
		log = func(string) {}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	s := &Screen{kernel: k, console: c, log: log, stop: stop, done: done,
		input: make(chan view.Input, 32), activity: make(chan struct{}, 1), faults: make(chan fault, 1),
		cursorMoved: make(chan struct{}, 1), used: make(chan struct{}, 1), states: make(chan view.DisplayState),
		idle: idle}
	w := newWatcher(s)
	if err := w.start(); err != nil {
		stop(nil)
		return nil, errors.Join(err, c.close())
	}
	var group sync.WaitGroup
	group.Go(func() { w.run(ctx) })
	group.Go(func() { stop(s.readKeys()) })
	go func() {
		defer close(done)
		group.Wait()
		s.mu.Lock()
		s.ended = true
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, os.ErrClosed) {
			s.err = cause
		}
		s.mu.Unlock()
		s.notify()
		close(s.input)
	}()
	return s, nil
}

// readKeys sends keys to the viewer until the console is closed or hung up. If
// the viewer is too slow, it drops keys.
func (s *Screen) readKeys() error {
	var d keyDecoder
	buf := make([]byte, 256)
	for {
		n, err := s.console.read(buf)
		if err != nil {
			return consoleError("read keys", err)
		}
		s.mu.Lock()
		wasDark := s.wakeMonitor()
		s.mu.Unlock()
		d.decode(buf[:n], func(in view.Input) {
			if wasDark && in.Key != view.KeyInterrupt {
				return // a key in the dark only wakes
			}
			select {
			case s.input <- in:
			default:
			}
		})
	}
}

func (s *Screen) notify() { wake(s.activity) }

// wake wakes the reader of a channel of capacity 1.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Next implements view.Display. It waits while there is no monitor and while
// the console is away.
func (s *Screen) Next(ctx context.Context) (render.Pixels, error) {
	timeout := time.NewTimer(flipTimeout)
	defer timeout.Stop()
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
		case <-s.activity:
			timeout.Reset(flipTimeout)
		case n := <-flipped:
			s.mu.Lock()
			o.flipDone(n)
			s.mu.Unlock()
		case <-timeout.C:
			if o != nil {
				s.mu.Lock()
				o.disableFlips()
				s.mu.Unlock()
			}
			timeout.Reset(flipTimeout)
		}
	}
}

// tryNext returns memory to paint on, or the output whose flip is pending, or
// neither if there is no output.
func (s *Screen) tryNext() (render.Pixels, *output, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releasePainting() // if the painter did not call Show
	if s.ended {
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
		o.flipDone(n)
	default:
	}
	if o.flipping != 0 {
		return render.Pixels{}, o, nil
	}
	s.painting = o
	return o.nextBuffer(), o, nil
}

// releasePainting takes the buffer back from the painter. It needs s.mu.
func (s *Screen) releasePainting() {
	if s.painting != nil {
		s.painting.releaseBuffer()
		s.painting = nil
	}
}

// Show implements view.Display. It drops a frame for an output that has been
// closed meanwhile, and returns nil.
func (s *Screen) Show() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.painting
	if o == nil || o.closed {
		s.releasePainting()
		return nil
	}
	s.painting = nil
	if s.dark {
		o.releaseBuffer()
		return nil
	}
	o.drawCursor(&s.cursor)
	if err := o.show(); err != nil {
		select {
		case s.faults <- fault{o, err}:
		default: // the watcher has a fault pending; the next frame fails too
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

// Close implements view.Display. No painter may be running.
func (s *Screen) Close() error {
	s.stop(nil)
	<-s.done
	s.mu.Lock()
	s.releasePainting()
	s.mu.Unlock()
	err := s.console.close()
	if errors.Is(err, unix.EIO) { // hung up: there is no session to restore it for
		err = nil
	}
	return err
}
