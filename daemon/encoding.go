package daemon

import (
	"sync"
	"sync/atomic"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// viewerQuality is the JPEG quality in which viewers on this device get raw frames. It does not travel, so it is high.
const viewerQuality = 92

// encoding makes JPEGs of one feed's raw frames for all who look at it here: each frame is encoded once, by the first
// viewer that comes with it, in that viewer's goroutine; those who come meanwhile wait for it. So nothing runs, and nothing is
// encoded, when nobody looks.
type encoding struct {
	hub     *frame.Hub
	viewers int         // under Daemon.mu
	told    atomic.Bool // that its frames cannot be encoded
	pool    *frame.Pool

	mu     sync.Mutex
	enc    *mjpeg.Encoder // made when the first raw frame comes
	newest *frame.Frame   // that was encoded
}

// share gives the encoding of a hub to one more viewer. The caller holds mu.
func (d *Daemon) share(hub *frame.Hub) *encoding {
	e := d.encodings[hub]
	if e == nil {
		e = &encoding{hub: hub, pool: d.pool}
		d.encodings[hub] = e
	}
	e.viewers++
	return e
}

// unshare takes it from a viewer who encodes no more. The caller holds mu.
func (d *Daemon) unshare(e *encoding) {
	if e.viewers--; e.viewers > 0 {
		return
	}
	delete(d.encodings, e.hub)
	if e.newest != nil {
		e.newest.Release()
		e.newest = nil
	}
}

// jpeg gives a viewer the raw frame f as a JPEG, or a newer one if it has to wait for its turn. It takes over the
// reference to f; the caller releases the JPEG. The error is mjpeg.ErrGeometry.
func (e *encoding) jpeg(v *viewer, f *frame.Frame) (*frame.Frame, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if newer := v.eyes.Take(); newer != nil {
		f.Release()
		f = newer
		v.overtaken.Add(1)
	}
	if f.Format == frame.JPEG { // a card has overtaken it
		return f, nil
	}
	defer f.Release()
	if g := e.newest; g != nil && g.Seq == f.Seq && g.Captured == f.Captured {
		g.Retain()
		return g, nil
	}
	g, err := e.encode(f)
	if err != nil {
		return nil, err
	}
	if e.newest != nil {
		e.newest.Release()
	}
	g.Retain()
	e.newest = g
	return g, nil
}

func (e *encoding) encode(f *frame.Frame) (*frame.Frame, error) {
	if e.enc == nil {
		e.enc = mjpeg.NewEncoder(viewerQuality)
	}
	g := e.pool.Get(f.Width * f.Height / 4)
	var err error
	if g.Data, err = e.enc.EncodeYUYV(g.Data[:0], f.Data, f.Width, f.Height, 2*f.Width); err != nil {
		g.Release()
		return nil, err
	}
	g.Seq, g.Captured, g.Arrived, g.Format, g.Card = f.Seq, f.Captured, f.Arrived, frame.JPEG, f.Card
	g.Width, g.Height, g.Rotate = f.Width, f.Height, f.Rotate
	return g, nil
}
