package control

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// At the limit, the connection that has been idle longest is closed, but never
// one that serves a request.
func TestLimitListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s, err := listen(path, "", discardLog)
	if err != nil {
		t.Fatal(err)
	}
	defer closeSocket(t, s)
	l := newLimitListener(s.listener, 3, "1")
	next := func() (client net.Conn, server *conn) {
		t.Helper()
		client, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { got.Close() })
		return client, got.(*conn)
	}
	ended := func(c net.Conn) bool {
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
	a, sa := next()
	b, sb := next()
	c, _ := next()
	sa.beginRequest()
	sb.beginRequest()
	sb.endRequest() // b becomes idle after c
	d, sd := next()
	for _, tt := range []struct {
		name string
		conn net.Conn
		want bool
	}{{"serving", a, false}, {"answered", b, false}, {"idle longest", c, true}, {"new", d, false}} {
		if got := ended(tt.conn); got != tt.want {
			t.Errorf("%s: closed is %v, want %v", tt.name, got, tt.want)
		}
	}
	sb.beginRequest()
	sd.beginRequest()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s.listener.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept beyond the limit: got %v, want a timeout", err)
	}
	got, err := io.ReadAll(client)
	if err != nil || !strings.Contains(string(got), "client limit reached") ||
		!strings.Contains(string(got), "Vchat-Version: 1\r\n") {
		t.Errorf("refused client: got %q, %v; want the refusal with its version", got, err)
	}
}
