// Package control serves the control socket: HTTP/1.1 with JSON on a unix
// socket.
//
// Guarantees:
//   - Only processes that may open the socket are served.
//   - Slow, idle or misbehaving clients, even ten thousand, use a bounded
//     amount of memory. They delay neither the cameras nor other clients.
//   - No goroutine is left when Serve returns.
//
// Serve runs one goroutine that accepts, and one for each connection:
//
//	Serve ─┬─ accept ── limitListener: at most maxConns, evicts the idle
//	       └─ one goroutine per connection:
//
//	          idle ──whole request──▶ serving ──answered──▶ idle …
//	           │ timeout, or evicted     │ the client reads nothing for 30 s
//	           ▼                         ▼
//	         closed                    closed
//
// The table routes (routes.go) lists every route with the right that it needs.
// A Backend implements the device.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxConns       = 256              // connections at once; a household has a handful of viewers
	headerTimeout  = 5 * time.Second  // for a whole request, from the accept or its first byte
	idleTimeout    = 60 * time.Second // between two requests
	stallTimeout   = 30 * time.Second // for a client to read the next frame or event of a stream
	maxHeader      = 8 << 10          // bytes
	shutdownBudget = time.Second      // for answers in progress; the process has two seconds in all
)

// Config configures a Server.
type Config struct {
	Socket  string // path
	Group   string // name or number of the group that may connect; "": the group of this process
	Version string // value of api.VersionHeader on every answer
}

// Server is the control socket of one device.
type Server struct {
	cfg     Config
	backend Backend
	log     *slog.Logger
	socket  *socket
}

// New returns a server. It does not open the socket: see Listen.
func New(cfg Config, backend Backend, log *slog.Logger) *Server {
	return &Server{cfg: cfg, backend: backend, log: log}
}

// Listen creates the socket. From then on clients can connect; Serve answers
// them. It returns ErrInUse or an error of the file system. After success the
// caller must call Serve, which also removes the socket.
func (s *Server) Listen() error {
	sock, err := listen(s.cfg.Socket, s.cfg.Group, s.log)
	if err != nil {
		return fmt.Errorf("listen on control socket %s: %w", s.cfg.Socket, err)
	}
	s.socket = sock
	return nil
}

// Serve answers requests until ctx ends or the socket fails. After ctx ends, it
// returns nil within two seconds. When it returns, all handlers have ended and
// the socket is removed.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener := newLimitListener(s.socket.listener, maxConns, s.cfg.Version)
	var open sync.WaitGroup
	srv := &http.Server{
		Handler:                      s.handler(),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  withConn,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				listener.handlerDone()
				open.Done()
			}
		},
		// Malformed requests would flood the journal above the debug level.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	var err error
	select {
	case <-ctx.Done():
		// Streams end with ctx. Do not wait for idle connections.
		listener.closeIdle()
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownBudget)
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
		stop()
		<-failed
	case err = <-failed:
		err = fmt.Errorf("serve control socket %s: %w", s.cfg.Socket, err)
		cancel()
		srv.Close()
	}
	open.Wait()
	return errors.Join(err, s.socket.remove())
}
