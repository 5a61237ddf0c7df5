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

// tcpPair returns both ends of a TCP connection, which are closed at the end of
// the test.
func tcpPair(tb testing.TB) (here, there *net.TCPConn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func mustRawIO(t *testing.T, c *net.TCPConn) *rawIO {
	t.Helper()
	r, err := newRawIO(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRawIO_transfersMoreThanBuffersHold(t *testing.T) {
	here, there := tcpPair(t)
	a, b := mustRawIO(t, here), mustRawIO(t, there)
	want := bytes.Repeat([]byte("vchat"), 4<<20)
	wrote := make(chan error, 1)
	go func() {
		n, err := a.Write(want)
		if err == nil && n != len(want) {
			err = io.ErrShortWrite
		}
		if err == nil {
			err = here.CloseWrite()
		}
		wrote <- err
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v; want %d bytes", len(got), err, len(want))
	}
	if err := <-wrote; err != nil {
		t.Errorf("Write: %v", err)
	}
	if n, err := b.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(nil) = %d, %v; want 0, nil", n, err)
	}
}

// A partial write returns how many bytes were written, so that a slow link is
// not mistaken for a stalled one.
func TestRawIO_keepsDeadlines(t *testing.T) {
	here, _ := tcpPair(t)
	a := mustRawIO(t, here)
	_ = here.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %d, %v; want 0 and an exceeded deadline", n, err)
	}
	data := make([]byte, 64<<20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, err := a.Write(data); n == 0 || n == len(data) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v; want a part of %d and an exceeded deadline", n, err, len(data))
		}
	}()
	for s := newSocket(here); s.Unacked() == 0; { // the other end does not read
		time.Sleep(time.Millisecond)
	}
	_ = here.SetWriteDeadline(time.Now())
	<-done
}

func TestRawIO_returnsCloseAndReset(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(here, there *net.TCPConn)
		want error // of Read
	}{
		{"closed here", func(here, _ *net.TCPConn) { here.Close() }, net.ErrClosed},
		{"closed there", func(_, there *net.TCPConn) { there.Close() }, io.EOF},
		{"reset there", func(_, there *net.TCPConn) { _ = there.SetLinger(0); there.Close() }, syscall.ECONNRESET},
	} {
		t.Run(tt.name, func(t *testing.T) {
			here, there := tcpPair(t)
			a := mustRawIO(t, here)
			read := make(chan error, 1)
			go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
			tt.end(here, there)
			err := <-read
			if !errors.Is(err, tt.want) {
				t.Errorf("Read: got %v, want %v", err, tt.want)
			}
			if !IsClosed(err) {
				t.Errorf("IsClosed(%v) = false, want true", err)
			}
			for err = nil; err == nil; { // the kernel may accept the first write
				_, err = a.Write(make([]byte, 1))
			}
			if !IsClosed(err) {
				t.Errorf("Write: IsClosed(%v) = false, want true", err)
			}
		})
	}
}

func TestRawIO_allocatesNothing(t *testing.T) {
	here, there := tcpPair(t)
	a, b := mustRawIO(t, here), mustRawIO(t, there)
	buf := make([]byte, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// BenchmarkRawIO compares rawIO with the connection of package net on both
// sides.
func BenchmarkRawIO(b *testing.B) {
	compareFrames(b, time.Second/30,
		stream{cork: true, io: func(c *net.TCPConn) io.ReadWriter { return c }},
		stream{cork: true})
}
