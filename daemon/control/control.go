// Package control serves the control socket: HTTP/1.1 with JSON on a unix socket, for those who control this device and
// those who look at its feeds.
//
// It promises that whoever may open the socket, and nobody else, is served; that a client which is slow, silent, broken
// or one of ten thousand costs the device a bounded amount of memory and delays neither the cameras nor other clients;
// and that nothing of it runs any more when Serve returns.
//
//	Serve ─┬─ accept ── conns: at most maxConns; the one that has been silent longest makes room
//	       └─ one goroutine for each connection:
//
//	          waiting ──whole request──▶ serving ──answered──▶ waiting …
//	             │ silent, or in the way      │ the stream of a client that takes nothing for 30 s
//	             ▼                            ▼
//	           closed                       closed
//
// What is served stands in one table, routes; the device itself is a Backend.
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
	headerTimeout  = 5 * time.Second  // for a whole request, once a connection is open or its next request has begun
	idleTimeout    = 60 * time.Second // between two requests
	stallTimeout   = 30 * time.Second // for a client to take the next frame or event of a stream
	maxHeader      = 8 << 10          // bytes
	shutdownBudget = time.Second      // for answers under way; the process has two seconds in all
)

// Config is what a server needs to know.
type Config struct {
	Socket  string // path
	Group   string // that may control the device; "": that of this process
	Version string // api.Version, on every answer
}

// Server is the control socket of one device.
type Server struct {
	cfg     Config
	backend Backend
	log     *slog.Logger

	socket *socket
}

// New makes a server; nothing is opened before Listen.
func New(cfg Config, backend Backend, log *slog.Logger) *Server {
	return &Server{cfg: cfg, backend: backend, log: log}
}

// Listen makes the socket. After it, clients may connect; they are answered once Serve runs. Errors: ErrInUse, and
// those of the file system. After a success Serve must be called, which also takes the socket away again.
func (s *Server) Listen() error {
	sock, err := listen(s.cfg.Socket, s.cfg.Group, s.log)
	if err != nil {
		return fmt.Errorf("control socket %s: %w", s.cfg.Socket, err)
	}
	s.socket = sock
	return nil
}

// Serve answers until ctx ends, which gives nil, or the socket fails. It returns when all handlers have ended and the
// socket is removed; after the end of ctx that is within two seconds.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conns := newConns(s.socket.listener, maxConns, s.cfg.Version)
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
				conns.ended()
				open.Done()
			}
		},
		// What a stranger sends is not worth a line of the journal each.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(conns) }()

	var err error
	select {
	case <-ctx.Done():
		// Streams end with ctx; connections on which nothing is under way have nothing to wait for.
		conns.closeWaiting()
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownBudget)
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
		stop()
		<-failed
	case err = <-failed:
		err = fmt.Errorf("control socket %s: %w", s.cfg.Socket, err)
		cancel()
		srv.Close()
	}
	open.Wait()
	return errors.Join(err, s.socket.remove())
}
