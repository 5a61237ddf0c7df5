package socks

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"socks5://127.0.0.1:9050":             "127.0.0.1:9050",
		"socks5://[::1]:1080":                 "[::1]:1080",
		"socks5://user:secret@localhost:1080": "localhost:1080",
		"socks5://localhost:1080/":            "localhost:1080",
	} {
		p, err := Parse(text)
		if err != nil || p.Address() != want {
			t.Errorf("%s: got %v, %v, want %s", text, p, err, want)
		}
	}
	for _, text := range []string{
		"", "127.0.0.1:9050", "http://127.0.0.1:9050", "socks5://", "socks5://localhost", "socks5://:1080",
		"socks5://localhost:1080/x", "socks5://localhost:1080?x", "socks5://user@localhost:1080",
		"socks5://user:@localhost:1080", "socks5://:secret@localhost:1080", "socks5://a:secret@b:port",
		"socks5://" + strings.Repeat("u", 256) + ":secret@localhost:1080", "socks5:localhost:1080",
	} {
		if p, err := Parse(text); !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, %v, want ErrURL without the password", text, p, err)
		}
	}
}

// serve is a proxy that wants user and secret, and answers with code. It
// returns its address, and what it was asked for.
func serve(t *testing.T, code byte) (address string, asked chan string) {
	t.Helper()
	asked = make(chan string, 1)
	address = acceptOne(t, func(c net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			_, _ = io.ReadFull(c, b)
			return b
		}
		read(int(read(2)[1]))
		_, _ = c.Write([]byte{5, 2})
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		_, _ = c.Write([]byte{1, 0})
		head := read(5)
		host := string(read(int(head[4])))
		port := binary.BigEndian.Uint16(read(2))
		asked <- user + ":" + password + "@" + host + ":" + strconv.Itoa(int(port))
		_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		if code == 0 {
			_, _ = c.Write([]byte("hello"))
		}
	})
	return address, asked
}

// acceptOne serves one connection until the end of the test. It returns its
// address.
func acceptOne(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		serve(c)
	}()
	return l.Addr().String()
}

func TestDial(t *testing.T) {
	address, asked := serve(t, 0)
	p, err := Parse("socks5://user:secret@" + address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	// The name does not exist: only the proxy may resolve it.
	conn, err := p.Dial(ctx, new(net.Dialer).DialContext, "abcdefgh.onion:7450")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := <-asked; got != "user:secret@abcdefgh.onion:7450" {
		t.Errorf("got %s, want user:secret@abcdefgh.onion:7450", got)
	}
	if _, ok := conn.(*net.TCPConn); !ok {
		t.Errorf("got a %T, want *net.TCPConn", conn)
	}
	if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v, want hello", b, err)
	}
}

// What a proxy answers, and what a person reads.
func TestDial_errors(t *testing.T) {
	const target = "peer.example.org:7450"
	const cannotReach = "proxy ADDRESS cannot reach " + target + ": "
	const method, reply = "\x05\x00", "\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, x := range []struct {
		name, url string
		answers   []string // to the greeting, the password, the request; "": it closes the connection
		want      string   // ADDRESS: the proxy's
		kind      error
	}{
		{"refused", "", []string{method, "\x05\x05" + reply}, cannotReach + "connection refused", ErrTarget},
		{"no route", "", []string{method, "\x05\x04" + reply}, cannotReach + "no route to host", ErrTarget},
		{"network", "", []string{method, "\x05\x03" + reply}, cannotReach + "network is unreachable", ErrTarget},
		{"timeout", "", []string{method, "\x05\x06" + reply}, cannotReach + "no answer", ErrTarget},
		{"rules", "", []string{method, "\x05\x02" + reply}, cannotReach + "its rules forbid it", ErrTarget},
		{"failure", "", []string{method, "\x05\x01" + reply}, cannotReach + "it gives no reason", ErrTarget},
		{"of Tor", "", []string{method, "\x05\xf2" + reply}, cannotReach + "unknown code: 242", ErrTarget},
		{"closed late", "", []string{method, ""}, "proxy ADDRESS closed the connection to " + target, ErrTarget},
		{"closed", "", []string{""}, "proxy ADDRESS closed the connection", ErrProxy},
		{"no password", "", []string{"\x05\xff"}, "proxy ADDRESS requires a user name and a password", ErrProxy},
		{"wrong password", "user:secret@", []string{"\x05\x02", "\x01\x01"},
			"proxy ADDRESS refuses the user name or the password", ErrProxy},
		{"not that password", "user:secret@", []string{"\x05\xff"}, "proxy ADDRESS requires another way to log in",
			ErrProxy},
		{"HTTP", "", []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, "ADDRESS does not answer as a SOCKS5 proxy",
			ErrProxy},
		{"garbage later", "", []string{method, "garbage"}, "ADDRESS does not answer as a SOCKS5 proxy", ErrProxy},
	} {
		t.Run(x.name, func(t *testing.T) {
			address := answer(t, x.answers)
			p, err := Parse("socks5://" + x.url + address)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := p.Dial(t.Context(), new(net.Dialer).DialContext, target)
			if err == nil {
				_ = conn.Close()
				t.Fatal("got a connection, want an error")
			}
			want := strings.ReplaceAll(x.want, "ADDRESS", address)
			if err.Error() != want || !errors.Is(err, x.kind) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, want %q and %v", err, want, x.kind)
			}
		})
	}
}

// A reset has the same text as an end, and the cause is the kernel's error:
// callers take the text of a net.OpError in place of this one.
func TestDial_reset(t *testing.T) {
	address := acceptOne(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 512))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	p, err := Parse("socks5://" + address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.Dial(t.Context(), new(net.Dialer).DialContext, "peer.example.org:7450")
	if err == nil {
		_ = conn.Close()
		t.Fatal("got a connection, want an error")
	}
	want := "proxy " + address + " closed the connection"
	if err.Error() != want || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, want %q and ECONNRESET", err, want)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		t.Errorf("got the cause %q, want none of type net.OpError", op)
	}
}

// Whatever a proxy answers costs one connection, and an error names the proxy.
func FuzzDial(f *testing.F) {
	f.Add([]byte("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), false)
	f.Add([]byte("\x05\x02\x01\x00\x05\x00\x00\x03\x01a\x00\x00"), true)
	f.Add([]byte("\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), false)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, answers []byte, password bool) {
		user := ""
		if password {
			user = "user:secret@"
		}
		p, err := Parse("socks5://" + user + "proxy.example.org:1080")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.Dial(t.Context(), func(context.Context, string, string) (net.Conn, error) {
			return &fakeProxy{Reader: bytes.NewReader(answers)}, nil
		}, "peer.example.org:7450")
		switch {
		case err == nil:
			if conn.(*fakeProxy).closed {
				t.Error("got a closed connection and no error")
			}
		case !errors.Is(err, ErrProxy) && !errors.Is(err, ErrTarget):
			t.Errorf("got %q, want ErrProxy or ErrTarget", err)
		case !strings.Contains(err.Error(), "proxy.example.org:1080") || strings.Contains(err.Error(), "secret"):
			t.Errorf("got %q, want it to name the proxy and no password", err)
		}
	})
}

// fakeProxy is a connection to a proxy that says all it will say at once.
type fakeProxy struct {
	net.Conn
	io.Reader
	closed bool
}

func (c *fakeProxy) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c *fakeProxy) Write(b []byte) (int, error) { return len(b), nil }
func (c *fakeProxy) Close() error                { c.closed = true; return nil }
func (c *fakeProxy) SetDeadline(time.Time) error { return nil }

// answer is a proxy that answers each message with the next text. It returns
// its address.
func answer(t *testing.T, texts []string) string {
	t.Helper()
	return acceptOne(t, func(c net.Conn) {
		b := make([]byte, 512)
		for _, text := range texts {
			if _, err := c.Read(b); err != nil || text == "" {
				return
			}
			_, _ = io.WriteString(c, text)
		}
		_, _ = io.Copy(io.Discard, c)
	})
}

// Nothing listens there.
func TestDial_down(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	p, err := Parse("socks5://user:secret@" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.Dial(t.Context(), new(net.Dialer).DialContext, "peer.example.org:7450")
	if err == nil {
		_ = conn.Close()
		t.Fatal("got a connection, want an error")
	}
	if want := "connect to proxy " + l.Addr().String() + ": connection refused"; err.Error() != want ||
		!errors.Is(err, ErrProxy) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %q, want %q", err, want)
	}
}

// A proxy that says nothing, or nothing about the address, does not hold the
// caller.
func TestDial_silent(t *testing.T) {
	for _, x := range []struct {
		name    string
		answers []string
		want    string
		kind    error
	}{
		{"at once", nil, "no answer from proxy ADDRESS", ErrProxy},
		{"later", []string{"\x05\x00"}, "proxy ADDRESS has not reached peer.example.org:7450 in time", ErrTarget},
	} {
		t.Run(x.name, func(t *testing.T) {
			address := answer(t, x.answers)
			p, err := Parse("socks5://" + address)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn, err := p.Dial(ctx, new(net.Dialer).DialContext, "peer.example.org:7450")
			if err == nil {
				_ = conn.Close()
				t.Fatal("got a connection, want an error")
			}
			want := strings.ReplaceAll(x.want, "ADDRESS", address)
			if err.Error() != want || !errors.Is(err, x.kind) {
				t.Errorf("got %q, want %q and %v", err, want, x.kind)
			}
		})
	}
}

// A proxy that does not answer is noticed long before the time for the address
// behind it has passed.
func TestDial_silentSoon(t *testing.T) {
	for _, x := range []struct {
		name    string
		forward func(context.Context) (net.Conn, error)
	}{
		{"connection", func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Err: ctx.Err()}
		}},
		{"greeting", func(ctx context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := Parse("socks5://192.0.2.1:1080")
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				conn, err := p.Dial(ctx, func(ctx context.Context, _, _ string) (net.Conn, error) {
					return x.forward(ctx)
				}, "peer.example.org:7450")
				if err == nil {
					_ = conn.Close()
					t.Fatal("got a connection, want an error")
				}
				if want := "no answer from proxy 192.0.2.1:1080"; err.Error() != want || !errors.Is(err, ErrProxy) {
					t.Errorf("got %q, want %q", err, want)
				}
				if took := time.Since(start); took != answerTimeout {
					t.Errorf("got it after %v, want %v", took, answerTimeout)
				}
			})
		})
	}
}

// The address behind the proxy has the whole time of the caller.
func TestDial_slow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := Parse("socks5://192.0.2.1:1080")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.Dial(t.Context(), func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() {
				b := make([]byte, 512)
				for _, answer := range []string{"\x05\x00", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"} {
					_, _ = theirs.Read(b)
					time.Sleep(answerTimeout - time.Second)
					_, _ = io.WriteString(theirs, answer)
				}
			}()
			return ours, nil
		}, "peer.example.org:7450")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	})
}
