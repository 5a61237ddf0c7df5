package metrics_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/metrics"
	"vchat/daemon/metrics/metricstest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestText(t *testing.T) {
	var text metrics.Text
	m := text.Metric("a_total", metrics.Counter, "Says \\ and\nmore.")
	m.Add(1)
	m.Add(1<<40, "name", `quote " backslash \ and`+"\nline")
	m.Add(37.069/1e3, "name", "bytes \xff that are no text", "other", "")
	g := text.Metric("b", metrics.Gauge, "Special values.")
	g.Add(math.Inf(1), "is", "inf")
	g.Add(math.Inf(-1), "is", "-inf")
	g.Add(math.NaN(), "is", "nan")
	const want = `# HELP a_total Says \\ and\nmore.
# TYPE a_total counter
a_total 1
a_total{name="quote \" backslash \\ and\nline"} 1099511627776
a_total{name="bytes ` + "\uFFFD" + ` that are no text",other=""} 0.037069
# HELP b Special values.
# TYPE b gauge
b{is="inf"} +Inf
b{is="-inf"} -Inf
b{is="nan"} NaN
`
	if got := text.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := metricstest.Parse(text.String()); err != nil {
		t.Error(err)
	}
}

func TestParse_invalid(t *testing.T) {
	const good = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"
	for _, bad := range []string{
		"a_total 1\n",
		strings.TrimSuffix(good, "\n"),
		good + good,
		good + "a_total 1\n",
		good + "b 1\n",
		good + "a_total{x=\"1\",x=\"2\"} 1\n",
		good + "a_total{x=\"1\",} 1\n",
		good + "a_total{x=\"a\"b\"} 1\n",
		good + "a_total{x=\"\\t\"} 1\n",
		good + "a_total{x=\"1\"} -1\n",
		good + "a_total{x=\"1\"} one\n",
		good + "\n",
		"# HELP a A.\n# TYPE a counter\n",
		"# HELP a_total A.\n# TYPE a_total gauge\n",
		"# TYPE a gauge\na 1\n",
		"# HELP a A.\n",
	} {
		if _, err := metricstest.Parse(bad); err == nil {
			t.Errorf("Parse: got no error, want one for\n%s", bad)
		}
	}
	if _, err := metricstest.Parse(good); err != nil {
		t.Error(err)
	}
}

func TestProcess(t *testing.T) {
	var text metrics.Text
	metrics.Process(&text, time.Unix(1000, 0))
	p, err := metricstest.Parse(text.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, minimum := range map[string]float64{"process_resident_memory_bytes": 1 << 20, "process_open_fds": 3,
		"process_max_fds": 4,
		"go_goroutines":   2, "process_start_time_seconds": 1000} {
		if s, ok := p.Samples[name]; !ok || s.Value < minimum {
			t.Errorf("%s: got %v, present: %v; want at least %v", name, s.Value, ok, minimum)
		}
	}
}

// startServer runs a server for the duration of the test.
func startServer(t *testing.T, log io.Writer) *metrics.Server {
	s := metrics.New(func() string { return "page\n" }, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// waitListening waits until s listens, or does not, and returns the address.
func waitListening(t *testing.T, s *metrics.Server, want bool) string {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); (s.Addr() != nil) != want; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("timeout: got listening %v, want %v", s.Addr() != nil, want)
		}
	}
	if !want {
		return ""
	}
	return s.Addr().String()
}

func get(method, address, path string) (status int, kind, body string, err error) {
	r, err := http.NewRequest(method, "http://"+address+path, nil)
	if err != nil {
		return 0, "", "", err
	}
	a, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0, "", "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, a.Header.Get("Content-Type"), string(b), err
}

func TestServer_requests(t *testing.T) {
	s := startServer(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := waitListening(t, s, true)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/metrics", 200, "page\n"},
		{"HEAD", "/metrics", 200, ""},
		{"POST", "/metrics", 405, "method not allowed; use GET\n"},
		{"GET", "/", 404, "not found; use /metrics\n"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			status, kind, body, err := get(tt.method, at, tt.path)
			if err != nil || status != tt.status || body != tt.body || status == 200 && kind != metrics.ContentType {
				t.Errorf("got %d %q %q, %v; want %d %q", status, kind, body, err, tt.status, tt.body)
			}
		})
	}
}

func TestServer_Listen(t *testing.T) {
	s := startServer(t, io.Discard)
	s.Listen("127.0.0.1:0")
	first := waitListening(t, s, true)
	s.Listen("")
	waitListening(t, s, false)
	if _, _, _, err := get("GET", first, "/metrics"); err == nil {
		t.Error("got an answer at the old address, want none")
	}
	s.Listen(first)
	if again := waitListening(t, s, true); again != first {
		t.Errorf("got address %s, want %s", again, first)
	}
}

func TestServer_addressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log := &logBuffer{}
	s := startServer(t, log)
	s.Listen(taken.Addr().String())
	until := time.Now().Add(20 * time.Second)
	for ; log.count("metrics listener failed") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("timeout waiting for the log")
		}
	}
	s.Listen("127.0.0.1:0")
	waitListening(t, s, true)
	if n := log.count("address already in use"); n != 1 {
		t.Errorf("got %d log lines, want 1", n)
	}
}

// TestServer_idleConnections opens more connections than the server accepts. A
// request is answered as soon as some close.
func TestServer_idleConnections(t *testing.T) {
	s := startServer(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := waitListening(t, s, true)
	var idle []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	answered := make(chan error, 1)
	go func() {
		status, _, _, err := get("GET", at, "/metrics")
		if status != 200 && err == nil {
			err = fmt.Errorf("status %d", status)
		}
		answered <- err
	}()
	for _, c := range idle {
		c.Close()
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}
