// Package window shows frames in a window of the X Window System: it is the view.Display of a desktop. A Wayland
// desktop has such windows too, by Xwayland.
//
// It promises that frames are painted straight into memory that the X server reads (MIT-SHM), two frames in turn; that
// memory which the server may still read is not given to be painted on; and that nothing is painted while nobody sees the
// window. Where the server cannot read our memory (it is on another machine, or in another container) frames go to it
// by PutImage, one at a time. Shared memory is marked to be destroyed as soon as it is mapped, so that nothing of it is
// left whatever ends the program.
//
//	Run's goroutine:   Next ──▶ paint ──▶ Show ──▶ requests ─▶ X server
//	                    ▲                                          │
//	                    └── poke ◀── listen's goroutine ◀── events ┘
//	                                    └──▶ Input
//
// A buffer is free ──Next, Show──▶ busy ──the server's completion event──▶ free.
//
// Listen's goroutine ends with the connection, and Close waits for it; the connection's own goroutines are xgb's, which end
// with it, too.
package window

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/render"
)

// Errors that tell why there is no window.
var (
	ErrNoDisplay = errors.New("no X display")                                // there is no server, or it does not let us in
	ErrNoVisual  = errors.New("the X display has no colours that are known") // see format
	ErrGone      = errors.New("the X display is gone")                       // the server ended, or ended our connection
)

// closeTimeout bounds the goodbye to a server that answers no more.
const closeTimeout = time.Second

// Options is how a window begins.
type Options struct {
	Title         string
	Width, Height int    // of the frame; 0: 1280×720. It is made smaller to fit the screen
	Display       string // "": $DISPLAY

	plain bool // no shared memory
}

// Window is a view.Display and a view.Fullscreener.
type Window struct {
	conn   *xgb.Conn
	socket net.Conn
	setup  *xproto.SetupInfo
	screen *xproto.ScreenInfo
	visual visual
	id     xproto.Window
	gc     xproto.Gcontext
	atoms  atoms
	input  chan view.Input
	poke   chan struct{} // Next is to look again
	done   chan struct{} // nothing comes from the server any more
	stop   func() bool
	once   sync.Once

	// Run's goroutine's.
	painted  render.Pixels
	painting *buffer
	nowhere  xproto.Cursor // over what is as large as the screen
	restore  *geometry     // what the window was before it was made as large as the screen by ourselves

	keys keymap // listen's goroutine's

	mu      sync.Mutex
	width   int
	height  int
	mapped  bool
	covered bool
	closing bool
	plain   bool // no shared memory from now on
	buffers [2]buffer
}

// Open opens a window, which ends with ctx at the latest. The errors wrap ErrNoDisplay or ErrNoVisual, or are ctx's. It is for
// one window at a time: xgb learns a server's extensions in tables that all connections read.
func Open(ctx context.Context, o Options) (*Window, error) {
	conn, socket, err := connect(ctx, o.Display)
	if err != nil {
		return nil, err
	}
	w := &Window{
		conn: conn, socket: socket,
		input: make(chan view.Input, 64),
		poke:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		plain: o.plain,
	}
	// What waits for a server that is stuck ends with ctx too.
	w.stop = context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Now().Add(closeTimeout)) })
	err = w.open(o)
	go w.listen()
	if err != nil {
		w.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return w, nil
}

func (w *Window) open(o Options) error {
	w.setup = xproto.Setup(w.conn)
	if w.conn.DefaultScreen >= len(w.setup.Roots) {
		return fmt.Errorf("%w: there is no screen %d", ErrNoDisplay, w.conn.DefaultScreen)
	}
	w.screen = &w.setup.Roots[w.conn.DefaultScreen]
	var err error
	if w.visual, err = findVisual(w.setup, w.screen); err != nil {
		return err
	}
	if err := w.atoms.intern(w.conn); err != nil {
		return w.refused("intern atoms", err)
	}
	if err := w.keys.load(w.conn, w.setup); err != nil {
		return w.refused("ask for the keyboard", err)
	}
	w.width, w.height = fit(o.Width, o.Height, int(w.screen.WidthInPixels), int(w.screen.HeightInPixels))
	if err := w.create(); err != nil {
		return w.refused("make a window", err)
	}
	if !w.plain {
		w.plain = !w.sharesMemory()
	}
	w.describe(o.Title)
	w.stayAwake()
	if err := xproto.MapWindowChecked(w.conn, w.id).Check(); err != nil {
		return w.refused("show a window", err)
	}
	return nil
}

// refused is the error of a request that opens a window.
func (w *Window) refused(what string, err error) error {
	return fmt.Errorf("%w: cannot %s: %w", ErrNoDisplay, what, err)
}

// fit gives the size of a window for a frame: that of the frame, or less, where the screen is not much larger.
func fit(width, height, screenW, screenH int) (int, int) {
	if width <= 0 || height <= 0 {
		width, height = 1280, 720
	}
	scale := min(1, 0.9*float64(screenW)/float64(width), 0.9*float64(screenH)/float64(height))
	return max(1, int(math.Round(float64(width)*scale))), max(1, int(math.Round(float64(height)*scale)))
}

func (w *Window) create() error {
	colormap := w.screen.DefaultColormap
	var err error
	if w.visual.id != w.screen.RootVisual {
		if colormap, err = xproto.NewColormapId(w.conn); err != nil {
			return err
		}
		xproto.CreateColormap(w.conn, xproto.ColormapAllocNone, colormap, w.screen.Root, w.visual.id)
	}
	if w.id, err = xproto.NewWindowId(w.conn); err != nil {
		return err
	}
	// By the bit gravity the old frame stays until there is a new one. What it does not cover is black: with no background
	// at all it would be what the window manager's frame is.
	err = xproto.CreateWindowChecked(w.conn, w.visual.depth, w.id, w.screen.Root, 0, 0, uint16(w.width), uint16(w.height), 0,
		xproto.WindowClassInputOutput, w.visual.id,
		xproto.CwBackPixel|xproto.CwBorderPixel|xproto.CwBitGravity|xproto.CwEventMask|xproto.CwColormap,
		[]uint32{0, 0, xproto.GravityNorthWest,
			xproto.EventMaskKeyPress | xproto.EventMaskExposure | xproto.EventMaskStructureNotify | xproto.EventMaskVisibilityChange,
			uint32(colormap)}).Check()
	if err != nil {
		return err
	}
	if w.nowhere, err = w.noCursor(); err != nil {
		return err
	}
	if w.gc, err = xproto.NewGcontextId(w.conn); err != nil {
		return err
	}
	return xproto.CreateGCChecked(w.conn, w.gc, xproto.Drawable(w.id), xproto.GcGraphicsExposures, []uint32{0}).Check()
}

// Next gives memory to paint on. It is not to be touched after Close.
func (w *Window) Next(ctx context.Context) (render.Pixels, error) {
	for {
		if w.isDone() {
			return render.Pixels{}, ErrGone
		}
		if b, width, height := w.free(); b != nil {
			return w.give(b, width, height), nil
		}
		select {
		case <-w.poke:
		case <-w.done:
		case <-ctx.Done():
			return render.Pixels{}, context.Cause(ctx)
		}
	}
}

// free finds a buffer that the server does not read, if somebody can see the window.
func (w *Window) free() (b *buffer, width, height int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mapped || w.covered {
		return nil, 0, 0
	}
	for i := range w.inTurn() {
		if !w.buffers[i].busy {
			return &w.buffers[i], w.width, w.height
		}
	}
	return nil, 0, 0
}

// inTurn is how many frames are on the way at once: by PutImage each of them is copied, and they would only wait there.
func (w *Window) inTurn() int {
	if w.plain {
		return 1
	}
	return len(w.buffers)
}

func (w *Window) give(b *buffer, width, height int) render.Pixels {
	stride := w.visual.stride(width)
	w.grow(b, stride*height)
	w.painting = b
	w.painted = render.Pixels{Pix: b.pixels()[:stride*height], Stride: stride, W: width, H: height, Format: w.visual.format}
	return w.painted
}

// Show sends what was painted, or where it is, to the server.
func (w *Window) Show() error {
	b := w.painting
	if b == nil {
		return errors.New("show: nothing was painted")
	}
	w.painting = nil
	if w.isDone() {
		return ErrGone
	}
	if b.shared() {
		w.putShared(b)
	} else if err := w.putPlain(b); err != nil {
		return err
	}
	if w.isDone() { // requests that are not sent say nothing
		return ErrGone
	}
	return nil
}

// Input gives what the user does.
func (w *Window) Input() <-chan view.Input { return w.input }

// Err is ErrGone once the server or the connection to it is gone.
func (w *Window) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isDone() && !w.closing {
		return ErrGone
	}
	return nil
}

// Close takes the window away, and the memory that Next gave.
func (w *Window) Close() error {
	w.once.Do(func() {
		w.mu.Lock()
		w.closing = !w.isDone()
		w.mu.Unlock()
		w.stop()
		_ = w.socket.SetDeadline(time.Now().Add(closeTimeout))
		w.conn.Close()
		<-w.done
		for i := range w.buffers {
			w.buffers[i].release()
		}
	})
	return nil
}

func (w *Window) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

var (
	_ view.Display      = (*Window)(nil)
	_ view.Fullscreener = (*Window)(nil)
)
