// Package window shows frames in a window of the X Window System. It implements
// view.Display for desktops, including Wayland desktops with Xwayland.
//
// Guarantees:
//
//   - Frames are painted into memory that the X server reads (MIT-SHM), in two
//     buffers. A buffer that the server may still read is not painted on.
//
//   - A server that cannot read this memory, because it runs on another machine
//     or in another container, gets frames with PutImage, one at a time.
//
//   - Nothing is painted while the window is not visible.
//
//   - No shared memory is left behind, even after SIGKILL.
//
//   - A server that has stopped does not block Close for more than a second.
//
//     view.Run:   Next ──▶ paint ──▶ Show ──▶ requests ──▶ X server
//     ▲                                           │
//     └──── activity ◀──── listen ◀──── events ◀──┘
//     └──▶ Input
//
// A buffer is free ──Next, Show──▶ busy ──completion event──▶ free.
//
// A finger on a touch screen is a pointer: the X server reports it as one to a
// program that does not ask for touches, so this needs no XInput 2. Second
// fingers mean nothing here.
//
// Goroutines: listen handles the server's events, and showPointer hides a
// pointer that rests. Both end with the connection; Close waits for them. The
// goroutines of xgb end with the connection too.
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

// Errors, for errors.Is.
var (
	ErrNoDisplay = errors.New("no X display")         // no server, or it refused the connection
	ErrNoVisual  = errors.New("unsupported X visual") // see findVisual
	ErrGone      = errors.New("lost the X display")   // the server closed the connection
)

// closeTimeout bounds writes to a server that has stopped.
const closeTimeout = time.Second

// Options configure a window.
type Options struct {
	Title         string
	Width, Height int    // of the frames in pixels; 0: 1280×720. Open shrinks it to fit the screen
	Display       string // "": $DISPLAY

	noShm bool // use PutImage
}

// Window implements view.Display, view.Fullscreener and view.StateDisplay.
type Window struct {
	conn     *xgb.Conn
	socket   net.Conn
	setup    *xproto.SetupInfo
	screen   *xproto.ScreenInfo
	visual   visual
	id       xproto.Window
	gc       xproto.Gcontext
	atoms    atoms
	input    chan view.Input
	activity chan struct{} // wakes Next; capacity 1
	done     chan struct{} // closed when the connection has ended
	stop     func() bool
	once     sync.Once

	// Owned by the goroutine of view.Run.
	painted     render.Pixels
	painting    *buffer       // the buffer that Next returned; nil after Show
	blankCursor xproto.Cursor // hides the pointer
	windowed    *geometry     // before full screen, if this package set it

	state       view.DisplayState // owned by the caller of SetState
	screenSaver bool              // the server can suspend it

	keys    keymap            // owned by listen
	clicks  view.ClickCounter // likewise
	pointed chan struct{}     // wakes showPointer; capacity 1
	hiding  sync.WaitGroup    // showPointer

	mu       sync.Mutex
	width    int
	height   int
	mapped   bool // on the screen, not minimized
	obscured bool // fully covered by other windows
	closing  bool // by Close, not by the server
	noShm    bool // use PutImage from now on
	buffers  [2]buffer
}

// Open opens a window. The end of ctx ends it. The errors wrap ErrNoDisplay or
// ErrNoVisual, or are the cause of ctx. A process can have one window at a
// time: xgb keeps the extensions of a server in global tables.
func Open(ctx context.Context, o Options) (*Window, error) {
	conn, socket, err := connect(ctx, o.Display)
	if err != nil {
		return nil, err
	}
	w := &Window{
		conn: conn, socket: socket,
		input:    make(chan view.Input, 64),
		activity: make(chan struct{}, 1),
		pointed:  make(chan struct{}, 1),
		done:     make(chan struct{}),
		noShm:    o.noShm,
	}
	// ctx also ends writes to a server that has stopped.
	w.stop = context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Now().Add(closeTimeout)) })
	err = w.open(o)
	go w.listen()
	w.hiding.Go(w.showPointer)
	if err != nil {
		w.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return w, nil
}

func (w *Window) open(o Options) (err error) {
	defer recoverProtocol(&err)
	w.setup = xproto.Setup(w.conn)
	if w.conn.DefaultScreen >= len(w.setup.Roots) {
		return fmt.Errorf("%w: no screen %d", ErrNoDisplay, w.conn.DefaultScreen)
	}
	w.screen = &w.setup.Roots[w.conn.DefaultScreen]
	if w.visual, err = findVisual(w.setup, w.screen); err != nil {
		return err
	}
	if err := w.atoms.intern(w.conn); err != nil {
		return w.openError("intern atoms", err)
	}
	if err := w.keys.load(w.conn, w.setup); err != nil {
		return w.openError("read the keyboard mapping", err)
	}
	w.width, w.height = fit(o.Width, o.Height, int(w.screen.WidthInPixels), int(w.screen.HeightInPixels))
	if err := w.create(); err != nil {
		return w.openError("create window", err)
	}
	if !w.noShm {
		w.noShm = !w.canShareMemory()
	}
	w.screenSaver = w.canSuspendScreenSaver()
	w.state.Title = o.Title
	w.setProperties(o.Title)
	if err := xproto.MapWindowChecked(w.conn, w.id).Check(); err != nil {
		return w.openError("map window", err)
	}
	return nil
}

// openError wraps the error of a request in Open.
func (w *Window) openError(request string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrNoDisplay, request, err)
}

// fit returns the size of a window for a frame: the frame's, but at most 90 %
// of the screen.
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
	// NorthWest bit gravity keeps the old frame on a resize until the next
	// frame. The back pixel makes new areas black; without one, they would show
	// what is below the window.
	err = xproto.CreateWindowChecked(w.conn, w.visual.depth, w.id, w.screen.Root,
		0, 0, uint16(w.width), uint16(w.height), 0,
		xproto.WindowClassInputOutput, w.visual.id,
		xproto.CwBackPixel|xproto.CwBorderPixel|xproto.CwBitGravity|xproto.CwEventMask|xproto.CwColormap,
		[]uint32{0, 0, xproto.GravityNorthWest,
			xproto.EventMaskKeyPress | xproto.EventMaskExposure |
				xproto.EventMaskButtonPress | xproto.EventMaskButtonRelease |
				xproto.EventMaskPointerMotion | xproto.EventMaskLeaveWindow |
				xproto.EventMaskStructureNotify | xproto.EventMaskVisibilityChange,
			uint32(colormap)}).Check()
	if err != nil {
		return err
	}
	if w.blankCursor, err = w.newBlankCursor(); err != nil {
		return err
	}
	if w.gc, err = xproto.NewGcontextId(w.conn); err != nil {
		return err
	}
	return xproto.CreateGCChecked(w.conn, w.gc, xproto.Drawable(w.id), xproto.GcGraphicsExposures, []uint32{0}).Check()
}

// Next implements view.Display. Its memory is invalid after Close.
func (w *Window) Next(ctx context.Context) (render.Pixels, error) {
	for {
		if w.isGone() {
			return render.Pixels{}, ErrGone
		}
		if b, width, height := w.freeBuffer(); b != nil {
			return w.prepare(b, width, height), nil
		}
		select {
		case <-w.activity:
		case <-w.done:
		case <-ctx.Done():
			return render.Pixels{}, context.Cause(ctx)
		}
	}
}

// freeBuffer returns a buffer that the server does not read, or nil. It returns
// nil if the window is not visible.
func (w *Window) freeBuffer() (b *buffer, width, height int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mapped || w.obscured {
		return nil, 0, 0
	}
	for i := range w.maxBuffers() {
		if !w.buffers[i].busy {
			return &w.buffers[i], w.width, w.height
		}
	}
	return nil, 0, 0
}

// maxBuffers returns how many frames may be under way at once. With PutImage it
// is one: the server copies frames, so a second one would only wait.
func (w *Window) maxBuffers() int {
	if w.noShm {
		return 1
	}
	return len(w.buffers)
}

func (w *Window) prepare(b *buffer, width, height int) render.Pixels {
	stride := w.visual.stride(width)
	w.allocate(b, stride*height)
	w.painting = b
	w.painted = render.Pixels{
		Pix: b.pixels()[:stride*height], Stride: stride,
		W: width, H: height,
		Format: w.visual.format,
	}
	return w.painted
}

// Show implements view.Display. It sends the pixels, or the id of their
// segment, to the server.
func (w *Window) Show() error {
	b := w.painting
	if b == nil {
		return errors.New("show: no frame painted")
	}
	w.painting = nil
	if w.isGone() {
		return ErrGone
	}
	if b.shared() {
		w.putSegment(b)
	} else if err := w.putImage(b); err != nil {
		return err
	}
	if w.isGone() { // xgb drops requests without an error then
		return ErrGone
	}
	return nil
}

// Input implements view.Display.
func (w *Window) Input() <-chan view.Input { return w.input }

// Err implements view.Display. It returns ErrGone if the server has closed the
// connection.
func (w *Window) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isGone() && !w.closing {
		return ErrGone
	}
	return nil
}

// Close implements view.Display. It frees the memory that Next returned.
func (w *Window) Close() error {
	w.once.Do(func() {
		w.mu.Lock()
		w.closing = !w.isGone()
		w.mu.Unlock()
		w.stop()
		_ = w.socket.SetDeadline(time.Now().Add(closeTimeout))
		w.conn.Close()
		<-w.done
		w.hiding.Wait()
		for i := range w.buffers {
			w.buffers[i].release()
		}
	})
	return nil
}

func (w *Window) isGone() bool {
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
	_ view.StateDisplay = (*Window)(nil)
)
