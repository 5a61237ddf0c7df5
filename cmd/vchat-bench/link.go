package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// conditions are a link's properties from the server to the clients. The other
// direction is not limited.
type conditions struct {
	rate          float64       // bit/s; 0: no limit
	queue         time.Duration // longest wait of a packet; a full queue drops packets
	delay, jitter time.Duration // delay ± jitter, uniform; packets may be reordered, as netem does
	loss          float64       // fraction of packets, 0 to 1
	tcp           string        // congestion control of both ends; empty: cubic if available
}

// link connects the server's namespace with the clients' through a router that
// queues packets. The hosts only see late and missing packets: no interface
// goes down and no route disappears.
type link struct {
	server, client *namespace
	router         *namespace
	shaper         string // what shapes the traffic, for the report
	cut            func(off bool) error
	close          func()
}

const (
	serverAddr = "10.213.1.2"
	clientAddr = "10.213.2.2"
)

var errNeedsRoot = errors.New("network namespaces require root")

// hosts creates the two namespaces.
func (c conditions) hosts(ctx context.Context) (server, client *namespace, err error) {
	if server, err = newNamespace(ctx); err != nil {
		return nil, nil, err
	}
	if client, err = newNamespace(ctx); err != nil {
		server.close()
		return nil, nil, err
	}
	for _, n := range []*namespace{server, client} {
		if err := n.setCongestion(c.tcp); err != nil {
			server.close()
			client.close()
			return nil, nil, err
		}
	}
	return server, client, nil
}

// runAll runs steps until one fails.
func runAll(steps ...func() error) error {
	for _, s := range steps {
		if err := s(); err != nil {
			return err
		}
	}
	return nil
}

func (c conditions) String() string {
	s := ""
	if c.rate > 0 {
		s = fmt.Sprintf("%.1f Mbit/s, queue of %v", c.rate/1e6, c.queue)
	}
	if c.delay > 0 || c.loss > 0 {
		s += fmt.Sprintf("%v ± %v, %.3g %% lost", c.delay, c.jitter, 100*c.loss)
	}
	return s
}
