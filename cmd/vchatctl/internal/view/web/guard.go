package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"vchat/daemon/connlimit"
)

// policyWith limits the page to what this server serves, and to the style and
// the scripts in it.
func policyWith(style string, scripts ...string) string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	var allowed []string
	for _, script := range scripts {
		allowed = append(allowed, hash(script))
	}
	return "default-src 'none'; img-src 'self' blob:; script-src " + strings.Join(allowed, " ") + "; style-src " +
		hash(style) +
		"; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// policyFor returns the policy of a page on a host. Firefox and Safari did not
// always count a WebSocket as 'self'.
func policyFor(host string) string {
	return strings.Replace(newDocument().policy, "connect-src 'self'", "connect-src 'self' ws://"+host, 1)
}

// headers are set on every response, including errors.
var headers = map[string]string{
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=(), fullscreen=(self)",
	"Cache-Control":                "no-store",
}

// guard passes on only requests of the page itself. It checks the host, because
// another name may resolve to 127.0.0.1 (DNS rebinding). It checks the origin,
// because any page may send requests to this server.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(commandTimeout + writeTimeout)) // a WebSocket clears it
		if r.ContentLength != 0 {
			_ = rc.SetReadDeadline(time.Now().Add(headerTimeout)) // readBody clears it
		}
		w.Header().Set("Content-Security-Policy", newDocument().policy)
		if !s.hosts[strings.ToLower(r.Host)] {
			forbid(w, "Open this page at %s. With ssh -L, use the same port.", s.listener.Addr())
			return
		}
		w.Header().Set("Content-Security-Policy", policyFor(r.Host))
		if !sameOrigin(r) {
			forbid(w, "Other sites cannot use this page. If you followed a link, type or paste its address instead.")
			return
		}
		if rest, ok := s.stripSecret(r.URL.Path); ok {
			c := connlimit.FromContext(r.Context())
			c.Begin()
			defer c.End()
			inner := r.Clone(r.Context())
			inner.URL.Path, inner.URL.RawPath = rest, ""
			next.ServeHTTP(w, inner)
			return
		}
		if s.oneTime.use(r) {
			http.Redirect(w, r, "/"+s.secret+"/", http.StatusSeeOther)
			return
		}
		http.NotFound(w, r)
	})
}

func forbid(w http.ResponseWriter, format string, args ...any) {
	http.Error(w, fmt.Sprintf(format, args...), http.StatusForbidden)
}

// sameOrigin reports whether a request comes from the page itself, or from an
// address that the user typed or opened outside the browser. A request that
// changes something must have an Origin; browsers always send it.
func sameOrigin(r *http.Request) bool {
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

// stripSecret returns the part of a path after the secret. It reports false if
// the secret is wrong or the path is not clean.
func (s *Server) stripSecret(fullPath string) (string, bool) {
	secret, rest, ok := strings.Cut(strings.TrimPrefix(fullPath, "/"), "/")
	rest = "/" + rest
	ok = ok && subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) == 1
	return rest, ok && rest == path.Clean(rest)
}

// isJSON reports whether a body is JSON. Forms of other sites cannot send that.
func isJSON(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// oneTimePath is a path that leads to the page once. The browser is started
// with it, because every user of a machine can read the command lines. It is of
// no use to other users, who cannot connect. Once used, it is of no use in the
// browser's history either.
type oneTimePath struct {
	path string

	mu      sync.Mutex
	enabled bool
}

func (o *oneTimePath) enable() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enabled = true
}

// use reports whether a request has the path, and disables it.
func (o *oneTimePath) use(r *http.Request) bool {
	if r.Method != http.MethodGet || subtle.ConstantTimeCompare([]byte(r.URL.Path), []byte("/"+o.path)) != 1 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	enabled := o.enabled
	o.enabled = false
	return enabled
}
