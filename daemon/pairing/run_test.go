package pairing

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vchat/daemon/identity"
)

// host is a device in a test. Its user confirms unless refuses is set.
type host struct {
	notWaiting, notFirst Reason
	answer               Event // nil: the user does nothing
	keepErr              error
	onKeep               func()

	answers chan Event
	code    *Code
	name    string
	keeps   int
	kept    bool
}

func newHost() *host { return &host{answer: Agree{}, answers: make(chan Event, 1)} }

func (h *host) Admit(string) Reason { return h.notWaiting }
func (h *host) Reveal() Reason      { return h.notFirst }
func (h *host) Undo()               { h.kept = false }

func (h *host) Compare(c Code, name string) {
	h.code, h.name = &c, name
	if h.answer != nil {
		h.answers <- h.answer
	}
}

func (h *host) Keep() error {
	if h.onKeep != nil {
		h.onKeep()
	}
	h.keeps++
	h.kept = h.keepErr == nil
	return h.keepErr
}

// half is one direction of a connection. Writes return once the network has the
// bytes, as on TCP.
type half struct {
	r, w     net.Conn
	from, to net.Conn // of the network
}

func newHalf() half {
	h := half{}
	h.from, h.w = net.Pipe()
	h.r, h.to = net.Pipe()
	return h
}

// end is one end of a connection.
type end struct {
	io.Reader
	io.Writer
	in, out half
}

func (e end) CloseWrite() error { return e.out.w.Close() }
func (e end) Close() error      { return errors.Join(e.out.w.Close(), e.in.r.Close()) }

// network is a connection that is cut after a number of bytes in one direction,
// if the number is not negative.
type network struct {
	ends   [2]end
	halves [2]half
	done   sync.WaitGroup
	passed [2]int
}

func connect(cutAfter [2]int) *network {
	n := &network{halves: [2]half{newHalf(), newHalf()}}
	a, b := n.halves[0], n.halves[1]
	n.ends = [2]end{{b.r, a.w, b, a}, {a.r, b.w, a, b}}
	for i, h := range n.halves {
		n.done.Go(func() { n.carry(i, h, cutAfter[i]) })
	}
	return n
}

func (n *network) carry(i int, h half, limit int) {
	defer h.to.Close()
	if limit == 0 {
		n.cut()
		return
	}
	b := make([]byte, 1)
	for {
		if _, err := h.from.Read(b); err != nil {
			return
		}
		if _, err := h.to.Write(b); err != nil {
			_, _ = io.Copy(io.Discard, h.from) // as the kernel does until the reset arrives
			return
		}
		if n.passed[i]++; n.passed[i] == limit {
			n.cut()
			return
		}
	}
}

func (n *network) cut() {
	for _, h := range n.halves {
		_ = h.to.Close()
		_ = h.from.Close()
	}
}

// run pairs an initiator with a responder and returns their errors.
func run(t *testing.T, n *network, hosts [2]*host) (errs [2]error) {
	t.Helper()
	ids := [2]identity.ID{{1}, {2}}
	var both sync.WaitGroup
	for i, h := range hosts {
		s := New(Config{Initiator: i == 0, Own: ids[i], Peer: ids[1-i], Nonce: Hash{byte(i)},
			Name: []string{"alice", "bob"}[i]})
		both.Go(func() { errs[i] = Run(t.Context(), s, n.ends[i], h, h.answers) })
	}
	both.Wait()
	n.done.Wait()
	return errs
}

func TestRun_bothConfirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := [2]*host{newHost(), newHost()}
		errs := run(t, connect([2]int{-1, -1}), hosts)
		for i, h := range hosts {
			if errs[i] != nil || !h.kept || h.keeps != 1 {
				t.Errorf("%d: got %v, kept=%v, want the key kept once", i, errs[i], h.kept)
			}
		}
		if *hosts[0].code != *hosts[1].code || hosts[0].name != "bob" || hosts[1].name != "alice" {
			t.Errorf("got %v of %q and %v of %q, want one code and both names", hosts[0].code, hosts[0].name,
				hosts[1].code, hosts[1].name)
		}
	})
}

// A connection that is cut after any byte leaves no key on either side, except
// at the responder if the last message does not arrive.
func TestRun_cut(t *testing.T) {
	whole := connect([2]int{-1, -1})
	run(t, whole, [2]*host{newHost(), newHost()})
	lastMessage := len(Append(nil, Done{}))
	for direction, total := range whole.passed {
		for after := range total {
			t.Run(fmt.Sprintf("direction %d after %d", direction, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					limits := [2]int{-1, -1}
					limits[direction] = after
					hosts := [2]*host{newHost(), newHost()}
					errs := run(t, connect(limits), hosts)
					last := direction == 1 && after >= total-lastMessage
					if hosts[0].kept || hosts[1].kept && !last {
						t.Errorf("got kept %v and %v, want none", hosts[0].kept, hosts[1].kept)
					}
					if !errors.Is(errs[0], ErrLost) || errs[1] == nil && !last {
						t.Errorf("got errors %v and %v, want %v", errs[0], errs[1], ErrLost)
					}
				})
			})
		}
	}
}

// A message that disappears without an end of the connection.
func TestRun_silence(t *testing.T) {
	for n := range 9 {
		for direction := range 2 {
			t.Run(fmt.Sprintf("message %d of %d", n, direction), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					net := connect([2]int{-1, -1})
					net.ends[direction].Writer = &forgetful{w: net.ends[direction].Writer, after: n}
					hosts := [2]*host{newHost(), newHost()}
					began := time.Now()
					errs := run(t, net, hosts)
					if n >= 4 { // each side sends four messages
						if errs != [2]error{} {
							t.Fatalf("got %v, want success", errs)
						}
						return
					}
					last := direction == 1 && n == 3
					if hosts[0].kept || hosts[1].kept && !last || errs[0] == nil {
						t.Errorf("got kept %v and %v with %v, want none", hosts[0].kept, hosts[1].kept, errs)
					}
					limit := ExchangeTimeout + CompareTimeout + DoneTimeout + 2*lingerTimeout
					if d := time.Since(began); d > limit {
						t.Errorf("took %v, want at most %v", d, limit)
					}
				})
			})
		}
	}
}

// forgetful loses all messages after the first ones.
type forgetful struct {
	w     io.Writer
	after int
}

func (f *forgetful) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return len(b), nil
	}
	return f.w.Write(b)
}

func TestRun_refused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(initiator, responder *host)
		want   [2]EndError
	}{
		{"not waiting", func(_, r *host) { r.notWaiting = NotWaiting },
			[2]EndError{{Reason: NotWaiting, ByPeer: true}, {Reason: NotWaiting}}},
		{"second connection", func(_, r *host) { r.notFirst = Busy },
			[2]EndError{{Reason: Busy, ByPeer: true}, {Reason: Busy}}},
		{"initiator's user", func(i, _ *host) { i.answer = Reject{Refused} },
			[2]EndError{{Reason: Refused}, {Reason: Refused, ByPeer: true}}},
		{"responder's user", func(_, r *host) { r.answer = Reject{Refused} },
			[2]EndError{{Reason: Refused, ByPeer: true}, {Reason: Refused}}},
		{"initiator's user is away", func(i, _ *host) { i.answer = nil },
			[2]EndError{{Reason: TimedOut}, {Reason: TimedOut}}},
		{"responder's user is away", func(_, r *host) { r.answer = nil },
			[2]EndError{{Reason: TimedOut}, {Reason: TimedOut}}},
		{"initiator's disk", func(i, _ *host) { i.keepErr = errTest },
			[2]EndError{{Reason: NotKept}, {Reason: NotKept, ByPeer: true}}},
		{"responder's disk", func(_, r *host) { r.keepErr = errTest },
			[2]EndError{{Reason: NotKept, ByPeer: true}, {Reason: NotKept}}},
		{"responder's disk hangs", func(_, r *host) {
			r.onKeep = func() { time.Sleep(2 * DoneTimeout) }
		}, [2]EndError{{Reason: TimedOut}, {Reason: TimedOut, ByPeer: true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := [2]*host{newHost(), newHost()}
				tt.change(hosts[0], hosts[1])
				errs := run(t, connect([2]int{-1, -1}), hosts)
				for i, err := range errs {
					var got *EndError
					if !errors.As(err, &got) || got.Reason != tt.want[i].Reason {
						t.Errorf("%d: got %v, want %v", i, err, tt.want[i].Reason)
					} else if tt.want[i].Reason != TimedOut && got.ByPeer != tt.want[i].ByPeer { // two timers
						t.Errorf("%d: got by peer %v, want %v", i, got.ByPeer, tt.want[i].ByPeer)
					}
					if hosts[i].kept {
						t.Errorf("%d: got the key kept, want nothing", i)
					}
				}
			})
		})
	}
}

func TestRun_cancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := connect([2]int{-1, -1})
		ctx, cancel := context.WithCancel(t.Context())
		alice, bob := newHost(), newHost()
		alice.answer, bob.answer = nil, nil
		errs := make(chan error, 2)
		go func() {
			errs <- Run(ctx, New(Config{Initiator: true, Own: identity.ID{1}, Peer: identity.ID{2}}), n.ends[0],
				alice, alice.answers)
		}()
		go func() {
			errs <- Run(t.Context(), New(Config{Own: identity.ID{2}, Peer: identity.ID{1}}), n.ends[1],
				bob, bob.answers)
		}()
		time.Sleep(time.Second)
		synctest.Wait() // both have written their code: the race detector sees no order in a sleep
		if alice.code == nil || bob.code == nil {
			t.Fatal("got no codes")
		}
		began := time.Now()
		cancel()
		for range 2 {
			var e *EndError
			if err := <-errs; !errors.As(err, &e) || e.Reason != Cancelled {
				t.Errorf("got %v, want %v", err, Cancelled)
			}
		}
		if d := time.Since(began); d > lingerTimeout {
			t.Errorf("took %v, want at once", d)
		}
		n.done.Wait()
	})
}

// Garbage, and messages at the wrong time.
func TestRun_faults(t *testing.T) {
	nonce := Append(nil, Nonce{})
	for _, tt := range []struct {
		name      string
		initiator bool
		bytes     []byte
		want      Reason
	}{
		{"garbage to the initiator", true, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), Fault},
		{"garbage to the responder", false, []byte("GET / HTTP/1.1\r\n\r\n"), Fault},
		{"Nonce first", false, nonce, Fault},
		{"Done first", false, Append(nil, Done{}), Fault},
		{"Confirm before the code", true, Append(nil, Confirm{}), Fault},
		{"Done instead of Confirm", false,
			append(Append(Append(nil, Request{}), Nonce{}), Append(nil, Done{})...), Fault},
		{"two Requests", false, Append(Append(nil, Request{}), Request{}), Fault},
		{"two Nonces", false, append(append(Append(nil, Request{}), nonce...), nonce...), Fault},
		{"a nonce without commitment", true, append(Append(nil, Commitment{}), nonce...), Mismatch},
		{"silence to the initiator", true, nil, TimedOut},
		{"silence to the responder", false, nil, TimedOut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := connect([2]int{-1, -1})
				h := newHost()
				h.answer = nil
				s := New(Config{Initiator: tt.initiator, Own: identity.ID{1}, Peer: identity.ID{2}, Nonce: Hash{3}})
				var got Message
				var peer sync.WaitGroup
				peer.Go(func() { _, _ = n.ends[1].Write(tt.bytes) })
				peer.Go(func() {
					for r := NewReader(n.ends[1]); ; {
						m, err := r.Next()
						if err != nil {
							break
						}
						got = m
					}
					_ = n.ends[1].Close()
				})
				var e *EndError
				if err := Run(t.Context(), s, n.ends[0], h, h.answers); !errors.As(err, &e) || e.Reason != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				peer.Wait()
				n.done.Wait()
				if got != (Refuse{tt.want}) {
					t.Errorf("got last message %v, want Refuse with %v", got, tt.want)
				}
				if h.keeps > 0 {
					t.Error("got a key kept, want none")
				}
			})
		})
	}
}

// Both ends of a TLS connection have the same exporter; two connections of the
// same devices differ.
func TestExporter(t *testing.T) {
	var all []Hash
	alice, bob := newIdentity(t), newIdentity(t)
	for range 2 {
		a, b := net.Pipe()
		server := tls.Server(b, bob.ServerConfig())
		done := make(chan error, 1)
		go func() { done <- server.Handshake() }()
		client := tls.Client(a, alice.ClientConfig())
		if err := errors.Join(client.Handshake(), <-done); err != nil {
			t.Fatal(err)
		}
		i, err1 := Exporter(client.ConnectionState())
		r, err2 := Exporter(server.ConnectionState())
		if err1 != nil || err2 != nil || i != r || i == (Hash{}) {
			t.Errorf("got %x, %v and %x, %v; want the same secret", i, err1, r, err2)
		}
		all = append(all, i)
		_, _ = a.Close(), b.Close()
	}
	if all[0] == all[1] {
		t.Error("got the same secret for two connections, want two secrets")
	}
}

func newIdentity(t *testing.T) *identity.Identity {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
