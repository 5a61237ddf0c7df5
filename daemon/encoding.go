package daemon

import (
	"sync"
	"sync/atomic"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// viewerQuality is the JPEG quality of raw frames for viewers on this device.
// It is high because these JPEGs do not cross the network.
const viewerQuality = 92

// encoding encodes the raw frames of one feed as JPEG for all its viewers.
//
// The first viewer that reads a frame encodes it in its own goroutine; the
// others wait and share the result. Without viewers nothing is encoded.
type encoding struct {
	hub         *frame.Hub
	pool        *frame.Pool
	viewers     int         // guarded by Daemon.mu
	errorLogged atomic.Bool // by the first frame that could not be encoded

	mu      sync.Mutex
	encoder *mjpeg.Encoder // nil until the first raw frame
	newest  *frame.Frame   // the newest JPEG
}

// shareEncoding returns the encoding of a hub for one more viewer. The caller
// holds mu.
func (d *Daemon) shareEncoding(hub *frame.Hub) *encoding {
	e := d.encodings[hub]
	if e == nil {
		e = &encoding{hub: hub, pool: d.pool}
		d.encodings[hub] = e
	}
	e.viewers++
	return e
}

// unshareEncoding removes a viewer, whose Next has returned. The caller holds
// mu.
func (d *Daemon) unshareEncoding(e *encoding) {
	if e.viewers--; e.viewers > 0 {
		return
	}
	delete(d.encodings, e.hub)
	if e.newest != nil {
		e.newest.Release()
		e.newest = nil
	}
}

// jpeg returns the raw frame f as JPEG. If a newer frame has arrived while v
// waited for its turn, jpeg returns that one. It takes over the reference to
// f; the caller releases the result. Errors: mjpeg.ErrGeometry.
func (e *encoding) jpeg(v *viewer, f *frame.Frame) (*frame.Frame, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if newer := v.sub.Take(); newer != nil {
		f.Release()
		f = newer
		v.skipped.Add(1)
	}
	if f.Format == frame.JPEG { // the newer frame is a card
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
	if e.encoder == nil {
		e.encoder = mjpeg.NewEncoder(viewerQuality)
	}
	g := e.pool.Get(f.Width * f.Height / 4)
	var err error
	if g.Data, err = e.encoder.EncodeYUYV(g.Data[:0], f.Data, f.Width, f.Height, 2*f.Width); err != nil {
		g.Release()
		return nil, err
	}
	g.Meta = f.Meta
	g.Format = frame.JPEG
	return g, nil
}
