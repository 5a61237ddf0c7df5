package link_test

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/link"
)

// Ten thousand connections without a known key, over real sockets and in real
// time, while a link is up.
func TestLinks_floodOverTCP(t *testing.T) {
	const flood, kept = 10_000, 300
	tn := newTestNet(t)
	defer tn.close()
	alice, bob := tn.device("alice"), tn.device("bob")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	for _, d := range []*device{alice, bob} {
		d.links = link.New(link.Config{Identity: d.id, Name: d.name, Handler: d,
			Log: slog.New(slog.NewTextHandler(tn, nil))})
	}
	alice.links.ListenOn(listener)
	alice.links.Configure("alice", []link.Peer{{Name: "bob", ID: bob.id.ID()}})
	bob.links.Configure("bob", []link.Peer{{Name: "alice", Address: address, ID: alice.id.ID()}})
	tn.run(alice)
	tn.run(bob)
	for end := time.Now().Add(20 * time.Second); bob.ups() == 0 || alice.ups() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("got no link in 20 s")
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	garbage := make([]byte, 2000)
	_, _ = rand.Read(garbage)
	openings := [][]byte{nil, {0x16, 0x03, 0x01, 0x02, 0x00, 0x01}, garbage, {0x16, 0x03, 0x01, 0xff, 0xff},
		[]byte("GET / HTTP/1.1\r\n\r\n")}
	var held []io.Closer
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for i := range flood {
		c, err := net.Dial("tcp", address)
		if errors.Is(err, syscall.ECONNRESET) {
			continue // evicted already
		}
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_, _ = c.Write(openings[i%len(openings)]) // it may be closed already
		if held = append(held, c); len(held) > kept {
			_ = held[0].Close()
			held = held[1:]
		}
	}
	if alice.ups() != 1 || bob.ups() != 1 || alice.links.Link("bob") == nil {
		t.Errorf("link lost: got %d and %d links, want 1 and 1\n%s", alice.ups(), bob.ups(), tn.logged())
	}
	const maxGoroutines = 400 // three for each pending connection, and some of this test
	for range 1000 {          // closed connections need a moment to end
		if runtime.NumGoroutine() <= maxGoroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > maxGoroutines {
		t.Errorf("got %d goroutines, want at most %d", n, maxGoroutines)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 16<<20 {
		t.Errorf("heap grew by %d MiB, want at most 16", grown>>20)
	}
	if n := len(tn.logged()); n > 16<<10 {
		t.Errorf("got %d bytes of log, want at most 16 KiB", n)
	}
}
