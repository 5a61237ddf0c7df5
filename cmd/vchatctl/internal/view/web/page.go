package web

import (
	"context"
	"embed"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/daemon/api"
)

//go:embed static
var static embed.FS

// files are the static files of the page, by path.
var files = map[string]struct{ name, contentType string }{
	"/{$}":      {"page.html", "text/html; charset=utf-8"},
	"/page.css": {"page.css", "text/css; charset=utf-8"},
	"/page.js":  {"page.js", "text/javascript; charset=utf-8"},
	"/frame.js": {"frame.js", "text/javascript; charset=utf-8"},
	"/live.js":  {"live.js", "text/javascript; charset=utf-8"},
	"/icon.svg": {"icon.svg", "image/svg+xml"},
}

// routes returns the handler of the page. Nothing else of the control socket is
// available to it.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	for path, f := range files {
		body, err := static.ReadFile("static/" + f.name)
		if err != nil {
			panic(err) // the files are embedded
		}
		m.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.contentType)
			_, _ = w.Write(body)
		})
	}
	m.HandleFunc("GET /live", s.live)
	m.HandleFunc("GET /snapshot/{feed}", s.snapshot)
	m.HandleFunc("POST /call", command(func(ctx context.Context, r api.PeerRequest) error {
		_, err := s.client.Call(ctx, api.CallRequest{Peer: r.Peer})
		return err
	}))
	m.HandleFunc("POST /answer", onCall(s.client.Answer))
	m.HandleFunc("POST /decline", onCall(s.client.Reject))
	m.HandleFunc("POST /hangup", onCall(s.client.Hangup))
	m.HandleFunc("POST /say", command(func(ctx context.Context, r api.MessageRequest) error {
		return s.client.Say(ctx, r.Peer, r.Text)
	}))
	m.HandleFunc("POST /privacy", command(func(ctx context.Context, r api.PrivacyRequest) error {
		if r.Privacy == nil {
			return &api.Error{Kind: api.BadRequest, Message: "privacy must be true or false"}
		}
		return s.client.SetPrivacy(ctx, *r.Privacy)
	}))
	m.HandleFunc("POST /pair/accept", handler(s.acceptPairing))
	m.HandleFunc("POST /pair/confirm", command(func(ctx context.Context, r api.PairConfirm) error {
		_, err := s.client.ConfirmPairing(ctx, r)
		return err
	}))
	m.HandleFunc("POST /pair/refuse", command(func(ctx context.Context, r api.PairRefuse) error {
		_, err := s.client.RefusePairing(ctx, r)
		return err
	}))
	return m
}

// acceptPairing accepts a device and returns once the pairing has ended. The
// pairing ends with the page that has accepted it.
func (s *Server) acceptPairing(ctx context.Context, r api.PairAccept) error {
	events, err := s.client.AcceptPairing(ctx, r)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		e, err := events.Next()
		if err != nil {
			return err
		}
		if e.Pairing != nil && e.Pairing.Error != nil {
			return e.Pairing.Error
		}
		if e.Pairing != nil && e.Pairing.State == api.PairingPaired {
			return nil
		}
	}
}

func onCall(do func(context.Context, string) (api.Call, error)) http.HandlerFunc {
	return command(func(ctx context.Context, r api.PeerRequest) error {
		_, err := do(ctx, r.Peer)
		return err
	})
}

// commandTimeout is how long the daemon may take for a command.
const commandTimeout = 10 * time.Second

// command is handler for what the daemon does within commandTimeout.
func command[T any](do func(context.Context, T) error) http.HandlerFunc {
	return handler(func(ctx context.Context, r T) error {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		return do(ctx, r)
	})
}

// handler returns a handler that reads a request, passes it to do, and responds
// with 204 or the error.
func handler[T any](do func(context.Context, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !isJSON(r) {
			http.Error(w, "content type must be application/json", http.StatusUnsupportedMediaType)
			return
		}
		var req T
		if err := readBody(w, r, &req); err != nil {
			writeError(w, err)
			return
		}
		if err := do(r.Context(), req); err != nil {
			writeError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "invalid request"}
	}
	if _, err := d.Token(); err != io.EOF {
		return &api.Error{Kind: api.BadRequest, Message: "unexpected data after the request"}
	}
	// Otherwise the deadline would end a slow command.
	return http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// writeError responds with the error that a page may see.
func writeError(w http.ResponseWriter, err error) {
	e := publicError(err)
	body, _ := json.Marshal(api.ErrorBody{Error: e})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Kind.HTTPStatus())
	_, _ = w.Write(body)
}

// headerFileName has the name under which the page saves a snapshot, escaped as
// in a URL.
const headerFileName = "X-File-Name"

// snapshot responds with the newest frame, to be saved.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("feed")
	if !s.watcher.hasFeed(name) {
		writeError(w, &api.Error{Kind: api.NoSuchFeed, Message: "no such feed"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandTimeout)
	defer cancel()
	f, err := s.client.Snapshot(ctx, name)
	switch {
	case err != nil:
		writeError(w, err)
	case f.Card:
		writeError(w, &api.Error{Kind: api.CameraUnavailable, Message: view.NoPicture(name)})
	default:
		h := w.Header()
		h.Set("Content-Type", "image/jpeg")
		h.Set("Content-Length", strconv.Itoa(len(f.Data)))
		h.Set(headerFileName, url.PathEscape(view.SnapshotName(name, time.Now())))
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		_, _ = w.Write(f.Data)
	}
}
