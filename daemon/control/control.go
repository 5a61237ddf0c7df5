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
//     and for all: no user can keep others, or root, from acting.
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
	headerTimeout  = 5 * time.Second       // for a whole request, from the accept or its first byte
	idleTimeout    = 60 * time.Second      // between two requests
	stallTimeout   = 30 * time.Second      // for a client to read the next frame or event of a stream
	maxHeader      = 8 << 10               // bytes
	lastRequests   = 50 * time.Millisecond // at the stop, for requests under way
	shutdownBudget = time.Second           // for answers in progress; the process has two seconds in all
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

	inherited *net.UnixListener // from systemd; nil: none
	listened  bool              // Listen was called
	listeners []net.Listener    // of Serve
	socket    *socket           // that Listen created; nil: the inherited one is the configured one
}

// New returns a server. It does not open the socket: see Listen.
func New(cfg Config, backend Backend, log *slog.Logger) *Server {
	return &Server{cfg: cfg, backend: backend, log: log}
}

// Inherit makes Listen use a socket of Inherited. The caller keeps l, and calls
// Inherit before Listen.
func (s *Server) Inherit(l *net.UnixListener) { s.inherited = l }

// Listen creates the socket, unless it is the inherited one. From then on
// clients can connect; Serve answers them. If the inherited socket has another
// path than the configured one, both are served. It returns ErrInUse or an
// error of the file system. After success the caller must call Serve or Close,
// which also remove the socket that Listen created.
func (s *Server) Listen() error {
	log := s.log
	if s.listened { // a further try: each cause is logged once
		log = slog.New(slog.DiscardHandler)
	}
	s.listened = true
	s.groups = lookupGroups(s.cfg, log)
	s.listeners, s.socket = nil, nil
	if s.inherited != nil {
		l, err := s.adopt(log)
		if err != nil {
			return fmt.Errorf("use the control socket of systemd: %w", err)
		}
		s.listeners = append(s.listeners, l)
		path := l.Addr().String()
		if isSocket(path, s.cfg.Socket) {
			return nil
		}
		log.Info("control socket of systemd served too", "socket", path, "configured", s.cfg.Socket)
	}
	sock, err := listen(s.cfg.Socket, s.groups, log)
	if err != nil {
		for _, l := range s.listeners {
			l.Close()
		}
		return fmt.Errorf("listen on control socket %s: %w", s.cfg.Socket, err)
	}
	s.socket, s.listeners = sock, append(s.listeners, sock.listener)
	return nil
}

// Close undoes Listen, instead of Serve. Clients of an inherited socket wait
// for the next listener.
func (s *Server) Close() error {
	for _, l := range s.listeners {
		l.Close()
	}
	if s.socket == nil {
		return nil
	}
	return s.socket.remove()
}

// Serve answers requests until ctx ends or the socket fails. After ctx ends, it
// returns nil within two seconds. When it returns, all handlers have ended and
// the socket is removed.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener := connlimit.New(s.listeners[0], maxConns, byUser)
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
	failed := make(chan error, len(s.listeners))
	go func() { failed <- srv.Serve(listener) }()
	for _, l := range s.listeners[1:] {
		go func() { failed <- srv.Serve(listener.With(l)) }()
	}
	running := len(s.listeners)
	var err error
	select {
	case <-ctx.Done():
		// Streams end with ctx. Accept no more: clients of a socket of systemd
		// wait for the next vchatd. Those accepted have a moment to send their
		// request. Do not wait for idle connections.
		for _, l := range s.listeners {
			l.Close()
		}
		time.Sleep(lastRequests)
		listener.CloseIdle()
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownBudget)
		if srv.Shutdown(end) != nil {
			srv.Close()
		}
		stop()
	case err = <-failed:
		running--
		err = fmt.Errorf("serve control socket %s: %w", s.cfg.Socket, err)
		cancel()
		srv.Close()
	}
	for range running {
		<-failed
	}
	listener.Wait()
	if s.socket != nil {
		err = errors.Join(err, s.socket.remove())
	}
	return err
}
