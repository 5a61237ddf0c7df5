package web

import (
	"crypto/subtle"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// policy is what the page's browser is allowed: what this server itself serves, and no more.
const policy = "default-src 'none'; img-src 'self' blob:; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// headers are on every answer, refusals included.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=(), fullscreen=(self)",
	"Cache-Control":                "no-store",
}

// guard lets a request through that is the page's own. The Host is looked at because a name of somebody else's may lead to
// 127.0.0.1 (DNS rebinding), the origin because every page on the net may send requests here.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if !s.hosts[strings.ToLower(r.Host)] {
			forbid(w, "This is reached as %s alone, through ssh -L by the same port, too.", s.listener.Addr())
			return
		}
		if !ownOrigin(r) {
			forbid(w, "This is not for the pages of other sites. If you have followed a link, type or paste its address instead.")
			return
		}
		if rest, ok := s.within(r.URL.Path); ok {
			inner := r.Clone(r.Context())
			inner.URL.Path, inner.URL.RawPath = rest, ""
			next.ServeHTTP(w, inner)
			return
		}
		if s.once.take(r) {
			http.Redirect(w, r, "/"+s.secret+"/", http.StatusSeeOther)
			return
		}
		http.NotFound(w, r)
	})
}

func forbid(w http.ResponseWriter, format string, args ...any) {
	http.Error(w, fmt.Sprintf(format, args...), http.StatusForbidden)
}

// ownOrigin says whether a request comes from the page itself, or is one that its user has typed or clicked on outside of
// the browser. What changes something has to say so; a browser always does.
func ownOrigin(r *http.Request) bool {
	own := "http://" + r.Host
	switch origin := r.Header.Values("Origin"); {
	case len(origin) > 1, len(origin) == 1 && origin[0] != own:
		return false
	case len(origin) == 0 && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return false
}

// within gives what follows the secret in a path. One that goes around corners is none of the page's.
func (s *Server) within(whole string) (string, bool) {
	secret, rest, ok := strings.Cut(strings.TrimPrefix(whole, "/"), "/")
	rest = "/" + rest
	ok = ok && subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) == 1
	return rest, ok && rest == path.Clean(rest)
}

// isJSON says whether a body is JSON. A form of another site cannot send that.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// oneTime is a path that leads to the page once. It is what other programs are started with, as every user of a machine can
// read their command lines.
type oneTime struct {
	path string

	mu   sync.Mutex
	open bool
}

func (o *oneTime) allow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = true
}

func (o *oneTime) take(r *http.Request) bool {
	if r.Method != http.MethodGet || subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte("/"+o.path)) != 1 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.open
	o.open = false
	return was
}
