package link_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/frame"
	"vchat/daemon/identity"
	"vchat/daemon/link"
	"vchat/daemon/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// device is one end in a test: Links with a Handler that records its calls.
type device struct {
	name    string
	id      *identity.Identity
	links   *link.Links
	handler link.Handler // nil: itself
	config  func(*link.Config)
	end     func() // ends Run

	mu             sync.Mutex
	wanted         link.Wanted
	up             []*link.Link
	down           []error
	refused        []error
	messages       []wire.Message
	frames         []string
	qualityChanges int // of the quality in which it sends
}

func (d *device) Up(l *link.Link)              { d.locked(func() { d.up = append(d.up, l) }) }
func (d *device) Down(_ *link.Link, why error) { d.locked(func() { d.down = append(d.down, why) }) }
func (d *device) Refused(_ string, why error) {
	d.locked(func() { d.refused = append(d.refused, why) })
}
func (d *device) Message(_ *link.Link, m wire.Message) {
	d.locked(func() { d.messages = append(d.messages, m) })
}
func (d *device) Wants(*link.Link) link.Wanted {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wanted
}
func (d *device) Skipped(_ *link.Link, m frame.Meta) {
	d.locked(func() {
		d.frames = append(d.frames, fmt.Sprintf("%d skipped %dx%d card=%v", m.Seq, m.Width, m.Height, m.Card))
	})
}
func (d *device) Frame(_ *link.Link, f *frame.Frame) {
	d.locked(func() {
		d.frames = append(d.frames, fmt.Sprintf("%d %v %dx%d %d bytes card=%v",
			f.Seq, f.Format, f.Width, f.Height, len(f.Data), f.Card))
	})
	f.Release()
}

func (d *device) Quality(*link.Link) { d.locked(func() { d.qualityChanges++ }) }

func (d *device) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *device) ups() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.up)
}

// testNet is a network with devices that end with the test. It is also the
// writer of their logs.
type testNet struct {
	t    *testing.T
	net  *daemontest.Network
	stop []func()
	logs strings.Builder
	mu   sync.Mutex
}

func newTestNet(t *testing.T) *testNet { return &testNet{t: t, net: daemontest.NewNetwork()} }

func (tn *testNet) Write(p []byte) (int, error) {
	tn.mu.Lock()
	defer tn.mu.Unlock()
	return tn.logs.Write(p)
}

func (tn *testNet) logged() string {
	tn.mu.Lock()
	defer tn.mu.Unlock()
	return tn.logs.String()
}

func (tn *testNet) device(name string) *device {
	id, err := identity.New()
	if err != nil {
		tn.t.Fatal(err)
	}
	return &device{name: name, id: id, wanted: link.WantsAll}
}

// start runs a device that listens under its name and knows these peers. If
// dials is true, the address of a peer is its name.
func (tn *testNet) start(d *device, dials bool, peers ...*device) {
	tn.prepare(d, dials, peers...)
	d.links.ListenOn(tn.net.Listen(d.name))
	tn.run(d)
}

// prepare is start without listening and running.
func (tn *testNet) prepare(d *device, dials bool, peers ...*device) {
	handler := d.handler
	if handler == nil {
		handler = d
	}
	cfg := link.Config{Identity: d.id, Name: d.name, Software: "test", Handler: handler, Dial: tn.net.Dial,
		Log: slog.New(slog.NewTextHandler(tn, nil)).With("on", d.name)}
	if d.config != nil {
		d.config(&cfg)
	}
	d.links = link.New(cfg)
	var known []link.Peer
	for _, p := range peers {
		k := link.Peer{Name: p.name, ID: p.id.ID()}
		if dials {
			k.Address = p.name
		}
		known = append(known, k)
	}
	d.links.Configure(d.name, known)
}

// run runs the links of a device until the end of the test.
func (tn *testNet) run(d *device) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.links.Run(ctx) }()
	var once sync.Once
	d.end = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				tn.t.Errorf("%s: Run: %v", d.name, err)
			}
		})
	}
	tn.stop = append(tn.stop, d.end)
}

func (tn *testNet) close() {
	for _, f := range tn.stop {
		f()
	}
}

// bubble runs a test in fake time on a fresh testNet.
func bubble(t *testing.T, f func(t *testing.T, tn *testNet)) {
	t.Helper()
	faketime.Test(t, func(t *testing.T) {
		tn := newTestNet(t)
		defer func() {
			tn.close()
			if t.Failed() {
				t.Log(tn.logged())
			}
		}()
		f(t, tn)
	})
}

// advance lets fake time pass and waits until every goroutine is blocked.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// pair starts two devices that know each other, and waits for their link. bob
// dials, too, if bothDial is true.
func (tn *testNet) pair(bothDial bool) (alice, bob *device) {
	alice, bob = tn.device("alice"), tn.device("bob")
	tn.start(alice, true, bob)
	tn.start(bob, bothDial, alice)
	advance(3 * time.Second)
	for _, d := range []*device{alice, bob} {
		if other := map[*device]string{alice: "bob", bob: "alice"}[d]; d.links.Link(other) == nil {
			tn.t.Fatalf("%s has no link to %s: %v", d.name, other, d.links.Status(other).Err)
		}
	}
	return alice, bob
}

func TestLinks_bothDial(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, bob := tn.pair(true)
			ups := alice.ups() + bob.ups()
			dials := tn.net.Dials()
			advance(time.Minute)
			if n := alice.ups() + bob.ups(); n != ups {
				t.Errorf("after a minute: got %d links, want %d", n, ups)
			}
			if n := tn.net.Dials(); n != dials {
				t.Errorf("with a link: got %d dials, want %d", n, dials)
			}
			a, z := alice.links.Status("bob"), bob.links.Status("alice")
			if !a.Up || !z.Up || a.Err != nil {
				t.Errorf("got status %+v and %+v, want both up", a, z)
			}
		})
	}
}

func TestLink_messageOrder(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		for i := range 20 {
			alice.links.Link("bob").Send(&wire.Invite{Call: wire.CallID{byte(i), 1}})
			bob.links.Link("alice").Send(&wire.Text{ID: uint64(i), Text: "hi"})
		}
		advance(time.Second)
		for _, d := range []*device{alice, bob} {
			if len(d.messages) != 20 {
				t.Fatalf("%s: got %d messages, want 20", d.name, len(d.messages))
			}
			for i, m := range d.messages {
				switch m := m.(type) {
				case *wire.Invite:
					if m.Call[0] != byte(i) {
						t.Errorf("message %d: got number %d", i, m.Call[0])
					}
				case *wire.Text:
					if m.ID != uint64(i) {
						t.Errorf("message %d: got number %d", i, m.ID)
					}
				}
			}
		}
	})
}

func TestLinks_silenceEndsLink(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(true)
		tn.net.Stall(true)
		advance(3 * time.Second)
		for _, d := range []*device{alice, bob} {
			if len(d.down) == 0 || !errors.Is(d.down[len(d.down)-1], link.ErrDead) {
				t.Errorf("%s, 3 s into the silence: got Down with %v, want ErrDead", d.name, d.down)
			} else if got, want := d.down[len(d.down)-1].Error(), "no answer for 2.5s"; got != want {
				t.Errorf("%s: got Down with %q, want %q", d.name, got, want)
			}
		}
		advance(time.Minute)
		if n := strings.Count(tn.logged(), "no answer"); n > 2 {
			t.Errorf("got %d log lines about the silence, want at most 2", n)
		}
		tn.net.Stall(false)
		advance(10 * time.Second) // the dial that hangs, then its pause
		if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
			t.Error("got no link after the network is back")
		}
	})
}

func TestLinks_reconnectAfterReset(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(true)
		for range 50 {
			tn.net.Cut()
			advance(2 * time.Second)
			if alice.links.Link("bob") == nil || bob.links.Link("alice") == nil {
				t.Fatal("got no link 2 s after a reset")
			}
		}
		if r := alice.links.Status("bob").Reconnects; r < 50 {
			t.Errorf("got %d reconnects, want at least 50", r)
		}
	})
}

func TestDial_pauses(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, true, bob) // nothing listens there
		advance(time.Minute)
		if n := tn.net.Dials(); n < 30 || n > 90 {
			t.Errorf("got %d dials in a minute, want one every 1 to 2 s", n)
		}
		if n := strings.Count(tn.logged(), "link down"); n != 1 {
			t.Errorf("got %d log lines, want 1:\n%s", n, tn.logged())
		}
		before := tn.net.Dials()
		alice.links.SetInCall("bob", true)
		advance(149 * time.Millisecond)
		if n := tn.net.Dials(); n != before+1 {
			t.Errorf("at the start of a call: got %d dials, want %d", n, before+1)
		}
		alice.links.SetInCall("bob", false)
		tn.start(bob, false, alice)
		advance(3 * time.Second)
		if alice.links.Link("bob") == nil {
			t.Error("got no link 3 s after the peer has started")
		}
	})
}

func TestLinks_wrongKey(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, mallory := tn.device("alice"), tn.device("bob"), tn.device("bob")
		tn.start(alice, true, bob)
		tn.start(mallory, false, alice) // at bob's address
		advance(5 * time.Second)
		if len(alice.refused) == 0 || !errors.Is(alice.refused[0], link.ErrWrongIdentity) {
			t.Errorf("alice: got Refused with %v, want ErrWrongIdentity", alice.refused)
		}
		for _, id := range []identity.ID{bob.id.ID(), mallory.id.ID()} {
			if !strings.Contains(alice.refused[0].Error(), id.String()) {
				t.Errorf("got %q, want the key %s in it", alice.refused[0], id)
			}
		}
		if len(mallory.refused) == 0 || !errors.Is(mallory.refused[0], link.ErrRefused) ||
			!strings.Contains(mallory.refused[0].Error(), "not the one expected at") {
			t.Errorf("mallory: got Refused with %v, want ErrRefused", mallory.refused)
		}
		if alice.ups()+mallory.ups() != 0 {
			t.Error("got a link, want none")
		}
	})
}

// A device has the name of a peer that cannot be dialled, and another key.
func TestLinks_wrongKeyAccepted(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob, reborn := tn.device("alice"), tn.device("bob"), tn.device("bob")
		tn.start(alice, false, bob)
		tn.start(reborn, true, alice)
		advance(30 * time.Second)
		if len(alice.refused) == 0 {
			t.Fatal("alice: got no Refused")
		}
		var m *link.MismatchError
		if err := alice.links.Status("bob").Err; !errors.As(err, &m) ||
			m.Expected != bob.id.ID() || m.Got != reborn.id.ID() {
			t.Errorf("alice: got %v, want a mismatch with both keys", err)
		}
		if len(reborn.refused) == 0 || !errors.Is(reborn.refused[0], link.ErrRefused) {
			t.Errorf("the other device: got Refused with %v, want ErrRefused", reborn.refused)
		}
		if n := strings.Count(tn.logged(), "peer key mismatch"); n != 1 {
			t.Errorf("got %d log lines, want 1:\n%s", n, tn.logged())
		}
		if r := alice.links.Refusals(); len(r) != 1 || r[0].Peer != "bob" || r[0].Name != "bob" {
			t.Errorf("got refusals %+v, want one that is not bob", r)
		}
		if alice.ups()+reborn.ups() != 0 {
			t.Error("got a link, want none")
		}
		advance(time.Minute)
		tn.start(bob, true, alice)
		advance(3 * time.Second)
		if s := alice.links.Status("bob"); !s.Up || s.Err != nil {
			t.Errorf("the peer itself: got %+v, want a link without an error", s)
		}
	})
}

func TestLinks_unknownDevice(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(bob, false) // without peers
		tn.start(alice, true, bob)
		advance(30 * time.Second)
		if len(alice.refused) == 0 || !errors.Is(alice.refused[0], link.ErrRefused) ||
			!strings.Contains(alice.refused[0].Error(), alice.id.ID().String()) {
			t.Errorf("got Refused with %v, want ErrRefused and her key", alice.refused)
		}
		want := fmt.Sprintf("claimed_name=alice id=%s", alice.id.ID())
		if n := strings.Count(tn.logged(), want); n != 1 {
			t.Errorf("got %d log lines with %q, want 1:\n%s", n, want, tn.logged())
		}
	})
}

func TestLinks_selfCall(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice := tn.device("alice")
		tn.start(alice, true, alice)
		advance(time.Second)
		if len(alice.refused) == 0 || alice.ups() != 0 {
			t.Errorf("got Refused with %v and %d links, want a refusal and no link", alice.refused, alice.ups())
		}
	})
}

func TestConfigure_keepsUnchangedPeer(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.pair(false)
		l := alice.links.Link("bob")
		alice.links.Configure("alice", []link.Peer{
			{Name: "bob", Address: "bob", ID: bob.id.ID()},
			{Name: "carol", Address: "carol"},
		})
		advance(time.Second)
		if alice.links.Link("bob") != l {
			t.Error("unchanged peer: the link was replaced")
		}
		alice.links.Configure("alice", nil)
		advance(5 * time.Second)
		if len(alice.down) != 1 || bob.links.Link("alice") != nil {
			t.Errorf("removed peer: got Down with %v, want one", alice.down)
		}
	})
}

// exchange does a TLS handshake with the key of as and sends bytes. It returns
// the answer, without pings.
func (tn *testNet) exchange(to string, as *device, send []byte) (answer []wire.Message, end error) {
	raw, err := tn.net.Dial(context.Background(), "tcp", to)
	if err != nil {
		tn.t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, as.id.ClientConfig())
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	go func() { _, _ = c.Write(send) }()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	r := wire.NewReader(c)
	for {
		m, err := r.Next()
		if err != nil {
			return answer, err
		}
		if _, ok := m.(*wire.Ping); !ok {
			answer = append(answer, m)
		}
	}
}

func message(t *testing.T, m wire.Message) []byte {
	t.Helper()
	b, err := wire.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLinks_malformedPeer(t *testing.T) {
	hello := message(t, &wire.Hello{VersionMin: 1, VersionMax: 1, Name: "bob", Features: []string{"jpeg"}})
	future := message(t, &wire.Hello{VersionMin: 7, VersionMax: 9, Name: "bob", Features: []string{"jpeg"}})
	nominate := message(t, &wire.Nominate{})
	invite := message(t, &wire.Invite{Call: wire.CallID{1}})
	for _, tt := range []struct {
		name string
		send []byte
		code wire.Code // of the Bye; 0: any answer
	}{
		{"silent", nil, 0},
		{"garbage", []byte("GET / HTTP/1.1\r\n\r\n"), wire.CodeProtocol},
		{"a huge length", []byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, wire.CodeProtocol},
		{"half a hello", hello[:len(hello)/2], 0},
		{"no hello", invite, wire.CodeProtocol},
		{"another version", future, wire.CodeVersion},
		{"two hellos", append(append([]byte{}, hello...), hello...), wire.CodeProtocol},
		{"half a message after the hello", append(append([]byte{}, hello...), invite[:10]...), 0},
		{"a call before the nomination, or two nominations",
			append(append(append([]byte{}, hello...), invite...), nominate...), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, bob := tn.device("alice"), tn.device("bob")
				tn.start(alice, false, bob)
				began := time.Now()
				answer, _ := tn.exchange("alice", bob, tt.send)
				if d := time.Since(began); d > 8*time.Second {
					t.Errorf("connection open for %v, want at most 8 s", d)
				}
				if tt.code == 0 {
					return
				}
				last, ok := answer[len(answer)-1].(*wire.Bye)
				if !ok || last.Code != tt.code || last.Text == "" {
					t.Errorf("got last message %+v, want Bye with code %v and a text", answer[len(answer)-1], tt.code)
				}
			})
		})
	}
}

func TestLinks_silentConnections(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, bob := tn.device("alice"), tn.device("bob")
		tn.start(alice, false, bob)
		var open []net.Conn
		for range 1000 {
			c, err := tn.net.Dial(context.Background(), "tcp", "alice")
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
		}
		tn.start(bob, true, alice)
		advance(2 * time.Second)
		if bob.links.Link("alice") == nil {
			t.Errorf("got no link beside 1000 silent connections: %v", bob.links.Status("alice").Err)
		}
		held := 0
		for _, c := range open {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				held++
			}
		}
		if held > 64 {
			t.Errorf("got %d of 1000 silent connections open, want at most 64", held)
		}
		advance(10 * time.Second)
		for _, c := range open {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Fatal("silent connection still open after more than 5 s")
			}
			_ = c.Close()
		}
	})
}
