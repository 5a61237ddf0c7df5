package link_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/link"
	"vchat/daemon/resolve"
)

// lateAddress is an address that this device gets later, or whose port others
// use.
type lateAddress struct {
	tn      *testNet
	changed func() // reports a change of the network

	mu        sync.Mutex
	err       error // of listening now
	tries     int
	listening int // calls of Config.Listening
}

func (a *lateAddress) listen(_, address string) (net.Listener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tries++
	if a.err != nil {
		return nil, a.err
	}
	return a.tn.net.Listen(address), nil
}

func (a *lateAddress) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *lateAddress) counts() (tries, listening int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries, a.listening
}

// configure makes a device listen on the address.
func (a *lateAddress) configure(c *link.Config) {
	c.Listen = a.listen
	c.Listening = func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.listening++
	}
	c.Network = func(ctx context.Context, changed func()) error {
		a.changed = changed
		<-ctx.Done()
		return ctx.Err()
	}
}

func syscallError(errno syscall.Errno) error {
	return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)}
}

var (
	errNoAddress = syscallError(syscall.EADDRNOTAVAIL)
	errTaken     = syscallError(syscall.EADDRINUSE)
)

// startLate starts bob, who dials alice, and alice, whose address has this
// error.
func (tn *testNet) startLate(err error) (alice *device, address *lateAddress) {
	address = &lateAddress{tn: tn, err: err}
	bob := tn.device("bob")
	alice = tn.device("alice")
	alice.config = address.configure
	tn.prepare(alice, false, bob)
	if err := alice.links.Listen("alice"); err != nil {
		tn.t.Fatalf("Listen: got %v, want nil: Run tries again", err)
	}
	tn.run(alice)
	tn.start(bob, true, alice)
	return alice, address
}

func TestListen_late(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"no address", errNoAddress},
		{"no interface", fmt.Errorf("%w: wlan0", resolve.ErrNoInterface)},
		{"name not resolved", &net.DNSError{Err: "server misbehaving", Name: "alice", IsTemporary: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, tn *testNet) {
				alice, address := tn.startLate(tt.err)
				advance(time.Hour)
				if alice.links.Addr() != nil || !errors.Is(alice.links.ListenError(), tt.err) {
					t.Errorf("got address %v and error %v, want %v", alice.links.Addr(), alice.links.ListenError(),
						tt.err)
				}
				if n := strings.Count(tn.logged(), "not listening for peers yet"); n != 1 {
					t.Errorf("got %d lines in an hour, want 1:\n%s", n, tn.logged())
				}
				if tries, _ := address.counts(); tries > 3600/3 {
					t.Errorf("got %d tries in an hour", tries)
				}
				address.set(nil)
				advance(15 * time.Second)
				if alice.links.Link("bob") == nil || alice.links.ListenError() != nil || alice.links.Addr() == nil {
					t.Errorf("15 s after the address is there: got no link, error %v", alice.links.ListenError())
				}
				if _, n := address.counts(); n != 1 || strings.Count(tn.logged(), "listening for peers\"") != 1 {
					t.Errorf("got %d reports, want one, and one line:\n%s", n, tn.logged())
				}
			})
		})
	}
}

func TestListen_networkChange(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, address := tn.startLate(errNoAddress)
		advance(time.Hour)
		address.set(nil)
		began := time.Now()
		address.changed()
		advance(0)
		if alice.links.Addr() == nil || time.Since(began) > 0 {
			t.Errorf("after a change of the network: got error %v", alice.links.ListenError())
		}
	})
}

// Another program takes the port before the address is there, and ends.
func TestListen_takenMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		alice, address := tn.startLate(errNoAddress)
		advance(time.Minute)
		address.set(errTaken)
		advance(time.Hour)
		if err := alice.links.ListenError(); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("got error %v, want that the port is taken", err)
		}
		for _, cause := range []string{"cannot assign", "already in use"} {
			if n := strings.Count(tn.logged(), cause); n != 1 {
				t.Errorf("got %d lines with %q, want 1:\n%s", n, cause, tn.logged())
			}
		}
		address.set(nil)
		advance(15 * time.Second)
		if alice.links.Link("bob") == nil {
			t.Errorf("after the program has ended: got no link, error %v", alice.links.ListenError())
		}
	})
}

// The causes alternate all the time.
func TestListen_alternates(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		_, address := tn.startLate(errNoAddress)
		for range 90 {
			address.set(errTaken)
			advance(time.Minute)
			address.set(errNoAddress)
			advance(time.Minute)
		}
		if n := strings.Count(tn.logged(), "not listening for peers yet"); n < 3 || n > 8 {
			t.Errorf("got %d lines in three hours, want 3 to 8", n)
		}
	})
}

// An error that waiting does not correct ends Run.
func TestListen_fails(t *testing.T) {
	bubble(t, func(t *testing.T, tn *testNet) {
		address := &lateAddress{tn: tn, err: errNoAddress}
		alice := tn.device("alice")
		alice.config = address.configure
		tn.prepare(alice, false)
		for _, err := range []error{errTaken, syscallError(syscall.EACCES)} {
			address.set(err)
			if got := alice.links.Listen("alice"); !errors.Is(got, err) {
				t.Errorf("Listen: got %v, want %v at once", got, err)
			}
		}
		address.set(errNoAddress)
		if err := alice.links.Listen("alice"); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- alice.links.Run(context.Background()) }()
		advance(time.Minute)
		address.set(syscallError(syscall.EACCES))
		advance(time.Minute)
		select {
		case err := <-done:
			if !errors.Is(err, syscall.EACCES) {
				t.Errorf("Run: got %v, want EACCES", err)
			}
		default:
			t.Error("Run: still waits")
		}
	})
}

// Run ends while it waits for its address, and while it is between the tries.
func TestListen_shutdown(t *testing.T) {
	for _, pause := range []time.Duration{0, 100 * time.Millisecond, time.Hour} {
		bubble(t, func(t *testing.T, tn *testNet) {
			alice, address := tn.startLate(errNoAddress)
			time.Sleep(pause)
			began := time.Now()
			alice.end()
			if d := time.Since(began); d > time.Millisecond {
				t.Errorf("after %v: Run took %v to end", pause, d)
			}
			tries, _ := address.counts()
			address.set(nil)
			advance(time.Minute)
			if n, listening := address.counts(); n != tries || listening > 0 || alice.links.Addr() != nil {
				t.Errorf("after %v: got %d more tries after the end, address %v", pause, n-tries, alice.links.Addr())
			}
		})
	}
}
