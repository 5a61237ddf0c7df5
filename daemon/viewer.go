package daemon

import (
	"context"
	"fmt"
	"sync/atomic"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
)

// viewerQuality is the JPEG quality in which viewers on this device get raw pictures. It does not travel, so it is high.
const viewerQuality = 92

// viewer is somebody on this device who looks at a feed.
type viewer struct {
	daemon *Daemon
	feed   string
	eyes   *frame.Reader
	meter  frame.Meter
	closed atomic.Bool

	enc  *mjpeg.Encoder // for raw pictures; made when the first one comes
	buf  []byte
	told bool // that they cannot be encoded
}

// Watch begins to look at a feed: api.Self, or a peer with whom there is a call, if only one that is about to begin.
func (d *Daemon) Watch(feed string) (control.Viewer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hub := d.camera.Hub()
	if feed != api.Self {
		if _, known := d.cfg.Peers[feed]; !known {
			e := d.unknownPeer(feed)
			e.Kind = api.NoSuchFeed
			return nil, e
		}
		p := d.parties[feed]
		if p == nil {
			return nil, &api.Error{Kind: api.NoSuchFeed, Message: fmt.Sprintf("there is no call with %s, so there are no pictures of it", feed),
				Hint: "vchatctl call " + feed}
		}
		hub = p.hub
	}
	if d.ending {
		return nil, errEnding
	}
	v := &viewer{daemon: d, feed: feed, eyes: hub.Subscribe()}
	d.viewers[v] = struct{}{}
	d.publishViewer(v, false)
	return v, nil
}

func (v *viewer) Next(ctx context.Context) (*frame.Frame, error) {
	for {
		f, err := v.eyes.Next(ctx)
		if err != nil {
			return nil, err
		}
		now := frame.Now()
		v.meter.Add(now, now-f.Captured, len(f.Data), f.Width, f.Height)
		if f.Format == frame.JPEG {
			return f, nil
		}
		g, err := v.encode(f)
		f.Release()
		if err == nil {
			return g, nil
		}
		if !v.told {
			v.told = true
			v.daemon.log.Warn("raw pictures of a feed cannot be shown", "feed", v.feed, "err", err)
		}
	}
}

// encode makes a JPEG of a raw picture.
func (v *viewer) encode(f *frame.Frame) (*frame.Frame, error) {
	if v.enc == nil {
		v.enc = mjpeg.NewEncoder(viewerQuality)
	}
	b, err := v.enc.EncodeYUYV(v.buf[:0], f.Data, f.Width, f.Height, 2*f.Width)
	if err != nil {
		return nil, err
	}
	v.buf = b
	g := v.daemon.pool.Get(len(b))
	copy(g.Data, b)
	g.Seq, g.Captured, g.Arrived, g.Format, g.Card = f.Seq, f.Captured, f.Arrived, frame.JPEG, f.Card
	g.Width, g.Height = f.Width, f.Height
	return g, nil
}

func (v *viewer) Dropped() uint64 { return v.eyes.Dropped() }

func (v *viewer) Close() {
	if v.closed.Swap(true) {
		return
	}
	v.eyes.Close()
	d := v.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.viewers, v)
	d.publishViewer(v, true)
}

func (d *Daemon) publishViewer(v *viewer, gone bool) {
	view := v.view()
	d.events.Publish(api.Event{Event: api.EventViewer, Viewer: &view, Gone: gone})
}

func (v *viewer) view() api.Viewer {
	return api.Viewer{Feed: v.feed, FPS: round1(v.meter.Rate(frame.Now()).FPS), Dropped: v.eyes.Dropped()}
}
