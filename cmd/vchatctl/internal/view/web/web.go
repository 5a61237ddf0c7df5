// Package web shows a feed in a browser, on a page that it serves on loopback.
//
//	page ─┬ WebSocket …/live ◀┬ watcher: the state and the messages
//	      │                   └ feeds: the newest frame of a feed, on request
//	      └ POST …/answer, …/say, … ─▶ vchatd
//
// The page requests each frame when it can show it, and gets the newest one. A
// slow page, or a slow ssh -L, drops frames and does not fall behind. A hidden
// page requests nothing, so the camera can close.
//
// Guarantees:
//   - Only programs of this user or of root can connect; see admission. Of
//     those, only the ones that know a random secret path get the page.
//   - Pages of other sites can neither read nor control anything.
//   - Of the control socket, only what the page needs is available.
//   - The page survives a restart of the daemon.
//   - Up to maxPages pages work at the same time. One more reports why it does
//     not.
//   - Connections that are idle or do not know the secret make room for new
//     ones.
//
// Goroutines: the watcher, the HTTP server with its connections, one for each
// feed that is requested, and for each page one that sends events and one for
// each request. Serve waits for all of them.
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
	"sync/atomic"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/connlimit"
)

// Limits for clients.
const (
	maxConns      = 32               // for maxPages pages, and six more from each of four browsers
	maxHeader     = 16 << 10         // bytes
	maxBody       = 16 << 10         // bytes of a command
	headerTimeout = 5 * time.Second  // also for the body of a command
	idleTimeout   = 30 * time.Second // for a connection without a request
	writeTimeout  = 10 * time.Second // for a frame, an event or a file
)

// Options configure a page.
type Options struct {
	Feed string // to show: api.Self or a peer; "": the peer of the call, or else api.Self
	Port int    // on loopback; 0: any free port
	// Command is what starts this page. The page shows it once it is not served
	// any more.
	Command string
	// Refused, if not nil, is called for each refused connection, with a noun
	// phrase that says whose it is.
	Refused func(error)
}

// Server serves one page. Listen creates it.
type Server struct {
	client   *client.Client
	listener *connlimit.Listener
	hosts    map[string]bool // allowed Host headers
	secret   string          // first element of every path
	oneTime  oneTimePath

	watcher *watcher
	feeds   *feeds

	pages     sync.WaitGroup
	openPages atomic.Int32
}

// Listen opens a port on loopback. Call Serve or Close afterwards.
func Listen(c *client.Client, o Options) (*Server, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	s := &Server{
		client: c, secret: randomPath(), hosts: map[string]bool{},
		watcher: newWatcher(c, o), feeds: newFeeds(c),
	}
	for _, name := range []string{"127.0.0.1", "localhost", "::1"} {
		s.hosts[net.JoinHostPort(name, port)] = true
	}
	s.oneTime.path = randomPath()
	s.listener = connlimit.New(l, maxConns, newAdmission(l, o.Refused).admit)
	return s, nil
}

// randomPath returns 128 random bits as a path element.
func randomPath() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand crashes the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// URL returns the secret address of the page.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/" + s.secret + "/" }

// Close closes the port if Serve was not called.
func (s *Server) Close() { _ = s.listener.Close() }

// Serve serves the page until ctx ends. It returns the cause of ctx or the
// error of the server.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	server := &http.Server{
		Handler:                      s.guard(s.routes()),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  connlimit.WithConn,
		ConnState:                    s.listener.ConnState,       // a hijacked connection is one of s.pages
		ErrorLog:                     log.New(io.Discard, "", 0), // it only reports connections that clients broke off
	}
	var running sync.WaitGroup
	running.Go(func() { s.watcher.run(ctx) })
	running.Go(func() {
		if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			cancel(fmt.Errorf("serve the browser: %w", err))
		}
	})
	<-ctx.Done()
	cancel(nil)
	_ = server.Close()
	running.Wait()
	s.listener.Wait()
	s.pages.Wait()
	s.feeds.close()
	return context.Cause(ctx)
}
