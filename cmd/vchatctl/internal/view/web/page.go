package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

//go:embed static
var static embed.FS

// files are the parts of the page, by their paths.
var files = map[string]struct{ name, kind string }{
	"/{$}":      {"page.html", "text/html; charset=utf-8"},
	"/page.css": {"page.css", "text/css; charset=utf-8"},
	"/page.js":  {"page.js", "text/javascript; charset=utf-8"},
	"/frame.js": {"frame.js", "text/javascript; charset=utf-8"},
	"/icon.svg": {"icon.svg", "image/svg+xml"},
}

// routes is all that the page has: of the control socket nothing else is within its reach.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	for path, f := range files {
		body, err := static.ReadFile("static/" + f.name)
		if err != nil {
			panic(err) // the programs are built with them
		}
		m.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", f.kind)
			_, _ = w.Write(body)
		})
	}
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("GET /frame/{feed}", s.frame)
	m.HandleFunc("GET /snapshot/{feed}", s.snapshot)
	m.HandleFunc("POST /call", command(func(ctx context.Context, r api.PeerRequest) error {
		_, err := s.client.Call(ctx, api.CallRequest{Peer: r.Peer})
		return err
	}))
	m.HandleFunc("POST /answer", onCall(s.client.Answer))
	m.HandleFunc("POST /decline", onCall(s.client.Reject))
	m.HandleFunc("POST /hangup", onCall(s.client.Hangup))
	m.HandleFunc("POST /say", command(func(ctx context.Context, r api.MessageRequest) error { return s.client.Say(ctx, r.Peer, r.Text) }))
	m.HandleFunc("POST /privacy", command(func(ctx context.Context, r api.PrivacyRequest) error {
		if r.Privacy == nil {
			return &api.Error{Kind: api.BadRequest, Message: "privacy: on or off?"}
		}
		return s.client.SetPrivacy(ctx, *r.Privacy)
	}))
	return m
}

func onCall(do func(context.Context, string) (api.Call, error)) http.HandlerFunc {
	return command(func(ctx context.Context, r api.PeerRequest) error {
		_, err := do(ctx, r.Peer)
		return err
	})
}

// commandWithin is the time that the daemon has for a command.
const commandWithin = 10 * time.Second

// command reads a request, does what it asks, and answers with nothing, or with the error.
func command[T any](do func(context.Context, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !isJSON(r) {
			http.Error(w, "This takes JSON alone.", http.StatusUnsupportedMediaType)
			return
		}
		var req T
		if err := readBody(w, r, &req); err != nil {
			refuse(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), commandWithin)
		defer cancel()
		if err := do(ctx, req); err != nil {
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTimeout))
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &api.Error{Kind: api.BadRequest, Message: "the request is not understood"}
	}
	if _, err := d.Token(); err != io.EOF {
		return &api.Error{Kind: api.BadRequest, Message: "there is something after the end of the request"}
	}
	return nil
}

// refuse answers with an error, in the words of the daemon where they are its own.
func refuse(w http.ResponseWriter, err error) {
	var e *api.Error
	if !errors.As(err, &e) {
		e = &api.Error{Kind: api.ShuttingDown, Message: "vchatd does not answer"}
		if errors.Is(err, errOver) {
			e.Message = err.Error()
		} else if errors.Is(err, client.ErrPermission) {
			e.Message = "vchatd lets this user do nothing"
		}
	}
	body, _ := json.Marshal(api.ErrorBody{Error: &api.Error{Kind: e.Kind, Message: e.Message}}) // its hint is for a shell
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Kind.HTTPStatus())
	_, _ = w.Write(body)
}

// snapshot answers with a frame to be kept.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("feed")
	if !s.news.knows(name) {
		refuse(w, &api.Error{Kind: api.NoSuchFeed, Message: "there is no such feed"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), commandWithin)
	defer cancel()
	f, err := s.client.Snapshot(ctx, name)
	switch {
	case err != nil:
		refuse(w, err)
	case f.Card:
		refuse(w, &api.Error{Kind: api.CameraUnavailable, Message: "there is no picture to keep: the camera of " + name + " gives none"})
	default:
		describe(w.Header(), &f, 0)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		_, _ = w.Write(f.Data)
	}
}
