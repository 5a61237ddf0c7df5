package link

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/transport"
	"vchat/daemon/wire"
)

// Twins are two devices with the same key, as after an SD card was cloned.
// Without this file, a peer would move its link from one to the other again and
// again. It recognises them by the instance in their hellos:
//
//	hello of another instance ── ping the link ─┬─ pong: twins; keep the link
//	                                            └─ silence: the device was restarted
//
// The device that has the link gets wire.Twin, the other one a Bye.

const (
	twinTimeout  = time.Second           // for the answer on the link
	twinInterval = 20 * time.Millisecond // between two checks for it
	twinMemory   = 10 * time.Minute      // how long a twin is reported after it was seen
	twinHint     = "was the card cloned? vchatd new-id on one of the two makes a new id"
	twinByeText  = "another device with your id is connected here: " + twinHint
	selfByeText  = "your id is that of this device: you have dialled yourself, or " + twinHint
)

// twinVar remembers a twin. It is safe for concurrent use.
type twinVar struct {
	mu    sync.Mutex
	seen  time.Time
	where string
}

// set records where the twin is. It reports whether the twin is new.
func (v *twinVar) set(where string) (isNew bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	isNew = v.seen.IsZero() || time.Since(v.seen) > twinMemory
	v.seen, v.where = time.Now(), where
	return isNew
}

// get returns where the twin was seen last; "" if there is none.
func (v *twinVar) get() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen.IsZero() || time.Since(v.seen) > twinMemory {
		return ""
	}
	return v.where
}

// Twin returns where another device with this device's key was seen in the last
// ten minutes, as a phrase; "" if it was not.
func (ls *Links) Twin() string { return ls.twin.get() }

// onOwnTwin records and logs that another device has our key.
func (ls *Links) onOwnTwin(where string) {
	if ls.twin.set(where) {
		ls.cfg.Log.Warn("another device has this device's id", "seen", where, "hint", twinHint)
	}
}

// refuseTwin decides about an accepted connection of p with this instance,
// while there is a link. It returns the Bye for a twin, or nil if the
// connection is from the same device or from its successor.
func (p *peer) refuseTwin(current *Link, instance uint64, address string) *wire.Bye {
	if instance == 0 || current.theirs.Instance == 0 || instance == current.theirs.Instance || !current.answers() {
		return nil
	}
	prefer := p.inCall.Load() && p.instanceOfCall() == instance
	if prefer {
		address = current.Remote()
		current.end(errTwin)
	} else {
		current.Send(&wire.Twin{})
	}
	if p.twin.set(address) {
		p.links.cfg.Log.Warn("two devices have the id of a peer", "peer", p.Name, "refused", address,
			"hint", twinHint)
	}
	if prefer {
		return nil
	}
	return &wire.Bye{Code: wire.CodeSelfCall, Text: twinByeText}
}

// answers pings the peer and reports whether it answers within twinTimeout.
func (l *Link) answers() bool {
	asked := frame.Now()
	l.probe()
	for end := time.Now().Add(twinTimeout); time.Now().Before(end) && l.ctx.Err() == nil; sleep(l.ctx, twinInterval) {
		if time.Duration(l.lastPong.Load()) >= asked {
			return true
		}
	}
	return false
}

// OtherInstance reports whether the peer is not the device of the current call,
// but another one with the same key.
func (l *Link) OtherInstance() bool {
	instance := l.peer.instanceOfCall()
	return instance != 0 && instance != l.theirs.Instance
}

// instanceOfCall returns the instance of the device in the current call; 0 if
// there is no call, or if it is unknown.
func (p *peer) instanceOfCall() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.callInstance
}

// noteInstance records the device of the current call. The caller holds mu.
func (p *peer) noteInstance() {
	if p.current != nil && p.callInstance == 0 && p.inCall.Load() {
		p.callInstance = p.current.theirs.Instance
	}
}

// serveOwnKey ends a connection that we made to a device with our own key. It
// returns the error for the peer with that address.
func (ls *Links) serveOwnKey(p *peer, conn *transport.Conn, id identity.ID, address string) error {
	hello := ls.hello()
	if b, err := wire.Append(nil, &hello); err == nil {
		_, _ = conn.Write(b) // so that the peer learns our instance
	}
	_ = sendByeAndWait(conn, wire.Bye{Code: wire.CodeSelfCall, Text: selfByeText})
	if ls.isSelf(conn.RemoteAddr()) {
		return &MismatchError{
			Expected: p.ID, Got: id, Address: address, Certain: true, Note: "this is this device itself",
		}
	}
	ls.onOwnTwin("at " + address)
	return &MismatchError{Expected: p.ID, Got: id, Address: address, Certain: true,
		Note: "another device has this device's own id: " + twinHint}
}

// isSelf reports whether our own listener has this address.
func (ls *Links) isSelf(remote net.Addr) bool {
	a, err := netip.ParseAddrPort(remote.String())
	own := ls.Addr()
	if err != nil || own == nil {
		return false
	}
	if listen, err := netip.ParseAddrPort(own.String()); err != nil || listen.Port() != a.Port() {
		return false
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, x := range all {
		if n, ok := x.(*net.IPNet); ok && n.IP.Equal(a.Addr().Unmap().AsSlice()) {
			return true
		}
	}
	return a.Addr().Unmap().IsLoopback()
}
