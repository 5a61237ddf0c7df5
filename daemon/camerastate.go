package daemon

import (
	"cmp"
	"context"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/camera"
	"vchat/daemon/frame"
	"vchat/daemon/tune"
	"vchat/daemon/wire"
)

// publishCamera sends each change of the camera's state to the peers of active
// calls and publishes it as an event. It returns when ctx is done.
func (d *Daemon) publishCamera(ctx context.Context) error {
	for {
		select {
		case <-d.camera.Changed():
		case <-ctx.Done():
			return nil
		}
		status := d.camera.Status()
		d.mu.Lock()
		for _, s := range d.sessions {
			if s.link != nil {
				s.link.Send(wireState(status))
			}
		}
		d.mu.Unlock()
		view := d.cameraView(status)
		d.publish(api.Event{Event: api.EventCamera, Camera: &view})
		notify(d.statusDirty)
		tune.Notify()
	}
}

// wireState returns the message that reports the state of our camera to a
// peer. Privacy hides every other state and its reason.
func wireState(s camera.Status) *wire.State {
	m := &wire.State{
		Since:  max(frame.Now()-time.Since(s.Since), 0),
		Reason: wire.Sanitize(cmp.Or(s.Reason, s.Headline), wire.MaxReason),
		Rotate: uint8(s.Rotate / 90),
	}
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
	if s.Privacy {
		m.Camera, m.Reason = wire.CameraPrivacy, ""
	}
	return m
}

// rotation returns the degrees clockwise to display the peer's frames at. An
// unknown value counts as 0.
func rotation(s *wire.State) int {
	if s == nil || s.Rotate > 3 {
		return 0
	}
	return 90 * int(s.Rotate)
}
