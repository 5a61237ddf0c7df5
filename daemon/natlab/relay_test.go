package natlab

import (
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"

	"vchat/daemon/daemontest/syncbuffer"
)

// relay is Debian's magic-wormhole-transit-relay on its host.
type relay struct {
	l     *lab
	log   syncbuffer.Buffer
	cmd   *exec.Cmd
	ended chan struct{}
}

func (l *lab) newRelay() *relay {
	l.t.Helper()
	r := &relay{l: l}
	l.t.Cleanup(func() {
		r.kill()
		if l.t.Failed() {
			l.t.Logf("log of the relay:\n%s", r.log.String())
		}
	})
	r.start()
	return r
}

// start starts the relay and waits until it listens.
func (r *relay) start() {
	r.l.t.Helper()
	var err error
	r.cmd, r.ended, err = r.l.starter.start(r.l.relay, &r.log,
		"twistd3", "--nodaemon", "--pidfile=", "transitrelay")
	r.l.must(err)
	for limit := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if c, err := r.l.relay.dial(relayAddress, 0, time.Second); err == nil {
			c.Close()
			return
		}
		if time.Now().After(limit) {
			r.l.t.Fatalf("the relay does not listen within %v:\n%s", patience, r.log.String())
		}
	}
}

func (r *relay) kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Signal(syscall.SIGKILL)
		<-r.ended
		r.cmd = nil
	}
}

// join waits at the relay as any of its clients does.
func (r *relay) join(n *namespace, token, side string) (net.Conn, error) {
	c, err := n.dial(relayAddress, 0, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "please relay %s for side %s\n", token, side); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
