package main

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// newTunnel joins the ends by two TUN devices, between which this process carries packets: one by one, so that delay, loss
// and queue are those of packets, as a TCP proxy's would not be. It is the router for kernels without netem or tbf.
//
// For each direction there are two goroutines: one reads packets and decides by the shaper, the other writes them when
// they are due. close waits for all four.
func newTunnel(ctx context.Context, c conditions) (_ *link, err error) {
	server, client, err := c.ends(ctx)
	if err != nil {
		return nil, err
	}
	var devices []*os.File
	var running sync.WaitGroup
	l := &link{server: server, client: client, close: func() {
		for _, d := range devices {
			d.Close() // ends the reader, and by it the writer
		}
		running.Wait()
		server.close()
		client.close()
	}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for _, end := range []struct {
		n    *namespace
		addr string
	}{{server, serverAddr}, {client, clientAddr}} {
		d, err := openTun(end.n)
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
		err = first(
			func() error { return end.n.ip(ctx, "addr add "+end.addr+"/24 dev tun0") },
			func() error { return end.n.ip(ctx, "link set tun0 up") },
			func() error { return end.n.ip(ctx, "route add default dev tun0") },
		)
		if err != nil {
			return nil, err
		}
	}
	var off atomic.Bool
	l.cut = func(o bool) error { off.Store(o); return nil }
	carry(&running, devices[0], devices[1], c, &off)
	carry(&running, devices[1], devices[0], conditions{}, &off)
	return l, nil
}

// openTun makes the device tun0 in a namespace.
func openTun(n *namespace) (f *os.File, err error) {
	err = n.do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		request, err := unix.NewIfreq("tun0")
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return fmt.Errorf("make a TUN device: %w", err)
		}
		f = os.NewFile(uintptr(fd), "tun0")
		return nil
	})
	return f, err
}

const (
	mtu       = 1500
	maxFlight = 4096 // packets on their way or waiting: 6 MB
)

// carry takes packets from one device to the other until the first is closed.
func carry(running *sync.WaitGroup, from, to *os.File, c conditions, off *atomic.Bool) {
	on := make(chan packet, maxFlight)
	running.Go(func() {
		defer close(on)
		s := &shaper{conditions: c, random: rand.New(rand.NewPCG(1, 2))} // the same losses for every program
		for order := 0; ; order++ {
			b := make([]byte, mtu)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			if off.Load() {
				continue
			}
			leaves, ok := s.offer(now(), n)
			if !ok {
				continue
			}
			select {
			case on <- packet{leaves, order, b[:n]}:
			default: // more than a real router would hold
			}
		}
	})
	running.Go(func() {
		var f flight
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case p, ok := <-on:
				if !ok {
					return
				}
				heap.Push(&f, p)
			case <-timer.C:
			}
			for p, ok := f.due(now()); ok; p, ok = f.due(now()) {
				_, _ = to.Write(p.data) // what a device refuses is lost, as on any link
			}
			if len(f) > 0 {
				timer.Reset(f[0].leaves - now())
			}
		}
	})
}
