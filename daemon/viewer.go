package daemon

import (
	"context"
	"fmt"
	"sync/atomic"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/frame"
)

// viewer is somebody on this device who looks at a feed.
type viewer struct {
	daemon *Daemon
	id     uint64
	feed   string
	eyes   *frame.Reader
	meter  frame.Meter
	closed atomic.Bool

	encoding  *encoding     // of this feed
	overtaken atomic.Uint64 // raw frames that were old by the time they could be encoded
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
		p := d.sessions[feed]
		if p == nil {
			return nil, &api.Error{Kind: api.NoSuchFeed, Message: fmt.Sprintf("there is no call with %s, so there are no frames of it", feed),
				Hint: "vchatctl call " + feed}
		}
		hub = p.hub
	}
	if d.ending {
		return nil, errEnding
	}
	d.viewed++
	v := &viewer{daemon: d, id: d.viewed, feed: feed, eyes: hub.Subscribe(), encoding: d.share(hub)}
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
		if f, err = v.encoding.jpeg(v, f); err == nil {
			return f, nil
		}
		if v.encoding.told.CompareAndSwap(false, true) {
			v.daemon.log.Warn("raw frames of a feed cannot be shown", "feed", v.feed, "err", err)
		}
	}
}

func (v *viewer) Dropped() uint64 { return v.eyes.Dropped() + v.overtaken.Load() }

func (v *viewer) Close() {
	if v.closed.Swap(true) {
		return
	}
	v.eyes.Close()
	d := v.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.viewers, v)
	d.unshare(v.encoding)
	d.publishViewer(v, true)
}

func (d *Daemon) publishViewer(v *viewer, gone bool) {
	view := v.view()
	d.events.Publish(api.Event{Event: api.EventViewer, Viewer: &view, Gone: gone})
}

func (v *viewer) view() api.Viewer {
	return api.Viewer{ID: v.id, Feed: v.feed, FPS: round1(v.meter.Rate(frame.Now()).FPS), Dropped: v.Dropped()}
}
