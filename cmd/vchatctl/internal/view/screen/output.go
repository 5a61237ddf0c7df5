package screen

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// output shows frames on a monitor, from the modeset until it is closed. After
// a fault or a switch of consoles, the watcher opens a new one.
//
// It has two buffers: one is shown while the other is painted. The screen's
// lock guards its fields and methods, except done and readErr.
type output struct {
	card     card
	path     string
	target   target
	previous uapi.CRTC // state of the CRTC before the modeset
	format   render.Format

	buffers [2]buffer
	front   int // index of the buffer that is shown, or will be after the flip

	flips    bool        // the driver supports page flips; else each frame is a modeset
	flipping uint64      // number of the pending flip; 0: none
	flip     uint64      // number of the last flip
	done     chan uint64 // number of the last completed flip; capacity 1

	painting int // index of the buffer that the painter has; -1: none
	closed   bool
	reading  sync.WaitGroup
	readErr  chan error // fatal error of readEvents; capacity 1
}

// buffer is a dumb buffer with its framebuffer and mapping.
type buffer struct {
	uapi.Dumb
	fb  uint32
	mem []byte
}

// openOutput opens the first monitor of the first card that has one. The errors
// are ErrNoCard, ErrBusy, ErrPermission, errNoMonitor or the kernel's.
func openOutput(k kernel) (*output, error) {
	paths, err := k.cards()
	if err != nil {
		return nil, err
	}
	// A board can have a card without outputs (v3d on a Raspberry Pi) and one
	// for each USB adapter. Report the error of the card that came closest to a
	// frame.
	result := ErrNoCard
	for _, path := range paths {
		o, err := openCard(k, path)
		if err == nil {
			return o, nil
		}
		if errors.Is(result, ErrNoCard) || errors.Is(result, errNoMonitor) && !errors.Is(err, ErrNoCard) {
			result = err
		}
	}
	return nil, result
}

func openCard(k kernel, path string) (*output, error) {
	c, err := k.open(path)
	if err != nil {
		return nil, cardError(actionOpen, err)
	}
	o := &output{
		card: c, path: path, flips: true, painting: -1,
		done: make(chan uint64, 1), readErr: make(chan error, 1),
	}
	if err := o.start(); err != nil {
		o.close()
		return nil, err
	}
	o.reading.Go(o.readEvents)
	return o, nil
}

// start creates the buffers and sets the mode.
func (o *output) start() (err error) {
	if v, err := o.card.capability(uapi.CapDumbBuffer); err != nil || v == 0 {
		return ErrNoCard // no outputs, or no buffers for the CPU
	}
	o.target, err = findMonitor(o.card)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return ErrNoCard
	} else if err != nil {
		return cardError("find monitor", err)
	}
	if o.previous, err = o.card.crtc(o.target.crtc); err != nil {
		return cardError("read CRTC", err)
	}
	if err := o.createBuffers(); err != nil {
		return cardError("create buffers", err)
	}
	return cardError("set mode", o.setMode())
}

// createBuffers creates both buffers with 32 bits per pixel, or with 16 if the
// card prefers that or lacks memory.
func (o *output) createBuffers() error {
	formats := []render.Format{render.BGRX, render.RGB565}
	if depth, err := o.card.capability(uapi.CapDumbPreferredDepth); err == nil && depth == 16 {
		formats[0], formats[1] = formats[1], formats[0]
	}
	var errs []error
	for _, f := range formats {
		o.format = f
		err := o.createBuffer(&o.buffers[0])
		if err == nil {
			err = o.createBuffer(&o.buffers[1])
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		o.freeBuffers()
	}
	return errors.Join(errs...)
}

func (o *output) createBuffer(b *buffer) error {
	b.Dumb = uapi.Dumb{
		Width:  uint32(o.target.mode.HDisplay),
		Height: uint32(o.target.mode.VDisplay),
		BPP:    uint32(8 * o.format.BytesPerPixel()),
	}
	if err := o.card.createDumb(&b.Dumb); err != nil {
		b.Dumb = uapi.Dumb{}
		return err
	}
	depth := b.BPP
	if depth == 32 {
		depth = 24 // the fourth byte is padding
	}
	fb := uapi.FB{Width: b.Width, Height: b.Height, Pitch: b.Pitch, BPP: b.BPP, Depth: depth, Handle: b.Handle}
	if err := o.card.addFB(&fb); err != nil {
		return err
	}
	b.fb = fb.ID
	mem, err := o.card.mapDumb(&b.Dumb)
	b.mem = mem
	return err
}

// freeBuffers frees both buffers, except the mapping that the painter has:
// releaseBuffer frees it.
func (o *output) freeBuffers() {
	for i := range o.buffers {
		b := &o.buffers[i]
		if b.fb != 0 {
			_ = o.card.rmFB(b.fb) // on an error, closing the card removes it
		}
		if b.mem != nil && i != o.painting {
			_ = o.card.unmap(b.mem)
			b.mem = nil
		}
		if b.Handle != 0 {
			_ = o.card.destroyDumb(b.Handle)
		}
		b.fb, b.Handle = 0, 0
	}
}

// setMode shows the front buffer with a modeset. It returns when it is shown.
func (o *output) setMode() error {
	return o.card.setCRTC(uapi.CRTC{ID: o.target.crtc, FB: o.buffers[o.front].fb, ModeValid: 1, Mode: o.target.mode},
		[]uint32{o.target.connector})
}

// nextBuffer gives the back buffer to the painter.
func (o *output) nextBuffer() render.Pixels {
	o.painting = 1 - o.front
	b := &o.buffers[o.painting]
	return render.Pixels{Pix: b.mem, Stride: int(b.Pitch), W: int(b.Width), H: int(b.Height), Format: o.format}
}

// drawCursor draws the pointer over the painted frame.
func (o *output) drawCursor(c *cursor) {
	b := &o.buffers[o.painting]
	c.draw(render.Pixels{Pix: b.mem, Stride: int(b.Pitch), W: int(b.Width), H: int(b.Height), Format: o.format},
		time.Now())
}

// turnOff turns the monitor off. setMode turns it on again.
func (o *output) turnOff() error {
	o.flipping = 0
	return o.card.setCRTC(uapi.CRTC{ID: o.target.crtc}, nil)
}

// releaseBuffer takes the buffer back from the painter. It unmaps the buffer if
// the output has been closed meanwhile.
func (o *output) releaseBuffer() {
	if i := o.painting; i >= 0 && o.closed {
		_ = o.card.unmap(o.buffers[i].mem)
		o.buffers[i].mem = nil
	}
	o.painting = -1
}

// show shows the painted buffer from the next refresh. No flip may be pending.
func (o *output) show() error {
	o.front = o.painting
	o.painting = -1
	if o.flips {
		o.flip++
		err := o.card.flip(&uapi.PageFlip{
			CRTC: o.target.crtc, FB: o.buffers[o.front].fb,
			Flags: uapi.PageFlipEvent, UserData: o.flip,
		})
		switch {
		case err == nil:
			o.flipping = o.flip
			return nil
		case !isFlipUnsupported(err):
			return cardError("show frame", err)
		}
		o.flips = false
	}
	return cardError("show frame", o.setMode())
}

// isFlipUnsupported reports whether the driver has no page flips. Other errors
// mean that the monitor or the master right is lost.
func isFlipUnsupported(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// flipDone handles the completion of a flip.
func (o *output) flipDone(number uint64) {
	if number == o.flipping {
		o.flipping = 0
	}
}

// disableFlips falls back to modesets, for a driver that sends no completion.
func (o *output) disableFlips() { o.flips, o.flipping = false, 0 }

// readEvents reads the card's events until close.
func (o *output) readEvents() {
	buf := make([]byte, 1024)
	for {
		n, err := o.card.read(buf)
		if err != nil {
			o.readErr <- err
			return
		}
		// struct drm_event_vblank. Skip other types by their length.
		for b := buf[:n]; len(b) >= 16; {
			kind, length := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
			if length < 16 || int(length) > len(b) {
				break
			}
			if kind == uapi.EventFlipComplete {
				select {
				case <-o.done: // drop an older number
				default:
				}
				o.done <- binary.NativeEndian.Uint64(b[8:])
			}
			b = b[length:]
		}
	}
}

// close restores what the monitor showed before. It ignores errors: after a
// fault most calls fail.
func (o *output) close() {
	if o.closed {
		return
	}
	o.closed = true
	if o.previous.FB != 0 && o.previous.ModeValid != 0 {
		_ = o.card.setCRTC(o.previous, []uint32{o.target.connector})
	}
	o.freeBuffers()
	// A mapping that the painter has keeps the card's file open, and so would
	// keep the master right.
	_ = o.card.dropMaster()
	_ = o.card.close()
	o.reading.Wait()
}
