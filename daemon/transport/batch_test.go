package transport

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/identity"
)

// counting counts the system calls that writing takes.
type counting struct {
	net.Conn
	writes, bytes int
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes++
	c.bytes += len(b)
	return len(b), nil
}

func TestABatchKeepsBytesInOrderAndWritesSeldom(t *testing.T) {
	c := &counting{}
	b := NewBatch(NewConn(c))
	if _, err := b.Write(make([]byte, 10)); err != nil || c.writes != 1 {
		t.Fatalf("%d writes, %v; what is not held back is written at once", c.writes, err)
	}
	b.Hold()
	for range 7 {
		if n, err := b.Write(make([]byte, 16<<10)); n != 16<<10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	if c.writes > 4 || c.bytes != 10+7*16<<10 {
		t.Errorf("%d writes of %d bytes", c.writes, c.bytes)
	}
}

// BenchmarkWriteFrame tells what it costs to hand frames of 100 KB to the kernel: with and without the batch.
func BenchmarkWriteFrame(b *testing.B) {
	for _, hold := range []bool{false, true} {
		name := "each record"
		if hold {
			name = "batch"
		}
		b.Run(name, func(b *testing.B) { writeFrames(b, hold) })
	}
}

func writeFrames(b *testing.B, hold bool) {
	alice, bob := newIdentity(b), newIdentity(b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if raw, err := l.Accept(); err == nil {
			under := NewBatch(NewConn(raw))
			if hold {
				under.ReadAhead()
			}
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, tls.Server(under, bob.ServerConfig()), make([]byte, 100_000))
			_ = raw.Close()
		}
	}()
	raw, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	under := NewBatch(NewConn(raw))
	t := tls.Client(under, Batched(alice.ClientConfig()))
	if err := t.Handshake(); err != nil {
		b.Fatal(err)
	}
	head, data := make([]byte, 36), make([]byte, 100_000)
	before := cpu()
	for b.Loop() {
		if hold {
			under.Hold()
		}
		_, _ = t.Write(head)
		_, _ = t.Write(data)
		if err := under.Release(); err != nil {
			b.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // as a camera does: the caches are cold again, and the reader has gone to sleep
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	_ = raw.Close()
	<-done
}

func newIdentity(b *testing.B) *identity.Identity {
	id, err := identity.New()
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// cpu is the time that this process has had, on both sides of the connection.
func cpu() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
