package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/relay/relaytest"
	"vchat/daemon/transport"
)

// relay starts a relay at an address of the network.
func (tn *testNet) relay(address string) *relaytest.Relay {
	r := relaytest.NewOn(tn.t, address, func(address string) (net.Listener, error) {
		return tn.net.Listen(address), nil
	})
	tn.stop = append(tn.stop, r.Stop)
	return r
}

const vps, other = "192.0.2.1:4001", "192.0.2.2:4001"

// checkLinked ends the test if one of two devices has no link to the other.
func checkLinked(t *testing.T, a, b *device, fault string) {
	t.Helper()
	for _, d := range [...]struct{ from, to *device }{{a, b}, {b, a}} {
		if s := d.from.links.Status(d.to.name); !s.Up {
			t.Fatalf("%s: %s: %v", d.from.name, fault, s.Err)
		}
	}
}

// byRelay starts two devices that know only the id of each other, and relays.
func (tn *testNet) byRelay(relays ...string) (alice, bob *device) {
	alice, bob = tn.device("alice"), tn.device("bob")
	for d, peer := range map[*device]*device{alice: bob, bob: alice} {
		tn.prepare(d, false, peer)
		d.links.SetRelays(relays, nil)
		tn.run(d)
	}
	return alice, bob
}

func mustBeUp(t *testing.T, path link.Path, alice, bob *device) {
	t.Helper()
	for _, s := range []link.Status{alice.links.Status("bob"), bob.links.Status("alice")} {
		if !s.Up || s.Path != path {
			t.Fatalf("got up %v, path %v, error %v, want a link of path %v", s.Up, s.Path, s.Err, path)
		}
	}
}

func TestRelay_onlyIDs(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
		if remote := alice.links.Status("bob").Remote; remote != vps {
			t.Errorf("got remote %s, want %s", remote, vps)
		}
		// With a link, one connection waits, and nothing else happens.
		advance(10 * time.Second)
		accepted := r.Accepted()
		advance(10 * time.Minute)
		if got, waiting := r.Accepted(), r.Waiting(); got != accepted || waiting != 1 {
			t.Errorf("in ten minutes: got %d connections, and %d wait, want 0 and 1", got-accepted, waiting)
		}
		if n := r.Early(); n > 0 {
			t.Errorf("%d bytes were sent before the relay's answer, want 0", n)
		}
		mustBeUp(t, link.PathRelay, alice, bob)
	})
}

// A relay that restarts costs a second during a call, and its clients do not
// hammer it while it is down.
func TestRelay_restarts(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		for _, d := range []*device{alice, bob} {
			d.links.SetInCall(map[*device]string{alice: "bob", bob: "alice"}[d], true)
		}
		advance(time.Second)
		for _, down := range []time.Duration{0, 100 * time.Millisecond, 3 * time.Second, 40 * time.Second} {
			r.Stop()
			advance(down)
			r.Start()
			advance(time.Second)
			mustBeUp(t, link.PathRelay, alice, bob)
			advance(time.Duration(len(tn.logged())%7) * 300 * time.Millisecond)
		}
	})
}

func TestRelay_isNotHammered(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.byRelay(vps) // nothing listens there
		advance(10 * time.Second)
		dials := tn.net.Dials()
		advance(10 * time.Minute)
		// Two devices with pauses of 15 to 30 s make 40 to 80.
		if n := tn.net.Dials() - dials; n < 30 || n > 100 {
			t.Errorf("got %d dials in ten minutes, want 40 to 80", n)
		}
		if n := strings.Count(tn.logged(), "relay not usable"); n != 2 {
			t.Errorf("got %d lines, want one for each device", n)
		}
	})
}

func TestRelay_networkChange(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		change := make(fakeNetwork)
		alice, bob := tn.device("alice"), tn.device("bob")
		for d, peer := range map[*device]*device{alice: bob, bob: alice} {
			d.config = func(c *link.Config) { c.Network = change.watch }
			tn.prepare(d, false, peer)
			d.links.SetRelays([]string{vps}, nil)
			tn.run(d)
		}
		advance(5 * time.Minute) // the pauses are at their longest
		tn.relay(vps)
		change <- struct{}{}
		change <- struct{}{}
		advance(time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
	})
}

// The relay holds a dead connection of one device, and may join the other one
// with it.
func TestRelay_halfOpen(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		for _, inCall := range []bool{false, true, true, true, true, true} {
			alice.links.SetInCall("bob", inCall)
			bob.links.SetInCall("alice", inCall)
			advance(time.Second)
			tn.net.Freeze() // the relay notices nothing
			advance(transport.DeadTimeout + 3*time.Second)
			mustBeUp(t, link.PathRelay, alice, bob)
		}
	})
}

// The client is joined with a dead connection of the server. It does not wait
// for the end of that handshake.
func TestRelay_joinedWithDead(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.relay(vps)
		alice := tn.device("alice")
		server := alice
		client := tn.arbiterFor("bob", server)
		var dead []net.Conn
		plant := func() {
			token := identity.RelayIntroduction(client.id.ID(), server.id.ID())
			c, err := tn.net.Dial(t.Context(), "tcp", vps)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(c, "please relay %s for side %s\n", token, token.Side(server.id.ID()))
			dead = append(dead, c)
		}
		plant() // first: the relay prefers it
		advance(time.Millisecond)
		for d, peer := range map[*device]*device{client: server, server: client} {
			tn.prepare(d, false, peer)
			d.links.SetRelays([]string{vps}, nil)
			tn.run(d)
		}
		advance(400 * time.Millisecond)
		mustBeUp(t, link.PathRelay, alice, client)
		// The other attempt has ended, and is not reported as a failure.
		advance(5 * time.Second)
		if text := tn.logged(); strings.Contains(text, "no link by relay") {
			t.Errorf("got a line about the dead connection, want none:\n%s", text)
		}
		for _, c := range dead {
			_ = c.Close()
		}
	})
}

// A waiter whose connection dies just after it was made does not rely on it.
func TestRelay_deadWaiterInCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		advance(time.Second)
		tn.net.Freeze()
		advance(transport.StaleTimeout + 10*time.Millisecond) // both have begun to wait again
		tn.net.Freeze()
		advance(time.Second)
		checkLinked(t, alice, bob, "no link after a second")
	})
}

// All waiters share the pauses of a relay that is down, however many peers
// there are, and follow the one that has connected.
func TestRelay_manyPeers(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		const n = 8
		alice := tn.device("alice")
		var peers []*device
		for i := range n {
			peers = append(peers, tn.device(fmt.Sprint("peer", i)))
		}
		tn.prepare(alice, false, peers...)
		alice.links.SetRelays([]string{vps}, nil)
		tn.run(alice)
		advance(10 * time.Second)
		dials := tn.net.Dials()
		advance(10 * time.Minute)
		if got := tn.net.Dials() - dials; got < 15 || got > 50 {
			t.Errorf("got %d dials in ten minutes, want 20 to 40", got)
		}
		r := tn.relay(vps)
		advance(31 * time.Second)
		if got := r.Waiting(); got != n {
			t.Errorf("half a minute after the relay is back: %d connections wait, want %d", got, n)
		}
	})
}

// During a call a relay that is down is dialled less than twice a second.
func TestRelay_isNotHammeredInCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		r.Stop()
		for _, tt := range []struct {
			during time.Duration
			most   int // of both devices
		}{{time.Minute, 2 * 2 * 60}, {10 * time.Minute, 2 * 10 * 60 / 1.5}} {
			advance(5 * time.Second)
			dials := tn.net.Dials()
			advance(tt.during)
			if n := tn.net.Dials() - dials; n > tt.most {
				t.Errorf("got %d dials in %v, want at most %d", n, tt.during, tt.most)
			}
		}
		r.Start()
		advance(4 * time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
	})
}

// While the peer is away, waiting at a relay costs next to no connections.
func TestRelay_waitingInCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.byRelay(vps)
		advance(time.Second)
		alice.links.SetInCall("bob", true)
		bob.end()
		advance(time.Second)
		accepted := r.Accepted()
		advance(time.Minute)
		// With two tokens, each with pauses that double.
		if n := r.Accepted() - accepted; n > 20 {
			t.Errorf("got %d connections in a minute, want at most 20", n)
		}
	})
}

// A relay that joins and stalls gets longer and longer pauses, also in a call.
func TestRelay_stallsInCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		bad := tn.relay(vps)
		bad.Serve = func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, len("please relay  for side \n")+64+16))
			_, _ = io.WriteString(c, "ok\n")
			_, _ = io.Copy(io.Discard, c)
		}
		alice, bob := tn.byRelay(vps)
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		advance(time.Minute)
		before := bad.Accepted()
		if before > 2*40 {
			t.Errorf("got %d connections in the first minute, want at most 80", before)
		}
		advance(10 * time.Minute)
		if n := bad.Accepted() - before; n > 2*2*10*4 {
			t.Errorf("got %d connections in the next ten minutes, want at most 160", n)
		}
	})
}

// A name server that takes ten seconds delays the first link, and no other.
func TestRelay_slowNames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.device("alice"), tn.device("bob")
		for d, peer := range map[*device]*device{alice: bob, bob: alice} {
			d.config = func(c *link.Config) {
				c.Lookup = func(ctx context.Context, _ string, v4 bool) ([]netip.Addr, error) {
					select {
					case <-time.After(10 * time.Second):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if !v4 {
						return nil, errors.New("no such name")
					}
					return []netip.Addr{netip.MustParseAddr("192.0.2.99"), netip.MustParseAddr("192.0.2.1")}, nil
				}
			}
			tn.prepare(d, false, peer)
			d.links.SetRelays([]string{"vps.example.org:4001"}, nil)
			d.links.SetInCall(peer.name, true) // its attempts take 3 s
			tn.run(d)
		}
		advance(12 * time.Second)
		checkLinked(t, alice, bob, "no link after 12 s")
		r.Cut()
		advance(time.Second)
		checkLinked(t, alice, bob, "no link a second after the relay has cut it")
	})
}

// Where neither way leads to the peer, the status names both reasons.
func TestRelay_neitherWay(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		r := tn.relay(vps)
		alice, bob := tn.device("alice"), tn.device("bob") // bob is off
		tn.prepare(alice, true, bob)
		alice.links.SetRelays([]string{vps}, nil)
		tn.run(alice)
		advance(10 * time.Second)
		s := alice.links.Status("bob")
		if !errors.Is(s.Err, link.ErrNotAtRelay) || !strings.HasPrefix(s.Err.Error(), "connect to bob: ") ||
			!strings.HasSuffix(s.Err.Error(), "; the other device is not at the relay") {
			t.Errorf("got %v, want the errors of both ways", s.Err)
		}
		if p := alice.links.Probe(t.Context(), "bob"); p.Failed != link.StepConnect ||
			!errors.Is(p.Err, link.ErrNotAtRelay) {
			t.Errorf("got step %v, %v, want a failure to connect, and the other error", p.Failed, p.Err)
		}
		r.Stop()
		advance(time.Minute)
		s = alice.links.Status("bob")
		if s.Err == nil || !strings.Contains(s.Err.Error(), "; relay "+vps+": connect: ") {
			t.Errorf("got %v, want the error of the relay too", s.Err)
		}
	})
}

// All relays of the list are used; the first that joins wins.
func TestRelay_several(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.relay(other)
		alice, bob := tn.byRelay(vps, other)
		advance(2 * time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
		if remote := bob.links.Status("alice").Remote; remote != other {
			t.Errorf("got remote %s, want %s", remote, other)
		}
		if all := alice.links.Relays(); len(all) != 2 || all[0].Err == nil || all[1].Err != nil {
			t.Errorf("got relays %v, want an error of the first one", all)
		}
	})
}

// Setting the same relays again, as a reload does, ends the pause of one that
// was down.
func TestRelay_setAgain(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.byRelay(vps)
		advance(5 * time.Minute)
		tn.relay(vps)
		for _, d := range []*device{alice, bob} {
			d.links.SetRelays([]string{vps}, nil)
		}
		advance(time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
	})
}

// The peer may be at the relay that this device does not reach: the status
// names both relays' reasons.
func TestRelay_oneOfSeveralIsDown(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.relay(other)
		alice, bob := tn.device("alice"), tn.device("bob") // bob is off
		tn.prepare(alice, false, bob)
		alice.links.SetRelays([]string{vps, other}, nil)
		tn.run(alice)
		advance(10 * time.Second)
		err := alice.links.Status("bob").Err
		if !errors.Is(err, link.ErrNotAtRelay) || !strings.Contains(err.Error(), "; relay "+vps+": connect: ") {
			t.Errorf("got %v, want that bob is not at the relay, and why the other one cannot be used", err)
		}
	})
}

// A direct link takes over from one by a relay, without the loss of a frame,
// and the relay takes over at once when it dies.
func TestRelay_directIsPreferred(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.net.Delay(20 * time.Millisecond)
		tn.relay(vps)
		alice, bob := tn.device("alice"), tn.device("bob")
		var open atomic.Bool // the way from alice to bob
		alice.config = func(c *link.Config) {
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "bob" && !open.Load() {
					return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
				}
				return tn.net.Dial(ctx, network, address)
			}
		}
		tn.prepare(alice, true, bob)
		tn.prepare(bob, false, alice)
		bob.links.ListenOn(tn.net.Listen("bob"))
		for _, d := range []*device{alice, bob} {
			d.links.SetRelays([]string{vps}, nil)
			tn.run(d)
		}
		advance(2 * time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
		if err := alice.links.Status("bob").DirectErr; !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("got %v as the reason why there is no direct link, want EHOSTUNREACH", err)
		}
		alice.links.SetInCall("bob", true)
		bob.links.SetInCall("alice", true)
		hub, pool := frame.NewHub(), frame.NewPool(4)
		var shown *link.Link
		seq := uint64(1)
		filmFor := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				if l := alice.links.Link("bob"); l != shown && l != nil {
					l.Show(hub)
					shown = l
					advance(time.Millisecond) // until the hub has its reader
				}
				seq = film(hub, pool, 30, 20_000, seq, time.Second/30)
			}
		}
		filmFor(time.Second)
		open.Store(true)
		filmFor(4 * time.Second)
		mustBeUp(t, link.PathDirect, alice, bob)
		advance(time.Second)
		bob.locked(func() {
			seen := map[string]bool{}
			for _, f := range bob.frames {
				seen[strings.Fields(f)[0]] = true
			}
			for i := uint64(10); i < seq; i++ { // the first ones wait for Feedback
				if !seen[fmt.Sprint(i)] {
					t.Errorf("frame %d of %d was lost", i, seq-1)
				}
			}
		})
		open.Store(false)
		tn.net.Cut() // both
		advance(time.Second)
		mustBeUp(t, link.PathRelay, alice, bob)
		shown.Show(nil)
		hub.End(nil)
	})
}

// Relays that misbehave cost no more than a stranger, and one line in the log.
func TestRelay_misbehaves(t *testing.T) {
	request := func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, len("please relay  for side \n")+64+16))
	}
	for name, serve := range map[string]func(net.Conn){
		"closes at once":   func(net.Conn) {},
		"never answers":    func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"garbage first":    func(c net.Conn) { request(c); _, _ = io.WriteString(c, "hello there\n") },
		"endless line":     func(c net.Conn) { request(c); flood(c) },
		"ok, then garbage": func(c net.Conn) { request(c); _, _ = io.WriteString(c, "ok\n"); flood(c) },
		"ok, then silence": func(c net.Conn) {
			request(c)
			_, _ = io.WriteString(c, "ok\n")
			_, _ = io.Copy(io.Discard, c)
		},
		"ok, then closes": func(c net.Conn) { request(c); _, _ = io.WriteString(c, "ok\n") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				bad := tn.relay(vps)
				bad.Serve = serve
				alice, bob := tn.byRelay(vps, other)
				advance(time.Minute)
				before := bad.Accepted()
				advance(10 * time.Minute)
				if n := bad.Accepted() - before; n > 2*2*120 {
					t.Errorf("got %d connections in ten minutes, want pauses", n)
				}
				if n := strings.Count(tn.logged(), "relay="+vps); n > 4 {
					t.Errorf("got %d lines in the log, want one for each device and cause:\n%s", n, tn.logged())
				}
				// A good one is not affected.
				tn.relay(other)
				advance(40 * time.Second)
				mustBeUp(t, link.PathRelay, alice, bob)
				if remote := alice.links.Status("bob").Remote; remote != other {
					t.Errorf("got remote %s, want %s", remote, other)
				}
			})
		})
	}
}

func flood(c net.Conn) {
	b := []byte(strings.Repeat("x", 1<<12))
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}
