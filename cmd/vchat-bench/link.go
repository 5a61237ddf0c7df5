package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// conditions is what a link is like, from the server to the clients; the other direction is as the kernel gives it.
type conditions struct {
	rate          float64       // bits a second; 0: no limit
	queue         time.Duration // how long a packet waits at most before the limit; a longer queue drops what comes
	delay, jitter time.Duration // delay ± jitter, evenly spread; packets overtake each other, as with netem
	loss          float64       // part of the packets
	tcp           string        // congestion control of both ends; empty: cubic if it can be had
}

// link joins a namespace of the server with one of the clients, by a router between them that queues what it cannot send.
// The hosts see packets that are late or missing and nothing else: no device that is down, no route that has gone.
type link struct {
	server, client *namespace
	shaped         string // by what, in words
	cut            func(off bool) error
	close          func()
}

// What the server has and clients reach.
const serverAddr = "10.213.1.2"

const clientAddr = "10.213.2.2"

var errNeedsRoot = errors.New("network namespaces need root")

// ends makes the two namespaces.
func (c conditions) ends(ctx context.Context) (server, client *namespace, err error) {
	if server, err = newNamespace(ctx); err != nil {
		return nil, nil, err
	}
	if client, err = newNamespace(ctx); err != nil {
		server.close()
		return nil, nil, err
	}
	for _, n := range []*namespace{server, client} {
		if err := n.congestion(c.tcp); err != nil {
			server.close()
			client.close()
			return nil, nil, err
		}
	}
	return server, client, nil
}

// first runs steps up to the first that fails.
func first(steps ...func() error) error {
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
