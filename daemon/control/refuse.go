package control

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/connlimit"
)

// Refuse answers every request on an inherited socket with an error: a daemon
// that cannot start says why. Otherwise the clients would wait, and systemd
// would start the daemon again for each of them. Refuse returns when ctx ends
// or, unless quiet is 0, when no client has come for that long. Clients that
// come later wait for the next process.
//
// The mode of the socket decides who may read the error.
func Refuse(ctx context.Context, l *net.UnixListener, version string, e *api.Error, quiet time.Duration) {
	f, err := l.File()
	if err != nil {
		return
	}
	defer f.Close()
	own, err := net.FileListener(f)
	if err != nil {
		return
	}
	listener := connlimit.New(own, maxConns, byUser)
	came := make(chan struct{}, 1)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(api.VersionHeader, version)
			w.Header().Set("Connection", "close")
			_ = write(w, e.Kind.HTTPStatus(), api.ErrorBody{Error: e})
		}),
		ReadHeaderTimeout: headerTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			select {
			case came <- struct{}{}:
			default:
			}
			return ctx
		},
		ConnState: listener.ConnState,
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(listener)
	}()
	awaitQuiet(ctx, came, quiet)
	own.Close()
	end, stop := context.WithTimeout(context.Background(), lastRequests)
	defer stop()
	if srv.Shutdown(end) != nil {
		srv.Close()
	}
	<-done
	listener.Wait()
}

func awaitQuiet(ctx context.Context, came <-chan struct{}, quiet time.Duration) {
	for {
		var over <-chan time.Time
		if quiet > 0 {
			over = time.After(quiet)
		}
		select {
		case <-came:
		case <-over:
			return
		case <-ctx.Done():
			return
		}
	}
}
