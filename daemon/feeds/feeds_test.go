package feeds

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/connlimit"
	"vchat/daemon/control"
	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fakeDevice is the device of controltest with privacy.
type fakeDevice struct {
	*controltest.Device
	privacy atomic.Bool
}

func (d *fakeDevice) Privacy() bool { return d.privacy.Load() }

func (d *fakeDevice) WatchFor(feed, _ string) (control.Viewer, error) { return d.Watch(feed) }

// rig is a running server.
type rig struct {
	*Server
	t      *testing.T
	device *fakeDevice
	dir    string
	log    *syncbuffer.Buffer
	http   *http.Client
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, device: &fakeDevice{Device: controltest.New()}, dir: dir, log: &syncbuffer.Buffer{},
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	r.Server = New(r.device, dir, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r.Listen("127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	r.wait("the listener", func() bool { return r.Addr() != nil })
	return r
}

func (r *rig) wait(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("timeout: %s", what)
		}
	}
}

// token adds a reader and returns its token.
func (r *rig) token(name string) string {
	r.t.Helper()
	_, token, err := r.Add(name)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// get requests a path. change, if not nil, edits the request.
func (r *rig) get(method, path string, change func(*http.Request)) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.Addr().String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
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

func TestServer_refuses(t *testing.T) {
	r := newRig(t)
	token := r.token("obs")
	r.device.Publish(api.Self, 1, false, []byte("frame"))
	bearer := func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+token) }
	body := func(q *http.Request) { q.ContentLength = 1; q.Body = io.NopCloser(strings.NewReader("x")) }
	host := func(q *http.Request) { q.Host = "evil.example" }
	for _, tt := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"no token", "GET", "/self.jpg", nil, 401},
		{"no token, no feed", "GET", "/nothing", nil, 401},
		{"wrong token", "GET", "/self.jpg?token=" + token[1:], nil, 401},
		{"empty token", "GET", "/self.jpg?token=", nil, 401},
		{"hash as token", "GET", "/self.jpg?token=" + string(make([]byte, 0)) + strings.Repeat("0", 64), nil, 401},
		{"token of another case", "GET", "/self.jpg?token=" + strings.ToUpper(token), nil, 401},
		{"token", "GET", "/self.jpg?token=" + token, nil, 200},
		{"bearer", "GET", "/self.jpg", bearer, 200},
		{"head", "HEAD", "/self.mjpeg?token=" + token, nil, 200},
		{"post", "POST", "/self.jpg?token=" + token, nil, 405},
		{"body", "GET", "/self.jpg?token=" + token, body, 400},
		{"another host", "GET", "/self.jpg?token=" + token, host, 403},
		{"no such feed", "GET", "/cellar.jpg?token=" + token, nil, 404},
		{"no such suffix", "GET", "/self.png?token=" + token, nil, 404},
		{"the root", "GET", "/?token=" + token, nil, 404},
		{"another route", "GET", "/v1/status?token=" + token, nil, 404},
		{"a path", "GET", "/../etc/passwd.jpg?token=" + token, nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := r.get(tt.method, tt.path, tt.change); res.StatusCode != tt.want {
				t.Errorf("got %s, want %d", res.Status, tt.want)
			}
		})
	}
	if strings.Contains(r.log.String(), token) {
		t.Error("the log has the token")
	}
}

func TestServer_snapshot(t *testing.T) {
	r := newRig(t)
	token := r.token("obs")
	r.device.Publish("workshop", 7, false, []byte("frame"))
	res := r.get("GET", "/workshop.jpg?token="+token, nil)
	b, _ := io.ReadAll(res.Body)
	if string(b) != "frame" || res.Header.Get(api.HeaderSequence) != "7" ||
		res.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("got %q, %v", b, res.Header)
	}
}

func TestServer_privacy(t *testing.T) {
	r := newRig(t)
	token := r.token("obs")
	r.device.Publish(api.Self, 1, false, []byte("frame"))
	r.device.privacy.Store(true)
	res := r.get("GET", "/self.jpg?token="+token, nil)
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), "privacy is on") {
		t.Errorf("got %s %q, want 503", res.Status, b)
	}
}

// stream is a feed that is read.
type stream struct {
	t     *testing.T
	parts *multipart.Reader
}

func (r *rig) stream(path string) *stream {
	r.t.Helper()
	res := r.get("GET", path, nil)
	_, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("got %s, %v", res.Status, err)
	}
	return &stream{r.t, multipart.NewReader(res.Body, params["boundary"])}
}

// next returns the next frame.
func (s *stream) next() (string, error) {
	part, err := s.parts.NextPart()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(part)
	return string(b), err
}

func TestServer_removedReader(t *testing.T) {
	r := newRig(t)
	token, other := r.token("obs"), r.token("vlc")
	r.device.Publish(api.Self, 1, false, []byte("one"))
	obs, vlc := r.stream("/self.mjpeg?token="+token), r.stream("/self.mjpeg?token="+other)
	for _, s := range []*stream{obs, vlc} {
		if f, err := s.next(); f != "one" || err != nil {
			t.Fatalf("got %q, %v; want the first frame", f, err)
		}
	}
	if r.Reading("obs") != 1 || r.device.Feed(api.Self).Readers() != 2 {
		t.Errorf("got %d feeds of obs, %d readers of the camera", r.Reading("obs"), r.device.Feed(api.Self).Readers())
	}
	if _, err := r.Remove("OBS"); err != nil {
		t.Fatal(err)
	}
	if _, err := obs.next(); err == nil {
		t.Error("the removed reader reads on")
	}
	r.device.Publish(api.Self, 2, false, []byte("two"))
	if f, err := vlc.next(); f != "two" || err != nil {
		t.Errorf("got %q, %v; want the next frame", f, err)
	}
	r.wait("the camera to have one reader", func() bool { return r.device.Feed(api.Self).Readers() == 1 })
	if res := r.get("GET", "/self.jpg?token="+token, nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %s, want 401", res.Status)
	}
}

// A reader that reads nothing loses frames; another one gets them all.
func TestServer_slowReader(t *testing.T) {
	r := newRig(t)
	token := r.token("obs")
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn,
		"GET /self.mjpeg?token="+token+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	fast := r.stream("/self.mjpeg?token=" + token)
	r.wait("both readers", func() bool { return r.device.Feed(api.Self).Readers() == 2 })
	big := strings.Repeat("x", 1<<20)
	for seq := range uint64(32) { // more than all buffers
		r.device.Publish(api.Self, seq, false, []byte(big))
		if f, err := fast.next(); err != nil || len(f) != len(big) {
			t.Fatalf("got %d bytes, %v", len(f), err)
		}
	}
}

func TestServer_limits(t *testing.T) {
	r := newRig(t)
	token := r.token("obs")
	for range maxReader {
		r.stream("/self.mjpeg?token=" + token)
	}
	if res := r.get("GET", "/self.jpg?token="+token, nil); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("got %s, want 429", res.Status)
	}
	// Connections without a request keep no reader out.
	for range 2 * maxConns {
		if c, err := net.Dial("tcp", r.Addr().String()); err == nil {
			defer c.Close()
		}
	}
	r.stream("/self.mjpeg?token=" + r.token("vlc"))
}

func TestServer_address(t *testing.T) {
	r := newRig(t)
	old := r.Addr().String()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.Listen(l.Addr().String())
	r.wait("the error", func() bool { return r.Err() != nil })
	r.Listen("127.0.0.1:0")
	r.wait("another listener", func() bool { return r.Addr() != nil && r.Addr().String() != old && r.Err() == nil })
	r.Listen("")
	r.wait("no listener", func() bool { return r.Addr() == nil })
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := openStore(dir)
	_, token, err := s.add("obs")
	if err != nil || len(token) != 32 {
		t.Fatalf("got token %q, %v", token, err)
	}
	for name, want := range map[string]error{"OBS": ErrTaken, "": ErrName, "a/b": ErrName, "-a": ErrName, "ä": ErrName,
		strings.Repeat("a", 33): ErrName} {
		if _, _, err := s.add(name); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", name, err, want)
		}
	}
	path := filepath.Join(dir, FileName)
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), token) {
		t.Errorf("the file has the token, or: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	if again := openStore(dir); again.find(token) == nil || again.find("") != nil || again.problem != "" {
		t.Errorf("after a restart: got reader %v, problem %q", again.find(token), again.problem)
	}
	for i := 1; i < MaxReaders; i++ {
		if _, _, err := s.add("r" + strings.Repeat("x", i%30) + string(rune('a'+i/30))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.add("more"); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	for name, damage := range map[string]func() error{
		"garbage":        func() error { return os.WriteFile(path, []byte("{"), 0o600) },
		"world-readable": func() error { return errors.Join(os.WriteFile(path, b, 0o600), os.Chmod(path, 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			damaged := openStore(dir)
			if damaged.find(token) != nil || !strings.Contains(damaged.problem, ".corrupt") {
				t.Errorf("got problem %q, want that the file was set aside", damaged.problem)
			}
			if _, _, err := damaged.add("new"); err != nil {
				t.Errorf("add: %v", err)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:7452": "http://127.0.0.1:7452/self.mjpeg?token=t",
		"[::1]:7452":     "http://[::1]:7452/self.mjpeg?token=t",
	} {
		if got := URL(address, "self", "t"); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	if got := URL(":7452", "self", "t"); strings.Contains(got, "//:") || !strings.HasSuffix(got,
		":7452/self.mjpeg?token=t") {
		t.Errorf("got %s, want an address of this host", got)
	}
}

// ffmpeg reads the feed.
func TestServer_ffmpeg(t *testing.T) {
	_, err := exec.LookPath("ffmpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("ffmpeg is missing: install ffmpeg")
	} else if err != nil {
		t.Skip("needs ffmpeg of Debian's ffmpeg")
	}
	r := newRig(t)
	jpeg, err := os.ReadFile("testdata/frame.jpg")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for seq := uint64(1); ; seq++ {
			r.device.Publish(api.Self, seq, false, jpeg)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	defer publisher.Wait()
	defer close(done)
	url := "http://" + r.Addr().String() + "/self.mjpeg?token=" + r.token("ffmpeg")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "mpjpeg", "-i", url, "-frames:v", "5", "-f", "framemd5",
		"-").
		CombinedOutput()
	if err != nil || strings.Count(string(out), "\n0,") != 5 {
		t.Errorf("got %v\n%s\nwant 5 frames", err, out)
	}
}

// FuzzParse parses any content of the file of the readers.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"readers":[{"name":"obs","token_sha256":"` + strings.Repeat("0a", 32) + `"}]}`))
	f.Add([]byte(`{"version":1,"readers":[{"name":"obs","token_sha256":"00"}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parse(b)
		for i, r := range all {
			if err != nil || !validName(r.Name) || indexOf(all, r.Name) != i {
				t.Errorf("got reader %q, %v", r.Name, err)
			}
		}
	})
}

// FuzzRequest sends any target and Authorization. None is accepted without the
// token.
func FuzzRequest(f *testing.F) {
	dir := f.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	device := &fakeDevice{Device: controltest.New()}
	s := New(device, dir, slog.New(slog.DiscardHandler))
	_, token, err := s.Add("obs")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/self.jpg?token=x", "")
	f.Add("/self.mjpeg", "Bearer x")
	f.Add("/%00.jpg?token=%ff&token=", "Bearer ")
	f.Fuzz(func(t *testing.T, target, authorization string) {
		if strings.Contains(target+authorization, token) {
			t.Skip()
		}
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		_ = client.SetDeadline(time.Now().Add(time.Minute))
		l := connlimit.New(onceListener{server}, 1, func(net.Conn) (string, bool) { return "", true })
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(connlimit.WithConn(t.Context(), conn), "GET", "http://localhost", nil)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := req.URL.Parse(target); err == nil {
			req.URL = u
		}
		req.Header["Authorization"] = []string{authorization}
		w := &recorder{header: http.Header{}}
		s.ServeHTTP(w, req)
		if w.status != http.StatusUnauthorized {
			t.Errorf("got %d, want 401", w.status)
		}
	})
}

type onceListener struct{ conn net.Conn }

func (l onceListener) Accept() (net.Conn, error) { return l.conn, nil }
func (l onceListener) Close() error              { return nil }
func (l onceListener) Addr() net.Addr            { return l.conn.LocalAddr() }

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header              { return r.header }
func (r *recorder) Write(b []byte) (int, error)      { return len(b), nil }
func (r *recorder) WriteHeader(status int)           { r.status = status }
func (r *recorder) SetReadDeadline(time.Time) error  { return nil }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
