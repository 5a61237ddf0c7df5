package view

import (
	"context"
	"sync"
	"sync/atomic"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/mjpeg"
)

// decoded is a frame as it is painted. Its planes belong to its decoder.
type decoded struct {
	decoder mjpeg.Decoder
	render.Frame
	Shown
	err error
}

// decodeLoop decodes the newest frame of a feed while the one before is painted, and no more of them than are painted.
//
//	free ─▶ goroutine: wait for the newest ─▶ decode, at the scale that the display needs ─▶ ready ─▶ painter ─▶ free
type decodeLoop struct {
	newest *Newest
	free   chan *decoded
	ready  chan *decoded
	box    atomic.Uint64 // the pixels that there are for it: width<<32 | height
	cancel context.CancelFunc
	wg     sync.WaitGroup

	now *decoded // that is painted; nil: none yet
}

// newDecodeLoop begins to decode for a place of w by h pixels. Guard is deferred by its goroutine.
func newDecodeLoop(ctx context.Context, n *Newest, w, h int, guard func()) *decodeLoop {
	ctx, cancel := context.WithCancel(ctx)
	r := &decodeLoop{newest: n, free: make(chan *decoded, 2), ready: make(chan *decoded, 1), cancel: cancel}
	r.free <- &decoded{}
	r.free <- &decoded{}
	r.setBox(w, h)
	r.wg.Go(func() {
		defer guard()
		r.run(ctx)
	})
	return r
}

func (r *decodeLoop) close() {
	r.cancel()
	r.wg.Wait()
}

func (r *decodeLoop) setBox(w, h int) { r.box.Store(uint64(w)<<32 | uint64(h)) }

func (r *decodeLoop) run(ctx context.Context) {
	for {
		var d *decoded
		select {
		case d = <-r.free:
		case <-ctx.Done():
			return
		}
		p, err := r.newest.Next(ctx)
		if err != nil {
			return
		}
		box := r.box.Load()
		d.decode(p, int(box>>32), int(box&(1<<32-1)))
		select {
		case r.ready <- d:
		case <-ctx.Done():
			return
		}
	}
}

// decode decodes a frame for a place of w by h pixels.
func (d *decoded) decode(p *Frame, w, h int) {
	d.Shown = Shown{Received: p.Received, Captured: p.Received.Add(-p.Frame.Age), Card: p.Card}
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
	if d.Planes != nil && d.W == 0 {
		d.W, d.H = d.Planes.W, d.Planes.H
	}
}

// take makes a frame the one that is painted. One that could not be decoded leaves the one before where it is.
func (r *decodeLoop) take(d *decoded) {
	if d.Planes == nil {
		if r.now != nil {
			r.now.Broken = d.err
		}
		r.free <- d
		return
	}
	if r.now != nil {
		r.free <- r.now
	}
	r.now = d
}

// frame is the one that is painted, or nil.
func (r *decodeLoop) frame() *render.Frame {
	if r.now == nil {
		return nil
	}
	return &r.now.Frame
}

// poll takes a frame if one is ready.
func (r *decodeLoop) poll() bool {
	select {
	case d := <-r.ready:
		r.take(d)
		return true
	default:
		return false
	}
}
