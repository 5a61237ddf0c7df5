// Package metrics gives numbers to Prometheus: a page in its text format, and the listener that serves it.
//
// It promises that an address which cannot be had is tried again, told once and disturbs nothing else; that those who read
// cost a bounded number of connections for a bounded time; and that nothing of it runs any more when Run returns.
//
//	Run ── no address ◀──Listen──▶ listening ─── a goroutine for each of at most maxReaders connections
//	                                │   ▲
//	                     not to be had   retryAfter
package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxReaders  = 8                // connections at once; more of them wait
	readTime    = 5 * time.Second  // for a request
	writeTime   = 10 * time.Second // for request and answer
	maxHeader   = 8 << 10          // bytes
	retryAfter  = 10 * time.Second // an address may be one that the device does not have yet
	metricsPath = "/metrics"
)

// Server serves one page at an address that may change. Its methods are safe for concurrent use.
type Server struct {
	page    func() string
	log     *slog.Logger
	changed chan struct{}

	mu      sync.Mutex
	address string
	bound   net.Addr
}

// New makes a server for what page gives, which is called for each reader and must be safe for concurrent use. Nothing is
// opened before Run.
func New(page func() string, log *slog.Logger) *Server {
	return &Server{page: page, log: log, changed: make(chan struct{}, 1)}
}

// Listen serves at an address, as net.Listen takes it, from now on; "" ends that. It does not wait.
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

// Addr is where it listens; nil while it does not.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}

// Run serves until ctx ends, and gives nil.
func (s *Server) Run(ctx context.Context) error {
	told := ""
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		address := s.wanted()
		retry.Stop()
		if address != "" {
			err := s.serve(ctx, address)
			switch {
			case err == nil:
				told = ""
				continue
			case err.Error() != told:
				told = err.Error()
				s.log.Warn("no metrics for the time being", "err", err)
			}
			retry.Reset(retryAfter)
		}
		select {
		case <-s.changed:
		case <-retry.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// serve listens at one address until ctx ends or there is another one; an error is why it cannot.
func (s *Server) serve(ctx context.Context, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.now(l.Addr())
	defer s.now(nil)
	s.log.Info("metrics", "listen", l.Addr())
	var open sync.WaitGroup
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, MaxHeaderBytes: maxHeader,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		},
		// What a stranger sends is not worth a line of the journal each.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	srv.SetKeepAlivesEnabled(false) // one that waits would take the place of others
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(netutil.LimitListener(l, maxReaders)) }()
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
	open.Wait()
	return err
}

// wanted is where to listen; a change that it knows of is none any more.
func (s *Server) wanted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.changed:
	default:
	}
	return s.address
}

func (s *Server) now(a net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound = a
}

// ServeHTTP answers with the page.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != metricsPath:
		http.Error(w, "the metrics are at "+metricsPath, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only to be read", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write([]byte(s.page()))
	}
}
