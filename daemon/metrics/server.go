// Package metrics writes Prometheus metrics in the text format, and serves them
// over HTTP.
//
// A client that reads nothing loses its connection after writeTimeout, or when
// another one needs the place. Package localhttp has the other guarantees of
// the server.
package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"vchat/daemon/localhttp"
)

const (
	maxClients   = 32               // connections at once; another one replaces an old one
	readTimeout  = 5 * time.Second  // for a request
	writeTimeout = 10 * time.Second // for request and answer
	metricsPath  = "/metrics"
)

// Server serves a page at an address that may change. It is safe for concurrent
// use.
type Server struct{ *localhttp.Server }

// New returns a server. It calls page for each request; page must be safe for
// concurrent use. The server does not listen before Run.
//
// No connection is ever in use for connlimit, even while it is answered: a
// client that reads nothing must not keep its place.
func New(page func() string, log *slog.Logger) *Server {
	handler := func(w http.ResponseWriter, r *http.Request) { serve(page, w, r) }
	return &Server{localhttp.New(localhttp.Config{
		Name: "metrics", Handler: http.HandlerFunc(handler), MaxConns: maxClients,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
	}, log)}
}

// serve answers with the page.
func serve(page func() string, w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != metricsPath:
		http.Error(w, "not found; use "+metricsPath, http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed; use GET", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", ContentType)
		_, _ = w.Write([]byte(page()))
	}
}
