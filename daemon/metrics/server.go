// Package metrics writes Prometheus metrics in the text format, and serves them
// over HTTP.
//
// Guarantees:
//   - If listen fails, the server retries the address and logs the error once.
//   - Clients use a bounded number of connections for a bounded time. However
//     many are idle or slow, another client is served.
//   - Only requests for a name or address of this host are answered: a web page
//     whose name resolves to this host (DNS rebinding) cannot read the metrics.
//   - No goroutine is left when Run returns.
//
// Run has one goroutine that listens, and one for each connection; see package
// connlimit:
//
//	Run ── no address ◀──Listen──▶ listening
//	                                │     ▲
//	                    listen fails ▼     │ retryInterval
//	                                waiting
package metrics

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
	maxClients    = 32               // connections at once; another one replaces an old one
	readTimeout   = 5 * time.Second  // for a request
	writeTimeout  = 10 * time.Second // for request and answer
	maxHeader     = 8 << 10          // bytes
	retryInterval = 10 * time.Second // after a failed listen: the device may not have the address yet
	metricsPath   = "/metrics"
)

// Server serves a page at an address that may change. It is safe for concurrent
// use.
type Server struct {
	page    func() string
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	address string
	bound   net.Addr
}

// New returns a server. It calls page for each request; page must be safe for
// concurrent use. The server does not listen before Run.
func New(page func() string, log *slog.Logger) *Server {
	return &Server{page: page, log: log, changed: make(chan struct{}, 1)}
}

// Listen changes the address, in the form of net.Listen. With "" the server
// stops listening. It does not wait for the change.
func (s *Server) Listen(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.address == address {
		return
	}
	s.address = address
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
				s.log.Warn("metrics listener failed", "err", err)
			}
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
	s.log.Info("metrics listener up", "addr", l.Addr())
	// No connection is ever in use for connlimit, even while it is answered: a
	// client that reads nothing must not keep its place.
	limited := connlimit.New(l, maxClients, connlimit.ByAddress)
	srv := &http.Server{
		Handler:           newHostGuard(address).wrap(s),
		ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true,
		ConnState:                    limited.ConnState,
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
}

// ServeHTTP answers with the page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != metricsPath:
		http.Error(w, "not found; use "+metricsPath, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed; use GET", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write([]byte(s.page()))
	}
}
