package metrics_test

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/daemontest/syncbuffer"
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
	log := &syncbuffer.Buffer{}
	s := startServer(t, log)
	s.Listen(taken.Addr().String())
	until := time.Now().Add(20 * time.Second)
	for ; strings.Count(log.String(), "metrics listener failed") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("timeout waiting for the log")
		}
	}
	s.Listen("127.0.0.1:0")
	waitListening(t, s, true)
	if n := strings.Count(log.String(), "address already in use"); n != 1 {
		t.Errorf("got %d log lines, want 1", n)
	}
}

// Connections that send nothing, half a request, or do not read their answer
// keep no other client out.
func TestServer_slowClients(t *testing.T) {
	s := startServer(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := waitListening(t, s, true)
	requests := []string{"", "G", "GET /metrics HTTP/1.1\r\n", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ",
		strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 100),
		"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n{", strings.Repeat("A", 20000)}
	for i := range 500 {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, requests[i%len(requests)]) // the server may have closed it
	}
	if status, _, _, err := get("GET", at, "/metrics"); status != 200 || err != nil {
		t.Errorf("got %d, %v; want 200", status, err)
	}
}

func TestServer_host(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, io.Discard)
	s.Listen("127.0.0.1:0")
	at := waitListening(t, s, true)
	_, port, _ := net.SplitHostPort(at)
	for _, tt := range []struct {
		host string
		want int
	}{
		{at, 200}, {"127.0.0.1", 200}, {"localhost:" + port, 200}, {"LOCALHOST", 200}, {"[::1]:" + port, 200},
		{"localhost:9", 200}, {hostname + ":" + port, 200}, {strings.Split(hostname, ".")[0] + ".local", 200},
		{"evil.example:" + port, 403}, {"evil.example", 403}, {"127.0.0.1.evil.example:" + port, 403},
		{"localhost.evil.example", 403}, {hostname + ".evil.example", 403}, {"192.0.2.1:" + port, 403},
		{"[2001:db8::1]:" + port, 403}, {"evil@localhost", 403}, {"localhost.", 403},
	} {
		t.Run(tt.host, func(t *testing.T) {
			r, err := http.NewRequest("GET", "http://"+at+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = tt.host
			a, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			b, err := io.ReadAll(a.Body)
			if err != nil || a.StatusCode != tt.want || (string(b) == "page\n") != (tt.want == 200) {
				t.Errorf("got %d %q, %v; want %d", a.StatusCode, b, err, tt.want)
			}
		})
	}
}
