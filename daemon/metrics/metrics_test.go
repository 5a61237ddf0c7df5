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

func TestTextIsWhatTheFormatWants(t *testing.T) {
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

func TestTheStrictReaderIsStrict(t *testing.T) {
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
			t.Errorf("taken for good:\n%s", bad)
		}
	}
	if _, err := metricstest.Parse(good); err != nil {
		t.Error(err)
	}
}

func TestProcessIsThisOne(t *testing.T) {
	var text metrics.Text
	metrics.Process(&text, time.Unix(1000, 0))
	p, err := metricstest.Parse(text.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, least := range map[string]float64{"process_resident_memory_bytes": 1 << 20, "process_open_fds": 3, "process_max_fds": 4,
		"go_goroutines": 2, "process_start_time_seconds": 1000} {
		if s, ok := p.Samples[name]; !ok || s.Value < least {
			t.Errorf("%s is %v, %v", name, s.Value, ok)
		}
	}
}

// server runs one for as long as the test.
func server(t *testing.T, log io.Writer) *metrics.Server {
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

// bound waits until s listens, or does not.
func bound(t *testing.T, s *metrics.Server, yes bool) string {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); (s.Addr() != nil) != yes; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("listens: %v, want %v", s.Addr() != nil, yes)
		}
	}
	if !yes {
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

func TestServerServesThePageAndNothingElse(t *testing.T) {
	s := server(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := bound(t, s, true)
	for _, tt := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/metrics", 200, "page\n"},
		{"HEAD", "/metrics", 200, ""},
		{"POST", "/metrics", 405, "only to be read\n"},
		{"GET", "/", 404, "the metrics are at /metrics\n"},
	} {
		status, kind, body, err := get(tt.method, at, tt.path)
		if err != nil || status != tt.status || body != tt.body || status == 200 && kind != metrics.ContentType {
			t.Errorf("%s %s: %d %q %q %v", tt.method, tt.path, status, kind, body, err)
		}
	}
}

func TestServerMovesAndStops(t *testing.T) {
	s := server(t, io.Discard)
	s.Listen("127.0.0.1:0")
	first := bound(t, s, true)
	s.Listen("")
	bound(t, s, false)
	if _, _, _, err := get("GET", first, "/metrics"); err == nil {
		t.Error("it answers where it was told not to")
	}
	s.Listen(first)
	if again := bound(t, s, true); again != first {
		t.Errorf("listens at %s, want %s", again, first)
	}
}

func TestATakenAddressIsToldOnceAndDoesNotEndAnything(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log := &lines{}
	s := server(t, log)
	s.Listen(taken.Addr().String())
	for until := time.Now().Add(20 * time.Second); log.count("no metrics") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("not told")
		}
	}
	s.Listen("127.0.0.1:0")
	bound(t, s, true)
	if n := log.count("address already in use"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// TestSilentConnectionsDoNotAddUp opens more connections than are served and looks that the page comes when some go.
func TestSilentConnectionsDoNotAddUp(t *testing.T) {
	s := server(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := bound(t, s, true)
	var silent []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	answered := make(chan error, 1)
	go func() {
		status, _, _, err := get("GET", at, "/metrics")
		if status != 200 && err == nil {
			err = fmt.Errorf("status %d", status)
		}
		answered <- err
	}()
	for _, c := range silent {
		c.Close()
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}
