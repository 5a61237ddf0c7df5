package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/relay/relaytest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var token = strings.Repeat("0123456789abcdef", 4)

func connect(t *testing.T, r *relaytest.Relay, side string) net.Conn {
	t.Helper()
	conn, err := Connect(t.Context(), new(net.Dialer).DialContext, r.Address(), token, strings.Repeat(side, 16))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAwait_joins(t *testing.T) {
	r := relaytest.New(t)
	a := connect(t, r, "a")
	atA := make(chan error, 1)
	go func() { atA <- Await(a) }()
	b := connect(t, r, "b")
	if err := errors.Join(Await(b), <-atA); err != nil {
		t.Fatal(err)
	}
	// What follows the answer belongs to the peer, even in the same packet.
	if _, err := io.WriteString(a, "hello"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v, want hello", got, err)
	}
	if n := r.Early(); n != 0 {
		t.Errorf("%d bytes were sent before the answer, want 0", n)
	}
}

func TestAwait_sameSide(t *testing.T) {
	r := relaytest.New(t)
	old, fresh := connect(t, r, "a"), connect(t, r, "a")
	ended := make(chan error, 2)
	for _, c := range []net.Conn{old, fresh} {
		go func() { ended <- Await(c) }()
	}
	for r.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := Await(connect(t, r, "b")); err != nil {
		t.Fatal(err)
	}
	// One is joined, the other one is redundant.
	first, second := <-ended, <-ended
	if first == nil {
		first, second = second, first
	}
	if !errors.Is(first, ErrClosed) || second != nil {
		t.Errorf("got %v and %v, want ErrClosed and nil", first, second)
	}
}

// One who answers is a function that serves a connection as a bad relay.
func answers(text string, then func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		line := make([]byte, len("please relay  for side \n")+64+16)
		_, _ = io.ReadFull(c, line)
		_, _ = io.WriteString(c, text)
		if then != nil {
			then(c)
		}
	}
}

func TestAwait_badRelay(t *testing.T) {
	flood := func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	}
	stall := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for _, test := range []struct {
		name  string
		serve func(net.Conn)
		want  error
		text  string
	}{
		{"closes", func(net.Conn) {}, ErrClosed, ""},
		{"closes after the request", answers("", nil), ErrClosed, ""},
		{"impatient", answers("impatient\n", nil), ErrRefused, "impatient"},
		{"bad handshake", answers("bad handshake\n", nil), ErrRefused, "bad handshake"},
		{"web server", answers("HTTP/1.1 400 Bad Request\r\n\r\n", nil), ErrNoRelay, "HTTP/1.1 400"},
		{"almost ok", answers("ok\r\n", nil), ErrNoRelay, `ok\r`},
		{"control characters", answers("\x1b[2J\x00\n", nil), ErrNoRelay, `\x1b[2J\x00`},
		{"endless line", answers("", flood), ErrNoRelay, "xxxx"},
		{"half an answer", answers("o", nil), ErrNoRelay, "o"},
		{"stalls in the answer", answers("ok", stall), ErrNoRelay, "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := relaytest.New(t)
			r.ServeWith(test.serve)
			conn, err := Connect(t.Context(), new(net.Dialer).DialContext, r.Address(), token, strings.Repeat("a", 16))
			if err == nil {
				defer conn.Close()
				err = Await(conn)
			}
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.text)
			}
			if len(err.Error()) > 400 {
				t.Errorf("got an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestConnect_fails(t *testing.T) {
	for _, test := range []struct {
		cause error
		want  string
	}{
		{syscall.EHOSTUNREACH, "connect: no route to host"},
		{syscall.ECONNREFUSED, "connect: connection refused"},
		{syscall.ETIMEDOUT, "no answer"},
		{context.DeadlineExceeded, "no answer"},
	} {
		t.Run(test.cause.Error(), func(t *testing.T) {
			dial := func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", test.cause)}
			}
			_, err := Connect(t.Context(), dial, "192.0.2.1:4001", token, "")
			if err == nil || err.Error() != test.want || !errors.Is(err, test.cause) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// readFails is a connection that breaks while the device waits.
type readFails struct {
	net.Conn
	err error
}

func (c readFails) Read([]byte) (int, error) { return 0, c.err }

// The kernel gives up a connection: the error is for people, and is the same
// text each time.
func TestAwait_breaks(t *testing.T) {
	for cause, want := range map[syscall.Errno]string{
		syscall.ETIMEDOUT: "no answer", syscall.EHOSTUNREACH: "wait at relay: no route to host",
	} {
		addr := &net.TCPAddr{IP: net.IPv4(192, 168, 1, 20), Port: 40123}
		err := Await(readFails{err: &net.OpError{Op: "read", Net: "tcp", Source: addr, Addr: addr,
			Err: os.NewSyscallError("read", cause)}})
		if err == nil || err.Error() != want || !errors.Is(err, cause) {
			t.Errorf("%v: got %v, want %s", cause, err, want)
		}
	}
}

// FuzzAnswer checks what is read of an answer.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"ok\n", "ok\nrest", "ok", "impatient\n", "bad handshake\n", "", "\n", "o\nk\n",
		strings.Repeat("x", 100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in, begun := strings.NewReader(string(b)), 0
		err := readAnswer(in, func() { begun++ })
		read := len(b) - in.Len()
		switch {
		case (err == nil) != strings.HasPrefix(string(b), "ok\n"):
			t.Errorf("got %v for %q", err, b)
		case err == nil && read != 3:
			t.Errorf("read %d bytes of %q, want 3", read, b)
		case read > maxAnswer:
			t.Errorf("read %d bytes, want at most %d", read, maxAnswer)
		case begun != min(1, len(b)):
			t.Errorf("begun was called %d times", begun)
		case err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b\x00"):
			t.Errorf("the error has control characters: %q", err.Error())
		}
	})
}
