package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"vchat/cmd/vchatctl/internal/view"
	"vchat/cmd/vchatctl/internal/view/look"
	"vchat/daemon/api"
)

//go:embed static
var static embed.FS

// scripts are the scripts of the page, in the order in which they run. live.js
// runs before them, as soon as the browser has read it.
var scripts = [...]string{"frame.js", "ring.js", "page.js"}

// document is the page with its style and its scripts. A browser gets all of it
// with one request on one connection, which is what the time to the first frame
// depends on, above all through ssh -L.
type document struct {
	body   []byte
	policy string // its Content-Security-Policy
}

// newDocument returns the page, with the colors and icons that all viewers
// share.
var newDocument = sync.OnceValue(func() document {
	style := look.CSS() + "\n" + contents("page.css")
	var script strings.Builder
	for _, name := range scripts {
		script.WriteString(contents(name))
	}
	connection := contents("live.js")
	body := contents("page.html")
	for mark, part := range map[string]string{
		"<!-- icons -->": sprite(), "<!-- style -->": style,
		"<!-- connection -->": connection, "<!-- scripts -->": script.String(),
	} {
		body = strings.Replace(body, mark, part, 1)
	}
	return document{[]byte(body), policyWith(style, connection, script.String())}
})

// contents returns a static file.
func contents(name string) string {
	body, err := static.ReadFile("static/" + name)
	if err != nil {
		panic(err) // the files are embedded
	}
	return string(body)
}

// compress returns a file as gzip: the page opens sooner through ssh -L.
func compress(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // a valid level
	_, _ = w.Write(body)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// serveFile returns a handler that responds with a file.
func serveFile(body []byte, contentType string) http.HandlerFunc {
	packed := compress(body)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
			return
		}
		_, _ = w.Write(body)
	}
}

// acceptsGzip reports whether a browser takes gzip, as all do.
func acceptsGzip(r *http.Request) bool {
	for _, coding := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(coding), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !strings.HasPrefix(strings.ReplaceAll(params, " ", ""), "q=0")
		}
	}
	return false
}

// sprite returns the icons as symbols for <use href="#icon-NAME">.
func sprite() string {
	var b strings.Builder
	for i := look.IconNone + 1; i.Path() != ""; i++ {
		fmt.Fprintf(&b, `<symbol id="icon-%v" viewBox="0 0 %d %d"><path d="%s"/></symbol>`, i,
			look.IconGrid, look.IconGrid,
			i.Path())
	}
	return b.String()
}

// routes returns the handler of the page. Nothing else of the control socket is
// available to it.
func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	page := serveFile(newDocument().body, "text/html; charset=utf-8")
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if feed := s.watcher.openFeed(); feed != "" && feed != api.Self {
			s.feeds.prepare(feed)
		}
		page(w, r)
	})
	m.HandleFunc("GET /icon.svg", serveFile([]byte(contents("icon.svg")), "image/svg+xml"))
	m.HandleFunc("GET /live", s.live)
	m.HandleFunc("GET /snapshot/{feed}", s.snapshot)
	m.HandleFunc("POST /call", command(func(ctx context.Context, r api.PeerRequest) error {
		_, err := s.client.Call(ctx, api.CallRequest{Peer: r.Peer})
		return err
	}))
	m.HandleFunc("POST /answer", onCall(func(ctx context.Context, peer string) (api.Call, error) {
		c, err := s.client.Answer(ctx, peer)
		if err == nil {
			s.feeds.prepare(c.Peer)
		}
		return c, err
	}))
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
