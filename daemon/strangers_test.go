package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
)

// strangersVariable makes this program the strangers. They are a process of
// their own, as in the same one the daemon would have to share its turns on the
// processors with hundreds of goroutines.
const strangersVariable = "VCHAT_TEST_STRANGERS"

// strangerFlood is connections from thousands of addresses of 127.0.0.0/8, or
// from one, without end, and many at once.
type strangerFlood struct {
	address string
	hello   []byte
	keys    []*identity.Identity
	act     func(*strangerFlood, net.Conn)
	from    net.IP // nil: any
	opened  atomic.Int64
	over    context.Context
	work    sync.WaitGroup
}

const strangersAtOnce = 400

// strangersMain runs the strangers if this process was started for it.
func strangersMain(args []string) (code int, isRunner bool) {
	kind := os.Getenv(strangersVariable)
	if kind == "" {
		return 0, false
	}
	if err := floodFrom(kind, args[1], net.ParseIP(args[2])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	return 0, true
}

// floodFrom makes connections until standard input ends. It prints a line when
// there are many.
func floodFrom(kind, address string, from net.IP) error {
	over, stop := context.WithCancel(context.Background())
	defer stop()
	s := &strangerFlood{address: address, from: from, over: over}
	// Strangers have processors of their own. These are the daemon's first.
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 5); err != nil {
		return err
	}
	for _, a := range strangerActs {
		if a.name == kind {
			s.act = a.act
		}
	}
	for range 8 {
		id, err := identity.New()
		if err != nil {
			return err
		}
		s.keys = append(s.keys, id)
	}
	s.hello = recordHello(s.keys[0])
	var n atomic.Uint32
	for range strangersAtOnce {
		s.work.Go(func() {
			for over.Err() == nil {
				s.connect(n.Add(1))
			}
		})
	}
	for s.opened.Load() < strangersAtOnce {
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println("many")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	s.work.Wait()
	return nil
}

// startStrangers returns when there are many. end ends them.
func startStrangers(t *testing.T, kind, address, from string) (end func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, address, from)
	cmd.Env = append(os.Environ(), strangersVariable+"="+kind)
	cmd.Stderr = os.Stderr
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("strangers: got %q, %v, want a line", line, err)
	}
	end = sync.OnceFunc(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("strangers: %v", err)
		}
	})
	t.Cleanup(end)
	return end
}

// anyAddress returns another address for each connection.
func anyAddress(n uint32) net.IP {
	return binary.BigEndian.AppendUint32(nil, 127<<24|1<<16|n%5000*2654435761%(1<<24-1<<17)+1<<16)
}

func (s *strangerFlood) connect(n uint32) {
	from := s.from
	if from == nil {
		from = anyAddress(n)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: time.Second}
	c, err := d.Dial("tcp", s.address)
	if err != nil {
		time.Sleep(10 * time.Millisecond) // the queue of the listener is full
		return
	}
	s.opened.Add(1)
	ended := make(chan struct{})
	s.work.Go(func() {
		select {
		case <-s.over.Done():
		case <-ended:
		case <-time.After(2 * time.Second): // it begins anew
		}
		_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT
		_ = c.Close()
	})
	s.act(s, c)
	close(ended)
}

// wait reads until the daemon or connect closes the connection.
func wait(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// tls makes a handshake with an unknown key.
func (s *strangerFlood) tls(c net.Conn, protocol string) *tls.Conn {
	var b [1]byte
	_, _ = rand.Read(b[:])
	config := s.keys[int(b[0])%len(s.keys)].ClientConfig()
	config.NextProtos = []string{protocol}
	conn := tls.Client(c, config)
	if conn.Handshake() != nil {
		return nil
	}
	return conn
}

var strangerActs = []struct {
	name string
	act  func(*strangerFlood, net.Conn)
}{
	{name: "silent", act: func(_ *strangerFlood, c net.Conn) { wait(c) }},
	{name: "gone at once", act: func(*strangerFlood, net.Conn) {}},
	{name: "hello, then silent", act: func(s *strangerFlood, c net.Conn) {
		_, _ = c.Write(s.hello)
		wait(c)
	}},
	{name: "half a hello", act: func(s *strangerFlood, c net.Conn) {
		_, _ = c.Write(s.hello[:len(s.hello)/2])
		wait(c)
	}},
	{name: "a hello by the byte", act: func(s *strangerFlood, c net.Conn) {
		for _, b := range s.hello {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		wait(c)
	}},
	{name: "garbage", act: func(_ *strangerFlood, c net.Conn) {
		b := make([]byte, 500)
		_, _ = rand.Read(b)
		_, _ = c.Write(b)
		wait(c)
	}},
	{name: "a record that never ends", act: func(_ *strangerFlood, c net.Conn) {
		_, _ = c.Write([]byte{22, 3, 1, 0x40, 0})
		for {
			if _, err := c.Write(make([]byte, 100)); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}},
	{name: "unknown keys", act: func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.ALPN); conn != nil {
			wait(conn)
		}
	}},
	{name: "unknown keys, reading nothing", act: func(s *strangerFlood, c net.Conn) {
		if s.tls(c, identity.ALPN) != nil {
			time.Sleep(time.Second)
		}
	}},
	{name: "pairing", act: func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.PairingALPN); conn != nil {
			_, _ = conn.Write([]byte{1, 6, 5, 'p', 'h', 'o', 'n', 'e'}) // Request
			wait(conn)
		}
	}},
	{name: "pairing, silent", act: func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.PairingALPN); conn != nil {
			wait(conn)
		}
	}},
	{name: "false proofs", act: func(s *strangerFlood, c net.Conn) {
		hello := bytes.Clone(s.hello)
		copy(hello[bytes.Index(hello, []byte("vchat-known/")):], "vchat-known/00")
		_, _ = c.Write(hello)
		wait(c)
	}},
}

// recordHello returns a ClientHello with a proof that is worth nothing.
func recordHello(id *identity.Identity) []byte {
	var shared identity.Acquaintance
	client, server := net.Pipe()
	got := make(chan []byte)
	go func() {
		b := make([]byte, 16<<10)
		n, _ := server.Read(b)
		_ = server.Close()
		got <- b[:n]
	}()
	_ = tls.Client(client, id.ClientConfigFor(id.ID(), &shared)).Handshake() // there is no server
	_ = client.Close()
	return <-got
}

// Strangers from thousands of addresses, each kind alone, keep no known peer
// out: neither one that was never seen, nor one that was, and not even from the
// peer's own address.
func TestStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for _, tt := range strangerActs {
		t.Run(tt.name, func(t *testing.T) {
			kitchen, workshop := daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
			kitchen.Config.Peers["workshop"] = config.Peer{ID: workshop.ID.String()}
			workshop.Config.Peers["kitchen"] = config.Peer{ID: kitchen.ID.String(), Address: kitchen.Config.Listen}
			workshop.Config.Listen = ""
			kitchen.Start()
			linked := func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp }
			end := startStrangers(t, tt.name, kitchen.Config.Listen, "any")
			workshop.Start()
			workshop.Wait("link from a peer that was never seen", linked)
			workshop.Stop()
			end()

			end = startStrangers(t, tt.name, kitchen.Config.Listen, "127.0.0.1") // the peer's
			workshop.Start()
			workshop.Wait("link from the strangers' address", linked)
			end()
		})
	}
}
