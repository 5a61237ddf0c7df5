// Package localhttp serves HTTP at an address of this host that may change.
//
// Guarantees:
//   - If listen fails, the server retries the address and logs the error once.
//   - Clients use a bounded number of connections. However many are idle or
//     slow, another client is served.
//   - Only requests for a name or address of this host are answered: a web page
//     whose name resolves to this host (DNS rebinding) cannot read the answers.
//   - No goroutine is left when Run returns.
//
// Run has one goroutine that listens, and one for each connection; see package
// connlimit:
//
//	Run ── no address ◀──Listen──▶ listening
//	                                │     ▲
//	                    listen fails ▼     │ retryInterval
//	                                waiting
package localhttp

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"vchat/daemon/connlimit"
)

const (
	headerTimeout = 5 * time.Second  // for the header of a request
	maxHeader     = 8 << 10          // bytes
	retryInterval = 10 * time.Second // after a failed listen: the device may not have the address yet
)

// Config configures a Server.
type Config struct {
	Name    string // in the log
	Handler http.Handler
	// MaxConns bounds the connections. A new one replaces the oldest one that
	// the handler has not marked as in use (connlimit.FromContext).
	MaxConns int
	// ReadTimeout and WriteTimeout are those of http.Server. 0: the handler
	// bounds its writes itself.
	ReadTimeout, WriteTimeout time.Duration
}

// Server serves at an address that may change. It is safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	address string
	bound   net.Addr
	err     error // of the last listen
}

// New returns a server. It does not listen before Run.
func New(cfg Config, log *slog.Logger) *Server {
	return &Server{cfg: cfg, log: log, changed: make(chan struct{}, 1)}
}

// Listen changes the address, in the form of net.Listen. With "" the server
// stops listening. It does not wait for the change.
func (s *Server) Listen(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == address {
		return
	}
	s.address, s.err = address, nil
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Addr returns the address of the listener, or nil.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// Err returns why the server does not listen at its address; nil if it does, or
// has none.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Run serves until ctx ends and returns nil.
func (s *Server) Run(ctx context.Context) error {
	logged := "" // error
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		address := s.requested()
		retry.Stop()
		if address != "" {
			err := s.serve(ctx, address)
			switch {
			case err == nil:
				logged = ""
				continue
			case err.Error() != logged:
				logged = err.Error()
				s.log.Warn(s.cfg.Name+" listener failed", "err", err)
			}
			s.setErr(address, err)
			retry.Reset(retryInterval)
		}
		select {
		case <-s.changed:
		case <-retry.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// serve serves at one address until ctx ends or the address changes.
func (s *Server) serve(ctx context.Context, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.setAddr(l.Addr())
	defer s.setAddr(nil)
	s.log.Info(s.cfg.Name+" listener up", "addr", l.Addr())
	limited := connlimit.New(l, s.cfg.MaxConns, connlimit.ByAddress)
	srv := &http.Server{
		Handler:           newHostGuard(address).wrap(s.cfg.Handler),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: s.cfg.ReadTimeout, WriteTimeout: s.cfg.WriteTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true,
		ConnState:                    limited.ConnState,
		ConnContext:                  connlimit.WithConn,
		// Malformed requests would flood the journal above the debug level.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	srv.SetKeepAlivesEnabled(false)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(limited) }()
	select {
	case <-ctx.Done():
		err = nil
	case <-s.changed:
		err = nil
	case err = <-failed:
		failed <- err
	}
	_ = srv.Close()
	<-failed
	limited.Wait()
	return err
}

// requested returns the address to listen on, and clears the change.
func (s *Server) requested() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.changed:
	default:
	}
	return s.address
}

func (s *Server) setAddr(a net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound = a
	if a != nil {
		s.err = nil
	}
}

// setErr records that listen has failed, unless the address has changed.
func (s *Server) setErr(address string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == address {
		s.err = err
	}
}
