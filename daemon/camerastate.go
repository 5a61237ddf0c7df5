package daemon

import (
	"cmp"
	"context"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/camera"
	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// followCamera passes the camera's state on to peers and listeners.
func (d *Daemon) followCamera(ctx context.Context) error {
	for {
		select {
		case <-d.camera.Changed():
		case <-ctx.Done():
			return nil
		}
		s := d.camera.Status()
		d.mu.Lock()
		for _, p := range d.sessions {
			if p.shown != nil {
				p.shown.Send(wireState(s))
			}
		}
		d.mu.Unlock()
		view := d.cameraView(s)
		d.events.Publish(api.Event{Event: api.EventCamera, Camera: &view})
		poke(d.news)
		poke(stirred)
	}
}

// wireState is the state of our camera as a peer is told of it, in the same words as here.
func wireState(s camera.Status) *wire.State {
	m := &wire.State{Since: frame.Now() - time.Since(s.Since), Reason: wire.Clean(cmp.Or(s.Reason, s.Headline), wire.MaxReason)}
	switch s.State {
	case camera.Streaming:
		m.Camera = wire.CameraStreaming
	case camera.Idle, camera.Opening:
		m.Camera = wire.CameraOpening
	case camera.Lost:
		m.Camera = wire.CameraLost
	case camera.Failed:
		m.Camera = wire.CameraFailed
	}
	if s.Privacy { // whatever else is the matter with it
		m.Camera, m.Reason = wire.CameraPrivacy, ""
	}
	m.Since, m.Rotate = max(m.Since, 0), uint8(s.Rotate/90)
	return m
}

// degrees is how the frames of a peer are to be turned.
func degrees(s *wire.State) int {
	if s == nil || s.Rotate > 3 {
		return 0
	}
	return 90 * int(s.Rotate)
}
