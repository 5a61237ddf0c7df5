// Package control serves the control socket: HTTP/1.1 with JSON on a unix
// socket.
//
// Guarantees:
//   - Every route needs a right: to watch, to call or to administer. A client
//     has the rights of its user and groups, as the kernel reports them: root
//     and the user of the daemon have all.
//   - Slow, idle or misbehaving clients, even ten thousand, use a bounded
//     amount of memory. They delay neither the cameras nor other clients.
//   - Streams, short requests and acts have places of their own, for each user
//     and for all: nobody can keep others, or root, from acting.
//   - No goroutine is left when Serve returns.
//
// Serve runs one goroutine that accepts, and one for each connection:
//
//	Serve ─┬─ accept ── connlimit: at most maxConns, replaces the idle
//	       └─ one goroutine per connection:
//
//	          idle ──whole request, place──▶ serving ──answered──▶ idle …
//	           │ timeout, or replaced           │ the client reads nothing for 30 s
//	           ▼                                ▼
//	         closed                           closed
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
	"time"

	"vchat/daemon/connlimit"
)

const (
	headerTimeout  = 5 * time.Second  // for a whole request, from the accept or its first byte
	idleTimeout    = 60 * time.Second // between two requests
	stallTimeout   = 30 * time.Second // for a client to read the next frame or event of a stream
	maxHeader      = 8 << 10          // bytes
	shutdownBudget = time.Second      // for answers in progress; the process has two seconds in all
)

// Config configures a Server.
type Config struct {
	Socket string // path

	// The groups that may connect, by name or number. Each right includes the
	// ones before.
	WatchGroup string // may see; "": none
	Group      string // may act in calls; "": the group of this process
	PairGroup  string // may answer pairings; "": none
	AdminGroup string // may change the device; "": none

	Version string // value of api.VersionHeader on every answer
}

// Server is the control socket of one device.
type Server struct {
	cfg     Config
	backend Backend
	log     *slog.Logger
	groups  groups
	places  places
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
	s.groups = lookupGroups(s.cfg, s.log)
	sock, err := listen(s.cfg.Socket, s.groups, s.log)
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
	listener := connlimit.New(s.socket.listener, maxConns, byUser)
	srv := &http.Server{
		Handler:                      s.handler(),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  s.withConn,
		ConnState:                    listener.ConnState,
		// Malformed requests would flood the journal above the debug level.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	var err error
	select {
	case <-ctx.Done():
		// Streams end with ctx. Do not wait for idle connections.
		listener.CloseIdle()
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
	listener.Wait()
	return errors.Join(err, s.socket.remove())
}
