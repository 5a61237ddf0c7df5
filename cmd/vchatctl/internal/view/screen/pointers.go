package screen

import (
	"errors"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

const (
	maxPointers = 16 // devices that are read

	// readPause is the time between two reads of a device. One that floods
	// overflows its buffer in the kernel, and costs no more than its reads.
	readPause = 2 * time.Millisecond

	// scanDelay is how long udev needs to set the group of a new device. While
	// permission is denied, the delay doubles, as a slow machine needs longer.
	scanDelay    = time.Second
	maxScanDelay = 16 * scanDelay

	padSpeed = 1.2 // widths of the monitor for one width of a touchpad
)

// errNoInput says why mouse and touch screen do nothing.
var errNoInput = errors.New("no mouse and no touch screen: permission denied; the group input has it " +
	"(sudo usermod -aG input $USER, then log in again)")

// pointers are the open mice and touch screens. The watcher's goroutine owns
// its fields.
//
//	/dev/input/event* ─▶ read (a goroutine each) ─▶ decoder ─▶ cursor ─▶ Input
type pointers struct {
	screen  *Screen
	devices map[string]*pointerDevice
	ended   chan struct{} // a device is gone; capacity 1
	warned  bool          // errNoInput was logged
}

// pointerDevice is a device and the goroutine that reads it.
type pointerDevice struct {
	inputDevice
	done chan struct{}
}

// isGone reports whether the goroutine has ended.
func (d *pointerDevice) isGone() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// scan opens the devices that are new, and closes those that are gone. It
// reports whether permission was denied for one.
func (p *pointers) scan() (denied bool) {
	for path, d := range p.devices {
		if d.isGone() {
			_ = d.close()
			delete(p.devices, path)
		}
	}
	paths, err := p.screen.kernel.inputs()
	if err != nil {
		return false // /dev/input does not exist
	}
	for _, path := range paths {
		if p.devices[path] != nil || len(p.devices) >= maxPointers {
			continue
		}
		d, err := p.screen.kernel.openInput(path)
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EPERM):
			denied = true
			continue
		case err != nil:
			continue // it is gone again
		}
		decoder, panel := newDecoder(d)
		if decoder == nil {
			_ = d.close()
			continue
		}
		reader := &pointerDevice{d, make(chan struct{})}
		p.devices[path] = reader
		go func() {
			defer wake(p.ended)
			defer close(reader.done)
			p.screen.readPointer(d, decoder, panel)
		}()
	}
	return denied
}

// reportDenied logs once that permission is denied, unless another device
// works.
func (p *pointers) reportDenied() {
	if len(p.devices) == 0 && !p.warned {
		p.warned = true
		p.screen.log(errNoInput.Error())
	}
}

// close closes all devices and waits for their goroutines.
func (p *pointers) close() {
	for path, d := range p.devices {
		_ = d.close()
		<-d.done
		delete(p.devices, path)
	}
}

// newDecoder returns a decoder for a device, or nil if it is no pointer, and
// what its places mean on the monitor.
func newDecoder(d inputDevice) (*pointerDecoder, calibration) {
	c, err := d.capabilities()
	if err != nil {
		return nil, noCalibration
	}
	kind := c.kind()
	if kind == notPointer {
		return nil, noCalibration
	}
	decoder := newPointerDecoder(kind, kind != mouse && kind != tablet && c.isMultitouch())
	if kind == mouse {
		return decoder, noCalibration
	}
	x, y := uint16(uapi.AbsX), uint16(uapi.AbsY)
	if decoder.multi {
		x, y = uapi.AbsMTPositionX, uapi.AbsMTPositionY
	}
	if decoder.x, err = d.axis(x); err != nil {
		return nil, noCalibration
	}
	if decoder.y, err = d.axis(y); err != nil {
		return nil, noCalibration
	}
	syncDecoder(d, decoder)
	if kind == touchpad {
		return decoder, noCalibration
	}
	return decoder, d.calibration()
}

// syncDecoder reads the state of a device. The kernel sends only what changes.
func syncDecoder(d inputDevice, decoder *pointerDecoder) {
	var places [maxSlots]point
	if !decoder.multi {
		x, errX := d.axis(uapi.AbsX)
		y, errY := d.axis(uapi.AbsY)
		if errX == nil && errY == nil {
			places[0] = point{x.Value, y.Value}
			decoder.sync(0, nil, places[:])
		}
		return
	}
	var xs, ys, ids [maxSlots]int32
	for i := range ids {
		ids[i] = -1
	}
	slot, err := d.axis(uapi.AbsMTSlot)
	if err != nil || d.slots(uapi.AbsMTPositionX, xs[:]) != nil || d.slots(uapi.AbsMTPositionY, ys[:]) != nil ||
		d.slots(uapi.AbsMTTrackingID, ids[:]) != nil {
		return
	}
	for i := range places {
		places[i] = point{xs[i], ys[i]}
	}
	count := max(0, min(maxSlots, int(slot.Max)+1)) // the kernel fills in no more
	decoder.sync(slot.Value, ids[:count], places[:])
}

// readPointer passes on what a device sends, until it is closed or unplugged.
func (s *Screen) readPointer(d inputDevice, decoder *pointerDecoder, panel calibration) {
	buf := make([]byte, 64*eventSize)
	var clicks view.ClickCounter
	start := time.Now()
	for {
		n, err := d.read(buf)
		if err != nil {
			s.pointed(decoder.kind, panel, report{cancel: true}, nil, 0)
			return
		}
		now := time.Now()
		lost := decoder.decode(buf[:n], now, func(r report) {
			if r.press && decoder.kind != mouse && decoder.kind != touchpad {
				panel = d.calibration() // udev may have set it since
			}
			s.pointed(decoder.kind, panel, r, &clicks, now.Sub(start))
		})
		if lost {
			syncDecoder(d, decoder)
		}
		time.Sleep(readPause)
	}
}

// pointed passes on a report of a device.
func (s *Screen) pointed(kind deviceKind, panel calibration, r report, clicks *view.ClickCounter, at time.Duration) {
	if r.cancel {
		s.sendPointer(view.Input{Pointer: view.Pointer{Kind: view.PointerLeave}})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wasDark := s.wakeMonitor()
	if s.out == nil {
		return // no monitor shows where they point
	}
	isTouch := kind == touchScreen
	s.placeCursor(kind, panel, r)
	p := view.Pointer{X: int(s.cursor.x + 0.5), Y: int(s.cursor.y + 0.5), Touch: isTouch}
	send := func(kind view.PointerKind, clicks int) {
		p.Kind, p.Clicks = kind, clicks
		// A mouse needs a repaint for its drawn pointer.
		s.sendPointer(view.Input{Pointer: p, Resized: !isTouch})
	}
	if r.moved || r.press && wasDark {
		send(view.PointerMove, 0)
	}
	if r.press && !wasDark { // a press in the dark only wakes
		send(view.PointerPress, clicks.Press(at, p.X, p.Y))
	}
	if r.release {
		send(view.PointerRelease, 1)
	}
}

// placeCursor moves the cursor as a report says. The caller holds s.mu.
func (s *Screen) placeCursor(kind deviceKind, panel calibration, r report) {
	c, w, h := &s.cursor, int(s.out.target.mode.HDisplay), int(s.out.target.mode.VDisplay)
	switch kind {
	case touchScreen, tablet:
		x, y := panel.apply(r.x, r.y)
		c.x, c.y = x*float64(w-1), y*float64(h-1)
	case mouse:
		c.move(r.x, r.y, w, h)
	case touchpad:
		c.move(r.x*padSpeed*float64(w), r.y*padSpeed*float64(w), w, h)
	}
	c.shown(time.Now(), kind == touchScreen)
	if kind != touchScreen {
		wake(s.cursorMoved)
	}
}

// sendPointer sends an input without blocking. Moves leave most of the channel
// free for the rest.
func (s *Screen) sendPointer(in view.Input) {
	if in.Pointer.Kind == view.PointerMove && len(s.input) > cap(s.input)/4 {
		return
	}
	select {
	case s.input <- in:
	default:
	}
}
