// Package web shows a feed in a browser: a page on loopback, which asks for frames and says what its user does.
//
//	          ┌ GET …/events  ◀── news: one goroutine, which follows the daemon's events and keeps the present state in words
//	page ─────┼ GET …/frame/FEED?after=N ◀── feed: a goroutine for each feed while somebody asks for its frames
//	          └ POST …/answer, …/say …  ──▶ the daemon
//
// The page asks for each frame when it has room for it and gets the newest there is, or the next. So nothing waits in
// a socket that a frame could grow old in, a slow page or a thin ssh -L loses frames and not time, and a page that is
// hidden, which asks for nothing, leaves the camera closed.
//
// It promises that the page is reached through its address alone, which nobody guesses; that no other site's page gets
// anything from it, nor can make it do anything; that of the control socket only what the page needs is within reach; and
// that a restart of the daemon is outlived. Serve returns only when nothing of it runs any more.
package web

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"vchat/daemon/client"
)

// The bounds of what a browser, or who pretends to be one, may take.
const (
	maxConns      = 16               // a page has six at most
	maxHeader     = 16 << 10         // bytes
	maxBody       = 16 << 10         // bytes, of a command
	headerTimeout = 5 * time.Second  // also of a command's body
	idleTimeout   = 30 * time.Second // of a connection without a request
	writeTimeout  = 10 * time.Second // of a frame or an event
)

// Options is what can be chosen of a page.
type Options struct {
	Feed string // what it shows: api.Self or a peer; "": the peer of the call, or else api.Self
	Port int    // on loopback; 0: any that is free
}

// Server serves one page. It is made by Listen.
type Server struct {
	client   *client.Client
	listener net.Listener
	hosts    map[string]bool // that the page may be asked for as
	secret   string          // the first part of every path
	once     oneTime

	news  *news
	feeds *feeds
}

// Listen takes a port on loopback, for Serve.
func Listen(c *client.Client, o Options) (*Server, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("listening for the browser: %w", err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s := &Server{client: c, listener: l, secret: unguessable(), hosts: map[string]bool{}, news: newNews(c, o.Feed), feeds: newFeeds(c)}
	for _, name := range []string{"127.0.0.1", "localhost", "::1"} {
		s.hosts[net.JoinHostPort(name, port)] = true
	}
	s.once.path = unguessable()
	return s, nil
}

// unguessable is 128 random bits as part of a path.
func unguessable() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// URL is where the page is.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/" + s.secret + "/" }

// Close gives the port back if Serve was not called.
func (s *Server) Close() { _ = s.listener.Close() }

// Serve serves the page until ctx ends, and gives its cause.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var serving sync.WaitGroup // connections; http.Server waits for none of them
	server := &http.Server{
		Handler:           s.guard(s.routes()),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				serving.Add(1)
			case http.StateClosed:
				serving.Done()
			}
		},
		ErrorLog: log.New(io.Discard, "", 0), // who breaks off is nobody's concern
	}
	var running sync.WaitGroup
	running.Go(func() { s.news.follow(ctx) })
	running.Go(func() {
		if err := server.Serve(netutil.LimitListener(s.listener, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serving the browser: %w", err))
		}
	})
	<-ctx.Done()
	cancel(nil)
	_ = server.Close()
	running.Wait()
	serving.Wait()
	s.feeds.close()
	return context.Cause(ctx)
}
