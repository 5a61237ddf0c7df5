package daemon

import (
	"time"

	"vchat/daemon/frame"
)

// holdCamera is how long a call that has lost its link keeps the camera open, so that its first frame on the next link
// does not wait for a camera to start, which takes up to a second. After that the light goes out.
const holdCamera = 90 * time.Second

// hold looks at the camera in place of a link that has gone. The zero hold looks at nothing.
type hold struct {
	eyes *frame.Reader
	end  *time.Timer
}

// hold begins p's hold on the camera. The caller holds mu.
func (d *Daemon) hold(p *callSession) {
	p.held.release()
	eyes := d.camera.Hub().Subscribe()
	p.held = hold{eyes: eyes, end: time.AfterFunc(holdCamera, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if p.held.eyes == eyes {
			p.held.release()
		}
	})}
}

// release ends the hold, if there is one. The caller holds the Daemon's mu.
func (h *hold) release() {
	if h.eyes != nil {
		h.end.Stop()
		h.eyes.Close()
	}
	*h = hold{}
}
