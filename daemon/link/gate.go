package link

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// gate bounds the connections that have not got so far yet: to a known key, or to a hello. When it is full the oldest one
// of the address that has most of them has to go: a real peer needs a few hundred milliseconds, so a flood of connections
// cannot keep it out, and one from elsewhere does not even meet it.
type gate struct {
	max int

	mu      sync.Mutex
	waiting []visitor // oldest first
}

type visitor struct {
	conn   net.Conn
	origin string
}

func (g *gate) enter(c net.Conn) {
	v := visitor{conn: c, origin: origin(c)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, v)
	if len(g.waiting) > g.max {
		out := g.crowd()
		_ = g.waiting[out].conn.Close()
		g.waiting = slices.Delete(g.waiting, out, out+1)
	}
}

// crowd gives the oldest connection from where most come from. It is called with mu held.
func (g *gate) crowd() (oldest int) {
	count := map[string]int{}
	for _, v := range g.waiting {
		count[v.origin]++
	}
	for i, v := range g.waiting {
		if count[v.origin] > count[g.waiting[oldest].origin] {
			oldest = i
		}
	}
	return oldest
}

// origin is who is to blame for a connection: an IPv4 address, or the /64 that one household has in IPv6.
func origin(c net.Conn) string {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return ""
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	net64, _ := ip.Prefix(64) // it fails for more than 128 bits only
	return net64.String()
}

func (g *gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(v visitor) bool { return v.conn == c })
}
