package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// frame is a client's record of a received frame.
type frame struct {
	stamp
	came time.Duration // arrival of its last byte on CLOCK_MONOTONIC
	size int           // bytes
}

// source is the HTTP server that a client reads.
type source struct {
	in            *namespace // of the client
	network, addr string
	path          string
}

// open requests the stream. It ends with ctx or Close.
func (s source) open(ctx context.Context) (io.ReadCloser, *parts, error) {
	var conn net.Conn
	err := s.in.do(func() (err error) {
		// No TCP keepalive: browsers set none, and it would end connections in
		// a cut.
		d := net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}
		conn, err = d.DialContext(ctx, s.network, s.addr)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	fail := func(err error) (io.ReadCloser, *parts, error) {
		stop()
		conn.Close()
		return nil, nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: camera\r\n\r\n", s.path); err != nil {
		return fail(err)
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 64<<10), nil)
	if err != nil {
		return fail(err)
	}
	if res.StatusCode != http.StatusOK {
		return fail(fmt.Errorf("%s: %s", s.path, res.Status))
	}
	return conn, newParts(res.Body), nil
}

// reader is a client. It reads a source until its context ends and reopens it
// whenever it fails.
type reader struct {
	mu      sync.Mutex
	frames  []frame
	streams int   // number of streams opened
	err     error // the latest
}

const redialInterval = 50 * time.Millisecond

func (r *reader) run(ctx context.Context, s source) {
	for ctx.Err() == nil {
		err := r.read(ctx, s)
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
		_ = wait(ctx, redialInterval)
	}
}

func (r *reader) read(ctx context.Context, s source) error {
	conn, in, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.mu.Lock()
	r.streams++
	r.mu.Unlock()
	for {
		data, err := in.next()
		if err != nil {
			return err
		}
		came := now()
		if isCard(in.header) {
			continue
		}
		p := frame{stampOf(data, in.header, came, wall()), came, len(data)}
		r.mu.Lock()
		r.frames = append(r.frames, p)
		r.mu.Unlock()
	}
}

// between returns the frames that arrived in [from, to).
func (r *reader) between(from, to time.Duration) (some []frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.frames {
		if p.came >= from && p.came < to {
			some = append(some, p)
		}
	}
	return some
}

// firstAfter returns the first frame taken at t or later.
func (r *reader) firstAfter(t time.Duration) (frame, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.frames {
		if p.taken >= t {
			return p, true
		}
	}
	return frame{}, false
}

func (r *reader) count() (frames int, lastError error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.frames), r.err
}
