package natlab

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"vchat/daemon/api"
)

// small is a camera of little work for a slow machine.
const small = "device: test, size: 320x240, fps: 30"

// relayed is the configuration of a relay.
const relayed = "relay: [\"" + relayAddress + "\"]\n"

// proveApart fails the test if a device can connect to the other home.
func (l *lab) proveApart() {
	l.t.Helper()
	const port = 4242
	type attempt struct {
		what string
		err  error
	}
	results := make(chan attempt)
	n := 0
	try := func(what string, from *namespace, to string, local int, timeout time.Duration) {
		n++
		go func() {
			c, err := from.dial(to, local, timeout)
			if err == nil {
				c.Close()
			}
			results <- attempt{what, err}
		}()
	}
	// Something listens on both devices: only the routers are in the way.
	for _, h := range []*home{l.a, l.b} {
		var listener net.Listener
		l.must(h.device.do(func() (err error) {
			listener, err = net.Listen("tcp4", fmt.Sprintf(":%d", peerPort))
			return err
		}))
		defer listener.Close()
	}
	for _, way := range []struct{ from, to *home }{{l.a, l.b}, {l.b, l.a}} {
		try(fmt.Sprintf("%s to %s", way.from.name, way.to.name), way.from.device,
			fmt.Sprintf("%s:%d", way.to.public, peerPort), 0, 2*time.Second)
		// Both at once, from the ports at which the other one dials. The kernel
		// repeats the SYN after one second.
		try(fmt.Sprintf("%s and %s at once", way.from.name, way.to.name), way.from.device,
			fmt.Sprintf("%s:%d", way.to.public, port), port, 4*time.Second)
	}
	for range n {
		if r := <-results; r.err == nil {
			l.t.Errorf("%s: connected, want no direct way", r.what)
		} else if !isTimeout(r.err) {
			l.t.Errorf("%s: got %v, want a timeout of packets that the router drops", r.what, r.err)
		}
	}
	if l.t.Failed() {
		l.t.FailNow()
	}
	// The laboratory works: both reach a host on the internet.
	var listener net.Listener
	l.must(l.relay.do(func() (err error) {
		listener, err = net.Listen("tcp4", ":4002")
		return err
	}))
	defer listener.Close()
	for _, h := range []*home{l.a, l.b} {
		c, err := h.device.dial(relayHost+":4002", 0, patience)
		l.must(err)
		c.Close()
		l.must(h.forget())
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// A forwarded port is a direct way, and the frames take it.
func TestForwardedPort(t *testing.T) {
	l := newLab(t, fullyRandom, masquerade)
	kitchen, cottage := l.newDevice("kitchen", l.a.device), l.newDevice("cottage", l.b.device)
	c, err := newCapture(l.internet)
	l.must(err)
	t.Cleanup(c.close)
	kitchen.configure(small, cottage, fmt.Sprintf("%s:%d", l.b.public, peerPort), "")
	cottage.configure(small, kitchen, "", "")
	kitchen.start()
	cottage.start()
	l.must(l.b.openPort())
	kitchen.wait("link", func() bool { return kitchen.link().State == api.LinkUp })
	seen := kitchen.watch(cottage)
	kitchen.call(cottage)
	cottage.wait("frames", cottage.sees)
	kitchen.wait("30 frames", func() bool { n, _, _ := seen.counts(); return n >= 30 })
	if n := c.packets(l.a.public, l.b.public); n < 60 {
		t.Errorf("%d packets between the homes, want those of a call", n)
	}
}

// proveRelayed fails the test if a packet has gone from one home to the other,
// or if a router knows a connection to anything but the relay.
func (l *lab) proveRelayed(c *capture) {
	l.t.Helper()
	if n := c.packets(l.a.public, l.b.public); n != 0 {
		l.t.Errorf("%d packets between the homes, want none", n)
	}
	for _, h := range []*home{l.a, l.b} {
		if n := c.packets(h.public, relayHost); n < 100 {
			l.t.Errorf("%d packets between home %s and the relay, want those of a call", n, h.name)
		}
		for _, router := range h.routers() {
			ends, err := router.connections()
			l.must(err)
			if len(ends) != 1 || ends[relayAddress] == 0 {
				l.t.Errorf("connections of a router of %s: got %v, want only those to the relay", h.name, ends)
			}
		}
	}
}
