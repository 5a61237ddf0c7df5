package daemon

import (
	"time"

	"vchat/daemon/frame"
)

// cameraLeaseTime is how long a call without a link keeps the camera open. A
// camera takes up to a second to start, which would delay the first frame on
// the next link. Then the camera closes and its light goes out.
const cameraLeaseTime = 90 * time.Second

// cameraLease keeps the camera open by a subscription to its feed, in place of
// the lost link. The zero lease holds nothing. Daemon.mu guards it.
type cameraLease struct {
	sub    *frame.Reader
	expiry *time.Timer
}

// leaseCamera starts the lease of s, or starts it again. The caller holds mu.
func (d *Daemon) leaseCamera(s *callSession) {
	s.lease.release()
	sub := d.camera.Hub().Subscribe()
	s.lease = cameraLease{sub: sub, expiry: time.AfterFunc(cameraLeaseTime, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if s.lease.sub == sub { // not released and started again meanwhile
			s.lease.release()
		}
	})}
}

// release ends the lease, if there is one. The caller holds Daemon.mu.
func (l *cameraLease) release() {
	if l.sub != nil {
		l.expiry.Stop()
		l.sub.Close()
	}
	*l = cameraLease{}
}
