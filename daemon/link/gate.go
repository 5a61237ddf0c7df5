package link

import (
	"net"
	"sync"
)

// gate bounds the connections that have not yet shown a known key. When it is full the oldest one has to go: a real peer
// needs a few hundred milliseconds to show its key, a flood of silent connections thus cannot keep it out.
type gate struct {
	max int

	mu      sync.Mutex
	waiting []net.Conn
}

func (g *gate) enter(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= g.max {
		_ = g.waiting[0].Close()
		g.waiting = append(g.waiting[:0], g.waiting[1:]...)
	}
	g.waiting = append(g.waiting, c)
}

func (g *gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == c {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
}

func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.waiting {
		_ = c.Close()
	}
}
