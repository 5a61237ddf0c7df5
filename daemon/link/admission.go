package link

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// admission limits the connections that have not reached a milestone yet: a
// known key, or a hello. When it is full, it closes the oldest connection of
// the source that has the most. A real peer needs a few hundred milliseconds,
// so a flood cannot keep it out, and a peer from another source is not affected
// at all. It is safe for concurrent use.
type admission struct {
	limit int

	mu      sync.Mutex
	pending []pendingConn // oldest first
}

type pendingConn struct {
	conn   net.Conn
	source string
}

// admit adds c, and closes another connection if there are too many.
func (a *admission) admit(c net.Conn) {
	p := pendingConn{conn: c, source: source(c)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = append(a.pending, p)
	if len(a.pending) > a.limit {
		a.evict()
	}
}

// evict closes the oldest connection of the most frequent source. The caller
// holds mu.
func (a *admission) evict() {
	count := map[string]int{}
	for _, p := range a.pending {
		count[p.source]++
	}
	victim := 0
	for i, p := range a.pending {
		if count[p.source] > count[a.pending[victim].source] {
			victim = i
		}
	}
	_ = a.pending[victim].conn.Close()
	a.pending = slices.Delete(a.pending, victim, victim+1)
}

// release removes c, which has reached the milestone or has ended.
func (a *admission) release(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending = slices.DeleteFunc(a.pending, func(p pendingConn) bool { return p.conn == c })
}

// source returns the IPv4 address of a connection, or the /64 of its IPv6
// address: a household has one /64.
func source(c net.Conn) string {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return ""
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	subnet, _ := ip.Prefix(64) // an error needs more than 128 bits
	return subnet.String()
}
