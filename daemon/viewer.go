package daemon

import (
	"context"
	"sync/atomic"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/frame"
)

// viewer implements control.Viewer: one reader of a feed on this device.
type viewer struct {
	daemon *Daemon
	id     uint64
	feed   string
	reader string // of the feeds; "": on this device
	sub    *frame.Reader
	meter  frame.Meter
	closed atomic.Bool

	encoding *encoding     // of this feed
	skipped  atomic.Uint64 // raw frames replaced by newer ones before they were encoded
}

// Watch opens a feed: api.Self, or that of a peer in a call, which may not be
// answered yet. Errors are *api.Error.
func (d *Daemon) Watch(feed string) (control.Viewer, error) { return d.WatchFor(feed, "") }

// WatchFor implements feeds.Device: Watch for a reader of the feeds.
func (d *Daemon) WatchFor(feed, reader string) (control.Viewer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	hub := d.camera.Hub()
	if feed != api.Self {
		if _, known := d.cfg.Peers[feed]; !known {
			e := d.unknownPeer(feed)
			e.Kind = api.NoSuchFeed
			return nil, e
		}
		s := d.sessions[feed]
		if s == nil {
			e := notInCall(feed)
			e.Kind = api.NoSuchFeed
			return nil, e
		}
		hub = s.hub
	}
	if d.stopping {
		return nil, d.errStopping()
	}
	d.viewerCount++
	v := &viewer{daemon: d, id: d.viewerCount, feed: feed, reader: reader, sub: hub.Subscribe(),
		encoding: d.shareEncoding(hub)}
	d.viewers[v] = struct{}{}
	d.publishViewer(v, false)
	return v, nil
}

// Next implements control.Viewer.
func (v *viewer) Next(ctx context.Context) (*frame.Frame, error) {
	for {
		f, err := v.sub.Next(ctx)
		if err != nil {
			return nil, err
		}
		now := frame.Now()
		v.meter.Add(now, now-f.Captured, len(f.Data), f.Width, f.Height)
		if f.Format == frame.JPEG {
			return f, nil
		}
		if f, err = v.encoding.jpeg(v, f); err == nil {
			return f, nil
		}
		if v.encoding.errorLogged.CompareAndSwap(false, true) {
			v.daemon.log.Warn("raw frame not encoded", "feed", v.feed, "err", err)
		}
	}
}

// Dropped implements control.Viewer.
func (v *viewer) Dropped() uint64 { return v.sub.Dropped() + v.skipped.Load() }

// Close implements control.Viewer. It may be called more than once.
func (v *viewer) Close() {
	if v.closed.Swap(true) {
		return
	}
	v.sub.Close()
	d := v.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.viewers, v)
	d.unshareEncoding(v.encoding)
	d.publishViewer(v, true)
}

func (d *Daemon) publishViewer(v *viewer, gone bool) {
	view := v.view()
	d.events.Publish(api.Event{Event: api.EventViewer, Viewer: &view, Gone: gone})
}

func (v *viewer) view() api.Viewer {
	return api.Viewer{
		ID: v.id, Feed: v.feed, FPS: round1(v.meter.Rate(frame.Now()).FPS), Dropped: v.Dropped(), Reader: v.reader,
	}
}
