package daemon_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/relay/relaytest"
)

// socksProxy is a SOCKS5 proxy with a password that knows names of its own. It
// returns its URL, and a function with the names that it was asked for.
func socksProxy(t *testing.T, names map[string]string) (url string, asked func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	var all []string
	conns := map[net.Conn]bool{}
	keep := func(c net.Conn) { mu.Lock(); conns[c] = true; mu.Unlock() }
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	serve := func(c net.Conn) {
		defer c.Close()
		read := func(n int) []byte {
			b := make([]byte, n)
			_, _ = io.ReadFull(c, b)
			return b
		}
		read(int(read(2)[1]))
		_, _ = c.Write([]byte{5, 2})
		read(int(read(2)[1]))
		password := string(read(int(read(1)[0])))
		_, _ = c.Write([]byte{1, 0})
		name := string(read(int(read(5)[4])))
		read(2)
		mu.Lock()
		all = append(all, name)
		mu.Unlock()
		to, err := net.Dial("tcp", names[name])
		if err != nil || password != "hunter2" {
			_, _ = c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		defer to.Close()
		keep(to)
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		work.Go(func() { _, _ = io.Copy(to, c); _ = to.Close() })
		_, _ = io.Copy(c, to)
	}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			keep(c)
			work.Go(func() { serve(c) })
		}
	})
	return "socks5://alice:hunter2@" + l.Addr().String(), func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(all, " ")
	}
}

// A peer is called at a name that only the proxy knows.
func TestProxy_call(t *testing.T) {
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob")
	url, asked := socksProxy(t, map[string]string{"bob.onion": bob.Config.Listen})
	alice.Know(bob, "bob.onion:7450", func(p *config.Peer) { p.Proxy = url })
	bob.Know(alice, "", func(p *config.Peer) { p.AutoAnswer = true })
	alice.Start()
	bob.Start()
	s := alice.Wait("link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	p := s.Peers[0]
	if p.Link.Path != api.PathProxy || p.Link.Remote != "bob.onion:7450" ||
		p.Proxy != strings.TrimPrefix(url, "socks5://alice:hunter2@") {
		t.Errorf("got path %q, remote %q, proxy %q, want proxy, bob.onion:7450 and the proxy's address",
			p.Link.Path, p.Link.Remote, p.Proxy)
	}
	if _, err := alice.Client.Call(t.Context(), api.CallRequest{Peer: "bob"}); err != nil {
		t.Fatal(err)
	}
	alice.Wait("frames", daemontest.Seeing)
	if names := asked(); !strings.HasPrefix(names, "bob.onion") {
		t.Errorf("the proxy was asked for %q, want bob.onion", names)
	}
	if strings.Contains(alice.Log(), "hunter2") {
		t.Error("the log has the password")
	}
}

// The relays are dialled by relay_proxy.
func TestProxy_relay(t *testing.T) {
	r := relaytest.New(t)
	url, asked := socksProxy(t, map[string]string{"vps.onion": r.Address()})
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob")
	alice.Know(bob, "", nil)
	bob.Know(alice, "", nil)
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Config.Listen, d.Config.Relay, d.Config.RelayProxy = "", []string{"vps.onion:4001"}, url
		d.Start()
	}
	s := alice.Wait("link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	if l := s.Peers[0].Link; l.Path != api.PathRelay || l.Relay != "vps.onion:4001" {
		t.Errorf("got path %q, relay %q, want relay and vps.onion:4001", l.Path, l.Relay)
	}
	if names := asked(); !strings.HasPrefix(names, "vps.onion vps.onion") {
		t.Errorf("the proxy was asked for %q, want vps.onion", names)
	}
	if strings.Contains(alice.Log()+bob.Log(), "hunter2") {
		t.Error("the log has the password")
	}
}
