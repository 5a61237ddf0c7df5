package transport

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair gives both ends of a TCP connection.
func pair(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func unwatch(t *testing.T, c *net.TCPConn) *unwatched {
	t.Helper()
	u, err := newUnwatched(c)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestUnwatchedCarriesAll(t *testing.T) {
	here, there := pair(t)
	a, b := unwatch(t, here), unwatch(t, there)
	much := bytes.Repeat([]byte("vchat"), 4<<20) // more than the kernel's buffers hold
	wrote := make(chan error, 1)
	go func() {
		n, err := a.Write(much)
		if err == nil && n != len(much) {
			err = io.ErrShortWrite
		}
		if err == nil {
			err = here.CloseWrite()
		}
		wrote <- err
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, much) {
		t.Errorf("%d of %d bytes came, %v", len(got), len(much), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if n, err := b.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
}

// What went before the deadline is counted, so that a link that is slow is not taken for one that stands still.
func TestUnwatchedKeepsDeadlines(t *testing.T) {
	here, _ := pair(t)
	a := unwatch(t, here)
	_ = here.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %d, %v", n, err)
	}
	much := make([]byte, 64<<20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, err := a.Write(much); n == 0 || n == len(much) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %d, %v", n, err)
		}
	}()
	for s := NewSocket(here); s.Unacked() == 0; { // nobody reads it
		time.Sleep(time.Millisecond)
	}
	_ = here.SetWriteDeadline(time.Now())
	<-done
}

func TestUnwatchedEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(here, there *net.TCPConn)
		read error
	}{
		"closed here":  {func(here, _ *net.TCPConn) { here.Close() }, net.ErrClosed},
		"closed there": {func(_, there *net.TCPConn) { there.Close() }, io.EOF},
		"reset there":  {func(_, there *net.TCPConn) { _ = there.SetLinger(0); there.Close() }, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := pair(t)
			a := unwatch(t, here)
			read := make(chan error, 1)
			go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
			tt.end(here, there)
			err := <-read
			if !errors.Is(err, tt.read) {
				t.Errorf("%v, want %v", err, tt.read)
			}
			if !Closed(err) {
				t.Errorf("%v is not of a closed connection", err)
			}
			for err = nil; err == nil; { // the first one after the end may still go
				_, err = a.Write(make([]byte, 1))
			}
			if !Closed(err) {
				t.Errorf("write: %v", err)
			}
		})
	}
}

func TestUnwatchedAllocatesNothing(t *testing.T) {
	here, there := pair(t)
	a, b := unwatch(t, here), unwatch(t, there)
	buf := make([]byte, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
