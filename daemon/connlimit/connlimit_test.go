package connlimit_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"vchat/daemon/connlimit"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// pair is both ends of a connection.
type pair struct {
	client net.Conn
	server *connlimit.Conn
}

// check checks that the server has closed the connection, or has not.
func (p pair) check(t *testing.T, name string, closed bool) {
	t.Helper()
	timeout := 20 * time.Millisecond // for what must not come
	if closed {
		timeout = 20 * time.Second
	}
	p.client.SetReadDeadline(time.Now().Add(timeout))
	want := os.ErrDeadlineExceeded
	if closed {
		want = io.EOF
	}
	if _, err := p.client.Read(make([]byte, 1)); !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", name, err, want)
	}
}

// accept connects on behalf of an owner.
type accept func(owner string) pair

func newAccept(t *testing.T, limit int) (accept, *connlimit.Listener) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	next := ""
	l := connlimit.New(inner, limit, func(net.Conn) (string, bool) { return next, true })
	t.Cleanup(func() { l.Close() })
	return func(owner string) pair {
		t.Helper()
		next = owner
		client, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { got.Close() })
		return pair{client, got.(*connlimit.Conn)}
	}, l
}

func TestListener_evictsIdleLongest(t *testing.T) {
	accept, _ := newAccept(t, 4)
	a, b, c, d := accept("x"), accept("x"), accept("x"), accept("x")
	a.server.Begin()
	b.server.Begin()
	b.server.End() // idle after c and d
	e := accept("x")
	for _, tt := range []struct {
		name   string
		pair   pair
		closed bool
	}{
		{"in use", a, false},
		{"used again", b, false},
		{"idle longest", c, true},
		{"idle", d, false},
		{"new", e, false},
	} {
		tt.pair.check(t, tt.name, tt.closed)
	}
}

// The connections of one owner replace each other, not those of others.
func TestListener_evictsMostCrowdedOwner(t *testing.T) {
	accept, _ := newAccept(t, 4)
	own := accept("user")
	crowd := []pair{accept("crowd"), accept("crowd"), accept("crowd")}
	for range 4 {
		crowd = append(crowd, accept("crowd"))
	}
	own.check(t, "the other owner", false)
	for i, p := range crowd {
		p.check(t, fmt.Sprintf("connection %d of the crowd", i), i < len(crowd)-3)
	}
}

func TestListener_allInUse(t *testing.T) {
	accept, l := newAccept(t, 2)
	a, b := accept("x"), accept("x")
	a.server.Begin()
	b.server.Begin()
	more, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	if _, err := more.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("connection beyond the limit: got %v, want EOF", err)
	}
	a.check(t, "first in use", false)
	b.check(t, "second in use", false)
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: got %v, want %v", err, net.ErrClosed)
	}
}

func TestListener_refuses(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := connlimit.New(inner, 2, func(net.Conn) (string, bool) { return "", false })
	done := make(chan error, 1)
	go func() { _, err := l.Accept(); done <- err }()
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("refused connection: got %v, want EOF", err)
	}
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: got %v, want %v", err, net.ErrClosed)
	}
}

// Each malformed request costs net/http a goroutine only until its answer is
// written. A flood of them does not delay the next client.
func TestListener_malformedRequests(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := connlimit.New(inner, 4, connlimit.ByAddress)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := connlimit.FromContext(r.Context())
			c.Begin()
			defer c.End()
			io.WriteString(w, c.Owner())
		}),
		ConnState: l.ConnState, ConnContext: connlimit.WithConn, MaxHeaderBytes: 1024,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	for range 200 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, strings.Repeat("A", 20000)) // the server may have closed it
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); string(b) != "127.0.0.1" || err != nil {
		t.Errorf("got %q, %v; want the owner", b, err)
	}
	srv.Close()
	if err := <-done; err != http.ErrServerClosed {
		t.Error(err)
	}
	l.Wait()
}
