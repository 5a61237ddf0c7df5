package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/sandbox"
)

func TestMain(m *testing.M) { leaktest.Main(m, sandbox.Main) }

var errQuit = errors.New("quit")

// rig is a server of a page, and a fake device.
type rig struct {
	t      *testing.T
	device *controltest.Device
	server *Server
	http   *http.Client
}

// serve starts a fake device and serves its page for the time of a test.
func serve(t *testing.T, feed string) *rig {
	t.Helper()
	d := controltest.New()
	r := &rig{t: t, device: d, server: start(t, controltest.Start(t, d), feed), http: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(r.http.CloseIdleConnections)
	return r
}

func start(t *testing.T, socket, feed string) *Server {
	t.Helper()
	c := client.New(socket)
	s, err := Listen(c, Options{Feed: feed})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel(errQuit)
		if err := <-done; err != errQuit {
			t.Errorf("Serve: got %v, want %v", err, errQuit)
		}
		c.Close()
	})
	return s
}

// do sends a request as the page does. change may modify it.
func (r *rig) do(method, path, body string, change func(*http.Request)) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Origin", "http://"+req.Host)
		req.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(req)
	}
	res, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { res.Body.Close() })
	return res
}

func (r *rig) text(res *http.Response) string {
	r.t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func TestGuard(t *testing.T) {
	r := serve(t, "")
	_, port, _ := net.SplitHostPort(r.server.listener.Addr().String())
	set := func(name, value string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set(name, value) }
	}
	host := func(host string) func(*http.Request) { return func(req *http.Request) { req.Host = host } }
	path := func(path string) func(*http.Request) {
		return func(req *http.Request) { req.URL.Path = path }
	}
	const get, post = http.MethodGet, http.MethodPost
	for _, tt := range []struct {
		name, method string
		change       func(*http.Request)
		want         int
	}{
		{"page", get, nil, 200},
		{"localhost", get, host("localhost:" + port), 200},
		{"host in mixed case", get, host("LocalHost:" + port), 200},
		{"IPv6", get, host("[::1]:" + port), 200},
		{"DNS rebinding", get, host("evil.example:" + port), 403},
		{"DNS rebinding without a port", get, host("evil.example"), 403},
		{"wrong port", get, host("127.0.0.1:1"), 403},
		{"no port", get, host("127.0.0.1"), 403},
		{"origin of another site", get, set("Origin", "http://evil.example"), 403},
		{"origin of another local server", get, set("Origin", "http://127.0.0.1:1"), 403},
		{"opaque origin", get, set("Origin", "null"), 403},
		{"origin with another local name", get, set("Origin", "http://localhost:"+port), 403},
		{"two origins", get, func(req *http.Request) {
			req.Header["Origin"] = []string{"http://127.0.0.1:" + port, "http://evil.example"}
		}, 403},
		{"link on another site", get, set("Sec-Fetch-Site", "cross-site"), 403},
		{"same site, other port", get, set("Sec-Fetch-Site", "same-site"), 403},
		{"typed address", get, set("Sec-Fetch-Site", "none"), 200},
		{"same origin", get, set("Sec-Fetch-Site", "same-origin"), 200},
		{"command", post, path("/SECRET/hangup"), 404}, // no such call
		{"command without an origin", post, func(req *http.Request) { req.Header.Del("Origin") }, 403},
		{"command from another site", post, set("Origin", "http://evil.example"), 403},
		{"command as a form", post, func(req *http.Request) {
			req.URL.Path = "/SECRET/hangup"
			req.Header.Set("Content-Type", "text/plain")
		}, 415},
		{"no path", get, path("/"), 404},
		{"favicon", get, path("/favicon.ico"), 404},
		{"wrong secret", get, path("/AAAAAAAAAAAAAAAAAAAAAA/"), 404},
		{"half of the secret", get, path("/" + r.server.secret[:11] + "/"), 404},
		{"path of the control socket", get, path("/SECRET/v1/status"), 404},
		{"path with dots", get, path("/SECRET/snapshot/../v1/status"), 404},
		{"feed with a slash", get, path("/SECRET/snapshot/..%2Fstatus"), 404},
		{"connection without a WebSocket", get, path("/SECRET/live"), 400},
		{"static directory", get, path("/SECRET/static/page.js"), 404},
		{"command with GET", get, path("/SECRET/hangup"), 405},
		{"one-time path before Open", get, path("/" + r.server.oneTime.path), 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := r.do(tt.method, "", "{}", func(req *http.Request) {
				if req.Method == get {
					req.Body = nil
					req.ContentLength = 0
				}
				if tt.change != nil {
					tt.change(req)
				}
				req.URL.Path = strings.Replace(req.URL.Path, "SECRET", r.server.secret, 1)
			})
			if body := r.text(res); res.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", res.StatusCode, body, tt.want)
			}
			for name, want := range headers {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			policy := res.Header.Get("Content-Security-Policy")
			policy = strings.Replace(policy, " ws://"+res.Request.Host, "", 1) // see policyFor
			if policy != newDocument().policy || strings.Contains(policy, "unsafe") {
				t.Errorf("got policy %q, want %q", policy, newDocument().policy)
			}
		})
	}
	if got := r.device.Commands(); len(got) != 1 || got[0] != "hangup " {
		t.Errorf("got commands %q, want one hangup", got)
	}
}

func TestSecret(t *testing.T) {
	a, b := serve(t, "").server, serve(t, "").server
	if len(a.secret) != 22 || a.secret == b.secret || a.secret == a.oneTime.path {
		t.Errorf("got secrets %q and %q, one-time path %q; want 22 characters, all different",
			a.secret, b.secret, a.oneTime.path)
	}
}

// The policy forbids all of this; the files must not even try.
func TestStatic_loadsNothingElse(t *testing.T) {
	for _, name := range []string{"page.html", "page.css", "page.js", "frame.js", "live.js", "ring.js", "icon.svg"} {
		body, err := static.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte("http://www.w3.org/2000/svg"), nil) // a namespace
		for _, bad := range []string{
			"http:", "https:", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(",
			"style=", "onclick=\"",
		} {
			if bytes.Contains(body, []byte(bad)) {
				t.Errorf("%s contains %s", name, bad)
			}
		}
	}
}

func TestGuard_oneTimePath(t *testing.T) {
	r := serve(t, "")
	r.server.oneTime.enable()
	for i, want := range []int{http.StatusSeeOther, http.StatusNotFound} {
		res := r.do("GET", "", "", func(req *http.Request) { req.URL.Path = "/" + r.server.oneTime.path })
		if res.StatusCode != want {
			t.Errorf("request %d: got %d, want %d", i, res.StatusCode, want)
		}
		if to := res.Header.Get("Location"); want == http.StatusSeeOther && to != "/"+r.server.secret+"/" {
			t.Errorf("got location %q, want the page", to)
		}
	}
}

func TestCommands(t *testing.T) {
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "7", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn})
	long := strings.Repeat("a", maxBody)
	for _, tt := range []struct {
		path, body string
		want       int
		command    string // "": any
	}{
		{"answer", `{"peer": "workshop"}`, 204, "answer workshop"},
		{"say", `{"peer": "workshop", "text": "<b>hello</b>"}`, 204, ""},
		{"hangup", `{"peer": "workshop"}`, 204, "hangup workshop"},
		{"call", `{"peer": "workshop"}`, 204, "call workshop 0"},
		{"decline", `{"peer": "workshop"}`, 204, "reject workshop"},
		{"call", `{"peer": "nobody"}`, 404, "call nobody 0"},
		{"privacy", `{"privacy": true}`, 204, fmt.Sprintf("privacy true uid %d", os.Getuid())},
		{"privacy", `{}`, 400, ""},
		{"answer", ``, 400, ""},
		{"answer", `{"peer": 1}`, 400, ""},
		{"answer", `{"pear": "workshop"}`, 400, ""},
		{"answer", `{"peer": "workshop"} {}`, 400, ""},
		{"answer", `{"peer": "` + long + `"}`, 400, ""},
		{"call", `{"peer": "workshop", "ring_timeout_ms": 1}`, 400, ""},
	} {
		t.Run(fmt.Sprintf("%s %.60s", tt.path, tt.body), func(t *testing.T) {
			before := len(r.device.Commands())
			res := r.do("POST", tt.path, tt.body, nil)
			if body := r.text(res); res.StatusCode != tt.want {
				t.Errorf("got %d %s, want %d", res.StatusCode, body, tt.want)
			}
			if got := strings.Join(r.device.Commands()[before:], ", "); tt.command != "" && got != tt.command {
				t.Errorf("got command %q, want %q", got, tt.command)
			}
			if got := r.device.Commands()[before:]; tt.want == 400 && len(got) > 0 {
				t.Errorf("invalid request: got commands %q, want none", got)
			}
		})
	}
	res := r.do("POST", "call", `{"peer": "nobody"}`, nil)
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(r.text(res)), &e); err != nil {
		t.Fatal(err)
	}
	want := api.Error{Kind: api.NoSuchPeer, Message: `no peer named "nobody"`}
	if diff := cmp.Diff(&want, e.Error); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// Connections that send nothing, half a request or a wrong secret make room for
// the page, also while it is open.
func TestServer_idleConnections(t *testing.T) {
	r := serve(t, "")
	p := r.openPage("")
	p.awaitState("the daemon up", func(s state) bool { return s.DaemonUp })
	address := r.server.listener.Addr().String()
	requests := []string{"", "G", "GET / HTTP/1.1\r\nHost: " + address + "\r\n\r\n", "GET / HTTP/1.1\r\nX: ",
		"POST / HTTP/1.1\r\nHost: " + address + "\r\nContent-Length: 1000000000\r\n\r\n{", strings.Repeat("A", 50000)}
	for i := range 500 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, requests[i%len(requests)]) // the server may have closed it
	}
	if res := r.do("GET", "", "", nil); res.StatusCode != 200 {
		t.Errorf("page: got %d, want 200", res.StatusCode)
	}
	r.device.SetCall(api.Call{ID: "7", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn})
	p.awaitState("a call", func(s state) bool { return len(s.Ringing) == 1 })
}

func TestServer_maxHeader(t *testing.T) {
	r := serve(t, "")
	c, err := net.Dial("tcp", r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	header := "X: " + strings.Repeat("x", 2*maxHeader+8192)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"+header); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Log(err) // the server may close the connection before the end
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("header of %d bytes: got %q, want 431", len(header), line)
	}
}
