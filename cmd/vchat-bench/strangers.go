package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

// The addresses of the strangers, and of the known peer among them. The
// documentation's prefixes (RFC 5737, RFC 3849, RFC 2544) lead to no other
// machine.
var strangerOrigins = []struct{ name, from, peer string }{
	{"one address", "203.0.113.7/32", "198.51.100.1/32"},
	{"a /24", "203.0.113.0/24", "198.51.100.1/32"},
	{"an IPv6 /48", "2001:db8:5::/48", "2001:db8:6::1/128"},
	{"all over", "198.18.0.0/15,203.0.112.0/20,2001:db8::/32", "198.51.100.1/32"},
	{"the peer's address", "198.51.100.1/32", "198.51.100.1/32"},
	{neverSeen, "198.18.0.0/15,203.0.112.0/20,2001:db8::/32", "192.0.2.0/24"},
}

// neverSeen is the case of a peer that had no link before the flood.
const neverSeen = "a peer never seen, all over"

const (
	strangerRate = 2000 // a second
	devicePort   = "7450"
	linkWithin   = 3 * time.Second
	peerName     = "peer"
)

// strangers measures whether a known peer gets a link while strangers flood the
// device, and what becomes of a call.
func (b *bench) strangers(ctx context.Context) error {
	if skip := b.withoutRoot("strangers"); skip {
		return nil
	}
	v, err := b.newVchat(ctx)
	if err != nil {
		return err
	}
	tries := b.tries()
	rtts := []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}
	kinds := b.kinds
	if kinds == nil {
		kinds = strangerKinds
	}
	rows := [][]string{{"strangers", "from", "RTT, ms", "links", "slowest, s", "call, fps", "CPU, % of a core",
		"accepted a second"}}
	for _, o := range strangerOrigins {
		if b.origin != "" && b.origin != o.name {
			continue
		}
		for _, kind := range kinds {
			for _, rtt := range rtts {
				logf("strangers: %s from %s, RTT %v", kind, o.name, rtt)
				r, err := v.withStrangers(ctx, kind, o.from, o.peer, o.name != neverSeen, rtt)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					return err
				}
				logf("%+v", r)
				rows = append(rows, []string{kind, o.name, fmt.Sprint(rtt.Milliseconds()),
					fmt.Sprintf("%d of %d", r.linked, tries), fmt.Sprintf("%.2f", r.slowest.Seconds()),
					fmt.Sprintf("%.1f", r.fps), fmt.Sprintf("%.0f", r.cpu), fmt.Sprintf("%.0f", r.rate)})
			}
		}
	}
	fmt.Printf("\nA known peer starts %d times while strangers make %d connections a second from 5000 addresses. "+
		"Links within %v, the slowest of them, the lowest frame rate of another call.\n\n%s",
		tries, strangerRate, linkWithin, table(rows))
	return nil
}

// tries returns how often the known peer starts.
func (b *bench) tries() int {
	if b.short {
		return 4
	}
	return 12
}

type strangersResult struct {
	linked  int           // attempts that led to a link within linkWithin
	slowest time.Duration // of these
	fps     float64       // lowest of a call with another peer
	cpu     float64       // of the device, in percent of a core
	rate    float64       // connections a second that the device accepted
}

// withStrangers measures one case.
func (v vchat) withStrangers(ctx context.Context, kind, from, peer string, seen bool, rtt time.Duration) (
	r strangersResult, err error) {
	l, err := newLink(ctx, conditions{tcp: v.tcp})
	if err != nil {
		return r, err
	}
	defer l.close()
	if err := addOrigins(ctx, l, strings.Split(from, ","), []string{peer}); err != nil {
		return r, err
	}
	near, far, caller, err := v.strangerDevices(ctx)
	if err != nil {
		return r, err
	}
	server, c, err := v.run(ctx, near, l.server, v.wrap)
	if err != nil {
		return r, err
	}
	defer c.Close()
	defer server.stop()
	call, err := v.call(ctx, caller, l.client)
	if err != nil {
		return r, err
	}
	defer call.stop()
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	relay, err := start(v.dir, l.client, nil, self, "relay", relayAddr, devicePort, peer, rtt.String())
	if err != nil {
		return r, err
	}
	defer relay.stop()
	if seen {
		if _, err := v.linkTime(ctx, far, l.client); err != nil {
			return r, err
		}
	}
	flood, err := start(v.dir, l.client, nil, self, "flood", devicePort, kind, from, fmt.Sprint(strangerRate),
		rtt.String())
	if err != nil {
		return r, err
	}
	defer flood.stop()
	if err := wait(ctx, 3*time.Second); err != nil {
		return r, err
	}
	calls := client.New(caller.socket())
	defer calls.Close()
	return v.measureStrangers(ctx, server.pid, c, calls, func() (time.Duration, error) {
		return v.linkTime(ctx, far, l.client)
	})
}

// relayAddr is where the known peer dials the device: its connections come from
// an address of their own.
const relayAddr = "127.0.0.1:7451"

// strangerDevices makes the device with the camera, a known peer that dials it
// by relayAddr, and a peer that calls it.
func (v vchat) strangerDevices(ctx context.Context) (near, far, caller device, err error) {
	dir, err := os.MkdirTemp(v.dir, "strangers-")
	if err != nil {
		return near, far, caller, err
	}
	for d, name := range map[*device]string{&near: cameraName, &far: peerName, &caller: "caller"} {
		if *d, err = v.newDevice(ctx, dir, name); err != nil {
			return near, far, caller, err
		}
	}
	more := fmt.Sprintf(", size: %s, fps: %d}\npeers:\n  %s: {id: %s}\n  caller: {id: %s, auto_answer: true}\n",
		v.size, v.fps, peerName, far.id, caller.id)
	peer := func(address string) string {
		return fmt.Sprintf("}\npeers:\n  %s: {address: %q, id: %s}\n", cameraName, address, near.id)
	}
	return near, far, caller, errors.Join(near.configure(v.camera, ":"+devicePort, more),
		far.configure(noCamera, "", peer(relayAddr)),
		caller.configure(noCamera, "", peer(serverAddr+":"+devicePort)))
}

// measureStrangers measures the device, a process with the client c, while the
// known peer links again and again: linkTime returns how long that takes. calls
// is the client of the peer in a call.
func (v vchat) measureStrangers(ctx context.Context, pid int, c, calls *client.Client,
	linkTime func() (time.Duration, error)) (r strangersResult, err error) {
	before, err := usageOf(pid)
	if err != nil {
		return r, err
	}
	accepted, err := c.Status(ctx)
	if err != nil {
		return r, err
	}
	began, tries := time.Now(), v.tries()
	r.fps = math.Inf(1)
	for range tries {
		took, err := linkTime()
		if err != nil {
			return r, err
		}
		if took <= linkWithin {
			r.linked, r.slowest = r.linked+1, max(r.slowest, took)
		}
		if s, err := calls.Status(ctx); err == nil && len(s.Calls) > 0 && s.Calls[0].Receiving != nil {
			r.fps = min(r.fps, s.Calls[0].Receiving.FPS)
		} else {
			r.fps = 0
		}
	}
	after, err := usageOf(pid)
	if err != nil {
		return r, err
	}
	user, system, _ := after.since(before)
	r.cpu = 100 * (user + system).Seconds() / time.Since(began).Seconds()
	s, err := c.Status(ctx)
	r.rate = float64(s.Strangers.Accepted-accepted.Strangers.Accepted) / time.Since(began).Seconds()
	return r, err
}

// linkTime starts the known peer and returns how long it takes to get a link;
// more than linkWithin if it does not.
func (v vchat) linkTime(ctx context.Context, d device, in *namespace) (time.Duration, error) {
	p, c, err := v.run(ctx, d, in, nil)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	defer c.Close()
	began := time.Now()
	for time.Since(began) <= linkWithin {
		s, err := c.Status(ctx)
		if err != nil {
			return 0, err
		}
		if len(s.Peers) == 0 { // it has refused its configuration
			return 0, fmt.Errorf("vchatd of %s has no peer: %+v", d.name, s.Problems)
		}
		if s.Peers[0].Link.State == api.LinkUp {
			return time.Since(began), nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began), nil
}

const (
	serverAddr6 = "2001:db8:ffff:1::2"
	clientAddr6 = "2001:db8:ffff:2::2"
)

// addOrigins makes the prefixes addresses of the clients' namespace.
func addOrigins(ctx context.Context, l *link, prefixes ...[]string) error {
	steps := []func() error{
		func() error {
			return l.router.do(func() error { return os.WriteFile(forward6File, []byte("1"), 0o644) })
		},
		func() error {
			return l.client.do(func() error { return os.WriteFile(anyBindFile, []byte("1"), 0o644) })
		},
		func() error { return l.router.ip(ctx, "addr add 2001:db8:ffff:1::1/64 dev srv nodad") },
		func() error { return l.router.ip(ctx, "addr add 2001:db8:ffff:2::1/64 dev cli nodad") },
		func() error { return l.server.ip(ctx, "addr add "+serverAddr6+"/64 dev eth0 nodad") },
		func() error { return l.client.ip(ctx, "addr add "+clientAddr6+"/64 dev eth0 nodad") },
		func() error { return l.server.ip(ctx, "-6 route add default via 2001:db8:ffff:1::1") },
		func() error { return l.client.ip(ctx, "-6 route add default via 2001:db8:ffff:2::1") },
	}
	for _, p := range slices.Concat(prefixes...) {
		via := clientAddr
		if strings.Contains(p, ":") {
			via = clientAddr6
		}
		steps = append(steps,
			func() error { return l.client.ip(ctx, "route replace local "+p+" dev lo") },
			func() error { return l.router.ip(ctx, "route replace "+p+" via "+via) })
	}
	return runAll(steps...)
}

const (
	forward6File = "/proc/sys/net/ipv6/conf/all/forwarding"
	anyBindFile  = "/proc/sys/net/ipv6/ip_nonlocal_bind"
)

// child runs this program as a part of the experiment strangers. It returns
// false if args are those of a user.
func child(ctx context.Context, args []string) (isChild bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case "flood":
		return true, runFlood(ctx, args[1:])
	case "relay":
		return true, runRelay(ctx, args[1:])
	}
	return false, nil
}
