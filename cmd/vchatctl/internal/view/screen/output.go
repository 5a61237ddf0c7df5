package screen

import (
	"encoding/binary"
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
)

// output is a monitor that shows what is painted, from the modeset until it is given back or lost: after a fault, or when
// the console comes back to us, everything is made anew.
//
// One buffer is shown while the other one is painted on. Its fields and methods are under the screen's lock but for done.
type output struct {
	card   card
	path   string
	target target
	before uapi.CRTC // what was there
	format render.Format

	buffers [2]buffer
	front   int // of buffers: is shown, or will be when the flip is done

	flips    bool        // the driver flips; else each frame is a modeset to the same mode
	flipping uint64      // number of the flip that is waited for; 0: none
	flip     uint64      // number of the last one
	done     chan uint64 // of one: a number that is flipped

	lent    int // of buffers: its painter has it; -1: none
	closed  bool
	reading sync.WaitGroup
	failed  chan error // of one: why events cannot be read any more
}

// buffer is memory that the card can show.
type buffer struct {
	uapi.Dumb
	fb  uint32
	mem []byte
}

// openOutput takes the first monitor of the first card that has one. Errors: ErrNoCard, ErrBusy, ErrPermission,
// errNoMonitor, others of the kernel.
func openOutput(k kernel) (*output, error) {
	paths, err := k.cards()
	if err != nil {
		return nil, err
	}
	// A board may have a card for 3D that can show nothing (v3d on a Raspberry Pi), and one for each USB adapter: what is
	// said is what came nearest to a frame.
	worst := ErrNoCard
	for _, path := range paths {
		o, err := openCard(k, path)
		if err == nil {
			return o, nil
		}
		if errors.Is(worst, ErrNoCard) || errors.Is(worst, errNoMonitor) && !errors.Is(err, ErrNoCard) {
			worst = err
		}
	}
	return nil, worst
}

func openCard(k kernel, path string) (*output, error) {
	c, err := k.open(path)
	if err != nil {
		return nil, classify(opening, err)
	}
	o := &output{card: c, path: path, flips: true, lent: -1, done: make(chan uint64, 1), failed: make(chan error, 1)}
	if err := o.begin(); err != nil {
		o.close()
		return nil, err
	}
	o.reading.Go(o.events)
	return o, nil
}

// begin makes the buffers and sets the mode.
func (o *output) begin() (err error) {
	if v, err := o.card.capability(uapi.CapDumbBuffer); err != nil || v == 0 {
		return ErrNoCard // of 3D alone, or none that a processor can paint on
	}
	o.target, err = choose(o.card)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return ErrNoCard
	} else if err != nil {
		return classify("asking for monitors", err)
	}
	if o.before, err = o.card.crtc(o.target.crtc); err != nil {
		return classify("asking what is shown", err)
	}
	if err := o.makeBuffers(); err != nil {
		return classify("making buffers", err)
	}
	return classify("setting the mode", o.setMode())
}

// makeBuffers makes them of 32 bits a pixel, or of 16 where the card prefers that or has not memory enough.
func (o *output) makeBuffers() error {
	formats := []render.Format{render.BGRX, render.RGB565}
	if depth, err := o.card.capability(uapi.CapDumbPreferredDepth); err == nil && depth == 16 {
		formats[0], formats[1] = formats[1], formats[0]
	}
	var errs []error
	for _, f := range formats {
		o.format = f
		err := o.makeBuffer(&o.buffers[0])
		if err == nil {
			err = o.makeBuffer(&o.buffers[1])
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		o.freeBuffers()
	}
	return errors.Join(errs...)
}

func (o *output) makeBuffer(b *buffer) error {
	b.Dumb = uapi.Dumb{Width: uint32(o.target.mode.HDisplay), Height: uint32(o.target.mode.VDisplay), BPP: uint32(8 * o.format.BytesPerPixel())}
	if err := o.card.createDumb(&b.Dumb); err != nil {
		b.Dumb = uapi.Dumb{}
		return err
	}
	depth := b.BPP
	if depth == 32 {
		depth = 24 // of colour: the fourth byte means nothing
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

// freeBuffers leaves the memory that is lent, which giveBack frees.
func (o *output) freeBuffers() {
	for i := range o.buffers {
		b := &o.buffers[i]
		if b.fb != 0 {
			_ = o.card.rmFB(b.fb) // what cannot be removed goes with the file
		}
		if b.mem != nil && i != o.lent {
			_ = o.card.unmap(b.mem)
			b.mem = nil
		}
		if b.Handle != 0 {
			_ = o.card.destroyDumb(b.Handle)
		}
		b.fb, b.Handle = 0, 0
	}
}

// setMode shows the front buffer by a modeset, which waits until it is shown.
func (o *output) setMode() error {
	return o.card.setCRTC(uapi.CRTC{ID: o.target.crtc, FB: o.buffers[o.front].fb, ModeValid: 1, Mode: o.target.mode},
		[]uint32{o.target.connector})
}

// lend gives the buffer that is not shown to the painter.
func (o *output) lend() render.Pixels {
	o.lent = 1 - o.front
	b := &o.buffers[o.lent]
	return render.Pixels{Pix: b.mem, Stride: int(b.Pitch), W: int(b.Width), H: int(b.Height), Format: o.format}
}

// giveBack ends what lend began. Memory of a closed output is freed only now.
func (o *output) giveBack() {
	if i := o.lent; i >= 0 && o.closed {
		_ = o.card.unmap(o.buffers[i].mem)
		o.buffers[i].mem = nil
	}
	o.lent = -1
}

// show has what was painted shown from the next refresh on. No flip is waited for.
func (o *output) show() error {
	o.front = o.lent
	o.lent = -1
	if o.flips {
		o.flip++
		err := o.card.flip(&uapi.PageFlip{CRTC: o.target.crtc, FB: o.buffers[o.front].fb, Flags: uapi.PageFlipEvent, UserData: o.flip})
		switch {
		case err == nil:
			o.flipping = o.flip
			return nil
		case !cannotFlip(err):
			return classify("showing a frame", err)
		}
		o.flips = false
	}
	return classify("showing a frame", o.setMode())
}

// cannotFlip tells drivers that do not know flips from those that have lost the monitor or the right to it.
func cannotFlip(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// settle hears that the flip is done.
func (o *output) settle(number uint64) {
	if number == o.flipping {
		o.flipping = 0
	}
}

// noFlip is for a driver that did not say that it had flipped.
func (o *output) noFlip() { o.flips, o.flipping = false, 0 }

// events reads what the card has to tell, until close.
func (o *output) events() {
	buf := make([]byte, 1024)
	for {
		n, err := o.card.read(buf)
		if err != nil {
			o.failed <- err
			return
		}
		// struct drm_event_vblank; what is of another type is passed over by its length.
		for b := buf[:n]; len(b) >= 16; {
			kind, length := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
			if length < 16 || int(length) > len(b) {
				break
			}
			if kind == uapi.EventFlipComplete {
				select {
				case <-o.done: // a number that nobody waits for any more
				default:
				}
				o.done <- binary.NativeEndian.Uint64(b[8:])
			}
			b = b[length:]
		}
	}
}

// close gives the monitor back to whatever showed on it before. After a fault most of it fails, and nothing follows from that.
func (o *output) close() {
	if o.closed {
		return
	}
	o.closed = true
	if o.before.FB != 0 && o.before.ModeValid != 0 {
		_ = o.card.setCRTC(o.before, []uint32{o.target.connector})
	}
	o.freeBuffers()
	// Memory that is still lent keeps the card's file open, and so the right to the screen.
	_ = o.card.dropMaster()
	_ = o.card.close()
	o.reading.Wait()
}
