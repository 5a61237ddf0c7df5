package link

import "time"

// Path is how a link reaches the peer. A smaller one is preferred.
//
// A link on a better path takes over without the loss of a frame. The old link
// drains: both sides read it up to the Bye, and the new link waits with its
// first frame until then.
type Path uint8

// The paths.
const (
	PathDirect Path = iota // a TCP connection of the two devices
	PathProxy              // through a SOCKS5 proxy, as this device has dialled it
	PathRelay              // through a relay, to which both devices have connected
)

func (p Path) String() string {
	switch p {
	case PathProxy:
		return "proxy"
	case PathRelay:
		return "relay"
	}
	return "direct"
}

const (
	relayHandshakeTimeout = 2 * time.Second        // the relay may have joined us with a dead connection
	drainTimeout          = time.Second            // for what is on the way on a replaced link
	drainWait             = 250 * time.Millisecond // that the first frame on the new link waits for it
	successorWait         = 500 * time.Millisecond // for the nomination of the new link
	upgradePause          = 2 * time.Second        // between attempts to find a better path
)

// route is the path of a connection.
type route struct {
	path   Path
	remote string // for Link.Remote; "": the address of the connection
}

// handshakeTimeout returns the time for each of TLS and hello.
func (r route) handshakeTimeout() time.Duration {
	if r.path == PathRelay {
		return relayHandshakeTimeout
	}
	return handshakeTimeout
}

// logAttrs describes a new link in the log.
func (l *Link) logAttrs() []any {
	attrs := []any{"address", l.Remote(), "dialled_by", l.dialledBy(), "software", l.theirs.Software}
	switch l.route.path {
	case PathProxy:
		attrs = append(attrs, "path", l.route.path)
	case PathRelay:
		attrs = []any{"path", l.route.path, "relay", l.Remote(), "software", l.theirs.Software}
	}
	return attrs
}

// awaitSuccessor waits until the better link takes over for which the peer has
// ended this one: its nomination may be behind on the other path.
func (l *Link) awaitSuccessor() {
	if l.route.path != PathRelay || !l.nominated {
		return
	}
	timeout := time.NewTimer(successorWait)
	defer timeout.Stop()
	select {
	case <-l.ctx.Done():
	case <-timeout.C:
	}
}

// awaitPrevious waits until the link that this one has replaced is drained, so
// that frames keep their order.
func (l *Link) awaitPrevious() {
	if l.previous == nil {
		return
	}
	timeout := time.NewTimer(drainWait)
	defer timeout.Stop()
	select {
	case <-l.previous.drained:
	case <-timeout.C:
	case <-l.ctx.Done():
	}
	l.previous = nil
}
