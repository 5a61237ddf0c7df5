package daemon_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
)

// strangerFlood is connections from thousands of addresses of 127.0.0.0/8,
// without end, and many at once.
type strangerFlood struct {
	t       *testing.T
	address string
	hello   []byte
	keys    []*identity.Identity
	act     func(*strangerFlood, net.Conn)
	from    func(n uint32) net.IP
	opened  atomic.Int64
	over    chan struct{}
	work    sync.WaitGroup
}

const strangersAtOnce = 400

// anyAddress returns another address for each connection.
func anyAddress(n uint32) net.IP {
	return binary.BigEndian.AppendUint32(nil, 127<<24|1<<16|n%5000*2654435761%(1<<24-1<<17)+1<<16)
}

// start makes the strangers come. stop ends them.
func (s *strangerFlood) start() {
	s.over = make(chan struct{})
	var n atomic.Uint32
	for range strangersAtOnce {
		s.work.Go(func() {
			for {
				select {
				case <-s.over:
					return
				default:
				}
				s.connect(s.from(n.Add(1)))
			}
		})
	}
}

func (s *strangerFlood) stop() {
	close(s.over)
	s.work.Wait()
}

func (s *strangerFlood) connect(from net.IP) {
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
		case <-s.over:
		case <-ended:
		case <-time.After(2 * time.Second): // it begins anew
		}
		_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT
		_ = c.Close()
	})
	s.act(s, c)
	close(ended)
}

// wait reads until the daemon or stop closes the connection.
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
	{"silent", func(_ *strangerFlood, c net.Conn) { wait(c) }},
	{"gone at once", func(*strangerFlood, net.Conn) {}},
	{"hello, then silent", func(s *strangerFlood, c net.Conn) {
		_, _ = c.Write(s.hello)
		wait(c)
	}},
	{"half a hello", func(s *strangerFlood, c net.Conn) {
		_, _ = c.Write(s.hello[:len(s.hello)/2])
		wait(c)
	}},
	{"a hello by the byte", func(s *strangerFlood, c net.Conn) {
		for _, b := range s.hello {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		wait(c)
	}},
	{"garbage", func(_ *strangerFlood, c net.Conn) {
		b := make([]byte, 500)
		_, _ = rand.Read(b)
		_, _ = c.Write(b)
		wait(c)
	}},
	{"a record that never ends", func(_ *strangerFlood, c net.Conn) {
		_, _ = c.Write([]byte{22, 3, 1, 0x40, 0})
		for {
			if _, err := c.Write(make([]byte, 100)); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}},
	{"unknown keys", func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.ALPN); conn != nil {
			wait(conn)
		}
	}},
	{"unknown keys, reading nothing", func(s *strangerFlood, c net.Conn) {
		if s.tls(c, identity.ALPN) != nil {
			time.Sleep(time.Second)
		}
	}},
	{"pairing", func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.PairingALPN); conn != nil {
			_, _ = conn.Write([]byte{1, 6, 5, 'p', 'h', 'o', 'n', 'e'}) // Request
			wait(conn)
		}
	}},
	{"pairing, silent", func(s *strangerFlood, c net.Conn) {
		if conn := s.tls(c, identity.PairingALPN); conn != nil {
			wait(conn)
		}
	}},
	{"false proofs", func(s *strangerFlood, c net.Conn) {
		hello := bytes.Clone(s.hello)
		copy(hello[bytes.Index(hello, []byte("vchat-known/")):], "vchat-known/00")
		_, _ = c.Write(hello)
		wait(c)
	}},
}

// recordHello returns a ClientHello with a proof that is worth nothing.
func recordHello(t *testing.T, id *identity.Identity) []byte {
	t.Helper()
	var shared identity.Acquaintance
	client, server := net.Pipe()
	got := make(chan []byte)
	go func() {
		b := make([]byte, 16<<10)
		n, _ := server.Read(b)
		_ = server.Close()
		got <- b[:n]
	}()
	if tls.Client(client, id.ClientConfigFor(id.ID(), &shared)).Handshake() == nil {
		t.Fatal("a handshake without a server")
	}
	_ = client.Close()
	return <-got
}

// Strangers from thousands of addresses, each kind alone, keep no known peer
// out: neither one that was never seen, nor one that was, and not even from the
// peer's own address if it was seen.
func TestStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	var keys []*identity.Identity
	for range 8 {
		id, err := identity.New()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, id)
	}
	for _, tt := range strangerActs {
		t.Run(tt.name, func(t *testing.T) {
			kitchen, workshop := daemontest.New(t, "kitchen"), daemontest.New(t, "workshop")
			kitchen.Config.Peers["workshop"] = config.Peer{ID: workshop.ID.String()}
			workshop.Config.Peers["kitchen"] = config.Peer{ID: kitchen.ID.String(), Address: kitchen.Config.Listen}
			workshop.Config.Listen = ""
			kitchen.Start()
			s := &strangerFlood{t: t, address: kitchen.Config.Listen, keys: keys, hello: recordHello(t, keys[0]),
				act: tt.act, from: anyAddress}
			linked := func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp }
			s.start()
			workshop.Start()
			workshop.Wait("a link of a peer never seen", linked)
			workshop.Stop()
			s.stop()
			opened := s.opened.Load()

			s.from = func(uint32) net.IP { return net.IPv4(127, 0, 0, 1) } // the peer's
			s.start()
			workshop.Start()
			workshop.Wait("a link from the strangers' address", linked)
			s.stop()
			if second := s.opened.Load() - opened; opened < strangersAtOnce || second < strangersAtOnce {
				t.Errorf("got %d and %d strangers, want %d each", opened, second, strangersAtOnce)
			}
		})
	}
}
