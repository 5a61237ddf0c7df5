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

// smaller makes a device whose id is below that of d, so that it chooses among connections.
func (tn *testNet) arbiterFor(name string, d *device) *device {
	for {
		if x := tn.device(name); x.id.ID().Compare(d.id.ID()) < 0 {
			return x
		}
	}
}

// rawPeer is a peer with the right key of whom each byte is the test's.
type rawPeer struct {
	*tls.Conn
	in *wire.Reader
	t  *testing.T
}

// dial does the TLS handshake with the key of as.
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

// greet is dial and both Hellos.
func (tn *testNet) dialHello(t *testing.T, to string, as *device, features ...string) *rawPeer {
	t.Helper()
	s := tn.dial(t, to, as)
	s.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: as.name, Features: append(features, "jpeg")})
	if m, err := s.in.Next(); err != nil || m.Type() != wire.TypeHello {
		t.Fatalf("instead of a hello: %v, %v", m, err)
	}
	return s
}

func (s *rawPeer) send(m wire.Message) { _, _ = s.Write(message(s.t, m)) }

// landed says that a frame has arrived.
func (s *rawPeer) sendFeedback(p *wire.Frame) {
	s.send(&wire.Feedback{Seq: p.Seq, Arrived: time.Duration(time.Now().UnixNano())})
	advance(time.Millisecond)
}

// last reads to the end and gives what came last.
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
		s.t.Errorf("the last word is %+v, want a Bye with code %v", bye, code)
	}
}

func TestTwoDialsAtOnceMakeOneLinkWithoutAnotherTry(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.device("alice"), tn.device("bob")
			tn.start(alice, true, bob)
			tn.start(bob, true, alice)
			advance(10 * time.Second)
			if alice.ups() != 1 || bob.ups() != 1 || len(alice.down)+len(bob.down) != 0 {
				t.Errorf("links came up %d and %d times and went %v and %v; want once on each side",
					alice.ups(), bob.ups(), alice.down, bob.down)
			}
		})
	}
}

// The follower must hold both halves of a simultaneous dial until the chooser has chosen, for it may choose either.
func TestEitherOfTwoGreetedConnectionsCanBeNominated(t *testing.T) {
	for chosen := range 2 {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice := tn.device("alice")
			bob := tn.arbiterFor("bob", alice)
			tn.start(alice, false, bob)
			both := []*rawPeer{tn.dialHello(t, "alice", bob), tn.dialHello(t, "alice", bob)}
			advance(time.Millisecond)
			both[chosen].send(&wire.Nominate{})
			advance(time.Millisecond)
			if alice.ups() != 1 || alice.links.Link("bob") == nil {
				t.Errorf("connection %d of two was nominated, and there is no link", chosen)
			}
		})
	}
}

func TestOfManyGreetedConnectionsTheOldestGo(t *testing.T) {
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

// order notes in which order a Handler hears of links; the first Up takes a while.
type order struct {
	*device
	once  sync.Once
	heard []string
}

func (o *order) Up(l *link.Link) {
	o.once.Do(func() { time.Sleep(50 * time.Millisecond) })
	o.device.Up(l)
	o.device.locked(func() { o.heard = append(o.heard, "up") })
}

func (o *order) Down(l *link.Link, why error) {
	o.device.Down(l, why)
	o.device.locked(func() { o.heard = append(o.heard, "down") })
}

// In real time, for a bubble's clock stands still while somebody waits for a mutex.
func TestReplacementIsToldBeforeTheEndOfTheReplaced(t *testing.T) {
	tn := newTestNet(t)
	defer tn.close()
	alice := &order{device: tn.device("alice")}
	alice.handler = alice
	bob := tn.arbiterFor("bob", alice.device)
	tn.start(alice.device, false, bob)
	both := []*rawPeer{tn.dialHello(t, "alice", bob), tn.dialHello(t, "alice", bob)}
	both[0].send(&wire.Nominate{})
	time.Sleep(5 * time.Millisecond) // so that this one is read first, most likely; the test holds either way
	both[1].send(&wire.Nominate{})
	for alice.ups() < 2 {
		time.Sleep(time.Millisecond)
	}
	if alice.links.Link("bob") != alice.up[1] {
		t.Error("the link that was told last is not the one there is")
	}
	tn.close()
	if want := []string{"up", "up", "down", "down"}; !slices.Equal(alice.heard, want) {
		t.Errorf("heard %v, want %v", alice.heard, want)
	}
}

// stuck is a link on which frames are on the way to a peer that reads nothing.
func (tn *testNet) stalledPeer(t *testing.T) (alice *device) {
	alice = tn.device("alice")
	bob := tn.arbiterFor("bob", alice)
	tn.start(alice, false, bob)
	s := tn.dialHello(t, "alice", bob, "yuyv")
	s.send(&wire.Nominate{})
	go func() { // it is alive, and hears nothing
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

func TestAPeerThatReadsNothingDoesNotHoldUpTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		tn.stalledPeer(t)
		began := time.Now() // in fake time
		tn.close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("Run took %v to end", d)
		}
	})
}

func TestAPeerThatReadsNothingIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.stalledPeer(t)
		advance(12 * time.Second)
		if len(alice.down) != 1 || !errors.Is(alice.down[0], link.ErrSlow) {
			t.Errorf("down because of %v, want ErrSlow", alice.down)
		}
	})
}

func TestFloodsOfPingsAreAnsweredAtTheirEnd(t *testing.T) {
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
				t.Fatalf("no answer to the last of 5000 pings: %v", err)
			}
			if p, ok := m.(*wire.Pong); ok && p.T1 == 4999 {
				break
			}
		}
	})
}

func TestFloodsOfMessagesAreSlowedDown(t *testing.T) {
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
			t.Errorf("%d messages got through in a second, want the first hundred and then a hundred a second", n)
		}
		if len(alice.down) != 0 {
			t.Errorf("the link went down: %v", alice.down)
		}
	})
}

func TestWhatIsNotWantedIsNotUnpacked(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		bob.noFrames = true
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		advance(time.Millisecond)
		for seq := range uint64(5) {
			publishRaw(hub, pool, seq, 64, 48, false)
			advance(100 * time.Millisecond)
		}
		if r := bob.links.Status("alice").Receiving; r.Frames != 0 || len(bob.frames) != 0 {
			t.Errorf("%d frames were received by who wants none", r.Frames)
		}
		bob.locked(func() { bob.noFrames = false })
		publishRaw(hub, pool, 9, 64, 48, false) // the difference to one that was not unpacked: bob asks for a whole one
		advance(100 * time.Millisecond)
		publishRaw(hub, pool, 10, 64, 48, false)
		advance(100 * time.Millisecond)
		if r := bob.links.Status("alice").Receiving; r.Frames != 1 || r.Lost != 0 || r.Broken != 1 {
			t.Errorf("counted %+v after the second wanted frame; want 1, none lost", r)
		}
	})
}

func TestRefusalsDoNotFillTheLog(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		tn.start(alice, false)
		for range 300 {
			stranger := tn.dial(t, "alice", tn.device("stranger"))
			stranger.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "stranger"})
			_ = stranger.Close()
		}
		advance(3 * time.Second)
		if n := strings.Count(tn.logged(), "unknown device refused"); n > 256 || n < 200 {
			t.Errorf("%d lines about 300 strangers, want at most 256", n)
		}
	})
}

func TestAStrangerLearnsNothingButTheRefusal(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice-in-the-kitchen"), tn.device("bob-next-door")
		tn.start(alice, false, bob)
		stranger := tn.device("stranger")
		s := tn.dial(t, alice.name, stranger) // and says nothing
		began := time.Now()
		m, err := s.in.Next()
		if err != nil || time.Since(began) != 0 {
			t.Fatalf("a silent stranger was refused after %v: %v", time.Since(began), err)
		}
		bye, ok := m.(*wire.Bye)
		if !ok || bye.Code != wire.CodeUnknownDevice || !strings.Contains(bye.Text, stranger.id.ID().String()) {
			t.Fatalf("the first word is %+v, want a refusal that names the key", m)
		}
		if strings.Contains(bye.Text, alice.name) || strings.Contains(bye.Text, bob.name) {
			t.Errorf("a stranger was told %q", bye.Text)
		}
	})
}

func TestAFaultIsReadOnFrom(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob)
		s.send(&wire.Nominate{})
		_, _ = s.Write(make([]byte, 8)) // type 0
		if _, err := s.Write(make([]byte, 1<<20)); err != nil {
			t.Errorf("what was under way behind a fault met a closed connection: %v", err)
		}
		s.wantBye(wire.CodeProtocol)
	})
}

// A TCP connection that is closed while data is under way is reset, and the reset destroys what was not read yet.
func TestTheReasonArrivesThroughRealTCP(t *testing.T) {
	tn := newTestNet(t)
	defer tn.close()
	alice := tn.device("alice")
	bob := tn.arbiterFor("bob", alice)
	alice.links = link.New(link.Config{Identity: alice.id, Name: "alice", Handler: alice, Log: slog.New(slog.DiscardHandler)})
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
		_, _ = s.Write(make([]byte, 8)) // type 0: a fault
		_, _ = s.Write(make([]byte, 1<<20))
		s.wantBye(wire.CodeProtocol)
		_ = raw.Close()
	}
}

func TestAnotherAddressKeepsTheLink(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		l := alice.links.Link("bob")
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "elsewhere", ID: bob.id.ID()}})
		advance(5 * time.Second)
		if alice.links.Link("bob") != l {
			t.Errorf("the link went down: %v", alice.down)
		}
		tn.net.Cut()
		advance(5 * time.Second)
		if err := alice.links.Status("bob").Err; err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("after the cut: %v, want a try at the other address", err)
		}
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "bob", ID: bob.id.ID()}})
		advance(150 * time.Millisecond) // pauses are up to two seconds by now
		if alice.links.Link("bob") == nil {
			t.Error("the right address is not tried at once")
		}
	})
}

func TestAPeerUnderAnotherNameIsNotCalledUnknown(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		alice.links.Configure("alice", []link.Peer{{Name: "robert", Address: "bob", ID: bob.id.ID()}})
		advance(5 * time.Second)
		if len(bob.refused) != 0 {
			t.Errorf("bob was told %v", bob.refused)
		}
		if alice.links.Link("robert") == nil || alice.links.Link("bob") != nil {
			t.Errorf("no link under the new name: %v", alice.links.Status("robert").Err)
		}
	})
}

func TestConfigureAfterTheEndStartsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		tn.close()
		dials := tn.net.Dials()
		for i := range 10 {
			alice.links.Configure("alice", []link.Peer{{Name: fmt.Sprint("bob", i), Address: "bob", ID: bob.id.ID()}})
		}
		advance(10 * time.Second)
		if n := tn.net.Dials(); n != dials {
			t.Errorf("%d dials after the end", n-dials)
		}
	})
}

func TestWhoIsRefusedDialsRarely(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false) // knows nobody
		tn.start(alice, true, bob)
		advance(time.Minute)
		if n := tn.net.Dials(); n < 5 || n > 13 {
			t.Errorf("%d dials in a minute, want one every 5 to 10 s", n)
		}
	})
}

func TestFeedbackEndsWithTheFrames(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		bob := tn.arbiterFor("bob", alice)
		tn.start(alice, false, bob)
		s := tn.dialHello(t, "alice", bob, "yuyv")
		s.send(&wire.Nominate{})
		p := wire.Frame{Seq: 1, Width: 2, Height: 1, Codec: wire.CodecYUYV, Size: 4}
		_, _ = s.Write(append(wire.AppendFrame(nil, &p), 1, 2, 3, 4))
		told := 0
		for range 20 {
			s.send(&wire.Ping{T1: 1})
			for {
				m, err := s.in.Next()
				if err != nil {
					t.Fatal(err)
				}
				if m.Type() == wire.TypeFeedback {
					told++
				}
				if m.Type() == wire.TypePong {
					break
				}
			}
			time.Sleep(500 * time.Millisecond)
		}
		if told != 1 {
			t.Errorf("%d feedbacks about one frame, want 1", told)
		}
	})
}

func TestAKnownKeyCannotHoldManyConnectionsBeforeTheHello(t *testing.T) {
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
			t.Errorf("%d of 30 connections without a hello are held, want a few", held)
		}
	})
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
