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
func (b *lab) smaller(name string, d *device) *device {
	for {
		if x := b.device(name); x.id.ID().Compare(d.id.ID()) < 0 {
			return x
		}
	}
}

// script is a peer with the right key of whom each byte is the test's.
type script struct {
	*tls.Conn
	in *wire.Reader
	t  *testing.T
}

// dial does the TLS handshake with the key of as.
func (b *lab) dial(t *testing.T, to string, as *device) *script {
	t.Helper()
	raw, err := b.net.Dial(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := tls.Client(raw, as.id.ClientConfig())
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &script{Conn: c, in: wire.NewReader(c), t: t}
}

// greet is dial and both Hellos.
func (b *lab) greet(t *testing.T, to string, as *device, features ...string) *script {
	t.Helper()
	s := b.dial(t, to, as)
	s.say(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: as.name, Features: append(features, "jpeg")})
	if m, err := s.in.Next(); err != nil || m.Type() != wire.TypeHello {
		t.Fatalf("instead of a hello: %v, %v", m, err)
	}
	return s
}

func (s *script) say(m wire.Message) { _, _ = s.Write(message(s.t, m)) }

// landed says that a frame has arrived.
func (s *script) landed(p *wire.Frame) {
	s.say(&wire.Feedback{Seq: p.Seq, Arrived: time.Duration(time.Now().UnixNano())})
	after(time.Millisecond)
}

// last reads to the end and gives what came last.
func (s *script) last() (last wire.Message) {
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		m, err := s.in.Next()
		if err != nil {
			return last
		}
		last = m
	}
}

func (s *script) lastBye(code wire.Code) {
	s.t.Helper()
	if bye, ok := s.last().(*wire.Bye); !ok || bye.Code != code {
		s.t.Errorf("the last word is %+v, want a Bye with code %v", bye, code)
	}
}

func TestTwoDialsAtOnceMakeOneLinkWithoutAnotherTry(t *testing.T) {
	for range 50 {
		in(t, func(t *testing.T, b *lab) {
			alice, bob := b.device("alice"), b.device("bob")
			b.start(alice, true, bob)
			b.start(bob, true, alice)
			after(10 * time.Second)
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
		in(t, func(t *testing.T, b *lab) {
			alice := b.device("alice")
			bob := b.smaller("bob", alice)
			b.start(alice, false, bob)
			both := []*script{b.greet(t, "alice", bob), b.greet(t, "alice", bob)}
			after(time.Millisecond)
			both[chosen].say(&wire.Nominate{})
			after(time.Millisecond)
			if alice.ups() != 1 || alice.links.Link("bob") == nil {
				t.Errorf("connection %d of two was nominated, and there is no link", chosen)
			}
		})
	}
}

func TestOfManyGreetedConnectionsTheOldestGo(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		bob := b.smaller("bob", alice)
		b.start(alice, false, bob)
		first := b.greet(t, "alice", bob)
		for range 20 {
			b.greet(t, "alice", bob)
		}
		first.lastBye(wire.CodeReplaced)
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
	o.device.note(func() { o.heard = append(o.heard, "up") })
}

func (o *order) Down(l *link.Link, why error) {
	o.device.Down(l, why)
	o.device.note(func() { o.heard = append(o.heard, "down") })
}

// In real time, for a bubble's clock stands still while somebody waits for a mutex.
func TestReplacementIsToldBeforeTheEndOfTheReplaced(t *testing.T) {
	b := newLab(t)
	defer b.close()
	alice := &order{device: b.device("alice")}
	alice.handler = alice
	bob := b.smaller("bob", alice.device)
	b.start(alice.device, false, bob)
	both := []*script{b.greet(t, "alice", bob), b.greet(t, "alice", bob)}
	both[0].say(&wire.Nominate{})
	time.Sleep(5 * time.Millisecond) // so that this one is read first, most likely; the test holds either way
	both[1].say(&wire.Nominate{})
	for alice.ups() < 2 {
		time.Sleep(time.Millisecond)
	}
	if alice.links.Link("bob") != alice.up[1] {
		t.Error("the link that was told last is not the one there is")
	}
	b.close()
	if want := []string{"up", "up", "down", "down"}; !slices.Equal(alice.heard, want) {
		t.Errorf("heard %v, want %v", alice.heard, want)
	}
}

// stuck is a link on which frames are on the way to a peer that reads nothing.
func (b *lab) stuck(t *testing.T) (alice *device) {
	alice = b.device("alice")
	bob := b.smaller("bob", alice)
	b.start(alice, false, bob)
	s := b.greet(t, "alice", bob, "yuyv")
	s.say(&wire.Nominate{})
	go func() { // it is alive, and hears nothing
		for range 100 {
			s.say(&wire.Ping{T1: 1})
			time.Sleep(time.Second)
		}
	}()
	t.Cleanup(func() { time.Sleep(2 * time.Minute) })
	after(time.Second)
	hub, pool := frame.NewHub(), frame.NewPool(4)
	alice.links.Link("bob").Show(hub)
	for seq := range uint64(20) {
		raw(hub, pool, seq, 400, 250, true)
		after(20 * time.Millisecond)
	}
	return alice
}

func TestAPeerThatReadsNothingDoesNotHoldUpTheEnd(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		b.stuck(t)
		began := time.Now() // in fake time
		b.close()
		if d := time.Since(began); d > time.Second {
			t.Errorf("Run took %v to end", d)
		}
	})
}

func TestAPeerThatReadsNothingIsGivenUp(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.stuck(t)
		after(12 * time.Second)
		if len(alice.down) != 1 || !errors.Is(alice.down[0], link.ErrSlow) {
			t.Errorf("down because of %v, want ErrSlow", alice.down)
		}
	})
}

func TestFloodsOfPingsAreAnsweredAtTheirEnd(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		bob := b.smaller("bob", alice)
		b.start(alice, false, bob)
		s := b.greet(t, "alice", bob)
		s.say(&wire.Nominate{})
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
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		bob := b.smaller("bob", alice)
		b.start(alice, false, bob)
		s := b.greet(t, "alice", bob)
		s.say(&wire.Nominate{})
		flood := bytes.Repeat(message(t, &wire.Invite{Call: wire.CallID{1}}), 5000)
		go func() { _, _ = s.Write(flood) }()
		go func() { _ = s.last() }()
		after(time.Second)
		if n := len(alice.messages); n < 100 || n > 220 {
			t.Errorf("%d messages got through in a second, want the first hundred and then a hundred a second", n)
		}
		if len(alice.down) != 0 {
			t.Errorf("the link went down: %v", alice.down)
		}
	})
}

func TestWhatIsNotWantedIsNotUnpacked(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(false)
		bob.blind = true
		hub, pool := frame.NewHub(), frame.NewPool(4)
		alice.links.Link("bob").Show(hub)
		after(time.Millisecond)
		for seq := range uint64(5) {
			raw(hub, pool, seq, 64, 48, false)
			after(100 * time.Millisecond)
		}
		if r := bob.links.Status("alice").Receiving; r.Frames != 0 || len(bob.frames) != 0 {
			t.Errorf("%d frames were received by who wants none", r.Frames)
		}
		bob.note(func() { bob.blind = false })
		raw(hub, pool, 9, 64, 48, false) // the difference to one that was not unpacked: bob asks for a whole one
		after(100 * time.Millisecond)
		raw(hub, pool, 10, 64, 48, false)
		after(100 * time.Millisecond)
		if r := bob.links.Status("alice").Receiving; r.Frames != 1 || r.Lost != 0 || r.Broken != 1 {
			t.Errorf("counted %+v after the second wanted frame; want 1, none lost", r)
		}
	})
}

func TestRefusalsDoNotFillTheLog(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		b.start(alice, false)
		for range 300 {
			stranger := b.dial(t, "alice", b.device("stranger"))
			stranger.say(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "stranger"})
			_ = stranger.Close()
		}
		after(3 * time.Second)
		if n := strings.Count(b.logged(), "unknown device refused"); n > 256 || n < 200 {
			t.Errorf("%d lines about 300 strangers, want at most 256", n)
		}
	})
}

func TestAStrangerLearnsNothingButTheRefusal(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.device("alice-in-the-kitchen"), b.device("bob-next-door")
		b.start(alice, false, bob)
		stranger := b.device("stranger")
		s := b.dial(t, alice.name, stranger) // and says nothing
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
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		bob := b.smaller("bob", alice)
		b.start(alice, false, bob)
		s := b.greet(t, "alice", bob)
		s.say(&wire.Nominate{})
		_, _ = s.Write(make([]byte, 8)) // type 0
		if _, err := s.Write(make([]byte, 1<<20)); err != nil {
			t.Errorf("what was under way behind a fault met a closed connection: %v", err)
		}
		s.lastBye(wire.CodeProtocol)
	})
}

// A TCP connection that is closed while data is under way is reset, and the reset destroys what was not read yet.
func TestTheReasonArrivesThroughRealTCP(t *testing.T) {
	b := newLab(t)
	defer b.close()
	alice := b.device("alice")
	bob := b.smaller("bob", alice)
	alice.links = link.New(link.Config{Identity: alice.id, Name: "alice", Handler: alice, Log: slog.New(slog.DiscardHandler)})
	alice.links.Configure("alice", []link.Peer{{Name: "bob", ID: bob.id.ID()}})
	if err := alice.links.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	b.run(alice)
	for range 10 {
		raw, err := net.Dial("tcp", alice.links.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := tls.Client(raw, bob.id.ClientConfig())
		s := &script{Conn: c, in: wire.NewReader(c), t: t}
		s.say(&wire.Hello{VersionMin: 1, VersionMax: 1, Features: []string{"jpeg"}})
		s.say(&wire.Nominate{})
		_, _ = s.Write(make([]byte, 8)) // type 0: a fault
		_, _ = s.Write(make([]byte, 1<<20))
		s.lastBye(wire.CodeProtocol)
		_ = raw.Close()
	}
}

func TestAnotherAddressKeepsTheLink(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(false)
		l := alice.links.Link("bob")
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "elsewhere", ID: bob.id.ID()}})
		after(5 * time.Second)
		if alice.links.Link("bob") != l {
			t.Errorf("the link went down: %v", alice.down)
		}
		b.net.Cut()
		after(5 * time.Second)
		if err := alice.links.Status("bob").Err; err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("after the cut: %v, want a try at the other address", err)
		}
		alice.links.Configure("alice", []link.Peer{{Name: "bob", Address: "bob", ID: bob.id.ID()}})
		after(150 * time.Millisecond) // pauses are up to two seconds by now
		if alice.links.Link("bob") == nil {
			t.Error("the right address is not tried at once")
		}
	})
}

func TestAPeerUnderAnotherNameIsNotCalledUnknown(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(false)
		alice.links.Configure("alice", []link.Peer{{Name: "robert", Address: "bob", ID: bob.id.ID()}})
		after(5 * time.Second)
		if len(bob.refused) != 0 {
			t.Errorf("bob was told %v", bob.refused)
		}
		if alice.links.Link("robert") == nil || alice.links.Link("bob") != nil {
			t.Errorf("no link under the new name: %v", alice.links.Status("robert").Err)
		}
	})
}

func TestConfigureAfterTheEndStartsNothing(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.pair(false)
		b.close()
		dials := b.net.Dials()
		for i := range 10 {
			alice.links.Configure("alice", []link.Peer{{Name: fmt.Sprint("bob", i), Address: "bob", ID: bob.id.ID()}})
		}
		after(10 * time.Second)
		if n := b.net.Dials(); n != dials {
			t.Errorf("%d dials after the end", n-dials)
		}
	})
}

func TestWhoIsRefusedDialsRarely(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.device("alice"), b.device("bob")
		b.start(bob, false) // knows nobody
		b.start(alice, true, bob)
		after(time.Minute)
		if n := b.net.Dials(); n < 5 || n > 13 {
			t.Errorf("%d dials in a minute, want one every 5 to 10 s", n)
		}
	})
}

func TestFeedbackEndsWithTheFrames(t *testing.T) {
	in(t, func(t *testing.T, b *lab) {
		alice := b.device("alice")
		bob := b.smaller("bob", alice)
		b.start(alice, false, bob)
		s := b.greet(t, "alice", bob, "yuyv")
		s.say(&wire.Nominate{})
		p := wire.Frame{Seq: 1, Width: 2, Height: 1, Codec: wire.CodecYUYV, Size: 4}
		_, _ = s.Write(append(wire.AppendFrame(nil, &p), 1, 2, 3, 4))
		told := 0
		for range 20 {
			s.say(&wire.Ping{T1: 1})
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
	in(t, func(t *testing.T, b *lab) {
		alice, bob := b.device("alice"), b.device("bob")
		b.start(alice, false, bob)
		var open []*script
		for range 30 {
			open = append(open, b.dial(t, "alice", bob))
		}
		after(time.Second)
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
