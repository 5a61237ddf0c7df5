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

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var errEnough = errors.New("enough")

// rig is a page that is served, and the pretended device behind it.
type rig struct {
	t      *testing.T
	device *controltest.Device
	server *Server
	http   *http.Client
}

// serve serves a page for the time of a test.
func serve(t *testing.T, feed string) *rig {
	t.Helper()
	d := controltest.New()
	r := &rig{t: t, device: d, server: start(t, controltest.Start(t, d), feed), http: &http.Client{
		Timeout:       10 * time.Second,
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
		cancel(errEnough)
		if err := <-done; err != errEnough {
			t.Errorf("Serve: %v", err)
		}
		c.Close()
	})
	return s
}

// do sends a request as the page's own, but for a change.
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

func TestOnlyThePageItselfIsLetIn(t *testing.T) {
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
	for _, c := range []struct {
		what, method string
		change       func(*http.Request)
		want         int
	}{
		{"the page", get, nil, 200},
		{"by another name of this machine", get, host("localhost:" + port), 200},
		{"in capitals", get, host("LocalHost:" + port), 200},
		{"by IPv6", get, host("[::1]:" + port), 200},
		{"by a name that somebody makes lead here", get, host("evil.example:" + port), 403},
		{"by such a name without a port", get, host("evil.example"), 403},
		{"by another port", get, host("127.0.0.1:1"), 403},
		{"without a port", get, host("127.0.0.1"), 403},
		{"from another site", get, set("Origin", "http://evil.example"), 403},
		{"from another server on this machine", get, set("Origin", "http://127.0.0.1:1"), 403},
		{"from a page without an origin", get, set("Origin", "null"), 403},
		{"by another name of this machine, as another origin", get, set("Origin", "http://localhost:"+port), 403},
		{"with two origins", get, func(req *http.Request) {
			req.Header["Origin"] = []string{"http://127.0.0.1:" + port, "http://evil.example"}
		}, 403},
		{"by a link on another site", get, set("Sec-Fetch-Site", "cross-site"), 403},
		{"from another port of this machine", get, set("Sec-Fetch-Site", "same-site"), 403},
		{"typed", get, set("Sec-Fetch-Site", "none"), 200},
		{"from itself", get, set("Sec-Fetch-Site", "same-origin"), 200},
		{"a command", post, path("/SECRET/hangup"), 404}, // there is no such call
		{"a command without an origin", post, func(req *http.Request) { req.Header.Del("Origin") }, 403},
		{"a command from another site", post, set("Origin", "http://evil.example"), 403},
		{"a command as a form", post, func(req *http.Request) {
			req.URL.Path = "/SECRET/hangup"
			req.Header.Set("Content-Type", "text/plain")
		}, 415},
		{"no path", get, path("/"), 404},
		{"a favicon", get, path("/favicon.ico"), 404},
		{"another secret", get, path("/AAAAAAAAAAAAAAAAAAAAAA/"), 404},
		{"half of the secret", get, path("/" + r.server.secret[:11] + "/"), 404},
		{"the control socket's paths", get, path("/SECRET/v1/status"), 404},
		{"the same, around a corner", get, path("/SECRET/frame/../v1/status"), 404},
		{"a feed that is none", get, path("/SECRET/frame/..%2Fstatus"), 400},
		{"a file", get, path("/SECRET/static/page.js"), 404},
		{"a command that is read", get, path("/SECRET/hangup"), 405},
		{"the path of the browser, which was not opened", get, path("/" + r.server.once.path), 404},
	} {
		res := r.do(c.method, "", "{}", func(req *http.Request) {
			if req.Method == get {
				req.Body = nil
				req.ContentLength = 0
			}
			if c.change != nil {
				c.change(req)
			}
			req.URL.Path = strings.Replace(req.URL.Path, "SECRET", r.server.secret, 1)
		})
		if body := r.text(res); res.StatusCode != c.want {
			t.Errorf("%s: answered with %d %s; want %d", c.what, res.StatusCode, body, c.want)
		}
		for name, want := range headers {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", c.what, name, got, want)
			}
		}
	}
	if did := r.device.Commands(); len(did) != 1 || did[0] != "hangup " {
		t.Errorf("the device was told %q", did)
	}
}

func TestTheSecretIsLongAndNew(t *testing.T) {
	a, b := serve(t, "").server, serve(t, "").server
	if len(a.secret) != 22 || a.secret == b.secret || a.secret == a.once.path {
		t.Errorf("%q, %q, %q", a.secret, b.secret, a.once.path)
	}
	// What the page loads is itself: by its own words, too.
	for name := range map[string]string{"page.html": "", "page.css": "", "page.js": "", "frame.js": "", "icon.svg": ""} {
		body, err := static.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.ReplaceAll(body, []byte("http://www.w3.org/2000/svg"), nil) // a name, not an address
		for _, bad := range []string{"http:", "https:", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "style=", "onclick=\""} {
			if bytes.Contains(body, []byte(bad)) {
				t.Errorf("%s has %s in it", name, bad)
			}
		}
	}
}

func TestABrowserIsLetInOnceByThePathItIsStartedWith(t *testing.T) {
	r := serve(t, "")
	r.server.once.allow()
	for i, want := range []int{http.StatusSeeOther, http.StatusNotFound} {
		res := r.do("GET", "", "", func(req *http.Request) { req.URL.Path = "/" + r.server.once.path })
		if res.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, res.StatusCode, want)
		}
		if to := res.Header.Get("Location"); want == http.StatusSeeOther && to != "/"+r.server.secret+"/" {
			t.Errorf("led to %q", to)
		}
	}
}

func TestCommands(t *testing.T) {
	r := serve(t, "")
	r.device.SetCall(api.Call{ID: "7", Peer: "workshop", State: api.CallIncoming, Direction: api.DirectionIn})
	long := strings.Repeat("a", maxBody)
	for _, c := range []struct {
		path, body string
		want       int
		did        string
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
		before := len(r.device.Commands())
		res := r.do("POST", c.path, c.body, nil)
		if body := r.text(res); res.StatusCode != c.want {
			t.Errorf("%s %.60s: %d %s, want %d", c.path, c.body, res.StatusCode, body, c.want)
		}
		if did := strings.Join(r.device.Commands()[before:], ", "); c.did != "" && did != c.did {
			t.Errorf("%s %.60s: the device was told %q, want %q", c.path, c.body, did, c.did)
		}
		if c.want == 400 && len(r.device.Commands()) != before {
			t.Errorf("%s %.60s: it was done", c.path, c.body)
		}
	}
	res := r.do("POST", "call", `{"peer": "nobody"}`, nil)
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(r.text(res)), &e); err != nil || e.Error.Kind != api.NoSuchPeer || e.Error.Message != `no peer named "nobody"` || e.Error.Hint != "" {
		t.Errorf("refused with %+v, %v", e.Error, err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	r := serve(t, "")
	address := r.server.listener.Addr().String()
	var all []net.Conn
	for range maxConns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		all = append(all, c)
	}
	ask := func(c net.Conn) <-chan error {
		answered := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+address+"\r\n\r\n")
			if err == nil {
				_, err = bufio.NewReader(c).ReadString('\n')
			}
			answered <- err
		}()
		return answered
	}
	for _, c := range all { // now they are all in
		if err := <-ask(c); err != nil {
			t.Fatal(err)
		}
	}
	more, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer more.Close()
	answered := ask(more)
	select {
	case err := <-answered:
		t.Fatalf("one more than %d is served: %v", maxConns, err)
	case <-time.After(100 * time.Millisecond):
	}
	all[0].Close()
	if err := <-answered; err != nil {
		t.Errorf("it is not served when there is room: %v", err)
	}
}

func TestWhoSendsTooMuchIsSentAway(t *testing.T) {
	r := serve(t, "")
	c, err := net.Dial("tcp", r.server.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 2*maxHeader+8192)); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Log(err) // it may be sent away before it has said all
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	if !strings.Contains(line, "431") {
		t.Errorf("a header of %d bytes: %q", 2*maxHeader, line)
	}
}
