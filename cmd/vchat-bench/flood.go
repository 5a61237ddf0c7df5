package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// alpn is the protocol in the TLS handshake of vchat, daemon/wire/PROTOCOL.md.
const alpn = "vchat/1"

// strangerKinds are what connections without a peer's key do.
var strangerKinds = []string{
	"silent",  // nothing
	"close",   // close at once
	"garbage", // send what is no TLS
	"trickle", // send a ClientHello, a byte a second
	"hello",   // send a ClientHello, then nothing
	"p521",    // the same, with another key exchange
	"suites",  // the same, with a thousand cipher suites, in 16 KiB
	"refused", // complete the handshake with a new key, read the refusal
	"slow",    // complete the handshake, read nothing
	"mix",     // each of the above in turn
}

// flood makes connections without a peer's key.
type flood struct {
	port string // of the device
	kind string
	from []netip.Addr
	rate int           // connections a second
	rtt  time.Duration // before each answer

	hellos       map[string][]byte
	certificates []tls.Certificate
	lastErr      atomic.Value // of those that failed
	opened       atomic.Uint64
	failed       atomic.Uint64 // not connected
}

const (
	maxStrangers = 6000 // at once
	strangerLife = 5 * time.Second
	floodTick    = 5 * time.Millisecond
)

// newFlood prepares what is expensive to make.
func newFlood(port, kind, from string, rate int, rtt time.Duration) (*flood, error) {
	f := &flood{port: port, kind: kind, rate: rate, rtt: rtt, hellos: map[string][]byte{}}
	var err error
	if f.from, err = sources(from); err != nil {
		return nil, err
	}
	for range 16 {
		c, err := newCertificate()
		if err != nil {
			return nil, err
		}
		f.certificates = append(f.certificates, c)
	}
	f.hellos["hello"] = clientHello(f.config())
	other := f.config()
	other.CurvePreferences = []tls.CurveID{tls.CurveP521}
	f.hellos["p521"] = clientHello(other)
	f.hellos["suites"] = longHello(clientHello(f.config()))
	return f, nil
}

// sources returns the addresses that flood uses: 5000 of a prefix, or of
// several separated by commas.
func sources(prefixes string) (all []netip.Addr, err error) {
	const count = 5000
	list := strings.Split(prefixes, ",")
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		for range count / len(list) {
			b := p.Addr().AsSlice()
			for bit := p.Bits(); bit < len(b)*8; bit++ {
				if mathrand.IntN(2) == 1 {
					b[bit/8] |= 0x80 >> (bit % 8)
				}
			}
			a, _ := netip.AddrFromSlice(b) // has the length of an address
			all = append(all, a)
		}
	}
	return all, nil
}

// serverOf returns the server's address of the same family.
func serverOf(from netip.Addr) string {
	if from.Is4() {
		return serverAddr
	}
	return serverAddr6
}

func newCertificate() (c tls.Certificate, err error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func (f *flood) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, InsecureSkipVerify: true,
		Certificates: []tls.Certificate{f.certificates[mathrand.IntN(len(f.certificates))]},
	}
}

// recorder is a connection that keeps what is written and has nothing to read.
type recorder struct {
	net.Conn
	bytes.Buffer
}

func (r *recorder) Read([]byte) (int, error)    { return 0, io.EOF }
func (r *recorder) Write(b []byte) (int, error) { return r.Buffer.Write(b) }
func (r *recorder) Close() error                { return nil }

// clientHello returns the first bytes of a connection.
func clientHello(c *tls.Config) []byte {
	var r recorder
	_ = tls.Client(&r, c).Handshake() // fails without an answer
	return r.Bytes()
}

// longHello returns a ClientHello with more than a thousand cipher suites, in
// one full record. RFC 8446, 4.1.2: the list follows version, random and the
// session id.
func longHello(hello []byte) []byte {
	const header, before, size = 5 + 4, 2 + 32, 16 << 10
	id := header + before + 1 + int(hello[header+before])
	rest := hello[id+2+int(hello[id])<<8+int(hello[id+1]):]
	suites := size - 4 - (id - header) - 2 - len(rest)
	suites -= suites % 2
	body := append(bytes.Clone(hello[header:id]), byte(suites>>8), byte(suites))
	body = append(body, bytes.Repeat([]byte{0x13, 0x01}, suites/2)...)
	body = append(body, rest...)
	n := len(body)
	message := append([]byte{1, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
	return append([]byte{22, 3, 1, byte(len(message) >> 8), byte(len(message))}, message...)
}

// run makes connections until ctx ends.
func (f *flood) run(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	places := make(chan struct{}, maxStrangers)
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	began := time.Now()
	for n := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for due := int(time.Since(began).Seconds() * float64(f.rate)); n < due; n++ {
			kind := f.kind
			if kind == "mix" {
				kind = strangerKinds[n%(len(strangerKinds)-1)]
			}
			select {
			case places <- struct{}{}:
			default: // as many as there may be
				f.failed.Add(1)
				continue
			}
			work.Go(func() {
				defer func() { <-places }()
				f.connect(ctx, kind)
			})
		}
	}
}

// connect makes one connection and keeps it until the other end closes it.
func (f *flood) connect(ctx context.Context, kind string) {
	ctx, cancel := context.WithTimeout(ctx, strangerLife)
	defer cancel()
	from := f.from[mathrand.IntN(len(f.from))]
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(serverOf(from), f.port))
	if err != nil {
		f.failed.Add(1)
		f.lastErr.Store(err.Error())
		return
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT: 2000 a second would use up the ports
	f.opened.Add(1)
	switch kind {
	case "close":
		return
	case "silent":
	case "garbage":
		b := make([]byte, 300)
		_, _ = rand.Read(b)
		_, _ = c.Write(b)
	case "trickle":
		for _, b := range f.hellos["hello"] {
			if _, err := c.Write([]byte{b}); err != nil || pause(ctx, time.Second) != nil {
				return
			}
		}
	case "refused", "slow":
		t := tls.Client(lateReader{c, f.rtt}, f.config())
		if t.HandshakeContext(ctx) != nil {
			return
		}
		if kind == "slow" {
			<-ctx.Done()
			return
		}
		_, _ = io.Copy(io.Discard, t)
		return
	default:
		_, _ = c.Write(f.hellos[kind])
	}
	_, _ = io.Copy(io.Discard, c)
}

// lateReader delays each answer by the round-trip time.
type lateReader struct {
	net.Conn
	rtt time.Duration
}

func (l lateReader) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if err == nil {
		time.Sleep(l.rtt)
	}
	return n, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// relay forwards connections as a path of this round-trip time would. The
// server sees a connection when the last packet of TCP's handshake arrives,
// together with the first data.
type relay struct {
	port string
	from []netip.Addr
	rtt  time.Duration
}

func (r *relay) run(ctx context.Context, listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		work.Go(func() { r.forward(ctx, c) })
	}
}

func (r *relay) forward(ctx context.Context, near net.Conn) {
	defer near.Close()
	if pause(ctx, r.rtt*3/2) != nil { // SYN, SYN+ACK, ACK
		return
	}
	from := r.from[mathrand.IntN(len(r.from))]
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	far, err := d.DialContext(ctx, "tcp", net.JoinHostPort(serverOf(from), r.port))
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })()
	if err := passWaiting(far, near); err != nil {
		return
	}
	var work sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		work.Go(func() {
			defer way[1].Close()
			late(way[1], way[0], r.rtt/2)
		})
	}
	work.Wait()
}

// passWaiting copies what has arrived already: the near end sent it with the
// last packet of TCP's handshake.
func passWaiting(to, from net.Conn) error {
	b := make([]byte, 16<<10)
	_ = from.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := from.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	_ = from.SetReadDeadline(time.Time{})
	_, err = to.Write(b[:n])
	return err
}

// late copies what arrives, delay later.
func late(to io.Writer, from io.Reader, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				pieces <- piece{time.Now().Add(delay), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	var err error
	for p := range pieces {
		if err == nil {
			time.Sleep(time.Until(p.due))
			_, err = to.Write(p.data)
		}
		if c, ok := from.(io.Closer); ok && err != nil {
			_ = c.Close() // ends the reader
		}
	}
}

// runFlood and runRelay are this program as a child, in the clients' namespace.
// Their arguments follow the program's name.
func runFlood(ctx context.Context, args []string) error {
	var rate int
	var rtt time.Duration
	if len(args) != 5 {
		return errors.New("usage: vchat-bench flood PORT KIND PREFIX,… RATE RTT")
	}
	if _, err := fmt.Sscan(args[3], &rate); err != nil {
		return err
	}
	rtt, err := time.ParseDuration(args[4])
	if err != nil {
		return err
	}
	f, err := newFlood(args[0], args[1], args[2], rate, rtt)
	if err != nil {
		return err
	}
	began := time.Now()
	f.run(ctx)
	took := time.Since(began).Seconds()
	lastErr, _ := f.lastErr.Load().(string)
	fmt.Printf("%.0f connections a second, %.0f more failed: %s\n", float64(f.opened.Load())/took,
		float64(f.failed.Load())/took, lastErr)
	return nil
}

func runRelay(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: vchat-bench relay LISTEN PORT PREFIX,… RTT")
	}
	from, err := sources(args[2])
	if err != nil {
		return err
	}
	rtt, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	return (&relay{args[1], from, rtt}).run(ctx, args[0])
}
