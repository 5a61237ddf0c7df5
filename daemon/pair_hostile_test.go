package daemon_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
	"vchat/daemon/pairing"
	"vchat/daemon/wire"
)

// rawPairing is a connection for pairing that sends the messages of the test.
type rawPairing struct {
	*tls.Conn
	t  *testing.T
	in *pairing.Reader
}

func dialPairing(t *testing.T, d *daemontest.Device) *rawPairing {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return dialPairingAs(t, d, id)
}

func dialPairingAs(t *testing.T, d *daemontest.Device, id *identity.Identity) *rawPairing {
	t.Helper()
	c, err := tls.Dial("tcp", d.Config.Listen, id.PairingConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &rawPairing{c, t, pairing.NewReader(c)}
}

func (r *rawPairing) send(m pairing.Message) {
	r.t.Helper()
	if _, err := r.Write(pairing.Append(nil, m)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawPairing) next() pairing.Message {
	r.t.Helper()
	m, err := r.in.Next()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// refused sends a request to a device that does not wait, and closes.
func (r *rawPairing) refused(name string) {
	r.t.Helper()
	r.send(pairing.Request{Name: name})
	if m := r.next(); m != (pairing.Refuse{Reason: pairing.NotWaiting}) {
		r.t.Fatalf("got %v, want NotWaiting", m)
	}
	_ = r.Close()
}

// insistentDevice returns a function that sends the request of one device. It
// must be called every few seconds: a request that is not repeated makes room
// for others.
func insistentDevice(t *testing.T, d *daemontest.Device) (repeat func()) {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		dialPairingAs(t, d, id).refused("in\u202esistent")
	}
}

// A device that waits reveals its nonce to one connection, however many begin.
func TestPair_oneGuessOfAnInitiator(t *testing.T) {
	kitchen, _ := strangers(t)
	waits := pair(t, kitchen, api.PairRequest{Wait: true})
	waits.until(api.PairingWaiting)
	first, second := dialPairing(t, kitchen), dialPairing(t, kitchen)
	for _, c := range []*rawPairing{first, second} {
		c.send(pairing.Request{Name: "mallory"})
		if _, ok := c.next().(pairing.Commitment); !ok {
			t.Fatal("got no commitment")
		}
	}
	first.send(pairing.Nonce{})
	if _, ok := first.next().(pairing.Nonce); !ok {
		t.Fatal("got no nonce")
	}
	second.send(pairing.Nonce{})
	if m := second.next(); m != (pairing.Refuse{Reason: pairing.Busy}) {
		t.Errorf("second connection: got %v, want Busy", m)
	}
	_ = first.Close()
	waits.fails(api.PeerUnreachable)
	third := dialPairing(t, kitchen)
	third.send(pairing.Request{})
	if m := third.next(); m != (pairing.Refuse{Reason: pairing.NotWaiting}) {
		t.Errorf("third connection: got %v, want NotWaiting", m)
	}
	keepsNothing(t, kitchen)
}

// A device that dials sends its nonce once. A device in the middle could else
// cut the connection until the code suits it.
func TestPair_oneGuessOfAResponder(t *testing.T) {
	kitchen, _ := strangers(t)
	mallory, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", mallory.ServerConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var nonces atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := pairing.NewReader(c)
			_, _ = in.Next()
			_, _ = c.Write(pairing.Append(nil, pairing.Commitment{}))
			if m, _ := in.Next(); m != nil {
				nonces.Add(1)
			}
			_ = c.Close()
		}
	}()
	pair(t, kitchen, api.PairRequest{Address: l.Addr().String()}).fails(api.PeerUnreachable)
	if n := nonces.Load(); n != 1 {
		t.Errorf("got %d nonces, want 1", n)
	}
	keepsNothing(t, kitchen)
}

// A connection speaks the protocol that TLS has chosen, and no other.
func TestPair_otherProtocol(t *testing.T) {
	kitchen, _ := strangers(t)
	waits := pair(t, kitchen, api.PairRequest{Wait: true})
	waits.until(api.PairingWaiting)
	c := dialPairing(t, kitchen)
	hello, err := wire.Append(nil, &wire.Hello{VersionMin: 1, VersionMax: 1, Features: []string{"jpeg"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write(hello)
	if m := c.next(); m != (pairing.Refuse{Reason: pairing.Fault}) {
		t.Errorf("Hello on a connection for pairing: got %v, want Fault", m)
	}
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	ordinary, err := tls.Dial("tcp", kitchen.Config.Listen, id.ClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer ordinary.Close()
	_, _ = ordinary.Write(pairing.Append(nil, pairing.Request{}))
	m, err := wire.NewReader(ordinary).Next()
	if bye, ok := m.(*wire.Bye); !ok || bye.Code != wire.CodeUnknownDevice {
		t.Errorf("Request on an ordinary connection: got %v, %v; want Bye", m, err)
	}
	if s := kitchen.Status(); s.Pairing == nil || s.Pairing.State != api.PairingWaiting {
		t.Errorf("got %+v, want the pairing to wait on", s.Pairing)
	}
}

// Of many requests to a device that does not wait, one is shown and logged.
func TestPair_manyRequests(t *testing.T) {
	kitchen, _ := strangers(t)
	insistent := insistentDevice(t, kitchen)
	for i := range 20 {
		if i%5 == 0 {
			insistent()
		}
		dialPairing(t, kitchen).refused(fmt.Sprintf("m\u202e%d", i))
	}
	insistent()
	if p := kitchen.Status().Pairing; p == nil || p.Claimed != "insistent" {
		t.Errorf("got %+v, want the first request with a clean name", p)
	}
	if n := strings.Count(kitchen.Log(), "pairing requested"); n != 1 {
		t.Errorf("got %d log lines, want 1", n)
	}
}

// cutter is a network between two devices that is cut after a number of records
// of TLS that carry data in one direction.
func cutter(t *testing.T, to string, direction, after int) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close()
			return
		}
		ended := make(chan struct{}, 2)
		for i, ends := range [2][2]net.Conn{{c, s}, {s, c}} {
			limit := -1
			if i == direction {
				limit = after
			}
			go func() {
				copyRecords(ends[1], ends[0], limit)
				ended <- struct{}{}
			}()
		}
		<-ended
		_, _ = c.Close(), s.Close()
		<-ended
	}()
	return l.Addr().String()
}

// copyRecords copies TLS records until it has copied limit of them; -1: all.
func copyRecords(to, from net.Conn, limit int) {
	for n := 0; n != limit; n++ {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, int(head[3])<<8|int(head[4]))
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// Real devices whose connection is cut after each record, in both directions,
// keep nothing, until the last message is through.
func TestPair_cut(t *testing.T) {
	kitchen, workshop := strangers(t)
	for direction := range 2 {
		kept := false
		for after := 0; !kept; after++ {
			if after > 30 {
				t.Fatal("the pairing never succeeds")
			}
			waits := pair(t, workshop, api.PairRequest{Wait: true})
			dials := pair(t, kitchen, api.PairRequest{TimeoutMS: 100,
				Address: cutter(t, workshop.Config.Listen, direction, after)})
			done := make(chan error, 2)
			go func() { done <- follow(t.Context(), kitchen, dials) }()
			go func() { done <- follow(t.Context(), workshop, waits) }()
			first := <-done
			if first != nil { // the other one waits for a connection that does not come
				_, _ = kitchen.Client.RefusePairing(ctx(t), api.PairRefuse{})
				_, _ = workshop.Client.RefusePairing(ctx(t), api.PairRefuse{})
			}
			second := <-done
			for _, d := range []*daemontest.Device{kitchen, workshop} {
				d.Wait("end of the pairing", func(s api.Status) bool {
					return s.Pairing == nil ||
						s.Pairing.State == api.PairingRequested
				})
			}
			k, w := len(kitchen.Status().Peers), len(workshop.Status().Peers)
			kept = first == nil && second == nil
			switch {
			case kept && (k != 1 || w != 1):
				t.Fatalf("direction %d after %d: got %d and %d peers, want 1 each", direction, after, k, w)
			case !kept && direction == 1 && k == 0 && w == 1: // the last message
			case !kept && (k != 0 || w != 0):
				t.Errorf("direction %d after %d: got %d and %d peers, want none", direction, after, k, w)
			}
			for _, d := range []*daemontest.Device{kitchen, workshop} {
				for _, p := range d.Status().Peers {
					if _, err := d.Client.Unpair(ctx(t), p.Name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if files, _ := os.ReadDir(filepath.Join(kitchen.Config.StateDir, "peers")); len(files) != 0 {
		t.Errorf("got files %v after unpair, want none", files)
	}
}

// follow confirms every code, and returns how the pairing ends.
func follow(ctx context.Context, d *daemontest.Device, p pairRequest) error {
	for {
		e, err := p.Next()
		switch {
		case err != nil:
			return err
		case e.Pairing.State == api.PairingComparing:
			_, _ = d.Client.ConfirmPairing(ctx, api.PairConfirm{Code: e.Pairing.Code})
		case e.Pairing.State == api.PairingPaired:
			return nil
		case e.Pairing.State == api.PairingFailed:
			return errors.New(e.Pairing.Error.Message)
		}
	}
}
