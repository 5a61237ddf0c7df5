package link_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

// arbiterFor returns a device with a smaller id than d: it nominates
// connections.
func (tn *testNet) arbiterFor(name string, d *device) *device {
	for {
		if x := tn.device(name); x.id.ID().Compare(d.id.ID()) < 0 {
			return x
		}
	}
}

// rawPeer is a peer with a known key; the test chooses each byte that it sends.
type rawPeer struct {
	*tls.Conn
	in *wire.Reader
	t  *testing.T
}

// dial connects and does the TLS handshake with the key of as.
func (tn *testNet) dial(t *testing.T, to string, as *device) *rawPeer {
	t.Helper()
	raw, err := tn.net.Dial(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := tls.Client(raw, as.id.ClientConfig())
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &rawPeer{Conn: c, in: wire.NewReader(c), t: t}
}

// dialHello is dial and the exchange of hellos.
func (tn *testNet) dialHello(t *testing.T, to string, as *device, features ...string) *rawPeer {
	t.Helper()
	s := tn.dial(t, to, as)
	s.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: as.name, Features: append(features, "jpeg")})
	if m, err := s.in.Next(); err != nil || m.Type() != wire.TypeHello {
		t.Fatalf("got %v, %v; want a hello", m, err)
	}
	return s
}

func (s *rawPeer) send(m wire.Message) { _, _ = s.Write(message(s.t, m)) }

// sendFeedback reports that a frame has arrived.
func (s *rawPeer) sendFeedback(p *wire.Frame) {
	s.send(&wire.Feedback{Seq: p.Seq, Arrived: time.Duration(time.Now().UnixNano())})
	advance(time.Millisecond)
}

// lastMessage reads to the end and returns the last message.
func (s *rawPeer) lastMessage() (last wire.Message) {
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		m, err := s.in.Next()
		if err != nil {
			return last
		}
		last = m
	}
}

func (s *rawPeer) wantBye(code wire.Code) {
	s.t.Helper()
	if bye, ok := s.lastMessage().(*wire.Bye); !ok || bye.Code != code {
		s.t.Errorf("got last message %+v, want a Bye with code %v", bye, code)
	}
}

func TestArbitrate_simultaneousDial(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.device("alice"), tn.device("bob")
			tn.start(alice, true, bob)
			tn.start(bob, true, alice)
			advance(10 * time.Second)
			if alice.ups() != 1 || bob.ups() != 1 || len(alice.down)+len(bob.down) != 0 {
				t.Errorf("got %d and %d links, Down with %v and %v; want one link on each side",
					alice.ups(), bob.ups(), alice.down, bob.down)
			}
		})
	}
}

// The other side keeps both halves of a simultaneous dial: the arbiter may
// nominate either.
func TestArbitrate_eitherCanBeNominated(t *testing.T) {
	for chosen := range 2 {
		t.Run(fmt.Sprintf("connection %d", chosen), func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice := tn.device("alice")
				bob := tn.arbiterFor("bob", alice)
				tn.start(alice, false, bob)
				both := []*rawPeer{tn.dialHello(t, "alice", bob), tn.dialHello(t, "alice", bob)}
				advance(time.Millisecond)
				both[chosen].send(&wire.Nominate{})
				advance(time.Millisecond)
				if alice.ups() != 1 || alice.links.Link("bob") == nil {
					t.Errorf("nominated connection %d of 2: got no link", chosen)
				}
			})
		})
	}
}

func TestArbitrate_limitsPending(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		first := tn.dialHello(t, "alice", bob)
		for range 20 {
			tn.dialHello(t, "alice", bob)
		}
		first.wantBye(wire.CodeReplaced)
	})
}

// orderHandler records the order of Up and Down. The first Up takes a while.
type orderHandler struct {
	*device
	once  sync.Once
	calls []string
}

func (o *orderHandler) Up(l *link.Link) {
	o.once.Do(func() { time.Sleep(50 * time.Millisecond) })
	o.device.Up(l)
	o.device.locked(func() { o.calls = append(o.calls, "up") })
}

func (o *orderHandler) Down(l *link.Link, why error) {
	o.device.Down(l, why)
	o.device.locked(func() { o.calls = append(o.calls, "down") })
}

// In real time: fake time stands still while a goroutine waits for a mutex.
func TestHandler_upBeforeDown(t *testing.T) {
	tn := newTestNet(t)
	defer tn.close()
	alice := &orderHandler{device: tn.device("alice")}
	alice.handler = alice
	bob := tn.arbiterFor("bob", alice.device)
	tn.start(alice.device, false, bob)
	both := []*rawPeer{tn.dialHello(t, "alice", bob), tn.dialHello(t, "alice", bob)}
	both[0].send(&wire.Nominate{})
	time.Sleep(5 * time.Millisecond) // this one is probably read first; the test allows either
	both[1].send(&wire.Nominate{})
	for alice.ups() < 2 {
		time.Sleep(time.Millisecond)
	}
	if alice.links.Link("bob") != alice.up[1] {
		t.Error("Link: got another link than the last Up")
	}
	tn.close()
	if want := []string{"up", "up", "down", "down"}; !slices.Equal(alice.calls, want) {
		t.Errorf("got %v, want %v", alice.calls, want)
	}
}

// stalledPeer returns a device that sends frames to a peer that reads nothing.
func (tn *testNet) stalledPeer(t *testing.T) (alice *device) {
	alice = tn.device("alice")
	bob := tn.arbiterFor("bob", alice)
	tn.start(alice, false, bob)
	s := tn.dialHello(t, "alice", bob, "yuyv")
	s.send(&wire.Nominate{})
	go func() { // it is not silent
		for range 100 {
			s.send(&wire.Ping{T1: 1})
			time.Sleep(time.Second)
		}
	}()
	t.Cleanup(func() { time.Sleep(2 * time.Minute) })
	advance(time.Second)
	hub, pool := frame.NewHub(), frame.NewPool(4)
	alice.links.Link("bob").Show(hub)
	for seq := range uint64(20) {
		publishRaw(hub, pool, seq, 400, 250, true)
		advance(20 * time.Millisecond)
	}
	return alice
}

func TestRun_endsWithStalledPeer(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.stalledPeer(t)
		began := time.Now() // in fake time
		tn.close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("Run took %v to end, want at most 1 s", d)
		}
	})
}

func TestLink_stalledPeer(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.stalledPeer(t)
		advance(12 * time.Second)
		if len(alice.down) != 1 || !errors.Is(alice.down[0], link.ErrSlow) {
			t.Errorf("got Down with %v, want ErrSlow", alice.down)
		}
	})
}

func TestLink_pingFlood(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob)
		s.send(&wire.Nominate{})
		var flood []byte
		for i := range 5000 {
			flood = append(flood, message(t, &wire.Ping{T1: time.Duration(i)})...)
		}
		_, _ = s.Write(flood)
		for {
			m, err := s.in.Next()
			if err != nil {
				t.Fatalf("got no pong for the last of 5000 pings: %v", err)
			}
			if p, ok := m.(*wire.Pong); ok && p.T1 == 4999 {
				break
			}
		}
	})
}

func TestLink_messageFlood(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob)
		s.send(&wire.Nominate{})
		flood := bytes.Repeat(message(t, &wire.Invite{Call: wire.CallID{1}}), 5000)
		go func() { _, _ = s.Write(flood) }()
		go func() { _ = s.lastMessage() }()
		advance(time.Second)
		if n := len(alice.messages); n < 100 || n > 220 {
			t.Errorf("got %d messages in a second, want a burst of 100 and then 100 a second", n)
		}
		if len(alice.down) != 0 {
			t.Errorf("got Down with %v, want the link up", alice.down)
		}
	})
}

func TestLink_unwantedFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		bob.wanted = link.WantsNothing
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		for seq := range uint64(5) {
			publishRaw(hub, pool, seq, 64, 48, false)
			advance(100 * time.Millisecond)
		}
		if r := bob.links.Status("alice").Receiving; r.Frames != 0 || len(bob.frames) != 0 {
			t.Errorf("got %d frames, want 0", r.Frames)
		}
		bob.locked(func() { bob.wanted = link.WantsAll })
		publishRaw(hub, pool, 9, 64, 48, false) // a delta to a frame that was not decoded: bob requests a full one
		advance(100 * time.Millisecond)
		publishRaw(hub, pool, 10, 64, 48, false)
		advance(100 * time.Millisecond)
		if r := bob.links.Status("alice").Receiving; r.Frames != 1 || r.Lost != 0 || r.Broken != 1 {
			t.Errorf("after the second wanted frame: got %+v, want 1 frame, 1 broken, none lost", r)
		}
	})
}

func TestRefusals_logLimit(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		tn.start(alice, false)
		for range 300 {
			unknown := tn.dial(t, "alice", tn.device("unknown"))
			unknown.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "unknown"})
			_ = unknown.Close()
			advance(10 * time.Millisecond)
		}
		advance(3 * time.Second)
		if n := strings.Count(tn.logged(), "unknown device refused"); n < 1 || n > 4 {
			t.Errorf("got %d log lines about 300 keys of one address, want 1 to 4", n)
		}
		if n := len(alice.links.Refusals()); n != 8 {
			t.Errorf("got %d refused devices, want 8", n)
		}
		if n := alice.links.Visitors(); n.Refused != 300 || n.Accepted != 300 || n.Now != 0 {
			t.Errorf("got %+v, want 300 accepted and refused, none left", n)
		}
	})
}

func TestRefuse_disclosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice-in-the-kitchen"), tn.device("bob-next-door")
		tn.start(alice, false, bob)
		unknown := tn.device("unknown")
		s := tn.dial(t, alice.name, unknown) // sends nothing
		began := time.Now()
		m, err := s.in.Next()
		if err != nil || time.Since(began) != 0 {
			t.Fatalf("refused after %v, want at once: %v", time.Since(began), err)
		}
		bye, ok := m.(*wire.Bye)
		if !ok || bye.Code != wire.CodeUnknownDevice || !strings.Contains(bye.Text, unknown.id.ID().String()) {
			t.Fatalf("got first message %+v, want a Bye with the key", m)
		}
		if strings.Contains(bye.Text, alice.name) || strings.Contains(bye.Text, bob.name) {
			t.Errorf("got %q, want no names of devices", bye.Text)
		}
	})
}

func TestLink_readsAfterProtocolError(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob)
		s.send(&wire.Nominate{})
		_, _ = s.Write(make([]byte, 8)) // type 0
		if _, err := s.Write(make([]byte, 1<<20)); err != nil {
			t.Errorf("write after a protocol error: %v", err)
		}
		s.wantBye(wire.CodeProtocol)
	})
}

// Data that arrives after a close causes a reset, and the reset destroys the
// Bye.
func TestLink_byeOverTCP(t *testing.T) {
	tn := newTestNet(t)
	defer tn.close()
	alice := tn.device("alice")
	bob := tn.arbiterFor("bob", alice)
	alice.links = link.New(link.Config{Identity: alice.id, Name: "alice", Handler: alice,
		Log: slog.New(slog.DiscardHandler)})
	alice.links.Configure("alice", []link.Peer{{Name: "bob", ID: bob.id.ID()}})
	if err := alice.links.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	tn.run(alice)
	for range 10 {
		raw, err := net.Dial("tcp", alice.links.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, bob.id.ClientConfig())
		s := &rawPeer{Conn: c, in: wire.NewReader(c), t: t}
		s.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Features: []string{"jpeg"}})
		s.send(&wire.Nominate{})
		_, _ = s.Write(make([]byte, 8)) // type 0: a protocol error
		_, _ = s.Write(make([]byte, 1<<20))
		s.wantBye(wire.CodeProtocol)
		_ = raw.Close()
	}
}

func TestConfigure_newAddress(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		l := alice.links.Link("bob")
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "elsewhere", ID: bob.id.ID()}})
		advance(5 * time.Second)
		if alice.links.Link("bob") != l {
			t.Errorf("got Down with %v, want the link up", alice.down)
		}
		tn.net.Cut()
		advance(5 * time.Second)
		if err := alice.links.Status("bob").Err; err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("after the cut: got %v, want an attempt at the new address", err)
		}
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "bob", ID: bob.id.ID()}})
		advance(150 * time.Millisecond) // pauses are 2 s by now
		if alice.links.Link("bob") == nil {
			t.Error("new address: got no link at once")
		}
	})
}

func TestConfigure_renamedPeer(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		alice.links.Configure("alice", []link.Peer{{Name: "robert", Address: "bob", ID: bob.id.ID()}})
		advance(5 * time.Second)
		if len(bob.refused) != 0 {
			t.Errorf("bob: got Refused with %v, want none", bob.refused)
		}
		if alice.links.Link("robert") == nil || alice.links.Link("bob") != nil {
			t.Errorf("got no link under the new name: %v", alice.links.Status("robert").Err)
		}
	})
}

func TestConfigure_afterRun(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		tn.close()
		dials := tn.net.Dials()
		for i := range 10 {
			alice.links.Configure("alice", []link.Peer{{Name: fmt.Sprint("bob", i), Address: "bob", ID: bob.id.ID()}})
		}
		advance(10 * time.Second)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("got %d dials after Run, want 0", n-dials)
		}
	})
}

func TestDial_refused(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false) // without peers
		tn.start(alice, true, bob)
		advance(time.Minute)
		if n := tn.net.Dials(); n < 5 || n > 13 {
			t.Errorf("got %d dials in a minute, want one every 5 to 10 s", n)
		}
	})
}

func TestLink_feedbackEndsWithFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob, "yuyv")
		s.send(&wire.Nominate{})
		p := wire.Frame{Seq: 1, Width: 2, Height: 1, Codec: wire.CodecYUYV, Size: 4}
		_, _ = s.Write(append(wire.AppendFrame(nil, &p), 1, 2, 3, 4))
		feedbacks := 0
		for range 20 {
			s.send(&wire.Ping{T1: 1})
			for {
				m, err := s.in.Next()
				if err != nil {
					t.Fatal(err)
				}
				if m.Type() == wire.TypeFeedback {
					feedbacks++
				}
				if m.Type() == wire.TypePong {
					break
				}
			}
			time.Sleep(500 * time.Millisecond)
		}
		if feedbacks != 1 {
			t.Errorf("got %d feedbacks for one frame, want 1", feedbacks)
		}
	})
}

func TestAdmission_knownKeyBeforeHello(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, false, bob)
		var open []*rawPeer
		for range 30 {
			open = append(open, tn.dial(t, "alice", bob))
		}
		advance(time.Second)
		held := 0
		for _, s := range open {
			_ = s.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := io.Copy(io.Discard, s); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				held++
			}
		}
		if held == 0 || held > 8 {
			t.Errorf("got %d of 30 connections open, want 1 to 8", held)
		}
	})
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
