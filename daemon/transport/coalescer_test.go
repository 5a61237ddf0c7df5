package transport

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vchat/daemon/identity"
)

// countingConn counts writes and their bytes.
type countingConn struct {
	net.Conn
	writes, bytes int
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes++
	c.bytes += len(b)
	return len(b), nil
}

func TestCoalescer_combinesWrites(t *testing.T) {
	c := &countingConn{}
	b := newCoalescer(newLiveness(c))
	if _, err := b.Write(make([]byte, 10)); err != nil || c.writes != 1 {
		t.Fatalf("got %d writes, %v; want 1 write without delay", c.writes, err)
	}
	b.cork()
	for range 7 {
		if n, err := b.Write(make([]byte, 16<<10)); n != 16<<10 || err != nil {
			t.Fatalf("Write = %d, %v; want %d", n, err, 16<<10)
		}
	}
	if err := b.uncork(); err != nil {
		t.Fatal(err)
	}
	if want := 10 + 7*16<<10; c.writes > 4 || c.bytes != want {
		t.Errorf("got %d writes of %d bytes, want at most 4 of %d", c.writes, c.bytes, want)
	}
}

// BenchmarkCoalescer compares one write per frame with one per TLS record.
func BenchmarkCoalescer(b *testing.B) {
	compareFrames(b, 2*time.Millisecond, stream{}, stream{cork: true})
}

// stream is one way to send frames over TLS on loopback.
type stream struct {
	cork bool                               // combine the writes and reads of a frame
	io   func(c *net.TCPConn) io.ReadWriter // below TLS; nil: rawIO
}

// usage is what the process has used, for both ends of the connection.
type usage struct {
	cpu      time.Duration
	switches int64
}

func now() usage {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()), int64(r.Nvcsw) + int64(r.Nivcsw)}
}

// compareFrames sends frames of 100 KB in two ways, alternately, one frame
// every interval. It reports the usage of the second way relative to the first.
func compareFrames(b *testing.B, interval time.Duration, before, after stream) {
	const framesPerTurn = 20
	var used [2]usage
	var send [2]func()
	for i, s := range []stream{before, after} {
		send[i] = s.open(b)
	}
	for b.Loop() {
		for i := range send {
			began := now()
			for range framesPerTurn {
				send[i]()
				time.Sleep(interval) // caches get cold, the reader goes to sleep
			}
			ended := now()
			used[i].cpu += ended.cpu - began.cpu
			used[i].switches += ended.switches - began.switches
		}
	}
	frames := float64(b.N * framesPerTurn)
	b.ReportMetric(float64(used[0].cpu.Microseconds())/frames, "before-cpu-µs/frame")
	b.ReportMetric(float64(used[1].cpu.Microseconds())/frames, "after-cpu-µs/frame")
	b.ReportMetric(float64(used[1].cpu)/float64(used[0].cpu), "cpu-ratio")
	b.ReportMetric(float64(used[1].switches)/float64(used[0].switches), "switches-ratio")
}

// open returns a function that sends one frame.
func (s stream) open(b *testing.B) (send func()) {
	here, there := tcpPair(b)
	reads := s.below(there)
	if s.cork {
		reads.bufferReads()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := tls.Server(reads, fullRecords(mustIdentity(b).ServerConfig()))
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, server, make([]byte, 100_000))
	}()
	b.Cleanup(func() { here.Close(); <-done })
	writes := s.below(here)
	client := tls.Client(writes, fullRecords(mustIdentity(b).ClientConfig()))
	if err := client.Handshake(); err != nil {
		b.Fatal(err)
	}
	head, data := make([]byte, 36), make([]byte, 100_000)
	return func() {
		if s.cork {
			writes.cork()
		}
		_, _ = client.Write(head)
		_, _ = client.Write(data)
		if err := writes.uncork(); err != nil {
			b.Fatal(err)
		}
	}
}

func (s stream) below(c *net.TCPConn) *coalescer {
	l := newLiveness(c)
	if s.io != nil {
		l.io = s.io(c)
	}
	return newCoalescer(l)
}

func mustIdentity(b *testing.B) *identity.Identity {
	id, err := identity.New()
	if err != nil {
		b.Fatal(err)
	}
	return id
}
