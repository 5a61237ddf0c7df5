package view

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/mjpeg"
)

// decoded is a decoded frame. Its planes belong to its decoder.
type decoded struct {
	decoder mjpeg.Decoder
	render.Frame
	DisplayedFrame
	err error // why Planes is nil
}

// decodeLoop decodes the newest frame while the one before is painted. It waits
// for a free buffer, so it decodes no frame that is not painted.
//
//	free ─▶ goroutine: wait for a frame ─▶ decode, scaled down ─▶ ready
//	  ▲                                                             │
//	  └────────────────── previous frame ◀── show ◀─────────────────┘
type decodeLoop struct {
	newest *Newest
	free   chan *decoded
	ready  chan *decoded
	size   atomic.Uint64 // available pixels: width<<32 | height
	cancel context.CancelFunc
	wg     sync.WaitGroup

	current *decoded  // the frame to paint; nil: none yet
	err     error     // why the newest frame could not be decoded; nil: it was
	errAt   time.Time // when that frame was received
}

// newDecodeLoop starts decoding for a place of w by h pixels. With raw, the
// blocks of coarse frames stay as they are. Its goroutine defers recoverPanic.
func newDecodeLoop(ctx context.Context, n *Newest, w, h int, raw bool, recoverPanic func()) *decodeLoop {
	ctx, cancel := context.WithCancel(ctx)
	l := &decodeLoop{newest: n, free: make(chan *decoded, 2), ready: make(chan *decoded, 1), cancel: cancel}
	for range cap(l.free) {
		l.free <- &decoded{decoder: mjpeg.Decoder{Deblock: !raw}}
	}
	l.setSize(w, h)
	l.wg.Go(func() {
		defer recoverPanic()
		l.run(ctx)
	})
	return l
}

// close stops the goroutine and waits for it.
func (l *decodeLoop) close() {
	l.cancel()
	l.wg.Wait()
}

func (l *decodeLoop) setSize(w, h int) { l.size.Store(uint64(w)<<32 | uint64(h)) }

func (l *decodeLoop) run(ctx context.Context) {
	var pause time.Duration // after a frame that was slow to decode
	for {
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
		var d *decoded
		select {
		case d = <-l.free:
		case <-ctx.Done():
			return
		}
		p, err := l.newest.Next(ctx)
		if err != nil {
			return
		}
		size := l.size.Load()
		pause = d.decode(p, int(size>>32), int(size&(1<<32-1)))
		select {
		case l.ready <- d:
		case <-ctx.Done():
			return
		}
	}
}

// decode decodes a frame for a place of w by h pixels. It returns how long to
// wait before the next one.
func (d *decoded) decode(p *Frame, w, h int) (pause time.Duration) {
	d.DisplayedFrame = DisplayedFrame{Received: p.Received, Captured: p.Received.Add(-p.Frame.Age), Card: p.Card}
	d.Rotate = p.Rotate
	scale := 1
	if info, err := mjpeg.Check(p.Data); err == nil {
		d.W, d.H = info.Width, info.Height
		if d.Rotate%180 != 0 {
			d.W, d.H = d.H, d.W
		}
		scale = render.DecodeScale(d.W, d.H, w, h)
	}
	d.Planes, d.err = d.decoder.Decode(p.Data, scale)
	if errors.Is(d.err, mjpeg.ErrUnsupported) {
		began := time.Now()
		if planes := decodeProgressive(p.Data); planes != nil {
			d.Planes, d.err = planes, nil
			pause = progressivePause(time.Since(began))
		}
	}
	if d.Planes != nil && d.W == 0 {
		d.W, d.H = d.Planes.W, d.Planes.H
	}
	return pause
}

// show makes d the current frame. If d could not be decoded, the current frame
// stays.
func (l *decodeLoop) show(d *decoded) {
	if d.Planes == nil {
		l.err, l.errAt = d.err, d.Received
		l.free <- d
		return
	}
	l.err = nil
	if l.current != nil {
		l.free <- l.current
	}
	l.current = d
}

// frame returns the current frame, or nil.
func (l *decodeLoop) frame() *render.Frame {
	if l.current == nil {
		return nil
	}
	return &l.current.Frame
}

// displayed returns what is known of the current frame. l may be nil.
func (l *decodeLoop) displayed() DisplayedFrame {
	if l == nil {
		return DisplayedFrame{}
	}
	var f DisplayedFrame
	if l.current != nil {
		f = l.current.DisplayedFrame
	}
	f.DecodeErr, f.DecodeErrAt = l.err, l.errAt
	return f
}

// poll shows the next frame if it is decoded, and reports whether it was.
func (l *decodeLoop) poll() bool {
	select {
	case d := <-l.ready:
		l.show(d)
		return true
	default:
		return false
	}
}
