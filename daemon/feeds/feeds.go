// Package feeds serves the frames of this device over HTTP, to programs such as
// Home Assistant, OBS, VLC and Frigate.
//
//	GET /self.mjpeg?token=…   all frames, as multipart/x-mixed-replace
//	GET /PEER.jpg?token=…     the newest frame
//
// Guarantees:
//   - A client without a token learns no more than that there is a server.
//     Each reader has a token of its own; to remove it ends what the reader
//     reads.
//   - Only the hash of a token is kept. A token is in no log.
//   - A reader that is slow loses frames. It delays neither the camera nor
//     other readers. One that reads nothing for 30 s is disconnected.
//   - The camera is open only while a client reads; privacy mode closes it for
//     readers, too. They get cards then, or an error.
//   - Only a bounded number of feeds is read at once, of one reader and of all.
//
// Package localhttp has the other guarantees of the server, and its goroutines.
package feeds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/connlimit"
	"vchat/daemon/control"
	"vchat/daemon/localhttp"
)

const (
	maxConns  = 48 // more than maxAll, so that a connection that reads nothing can be replaced
	maxAll    = 24 // feeds read at once
	maxReader = 8  // of them by one reader

	// sendBuffer bounds the unread bytes in the kernel, as for the control
	// socket: a slow reader must not see old frames.
	sendBuffer = 128 << 10
	// bodyTimeout bounds the wait for a body, which no request here has.
	bodyTimeout = time.Second
)

// Device is the device whose feeds are served. Its methods are safe for
// concurrent use.
type Device interface {
	Status() api.Status
	Privacy() bool
	// WatchFor is control.Backend.Watch on behalf of a reader.
	WatchFor(feed, reader string) (control.Viewer, error)
}

// Server serves feeds. It is safe for concurrent use.
type Server struct {
	*localhttp.Server
	device Device
	log    *slog.Logger
	store  *store

	mu      sync.Mutex
	reading map[string]int // feeds read now, by reader
	all     int
}

// New returns a server with the readers in a state directory. It does not
// listen before Run.
func New(device Device, stateDir string, log *slog.Logger) *Server {
	s := &Server{device: device, log: log, store: openStore(stateDir), reading: map[string]int{}}
	if s.store.problem != "" {
		log.Warn(s.store.problem)
	}
	s.Server = localhttp.New(localhttp.Config{Name: "feeds", Handler: s, MaxConns: maxConns}, log)
	return s
}

// Problem returns what was wrong with the file of the readers, or "".
func (s *Server) Problem() string { return s.store.problem }

// Readers returns the readers, sorted by name.
func (s *Server) Readers() []Reader { return s.store.list() }

// Reading returns how many feeds a reader reads now.
func (s *Server) Reading(reader string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading[reader]
}

// Add adds a reader and returns its token. Errors: ErrName, ErrTaken, ErrFull,
// or one of the disk.
func (s *Server) Add(name string) (Reader, string, error) {
	r, token, err := s.store.add(name)
	if err == nil {
		s.log.Info("reader of the feeds added", "reader", r.Name)
	}
	return r, token, err
}

// Remove removes a reader and ends what it reads. Errors: ErrNotFound, or one
// of the disk, after which the reader is still there.
func (s *Server) Remove(name string) (Reader, error) {
	r, err := s.store.remove(name)
	if err == nil {
		s.log.Info("reader of the feeds removed", "reader", r.Name)
	}
	return r, err
}

// ServeHTTP answers with a feed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer") // the URL has the token
	// net/http reads the rest of a request after the answer.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		refuse(w, http.StatusBadRequest, "a request here has no body", "")
		return
	}
	reader := s.store.find(tokenOf(r))
	if reader == nil {
		h.Set("WWW-Authenticate", `Bearer realm="vchat"`)
		refuse(w, http.StatusUnauthorized, "token required: /self.mjpeg?token=…", "vchatctl feeds add NAME makes one")
		return
	}
	// A page of another program, such as a dashboard, may embed the feed: it
	// has the token.
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	switch r.Method {
	case http.MethodGet:
		s.serve(w, r, reader)
	case http.MethodHead: // does not open the camera
		if h.Set("Content-Type", "image/jpeg"); strings.HasSuffix(r.URL.Path, api.StreamSuffix) {
			h.Set("Content-Type", control.StreamType)
		}
	default:
		h.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "method not allowed; use GET", "")
	}
}

// tokenOf returns the token of a request: in its query, or in its header.
func tokenOf(r *http.Request) string {
	if token := r.URL.Query().Get("token"); token != "" {
		return token
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// serve answers a reader.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, reader *reader) {
	if !s.begin(reader.Name) {
		refuse(w, http.StatusTooManyRequests, "too many feeds are read at once", "close some of them")
		return
	}
	defer s.end(reader.Name)
	conn := connlimit.FromContext(r.Context())
	conn.Begin()
	defer conn.End()
	if tcp, ok := conn.Conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // without it the feed has more delay, but works
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(reader, cancel)
	defer stop()
	source := source{s.device, reader.Name}
	err := control.ServeFeed(source, w, r.WithContext(ctx), strings.TrimPrefix(r.URL.Path, "/"))
	switch e, ok := errors.AsType[*api.Error](err); {
	case err == nil:
	case errors.Is(err, control.ErrStream):
		s.log.Debug("feed aborted", "reader", reader.Name, "err", err)
		panic(http.ErrAbortHandler)
	case ok:
		refuse(w, statusOf(e.Kind), e.Message, e.Hint)
	case ctx.Err() != nil: // the client or the reader is gone
		panic(http.ErrAbortHandler)
	default:
		refuse(w, http.StatusInternalServerError, err.Error(), "")
	}
}

// begin counts a feed that is read, unless there are too many.
func (s *Server) begin(reader string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxAll || s.reading[reader] >= maxReader {
		return false
	}
	s.all++
	s.reading[reader]++
	return true
}

func (s *Server) end(reader string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.reading[reader]--; s.reading[reader] == 0 {
		delete(s.reading, reader)
	}
}

// source is the device as a reader sees it.
type source struct {
	Device
	reader string
}

// Watch implements control.FeedSource.
func (s source) Watch(feed string) (control.Viewer, error) { return s.WatchFor(feed, s.reader) }

// statusOf returns the status code for a refused feed. What may become better
// is 503, so that a program tries again.
func statusOf(k api.Kind) int {
	if slices.Contains([]api.Kind{api.PrivacyOn, api.NoFrame, api.CameraUnavailable, api.ShuttingDown}, k) {
		return http.StatusServiceUnavailable
	}
	return k.HTTPStatus()
}

// refuse answers with an error as text.
func refuse(w http.ResponseWriter, status int, message, hint string) {
	if hint != "" {
		message += "\nhint: " + hint
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	http.Error(w, message, status)
}

// answerTimeout bounds the write of an error.
const answerTimeout = 5 * time.Second

// URL returns the URL of a feed for a token, at the server that listens at an
// address of the form HOST:PORT or :PORT.
func URL(address, feed, token string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = ownAddress()
	}
	return fmt.Sprintf("http://%s/%s%s?token=%s", net.JoinHostPort(host, port), feed, api.StreamSuffix, token)
}

// ownAddress returns an address of this host by which others reach it.
func ownAddress() string {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
