package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A reader records frames, skips cards and reopens a stream that fails.
func TestReader_reopens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var streams atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			t.Errorf("got a request for %s, want /stream", r.URL.Path)
		}
		if streams.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "--b\r\nContent-Length: 4\r\nX-Card: 1\r\n\r\ncard\r\n"+
			"--b\r\nContent-Length: 3\r\n\r\none\r\n--b\r\nContent-Length: 9\r\n\r\nbr")
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(l) })
	defer running.Wait()
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{}
	running.Go(func() { r.run(ctx, source{nil, "tcp", l.Addr().String(), "/stream"}) })
	for n := 0; n < 3; n, _ = r.count() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for _, p := range r.between(0, now()) {
		if p.size != 3 || p.from != "" || p.came <= 0 {
			t.Errorf("got frame %+v, want 3 bytes without a stamp", p)
		}
	}
	if streams.Load() < 4 {
		t.Errorf("got three frames in %d streams, want at least 4: one was refused", streams.Load())
	}
}
