package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// errNoQdisc reports that the kernel lacks tbf or netem.
var errNoQdisc = errors.New("queueing discipline not available")

// newLink connects two new namespaces through a third, which forwards between
// two veth pairs and has tbf or netem on the way to the clients. On the
// server's own device, TCP would see its packets queue and send fewer.
func newLink(ctx context.Context, c conditions) (_ *link, err error) {
	if os.Geteuid() != 0 {
		return nil, errNeedsRoot
	}
	server, client, err := c.hosts(ctx)
	if err != nil {
		return nil, err
	}
	router, err := newNamespace(ctx)
	if err != nil {
		server.close()
		client.close()
		return nil, err
	}
	l := &link{server: server, client: client, router: router, shaper: "no shaper",
		close: func() { server.close(); client.close(); router.close() }}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	forward := func(on string) error {
		return router.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(on), 0o644) })
	}
	// A router that does not forward drops packets silently.
	l.cut = func(off bool) error {
		if off {
			return forward("0")
		}
		return forward("1")
	}
	err = runAll(
		func() error { return router.ip(ctx, "link add name srv type veth peer name eth0 netns "+server.path()) },
		func() error { return router.ip(ctx, "link add name cli type veth peer name eth0 netns "+client.path()) },
		func() error { return router.ip(ctx, "addr add 10.213.1.1/24 dev srv") },
		func() error { return router.ip(ctx, "addr add 10.213.2.1/24 dev cli") },
		func() error { return router.ip(ctx, "link set srv up") },
		func() error { return router.ip(ctx, "link set cli up") },
		func() error { return server.ip(ctx, "addr add "+serverAddr+"/24 dev eth0") },
		func() error { return client.ip(ctx, "addr add "+clientAddr+"/24 dev eth0") },
		func() error { return server.ip(ctx, "link set eth0 up") },
		func() error { return client.ip(ctx, "link set eth0 up") },
		func() error { return server.ip(ctx, "route add default via 10.213.1.1") },
		func() error { return client.ip(ctx, "route add default via 10.213.2.1") },
		func() error { return forward("1") },
	)
	if err != nil {
		return nil, err
	}
	if q := c.qdisc(); q != "" {
		if err := router.tc(ctx, "qdisc add dev cli root "+q); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoQdisc, err)
		}
		l.shaper = q
	}
	return l, nil
}

// qdisc returns tc's arguments for the conditions; "" for none.
func (c conditions) qdisc() string {
	switch {
	case c.rate > 0:
		// The burst is 4 ms at this rate, a tick at HZ=250, and at least a few
		// packets.
		burst := max(int(c.rate/8/250), 5*1514)
		return fmt.Sprintf("tbf rate %.0fbit burst %d latency %dms", c.rate, burst, c.queue.Milliseconds())
	case c.delay > 0 || c.loss > 0:
		return fmt.Sprintf("netem delay %dms %dms loss %.3g%%",
			c.delay.Milliseconds(), c.jitter.Milliseconds(), 100*c.loss)
	}
	return ""
}
