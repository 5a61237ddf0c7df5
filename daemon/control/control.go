// Package control serves the control socket: HTTP/1.1 with JSON on a unix socket, for those who control this device and
// those who look at its feeds.
package control

import (
	"context"
	"errors"
	"log/slog"
)

// ErrInUse is returned by Listen when another process serves the socket.
var ErrInUse = errors.New("another process serves this control socket")

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
}

// New makes a server; nothing is opened before Listen.
func New(cfg Config, backend Backend, log *slog.Logger) *Server {
	return &Server{cfg: cfg, backend: backend, log: log}
}

// Listen makes the socket. After it, clients may connect; they are answered once Serve runs. Errors: ErrInUse, and
// those of the file system.
func (s *Server) Listen() error { return errors.New("control: Listen is not built yet") }

// Serve answers until ctx ends, or the socket fails. It returns when all handlers have ended and the socket is removed;
// after the end of ctx that is within two seconds.
func (s *Server) Serve(ctx context.Context) error { return errors.New("control: Serve is not built yet") }
